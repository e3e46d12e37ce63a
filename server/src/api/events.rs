//! The live stream of events over all runs (server-sent events).
//!
//! The store numbers all events. A message's `id` is that number, so a browser that lost its connection resumes with
//! `Last-Event-ID` and receives each event exactly once.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    time::Duration,
};

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use shared::{RunId, StudyId, api::LiveEvent};
use tokio::sync::watch;
use utoipa::IntoParams;

use super::{
    Api,
    error::ApiError,
    extract::{Place, Query, word},
};
use crate::{app::handle::Paused, ending::Ending, store::Store};

/// Events that are read from the store at a time.
const PAGE: u32 = 500;
/// How long a browser waits before it reconnects.
const RETRY: Duration = Duration::from_secs(1);

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
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let (store, ending) = (api.app.store, api.app.ending);
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let wanted = match last {
        Some(last) => Some(word::<Place>("Last-Event-ID", last)?),
        None => query.after,
    };
    let newest = store.look_for_news().await?;
    // A number that this data folder has not reached comes from another folder: there is nothing to resume.
    let wanted = wanted.map(Place::number);
    let after = wanted.filter(|&after| after <= newest).unwrap_or(newest);
    let hello =
        Event::default().event("hello").id(after.to_string()).retry(RETRY).data(after.to_string());
    let news = store.news();
    let (study, ready) = (query.study, VecDeque::new());
    let paused = api.app.queue.paused();
    let known = paused.borrow().clone();
    let follower = Follower { store, news, paused, known, ending, after, study, ready };
    let messages = stream::once(async { Ok(hello) }).chain(follow(follower));
    Ok(Sse::new(messages).keep_alive(KeepAlive::default()))
}

/// The position of one listener in the stream.
struct Follower {
    store: Store,
    /// Number of the last event.
    news: watch::Receiver<i64>,
    /// The runs that wait for the disk, and those of them that the listener knows.
    paused: watch::Receiver<Paused>,
    known: Paused,
    ending: Ending,
    /// All events up to this number are sent or are in `ready`.
    after: i64,
    study: Option<StudyId>,
    ready: VecDeque<(Option<i64>, LiveEvent)>,
}

impl Follower {
    /// Waits for the next event. `None` when the program ends, or the store fails: the browser then reconnects.
    async fn next(&mut self) -> Option<(Option<i64>, LiveEvent)> {
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
            match self.store.events_after(self.after, self.study, PAGE).await {
                Ok(page) => {
                    self.after = page.last;
                    let numbered = page.events.into_iter();
                    self.ready = numbered.map(|(id, event)| (Some(id), event)).collect();
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
                self.ready.push_back((None, LiveEvent { run, state: row.state, stamped: None }));
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
        let (id, live) = follower.next().await?;
        let event = Event::default();
        let event = match id {
            Some(id) => event.id(id.to_string()),
            None => event,
        };
        let event = event.json_data(&live).unwrap_or_else(|error| {
            tracing::error!(%error, id, "an event cannot be written as JSON");
            Event::default().comment("unreadable")
        });
        Some((Ok(event), follower))
    })
}
