//! A trigger as a thumbnail: the key image, or the trigger on a plain picture; on an image of the data set, beside what it changes.

use leptos::prelude::*;
use shared::{
    Rgb8, Stage, Trigger, TriggerSpec,
    image::{difference, gain, largest_difference},
    trigger::{BlendedSpec, ReflectionSpec},
};

use super::key::key_pixels;
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

/// An image with the trigger above a diagonal, and what the trigger changes of it below. `None` while the trigger's key image is missing, or
/// where the trigger does not fit the image.
fn halves(image: &Rgb8, trigger: &TriggerSpec, key: Option<&Rgb8>) -> Option<Rgb8> {
    let side = image.width();
    let ready = Trigger::prepare(trigger, key, side, Stage::Train).ok()?;
    let triggered = ready.applied(image);
    let changed = difference(image, &triggered, gain(largest_difference([(image, &triggered)])));
    Some(Rgb8::from_fn(side, side, |x, y| {
        if x + y < side { triggered.pixel(x, y) } else { changed.pixel(x, y) }
    }))
}

/// The trigger on an image of the data set, as [`halves`] has it; its thumbnail while there is no such image. Decorative: the trigger's name
/// is beside it.
#[component]
pub fn TriggerOnImage(
    /// The trigger, as it is for images of that side.
    #[prop(into)]
    trigger: Signal<TriggerSpec>,
    /// A square image of the data set.
    image: Signal<Option<Rgb8>>,
) -> impl IntoView {
    let wanted = Memo::new(move |_| {
        let side = image.with(|image| image.as_ref().map(|image| image.width() as u32))?;
        trigger.with(|trigger| Some((trigger.key()?.to_owned(), side)))
    });
    // Without its key, the thumbnail stays.
    let key = key_pixels(wanted, |_| ());
    let drawn = Memo::new(move |_| {
        image.with(|image| {
            let image = image.as_ref()?;
            trigger.with(|trigger| key.with(|key| halves(image, trigger, key.as_ref())))
        })
    });
    let has_image = Memo::new(move |_| drawn.with(Option::is_some));
    move || {
        if has_image.get() {
            view! {
                <span class="glyph" aria-hidden="true">
                    <PixelCanvas image=drawn label=Signal::stored(String::new())/>
                </span>
            }
            .into_any()
        } else {
            view! { <TriggerGlyph trigger=trigger.get()/> }.into_any()
        }
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
    fn an_image_has_the_trigger_above_and_what_it_changes_below() {
        let badnets = CATALOGUE.iter().find(|entry| entry.id == "badnets").expect("an entry");
        let image = Rgb8::filled(32, 32, [100; 3]);
        let drawn = halves(&image, &badnets.spec(32, 4), None).expect("a picture");
        // The white square near the lower right corner is 155 levels brighter: the most, so it is white.
        assert_eq!((drawn.pixel(0, 0), drawn.pixel(31, 31)), ([100; 3], [128; 3]));
        assert_eq!(drawn.pixel(29, 29), [255; 3]);
        let blended = CATALOGUE.iter().find(|entry| entry.id == "blended").expect("an entry");
        let key = Rgb8::filled(32, 32, [0; 3]);
        assert_eq!(halves(&image, &blended.spec(32, 4), None), None, "its key image is missing");
        let drawn = halves(&image, &blended.spec(32, 4), Some(&key)).expect("a picture");
        assert_eq!((drawn.pixel(0, 0), drawn.pixel(31, 31)), ([60; 3], [1; 3]));
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
