//! Malformed study files: whatever a TOML file contains, reading and checking it yields a study or an error message, and takes memory
//! in proportion to the file.
//!
//! `PROPTEST_CASES` sets how many files are tried, at least 4,096.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::cell::Cell;

use peak_alloc::PeakAlloc;
use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};
use server::cli::spec_file::parse;
use shared::{
    StudySpec,
    api::DatasetInfo,
    run_kind::RunKind,
    study::{Axis, Content, Graph, Speed, presets, run_cost},
    trigger::CATALOGUE,
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Memory that checking a file may take: bytes per byte of the file (`[[a]]` becomes a table with its positions), and bytes on top of
/// that, because a study has up to 4,000 points and 2,000 runs, at 1.5 kB for a run and its point.
const TIMES: usize = 256;
const BESIDE: usize = 8 << 20;

/// Studies as files: every preset, and every trigger.
fn valid() -> Vec<String> {
    let presets = presets();
    let triggers = CATALOGUE.iter().map(|entry| {
        let mut spec = presets[0].spec.clone();
        spec.settings.attack.trigger = entry.spec(32, 8);
        spec.settings.attack.poisons =
            Some(["train/a/1.png".into(), "train/b/2.png".into()].into());
        spec
    });
    let specs = presets.iter().map(|preset| preset.spec.clone()).chain(triggers);
    specs.map(|spec| toml::to_string_pretty(&spec).unwrap()).collect()
}

/// A mutation of a file.
#[derive(Clone, Debug)]
enum Change {
    /// A number is replaced by another one.
    Number(Index, String),
    /// A list of numbers is replaced by a long one.
    List(Index, usize),
    /// A line is removed.
    Gone(Index),
    /// A line is duplicated.
    Twice(Index),
    /// A line moves to another place.
    Moved(Index, Index),
    /// Text is appended to a line.
    Insert(Index, String),
}

fn change() -> impl Strategy<Value = Change> {
    let extremes = select(vec![
        "0",
        "-0.0",
        "-1",
        "1",
        "2",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "1e308",
        "1e-320",
        "nan",
        "inf",
        "-inf",
        "0.5",
        "\"0\"",
        "true",
        "[]",
        "[0]",
        "{}",
        "1979-05-27",
    ]);
    let number = prop_oneof![
        3 => extremes.prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| format!("{number:?}")),
    ];
    let text = prop_oneof![
        "\\PC{0,20}",
        (1usize..3000, select(vec!["[", "{a=", "a.", "\"", "#", "\n", "[[a]]\n"]))
            .prop_map(|(times, part)| part.repeat(times)),
    ];
    let place = any::<Index>;
    prop_oneof![
        6 => (place(), number).prop_map(|(at, number)| Change::Number(at, number)),
        1 => (place(), 0usize..4000).prop_map(|(at, length)| Change::List(at, length)),
        2 => place().prop_map(Change::Gone),
        1 => place().prop_map(Change::Twice),
        2 => (place(), place()).prop_map(|(from, to)| Change::Moved(from, to)),
        1 => (place(), text).prop_map(|(at, text)| Change::Insert(at, text)),
    ]
}

fn changed(text: String, change: &Change) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        return text;
    }
    match change {
        Change::Number(at, number) => {
            let numbers: Vec<usize> = (0..lines.len())
                .filter(|&line| lines[line].bytes().any(|byte| byte.is_ascii_digit()))
                .collect();
            if !numbers.is_empty() {
                let line = &mut lines[*at.get(&numbers)];
                let (name, comma) = (line.split(" = ").next().unwrap(), line.ends_with(','));
                *line = match (line.contains(" = "), comma) {
                    (true, _) => format!("{name} = {number}"),
                    (false, true) => format!("{number},"),
                    (false, false) => number.clone(),
                };
            }
        }
        Change::List(at, length) => {
            let lists: Vec<usize> =
                (0..lines.len()).filter(|&line| lines[line].contains(" = [")).collect();
            if !lists.is_empty() {
                let line = &mut lines[*at.get(&lists)];
                let values: Vec<String> = (0..*length).map(|value| value.to_string()).collect();
                let open = line.split(" = [").next().unwrap();
                let values = values.join(",");
                // A list on several lines continues below.
                *line = if line.ends_with(']') {
                    format!("{open} = [{values}]")
                } else {
                    format!("{open} = [{values},")
                };
            }
        }
        Change::Gone(at) => drop(lines.remove(at.index(lines.len()))),
        Change::Twice(at) => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at].clone());
        }
        Change::Moved(from, to) => {
            let line = lines.remove(from.index(lines.len()));
            lines.insert(to.index(lines.len() + 1), line);
        }
        Change::Insert(at, text) => {
            let at = at.index(lines.len());
            lines[at].push_str(text);
        }
    }
    lines.join("\n")
}

/// Ten classes of 500 images.
fn dataset() -> DatasetInfo {
    DatasetInfo {
        name: "shapes".into(),
        classes: (0..10).map(|class| class.to_string()).collect(),
        train_counts: vec![500; 10],
        test_counts: vec![100; 10],
        ..DatasetInfo::default()
    }
}

/// Does all that the program does with a study before starting it, and returns whether it would start.
fn looked_at(text: &str, dataset: &DatasetInfo) -> Result<bool, String> {
    let spec: StudySpec = parse(text)?;
    let errors = spec.validate_with(std::slice::from_ref(dataset));
    if let Some(error) = errors.first() {
        return Err(error.to_string());
    }
    let graph = Graph::of(&spec, &Content::default()).expect("a valid study has valid axes");
    assert!(!graph.nodes.is_empty() && graph.nodes.len() <= 2_000);
    for kind in RunKind::ALL {
        let cost = run_cost(kind, &spec.settings, dataset, &Speed::of_threads(2), true);
        assert!(cost.seconds.is_finite() && cost.seconds >= 0.0, "{} s", cost.seconds);
    }
    let again: StudySpec = parse(&toml::to_string(&spec).unwrap()).unwrap();
    assert_eq!(again, spec, "writing and reading a study does not change it");
    Ok(true)
}

fn within_bounds(text: &str, dataset: &DatasetInfo) -> Result<bool, TestCaseError> {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let seen = looked_at(text, dataset);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    prop_assert!(taken <= TIMES * text.len() + BESIDE, "{taken} bytes for {}", text.len());
    match seen {
        Ok(sound) => Ok(sound),
        Err(reason) => {
            prop_assert!(!reason.trim().is_empty());
            Ok(false)
        }
    }
}

#[test]
fn no_file_makes_reading_a_study_panic_or_take_much_memory() {
    let (files, dataset) = (valid(), dataset());
    let (sound, refused) = (Cell::new(0u32), Cell::new(0u32));
    let changes = prop::collection::vec(change(), 1..5);
    let asked = Config::default();
    let config = Config { cases: asked.cases.max(4096), failure_persistence: None, ..asked };
    TestRunner::new(config)
        .run(&(0..files.len(), changes), |(which, changes)| {
            let text = changes.iter().fold(files[which].clone(), changed);
            let count = if within_bounds(&text, &dataset)? { &sound } else { &refused };
            count.set(count.get() + 1);
            Ok(())
        })
        .unwrap();
    eprintln!("{} changed studies were valid, {} were refused", sound.get(), refused.get());
    assert!(refused.get() > 0, "no change made a file invalid");
}

/// Points and runs share long values.
#[test]
fn a_long_poison_list_is_held_once_for_all_runs() {
    let mut spec = presets()[0].spec.clone();
    spec.runs = vec![RunKind::Pretrain];
    spec.axes = vec![Axis::of("seed", 1..=2000u32)];
    spec.settings.pretrain.poisons = 1;
    let list: Vec<String> = (0..2000).map(|image| format!("train/{image:08}.png")).collect();
    spec.settings.attack.poisons = Some(list.into());
    let text = toml::to_string(&spec).unwrap();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let graph = Graph::of(&parse(&text).unwrap(), &Content::default()).unwrap();
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert_eq!(graph.nodes.len(), 2000);
    assert!(taken <= TIMES * text.len() + BESIDE, "{taken} bytes for {}", text.len());
}

#[test]
fn a_grid_of_a_billion_runs_is_refused_before_it_is_made() {
    let list = |from: u32| (from..from + 1000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let mut spec = presets()[0].spec.clone();
    spec.axes = vec![
        Axis::of("pretrain.poisons", [987_654u32]),
        Axis::of("probe.poisons", [987_655u32]),
        Axis::of("seed", [987_656u32]),
    ];
    let text = toml::to_string(&spec).unwrap();
    let text = ["987654", "987655", "987656"]
        .iter()
        .fold(text, |text, number| text.replace(number, &list(1)));
    let errors = parse::<StudySpec>(&text).unwrap().validate();
    assert!(errors.iter().any(|error| error.field == "axes"), "{errors:?}");
    assert!(!within_bounds(&text, &dataset()).unwrap());
}
