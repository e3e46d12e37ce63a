//! The live stream of events over all runs (server-sent events).
//!
//! The store numbers all events. A message's `id` is that number, so a browser that lost its connection resumes with
//! `Last-Event-ID` and receives each event exactly once.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{
        HeaderMap, HeaderValue,
        header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use shared::{RunId, StudyId, api::LiveEvent};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch},
    time::{Interval, interval},
};
use utoipa::IntoParams;

use super::{
    Api,
    error::ApiError,
    extract::{Place, Query, word},
};
use crate::{
    app::handle::{Standing, Standings},
    ending::Ending,
    store::{Store, StoreError},
};

/// Events that are read from the store at a time.
const PAGE: u32 = 500;
/// How long a browser waits before it reconnects, in milliseconds.
const RETRY: u32 = 1_000;
/// How long a stream is silent at most: proxies close connections that say nothing.
const SILENT: Duration = Duration::from_secs(15);

/// Pages that are kept for other streams.
const KEPT: usize = 8;
/// Seconds after which a client that was refused may try again.
const LATER: &str = "5";

/// What the live streams share: how many there may be, and what they read. All of them want the same events at the same time.
#[derive(Debug)]
pub struct Streams {
    places: Arc<Semaphore>,
    most: usize,
    pages: Mutex<VecDeque<(Option<StudyId>, i64, Page)>>,
}

/// Events in a row as they are sent, written once for all streams, and where to continue.
#[derive(Clone, Debug)]
struct Page {
    text: Bytes,
    last: i64,
}

impl Streams {
    /// At most this many at a time.
    pub fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), most, pages: Mutex::default() }
    }

    /// A place for another stream, if there is one.
    fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// The answer to whom there is no place. It closes the connection, which somebody else needs.
    fn full(&self) -> Response {
        let text = format!(
            "there are {} live streams, and this server takes no more; try again later, or close another page",
            self.most
        );
        let mut response = ApiError::Busy(text).into_response();
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(LATER));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// The events after a number. Whoever asks first reads them for all.
    async fn page(
        &self,
        store: &Store,
        after: i64,
        newest: i64,
        study: Option<StudyId>,
    ) -> Result<Page, StoreError> {
        // Who has much to catch up with reads alone, and holds up nobody.
        if newest - after > i64::from(PAGE) {
            return read(store, after, study).await;
        }
        let mut pages = self.pages.lock().await;
        let wanted = |(of, from, _): &&(_, i64, _)| (*of, *from) == (study, after);
        if let Some((_, _, page)) = pages.iter().find(wanted) {
            return Ok(page.clone());
        }
        let page = read(store, after, study).await?;
        if page.last > after {
            pages.truncate(KEPT - 1);
            pages.push_front((study, after, page.clone()));
        }
        Ok(page)
    }
}

async fn read(store: &Store, after: i64, study: Option<StudyId>) -> Result<Page, StoreError> {
    let page = store.events_after(after, study, PAGE).await?;
    let mut text = String::new();
    for (id, event) in &page.events {
        add(&mut text, Some(*id), event);
    }
    Ok(Page { text: text.into(), last: page.last })
}

/// Adds a message: an event and its number, unless it says nothing new.
fn add(text: &mut String, id: Option<i64>, event: &LiveEvent) {
    match serde_json::to_string(event) {
        Ok(json) => {
            let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
            text.extend([&*id, "data: ", &*json, "\n\n"]);
        }
        Err(error) => tracing::error!(%error, id, "an event cannot be written as JSON"),
    }
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StreamQuery {
    /// Only this study's.
    #[param(value_type = Option<String>)]
    study: Option<StudyId>,
    /// Start after this number; defaults to the last event. `Last-Event-ID` takes precedence.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    after: Option<Place>,
}

/// All events from now on, or after `Last-Event-ID`. The first message (event `hello`) carries the number after which the
/// stream starts.
#[utoipa::path(get, path = "/events", tag = "studies",
    params(StreamQuery, ("Last-Event-ID" = Option<i64>, Header, description = "Number of the last event that was received")),
    responses((status = 200, content_type = "text/event-stream", body = LiveEvent)))]
pub async fn stream_events(
    State(api): State<Api>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let (store, ending, streams) = (api.app.store, api.app.ending, api.streams);
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let wanted = match last {
        Some(last) => {
            Some(word::<Place>("Last-Event-ID", last).map_err(IntoResponse::into_response)?)
        }
        None => query.after,
    };
    let place = streams.place().ok_or_else(|| streams.full())?;
    let newest =
        store.look_for_news().await.map_err(|error| ApiError::from(error).into_response())?;
    // A number that this data folder has not reached comes from another folder: there is nothing to resume.
    let wanted = wanted.map(Place::number);
    let after = wanted.filter(|&after| after <= newest).unwrap_or(newest);
    let hello = format!("event: hello\nid: {after}\nretry: {RETRY}\ndata: {after}\n\n");
    let (news, study) = (store.news(), query.study);
    let standings = api.app.queue.standings();
    let known = standings.borrow().clone();
    let mut silent = interval(SILENT);
    silent.reset();
    let follower = Follower {
        store,
        streams,
        news,
        standings,
        known,
        ending,
        after,
        study,
        silent,
        _place: place,
    };
    let messages = stream::once(async { Ok(hello.into()) }).chain(follow(follower));
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(messages)).into_response())
}

/// The position of one listener in the stream.
struct Follower {
    store: Store,
    streams: Arc<Streams>,
    _place: OwnedSemaphorePermit,
    /// Number of the last event.
    news: watch::Receiver<i64>,
    /// What there is to say of running runs, and what of it the listener knows.
    standings: watch::Receiver<Standings>,
    known: Standings,
    ending: Ending,
    /// All events up to this number are sent.
    after: i64,
    study: Option<StudyId>,
    /// When to say that the stream is alive.
    silent: Interval,
}

impl Follower {
    /// Waits for the next messages. `None` when the program ends, or the store fails: the browser then reconnects.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            // Mark as seen before the query, so that an event that arrives in between wakes the next wait.
            let newest = *self.news.borrow_and_update();
            if self.after >= newest {
                tokio::select! {
                    changed = self.news.changed() => changed.ok()?,
                    changed = self.standings.changed() => {
                        changed.ok()?;
                        let text = self.tell_standings().await;
                        if !text.is_empty() {
                            return Some(text.into());
                        }
                    }
                    () = self.ending.begun() => return None,
                    _ = self.silent.tick() => return Some(Bytes::from_static(b":\n\n")),
                }
                continue;
            }
            match self.streams.page(&self.store, self.after, newest, self.study).await {
                Ok(page) => {
                    self.after = page.last;
                    if !page.text.is_empty() {
                        return Some(page.text);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the event stream failed");
                    return None;
                }
            }
        }
    }
}

impl Follower {
    /// Tells of the runs of which there is something else to say than before, as that they wait for the disk: by an event that says nothing new, without a number. A listener that
    /// gets it asks for the run.
    async fn tell_standings(&mut self) -> String {
        let now = self.standings.borrow_and_update().clone();
        let known = std::mem::replace(&mut self.known, now);
        let changed = |(run, standing): &(&RunId, &Standing)| {
            known.get(run) != Some(standing) || self.known.get(run) != Some(standing)
        };
        let runs: BTreeSet<RunId> =
            known.iter().chain(&self.known).filter(changed).map(|(run, _)| *run).collect();
        let mut text = String::new();
        for run in runs {
            // A run that is gone by now needs no telling.
            let Ok(row) = self.store.get_run(run).await else { continue };
            if self.is_of_study(run).await {
                let event = LiveEvent { run, state: row.state, stamped: None };
                add(&mut text, None, &event);
            }
        }
        text
    }

    /// Whether a run belongs to the study that is followed.
    async fn is_of_study(&self, run: RunId) -> bool {
        let Some(study) = self.study else { return true };
        let runs = self.store.study_runs(study).await.unwrap_or_default();
        runs.iter().any(|of_study| of_study.id == run)
    }
}

fn follow(follower: Follower) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(follower, |mut follower| async {
        let text = follower.next().await?;
        follower.silent.reset();
        Some((Ok(text), follower))
    })
}
