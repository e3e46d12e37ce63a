//! One part of the preview as tiles: images, the patch grid over them, and a patch that can be dragged.

use leptos::{ev, prelude::*};
use shared::{Rgb8, TriggerSpec, trigger::PatchedSpec};
use wasm_bindgen::JsCast;
use web_sys::Element;

use super::{
    drag::{self, Grab},
    overlay::{lines_path, patches_path},
    picture::Picture,
    preview::Scene,
    render::Numbers,
};
use crate::components::PixelCanvas;

/// A part of the preview. A narrow screen shows one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// As in the data set.
    Clean,
    /// With the trigger.
    Triggered,
    /// What the trigger changes.
    Difference,
}

impl Part {
    /// All parts, from left to right.
    pub const ALL: [Self; 3] = [Self::Clean, Self::Triggered, Self::Difference];

    /// Its heading.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "Clean",
            Self::Triggered => "Triggered",
            Self::Difference => "Difference",
        }
    }

    /// Its name in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Triggered => "triggered",
            Self::Difference => "difference",
        }
    }
}

/// What is drawn of one picture.
#[derive(Clone, Default, PartialEq)]
pub struct Shown {
    /// With the trigger; `None` until it is drawn.
    pub triggered: ArcRwSignal<Option<Rgb8>>,
    /// What the trigger changes.
    pub difference: ArcRwSignal<Option<Rgb8>>,
}

/// What the tiles of all parts share.
#[derive(Clone, Copy)]
pub struct Stage {
    /// What the preview is made from.
    pub scene: Scene,
    /// The images.
    pub pictures: Signal<Vec<Picture>>,
    /// Names of the classes.
    pub classes: Signal<Vec<String>>,
    /// What is drawn of each image.
    pub shown: Memo<Vec<Shown>>,
    /// What the images with the trigger say.
    pub numbers: RwSignal<Numbers>,
    /// Whether the patch grid is drawn over the images.
    pub grid: RwSignal<bool>,
    /// Called with the moved patch.
    pub moved: Callback<PatchedSpec>,
}

impl Stage {
    /// The patch that can be moved, its image's side and the side of a ViT patch.
    fn patch(self) -> Option<(PatchedSpec, u32, u32)> {
        match self.scene.trigger.get_untracked() {
            TriggerSpec::Patched(patch) => Some((
                patch,
                self.scene.side.get_untracked(),
                self.scene.training.get_untracked().patch,
            )),
            _ => None,
        }
    }

    /// The image of a tile, whose picture is at that place.
    fn image(self, part: Part, at: usize, shown: Shown) -> Signal<Option<Rgb8>> {
        match part {
            Part::Clean => Memo::new(move |_| {
                self.pictures.with(|all| all.get(at).map(|picture| picture.image.clone()))
            })
            .into(),
            Part::Triggered => RwSignal::from(shown.triggered).into(),
            Part::Difference => RwSignal::from(shown.difference).into(),
        }
    }

    fn label(self, part: Part, at: usize) -> String {
        let class = self.pictures.with(|all| all.get(at).map(|picture| picture.class as usize));
        let name = class.and_then(|class| self.classes.with(|names| names.get(class).cloned()));
        format!("{}, {}", name.unwrap_or_else(|| "image".into()), part.name().to_lowercase())
    }

    /// Moves the patch by a key.
    fn step(self, event: &ev::KeyboardEvent) {
        let next = self.patch().and_then(|(patch, side, vit_patch)| {
            drag::key_step(&patch, &event.key(), event.shift_key(), vit_patch, side)
        });
        if let Some(patch) = next {
            event.prevent_default();
            self.moved.run(patch);
        }
    }
}

/// The tiles of one part.
#[component]
pub fn Mosaic(
    /// The part.
    part: Part,
    /// What all parts share.
    stage: Stage,
) -> impl IntoView {
    let draggable = Memo::new(move |_| {
        part == Part::Triggered && matches!(stage.scene.trigger.get(), TriggerSpec::Patched(_))
    });
    let tile = move |(at, shown)| view! { <Tile part stage at shown/> };
    let tiles = move || stage.shown.get().into_iter().enumerate().map(tile).collect_view();
    let label = move || {
        if draggable.get() {
            "Triggered images. Arrow keys move the patch by a pixel, with Shift by a ViT patch."
                .into()
        } else {
            format!("{} images", part.name())
        }
    };
    let pressed = move |event: ev::KeyboardEvent| {
        if draggable.get_untracked() {
            stage.step(&event);
        }
    };
    view! {
        <figure class=format!("mosaic mosaic-{}", part.class())>
            <figcaption>
                <span class=format!("swatch swatch-{}", part.class())></span>
                {part.name()}
                {(part == Part::Difference).then(|| view! { <DifferenceScale numbers=stage.numbers/> })}
            </figcaption>
            <div
                class="mosaic-tiles"
                class:draggable=move || draggable.get()
                role="group"
                tabindex=move || draggable.get().then_some("0")
                aria-label=label
                on:keydown=pressed
            >
                {tiles}
            </div>
        </figure>
    }
}

/// What black and white mean in the differences.
#[component]
fn DifferenceScale(numbers: RwSignal<Numbers>) -> impl IntoView {
    let largest = Memo::new(move |_| numbers.with(|all| all.largest));
    view! {
        <span class="nowrap">{move || numbers.with(Numbers::gain_text)}</span>
        <span class="difference-scale" title="Levels of 0 to 255 that a channel gets darker or brighter by">
            {move || format!("−{}", largest.get())}
            <span class="difference-ramp" aria-hidden="true"></span>
            {move || format!("+{}", largest.get())}
        </span>
    }
}

/// One image.
#[component]
fn Tile(part: Part, stage: Stage, at: usize, shown: Shown) -> impl IntoView {
    let held = RwSignal::new(None::<Grab>);
    let press = move |event: ev::PointerEvent| {
        let Some((patch, side, _)) = stage.patch().filter(|_| part == Part::Triggered) else {
            return;
        };
        let Some(pixel) = pixel(&event, side) else { return };
        event.prevent_default();
        if let Some(tile) = tile(&event) {
            // Without capture, a fast pointer merely leaves the tile earlier.
            let _ = tile.set_pointer_capture(event.pointer_id());
        }
        let hold = drag::grab(&patch, pixel);
        held.set(Some(hold));
        stage.moved.run(drag::drag(&patch, hold, pixel, side));
    };
    let pull = move |event: ev::PointerEvent| {
        let Some(hold) = held.get_untracked() else { return };
        if let Some((patch, side, _)) = stage.patch()
            && let Some(pixel) = pixel(&event, side)
        {
            stage.moved.run(drag::drag(&patch, hold, pixel, side));
        }
    };
    let image = stage.image(part, at, shown);
    let label = Signal::derive(move || stage.label(part, at));
    view! {
        <div
            class="tile"
            on:pointerdown=press
            on:pointermove=pull
            on:pointerup=move |_| held.set(None)
            on:pointercancel=move |_| held.set(None)
        >
            <PixelCanvas image label/>
            {move || stage.grid.get().then(|| view! { <PatchGrid stage/> })}
        </div>
    }
}

/// The ViT patch grid over an image, with the touched patches tinted.
#[component]
fn PatchGrid(stage: Stage) -> impl IntoView {
    let scene = stage.scene;
    let columns =
        Memo::new(move |_| (scene.side.get() / scene.training.get().patch.max(1)).max(1) as usize);
    let touched = move || stage.numbers.with(|all| patches_path(&all.touched, columns.get()));
    let view_box = move || format!("0 0 {0} {0}", columns.get());
    view! {
        <svg class="patch-grid" viewBox=view_box aria-hidden="true">
            <path class="patch-touched" d=touched/>
            <path class="patch-shade" d=move || lines_path(columns.get())/>
            <path class="patch-lines" d=move || lines_path(columns.get())/>
        </svg>
    }
}

/// The tile under a pointer's event.
fn tile(event: &ev::PointerEvent) -> Option<Element> {
    event.current_target()?.dyn_into::<Element>().ok()
}

/// The image's pixel under a pointer.
fn pixel(event: &ev::PointerEvent, side: u32) -> Option<(i64, i64)> {
    let bounds = tile(event)?.get_bounding_client_rect();
    let offset =
        (f64::from(event.client_x()) - bounds.left(), f64::from(event.client_y()) - bounds.top());
    Some(drag::pixel_at(offset, (bounds.width(), bounds.height()), side))
}
