//! Which image: part of the data set, index, and a strip of thumbnails to click on.

use leptos::{ev, prelude::*};
use shared::{
    api::{Samples, Split},
    study::DatasetSpec,
};

use crate::{
    attack::{Which, pictures, samples_path},
    components::{Fetched, Glyph, Icon, PixelCanvas, Segmented, fetched},
};

/// Number of thumbnails in the strip.
const STRIP: u32 = 12;

/// The index after a step, kept inside `0..count`.
fn moved(index: u32, by: i64, count: u32) -> u32 {
    let last = i64::from(count.saturating_sub(1));
    (i64::from(index) + by).clamp(0, last) as u32
}

/// The chooser.
#[component]
pub fn Chooser(
    /// Data set and limits of the study, and the side of its images.
    dataset: Memo<Option<(DatasetSpec, u32)>>,
    /// Images of the part.
    count: Memo<u32>,
    /// The part.
    split: Memo<Split>,
    /// Called with another part.
    set_split: Callback<Split>,
    /// The image.
    index: Memo<u32>,
    /// Called with another image.
    set_index: Callback<u32>,
) -> impl IntoView {
    let draw = RwSignal::new(1u64);
    let samples: Fetched<Samples> = fetched(move || {
        dataset.with(|dataset| {
            let (dataset, side) = dataset.as_ref()?;
            let which = Which::Drawn(STRIP, draw.get());
            Some(samples_path(dataset, *side, split.get(), which))
        })
    });
    let first = Memo::new(move |_| index.get() == 0);
    let last = Memo::new(move |_| index.get() + 1 >= count.get());
    let step = move |by: i64| {
        set_index.run(moved(index.get_untracked(), by, count.get_untracked()));
    };
    let typed = move |event: ev::Event| {
        if let Ok(value) = event_target_value(&event).trim().parse::<u32>() {
            set_index.run(moved(value, 0, count.get_untracked()));
        }
    };
    let strip = move || {
        let samples = samples.value()?;
        let places: Vec<u32> = samples.items.iter().map(|item| item.index).collect();
        let images = pictures(&samples).into_iter().zip(places).map(|(picture, at)| {
            let name = picture.name.clone();
            let title = format!("Image {at}: {name}");
            view! {
                <li>
                    <button
                        type="button"
                        class="strip-image"
                        title=title.clone()
                        aria-label=title
                        aria-pressed=move || if index.get() == at { "true" } else { "false" }
                        on:click=move |_| set_index.run(at)
                    >
                        <PixelCanvas
                            image=Signal::stored(Some(picture.image))
                            label=Signal::stored(name)
                        />
                    </button>
                </li>
            }
        });
        Some(images.collect_view())
    };
    let choices =
        vec![(Split::Test, "Validation".to_owned()), (Split::Train, "Training".to_owned())];
    view! {
        <div class="chooser">
            <Segmented
                label="Part of the data set"
                choices
                value=Signal::derive(move || Some(split.get()))
                choose=set_split
            />
            <div class="stepper">
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Previous image"
                    disabled=first
                    on:click=move |_| step(-1)
                >
                    <Icon glyph=Glyph::ArrowLeft/>
                </button>
                <label for="image-index">"Image"</label>
                <input
                    type="number"
                    id="image-index"
                    class="number-input"
                    min="0"
                    max=move || count.get().saturating_sub(1)
                    prop:value=move || index.get().to_string()
                    on:change=typed
                />
                <span class="muted nowrap">{move || format!("of {}", count.get())}</span>
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Next image"
                    disabled=last
                    on:click=move |_| step(1)
                >
                    <Icon glyph=Glyph::ArrowRight/>
                </button>
            </div>
            <ul class="strip" aria-label="Images to choose from">{strip}</ul>
            <button
                type="button"
                class="button button-quiet"
                on:click=move |_| draw.update(|draw| *draw += 1)
            >
                <Icon glyph=Glyph::Shuffle/>
                "Others"
            </button>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stay_inside_the_part() {
        assert_eq!([moved(0, -1, 10), moved(9, 1, 10), moved(4, 1, 10)], [0, 9, 5]);
        assert_eq!([moved(40, 0, 10), moved(4, 0, 0)], [9, 0]);
    }
}
