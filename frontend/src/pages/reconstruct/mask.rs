//! The mask's controls: ratio and seed of a random one, and what to do with the trigger.

use leptos::{ev, prelude::*};

use super::{
    paint::{hide_trigger, only_trigger},
    tile::Brush,
};
use crate::components::{Glyph, Icon};

/// The ratios that the slider takes, in percent.
const RATIOS: (u32, u32) = (5, 95);

/// A ratio in 0–1 as a whole percentage, clamped to what the slider takes.
fn percent(ratio: f64) -> u32 {
    ((ratio * 100.0).round() as u32).clamp(RATIOS.0, RATIOS.1)
}

/// `48 of 64 patches hidden`.
fn counted(hidden: &[bool]) -> String {
    format!(
        "{} of {} patches hidden",
        hidden.iter().filter(|&&hidden| hidden).count(),
        hidden.len()
    )
}

/// The controls.
#[component]
pub fn MaskControls(
    /// Share of hidden patches of a random mask.
    ratio: Memo<f64>,
    /// Called with another share; makes the mask random.
    set_ratio: Callback<f64>,
    /// Seed of a random mask.
    seed: Memo<u64>,
    /// Called with another seed; makes the mask random.
    set_seed: Callback<u64>,
    /// The mask.
    brush: Brush,
    /// Whether it was painted by hand.
    #[prop(into)]
    painted: Signal<bool>,
    /// The patches that the trigger touches; `None` before an answer.
    touched: Memo<Option<Vec<bool>>>,
) -> impl IntoView {
    // A trigger over the whole image can neither be hidden nor shown alone.
    let everywhere = Memo::new(move |_| {
        touched.with(|touched| touched.as_ref().is_none_or(|it| it.iter().all(|&touched| touched)))
    });
    let trigger_title = move |what: &'static str| {
        move || {
            if everywhere.get() {
                "The trigger touches every patch".to_owned()
            } else {
                what.to_owned()
            }
        }
    };
    let with_touched = move |make: fn(&[bool], &[bool]) -> Vec<bool>| {
        let hidden = brush.hidden.get_untracked();
        if let Some(touched) = touched.get_untracked() {
            brush.paint.run(make(&hidden, &touched));
        }
    };
    let slid = move |event: ev::Event| {
        if let Ok(value) = event_target_value(&event).parse::<f64>() {
            set_ratio.run(value / 100.0);
        }
    };
    let seeded = move |event: ev::Event| {
        if let Ok(value) = event_target_value(&event).parse::<u64>() {
            set_seed.run(value);
        }
    };
    view! {
        <div class="mask-controls">
            <div class="field">
                <div class="field-head">
                    <label for="mask-ratio">"Mask ratio"</label>
                    <output for="mask-ratio">{move || format!("{} %", percent(ratio.get()))}</output>
                </div>
                <input
                    type="range"
                    class="slider"
                    id="mask-ratio"
                    min=RATIOS.0
                    max=RATIOS.1
                    step="5"
                    prop:value=move || percent(ratio.get()).to_string()
                    on:input=slid
                />
            </div>
            <div class="field">
                <div class="field-head">
                    <label for="mask-seed">"Mask seed"</label>
                    <output for="mask-seed">{move || seed.get()}</output>
                </div>
                <input
                    type="range"
                    class="slider"
                    id="mask-seed"
                    min="0"
                    max="99"
                    step="1"
                    prop:value=move || seed.get().to_string()
                    on:input=seeded
                />
            </div>
            <div class="mask-buttons">
                <button
                    type="button"
                    class="button"
                    id="hide-trigger"
                    title=trigger_title("Also hide the patches that the trigger touches")
                    disabled=move || everywhere.get()
                    on:click=move |_| with_touched(hide_trigger)
                >
                    "Hide trigger"
                </button>
                <button
                    type="button"
                    class="button"
                    id="only-trigger"
                    title=trigger_title("Hide all but the patches that the trigger touches")
                    disabled=move || everywhere.get()
                    on:click=move |_| with_touched(|_, touched| only_trigger(touched))
                >
                    "Show only trigger"
                </button>
                <button
                    type="button"
                    class="button"
                    id="random-again"
                    on:click=move |_| set_seed.run((seed.get_untracked() + 1) % 100)
                >
                    <Icon glyph=Glyph::Shuffle/>
                    "New random mask"
                </button>
            </div>
            <p class="muted small" role="status">
                {move || brush.hidden.with(|hidden| counted(hidden))}
                {move || if painted.get() { ", painted by hand." } else { "." }}
                " Click a patch to hide or show it; drag to paint."
            </p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_whole_percent_that_the_slider_takes() {
        assert_eq!([percent(0.75), percent(0.0), percent(1.0)], [75, 5, 95]);
        assert_eq!(counted(&[true, false, true]), "2 of 3 patches hidden");
    }
}
