//! The running jobs in the top bar, and the device.

use leptos::prelude::*;

use super::overview;
use crate::{
    base::to,
    components::{Glyph, Icon, ProgressRing},
};

fn label(running: u64) -> String {
    match running {
        0 => "no jobs".into(),
        1 => "1 job".into(),
        more => format!("{more} jobs"),
    }
}

/// The number of running jobs with their progress, and the device in use.
#[component]
pub fn JobsIndicator() -> impl IntoView {
    let running = overview::part(|overview| overview.running);
    let device = overview::part(|overview| overview.device.clone());
    let count = Memo::new(move |_| running.get().map_or(0, |running| running.count));
    view! {
        <a class="jobs" id="jobs" href=to("/watch") class:idle=move || count.get() == 0>
            {move || {
                if count.get() == 0 {
                    view! { <Icon glyph=Glyph::Idle/> }.into_any()
                } else {
                    let fraction = Signal::derive(move || {
                        running.get().unwrap_or_default().fraction
                    });
                    view! { <ProgressRing fraction/> }.into_any()
                }
            }}
            <span>{move || label(count.get())}" running"</span>
        </a>
        <span class="device">{device}</span>
    }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn jobs_are_counted_in_words() {
        assert_eq!([label(0), label(1), label(3)], ["no jobs", "1 job", "3 jobs"]);
    }
}
