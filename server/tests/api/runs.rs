//! Runs: the table, events, log, manifest, poisons, cancelling and retrying.

use std::fs;

use axum::http::StatusCode;
use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::{Value, json};
use shared::{
    PoisonPlan, RunEvent, RunKind,
    trigger::{CATALOGUE, TriggerSpec},
};

use crate::harness::{TestApp, metrics, spec, spec_with};

fn column(page: &Value, pointer: &str) -> Vec<Value> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item.pointer(pointer).unwrap().clone()).collect()
}

#[tokio::test]
async fn the_table_filters_sorts_and_pages() {
    let app = TestApp::new().await;
    let study = app.study().await;
    app.finish_next(None).await;
    app.finish_next(Some(metrics(61, 2))).await;
    app.finish_next(Some(metrics(60, 44))).await;
    let all = app.get("/runs").await.json();
    assert_eq!(all["total"], 6);
    assert_eq!(column(&all, "/point/lpr"), [0, 0, 3, 0, 0, 3].map(Value::from));

    let probes = app
        .get(&format!("/runs?study={study}&kind=probe&state=done&sort=asr&descending=true"))
        .await
        .json();
    assert_eq!(column(&probes, "/metrics/asr/hits"), [396, 18].map(Value::from));
    let second = app.get("/runs?kind=probe&sort=asr&descending=true&offset=1&limit=1").await.json();
    assert_eq!((&second["total"], &second["offset"]), (&json!(4), &json!(1)));
    assert_eq!(column(&second, "/metrics/asr/hits"), [18]);
    assert_eq!(app.get("/runs?search=blended%20stripes").await.json()["total"], 6);
    assert_eq!(app.get("/runs?trigger=patched").await.json()["total"], 0);
    assert_eq!(app.get("/runs?dataset=shapes&state=queued").await.json()["total"], 3);
}

#[tokio::test]
async fn runs_are_found_by_every_kind_of_trigger() {
    let app = TestApp::new().await;
    for entry in &CATALOGUE {
        let mut study = serde_json::to_value(spec()).unwrap();
        study["attack"]["trigger"] = serde_json::to_value(entry.spec(32, 4)).unwrap();
        study["runs"] = json!(["pretrain"]);
        let answer = app.post("/studies?fresh=true", &study).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}: {}", entry.id, answer.text());
    }
    for kind in TriggerSpec::kinds() {
        let found = app.get(&format!("/runs?trigger={kind}&limit=1000")).await.json();
        assert!(found["total"].as_u64() > Some(0), "{kind}");
        for found in column(&found, "/trigger_kind") {
            assert_eq!(found, kind);
        }
    }
    assert_eq!(app.get("/runs?trigger=WaNet").await.json()["total"], 1, "in capitals");
    assert_eq!(app.get("/runs?trigger=WaNet%200.5").await.json()["total"], 1, "by label");
    assert_snapshot!(app.get("/runs?trigger=warp").await.problem(), @r#"
    400 trigger: takes a label, such as "blended stripes 0.40", or a kind of trigger (blended, patched, random_patch, sig, frequency, low_frequency, wanet, bpp, reflection, filter), not "warp"
      trigger: takes a label, such as "blended stripes 0.40", or a kind of trigger (blended, patched, random_patch, sig, frequency, low_frequency, wanet, bpp, reflection, filter), not "warp"
    "#);
}

#[tokio::test]
async fn a_search_knows_the_capitals_of_every_script() {
    let app = TestApp::new().await;
    for name in ["une étude", "ОПЫТ 7", "50 % [a-z]* \\d"] {
        let answer = app.post("/studies?fresh=true", &spec_with("/name", name)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
    for (search, studies) in [
        ("ÉTUDE", 1),
        ("опыт", 1),
        ("50 % [A-Z]*", 1),
        ("\\D", 1),
        ("[a-z]", 1),
        (".*", 0),
        ("%", 1),
        ("_", 0),
        (" ", 3),
        ("STRIPES", 3),
    ] {
        let query: String = form_urlencoded::byte_serialize(search.as_bytes()).collect();
        let found = app.get(&format!("/studies?search={query}")).await.json();
        assert_eq!(found["total"], studies, "{search}: {found}");
        let found = app.get(&format!("/runs?search={query}")).await.json();
        assert_eq!(found["total"], 6 * studies, "{search}");
    }
}

#[tokio::test]
async fn a_number_or_text_beyond_the_limits_is_refused_by_name() {
    let app = TestApp::new().await;
    app.study().await;
    let run = app.finish_next(None).await;
    let long = "x".repeat(60_000);
    let mut problems = Vec::new();
    for path in [
        format!("/runs/{run}/events?after=9223372036854775808"),
        format!("/runs/{run}/events?after=-1"),
        format!("/runs/{run}/events?kinds=epoch,steps"),
        "/events?after=-5".into(),
        "/events?after=-9223372036854775808".into(),
        "/events?after=9223372036854775808".into(),
        "/runs?offset=9223372036854775808".into(),
        "/runs?offset=-1".into(),
        "/studies?offset=18446744073709551615".into(),
        "/results?offset=18446744073709551615".into(),
        "/runs?limit=-1".into(),
        "/runs?limit=4294967296".into(),
        format!("/runs?search={long}"),
        format!("/studies?search={long}"),
        format!("/runs?trigger={long}"),
        format!("/runs?sort={long}"),
        format!("/runs?offset={long}"),
        format!("/runs?state={long}"),
        format!("/results?sort={long}"),
        format!("/results?filter={long}"),
        format!("/results/groups?by={long}"),
        format!("/compare?studies={long}"),
        format!("/datasets/{long}"),
        format!("/keys/{long}/pixels"),
    ] {
        let answer = app.get(&path).await;
        assert!(answer.status.is_client_error(), "{} {:.80}", answer.status, path);
        let problem = answer.problem();
        assert!(problem.len() < 4_000, "{:.80}: {} bytes", path, problem.len());
        problems.push(format!("{path:.60}\n{problem:.240}"));
    }
    assert_snapshot!(problems.join("\n"));
    // The largest numbers that are taken find nothing and harm nothing.
    let most = i64::MAX;
    assert_eq!(app.get(&format!("/runs/{run}/events?after={most}")).await.json(), json!([]));
    for path in ["runs", "studies", "results"] {
        let page = app.get(&format!("/{path}?offset={most}&limit=4294967295")).await.json();
        assert_eq!((&page["items"], &page["offset"]), (&json!([]), &json!(most)), "{path}");
    }
}

#[tokio::test]
async fn a_finished_run_tells_its_result() {
    let app = TestApp::new().await;
    app.study().await;
    app.finish_next(None).await;
    let probe = app.finish_next(Some(metrics(61, 2))).await;
    assert_json_snapshot!(app.get(&format!("/runs/{probe}")).await.json());
}

#[tokio::test]
async fn events_come_in_parts_and_by_kind() {
    let app = TestApp::new().await;
    app.study().await;
    let run = app.finish_next(None).await;
    let path = format!("/runs/{run}/events");
    let all = app.get(&path).await.json();
    assert_json_snapshot!(all);
    let rest = app.get(&format!("{path}?after=2&limit=3")).await.json();
    assert_eq!(rest, Value::from(all.as_array().unwrap()[2..5].to_vec()));
    let epochs = app.get(&format!("{path}?kinds=epoch,%20checkpoint")).await.json();
    let kinds: Vec<_> = epochs.as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["epoch", "epoch", "epoch", "checkpoint"]);
}

#[tokio::test]
async fn the_log_joins_events_and_the_worker_s_output() {
    let app = TestApp::new().await;
    app.study().await;
    app.finish_next(None).await;
    let run = app.finish_next(Some(metrics(61, 2))).await;
    let folder = app.run_folder(run);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("worker.log"), "a line of the worker\n").unwrap();
    let log = app.get(&format!("/runs/{run}/log")).await;
    assert_eq!(log.header("content-type"), "text/plain; charset=utf-8");
    assert_snapshot!(log.text());
    let end = app.get(&format!("/runs/{run}/log?tail=2")).await.text();
    assert_eq!(end.lines().count(), 2);
    assert!(end.ends_with("a line of the worker\n"));
}

#[tokio::test]
async fn manifest_and_poisons_come_from_the_run_s_folder() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let run = app.runs(study).await[0];
    assert_snapshot!(app.get(&format!("/runs/{run}/manifest")).await.problem());
    assert_snapshot!(app.get(&format!("/runs/{run}/poison")).await.problem());

    let folder = app.run_folder(run);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("manifest.json"), r#"{"program": "0.1.0"}"#).unwrap();
    let plan = PoisonPlan::draw(RunKind::Pretrain, &[0, 0, 1, 1], 2, &spec().settings.attack, 1, 1)
        .unwrap();
    fs::write(folder.join("poison.json"), serde_json::to_vec(&plan).unwrap()).unwrap();
    let manifest = app.get(&format!("/runs/{run}/manifest")).await.json();
    assert_eq!(manifest, json!({ "program": "0.1.0" }));
    let poison = app.get(&format!("/runs/{run}/poison")).await.json();
    assert_eq!(poison, serde_json::to_value(&plan).unwrap());

    let list = format!("/runs/{run}/poisons.txt");
    assert_eq!(
        app.get(&list).await.problem(),
        "404 the run has stored no poison list (yet)",
        "a run of an older version"
    );
    fs::write(folder.join("poisons.txt"), "train/arrow/0003\n").unwrap();
    let answer = app.get(&list).await;
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.text(), "train/arrow/0003\n");
}

#[tokio::test]
async fn a_trigger_that_was_found_comes_from_the_run_s_folder() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let run = app.runs(study).await[0];
    let path = format!("/runs/{run}/inverted.png");
    assert_eq!(app.get(&path).await.problem(), "404 the run has found no trigger");
    let folder = app.run_folder(run);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("inverted.png"), b"a file").unwrap();
    let answer = app.get(&path).await;
    assert_eq!(answer.header("content-type"), "image/png");
    assert_eq!(answer.text(), "a file");
}

#[tokio::test]
async fn an_evaluation_comes_from_the_run_s_folder() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let probe = app.runs(study).await[1];
    let path = format!("/runs/{probe}/evaluation");
    assert_snapshot!(app.get(&path).await.problem(), @"404 there is no evaluation.json yet; the run's worker writes it");

    let folder = app.run_folder(probe);
    fs::create_dir_all(&folder).unwrap();
    let evaluation = engine::eval::count(&[0, 1], &[2.0, 1.0, 2.0, 1.0], &[0.0; 4], 2, &0.into());
    fs::write(folder.join("evaluation.json"), serde_json::to_vec(&evaluation).unwrap()).unwrap();
    let told = app.get(&path).await.json();
    assert_eq!(told["clean"]["rows"], json!([[1, 0], [1, 0]]));
    assert_eq!(told["metrics"]["asr"], json!({ "hits": 1, "total": 1 }));
    assert_eq!(told, serde_json::to_value(&evaluation).unwrap());
}

#[tokio::test]
async fn a_cancelled_run_takes_its_probes_along_and_can_be_tried_again() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let runs = app.runs(study).await;
    let cancelled = app.post_empty(&format!("/runs/{}/cancel", runs[0])).await;
    assert_eq!(cancelled.json()["state"], "cancelled");
    let probe = app.get(&format!("/runs/{}", runs[1])).await.json();
    assert_eq!(probe["state"], "cancelled");
    assert_snapshot!(probe["error"].as_str().unwrap());
    assert_snapshot!(app.post_empty(&format!("/runs/{}/cancel", runs[0])).await.problem());

    let again = app.post_empty(&format!("/runs/{}/retry", runs[0])).await;
    assert_eq!((again.status, &again.json()["state"]), (StatusCode::OK, &json!("queued")));
    assert_eq!(app.get(&format!("/runs/{}", runs[2])).await.json()["state"], "queued");
    assert_snapshot!(app.post_empty(&format!("/runs/{}/retry", runs[0])).await.problem());
}

#[tokio::test]
async fn a_failed_run_says_why() {
    let app = TestApp::new().await;
    app.study().await;
    let run = app.start_next().await;
    let message = "the loss is not a number; lower pretrain.base_lr".into();
    app.take_in(run, vec![RunEvent::Failed { message }]).await.unwrap();
    let row = app.get(&format!("/runs/{run}")).await.json();
    assert_eq!(row["state"], "failed");
    assert_eq!(row["error"], "the loss is not a number; lower pretrain.base_lr");
    let log = app.get(&format!("/runs/{run}/log")).await.text();
    assert!(log.contains("failed: the loss is not a number"), "{log}");
}

#[tokio::test]
async fn a_run_that_is_not_there_is_a_problem() {
    let app = TestApp::new().await;
    let id = "018bcfe5-6800-7000-8000-000000000000";
    for end in [
        "",
        "/events",
        "/log",
        "/manifest",
        "/poison",
        "/poisons.txt",
        "/evaluation",
        "/inverted.png",
        "/inverted/0.png",
        "/judged",
        "/judged/0.png",
        "/strips",
        "/strips/0.png",
    ] {
        let answer = app.get(&format!("/runs/{id}{end}")).await;
        assert_eq!(answer.problem(), format!("404 there is no run {id}"), "{end}");
    }
}
