//! One tile: an image under a heading, on which patches are painted, and which can be enlarged.

use leptos::{ev, html::Div, prelude::*};
use shared::Rgb8;

use super::paint::{patch_at, patch_beside, patches_between};
use crate::components::{Glyph, Icon, PixelCanvas};

/// The mask as the tiles paint it.
#[derive(Clone, Copy)]
pub struct Brush {
    /// Hidden patches, row by row.
    pub hidden: Memo<Vec<bool>>,
    /// Patches of a row.
    pub grid: Memo<usize>,
    /// Called with the new mask.
    pub paint: Callback<Vec<bool>>,
    /// What a drag paints, hidden or visible, and the patch that it has reached; `None` while nothing is dragged.
    stroke: RwSignal<Option<(bool, usize)>>,
}

impl Brush {
    /// A brush over this mask.
    pub fn new(hidden: Memo<Vec<bool>>, grid: Memo<usize>, paint: Callback<Vec<bool>>) -> Self {
        Self { hidden, grid, paint, stroke: RwSignal::new(None) }
    }

    fn set(self, patches: &[usize], value: bool) {
        let old = self.hidden.get_untracked();
        let mut hidden = old.clone();
        for &patch in patches {
            if let Some(place) = hidden.get_mut(patch) {
                *place = value;
            }
        }
        if hidden != old {
            self.paint.run(hidden);
        }
    }

    /// Paints on to a patch, if something is dragged.
    fn drag(self, patch: usize) {
        if let Some((value, from)) = self.stroke.get_untracked() {
            self.set(&patches_between(from, patch, self.grid.get_untracked()), value);
            self.stroke.set(Some((value, patch)));
        }
    }

    fn toggle(self, patch: usize) -> Option<bool> {
        let value = !self.hidden.with_untracked(|hidden| hidden.get(patch).copied())?;
        self.set(&[patch], value);
        Some(value)
    }
}

/// An enlarged image: its heading and its pixels.
pub type Large = RwSignal<Option<(String, Signal<Option<Rgb8>>)>>;

/// A tile.
#[component]
pub fn Tile(
    /// What it shows.
    #[prop(into)]
    title: String,
    /// The row that it is in: `clean` or `triggered`.
    row: &'static str,
    /// The pixels.
    #[prop(into)]
    image: Signal<Option<Rgb8>>,
    /// The brush.
    brush: Brush,
    /// Whether a drag also paints on touch screens, and the arrow keys move over its patches.
    #[prop(optional)]
    easel: bool,
    /// The tile that is shown enlarged.
    large: Large,
) -> impl IntoView {
    let place = NodeRef::<Div>::new();
    let cursor = RwSignal::new(0usize);
    let focused = RwSignal::new(false);
    let label = format!("{title}, {row} image");
    let open_title = label.clone();
    let patch_of = move |event: &ev::PointerEvent| {
        let outline = place.get_untracked()?.get_bounding_client_rect();
        let x = (f64::from(event.client_x()) - outline.left()) / outline.width();
        let y = (f64::from(event.client_y()) - outline.top()) / outline.height();
        patch_at(x, y, brush.grid.get_untracked())
    };
    let down = move |event: ev::PointerEvent| {
        if event.button() == 0
            && let Some(patch) = patch_of(&event)
        {
            cursor.set(patch);
            brush.stroke.set(brush.toggle(patch).map(|value| (value, patch)));
        }
    };
    let moved = move |event: ev::PointerEvent| {
        if event.buttons() & 1 == 0 {
            brush.stroke.set(None);
        } else if let Some(patch) = patch_of(&event) {
            brush.drag(patch);
        }
    };
    let pressed = move |event: ev::KeyboardEvent| {
        let grid = brush.grid.get_untracked();
        if let Some(patch) = patch_beside(cursor.get_untracked(), grid, &event.key()) {
            event.prevent_default();
            cursor.set(patch);
        } else if event.key() == " " || event.key() == "Enter" {
            event.prevent_default();
            let _ = brush.toggle(cursor.get_untracked());
        }
    };
    let frame = move || {
        (easel && focused.get()).then(|| {
            let grid = brush.grid.get().max(1);
            let part = 100.0 / grid as f64;
            let (x, y) = (cursor.get() % grid, cursor.get() / grid);
            view! {
                <span
                    class="patch-cursor"
                    style:left=format!("{:.3}%", x as f64 * part)
                    style:top=format!("{:.3}%", y as f64 * part)
                    style:width=format!("{part:.3}%")
                    style:height=format!("{part:.3}%")
                ></span>
            }
        })
    };
    let help =
        easel.then_some("Patch grid: the arrow keys move; the space bar hides or shows a patch.");
    view! {
        <figure class="pane">
            <figcaption>
                <span>{title}</span>
                <button
                    type="button"
                    class="pane-open"
                    aria-label=format!("Open large: {label}")
                    title="Open large"
                    on:click=move |_| large.set(Some((open_title.clone(), image)))
                >
                    <Icon glyph=Glyph::Search/>
                </button>
            </figcaption>
            <div
                class="pane-image"
                class:pane-easel=easel
                node_ref=place
                tabindex=easel.then_some("0")
                role=easel.then_some("application")
                aria-label=help
                on:pointerdown=down
                on:pointermove=moved
                on:pointerup=move |_| brush.stroke.set(None)
                on:keydown=move |event| {
                    if easel {
                        pressed(event);
                    }
                }
                on:focus=move |_| focused.set(true)
                on:blur=move |_| focused.set(false)
            >
                <PixelCanvas image label=Signal::stored(label)/>
                {frame}
            </div>
        </figure>
    }
}
