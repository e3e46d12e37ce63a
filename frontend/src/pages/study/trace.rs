//! The events of the selected run: the past ones, then each new one as it arrives.

use leptos::{prelude::*, task::spawn_local};
use shared::{RunId, Stamped, api::LiveEvent};

use crate::api;

/// Events per request.
const LIMIT: usize = 2000;
/// The kinds of events that figures show.
const KINDS: &str = "step,epoch,evaluated,knn";
/// Maximum number of events kept in the page.
const MOST: usize = 20_000;

/// Events of one run, in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// The run.
    pub run: Option<RunId>,
    /// Its steps, epochs and evaluations.
    pub events: Vec<Stamped>,
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

/// A trace that follows the selected run.
#[derive(Clone, Copy)]
pub struct Follow {
    trace: RwSignal<Trace>,
}

impl Follow {
    /// Follows `run`; fetches its events whenever another run is selected or the run is started again.
    pub fn new(run: Memo<Option<(RunId, Option<u64>)>>) -> Self {
        let trace = RwSignal::new(Trace::default());
        Effect::new(move |_| {
            let run = run.get().map(|(run, _)| run);
            trace.set(Trace { run, events: Vec::new() });
            if let Some(run) = run {
                spawn_local(fetch(trace, run));
            }
        });
        Self { trace }
    }

    /// The trace.
    pub fn trace(self) -> Signal<Trace> {
        self.trace.into()
    }

    /// Adds a live event if it belongs to the run.
    pub fn take(self, live: &LiveEvent) {
        let Some(stamped) = live.stamped.clone().filter(is_drawn) else { return };
        if self.trace.with_untracked(|trace| trace.run == Some(live.run)) {
            self.trace.update(|trace| trace.take([stamped]));
        }
    }

    /// Fetches what may be missing.
    pub fn catch_up(self) {
        if let Some(run) = self.trace.with_untracked(|trace| trace.run) {
            spawn_local(fetch(self.trace, run));
        }
    }
}

async fn fetch(trace: RwSignal<Trace>, run: RunId) {
    let mut after = 0;
    loop {
        let path = format!("/runs/{run}/events?after={after}&limit={LIMIT}&kinds={KINDS}");
        // The frame reports a lost server; the next connection fetches again.
        let Ok(part) = api::get::<Vec<Stamped>>(path).await else { return };
        let (count, last) = (part.len(), part.last().map(|event| event.seq));
        let current = trace.try_with_untracked(|trace| trace.run == Some(run));
        if current != Some(true) {
            return;
        }
        trace.try_update(|trace| trace.take(part));
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
    fn logs_are_not_drawn() {
        assert!(is_drawn(&event(1)));
        let log = Stamped { seq: 1, at: 0, event: RunEvent::Log { message: String::new() } };
        assert!(!is_drawn(&log));
    }
}
