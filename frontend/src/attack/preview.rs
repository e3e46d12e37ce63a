//! The preview: clean, triggered and difference side by side, with the ViT patch grid and a patch that can be dragged.

use leptos::{ev, prelude::*};
use shared::{
    Rgb8, Trigger, TriggerSpec,
    trigger::{PatchedSpec, TriggerError},
};
use wasm_bindgen::JsCast;
use web_sys::Element;

use super::{
    drag::{self, Grab},
    overlay::{lines_path, touched_path},
    picture::Picture,
    render::{GAIN, Rendered, render},
};
use crate::components::{Glyph, Icon, PixelCanvas, Segmented};

/// Which of the three a narrow screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Clean,
    Triggered,
    Difference,
}

impl Side {
    fn name(self) -> String {
        match self {
            Self::Clean => "Clean".into(),
            Self::Triggered => "Triggered".into(),
            Self::Difference => format!("Difference × {GAIN}"),
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Triggered => "triggered",
            Self::Difference => "difference",
        }
    }
}

/// What the preview is made from.
#[derive(Clone, Copy)]
pub struct Scene {
    /// The trigger as it is edited.
    pub trigger: Memo<TriggerSpec>,
    /// Side of the images in pixels.
    pub side: Memo<u32>,
    /// Side of a ViT patch in pixels.
    pub vit_patch: Memo<u32>,
    /// Key image at that side, where the trigger needs one.
    pub key: Signal<Option<Rgb8>>,
}

impl Scene {
    fn columns(self) -> usize {
        (self.side.get() / self.vit_patch.get().max(1)).max(1) as usize
    }

    fn patched(self) -> Option<PatchedSpec> {
        match self.trigger.get_untracked() {
            TriggerSpec::Patched(patch) => Some(patch),
            TriggerSpec::Blended(_) => None,
        }
    }
}

/// The preview.
#[component]
pub fn Preview(
    /// What it is made from.
    scene: Scene,
    /// The images.
    #[prop(into)]
    pictures: Signal<Vec<Picture>>,
    /// Names of the classes.
    #[prop(into)]
    classes: Signal<Vec<String>>,
    /// Whether other images are on their way.
    #[prop(into)]
    busy: Signal<bool>,
    /// Takes a moved patch.
    moved: Callback<PatchedSpec>,
    /// Takes other images.
    shuffle: Callback<()>,
) -> impl IntoView {
    let rendered = RwSignal::new(Rendered::default());
    let waits = RwSignal::new(None::<String>);
    Effect::new(move |_| {
        let (spec, side) = (scene.trigger.get(), scene.side.get());
        let prepared = scene.key.with(|key| Trigger::prepare(&spec, key.as_ref(), side as usize));
        match prepared {
            Ok(trigger) => {
                let patch = scene.vit_patch.get() as usize;
                rendered.set(pictures.with(|pictures| render(pictures, &trigger, patch)));
                waits.set(None);
            }
            // The key image is on its way: what is drawn stays until it is here.
            Err(_) if spec.key().is_some() && spec.validate(side, "").is_empty() => {}
            Err(TriggerError::Field(error)) => waits.set(Some(error.message)),
            Err(error) => waits.set(Some(error.to_string())),
        }
    });

    let shown = RwSignal::new(Side::Triggered);
    let grid = RwSignal::new(false);
    let held = RwSignal::new(None::<Grab>);
    let is_patched = Memo::new(move |_| matches!(scene.trigger.get(), TriggerSpec::Patched(_)));

    let overlay = move || {
        grid.get().then(|| {
            let columns = scene.columns();
            let touched = rendered.with(|rendered| touched_path(&rendered.touched, columns));
            view! {
                <svg class="patch-grid" viewBox=format!("0 0 {columns} {columns}") aria-hidden="true">
                    <path class="patch-touched" d=touched/>
                    <path class="patch-shade" d=lines_path(columns)/>
                    <path class="patch-lines" d=lines_path(columns)/>
                </svg>
            }
        })
    };
    let press = move |event: ev::PointerEvent| {
        let (Some(patch), Some(at)) = (scene.patched(), pixel(&event, scene.side.get_untracked()))
        else {
            return;
        };
        event.prevent_default();
        if let Some(tile) = tile(&event) {
            // Without capture a fast pointer only leaves the tile earlier.
            let _ = tile.set_pointer_capture(event.pointer_id());
        }
        let hold = drag::grab(&patch, at);
        held.set(Some(hold));
        moved.run(drag::drag(&patch, hold, at, scene.side.get_untracked()));
    };
    let pull = move |event: ev::PointerEvent| {
        let side = scene.side.get_untracked();
        if let (Some(hold), Some(patch), Some(at)) =
            (held.get_untracked(), scene.patched(), pixel(&event, side))
        {
            moved.run(drag::drag(&patch, hold, at, side));
        }
    };
    let step = move |event: ev::KeyboardEvent| {
        let (side, vit_patch) = (scene.side.get_untracked(), scene.vit_patch.get_untracked());
        let next = scene.patched().and_then(|patch| {
            drag::key_step(&patch, &event.key(), event.shift_key(), vit_patch, side)
        });
        if let Some(patch) = next {
            event.prevent_default();
            moved.run(patch);
        }
    };
    let image = move |which: Side, at: usize| {
        Signal::derive(move || match which {
            Side::Clean => pictures.with(|all| all.get(at).map(|picture| picture.image.clone())),
            Side::Triggered => rendered.with(|all| all.triggered.get(at).cloned()),
            Side::Difference => rendered.with(|all| all.difference.get(at).cloned()),
        })
    };
    let label = move |which: Side, at: usize| {
        Signal::derive(move || {
            let class = pictures.with(|all| all.get(at).map(|picture| picture.class as usize));
            let class = class.and_then(|class| classes.with(|names| names.get(class).cloned()));
            format!("{}, {}", class.unwrap_or_else(|| "image".into()), which.name().to_lowercase())
        })
    };
    let count = Memo::new(move |_| pictures.with(Vec::len));
    let column = move |which: Side| {
        let draggable = move || which == Side::Triggered && is_patched.get();
        let tiles = move || {
            (0..count.get())
                .map(|at| {
                    let canvas =
                        view! { <PixelCanvas image=image(which, at) label=label(which, at)/> };
                    if which == Side::Triggered {
                        view! {
                            <div
                                class="tile"
                                on:pointerdown=press
                                on:pointermove=pull
                                on:pointerup=move |_| held.set(None)
                                on:pointercancel=move |_| held.set(None)
                            >
                                {canvas}
                                {overlay}
                            </div>
                        }
                        .into_any()
                    } else {
                        view! { <div class="tile">{canvas} {overlay}</div> }.into_any()
                    }
                })
                .collect_view()
        };
        view! {
            <figure class=format!("mosaic mosaic-{}", which.class()) data-side=which.class()>
                <figcaption>
                    <span class=format!("swatch swatch-{}", which.class())></span>
                    {which.name()}
                </figcaption>
                <div
                    class="mosaic-tiles"
                    class:draggable=draggable
                    role="group"
                    tabindex=move || draggable().then_some("0")
                    aria-label=move || {
                        if draggable() {
                            "Triggered images. Arrow keys move the patch by a pixel, with Shift by a ViT patch.".into()
                        } else {
                            format!("{} images", which.name())
                        }
                    }
                    on:keydown=move |event| if draggable() { step(event) }
                >
                    {tiles}
                </div>
            </figure>
        }
    };
    let choices = [Side::Clean, Side::Triggered, Side::Difference].map(|side| (side, side.name()));
    view! {
        <div class="preview" data-shown=move || shown.get().class() aria-busy=move || busy.get().to_string()>
            <div class="preview-choice">
                <Segmented
                    label="What to show"
                    choices=choices.to_vec()
                    value=Signal::derive(move || Some(shown.get()))
                    choose=Callback::new(move |side| shown.set(side))
                />
            </div>
            <div class="preview-bar">
                <button
                    type="button"
                    class="button"
                    id="patch-grid"
                    aria-pressed=move || grid.get().to_string()
                    on:click=move |_| grid.update(|grid| *grid = !*grid)
                >
                    <Icon glyph=Glyph::Grid/>
                    "Patch grid"
                </button>
                <button
                    type="button"
                    class="button"
                    id="shuffle"
                    disabled=move || busy.get()
                    on:click=move |_| shuffle.run(())
                >
                    <Icon glyph=Glyph::Shuffle/>
                    "Other images"
                </button>
            </div>
            {move || {
                waits
                    .get()
                    .map(|why| view! { <p class="preview-waits" role="status">"The preview waits: " {why}</p> })
            }}
            <div class="mosaics" class:stale=move || waits.with(Option::is_some)>
                {column(Side::Clean)} {column(Side::Triggered)} {column(Side::Difference)}
            </div>
            <dl class="facts">
                <div title="Mean peak signal-to-noise ratio between the clean and the triggered images: higher is harder to see">
                    <dt>"PSNR, mean"</dt>
                    <dd id="psnr">{move || rendered.with(Rendered::psnr_text)}</dd>
                </div>
                <div title="ViT patches in which the trigger changes a pixel">
                    <dt>"Touches"</dt>
                    <dd id="touched">{move || rendered.with(Rendered::touched_text)}</dd>
                </div>
                <div class="facts-hint">
                    {move || {
                        if is_patched.get() {
                            "Drag the patch on any triggered image, or move it with the arrow keys."
                        } else {
                            "Drawn in this browser by the code that poisons the training set."
                        }
                    }}
                </div>
            </dl>
        </div>
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
