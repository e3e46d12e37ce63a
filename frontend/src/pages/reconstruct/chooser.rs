//! Which image: part of the data set, index, and a strip of thumbnails to click on; or an own picture.

use leptos::{ev, prelude::*};
use shared::{
    api::{Samples, Split},
    study::DatasetSpec,
};

use super::own::{Own, OwnPicture};
use crate::{
    attack::{Which, pictures, samples_path},
    components::{Fetched, Glyph, Icon, PixelCanvas, Segmented, fetched},
};

/// Number of thumbnails in the strip.
pub const STRIP: u32 = 12;

/// The index after a step, kept inside `0..count`.
fn moved(index: u32, by: i64, count: u32) -> u32 {
    let last = i64::from(count.saturating_sub(1));
    (i64::from(index) + by).clamp(0, last) as u32
}

/// Where the image is from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Dataset(Split),
    Own,
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
    /// The own pictures.
    own: Own,
) -> impl IntoView {
    let choices = vec![
        (Source::Dataset(Split::Test), "Validation".to_owned()),
        (Source::Dataset(Split::Train), "Training".to_owned()),
        (Source::Own, "Own picture".to_owned()),
    ];
    let value = move || if own.shown.get() { Source::Own } else { Source::Dataset(split.get()) };
    let choose = Callback::new(move |source: Source| match source {
        Source::Own => own.open(),
        Source::Dataset(part) => {
            own.close();
            if part != split.get_untracked() {
                set_split.run(part);
            }
        }
    });
    let of_dataset = move || view! { <OfDataset dataset count split index set_index/> };
    view! {
        <div class="chooser">
            <Segmented
                label="Part of the data set, or an own picture"
                choices
                value=Signal::derive(move || Some(value()))
                choose
            />
            <Show when=move || own.shown.get() fallback=of_dataset>
                <OwnPicture own/>
            </Show>
        </div>
    }
}

/// The choice of an image of the data set.
#[component]
fn OfDataset(
    /// Data set and limits of the study, and the side of its images.
    dataset: Memo<Option<(DatasetSpec, u32)>>,
    /// Images of the part.
    count: Memo<u32>,
    /// The part.
    split: Memo<Split>,
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
    view! {
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
