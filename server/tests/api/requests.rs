//! Each request has an identifier, by which its answer, its lines in the log and in the record of changes find each other.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::TestApp;

/// The lines of a log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn read(&self) -> Vec<serde_json::Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn get(path: &str, id: Option<&str>) -> Request<Body> {
    let request = Request::get(path);
    let request = match id {
        Some(id) => request.header("x-request-id", id),
        None => request,
    };
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_request_keeps_a_sane_identifier_and_gets_one_otherwise() {
    let app = TestApp::new().await;
    let named = app.send(get("/api/v1/presets", Some("proxy-7"))).await;
    assert_eq!(named.header("x-request-id"), "proxy-7");
    let mut made = Vec::new();
    for given in [None, Some("a b"), Some("{\"a\": 1}"), Some(&"x".repeat(65)[..])] {
        let answer = app.send(get("/api/v1/presets", given)).await;
        made.push(answer.header("x-request-id").to_owned());
    }
    made.extend([app.send(get("/studies", None)).await.header("x-request-id").to_owned()]);
    assert!(made.iter().all(|id| id.len() == 36), "{made:?}");
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 5, "each has its own");
}

#[tokio::test]
async fn an_error_of_the_server_names_its_request_in_answer_and_log() {
    let lines = Lines::default();
    let log = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(lines.clone());
    let _log = tracing::subscriber::set_default(log.finish());
    let app = TestApp::new().await;
    app.study().await;
    app.app.store.close().await;
    let answer = app.send(get("/api/v1/studies?search=secret", Some("proxy-7"))).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let problem = answer.json();
    assert_eq!(problem["request"], "proxy-7");
    assert_eq!(answer.header("content-type"), "application/problem+json");

    let of_request: Vec<_> =
        lines.read().into_iter().filter(|line| line["span"]["id"] == "proxy-7").collect();
    let failed = of_request.iter().find(|line| line["message"] == "a request failed").unwrap();
    assert_eq!(failed["level"], "ERROR");
    assert_eq!(failed["span"]["path"], "/api/v1/studies");
    assert!(of_request.len() > 1, "the answer is logged, too");
    assert!(lines.read().iter().all(|line| !line.to_string().contains("secret")), "no queries");

    let missing = app.get("/nothing").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(missing.json()["request"], serde_json::Value::Null, "only errors of the server");
}
