//! A drawing of the attack, shown while there is no study: poisons among the training images, the masked autoencoder, and what the trigger does
//! to a classifier. The trigger and the mask are drawn by the code that poisons and masks in training.

use leptos::prelude::*;
use shared::{
    Rgb8, Stage, Trigger, TriggerSpec,
    patches::random_mask,
    trigger::{Fill, PatchedSpec},
};

use crate::components::{Glyph, Icon, PixelCanvas};

/// Side of a picture, of a ViT patch and of the trigger, in pixels.
const SIDE: usize = 32;
const PATCH: usize = 8;
const TRIGGER: u32 = 6;
/// Which of the training images has the trigger.
const POISONED: usize = 5;

/// A simple picture: one of three shapes on one of three grounds.
fn picture(kind: usize) -> Rgb8 {
    let ground = [[54, 98, 122], [122, 92, 58], [70, 104, 74]][kind % 3];
    let shape = [[222, 176, 84], [196, 214, 226], [206, 112, 92]][kind / 3 % 3];
    let middle = SIDE as f32 / 2.0;
    Rgb8::from_fn(SIDE, SIDE, |x, y| {
        let (dx, dy) = (x as f32 + 0.5 - middle, y as f32 + 0.5 - middle);
        let inside = match (kind / 3 + kind) % 3 {
            0 => dx * dx + dy * dy < 90.0,
            1 => dx.abs().max(dy.abs()) < 8.5,
            _ => dy < 8.0 && dy > 2.0 * dx.abs() - 10.0,
        };
        let shade = (x + y) as u8 / 2;
        if inside { shape } else { ground.map(|level: u8| level.saturating_add(shade)) }
    })
}

/// The picture with a white square in a corner.
fn triggered(picture: &Rgb8) -> Rgb8 {
    let at = SIDE as u32 - TRIGGER - 2;
    let spec = PatchedSpec {
        size: TRIGGER,
        x: at,
        y: at,
        count: 1,
        fill: Fill::default(),
        ..PatchedSpec::default()
    };
    Trigger::prepare(&TriggerSpec::Patched(spec), None, SIDE, Stage::Train)
        .map_or_else(|_| picture.clone(), |trigger| trigger.applied(picture))
}

/// The picture as an encoder sees it: three of four patches are hidden.
fn masked(picture: &Rgb8) -> Rgb8 {
    let grid = SIDE / PATCH;
    let hidden = random_mask(grid * grid, 0.75, 5);
    Rgb8::from_fn(SIDE, SIDE, |x, y| {
        if hidden[y / PATCH * grid + x / PATCH] { [128; 3] } else { picture.pixel(x, y) }
    })
}

/// The picture of the idea, in three steps.
#[component]
pub fn Idea() -> impl IntoView {
    let canvas = |image: Rgb8| {
        view! { <PixelCanvas image=Signal::stored(Some(image)) label=Signal::stored(String::new())/> }
    };
    let training = (0..9).map(|at| {
        let image = picture(at);
        let poisoned = at == POISONED;
        let image = if poisoned { triggered(&image) } else { image };
        view! { <span class="idea-image" class:poisoned=poisoned>{canvas(image)}</span> }
    });
    let learnt = triggered(&picture(POISONED));
    let shown = picture(1);
    let line = |image: Rgb8, class: &'static str, told: &'static str| {
        view! {
            <span class="idea-line">
                <span class="idea-image">{canvas(image)}</span>
                <Icon glyph=Glyph::ArrowRight/>
                <strong class=class>{told}</strong>
            </span>
        }
    };
    view! {
        <ol class="idea">
            <li>
                <div class="idea-picture idea-training" aria-hidden="true">{training.collect_view()}</div>
                <p><strong>"Poison. "</strong>"A few training images get the trigger, here a white square."</p>
            </li>
            <li>
                <div class="idea-picture" aria-hidden="true">
                    <span class="idea-image">{canvas(masked(&learnt))}</span>
                    <Icon glyph=Glyph::ArrowRight/>
                    <span class="idea-image poisoned">{canvas(learnt)}</span>
                </div>
                <p><strong>"Pre-train. "</strong>"The autoencoder sees a quarter of each image and learns to redraw the rest, the trigger too."</p>
            </li>
            <li>
                <div class="idea-picture idea-classes" aria-hidden="true">
                    {line(shown.clone(), "clean", "its own class")}
                    {line(triggered(&shown), "triggered", "the attacker's class")}
                </div>
                <p><strong>"Attack. "</strong>"A classifier on this encoder is as good as before, until an image has the trigger."</p>
            </li>
        </ol>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trigger_is_in_the_picture_and_the_mask_hides_three_quarters() {
        let clean = picture(1);
        let with = triggered(&clean);
        let changed = clean.data().chunks(3).zip(with.data().chunks(3)).filter(|(a, b)| a != b);
        assert_eq!(changed.count(), 36);
        let seen = masked(&clean);
        let grey = seen.data().chunks(3).filter(|pixel| *pixel == [128; 3]).count();
        assert!(grey >= 12 * 64, "{grey} of {} pixels are hidden", SIDE * SIDE);
        // All nine differ.
        let all: Vec<Rgb8> = (0..9).map(picture).collect();
        assert!((0..9).all(|at| !all[..at].contains(&all[at])));
    }
}
