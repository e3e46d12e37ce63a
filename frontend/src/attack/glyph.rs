//! A trigger as a thumbnail: the key image, or the trigger on a plain picture.

use leptos::prelude::*;
use shared::{
    Rgb8, Stage, Trigger, TriggerSpec,
    trigger::{BlendedSpec, ReflectionSpec},
};

use crate::{api, components::PixelCanvas};

/// Common sides of images, in pixels.
const SIDES: [u32; 7] = [32, 64, 96, 128, 224, 384, 512];

/// The trigger on a plain picture of the smallest common side that fits it; a list of studies does not include the side.
fn picture(trigger: &TriggerSpec) -> Option<Rgb8> {
    SIDES.into_iter().find_map(|side| {
        let ready = Trigger::prepare(trigger, None, side as usize, Stage::Train).ok()?;
        Some(ready.applied(&plain(side as usize)))
    })
}

/// A grey ball on a warm background: something for a warp to bend, a filter to colour and a pattern to stand out from.
fn plain(side: usize) -> Rgb8 {
    let middle = side as f32 / 2.0;
    Rgb8::from_fn(side, side, |x, y| {
        let (dx, dy) = (x as f32 + 0.5 - middle, y as f32 + 0.5 - middle);
        let shade = (60.0 * (x + y) as f32 / (2 * side) as f32) as u8;
        if dx * dx + dy * dy < (0.3 * side as f32).powi(2) {
            [110 + shade, 118 + shade, 128 + shade]
        } else {
            [176 - shade, 140 - shade, 110 - shade]
        }
    })
}

/// The thumbnail of a trigger. Decorative: the trigger's name is beside it.
#[component]
pub fn TriggerGlyph(
    /// The trigger.
    trigger: TriggerSpec,
) -> impl IntoView {
    match trigger {
        TriggerSpec::Blended(BlendedSpec { key, .. })
        | TriggerSpec::Reflection(ReflectionSpec { key, .. }) => {
            let address = api::address(format!("/keys/{}/image.png", api::escape(&key)));
            view! { <img class="glyph" src=address alt="" width="32" height="32" loading="lazy"/> }
                .into_any()
        }
        drawn => view! {
            <span class="glyph" aria-hidden="true">
                <PixelCanvas
                    image=Signal::stored(picture(&drawn))
                    label=Signal::stored(String::new())
                />
            </span>
        }
        .into_any(),
    }
}

#[cfg(test)]
mod tests {
    use shared::trigger::{CATALOGUE, Fill, PatchedSpec};

    use super::*;

    #[test]
    fn the_side_holds_the_patch() {
        let side = |x, size| {
            let patch = PatchedSpec {
                size,
                x,
                y: 0,
                count: 1,
                step: 0,
                fill: Fill::default(),
                ..PatchedSpec::default()
            };
            picture(&TriggerSpec::Patched(patch)).map(|picture| picture.width())
        };
        assert_eq!([side(28, 4), side(29, 4), side(600, 8)], [Some(32), Some(64), None]);
    }

    #[test]
    fn every_trigger_without_a_key_changes_the_picture() {
        for entry in &CATALOGUE {
            let spec = entry.spec(32, 4);
            let seen = picture(&spec);
            assert_eq!(seen.is_some(), spec.key().is_none(), "{}", entry.id);
            assert!(seen.is_none_or(|seen| seen != plain(32)), "{}", entry.id);
        }
    }
}
