//! What the frame knows of the server: who is signed in, whether it works, what runs. It is asked for every few seconds, which also
//! detects when a lost server is back.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use shared::api::Overview;

use crate::api;

/// Time between two requests, in milliseconds.
const PERIOD: u32 = 4000;

#[derive(Clone, Copy)]
struct Context(RwSignal<Option<Overview>>);

/// Starts asking; the frame calls it once.
pub(super) fn provide() {
    let overview = RwSignal::new(None::<Overview>);
    provide_context(Context(overview));
    spawn_local(async move {
        loop {
            if (overview.with_untracked(Option::is_none) || !document().hidden())
                && let Ok(found) = api::get::<Overview>("/overview").await
                && overview.with_untracked(|known| known.as_ref() != Some(&found))
            {
                overview.set(Some(found));
            }
            TimeoutFuture::new(PERIOD).await;
        }
    });
}

/// A part of the last answer; nothing before the first. It changes when that part does.
pub(super) fn part<T>(
    of: impl Fn(&Overview) -> Option<T> + Send + Sync + 'static,
) -> Memo<Option<T>>
where
    T: PartialEq + Send + Sync + 'static,
{
    let overview = expect_context::<Context>().0;
    Memo::new(move |_| overview.with(|overview| overview.as_ref().and_then(&of)))
}
