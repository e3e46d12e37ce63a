//! A micro study of attacks and defences from its file to its figures; what the figures say is computed here once more from what the runs
//! have kept, pair by pair.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use shared::{RunKind, study::Axis};

use crate::{
    cli::{failure, success, write_study},
    support::micro,
};

/// The 97.5 % quantile of Student's t with one degree of freedom.
const T1: f64 = 12.706_204_736;

/// Trigger and defence as people read them.
type Place = (&'static str, &'static str);

fn json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// What each finished defence run has kept, by its trigger and method; seeds in any order.
fn kept(data: &Path) -> BTreeMap<Place, Vec<(String, Value)>> {
    let mut kept: BTreeMap<Place, Vec<(String, Value)>> = BTreeMap::new();
    for folder in fs::read_dir(data.join("runs")).unwrap().map(|entry| entry.unwrap().path()) {
        if !folder.join("defence.json").exists() {
            continue;
        }
        let order = json(&folder.join("run.json"));
        let trigger = match order["settings"]["attack"]["trigger"]["kind"].as_str().unwrap() {
            "blended" => "Blended",
            "patched" => "BadNets",
            other => panic!("{other}"),
        };
        let method = match order["settings"]["defence"]["method"].as_str().unwrap() {
            "spectral" => "Spectral signatures",
            "strip" => "STRIP",
            "fine_pruning" => "Fine-pruning",
            "decree" => "DECREE",
            other => panic!("{other}"),
        };
        let run = order["run"].as_str().unwrap().to_owned();
        let said = json(&folder.join("defence.json"));
        kept.entry((trigger, method)).or_default().push((run, said));
    }
    kept
}

/// The share of pairs of a poisoned and a clean image in which the poisoned one has the higher score.
fn area(samples: &Value) -> Option<f64> {
    let of = |truth: bool| -> Vec<f64> {
        let samples = samples.as_array().into_iter().flatten();
        let wanted = samples.filter(|sample| sample["poisoned"] == truth);
        wanted.map(|sample| sample["score"].as_f64().unwrap()).collect()
    };
    let (poisoned, clean) = (of(true), of(false));
    let mut sum = 0.0;
    for p in &poisoned {
        for c in &clean {
            sum += if p > c { 1.0 } else { 0.5 * f64::from(u8::from(p >= c)) };
        }
    }
    let pairs = poisoned.len() * clean.len();
    (pairs > 0).then(|| sum / pairs as f64)
}

fn percent(said: &Value, when: &str, of: &str) -> Option<f64> {
    let ratio = &said["judgement"][when][of];
    Some(100.0 * ratio["hits"].as_f64()? / ratio["total"].as_f64()?)
}

/// Mean, and both ends of Student's 95 % interval, of two values.
fn mean(values: &[f64]) -> [f64; 3] {
    let [a, b] = values else { panic!("two seeds: {values:?}") };
    // The deviation of two values is half of their distance times the square root of 2.
    let (mean, half) = (f64::midpoint(*a, *b), T1 * (a - b).abs() / 2.0);
    [mean, mean - half, mean + half]
}

/// The rows of a figure's CSV file, without its head.
fn rows(folder: &Path, data: &str, args: &[&str]) -> Vec<Vec<String>> {
    let file = folder.join("figure.csv").display().to_string();
    success(folder, &[&["figure", args[0], &file, "--data-dir", data], &args[1..]].concat());
    let text = fs::read_to_string(file).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn is_near(told: &str, expected: f64, what: &str) {
    let told: f64 = told.parse().unwrap();
    assert!((told - expected).abs() < 1e-5 * expected.abs().max(1.0), "{what}: {told}, {expected}");
}

/// Compares a matrix with what each run has kept.
fn compare(
    rows: &[Vec<String>],
    kept: &BTreeMap<Place, Vec<(String, Value)>>,
    value: impl Fn(&Value) -> Option<f64>,
    beside: impl Fn(&Value) -> Option<f64>,
) -> usize {
    let mut compared = 0;
    for (&(trigger, method), runs) in kept {
        let of = |get: &dyn Fn(&Value) -> Option<f64>| -> Vec<f64> {
            runs.iter().filter_map(|(_, said)| get(said)).collect()
        };
        let row = rows.iter().find(|row| (&*row[0], &*row[1]) == (trigger, method));
        let values = of(&value);
        if values.is_empty() {
            assert!(row.is_none(), "{trigger}, {method}");
            continue;
        }
        let row = row.unwrap_or_else(|| panic!("no cell of {trigger} and {method}"));
        for (told, expected) in row[2..5].iter().zip(mean(&values)) {
            is_near(told, expected, &format!("{trigger}, {method}"));
        }
        let besides = of(&beside);
        if besides.is_empty() {
            assert_eq!(row[5..8], ["", "", ""], "{trigger}, {method}");
        } else {
            for (told, expected) in row[5..8].iter().zip(mean(&besides)) {
                is_near(told, expected, &format!("{trigger}, {method}, beside"));
            }
        }
        assert_eq!(row[8], "2");
        compared += 1;
    }
    compared
}

#[test]
fn a_micro_study_of_defences_becomes_a_matrix_and_curves() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let data = data_dir.display().to_string();
    let mut spec = micro("Defences", 2);
    spec.runs = vec![RunKind::Defence];
    spec.axes = vec![
        Axis::of("attack.trigger.kind", ["blended", "badnets"]),
        Axis::of("defence.method", ["spectral", "strip", "fine_pruning", "decree"]),
        Axis::of("seed", [1u32, 2]),
    ];
    spec.settings.defence.poisons = 1;
    spec.settings.defence.repair_epochs = 2;
    spec.settings.defence.search_epochs = 5;
    spec.settings.defence.retrain = true;
    spec.settings.finetune.poisons = 1;
    spec.settings.finetune.epochs = 2;
    spec.settings.finetune.warmup_epochs = 1;
    spec.settings.finetune.batch_size = 16;
    let study = write_study(folder.path(), &spec);
    let plan = success(folder.path(), &["plan", &study, "--data-dir", &data]);
    assert!(plan.contains("24 runs"), "4 encoders, 4 classifiers and 16 defences: {plan}");
    success(folder.path(), &["run", &study, "--data-dir", &data]);
    let kept = kept(&data_dir);
    assert_eq!(kept.values().map(Vec::len).collect::<Vec<_>>(), [2; 8]);

    let matrix = rows(folder.path(), &data, &["defence-matrix"]);
    let samples = |said: &Value| area(&said["samples"]);
    assert_eq!(compare(&matrix, &kept, samples, |said| area(&said["control"])), 4);
    for of in ["asr", "ca", "ra"] {
        let matrix = rows(folder.path(), &data, &["defence-matrix", "--shows", of]);
        let (after, before) =
            (|said: &Value| percent(said, "after", of), |said: &Value| percent(said, "before", of));
        assert_eq!(compare(&matrix, &kept, after, before), 6, "{of}");
    }
    // What training again changed is in every table.
    let columns = "run,kept,asr_before,asr_after,retrain_asr_p,retrain_ra_p,repair_asr_p";
    let of_filter = ["--filter", "defence.method == \"spectral\"", "--columns", columns];
    let table = ["results", "--data-dir", &data, "--format", "json"];
    let table = success(folder.path(), &[&table[..], &of_filter].concat());
    let table: Value = serde_json::from_str(&table).unwrap();
    let told = table.as_array().unwrap();
    assert_eq!(told.len(), 4, "{table}");
    let filters = kept.iter().filter(|((_, method), _)| *method == "Spectral signatures");
    for (run, said) in filters.flat_map(|(_, runs)| runs) {
        let row = told.iter().find(|row| row["run"] == **run).unwrap();
        let judgement = &said["judgement"];
        assert_eq!(row["kept.hits"], judgement["retrained"]["kept"]["hits"], "{row}");
        assert_eq!(row["asr_after.hits"], judgement["after"]["asr"]["hits"]);
        for p in ["retrain_asr_p", "retrain_ra_p"] {
            assert!(row[p].as_f64().is_some_and(|p| (0.0..=1.0).contains(&p)), "{row}");
        }
        assert!(row["repair_asr_p"].is_null());
    }
    // An arrow begins and ends where the matrices say.
    let arrows = rows(folder.path(), &data, &["before-after"]);
    assert_eq!(arrows.len(), 6);
    for (&(trigger, method), runs) in kept.iter().filter(|((_, method), _)| *method != "DECREE") {
        let row = arrows.iter().find(|row| (&*row[0], &*row[1]) == (trigger, method)).unwrap();
        let places = [("before", "ca"), ("after", "ca"), ("before", "asr"), ("after", "asr")];
        for (told, (when, of)) in row[2..6].iter().zip(places) {
            let values: Vec<f64> =
                runs.iter().filter_map(|(_, said)| percent(said, when, of)).collect();
            is_near(told, mean(&values)[0], &format!("{trigger}, {method}, {of} {when}"));
        }
    }
    judged_encoders_and_repaired_classifiers(folder.path(), &data, &kept);
    let latex = folder.path().join("matrix.tex").display().to_string();
    success(folder.path(), &["figure", "defence-matrix", &latex, "--data-dir", &data]);
    let latex = fs::read_to_string(latex).unwrap();
    assert!(latex.contains("Trigger & Spectral signatures & STRIP \\\\"), "{latex}");
    assert_eq!(latex.matches("\\pm").count(), 4, "{latex}");

    let curves = rows(folder.path(), &data, &["roc"]);
    for (run, said) in kept.values().flatten() {
        for (with, key) in [("with", "samples"), ("without", "control")] {
            let points: Vec<(f64, f64)> = curves
                .iter()
                .filter(|row| row[0] == *run && row[row.len() - 7] == with)
                .map(|row| {
                    let number = |at: usize| row[row.len() - at].parse::<f64>().unwrap();
                    (number(6) / number(5), number(4) / number(3))
                })
                .collect();
            let trapezium =
                |pair: &[(f64, f64)]| (pair[1].0 - pair[0].0) * f64::midpoint(pair[0].1, pair[1].1);
            match area(&said[key]) {
                Some(area) => {
                    let told: f64 = points.windows(2).map(trapezium).sum();
                    assert!((told - area).abs() < 1e-9, "{run}, {with}: {told}, {area}");
                }
                None => assert!(points.is_empty(), "{run}, {with}"),
            }
        }
    }

    let wrong = folder.path().join("roc.tex").display().to_string();
    let no_table = failure(folder.path(), &["figure", "roc", &wrong, "--data-dir", &data]);
    assert!(no_table.contains("there is defence-matrix.tex"), "{no_table}");
}

/// Encoders and the search of each as figures; a filter's tests in the table; a repaired classifier is evaluated again.
fn judged_encoders_and_repaired_classifiers(
    folder: &Path,
    data: &str,
    kept: &BTreeMap<Place, Vec<(String, Value)>>,
) {
    let of = |method: &str| -> Vec<&(String, Value)> {
        kept.iter().filter(|((_, of), _)| *of == method).flat_map(|(_, runs)| runs).collect()
    };
    let encoders = rows(folder, data, &["encoders"]);
    let searched = of("DECREE");
    let silent =
        searched.iter().filter(|(_, said)| said["judgement"]["encoder"]["flagged"].is_null());
    assert_eq!(encoders.len() + silent.count(), searched.len());
    for row in &encoders {
        let (run, said) = searched.iter().find(|(run, _)| *run == row[0]).unwrap();
        let encoder = &said["judgement"]["encoder"];
        let (head, [attacked, cosine, pl1, _, _, limit]) =
            row.split_last_chunk::<6>().expect("all columns");
        assert!(head.len() > 1, "the encoder has a name: {row:?}");
        assert_eq!((attacked.as_str(), limit.as_str()), ("yes", "0.1"));
        is_near(cosine, encoder["clean_cosine"].as_f64().unwrap(), run);
        match encoder["pl1"].as_f64() {
            Some(expected) => is_near(pl1, expected, run),
            None => assert_eq!(pl1, ""),
        }
    }
    for (run, said) in searched {
        let search = rows(folder, data, &["search", "--run", run]);
        let epochs = said["search"]["epochs"].as_array().unwrap();
        assert_eq!(search.len(), epochs.len());
        for (row, epoch) in search.iter().zip(epochs) {
            is_near(&row[1], epoch["cosine"].as_f64().unwrap(), run);
            is_near(&row[2], epoch["pl1"].as_f64().unwrap(), run);
        }
    }
    let (strip, said) = of("STRIP")[0];
    let no_search = folder.join("search.csv").display().to_string();
    let no_search =
        failure(folder, &["figure", "search", &no_search, "--data-dir", data, "--run", strip]);
    assert!(no_search.contains("the run has kept no search"), "{no_search}");
    assert!(said["judgement"]["filtered"]["asr"]["total"].as_u64() > Some(0), "{said}");
    let columns = "filter_ca_p,filter_asr_p,filter_ra_p";
    let filter = format!("run == \"{strip}\"");
    let table = ["results", "--data-dir", data, "--format", "json", "--filter", &filter];
    let table = success(folder, &[&table[..], &["--columns", columns]].concat());
    let told: Value = serde_json::from_str(&table).unwrap();
    assert!(columns.split(',').all(|p| told[0][p].is_f64()), "{table}");

    // By the first digits of its digest, as `maskdoor runs` lists it.
    let (repaired, said) = of("Fine-pruning")[0];
    let filter = format!("run == \"{repaired}\"");
    let listed = success(folder, &["runs", "--data-dir", data, "--filter", &filter]);
    let digest = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(repaired != digest, "{listed}");
    let json = folder.join("again.json").display().to_string();
    let again = ["evaluate", digest, "--data-dir", data, "--json", &json];
    success(folder, &again);
    let again: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    // All validation images; the repair left those out that the defender had.
    let total = |ratio: &Value| ratio["total"].as_u64().unwrap();
    let (all, judged) = (&again["evaluation"]["metrics"]["ca"], &said["judgement"]["after"]["ca"]);
    assert!(total(all) > total(judged), "{again}");
    let unknown = failure(folder, &["evaluate", "0123456789ab", "--data-dir", data]);
    assert!(unknown.contains("no run's digest begins with 0123456789ab"), "{unknown}");
}
