//! The queue: order, pauses, and both after a restart.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shared::RunState;

use crate::harness::{NOW, TestApp, metrics, spec_with};

async fn waiting(app: &TestApp) -> Vec<String> {
    let queue = app.get("/queue").await.json();
    queue["waiting"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

async fn moved(app: &TestApp, body: Value) -> Vec<String> {
    let answer = app.post("/queue/move", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    waiting(app).await
}

#[tokio::test]
async fn a_run_is_moved_with_what_it_starts_from() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let runs: Vec<String> = app.runs(study).await.iter().map(ToString::to_string).collect();
    // Two pre-trainings, each followed by its two probes.
    assert_eq!(waiting(&app).await, runs);
    let order = |places: [usize; 6]| places.map(|at| runs[at].clone()).to_vec();
    let probe = moved(&app, json!({ "run": runs[5], "before": runs[0] })).await;
    assert_eq!(probe, order([3, 5, 0, 1, 2, 4]), "its pre-training comes first");
    let last = moved(&app, json!({ "run": runs[0] })).await;
    assert_eq!(last, order([3, 5, 4, 0, 1, 2]), "its probes come after it");
    // What is next follows: the second pre-training, then the probe that was moved.
    assert_eq!(app.finish_next(None).await.to_string(), runs[3]);
    assert_eq!(app.finish_next(Some(metrics(60, 44))).await.to_string(), runs[5]);
    let jobs = app.get("/system").await.json();
    let listed: Vec<&str> =
        jobs["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert_eq!(listed, order([4, 0, 1, 2, 3, 5])[..4]);

    let done = app.post("/queue/move", &json!({ "run": runs[5], "before": runs[0] })).await;
    assert_eq!(done.status, StatusCode::CONFLICT);
    assert!(done.text().contains("only runs that wait"), "{}", done.text());
    let running = app.start_next().await.to_string();
    let refused = app.post_empty(&format!("/runs/{running}/hold")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text().contains("a cluster"), "{}", refused.text());
    for body in [json!({}), json!({ "run": runs[0], "study": study, "before": runs[1] })] {
        let refused = app.post("/queue/move", &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
}

#[tokio::test]
async fn the_queue_tells_when_all_is_done() {
    let app = TestApp::new().await;
    let empty = app.get("/queue/time").await.json();
    assert_eq!(empty, json!({ "seconds": 0.0, "runs": 0, "is_paced": true }));
    app.study().await;
    let all = app.get("/queue/time").await.json();
    assert_eq!((&all["runs"], &all["is_paced"]), (&6.into(), &false.into()));
    let spec = serde_json::to_value(crate::harness::spec()).unwrap();
    let planned = app.post("/plans?fresh=true", &spec).await.json();
    let (told, planned) = (all["seconds"].as_f64().unwrap(), planned["seconds"].as_f64().unwrap());
    assert!((told - planned).abs() < 1e-9 * planned, "{told} {planned}");
    // A finished run counts no more.
    app.finish_next(None).await;
    assert_eq!(app.get("/queue/time").await.json()["runs"], 5);
}

#[tokio::test]
async fn a_study_goes_first_and_a_later_one_last() {
    let app = TestApp::new().await;
    let first: Vec<String> =
        app.runs(app.study().await).await.iter().map(ToString::to_string).collect();
    let add = async |seed: u64| {
        let answer = app.post("/studies", &spec_with("/seed", seed)).await;
        let study = answer.json()["id"].as_str().unwrap().to_owned();
        let runs = answer.json()["runs"].as_array().unwrap().clone();
        let ids = runs.iter().map(|run| run["id"].as_str().unwrap().to_owned());
        (study, ids.collect::<Vec<_>>())
    };
    let (second, runs) = add(7).await;
    let order = moved(&app, json!({ "study": second, "before": first[0] })).await;
    assert_eq!(order, [runs.clone(), first.clone()].concat());
    let (_, later) = add(8).await;
    assert_eq!(waiting(&app).await, [runs, first, later].concat());
}

#[tokio::test]
async fn what_is_paused_does_not_start_even_after_a_restart() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let runs = app.runs(study).await;
    let next =
        async |app: &TestApp| app.app.store.next_ready(&[]).await.unwrap().map(|run| run.run);
    assert_eq!(app.post_empty("/queue/pause").await.json()["paused"], true);
    assert_eq!(next(&app).await, None);
    app.post_empty("/queue/resume").await;
    let held = app.post_empty(&format!("/runs/{}/hold", runs[0])).await;
    assert_eq!(held.status, StatusCode::OK, "{}", held.text());
    // The second pre-training comes before the one that is held, whose probes wait for it.
    assert_eq!(next(&app).await, Some(runs[3]));
    let row = held.json();
    assert_eq!((&row["held"], &row["waits"]), (&json!(true), &json!("held")));
    moved(&app, json!({ "run": runs[0] })).await;
    app.post_empty("/queue/pause").await;
    let before = waiting(&app).await;

    let again = shared_store(&app).await;
    let kept = again.queue_info().await.unwrap();
    assert!(kept.paused && again.is_queue_paused().await.unwrap());
    assert_eq!(kept.waiting.iter().map(ToString::to_string).collect::<Vec<_>>(), before);
    assert_eq!(kept.held, [runs[0]]);
    assert!(again.next_ready(&[]).await.unwrap().is_none());
    assert!(again.next_ahead("slurm:").await.unwrap().is_none(), "a cluster gets nothing new");
    app.post_empty("/queue/resume").await;
    app.post_empty(&format!("/runs/{}/release", runs[0])).await;
    assert_eq!(next(&app).await, Some(runs[3]), "it is last now");
    // Who is queued again begins at the end, and is not held.
    app.post_empty(&format!("/runs/{}/hold", runs[3])).await;
    app.post_empty(&format!("/runs/{}/cancel", runs[3])).await;
    app.post_empty(&format!("/runs/{}/retry", runs[3])).await;
    let row = app.get(&format!("/runs/{}", runs[3])).await.json();
    assert_eq!(row["state"], "queued");
    assert_eq!(app.get("/queue").await.json()["held"], json!([]));
}

#[tokio::test]
async fn any_sequence_of_moves_keeps_all_runs_and_inputs_first() {
    let app = TestApp::new().await;
    let studies = [app.study().await, app.study().await];
    let mut inputs = BTreeMap::new();
    for &study in &studies {
        for run in app.app.store.study_runs(study).await.unwrap() {
            inputs.insert(run.id.to_string(), run.parent.map(|parent| parent.to_string()));
        }
    }
    let all: BTreeSet<&String> = inputs.keys().collect();
    let mut draw = ChaCha8Rng::seed_from_u64(7);
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        let order = waiting(&app).await;
        let any = |draw: &mut ChaCha8Rng| order[draw.random_range(0..order.len())].clone();
        let mut body = match draw.random_range(0..4) {
            0 => json!({ "study": studies[draw.random_range(0..2)] }),
            _ => json!({ "run": any(&mut draw) }),
        };
        if draw.random_range(0..5) > 0 {
            body["before"] = any(&mut draw).into();
        }
        let order = moved(&app, body.clone()).await;
        assert_eq!(order.iter().collect::<BTreeSet<_>>(), all, "{body}");
        assert_eq!(order.len(), all.len(), "{body}");
        for (at, run) in order.iter().enumerate() {
            let input = inputs[run].as_ref();
            assert!(input.is_none_or(|input| order[..at].contains(input)), "{body}: {order:?}");
        }
        seen.insert(order);
    }
    assert!(seen.len() > 20, "{} orders", seen.len());
    let again = shared_store(&app).await.queue_info().await.unwrap();
    let kept: Vec<String> = again.waiting.iter().map(ToString::to_string).collect();
    assert_eq!(kept, waiting(&app).await);
}

#[tokio::test]
async fn changes_of_the_queue_are_recorded_and_told_to_pages() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let runs = app.runs(study).await;
    let before = *app.app.store.news().borrow();
    app.post_empty("/queue/pause").await;
    app.post_empty("/queue/pause").await;
    app.post_empty(&format!("/runs/{}/hold", runs[4])).await;
    moved(&app, json!({ "run": runs[3], "before": runs[0] })).await;
    let page = app.app.store.events_after(before, None, 10).await.unwrap();
    let told: Vec<_> = page.events.iter().map(|(_, event)| (event.run, event.state)).collect();
    // A pause that changes nothing is no news.
    assert_eq!(told, [runs[0], runs[4], runs[3]].map(|run| (run, RunState::Queued)));
    let log = std::fs::read_to_string(app.root().join("audit.log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let paths: Vec<_> = lines.iter().filter_map(|line| line["path"].as_str()).collect();
    let hold = format!("/api/v1/runs/{}/hold", runs[4]);
    let pause = "/api/v1/queue/pause";
    assert_eq!(paths[1..], [pause, pause, &*hold, "/api/v1/queue/move"]);
}

#[tokio::test]
async fn a_run_that_could_not_start_is_the_first_again() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let runs = app.runs(study).await;
    moved(&app, json!({ "run": runs[3], "before": runs[0] })).await;
    let before = waiting(&app).await;
    let key = app.app.store.next_ready(&[]).await.unwrap().unwrap().key;
    assert_eq!(app.start_next().await, runs[3]);
    moved(&app, json!({ "run": runs[4], "before": runs[0] })).await;
    assert!(app.app.store.put_back(key, NOW).await.unwrap());
    let order = waiting(&app).await;
    assert_eq!(order[..2], [runs[3].to_string(), runs[4].to_string()]);
    assert_eq!(order.len(), before.len());
}

/// The same database, opened as another program would.
async fn shared_store(app: &TestApp) -> server::store::Store {
    server::store::Store::open(&app.root().join("maskdoor.sqlite")).await.unwrap()
}
