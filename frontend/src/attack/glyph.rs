//! A trigger as a thumbnail: the key image, or the squares where they lie.

use leptos::prelude::*;
use shared::{
    TriggerSpec,
    trigger::{Fill, PatchedSpec},
};

use crate::api;

/// Sides that images usually have, in pixels.
const SIDES: [u32; 7] = [32, 64, 96, 128, 224, 384, 512];

/// The smallest usual side of an image that holds the patch: a list of studies does not tell the side itself.
fn usual_side(patch: &PatchedSpec) -> u32 {
    let needed = (patch.x + patch.width()).max(patch.y + patch.size);
    SIDES.into_iter().find(|&side| side >= needed).unwrap_or(needed)
}

/// The colour that stands for a filling.
fn colour(fill: Fill) -> String {
    match fill {
        Fill::Colour { rgb: [r, g, b] } => format!("#{r:02x}{g:02x}{b:02x}"),
        Fill::Checkerboard { .. } => "#000000".into(),
    }
}

/// The thumbnail of a trigger. Decoration: its words stand beside it.
#[component]
pub fn TriggerGlyph(
    /// The trigger.
    trigger: TriggerSpec,
) -> impl IntoView {
    match trigger {
        TriggerSpec::Blended(blended) => {
            let address = api::address(format!("/keys/{}/image.png", api::escape(&blended.key)));
            view! { <img class="glyph" src=address alt="" width="32" height="32" loading="lazy"/> }
                .into_any()
        }
        TriggerSpec::Patched(patch) => {
            let side = usual_side(&patch);
            let fill = colour(patch.fill);
            let squares = patch
                .squares()
                .map(|square| {
                    view! {
                        <rect
                            x=square.x
                            y=square.y
                            width=square.size
                            height=square.size
                            fill=fill.clone()
                        />
                    }
                })
                .collect_view();
            view! {
                <svg class="glyph" viewBox=format!("0 0 {side} {side}") aria-hidden="true">
                    {squares}
                </svg>
            }
            .into_any()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_holds_the_patch() {
        let patch =
            |x, size| PatchedSpec { size, x, y: 0, count: 1, step: 0, fill: Fill::default() };
        assert_eq!(
            [usual_side(&patch(28, 4)), usual_side(&patch(29, 4)), usual_side(&patch(600, 8))],
            [32, 64, 608]
        );
        assert_eq!(colour(Fill::Colour { rgb: [255, 0, 16] }), "#ff0010");
    }
}
