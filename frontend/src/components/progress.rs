//! Progress as a ring and as a bar.

use leptos::prelude::*;

/// A fraction in 0–1 as a whole percentage.
fn percent(fraction: f64) -> u32 {
    (fraction.clamp(0.0, 1.0) * 100.0).round() as u32
}

/// A small ring that fills up. Decorative: the text beside it says the same.
#[component]
pub fn ProgressRing(
    /// Fraction done, in 0–1.
    #[prop(into)]
    fraction: Signal<f64>,
) -> impl IntoView {
    // The circumference is 100, so that the dash's length is the percentage.
    let dash = move || format!("{} 100", percent(fraction.get()));
    view! {
        <svg class="ring" viewBox="0 0 40 40" aria-hidden="true">
            <circle class="ring-track" cx="20" cy="20" r="15.915"/>
            <circle class="ring-value" cx="20" cy="20" r="15.915" stroke-dasharray=dash/>
        </svg>
    }
}

/// A bar that fills up.
#[component]
pub fn ProgressBar(
    /// Fraction done, in 0–1.
    #[prop(into)]
    fraction: Signal<f64>,
    /// What is in progress.
    #[prop(into)]
    label: Signal<String>,
) -> impl IntoView {
    let value = move || percent(fraction.get());
    view! {
        <span
            class="bar"
            role="progressbar"
            aria-label=move || label.get()
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=value
        >
            <span class="bar-value" style:width=move || format!("{}%", value())></span>
        </span>
    }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn parts_become_whole_percent() {
        assert_eq!([percent(0.0), percent(0.126), percent(1.2), percent(-1.0)], [0, 13, 100, 0]);
    }
}
