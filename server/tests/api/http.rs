//! Behaviour common to all requests: problem documents, origins, headers, size limits, and the page served beside the API.

use std::fs;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::{TestApp, metrics};

#[tokio::test]
async fn the_server_tells_that_it_lives() {
    let answer = TestApp::new().await.get("/health").await;
    assert_eq!(answer.json()["status"], "ok");
    assert_eq!(answer.json()["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn an_unknown_path_or_method_is_a_problem() {
    let app = TestApp::new().await;
    for path in ["/nothing", "/!api", "/!api/v2/studies"] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(answer.problem().contains("openapi.json"), "{}", answer.problem());
    }
    assert_snapshot!(app.method(Method::PUT, "/studies").await.problem(), @"405 /api/v1/studies does not take PUT; /api/v1/openapi.json lists what it takes");
    assert_snapshot!(app.method(Method::POST, "/!studies").await.problem(), @"405 /studies can only be read");
}

#[tokio::test]
async fn a_place_in_the_dashboard_is_the_page() {
    let app = TestApp::new().await;
    for place in ["/!", "/!studies/new", "/!compare"] {
        let answer = app.get(place).await;
        assert_eq!(answer.status, StatusCode::OK, "{place}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-cache");
    }
    assert_eq!(app.get("/!no-such-file.js").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_answer_tells_the_browser_to_be_strict() {
    let app = TestApp::new().await;
    for path in ["/!", "/health", "/nothing"] {
        let answer = app.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval'"), "{path}: {policy}");
        let scripts = policy.split(';').find(|part| part.contains("script-src")).unwrap();
        assert!(!scripts.contains("unsafe-inline"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let app = TestApp::new().await;
    let request = |method: Method, origin: &str| {
        Request::builder()
            .method(method)
            .uri("/api/v1/studies")
            .header(header::HOST, "127.0.0.1:8787")
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from("{}"))
            .unwrap()
    };
    let foreign = app.send(request(Method::POST, "http://evil.example")).await;
    assert_snapshot!(foreign.problem(), @"403 this request comes from a page of another site; use the dashboard's own address");
    let own = app.send(request(Method::POST, "http://127.0.0.1:8787")).await;
    assert_eq!(own.status, StatusCode::UNPROCESSABLE_ENTITY, "the body was read and rejected");
    let read = app.send(request(Method::GET, "http://evil.example")).await;
    assert_eq!(read.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_says_why() {
    let app = TestApp::new().await;
    let post = |kind: &str, body: Vec<u8>| {
        Request::post("/api/v1/studies")
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body))
            .unwrap()
    };
    let json = "application/json";
    let broken = app.send(post(json, b"{\"name\": ".to_vec())).await;
    assert_snapshot!(broken.problem(), @"400 the body is not JSON: EOF while parsing a value at line 1 column 9");
    let text = app.send(post("text/plain", b"{}".to_vec())).await;
    assert_snapshot!(text.problem(), @"415 send the body as JSON, with Content-Type: application/json");
    let long = app.send(post(json, vec![b' '; (1 << 20) + 1])).await;
    assert_snapshot!(long.problem(), @"413 a JSON body takes at most 1 MiB");
}

#[tokio::test]
async fn a_wrong_path_or_query_names_its_field() {
    let app = TestApp::new().await;
    let mut problems = Vec::new();
    for path in [
        "/studies/seven",
        "/runs?kind=training",
        "/runs?sort=colour",
        "/runs?limit=many",
        "/runs?sieve=1",
        "/runs?study=7",
        "/compare?studies=7,8",
        "/events?after=yesterday",
        "/datasets/shapes/images/middle/1.png",
        "/figures/tradeoff.gif",
        "/figures/pie.svg",
        "/figures/tradeoff.svg?theme=blue",
        "/figures/loss.svg",
    ] {
        problems.push(format!("{path}\n{}", app.get(path).await.problem()));
    }
    assert_snapshot!(problems.join("\n"));
}

#[tokio::test]
async fn a_fault_of_the_machine_keeps_its_cause_to_itself() {
    let app = TestApp::new().await;
    app.app.store.close().await;
    let answer = app.get("/studies").await;
    assert_snapshot!(answer.problem(), @"500 The server could not do this. Try again, or see its log for the reason.");
}

#[tokio::test]
async fn json_is_packed_for_those_who_take_it() {
    let app = TestApp::new().await;
    let ask = |path: &str| {
        Request::get(path).header(header::ACCEPT_ENCODING, "gzip, br").body(Body::empty()).unwrap()
    };
    let packed = app.send(ask("/api/v1/openapi.json")).await;
    assert_eq!(packed.header("content-encoding"), "br");
    let plain = app.get("/openapi.json").await;
    assert!(packed.body.len() * 4 < plain.body.len(), "{} bytes", packed.body.len());
}

#[tokio::test]
async fn the_system_page_knows_the_machine() {
    let app = TestApp::new().await;
    app.study().await;
    let system = app.get("/system").await.json();
    assert_eq!(system["data_dir"], app.root().display().to_string());
    assert_eq!(system["jobs"].as_array().unwrap().len(), 6);
    assert_eq!(system["schedules"], false);
    assert!(system["store_bytes"].as_u64().unwrap() > 0);
    assert!(system["free_bytes"].as_u64().unwrap() > 0);
    assert_eq!(system["devices"][0]["name"], "cpu");
}

#[tokio::test]
async fn presets_can_be_started_as_they_are() {
    let presets = TestApp::new().await.get("/presets").await.json();
    assert_eq!(presets[0]["id"], "quick-look");
    assert!(presets[0]["spec"]["attack"]["trigger"]["kind"].is_string());
}

#[tokio::test]
async fn a_preset_s_plan_is_that_of_its_study() {
    let app = TestApp::new().await;
    let plan = app.get("/presets/quick-look/plan").await.json();
    let spec = &app.get("/presets").await.json()[0]["spec"];
    let posted = app.post("/plans?fresh=true", spec).await.json();
    assert_eq!(plan, posted);
    assert!(plan["seconds"].as_f64().unwrap() > 0.0, "{plan}");
    let problem = app.get("/presets/nothing/plan").await.problem();
    assert_snapshot!(problem, @r#"404 there is no preset "nothing"; GET /api/v1/presets lists them"#);
}

#[tokio::test]
async fn the_frame_of_a_page_needs_one_answer() {
    let app = TestApp::new().await;
    app.study().await;
    let overview = app.get("/overview").await.json();
    assert_eq!(overview["me"], app.get("/me").await.json());
    assert_eq!(overview["health"], app.get("/health").await.json());
    assert_eq!(overview["device"], app.get("/system").await.json()["devices"][0]["description"]);
    assert_eq!(overview["running"], json!({ "count": 0, "fraction": 0.0 }), "all wait");

    app.start_next().await;
    let overview = app.get("/overview").await.json();
    assert_eq!(overview["running"]["count"], 1);
}

#[tokio::test]
async fn the_newest_result_is_a_classifier_s() {
    let app = TestApp::new().await;
    let study = app.study().await;
    app.finish_next(None).await;
    let overview = app.get("/overview").await.json();
    assert_eq!(overview["newest"], Value::Null, "an encoder shows nothing");
    app.finish_next(Some(metrics(61, 2))).await;
    app.finish_next(Some(metrics(60, 44))).await;
    let newest = app.get("/overview").await.json()["newest"].clone();
    assert_eq!(newest["study"], json!(study));
    assert_eq!(newest["metrics"]["asr"]["hits"], 396, "{newest}");
    let run = app.get(&format!("/runs/{}", newest["run"].as_str().unwrap())).await.json();
    assert_eq!(newest["ended_at"], run["ended_at"]);
    assert_eq!(newest["study_name"], run["study_name"]);
}

#[tokio::test]
async fn nothing_is_stored_in_a_database_that_is_gone() {
    let app = TestApp::new().await;
    app.study().await;
    let (path, aside) = (app.app.data_dir.store_file(), app.root().join("aside.sqlite"));
    let spec = serde_json::to_value(crate::harness::spec()).unwrap();
    let told = |text: String| text.replace(&path.display().to_string(), "FILE");
    let start = async || {
        let answer = app.post("/studies?fresh=true", &spec).await;
        (answer.status, told(answer.problem()))
    };

    fs::rename(&path, &aside).unwrap();
    let (status, problem) = start().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_snapshot!(problem, @"503 the database FILE was deleted or moved after it was opened; nothing more is stored in it. Stop maskdoor, put the file back, and start maskdoor again. If the file is gone, maskdoor doctor takes the runs in again from their folders.");
    assert!(!path.exists(), "no empty database hides that it is gone");
    let health = app.get("/health").await;
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health.json()["status"], "cannot write");
    let overview = app.get("/overview").await;
    assert_eq!(overview.status, StatusCode::OK, "a page shows what is wrong");
    assert_eq!(overview.json()["health"], health.json());
    let told_health = told(health.json()["problem"].as_str().unwrap().to_owned());
    assert_snapshot!(told_health, @"the database FILE was deleted or moved after it was opened; nothing more is stored in it");
    assert!(health.json()["advice"].as_str().unwrap().contains("maskdoor doctor"));
    assert_eq!(app.get("/studies").await.json()["total"], 1, "what is open can still be read");

    fs::copy(&aside, &path).unwrap();
    let (status, problem) = start().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(problem.contains("FILE was replaced by another file"), "{problem}");

    fs::rename(&aside, &path).unwrap();
    assert_eq!(app.post("/studies?fresh=true", &spec).await.status, StatusCode::CREATED);
    assert_eq!(app.get("/studies").await.json()["total"], 2);
}
