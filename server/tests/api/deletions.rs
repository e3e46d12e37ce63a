//! The deletion of a study: undone, ended in time, and after a restart; what is kept of it meanwhile.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::http::StatusCode;
use engine::compute::Machine;
use serde_json::{Value, json};
use server::{App, app::deletions::UNDO, clock::Clock, data_dir::DiskSpace, ids::IdSource};
use shared::StudyId;
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::harness::{NOW, TestApp, metrics, spec_with};

/// The tables that a study has rows in.
const TABLES: [&str; 6] = ["studies", "study_runs", "runs", "run_inputs", "tidied", "events"];

async fn database(root: &Path) -> SqliteConnection {
    let file = SqliteConnectOptions::new().filename(root.join("maskdoor.sqlite"));
    file.connect().await.unwrap()
}

async fn columns(database: &mut SqliteConnection, table: &str) -> Vec<String> {
    let names = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)").bind(table);
    names.fetch_all(database).await.unwrap()
}

/// Every row of these tables, value for value; not the news that something was restored.
async fn rows(app: &TestApp) -> Vec<String> {
    let mut database = database(app.root()).await;
    let mut all = Vec::new();
    for table in TABLES {
        let names = columns(&mut database, table).await;
        let kept = names.iter().filter(|name| *name != "changed");
        let quoted: Vec<String> = kept.map(|name| format!("quote({name})")).collect();
        let sql = format!("SELECT {} FROM {table} ORDER BY 1", quoted.join(" || ',' || "));
        let mut found: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut database).await.unwrap();
        if table == "events" {
            found.retain(|row| !row.contains(&format!(",NULL,{},'state',", NOW + 7)));
        }
        all.extend(found.into_iter().map(|row| format!("{table}: {row}")));
    }
    all
}

/// A study of which two runs are finished and the others cancelled, with notes and a star.
async fn finished(app: &TestApp) -> StudyId {
    let study = app.study().await;
    app.finish_next(None).await;
    app.finish_next(Some(metrics(60, 44))).await;
    over(app, study).await;
    let change = json!({ "notes": "Odd at LPR 3.", "starred": true });
    app.patch(&format!("/studies/{study}"), &change).await;
    study
}

/// Cancels a study, and makes a folder with a file for each of its runs.
async fn over(app: &TestApp, study: StudyId) {
    app.post_empty(&format!("/studies/{study}/cancel")).await;
    for run in app.runs(study).await {
        fs::create_dir_all(app.run_folder(run)).unwrap();
        fs::write(app.run_folder(run).join("checkpoint.safetensors"), [0; 100]).unwrap();
    }
}

async fn deleted(app: &TestApp, study: StudyId) -> Value {
    let answer = app.delete(&format!("/studies/{study}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

async fn undone(app: &TestApp, study: StudyId) -> StatusCode {
    app.post_empty(&format!("/deletions/{study}/undo")).await.status
}

/// The same server at a later time.
fn later(app: TestApp) -> (TestApp, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(NOW));
    (app.on_disk(|| DiskSpace { free: 50 << 30, size: 64 << 30 }, now.clone()), now)
}

#[tokio::test]
async fn tables_of_deletions_have_the_columns_of_those_that_they_are_named_after() {
    let app = TestApp::new().await;
    let mut database = database(app.root()).await;
    for table in TABLES {
        let (of, kept) = (columns(&mut database, table).await, format!("deleted_{table}"));
        let kept = columns(&mut database, &kept).await;
        assert!(
            !of.is_empty() && of.iter().all(|name| kept.contains(name)),
            "a migration that adds a column to {table} adds it to deleted_{table}, too: {of:?}, {kept:?}"
        );
    }
}

#[tokio::test]
async fn what_is_undone_is_as_it_was() {
    let (app, now) = later(TestApp::new().await);
    let study = finished(&app).await;
    let runs = app.runs(study).await;
    let other: StudyId = {
        let answer = app.post("/studies?fresh=true", &spec_with("/name", "Another")).await;
        answer.json()["id"].as_str().unwrap().parse().unwrap()
    };
    app.post_empty(&format!("/studies/{other}/cancel")).await;
    let path = format!("/studies/{study}");
    let seen = async || {
        let mut seen = Vec::new();
        for path in [&path, "/results?limit=50", "/runs", "/studies", "/compare", "/checkpoints"] {
            seen.push(app.get(path).await.text());
        }
        seen
    };
    let (before, shown) = (rows(&app).await, seen().await);

    let deletion = deleted(&app, study).await;
    assert_eq!(
        deletion,
        json!({ "study": study, "name": "A study", "runs": 6, "deleted_at": NOW, "until": NOW + UNDO })
    );
    assert_eq!(app.get("/deletions").await.json(), json!([deletion]));
    assert_eq!(app.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.get(&format!("/runs/{}", runs[5])).await.status, StatusCode::NOT_FOUND);
    assert!(rows(&app).await.len() < before.len());
    assert!(app.run_folder(runs[5]).exists(), "no file is removed");
    assert_eq!(app.delete(&path).await.status, StatusCode::NOT_FOUND, "it is deleted already");

    now.store(NOW + 7, Ordering::Relaxed);
    assert_eq!(undone(&app, study).await, StatusCode::OK);
    assert_eq!(rows(&app).await, before);
    assert_eq!(seen().await, shown);
    assert_eq!(app.get("/deletions").await.json(), json!([]));
    assert_eq!(undone(&app, study).await, StatusCode::NOT_FOUND);
    let mut database = database(app.root()).await;
    for table in TABLES {
        let sql = format!("SELECT count(*) FROM deleted_{table}");
        let left: i64 =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut database).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[tokio::test]
async fn a_run_that_came_meanwhile_does_not_take_the_place_of_a_deleted_one() {
    let app = TestApp::new().await;
    let study = finished(&app).await;
    let before = app.runs(study).await;
    deleted(&app, study).await;
    let new = app.study().await;
    assert_eq!(undone(&app, study).await, StatusCode::OK);
    assert_eq!(app.runs(study).await, before);
    assert_eq!(app.runs(new).await.len(), 6);
    assert_eq!(app.get("/results?limit=50").await.json()["total"], 12);
}

#[tokio::test]
async fn runs_of_two_deleted_studies_come_back_with_the_first_and_go_with_the_last() {
    let app = TestApp::new().await;
    let first = app.study().await;
    over(&app, first).await;
    let reuse = async |name: &str| -> StudyId {
        let answer = app.post("/studies", &spec_with("/name", name)).await;
        let study = answer.json()["id"].as_str().unwrap().parse().unwrap();
        app.post_empty(&format!("/studies/{study}/cancel")).await;
        study
    };
    let second = reuse("second").await;
    let runs = app.runs(first).await;
    assert_eq!(app.runs(second).await, runs, "the second reuses all");
    deleted(&app, first).await;
    assert_eq!(app.get(&format!("/runs/{}", runs[1])).await.json()["study_name"], "second");
    deleted(&app, second).await;
    assert_eq!(undone(&app, first).await, StatusCode::OK);
    assert_eq!(app.runs(first).await, runs);
    assert_eq!(app.get(&format!("/runs/{}", runs[1])).await.json()["study_name"], "A study");
    // The runs are the first's again, so the end of the second's deletion removes none of their files.
    assert_eq!(app.delete(&format!("/deletions/{second}")).await.status, StatusCode::NO_CONTENT);
    assert!(runs.iter().all(|&run| app.run_folder(run).exists()));

    let third = reuse("third").await;
    deleted(&app, first).await;
    deleted(&app, third).await;
    app.delete(&format!("/deletions/{first}")).await;
    assert!(runs.iter().all(|&run| app.run_folder(run).exists()), "the third can be restored");
    app.delete(&format!("/deletions/{third}")).await;
    assert!(!runs.iter().any(|&run| app.run_folder(run).exists()));
    assert_eq!(undone(&app, third).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_deletion_ends_when_its_time_is_over_also_after_a_restart() {
    let (app, now) = later(TestApp::new().await);
    let study = finished(&app).await;
    let folders: Vec<_> = app.runs(study).await.iter().map(|&run| app.run_folder(run)).collect();
    deleted(&app, study).await;
    now.store(NOW + UNDO - 1, Ordering::Relaxed);
    assert!(app.app.end_old_deletions().await.unwrap().is_empty());
    // What a program that starts removes is none of it.
    app.app.tidy().await.unwrap();
    assert!(folders.iter().all(|folder| folder.exists()));

    let open = async |at: u64| {
        let clock = Clock::fixed(at);
        let ids = IdSource::seeded(clock.clone(), 2);
        App::open(app.root(), Machine::with_threads(1), clock, ids).await.unwrap()
    };
    let again = open(NOW + UNDO - 1).await;
    assert_eq!(again.store.deletions().await.unwrap().len(), 1);
    assert!(again.end_old_deletions().await.unwrap().is_empty());
    let again = open(NOW + UNDO).await;
    assert_eq!(again.end_old_deletions().await.unwrap(), ["A study"]);
    assert!(!folders.iter().any(|folder| folder.exists()));
    assert!(again.store.removals().await.unwrap().is_empty());
    assert_eq!(undone(&app, study).await, StatusCode::NOT_FOUND);
    assert_eq!(app.get("/studies").await.json()["total"], 0);
}

#[tokio::test]
async fn the_disk_and_the_doctor_know_what_is_kept() {
    let app = TestApp::new().await;
    let study = finished(&app).await;
    let used = async || app.get("/disk").await.json();
    assert_eq!(used().await["deleted_bytes"], 0);
    deleted(&app, study).await;
    let now = used().await;
    assert_eq!((&now["deleted_bytes"], &now["lost_bytes"]), (&json!(600), &json!(0)));
    assert_eq!((&now["runs_bytes"], &now["studies_total"]), (&json!(0), &json!(0)));
    // A folder that nothing knows would be found, and taken in again as a run that was lost.
    let found = server::doctor::examine(&app.app).await.unwrap();
    assert!(found.is_empty(), "{found:?}");
    undone(&app, study).await;
    assert_eq!(used().await["deleted_bytes"], 0);
    assert_eq!(used().await["runs_bytes"], 600);
}
