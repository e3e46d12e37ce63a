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
    extract::State,
    http::{
        HeaderMap, HeaderValue,
        header::{CONNECTION, RETRY_AFTER},
    },
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use shared::{RunId, StudyId, api::LiveEvent};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};
use utoipa::IntoParams;

use super::{
    Api,
    error::ApiError,
    extract::{Place, Query, word},
};
use crate::{
    app::handle::Paused,
    ending::Ending,
    store::{Store, StoreError},
};

/// Events that are read from the store at a time.
const PAGE: u32 = 500;
/// How long a browser waits before it reconnects.
const RETRY: Duration = Duration::from_secs(1);

/// Pages that are kept for other streams.
const KEPT: usize = 8;
/// Seconds after which a client that was refused may try again.
const LATER: &str = "5";

/// An event as it is sent: its number, unless it says nothing new, and its JSON.
type Message = (Option<i64>, Arc<str>);

/// What the live streams share: how many there may be, and what they read. All of them want the same events at the same time.
#[derive(Debug)]
pub struct Streams {
    places: Arc<Semaphore>,
    most: usize,
    pages: Mutex<VecDeque<(Option<StudyId>, i64, Page)>>,
}

/// Events in a row, and where to continue.
#[derive(Clone, Debug)]
struct Page {
    messages: Arc<[Message]>,
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
    let messages = page.events.iter().filter_map(|(id, event)| message(Some(*id), event));
    Ok(Page { messages: messages.collect(), last: page.last })
}

fn message(id: Option<i64>, event: &LiveEvent) -> Option<Message> {
    match serde_json::to_string(event) {
        Ok(json) => Some((id, json.into())),
        Err(error) => {
            tracing::error!(%error, id, "an event cannot be written as JSON");
            None
        }
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
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Response> {
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
    let hello =
        Event::default().event("hello").id(after.to_string()).retry(RETRY).data(after.to_string());
    let news = store.news();
    let (study, ready) = (query.study, VecDeque::new());
    let paused = api.app.queue.paused();
    let known = paused.borrow().clone();
    let follower = Follower {
        store,
        streams,
        news,
        paused,
        known,
        ending,
        after,
        study,
        ready,
        _place: place,
    };
    let messages = stream::once(async { Ok(hello) }).chain(follow(follower));
    Ok(Sse::new(messages).keep_alive(KeepAlive::default()))
}

/// The position of one listener in the stream.
struct Follower {
    store: Store,
    streams: Arc<Streams>,
    _place: OwnedSemaphorePermit,
    /// Number of the last event.
    news: watch::Receiver<i64>,
    /// The runs that wait for the disk, and those of them that the listener knows.
    paused: watch::Receiver<Paused>,
    known: Paused,
    ending: Ending,
    /// All events up to this number are sent or are in `ready`.
    after: i64,
    study: Option<StudyId>,
    ready: VecDeque<Message>,
}

impl Follower {
    /// Waits for the next event. `None` when the program ends, or the store fails: the browser then reconnects.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            // Mark as seen before the query, so that an event that arrives in between wakes the next wait.
            let newest = *self.news.borrow_and_update();
            if self.after >= newest {
                tokio::select! {
                    changed = self.news.changed() => changed.ok()?,
                    changed = self.paused.changed() => {
                        changed.ok()?;
                        self.tell_pauses().await;
                    }
                    () = self.ending.begun() => return None,
                }
                continue;
            }
            match self.streams.page(&self.store, self.after, newest, self.study).await {
                Ok(page) => {
                    self.after = page.last;
                    self.ready.extend(page.messages.iter().cloned());
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
    /// Tells of the runs that wait for the disk now, or no longer: by an event that says nothing new, without a number. A listener that
    /// gets it asks for the run.
    async fn tell_pauses(&mut self) {
        let now = self.paused.borrow_and_update().clone();
        let known = std::mem::replace(&mut self.known, now);
        let changed = |(run, why): &(&RunId, &String)| {
            known.get(run) != Some(why) || self.known.get(run) != Some(why)
        };
        let runs: BTreeSet<RunId> =
            known.iter().chain(&self.known).filter(changed).map(|(run, _)| *run).collect();
        for run in runs {
            // A run that is gone by now needs no telling.
            let Ok(row) = self.store.get_run(run).await else { continue };
            if self.is_of_study(run).await {
                let event = LiveEvent { run, state: row.state, stamped: None };
                self.ready.extend(message(None, &event));
            }
        }
    }

    /// Whether a run belongs to the study that is followed.
    async fn is_of_study(&self, run: RunId) -> bool {
        let Some(study) = self.study else { return true };
        let runs = self.store.study_runs(study).await.unwrap_or_default();
        runs.iter().any(|of_study| of_study.id == run)
    }
}

fn follow(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(follower, |mut follower| async {
        let (id, json) = follower.next().await?;
        let event = Event::default().data(json);
        let event = match id {
            Some(id) => event.id(id.to_string()),
            None => event,
        };
        Some((Ok(event), follower))
    })
}
