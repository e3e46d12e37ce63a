//! A value that is fetched from the server whenever its address changes. The last answer stays until the next one arrives.

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

    /// The last answer if it was a value.
    pub fn value(self) -> Option<T> {
        self.answer.with(|answer| answer.as_ref().and_then(|answer| answer.as_ref().ok()).cloned())
    }

    /// Like [`Fetched::value`], but untracked, for a callback.
    pub fn value_untracked(self) -> Option<T> {
        let value = |answer: &Option<Result<T, Problem>>| {
            answer.as_ref().and_then(|a| a.as_ref().ok()).cloned()
        };
        self.answer.with_untracked(value)
    }

    /// The last answer if it was a problem.
    pub fn problem(self) -> Option<Problem> {
        self.answer.with(|answer| answer.as_ref().and_then(|answer| answer.as_ref().err()).cloned())
    }

    /// Whether an answer is pending.
    pub fn busy(self) -> Signal<bool> {
        self.busy.into()
    }

    /// Replaces the last answer by a value, such as the response to a change.
    pub fn set(self, value: T) {
        self.answer.set(Some(Ok(value)));
    }

    /// Fetches again.
    pub fn refetch(self) {
        self.version.try_update(|version| *version += 1);
    }
}

/// Fetches `path` now and whenever a signal that it reads changes; `None` fetches nothing. The answer to an outdated
/// request is dropped.
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
            // The page may be gone by now.
            if asked.try_get_value() == Some(number) {
                busy.try_set(false);
                if answer.try_with_untracked(|old| replaces(old.as_ref(), &outcome)) == Some(true) {
                    answer.try_set(Some(outcome));
                }
            }
        });
    });
    // A page that found no server loads when the server is back.
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

/// Whether an outcome replaces the last answer. It does not if it is the same, or if the server was lost: the frame
/// reports that, and the page keeps its content.
fn replaces<T: PartialEq>(old: Option<&Result<T, Problem>>, outcome: &Result<T, Problem>) -> bool {
    match (old, outcome) {
        (Some(Ok(_)), Err(problem)) if problem.status == 0 => false,
        (old, outcome) => old != Some(outcome),
    }
}

/// Like [`fetched`], and fetches again every `period` milliseconds while the page is visible and `wanted` returns true.
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
            request: None,
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
