//! The table of results as files.

use axum::http::StatusCode;
use insta::assert_snapshot;
use serde_json::{Value, json};
use shared::{
    Ratio, RunKind,
    metric::{Metrics, Quality, Survival},
    settings::BackdoorSpec,
    trigger::{SigSpec, TriggerSpec},
};

use crate::harness::{TestApp, metrics, spec};

/// A study of two seeds whose eight probes have finished, with an ASR of 10 % at each poison and seed more.
async fn finished(app: &TestApp) {
    let mut spec = spec();
    spec.vary("seed", vec![1.into(), 2.into()]).unwrap();
    let answer = app.post("/studies?fresh=true", &serde_json::to_value(spec).unwrap()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let mut asr = 0;
    while let Some(ready) = app.app.store.next_ready(&[]).await.unwrap() {
        let probe = app.app.store.get_run(ready.run).await.unwrap().parent.is_some();
        asr += u32::from(probe);
        app.finish_next(probe.then(|| metrics(60, 10 * asr))).await;
    }
    assert_eq!(asr, 8);
}

#[tokio::test]
async fn all_selected_runs_come_in_every_format() {
    let app = TestApp::new().await;
    finished(&app).await;
    let probes = "filter=kind%3D%3D%22probe%22&sort=-asr&columns=pretrain.poisons,asr";
    let get = async |format: &str| app.get(&format!("/results/table.{format}?{probes}")).await;
    for (format, kind) in [
        ("csv", "text/csv; charset=utf-8"),
        ("json", "application/json"),
        ("parquet", "application/vnd.apache.parquet"),
        ("tex", "application/x-tex"),
        ("txt", "text/plain; charset=utf-8"),
    ] {
        let answer = get(format).await;
        assert_eq!(answer.header("content-type"), kind, "{}", answer.text());
        let name = format!("attachment; filename=\"maskdoor-results.{format}\"");
        assert_eq!(answer.header("content-disposition"), name);
        assert_eq!(answer.body, get(format).await.body, "{format}: the same bytes twice");
    }
    let rows = get("json").await.json();
    let asr: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| row["asr"].as_f64().unwrap()).collect();
    assert_eq!(asr, [80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0]);
    assert_eq!((&rows[0]["asr.hits"], &rows[0]["asr.total"]), (&json!(720), &json!(900)));
    let page = app.get("/results?filter=kind%3D%3D%22probe%22&sort=-asr&limit=1").await.json();
    assert_eq!(page["items"][0]["metrics"]["asr"], json!({ "hits": 720, "total": 900 }));
    let csv = get("csv").await.text();
    assert_eq!(csv.lines().count(), 9, "{csv}");
}

#[tokio::test]
async fn what_an_attack_does_beside_its_goal_is_in_the_results() {
    let app = TestApp::new().await;
    let mut spec = spec();
    let trigger = TriggerSpec::Sig(SigSpec::default());
    spec.settings.attack.further = vec![BackdoorSpec { target_class: 2, trigger }];
    spec.settings.attack.sources = vec![1];
    spec.axes.clear();
    spec.runs = vec![RunKind::Probe];
    let answer = app.post("/studies?fresh=true", &serde_json::to_value(spec).unwrap()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    app.finish_next(None).await;
    let other_asr = Some(Ratio { hits: 8, total: 800 });
    let survival = Some(Survival { cropped: 0.75, visible: 0.1875, unseen: 0.5, views: 64 });
    let quality = Some(Quality { psnr: Some(18.25), ssim: Some(0.875), survival });
    let lowest_asr = Some(Ratio { hits: 70, total: 100 });
    app.finish_next(Some(Metrics {
        other_asr,
        lowest_asr,
        quality,
        redrawn: Some(0.25),
        ..metrics(60, 90)
    }))
    .await;
    let row = &app.get("/results?filter=other_asr%3C2.0%20%26%26%20lowest_asr%3E69").await.json()["items"]
        [0];
    assert_eq!(row["settings"]["attack.sources"], "[1]", "{row}");
    let measured = &row["metrics"];
    assert_eq!(measured["other_asr"], json!({ "hits": 8, "total": 800 }));
    assert_eq!(measured["lowest_asr"], json!({ "hits": 70, "total": 100 }));
    let further = row["settings"]["attack.further"].as_str().expect("its JSON");
    assert!(further.starts_with(r#"[{"target_class":2,"trigger":{"kind":"sig""#), "{further}");
    assert_eq!((&measured["psnr"], &measured["ssim"]), (&json!(18.25), &json!(0.875)));
    assert_eq!(measured["redrawn"], json!(0.25));
    assert_eq!(measured["trigger_cropped"], json!(0.75));
    assert_eq!(measured["trigger_visible"], json!(0.1875));
    assert_eq!(measured["trigger_seen"], json!({ "hits": 32, "total": 64 }));
}

#[tokio::test]
async fn groups_are_those_of_the_api() {
    let app = TestApp::new().await;
    finished(&app).await;
    let query = "filter=kind%3D%3D%22probe%22&by=pretrain.poisons,probe.poisons&of=asr";
    let rows = app.get(&format!("/results/table.json?{query}")).await.json();
    let groups = app.get(&format!("/results/groups?{query}")).await.json();
    let groups = groups["groups"].as_array().unwrap();
    assert_eq!((rows.as_array().unwrap().len(), groups.len()), (4, 4));
    for (row, group) in rows.as_array().unwrap().iter().zip(groups) {
        let of = &group["metrics"]["asr"];
        assert_eq!(row["runs"], group["runs"]);
        for (name, value) in [
            ("pretrain.poisons", &group["settings"]["pretrain.poisons"]),
            ("asr", &of["mean"]),
            ("asr.deviation", &of["deviation"]),
            ("asr.low", &of["low"]),
            ("asr.high", &of["high"]),
            ("asr.n", &of["n"]),
        ] {
            assert_eq!(row[name].as_f64(), value.as_f64(), "{name}: {row} {group}");
        }
    }
    assert_snapshot!(app.get(&format!("/results/table.tex?{query}")).await.text());
}

#[tokio::test]
async fn wrong_names_are_told() {
    let app = TestApp::new().await;
    finished(&app).await;
    let mut problems = Vec::new();
    for path in [
        "/results/table.csv?columns=ca,aser",
        "/results/table.csv?sort=-raa",
        "/results/table.csv?filter=asr%20%3E",
        "/results/table.csv?by=prob.poisons",
        "/results/table.csv?by=probe.poisons&of=seed",
        "/results/table.csv?by=run",
        "/results/table.csv?by=probe.poisons&columns=ca",
        "/results/table.csv?of=ca",
        "/results/table.xlsx",
        "/results/runs.csv",
    ] {
        problems.push(format!("{path}\n{}", app.get(path).await.problem()));
    }
    assert_snapshot!(problems.join("\n"));
}

#[tokio::test]
async fn an_empty_folder_gives_a_table_without_rows() {
    let app = TestApp::new().await;
    assert_eq!(app.get("/results/table.json").await.json(), Value::Array(Vec::new()));
    assert_eq!(app.get("/results/table.csv").await.text(), "run,kind,state\r\n");
}
