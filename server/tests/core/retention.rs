//! Checkpoints that nothing needs any more are removed, and nothing else.

use std::{collections::BTreeSet, fs, path::Path};

use server::{
    app::retention::{Removable, by_study},
    audit::Audit,
    replay::replay,
};
use shared::{
    RunState,
    api::{Retention, RunRow, StudyDetail},
};

use crate::{
    cli::success,
    support::{Place, create, finish, metrics, micro, probed},
};

const OLD: Retention = Retention { days: 1, keep_last: false };
const OLD_BUT_LAST: Retention = Retention { days: 1, keep_last: true };
/// Nothing is as old.
const ANCIENT: Retention = Retention { days: 36_500, keep_last: false };

/// A study that is done, with the files that its runs leave: a pre-training with two checkpoints, and two probes.
async fn done(place: &Place, name: &str, tags: &[&str]) -> StudyDetail {
    let mut spec = micro(name, 5);
    spec.tags = tags.iter().map(|&tag| tag.into()).collect();
    let study = create(&place.app, spec).await;
    leave(place, &study);
    finish(place, study.runs[0].id, None).await;
    for probe in &study.runs[1..] {
        finish(place, probe.id, Some(metrics(9, 5, 4))).await;
    }
    study
}

fn leave(place: &Place, study: &StudyDetail) {
    let folder = place.run_folder(&study.runs[0]);
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(folder.path()).unwrap();
    for name in ["manifest.json", "run.json", "events.jsonl", "features-1.safetensors"] {
        fs::write(at(name), "{}").unwrap();
    }
    fs::write(at("checkpoint-0002.safetensors"), [0; 100]).unwrap();
    fs::write(at("checkpoint-0005.safetensors"), [0; 1000]).unwrap();
    fs::hard_link(at("checkpoint-0005.safetensors"), at("checkpoint.safetensors")).unwrap();
    fs::write(at("resume.safetensors"), [0; 10]).unwrap();
    for probe in &study.runs[1..] {
        let folder = place.run_folder(probe);
        fs::create_dir_all(folder.path()).unwrap();
        for name in ["manifest.json", "head.safetensors"] {
            fs::write(folder.path().join(name), "{}").unwrap();
        }
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn removable(place: &Place, policy: Option<Retention>) -> Vec<Removable> {
    place.app.removable(policy).await.unwrap()
}

async fn tidy(place: &Place, policy: Retention) -> Vec<Removable> {
    let found = removable(place, Some(policy)).await;
    remove(place, found).await
}

async fn remove(place: &Place, found: Vec<Removable>) -> Vec<Removable> {
    let audit = Audit::of(place.folder.path(), place.app.clock.clone());
    place.app.remove_unneeded(found, &audit, "retention").await.unwrap()
}

async fn row(place: &Place, run: &RunRow) -> RunRow {
    place.app.store.get_run(run.id).await.unwrap()
}

#[tokio::test]
async fn only_checkpoints_that_nothing_needs_go_and_results_stay() {
    let place = Place::new().await;
    let study = done(&place, "old", &[]).await;
    let folder = place.run_folder(&study.runs[0]).path().to_owned();
    let before = names(&folder);
    assert_eq!(removable(&place, Some(ANCIENT)).await.len(), 1, "its resume point alone");
    let found = removable(&place, Some(OLD)).await;
    let expected = [
        "checkpoint-0002.safetensors",
        "checkpoint-0005.safetensors",
        "checkpoint.safetensors",
        "features-1.safetensors",
        "resume.safetensors",
    ];
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].files, expected);
    assert_eq!(found[0].bytes, 1112, "a file with two names counts once");
    let studies = by_study(&found);
    assert_eq!((studies[0].name.as_str(), studies[0].files, studies[0].bytes), ("old", 5, 1112));
    assert_eq!(names(&folder), before, "nothing is removed yet");

    assert_eq!(remove(&place, found.clone()).await, found);
    assert_eq!(
        names(&folder),
        ["events.jsonl", "manifest.json", "run.json"].map(String::from).into()
    );
    let probe = place.run_folder(&study.runs[1]).path().to_owned();
    assert!(probe.join("head.safetensors").exists(), "heads are small, and results of their own");
    assert!(place.app.store.removals().await.unwrap().is_empty());
    let tidied = row(&place, &study.runs[0]).await.tidied.unwrap();
    assert!(!tidied.kept_last);
    assert_eq!(tidied.to_string(), "removed by retention on 2025-10-09");
    assert!(row(&place, &study.runs[1]).await.metrics.is_some());
    assert_eq!(removable(&place, Some(OLD)).await, []);

    let log = fs::read_to_string(place.folder.path().join("audit.log")).unwrap();
    let line: serde_json::Value = serde_json::from_str(log.trim()).unwrap();
    assert_eq!((&line["who"], &line["removed"]), (&"retention".into(), &"checkpoints".into()));
    assert_eq!(line["run"], study.runs[0].id.to_string());
    assert_eq!(line["study"], study.id.to_string());
    assert_eq!((line["files"].as_array().unwrap().len(), &line["bytes"]), (5, &1112.into()));

    // A study that would start from it trains it again, and takes the results that are there.
    let plan = place.app.plan(micro("again", 5), false).await.unwrap();
    let reused: Vec<_> = plan.runs.iter().map(|run| run.reused.is_some()).collect();
    assert_eq!(reused, [false, true, true]);
    let again = place.app.create_study(micro("again", 5), false).await.unwrap();
    assert_ne!(again.runs[0].id, study.runs[0].id);
    for run in &study.runs[..2] {
        let error = replay(&place.app, run.id, |_| ()).await.unwrap_err().to_string();
        assert!(error.contains("removed by retention on 2025-10-09"), "{error}");
    }
    let id = study.runs[0].id.to_string();
    let found = crate::doctor::found(place.folder.path());
    assert!(!found.iter().any(|(_, what, _)| what.contains(&id)), "nothing is amiss: {found:?}");
}

#[tokio::test]
async fn what_another_run_or_a_person_needs_is_kept() {
    let place = Place::new().await;
    let study = create(&place.app, probed(micro("going", 5), &[0, 1, 2])).await;
    leave(&place, &study);
    finish(&place, study.runs[0].id, None).await;
    finish(&place, study.runs[1].id, Some(metrics(9, 5, 4))).await;
    let only_resume = async || {
        let found = removable(&place, Some(OLD)).await;
        found.iter().all(|one| one.files == ["resume.safetensors"])
    };
    assert!(only_resume().await, "two probes are queued");
    finish(&place, study.runs[2].id, Some(metrics(9, 5, 4))).await;
    place.app.cancel_study(study.id).await.unwrap();
    assert_eq!(row(&place, &study.runs[3]).await.state, RunState::Cancelled);
    assert!(only_resume().await, "the cancelled probe may be run again");
    place.app.retry_run(study.runs[3].id).await.unwrap();
    assert!(only_resume().await);
    finish(&place, study.runs[3].id, Some(metrics(9, 5, 4))).await;
    assert!(!only_resume().await);

    // A study that is created between the look and the removal.
    let found = removable(&place, Some(OLD)).await;
    let next = place.app.create_study(probed(micro("next", 5), &[3]), false).await.unwrap();
    assert_eq!(next.runs[0].id, study.runs[0].id);
    assert_eq!(remove(&place, found).await, []);
    assert!(place.run_folder(&study.runs[0]).path().join("checkpoint.safetensors").exists());
    assert_eq!(row(&place, &study.runs[0]).await.tidied, None);

    let kept = done(&place, "kept", &["Keep"]).await;
    tidy(&place, OLD).await;
    assert!(place.run_folder(&kept.runs[0]).path().join("checkpoint-0002.safetensors").exists());
}

#[tokio::test]
async fn the_last_checkpoint_can_stay_and_be_started_from() {
    let place = Place::new().await;
    let study = done(&place, "old", &[]).await;
    let folder = place.run_folder(&study.runs[0]).path().to_owned();
    let removed = tidy(&place, OLD_BUT_LAST).await;
    assert_eq!(
        removed[0].files,
        ["checkpoint-0002.safetensors", "features-1.safetensors", "resume.safetensors"]
    );
    assert!(folder.join("checkpoint-0005.safetensors").exists());
    assert!(row(&place, &study.runs[0]).await.tidied.unwrap().kept_last);
    assert_eq!(removable(&place, Some(OLD_BUT_LAST)).await, []);
    let next = place.app.create_study(probed(micro("next", 5), &[3]), false).await.unwrap();
    assert_eq!(next.runs[0].id, study.runs[0].id, "it is reused");
    finish(&place, next.runs[1].id, Some(metrics(9, 5, 4))).await;

    // Later the policy becomes stricter.
    let removed = tidy(&place, OLD).await;
    assert_eq!(removed[0].files, ["checkpoint-0005.safetensors", "checkpoint.safetensors"]);
    assert!(!row(&place, &study.runs[0]).await.tidied.unwrap().kept_last);
}

#[tokio::test]
async fn a_removal_that_a_killed_program_began_is_finished_by_the_next() {
    let place = Place::new().await;
    let study = done(&place, "old", &[]).await;
    let found = removable(&place, Some(OLD)).await;
    let files: Vec<String> =
        found[0].files.iter().map(|file| format!("{}/{file}", found[0].run.folder)).collect();
    let unneeded = found[0].unneeded.unwrap();
    assert!(place.app.store.tidy_run(&found[0].run, unneeded, &files, 5).await.unwrap());
    // Killed here. The files are there, but nothing starts from them any more.
    let next = place.app.create_study(probed(micro("next", 5), &[3]), false).await.unwrap();
    assert_ne!(next.runs[0].id, study.runs[0].id);
    place.reopened().await.tidy().await.unwrap();
    let folder = place.run_folder(&study.runs[0]).path().to_owned();
    assert!(!folder.join("checkpoint.safetensors").exists());
    assert!(folder.join("manifest.json").exists());
}

#[tokio::test]
async fn the_command_says_what_it_would_free_first() {
    let place = Place::new().await;
    let study = done(&place, "old", &[]).await;
    let data = place.folder.path().display().to_string();
    let run = |more: &[&str]| {
        let mut args = vec!["tidy", "--data-dir", &data];
        args.extend(more);
        success(place.folder.path(), &args)
    };
    let checkpoint = place.run_folder(&study.runs[0]).path().join("checkpoint.safetensors");
    let told = run(&["--keep-days", "30"]);
    assert!(
        told.contains("old") && told.contains("5 files, 1.1 kB. Nothing was removed"),
        "{told}"
    );
    let told = run(&[]);
    assert!(told.contains("1 files, 10 B") && told.contains("--keep-days N"), "{told}");
    assert!(checkpoint.exists());
    let told = run(&["--keep-days", "30", "--yes", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&report["removed"], &report["bytes"]), (&true.into(), &1112.into()));
    assert_eq!(report["studies"][0]["study"], study.id.to_string());
    assert!(!checkpoint.exists());
    assert!(run(&["--keep-days", "30"]).contains("There is nothing to remove"));
    let disk = success(place.folder.path(), &["disk", "--data-dir", &data]);
    assert!(disk.contains("old") && disk.contains("free on its disk"), "{disk}");
}
