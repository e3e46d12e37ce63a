//! Pixels of the key image: fetched once for each key and size, then kept.

use std::{collections::HashMap, ops::RangeInclusive};

use leptos::{prelude::*, task::spawn_local};
use shared::{
    Rgb8, Settings,
    api::{KeyPixels, Problem},
};

use crate::{api, components::decode_rgb};

/// Sides of images, in pixels, that the server gives.
pub const SIDES: RangeInclusive<u32> = 8..=512;

/// The key image that these settings need, and its side in pixels. Fields that are being edited may have no sense yet.
pub fn wanted_key(settings: &Settings) -> Option<(String, u32)> {
    let side = settings.model.image_size;
    let key = settings.attack.trigger.key().filter(|key| !key.is_empty())?;
    SIDES.contains(&side).then(|| (key.to_owned(), side))
}

/// The pixels of the key that `wanted` names, at its side; `None` while they are loading or none is wanted.
/// `failed` is called when they cannot be fetched.
pub fn key_pixels(
    wanted: Memo<Option<(String, u32)>>,
    failed: impl Fn(Problem) + Copy + 'static,
) -> Signal<Option<Rgb8>> {
    let kept = RwSignal::new(HashMap::<(String, u32), Rgb8>::new());
    Effect::new(move |_| {
        let Some((id, side)) = wanted.get() else { return };
        if kept.with_untracked(|kept| kept.contains_key(&(id.clone(), side))) {
            return;
        }
        spawn_local(async move {
            let path = format!("/keys/{}/pixels?side={side}", api::escape(&id));
            match api::get::<KeyPixels>(path).await {
                Ok(pixels) => {
                    if let Some(image) = decode_rgb(pixels.side, &pixels.rgb) {
                        kept.try_update(|kept| kept.insert((id, side), image));
                    }
                }
                Err(problem) => failed(problem),
            }
        });
    });
    Signal::derive(move || {
        kept.with(|kept| wanted.get().and_then(|wanted| kept.get(&wanted).cloned()))
    })
}
