//! What takes up the disk, and the warning before it is full.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::http::StatusCode;
use server::data_dir::DiskSpace;

use crate::harness::TestApp;

const GB: u64 = 1_000_000_000;

#[tokio::test]
async fn each_study_counts_what_its_runs_have() {
    let app = TestApp::new().await;
    let small = app.study().await;
    let large = app.study().await;
    let folder = async |study, at: usize| {
        let runs = app.app.store.study_runs(study).await.unwrap();
        let folder = app.app.store.run_folder(runs[at].id).await.unwrap();
        let folder = app.app.data_dir.folder(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    };
    fs::write(folder(small, 0).await.join("worker.log"), [0; 70]).unwrap();
    let of_large = folder(large, 0).await;
    fs::write(of_large.join("checkpoint-0010.safetensors"), [0; 5000]).unwrap();
    fs::hard_link(
        of_large.join("checkpoint-0010.safetensors"),
        of_large.join("checkpoint.safetensors"),
    )
    .unwrap();
    fs::write(of_large.join("resume.safetensors"), [0; 300]).unwrap();
    fs::write(of_large.join("features-12.safetensors"), [0; 40]).unwrap();
    fs::write(of_large.join("run.json"), [0; 2]).unwrap();
    fs::write(folder(large, 1).await.join("events.jsonl"), [0; 6]).unwrap();
    let lost = app.app.data_dir.runs().join("018bcfe5-6800-7000-8000-000000000000");
    fs::create_dir(&lost).unwrap();
    fs::write(lost.join("run.json"), [0; 11]).unwrap();
    fs::create_dir_all(app.app.data_dir.checkpoint_folder("mae")).unwrap();
    fs::write(app.app.data_dir.checkpoint_folder("mae").join("checkpoint.safetensors"), [0; 900])
        .unwrap();
    fs::write(app.app.data_dir.key_file("1"), [0; 13]).unwrap();
    fs::write(app.app.data_dir.picture_file("1"), [0; 23]).unwrap();
    fs::write(app.app.data_dir.dataset_names("a"), [0; 17]).unwrap();
    fs::write(app.root().join("audit.log"), [0; 19]).unwrap();

    let used = app.get("/disk").await.json();
    let first = &used["studies"][0];
    assert_eq!(first["study"], large.to_string());
    assert_eq!(first["name"], crate::harness::spec().name);
    assert_eq!(first["runs"], 6);
    let expected = serde_json::json!({
        "checkpoints": 5000, "resume": 300, "features": 40, "logs": 6, "other": 2,
    });
    assert_eq!(first["bytes"], expected);
    assert_eq!(first["total_bytes"], 5348);
    assert_eq!(used["studies"][1]["total_bytes"], 70);
    assert_eq!(used["studies_total"], 2);
    let sizes = [
        "runs_bytes",
        "lost_bytes",
        "imports_bytes",
        "keys_bytes",
        "pictures_bytes",
        "datasets_bytes",
    ]
    .map(|name| used[name].as_u64().unwrap());
    assert_eq!(sizes, [5418, 11, 900, 13, 23, 17]);
    let number = |name: &str| used[name].as_u64().unwrap();
    assert!(number("store_bytes") > 0);
    assert!(number("other_bytes") >= 19, "the record of changes and the locks");
    let sum = sizes.iter().sum::<u64>() + number("store_bytes") + number("other_bytes");
    assert_eq!(number("total_bytes"), sum);

    let one = app.get(&format!("/disk?study={small}")).await.json();
    assert_eq!(one["studies"].as_array().unwrap().len(), 1);
    assert_eq!(one["studies"][0]["total_bytes"], 70);
    assert_eq!(app.get("/disk?limit=1").await.json()["studies"].as_array().unwrap().len(), 1);
    let wrong = app.get("/disk?limit=many").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_count_is_kept_until_files_are_removed() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let count = async || app.get("/disk").await.json()["studies_total"].as_u64().unwrap();
    assert_eq!(count().await, 1);
    let other = app.study().await;
    assert_eq!(count().await, 1, "the clock of this test stands still");
    for gone in [study, other] {
        app.post_empty(&format!("/studies/{gone}/cancel")).await;
    }
    let deleted = app.delete(&format!("/studies/{study}")).await;
    assert_eq!(deleted.status, StatusCode::OK);
    assert_eq!(count().await, 1, "the other one");
    app.delete(&format!("/studies/{other}")).await;
    assert_eq!(count().await, 0);
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_is_told_before_writes_fail() {
    let app = TestApp::new().await;
    let free = Arc::new(AtomicU64::new(7 * GB));
    let space = {
        let free = free.clone();
        move || DiskSpace { free: free.load(Ordering::Relaxed), size: 64 * GB }
    };
    let now = Arc::new(AtomicU64::new(crate::harness::NOW));
    let app = app.on_disk(space, now.clone());
    let metric = async || app.get_at("/metrics").await.text().contains("maskdoor_disk_low 1");
    let health = app.get("/health").await;
    assert_eq!(health.json()["status"], "ok");
    assert!(health.json().get("warning").is_none(), "{}", health.text());
    assert!(!metric().await);

    free.store(6 * GB, Ordering::Relaxed);
    now.fetch_add(10_000, Ordering::Relaxed);
    let health = app.get("/health").await;
    assert_eq!(health.status, StatusCode::OK, "nothing is wrong yet");
    let health = health.json();
    assert_eq!(health["status"], "ok");
    assert_eq!(
        health["warning"],
        "the disk of the data folder is nearly full: 6.0 GB of 64.0 GB are free (9.4 %)"
    );
    assert!(health["advice"].as_str().unwrap().contains("maskdoor tidy"), "{health}");
    assert!(metric().await);
    let used = app.get("/disk").await.json();
    assert_eq!((&used["warning"], &used["free_bytes"]), (&health["warning"], &(6 * GB).into()));
    assert_eq!(app.get("/system").await.json()["free_bytes"], 6 * GB);

    // The space is that of now, however old the count of the files is.
    free.store(60 * GB, Ordering::Relaxed);
    let used = app.get("/disk").await.json();
    assert_eq!((used.get("warning"), &used["free_bytes"]), (None, &(60 * GB).into()));
}
