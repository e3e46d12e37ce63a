//! Asks the server while sliders and the brush move: after a short pause, one request at a time, and the newest wins.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use shared::api::{Problem, ReconstructRequest, Reconstruction};

use crate::api;

/// Pause before a request is sent, in milliseconds.
const REST: u32 = 60;

/// The newest answer.
#[derive(Clone, Copy)]
pub struct Asked {
    /// The last answer.
    pub answer: RwSignal<Option<Reconstruction>>,
    /// What is wrong with the last request.
    pub problem: RwSignal<Option<Problem>>,
    /// Whether an answer is pending.
    pub busy: RwSignal<bool>,
}

/// Asks whenever `request` changes. While an answer is pending, no other request is sent; when it arrives, the newest
/// request follows.
pub fn ask(request: Memo<Option<ReconstructRequest>>) -> Asked {
    let asked = Asked {
        answer: RwSignal::new(None),
        problem: RwSignal::new(None),
        busy: RwSignal::new(false),
    };
    let running = StoredValue::new(false);
    Effect::new(move |_| {
        if request.with(Option::is_none) || running.get_value() {
            return;
        }
        running.set_value(true);
        spawn_local(async move {
            let mut last = None;
            loop {
                TimeoutFuture::new(REST).await;
                // The page may be gone by now.
                let Some(now) = request.try_get_untracked() else { return };
                if now.is_none() || now == last {
                    break;
                }
                if let Some(request) = &now {
                    asked.busy.try_set(true);
                    match api::post::<Reconstruction>("/reconstructions", request).await {
                        Ok(answer) => {
                            asked.answer.try_set(Some(answer));
                            asked.problem.try_set(None);
                        }
                        Err(problem) => {
                            asked.problem.try_set(Some(problem));
                        }
                    }
                }
                last = now;
            }
            asked.busy.try_set(false);
            running.try_set_value(false);
        });
    });
    asked
}
