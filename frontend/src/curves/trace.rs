//! The events of the runs whose curves are drawn: the past ones, then each new one as it arrives.

use std::collections::BTreeMap;

use leptos::{prelude::*, task::spawn_local};
use shared::{RunId, Stamped, api::LiveEvent};

use crate::api;

/// Events per request.
const LIMIT: usize = 2000;
/// The kinds of events that figures show.
const KINDS: &str = "step,epoch,evaluated,knn";
/// Maximum number of events of a run that the page keeps.
const MOST: usize = 20_000;

/// A run, and when it was started: one that is run again begins anew.
pub type Started = (RunId, Option<u64>);

/// Steps, epochs and evaluations of runs, each in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traces {
    runs: BTreeMap<RunId, Trace>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Trace {
    started: Option<u64>,
    events: Vec<Stamped>,
}

impl Traces {
    /// The events of a run; none if it is not followed.
    pub fn of(&self, run: RunId) -> &[Stamped] {
        self.runs.get(&run).map_or(&[], |trace| &trace.events)
    }

    /// Forgets the runs that are not among these, and returns those that are new or were started again.
    fn turn_to(&mut self, runs: &[Started]) -> Vec<RunId> {
        self.runs.retain(|run, trace| runs.contains(&(*run, trace.started)));
        let new: Vec<_> =
            runs.iter().filter(|(run, _)| !self.runs.contains_key(run)).copied().collect();
        for &(run, started) in &new {
            self.runs.insert(run, Trace { started, events: Vec::new() });
        }
        new.into_iter().map(|(run, _)| run).collect()
    }
}

impl Trace {
    /// Adds events; those already known change nothing, whatever the order of the answers.
    fn take(&mut self, more: impl IntoIterator<Item = Stamped>) {
        for event in more {
            match self.events.last() {
                Some(last) if last.seq >= event.seq => {
                    if let Err(place) =
                        self.events.binary_search_by_key(&event.seq, |known| known.seq)
                    {
                        self.events.insert(place, event);
                    }
                }
                _ => self.events.push(event),
            }
        }
        if self.events.len() > MOST {
            self.events.drain(..self.events.len() - MOST);
        }
    }
}

/// Whether figures show the event.
fn is_drawn(event: &Stamped) -> bool {
    KINDS.split(',').any(|kind| kind == event.event.kind())
}

/// Traces that follow runs.
#[derive(Clone, Copy)]
pub struct Follow {
    traces: RwSignal<Traces>,
}

impl Follow {
    /// Follows `runs`; fetches the events of each that is added or started again.
    pub fn new(runs: Memo<Vec<Started>>) -> Self {
        let traces = RwSignal::new(Traces::default());
        Effect::new(move |_| {
            let runs = runs.get();
            let new = traces.try_update(|traces| traces.turn_to(&runs)).unwrap_or_default();
            for run in new {
                spawn_local(fetch(traces, run));
            }
        });
        Self { traces }
    }

    /// The traces.
    pub fn traces(self) -> Signal<Traces> {
        self.traces.into()
    }

    /// Adds a live event if its run is followed.
    pub fn take(self, live: &LiveEvent) {
        let Some(stamped) = live.stamped.clone().filter(is_drawn) else { return };
        if self.traces.with_untracked(|traces| traces.runs.contains_key(&live.run)) {
            self.traces.update(|traces| {
                traces.runs.entry(live.run).or_default().take([stamped]);
            });
        }
    }

    /// Fetches what may be missing.
    pub fn catch_up(self) {
        let runs: Vec<_> =
            self.traces.with_untracked(|traces| traces.runs.keys().copied().collect());
        for run in runs {
            spawn_local(fetch(self.traces, run));
        }
    }
}

async fn fetch(traces: RwSignal<Traces>, run: RunId) {
    let mut after = 0;
    loop {
        let path = format!("/runs/{run}/events?after={after}&limit={LIMIT}&kinds={KINDS}");
        // The frame reports a lost server; the next connection fetches again.
        let Ok(part) = api::get::<Vec<Stamped>>(path).await else { return };
        let (count, last) = (part.len(), part.last().map(|event| event.seq));
        let followed = traces.try_with_untracked(|traces| traces.runs.contains_key(&run));
        if followed != Some(true) {
            return;
        }
        traces.try_update(|traces| traces.runs.entry(run).or_default().take(part));
        match last {
            Some(last) if count == LIMIT && last > after => after = last,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::RunEvent;

    use super::*;

    fn event(seq: u64) -> Stamped {
        let event =
            RunEvent::Epoch { epoch: 1, loss: 1.0, lr: 0.1, images_per_second: 1.0, time: None };
        Stamped { seq, at: 0, event }
    }

    #[test]
    fn answers_and_live_events_meet_in_order() {
        let mut trace = Trace::default();
        trace.take([event(7), event(9)]);
        trace.take([event(2), event(7), event(8)]);
        trace.take([event(10)]);
        let places: Vec<_> = trace.events.iter().map(|event| event.seq).collect();
        assert_eq!(places, [2, 7, 8, 9, 10]);
    }

    #[test]
    fn the_newest_are_kept() {
        let mut trace = Trace::default();
        trace.take((1..=MOST as u64 + 5).map(event));
        assert_eq!((trace.events.len(), trace.events[0].seq), (MOST, 6));
    }

    #[test]
    fn a_run_that_is_started_again_begins_anew() {
        let [a, b] = [1, 2].map(|id| RunId::from_parts(1, [id; 10]));
        let mut traces = Traces::default();
        assert_eq!(traces.turn_to(&[(a, Some(5)), (b, None)]), [a, b]);
        for run in [a, b] {
            traces.runs.entry(run).or_default().take([event(1)]);
        }
        assert_eq!(traces.turn_to(&[(a, Some(5)), (b, Some(9))]), [b]);
        assert_eq!((traces.of(a).len(), traces.of(b).len()), (1, 0));
        assert!(traces.turn_to(&[(a, Some(5))]).is_empty());
        assert_eq!(traces.runs.len(), 1);
    }

    #[test]
    fn logs_are_not_drawn() {
        assert!(is_drawn(&event(1)));
        let log = Stamped { seq: 1, at: 0, event: RunEvent::Log { message: String::new() } };
        assert!(!is_drawn(&log));
    }
}
