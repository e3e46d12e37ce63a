//! A value from the server that follows an address and keeps its last answer until the next one comes.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use serde::de::DeserializeOwned;
use shared::api::Problem;

use crate::api;

/// A value from the server.
pub struct Fetched<T: Send + Sync + 'static> {
    answer: RwSignal<Option<Result<T, Problem>>>,
    busy: RwSignal<bool>,
    version: RwSignal<u64>,
}

impl<T: Send + Sync + 'static> Clone for Fetched<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Fetched<T> {}

impl<T: Clone + Send + Sync + 'static> Fetched<T> {
    /// The last answer; `None` before the first.
    pub fn get(self) -> Option<Result<T, Problem>> {
        self.answer.get()
    }

    /// The last answer when it was a value.
    pub fn value(self) -> Option<T> {
        self.answer.with(|answer| answer.as_ref().and_then(|answer| answer.as_ref().ok()).cloned())
    }

    /// As [`Fetched::value`], for a callback: nothing follows it.
    pub fn value_untracked(self) -> Option<T> {
        let value = |answer: &Option<Result<T, Problem>>| {
            answer.as_ref().and_then(|a| a.as_ref().ok()).cloned()
        };
        self.answer.with_untracked(value)
    }

    /// The last answer when it was a problem.
    pub fn problem(self) -> Option<Problem> {
        self.answer.with(|answer| answer.as_ref().and_then(|answer| answer.as_ref().err()).cloned())
    }

    /// Whether an answer is awaited.
    pub fn busy(self) -> Signal<bool> {
        self.busy.into()
    }

    /// Puts a value in place of the last answer, such as what a change was answered with.
    pub fn set(self, value: T) {
        self.answer.set(Some(Ok(value)));
    }

    /// Asks again.
    pub fn refetch(self) {
        self.version.try_update(|version| *version += 1);
    }
}

/// Gets from `path` now and whenever what it reads changes; `None` asks nothing. An answer that comes after a newer
/// question is dropped.
pub fn fetched<T>(path: impl Fn() -> Option<String> + 'static) -> Fetched<T>
where
    T: DeserializeOwned + PartialEq + Send + Sync + 'static,
{
    let answer = RwSignal::new(None);
    let busy = RwSignal::new(false);
    let version = RwSignal::new(0u64);
    let asked = StoredValue::new(0u64);
    Effect::new(move |_| {
        version.track();
        let Some(path) = path() else { return };
        let number = asked.get_value() + 1;
        asked.set_value(number);
        busy.set(true);
        spawn_local(async move {
            let outcome = api::get::<T>(path).await;
            // The page may be gone by now: then there is nobody to tell.
            if asked.try_get_value() == Some(number) {
                busy.try_set(false);
                if answer.try_with_untracked(|old| replaces(old.as_ref(), &outcome)) == Some(true) {
                    answer.try_set(Some(outcome));
                }
            }
        });
    });
    // A page that found no server fills itself when the server is back.
    let lost = api::server_lost();
    Effect::new(move |was_lost: Option<bool>| {
        let is_lost = lost.get();
        if was_lost == Some(true)
            && !is_lost
            && answer.with_untracked(|a| matches!(a, Some(Err(_))))
        {
            version.update(|version| *version += 1);
        }
        is_lost
    });
    Fetched { answer, busy, version }
}

/// Whether an outcome takes the last answer's place: not when it says the same, and not when only the server was lost,
/// which the frame tells while the page keeps what it has.
fn replaces<T: PartialEq>(old: Option<&Result<T, Problem>>, outcome: &Result<T, Problem>) -> bool {
    match (old, outcome) {
        (Some(Ok(_)), Err(problem)) if problem.status == 0 => false,
        (old, outcome) => old != Some(outcome),
    }
}

/// As [`fetched`], and asks again every `period` milliseconds while the page can be seen and `wanted` holds.
pub fn fetched_every<T>(
    path: impl Fn() -> Option<String> + 'static,
    period: u32,
    wanted: impl Fn(&T) -> bool + 'static,
) -> Fetched<T>
where
    T: Clone + DeserializeOwned + PartialEq + Send + Sync + 'static,
{
    let fetched = fetched(path);
    spawn_local(async move {
        loop {
            TimeoutFuture::new(period).await;
            let due = fetched.answer.try_with_untracked(|answer| match answer {
                Some(Ok(value)) => wanted(value),
                _ => true,
            });
            match due {
                None => break,
                Some(true) if !document().hidden() => fetched.refetch(),
                Some(_) => {}
            }
        }
    });
    fetched
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16) -> Problem {
        Problem {
            kind: "about:blank".into(),
            title: "t".into(),
            status,
            detail: "d".into(),
            errors: Vec::new(),
        }
    }

    #[test]
    fn a_lost_server_takes_no_value_away() {
        assert!(!replaces(Some(&Ok(1)), &Err(problem(0))));
        assert!(replaces(Some(&Ok(1)), &Err(problem(404))));
        assert!(replaces::<u8>(None, &Err(problem(0))));
    }

    #[test]
    fn the_same_answer_changes_nothing() {
        assert!(!replaces(Some(&Ok(1)), &Ok(1)));
        assert!(replaces(Some(&Ok(1)), &Ok(2)));
        assert!(!replaces::<u8>(Some(&Err(problem(500))), &Err(problem(500))));
    }
}
