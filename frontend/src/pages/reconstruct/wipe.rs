//! Two reconstructions in one tile: the first one left of a line that a slider moves, the second one right of it.

use leptos::{ev, prelude::*};
use shared::Rgb8;

use crate::components::PixelCanvas;

/// The tile.
#[component]
pub fn Wipe(
    /// The row that it is in: `clean` or `triggered`.
    row: &'static str,
    /// The first checkpoint's image.
    #[prop(into)]
    first: Signal<Option<Rgb8>>,
    /// The second one's.
    #[prop(into)]
    second: Signal<Option<Rgb8>>,
    /// Where the line is, in percent of the width: one for all wipes of the page.
    line: RwSignal<f64>,
) -> impl IntoView {
    let moved = move |event: ev::Event| {
        if let Ok(place) = event_target_value(&event).parse() {
            line.set(place);
        }
    };
    let label =
        format!("Wipe, {row} image: the first checkpoint left of the line, the second right of it");
    view! {
        <figure class="pane">
            <figcaption><span>"First | second"</span></figcaption>
            <div class="pane-image wipe">
                <PixelCanvas image=first label=Signal::stored(format!("Reconstruction of the first checkpoint, {row} image"))/>
                <div class="wipe-second" style:clip-path=move || format!("inset(0 0 0 {}%)", line.get())>
                    <PixelCanvas image=second label=Signal::stored(format!("Reconstruction of the second checkpoint, {row} image"))/>
                </div>
                <span class="wipe-line" aria-hidden="true" style:left=move || format!("{}%", line.get())></span>
                <input
                    type="range"
                    class="wipe-slider"
                    min="0"
                    max="100"
                    step="1"
                    aria-label=label
                    prop:value=move || line.get().to_string()
                    on:input=moved
                />
            </div>
        </figure>
    }
}
