//! Replays of finished runs, with the real program.

use std::{fs, path::Path};

use assert_cmd::Command;
use server::run_log::{CSV_FILE, TENSORBOARD_FILE};
use shared::{RunId, RunKind, RunState, api::RunResult, settings::DefenceMethod};

use crate::support::{Place, create, micro, probed};

fn maskdoor(args: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maskdoor"));
    command.env("MASKDOOR_THREADS", "1").args(args).output().unwrap()
}

/// Trains a micro study in `data` and returns its results.
fn trained(folder: &Path, data: &str) -> Vec<RunResult> {
    let mut spec = probed(micro("once more", 3), &[1]);
    spec.runs.extend([RunKind::Knn, RunKind::Defence]);
    spec.settings.defence.poisons = 1;
    spec.settings.defence.method = DefenceMethod::Bdmae;
    spec.settings.pretrain.checkpoint_every = 2;
    let study = folder.join("study.toml");
    fs::write(&study, toml::to_string_pretty(&spec).unwrap()).unwrap();
    let json = folder.join("out.json").display().to_string();
    let output =
        maskdoor(&["run", &study.display().to_string(), "--data-dir", data, "--json", &json]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&fs::read(&json).unwrap()).unwrap()
}

fn replayed(run: RunId, data: &str) -> (Option<i32>, String) {
    let output = maskdoor(&["replay", &run.to_string(), "--data-dir", data]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_run_is_repeated_to_the_last_bit_and_what_differs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let results = trained(folder.path(), &data);
    let [pretraining, knn, probe, defence] = &results[..] else { panic!("{results:?}") };
    let (code, said) = replayed(pretraining.run, &data);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("equal to the last bit: "), "{said}");
    assert!(said.contains("3 epochs, 0 evaluations and the checkpoint"), "{said}");
    let (code, said) = replayed(knn.run, &data);
    assert_eq!((code, said.contains("0 epochs, 2 evaluations")), (Some(0), true), "{said}");
    let (code, said) = replayed(probe.run, &data);
    assert_eq!((code, said.contains("3 epochs, 1 evaluations")), (Some(0), true), "{said}");

    let (code, said) = replayed(defence.run, &data);
    assert_eq!((code, said.contains("0 epochs, 1 evaluations")), (Some(0), true), "{said}");

    let place = |run: RunId| Path::new(&data).join("runs").join(run.to_string());
    let strips = place(defence.run).join("strips.json");
    let change = |file: &Path, change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        change(&mut value);
        fs::write(file, value.to_string()).unwrap();
    };
    let kept = fs::read(&strips).unwrap();
    change(&strips, &|strips| strips["strips"][0]["map"][0] = 0.125.into());
    let (code, said) = replayed(defence.run, &data);
    assert_eq!((code, said.contains("defence: other strips")), (Some(1), true), "{said}");
    fs::write(&strips, kept).unwrap();
    // Earlier versions kept less of each strip, did not tell what a filter changes, or kept no strips.
    change(&strips, &|strips| {
        for strip in strips["strips"].as_array_mut().unwrap() {
            let strip = strip.as_object_mut().unwrap();
            assert!(strip.remove("structure").is_some() && strip.remove("label").is_some());
        }
    });
    let said_of_images = place(defence.run).join("defence.json");
    change(&said_of_images, &|said| {
        assert!(said["judgement"].as_object_mut().unwrap().remove("filtered").is_some());
    });
    let events = place(defence.run).join("events.jsonl");
    let text = fs::read_to_string(&events).unwrap();
    let earlier = text.lines().map(|line| {
        let mut event: serde_json::Value = serde_json::from_str(line).unwrap();
        if event["type"] == "judged" {
            assert!(event["judgement"].as_object_mut().unwrap().remove("filtered").is_some());
        }
        format!("{event}\n")
    });
    fs::write(&events, earlier.collect::<String>()).unwrap();
    let (code, said) = replayed(defence.run, &data);
    assert_eq!(code, Some(0), "{said}");
    fs::remove_file(&strips).unwrap();
    let (code, said) = replayed(defence.run, &data);
    assert_eq!(code, Some(0), "a run of an earlier version has none: {said}");

    change(&said_of_images, &|said| said["samples"][0]["score"] = 0.125.into());
    let (code, said) = replayed(defence.run, &data);
    assert_eq!(
        (code, said.contains("the same counts from other scores")),
        (Some(1), true),
        "{said}"
    );

    let folder_of_probe = place(probe.run);
    for file in [CSV_FILE, TENSORBOARD_FILE, "evaluation.json"] {
        assert!(folder_of_probe.join(file).exists(), "{file}");
    }
    // Changes the last value of the last tensor, the second epoch's loss and the key image's hash.
    let head = folder_of_probe.join("head.safetensors");
    let mut bytes = fs::read(&head).unwrap();
    let end = bytes.len() - 4;
    let changed = f32::from_le_bytes(bytes[end..].try_into().unwrap()) + 1.0;
    bytes[end..].copy_from_slice(&changed.to_le_bytes());
    fs::write(&head, bytes).unwrap();
    let edit = |file: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let path = folder_of_probe.join(file);
        let text = fs::read_to_string(&path).unwrap();
        let lines = if file.ends_with('l') { text.lines().collect() } else { vec![text.as_str()] };
        let edited = lines.into_iter().map(|line| {
            let mut value = serde_json::from_str(line).unwrap();
            change(&mut value);
            format!("{value}\n")
        });
        fs::write(&path, edited.collect::<String>()).unwrap();
    };
    edit("events.jsonl", &|event| {
        if event["type"] == "epoch" && event["epoch"] == 2 {
            event["loss"] = 9.5.into();
        }
    });
    edit("manifest.json", &|manifest| manifest["key_sha256"] = "0".into());
    let (code, said) = replayed(probe.run, &data);
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains("another build"), "{said}");
    assert!(said.contains("key image's SHA-256: 0, now "), "{said}");
    assert!(said.contains("loss of epoch 2: 9.5, now "), "{said}");
    assert!(said.contains("; 0 later ones differ, too"), "{said}");
    assert!(said.contains(": differs by 1.000e0 at most"), "{said}");
    assert_eq!(said.matches("tensor ").count(), 1, "{said}");
    edit("manifest.json", &|manifest| manifest["bits"] = "0".into());
    let (_, said) = replayed(probe.run, &data);
    assert!(said.contains("by another build of the program, or with other processor"), "{said}");

    let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("replay")).collect();
    assert_eq!(left, Vec::<std::ffi::OsString>::new());
}

#[tokio::test]
async fn only_a_finished_run_is_repeated() {
    let place = Place::new().await;
    let study = create(&place.app, micro("queued", 2)).await;
    assert_eq!(study.runs[0].state, RunState::Queued);
    let data = place.folder.path().display().to_string();
    let (code, said) = replayed(study.runs[0].id, &data);
    assert_eq!(code, Some(1));
    assert_eq!(said, "error: the run is queued; only a finished run can be repeated\n");
}
