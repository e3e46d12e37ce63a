//! The live stream: a listener that reconnects misses no event and receives none twice.

use axum::{
    body::{Body, BodyDataStream},
    http::Request,
};
use futures::StreamExt;
use serde_json::{Value, json};
use server::api::Serving;
use shared::RunEvent;

use crate::harness::TestApp;

/// A client that behaves like a browser's `EventSource`.
struct Listener {
    body: BodyDataStream,
    text: String,
    last_id: Option<String>,
}

/// One message.
#[derive(Debug, PartialEq)]
struct Message {
    event: String,
    id: i64,
    data: Value,
}

impl Listener {
    async fn connect(app: &TestApp, query: &str, last_id: Option<&str>) -> Self {
        // Browsers accept brotli, but compression would delay events: this stream must stay uncompressed.
        let mut request =
            Request::get(format!("/api/v1/events{query}")).header("Accept-Encoding", "br");
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = app.open(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new(), last_id: None }
    }

    /// Waits for the next message.
    async fn next(&mut self) -> Message {
        let end = loop {
            if let Some(end) = self.text.find("\n\n") {
                break end;
            }
            let part = self.body.next().await.expect("the stream stays open").unwrap();
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        };
        let message: String = self.text.drain(..end + 2).collect();
        let field = |name: &str| {
            message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let id = field("id").expect("every message has an id");
        self.last_id = Some(id.to_owned());
        Message {
            event: field("event").unwrap_or("message").to_owned(),
            id: id.parse().unwrap(),
            data: serde_json::from_str(field("data").unwrap()).unwrap(),
        }
    }

    async fn take(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.push(self.next().await);
        }
        messages
    }
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_in_words_until_one_ends() {
    let app = TestApp::new().await;
    let serving = Serving { streams: 2, ..Serving::open(&app.app) };
    let app = app.serving(serving);
    let _one = Listener::connect(&app, "", None).await;
    let mut two = Listener::connect(&app, "", None).await;
    two.next().await;
    let third = || Request::get("/api/v1/events").body(Body::empty()).unwrap();
    let refused = app.open(third()).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["connection"], "close", "its connection is for others");
    assert_eq!(refused.headers()["retry-after"], "5");
    let body = axum::body::to_bytes(refused.into_body(), 10_000).await.unwrap();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        problem["detail"],
        "there are 2 live streams, and this server takes no more; try again later, or close another page"
    );
    drop(two);
    let mut third = Listener::connect(&app, "", None).await;
    assert_eq!(third.next().await.event, "hello");
}

#[tokio::test]
async fn listeners_hear_the_same_whoever_reads_first() {
    let app = TestApp::new().await;
    app.study().await;
    let run = app.start_next().await;
    let mut first = Listener::connect(&app, "?after=0", None).await;
    let early = first.take(8).await;
    // The page that the first one read ends here; the second one wants more from the same place.
    app.take_in(run, vec![log("one"), log("two")]).await.unwrap();
    let mut second = Listener::connect(&app, "?after=0", None).await;
    let heard = second.take(10).await;
    assert_eq!(heard[..8], early);
    assert_eq!(heard[8..], first.take(2).await);
    assert_eq!(heard[9].data["stamped"]["message"], "two");
}

fn log(message: &str) -> RunEvent {
    RunEvent::Log { message: message.into() }
}

#[tokio::test]
async fn a_new_listener_hears_what_happens_from_now_on() {
    let app = TestApp::new().await;
    app.study().await;
    let mut listener = Listener::connect(&app, "", None).await;
    let hello = listener.next().await;
    // Six runs were queued before: the stream starts after their events.
    assert_eq!(hello, Message { event: "hello".into(), id: 6, data: json!(6) });

    let run = app.start_next().await;
    app.take_in(run, vec![log("one")]).await.unwrap();
    let started = listener.next().await;
    assert_eq!(started.data, json!({ "run": run, "state": "running", "stamped": null }));
    let said = listener.next().await;
    assert_eq!(said.event, "message");
    assert_eq!(said.data["stamped"]["message"], "one");
    assert_eq!(said.data["stamped"]["seq"], 1);
}

#[tokio::test]
async fn a_listener_that_comes_back_misses_and_repeats_nothing() {
    let app = TestApp::new().await;
    app.study().await;
    let run = app.start_next().await;
    let mut whole = Listener::connect(&app, "?after=0", None).await;
    let mut heard = Vec::new();
    let mut last_id = Some("0".to_owned());
    // Connections break after 0, 1, 2, … messages, and events keep arriving in between.
    for round in 0..6 {
        let mut listener = Listener::connect(&app, "", last_id.as_deref()).await;
        let hello = listener.next().await;
        assert_eq!(Some(hello.id.to_string()), last_id, "the stream resumes where it stopped");
        heard.extend(listener.take(round).await);
        last_id = listener.last_id.clone();
        drop(listener);
        let events = (0..=round).map(|i| log(&format!("{round}.{i}"))).collect();
        app.take_in(run, events).await.unwrap();
    }
    // 7 state changes and 21 log lines make 28 messages; 15 of them were received above.
    let mut listener = Listener::connect(&app, "", last_id.as_deref()).await;
    listener.next().await;
    heard.extend(listener.take(28 - 15).await);

    assert_eq!(whole.next().await.event, "hello");
    assert_eq!(heard, whole.take(28).await);
    let ids: Vec<i64> = heard.iter().map(|message| message.id).collect();
    assert_eq!(ids, (1..=28).collect::<Vec<_>>());
    let seqs: Vec<_> =
        heard.iter().filter_map(|message| message.data["stamped"]["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=21).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_long_gap_is_made_up_in_parts() {
    let app = TestApp::new().await;
    app.study().await;
    let run = app.start_next().await;
    app.take_in(run, (0..1_234).map(|i| log(&i.to_string())).collect()).await.unwrap();
    let mut listener = Listener::connect(&app, "", Some("7")).await;
    listener.next().await;
    for (seq, message) in (1..).zip(listener.take(1_234).await) {
        assert_eq!(message.data["stamped"]["seq"], seq);
    }
}

#[tokio::test]
async fn a_study_s_listener_hears_only_its_runs() {
    let app = TestApp::new().await;
    app.study().await;
    let second = app.study().await;
    let mut listener = Listener::connect(&app, &format!("?study={second}&after=0"), None).await;
    listener.next().await;
    let queued = listener.take(6).await;
    let runs = app.runs(second).await;
    let heard: Vec<Value> = queued.iter().map(|message| message.data["run"].clone()).collect();
    assert_eq!(heard, runs.iter().map(|run| json!(run)).collect::<Vec<_>>());

    let other = app.start_next().await;
    app.take_in(other, vec![log("of the first study")]).await.unwrap();
    app.post_empty(&format!("/runs/{}/cancel", runs[1])).await;
    let next = listener.next().await;
    assert_eq!(next.data, json!({ "run": runs[1], "state": "cancelled", "stamped": null }));
}

#[tokio::test]
async fn a_number_of_another_data_folder_begins_anew() {
    let app = TestApp::new().await;
    app.study().await;
    let mut listener = Listener::connect(&app, "", Some("999")).await;
    assert_eq!(listener.next().await.id, 6);
}

#[tokio::test]
async fn a_last_event_before_the_first_is_refused() {
    let app = TestApp::new().await;
    for wrong in ["-1", "9223372036854775808", "x"] {
        let request = Request::get("/api/v1/events").header("Last-Event-ID", wrong);
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            answer.problem().lines().next().unwrap(),
            format!(
                "400 Last-Event-ID: takes a whole number from 0 to 9223372036854775807, not {wrong:?}"
            )
        );
    }
    // The store itself begins with the first event, whatever it is asked for.
    app.study().await;
    let page = app.app.store.events_after(i64::MIN, None, 3).await.unwrap();
    assert_eq!(page.events.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 3]);
}
