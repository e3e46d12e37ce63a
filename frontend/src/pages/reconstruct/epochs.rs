//! The kept epochs of a run as a slider: how its reconstructions grew. Of a run in training it grows by itself.

use leptos::{ev, prelude::*};
use shared::api::CheckpointInfo;

use super::choice::{NEWEST, is_growing};

/// The checkpoints of the same run, by epoch.
fn of_run(all: &[CheckpointInfo], chosen: &CheckpointInfo) -> Vec<CheckpointInfo> {
    let mut kept: Vec<_> =
        all.iter().filter(|checkpoint| checkpoint.run == chosen.run).cloned().collect();
    kept.sort_by_key(|checkpoint| checkpoint.epoch);
    kept
}

/// The slider; nothing for a run with one checkpoint.
#[component]
pub fn EpochSlider(
    /// All checkpoints.
    checkpoints: Memo<Vec<CheckpointInfo>>,
    /// The chosen one.
    chosen: Memo<Option<CheckpointInfo>>,
    /// Whether the newest one is shown, whichever it is.
    #[prop(into)]
    follows: Signal<bool>,
    /// Called with the file of another one of its run, or with [`NEWEST`].
    choose: Callback<String>,
) -> impl IntoView {
    let kept = Memo::new(move |_| {
        chosen.with(|chosen| {
            let chosen = chosen.as_ref();
            chosen.map_or_else(Vec::new, |chosen| checkpoints.with(|all| of_run(all, chosen)))
        })
    });
    let at = Memo::new(move |_| {
        chosen.with(|chosen| {
            let file = chosen.as_ref().map(|chosen| &chosen.file);
            kept.with(|kept| kept.iter().position(|it| Some(&it.file) == file)).unwrap_or(0)
        })
    });
    let epoch = move |at: usize| kept.with(|kept| kept.get(at).map_or(0, |it| it.epoch));
    let told = move || format!("{} of {}", epoch(at.get()), epoch(kept.with(Vec::len) - 1));
    let moved = move |event: ev::Event| {
        let to = event_target_value(&event).parse::<usize>().ok();
        let file = kept.with_untracked(|kept| kept.get(to?).map(|it| it.file.clone()));
        if let Some(file) = file {
            choose.run(file);
        }
    };
    let grows = Memo::new(move |_| chosen.with(|chosen| chosen.as_ref().is_some_and(is_growing)));
    let follow = move |event: ev::Event| {
        let file = if event_target_checked(&event) {
            Some(NEWEST.to_owned())
        } else {
            chosen.with_untracked(|chosen| chosen.as_ref().map(|chosen| chosen.file.clone()))
        };
        if let Some(file) = file {
            choose.run(file);
        }
    };
    view! {
        <Show when=move || kept.with(|kept| kept.len() > 1)>
            <label class="epoch-slider">
                <span>"Epoch"</span>
                <input
                    type="range"
                    min="0"
                    max=move || kept.with(|kept| kept.len() - 1).to_string()
                    step="1"
                    aria-valuetext=told
                    prop:value=move || at.get().to_string()
                    on:input=moved
                />
                <output>{told}</output>
            </label>
        </Show>
        <Show when=move || grows.get()>
            <label class="epoch-follow">
                <input type="checkbox" prop:checked=move || follows.get() on:change=follow/>
                <span>"Follow the newest: this run is still training"</span>
            </label>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::checkpoint;

    #[test]
    fn epochs_of_other_runs_are_left_out() {
        let all = [checkpoint(1, 1, 0, 20), checkpoint(1, 2, 0, 10), checkpoint(1, 1, 0, 10)];
        let kept = of_run(&all, &all[0]);
        assert_eq!(kept.iter().map(|it| it.epoch).collect::<Vec<_>>(), [10, 20]);
    }
}
