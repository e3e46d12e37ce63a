//! What killed programs leave behind, and what `maskdoor doctor` finds and mends.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use assert_cmd::Command;
use engine::files::{LAST_CHECKPOINT, RESUME};
use serde_json::Value;
use sha2::Digest;
use shared::{
    RunKind, RunState,
    api::RunResult,
    settings::{DefenceMethod, Restorer},
};

use crate::{
    cli::{failure, success, write_study},
    support::{Place, create, finish, micro, probed},
};

fn doctor(data: &Path, more: &[&str], input: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_maskdoor"))
        .env("MASKDOOR_THREADS", "1")
        .args(["doctor", "--data-dir"])
        .arg(data)
        .args(more)
        .write_stdin(input)
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Subject, name and whether it can be mended, of each finding.
pub fn found(data: &Path) -> Vec<(String, String, bool)> {
    let (code, text) = doctor(data, &["--json"], "");
    let report: Value = serde_json::from_str(&text).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(code, i32::from(!findings.is_empty()), "{text}");
    assert_eq!(report["healthy"], findings.is_empty());
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings
        .iter()
        .map(|one| (word(one, "subject"), word(one, "what"), one["mend"].is_string()))
        .collect()
}

/// A file as old as the oldest.
fn old_file(path: PathBuf) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(&path).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    path
}

#[tokio::test]
async fn what_a_killed_program_left_behind_is_removed() {
    let place = Place::new().await;
    let study = create(&place.app, micro("deleted", 2)).await;
    finish(&place, study.runs[0].id, None).await;
    place.app.cancel_study(study.id).await.unwrap();
    let run = place.run_folder(&study.runs[0]).path().to_owned();
    old_file(run.join("events.jsonl"));
    // The server is killed after it has deleted the study, and before it removes its files.
    place.app.store.delete_study(study.id).await.unwrap();
    let root = place.folder.path();
    let part = old_file(root.join("keys/a.png.12-3.part"));
    let written = old_file(root.join("keys/b.png.12-4.part"));
    let writer = File::open(&written).unwrap();
    writer.lock().unwrap();
    let import = root.join("checkpoints/mae");
    old_file(import.join("import.lock"));
    let going = old_file(root.join("checkpoints/other/import.lock"));
    let importer = File::open(&going).unwrap();
    importer.lock().unwrap();
    let other = old_file(root.join("runs/mine/notes.txt"));
    // The name of its lock was not on the disk yet when the power failed.
    let cut = root.join("checkpoints/cut");
    fs::create_dir(&cut).unwrap();
    File::open(&cut).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();

    let mut removed = place.reopened().await.tidy().await.unwrap();
    removed.sort();
    let folders: Vec<String> = study.runs.iter().map(|run| format!("runs/{}", run.id)).collect();
    let left = ["checkpoints/cut", "checkpoints/mae", "keys/a.png.12-3.part"];
    let mut expected = left.map(str::to_owned).to_vec();
    expected.extend(folders);
    expected.sort();
    assert_eq!(removed, expected);
    assert!(!run.exists() && !part.exists() && !import.exists() && !cut.exists());
    assert!(written.exists() && going.exists() && other.exists());
    assert_eq!(place.reopened().await.tidy().await.unwrap(), Vec::<String>::new());
    drop((writer, importer));
}

#[test]
fn of_copies_of_a_run_one_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let path = data.display().to_string();
    let study = write_study(folder.path(), &probed(micro("copied", 2), &[0]));
    success(folder.path(), &["run", &study, "--data-dir", &path]);
    let run = fs::read_dir(data.join("runs")).unwrap().next().unwrap().unwrap().path();
    // It sorts before the folder that has the run's name.
    let copy = data.join("runs/0-copy");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&run).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(data.join(format!("maskdoor.sqlite{end}")));
    }
    let (code, text) = doctor(&data, &["--yes"], "");
    assert_eq!(code, 1, "{text}");
    let rest = vec![("folder_without_run".to_owned(), "runs/0-copy".to_owned(), false)];
    assert_eq!(found(&data), rest, "{text}");
}

#[tokio::test]
async fn runs_of_a_lost_database_are_taken_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let path = data.display().to_string();
    let study = write_study(folder.path(), &probed(micro("lost", 2), &[0, 1]));
    let json = folder.path().join("out.json").display().to_string();
    let run = ["run", &study, "--data-dir", &path, "--json", &json];
    let results = || -> Vec<RunResult> {
        success(folder.path(), &run);
        serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap()
    };
    let before = results();
    assert_eq!(found(&data), []);
    let (code, text) = doctor(&data, &[], "");
    assert_eq!((code, text.as_str()), (0, "Nothing is wrong.\n"));

    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(data.join(format!("maskdoor.sqlite{end}")));
    }
    let lost = found(&data);
    assert_eq!(lost.len(), 3);
    for (subject, what, mends) in &lost {
        assert_eq!((subject.as_str(), *mends), ("folder_without_run", true));
        assert!(before.iter().any(|run| what == &format!("runs/{}", run.run)), "{what}");
    }
    // Nothing changes unless it is asked for.
    let (code, text) = doctor(&data, &[], "n\n");
    assert_eq!(code, 1);
    assert!(
        text.contains("3 can be mended (takes it into the study recovered). Mend? [y/N]"),
        "{text}"
    );
    assert_eq!(found(&data), lost);
    let (code, text) = doctor(&data, &[], "y\n");
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("Everything was mended.\n"), "{text}");
    assert_eq!(found(&data), []);

    // The same runs with the same results: the study takes all of them instead of training.
    let after = results();
    let told = |runs: &[RunResult]| -> Vec<_> {
        runs.iter().map(|run| (run.run, run.digest.clone(), run.ca, run.asr, run.loss)).collect()
    };
    assert_eq!(told(&after), told(&before));
    let app = Place::at(&data).await;
    let rows = app.store.study_runs(recovered(&app).await).await.unwrap();
    assert!(rows.iter().all(|run| run.state == RunState::Done));
    assert_eq!(rows[1].parent, Some(rows[0].id));
    assert_eq!(rows[2].parent, Some(rows[0].id));
    let events = app.store.run_events(rows[0].id, 0, 1000, &[]).await.unwrap();
    assert_eq!(rows[0].ended_at, Some(events.last().unwrap().at));
    app.store.close().await;
    success(folder.path(), &["replay", &rows[1].id.to_string(), "--data-dir", &path]);

    // Damage of all kinds.
    let place = |run: usize, name: &str| data.join(format!("runs/{}/{name}", before[run].run));
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    fs::copy(place(0, LAST_CHECKPOINT), place(1, RESUME)).unwrap();
    flip(&place(1, RESUME));
    // The checkpoint of the last epoch is the same file.
    flip(&place(0, LAST_CHECKPOINT));
    fs::remove_dir_all(place(2, "")).unwrap();
    fs::create_dir(data.join("runs/empty")).unwrap();
    fs::write(data.join(format!("keys/{}.png", "0".repeat(64))), "x").unwrap();
    fs::write(data.join(format!("pictures/{}.png", "0".repeat(64))), "x").unwrap();
    let stray = engine::keys::builtin("glyph").unwrap().file;
    let stray_name = format!("pictures/{:x}.png", sha2::Sha256::digest(stray));
    fs::write(data.join(&stray_name), stray).unwrap();
    let run = |at: usize| format!("runs/{}", before[at].run);
    let expected = |mended: bool| {
        let mut all = vec![
            ("folder_without_run".to_owned(), "runs/empty".to_owned(), true),
            ("run_without_folder".to_owned(), run(2), false),
            ("damaged_file".to_owned(), format!("{}/checkpoint-0002.safetensors", run(0)), false),
            ("damaged_file".to_owned(), format!("{}/{LAST_CHECKPOINT}", run(0)), false),
            ("damaged_file".to_owned(), format!("{}/{RESUME}", run(1)), true),
            ("key".to_owned(), format!("keys/{}.png", "0".repeat(64)), false),
            ("picture".to_owned(), format!("pictures/{}.png", "0".repeat(64)), false),
            ("picture".to_owned(), stray_name.clone(), true),
        ];
        all.retain(|one| !(mended && one.2));
        all
    };
    assert_eq!(found(&data), expected(false));
    assert_eq!(doctor(&data, &["--yes"], "").0, 1, "some of it cannot be mended");
    assert_eq!(found(&data), expected(true));
}

async fn recovered(app: &server::App) -> shared::StudyId {
    let query = server::store::studies::StudyQuery { limit: 10, ..Default::default() };
    let studies = app.store.list_studies(&query).await.unwrap().items;
    studies.iter().find(|study| study.name == "recovered").unwrap().id
}

#[tokio::test]
async fn a_restorer_is_known_again_and_its_defence_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let path = data.display().to_string();
    let mut spec = micro("restored", 2);
    spec.runs = vec![RunKind::Defence];
    spec.axes = Vec::new();
    spec.settings.defence.poisons = 1;
    spec.settings.defence.method = DefenceMethod::Bdmae;
    spec.settings.defence.restorer = Restorer::Clean;
    let study = write_study(folder.path(), &spec);
    success(folder.path(), &["run", &study, "--data-dir", &path]);
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(data.join(format!("maskdoor.sqlite{end}")));
    }
    assert_eq!(doctor(&data, &["--yes"], "").0, 0);
    let app = Place::at(&data).await;
    let rows = app.store.study_runs(recovered(&app).await).await.unwrap();
    app.store.close().await;
    let [poisoned, clean, defence] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((poisoned.point.ppr, clean.point.ppr), (1, 0));
    assert_eq!((defence.parent, defence.restorer), (Some(poisoned.id), Some(clean.id)));
    let replay = ["replay", &defence.id.to_string(), "--data-dir", &path];
    assert!(success(folder.path(), &replay).starts_with("equal to the last bit"));

    // Without the restorer's checkpoint there is nothing to repeat it with.
    fs::remove_file(data.join(format!("runs/{}/{LAST_CHECKPOINT}", clean.id))).unwrap();
    let said = failure(folder.path(), &replay);
    assert!(said.contains(&format!("{}/{LAST_CHECKPOINT}", clean.id)), "{said}");
}

#[tokio::test]
async fn a_run_that_was_broken_off_is_taken_in_and_can_be_run_again() {
    let place = Place::new().await;
    let study = create(&place.app, micro("broken off", 5)).await;
    let folder = place.run_folder(&study.runs[0]);
    let mut scheduler = place.scheduler("exec tail -f /dev/null", 1);
    scheduler.look().await.unwrap();
    let events = crate::support::events(3, crate::support::End::None);
    fs::write(folder.events_file(), crate::support::as_lines(&events)).unwrap();
    place.app.store.cancel_study(study.id, 1).await.unwrap();
    crate::support::look_until(&mut scheduler, &place.app, study.runs[0].id, |run| {
        run.state == RunState::Cancelled
    })
    .await;
    drop(scheduler);
    place.app.store.close().await;
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(place.folder.path().join(format!("maskdoor.sqlite{end}")));
    }
    let (code, text) = doctor(place.folder.path(), &["--yes"], "");
    assert_eq!(code, 0, "{text}");
    let app = place.reopened().await;
    let row = app.store.get_run(study.runs[0].id).await.unwrap();
    assert_eq!((row.state, row.progress.seq), (RunState::Interrupted, 3), "{row:?}");
    app.retry_run(row.id).await.unwrap();
}

#[tokio::test]
async fn a_served_folder_is_looked_at_and_not_changed() {
    let place = Place::new().await;
    fs::create_dir(place.folder.path().join("runs/empty")).unwrap();
    let mut scheduler = place.scheduler("", 1);
    scheduler.look().await.unwrap();
    assert_eq!(doctor(place.folder.path(), &["--yes"], "").0, 1);
    assert!(place.folder.path().join("runs/empty").exists());
    drop(scheduler);
    assert_eq!(doctor(place.folder.path(), &["--yes"], "").0, 0);
    assert!(!place.folder.path().join("runs/empty").exists());
}

#[tokio::test]
async fn a_database_that_is_none_is_said_and_kept() {
    let place = Place::new().await;
    place.app.store.close().await;
    let file = place.folder.path().join("maskdoor.sqlite");
    fs::write(&file, "not a database at all, but long enough to be looked at".repeat(100)).unwrap();
    let path = place.folder.path().display().to_string();
    let told = failure(place.folder.path(), &["doctor", "--data-dir", &path]);
    assert!(told.contains("FOLDER/maskdoor.sqlite"), "{told}");
    assert!(told.contains("move maskdoor.sqlite aside"), "{told}");
    assert!(fs::read(&file).unwrap().starts_with(b"not a database"));
    let none = failure(place.folder.path(), &["doctor", "--data-dir", &format!("{path}/none")]);
    assert_eq!(none, "error: there is no data folder FOLDER/none\n");
}
