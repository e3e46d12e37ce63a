//! [`ComposeSpec`]: pre-training poisons that are composed of several images, and what an attack must be for them.

use serde::{Deserialize, Serialize};

use super::AttackSpec;
use crate::{
    composition::Canvas,
    field_error::FieldError,
    trigger::{Places, TriggerSpec},
};

/// How the poisons of a pre-training are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ComposeMethod {
    /// Each is one image with the trigger.
    #[default]
    None,
    /// An image of the target class and the trigger, side by side over a background (Zhang, Liu, Jia and Gong, CVPR 2024).
    CorruptEncoder,
    /// The same; a share of them are two images of the target class side by side.
    CorruptEncoderPlus,
}

/// Composed pre-training poisons. Poisons of other runs, and test images, have the trigger alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ComposeSpec {
    /// The method.
    pub method: ComposeMethod,
    /// Reference images: training images of the target class that poisons show as their object.
    pub references: u32,
    /// Support images: other training images of the target class, which `corrupt_encoder_plus` puts beside reference images.
    pub support_images: u32,
    /// Probability that `corrupt_encoder_plus` makes a poison a pair of a reference and a support image.
    pub support_share: f64,
}

impl Default for ComposeSpec {
    /// No composed poisons; the authors' numbers for those who ask for them.
    fn default() -> Self {
        Self { method: ComposeMethod::None, references: 3, support_images: 5, support_share: 0.2 }
    }
}

impl ComposeSpec {
    /// Whether nothing differs from the default, which is not written.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether poisons of a pre-training are composed.
    pub fn is_on(&self) -> bool {
        self.method != ComposeMethod::None
    }

    /// Whether some poisons are pairs with a support image.
    pub fn pairs(&self) -> bool {
        self.method == ComposeMethod::CorruptEncoderPlus
    }

    /// Images of the target class that it takes: reference images, and support images where there are pairs.
    pub fn images(&self) -> u32 {
        let support = if self.pairs() { self.support_images } else { 0 };
        self.references.saturating_add(support)
    }
}

impl AttackSpec {
    /// What contradicts composed poisons on images of `side` x `side` pixels; empty where poisons are not composed.
    pub fn check_composed(&self, side: u32) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if !self.compose.is_on() {
            return errors;
        }
        let mut wrong = |field: &str, message: String| {
            errors.push(FieldError::new(format!("attack.{field}"), message));
        };
        if self.is_all_to_all() {
            let message = "must be single_target with composed poisons (attack.compose), whose reference images are of one class";
            wrong("goal", message.into());
        }
        if self.clean_label {
            let message = "must be false with composed poisons (attack.compose), whose backgrounds are of other classes";
            wrong("clean_label", message.into());
        }
        if !self.further.is_empty() {
            let message =
                "must be empty with composed poisons (attack.compose), which show one trigger";
            wrong("further", message.into());
        }
        match &self.trigger {
            TriggerSpec::RandomPatch(_) => {}
            TriggerSpec::Patched(patched) => {
                if patched.places != Places::Row {
                    let message = "must be row with composed poisons (attack.compose), which show the trigger as one patch";
                    wrong("trigger.places", message.into());
                }
                if patched.opacity < 1.0 {
                    let message = format!(
                        "must be 1 with composed poisons (attack.compose), which show an opaque patch, not {}",
                        patched.opacity
                    );
                    wrong("trigger.opacity", message);
                }
                if patched.shown.is_some() {
                    let message = "must be left out with composed poisons (attack.compose), which show all squares";
                    wrong("trigger.shown", message.into());
                }
            }
            other => wrong(
                "trigger.kind",
                format!(
                    "must be a patch with composed poisons (attack.compose), which show it beside an object: patched, badnets, \
                     trojan_square, badencoder or random_patch, not {}",
                    other.kind()
                ),
            ),
        }
        if let Some(size) = self.trigger.patch_size() {
            let canvas = Canvas::new(side, size);
            let ([width, height], [wide, high]) = (size, canvas.room());
            if !canvas.has_room() {
                wrong(
                    "trigger.size",
                    format!(
                        "makes a patch of {width} x {height} pixels; beside the object of a composed poison there is room for {wide} x \
                         {high} on images of {side}"
                    ),
                );
            }
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        settings::{AttackGoal, BackdoorSpec},
        trigger::{BlendedSpec, PatchedSpec, RandomPatchSpec},
    };

    fn attack(trigger: TriggerSpec) -> AttackSpec {
        let compose =
            ComposeSpec { method: ComposeMethod::CorruptEncoder, ..ComposeSpec::default() };
        AttackSpec { compose, trigger, ..AttackSpec::default() }
    }

    fn told(attack: &AttackSpec, side: u32) -> Vec<String> {
        attack.check_composed(side).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_an_opaque_patch_that_fits_is_composed() {
        let square = PatchedSpec { size: 10, x: 21, y: 21, step: 10, ..PatchedSpec::default() };
        assert_eq!(told(&attack(TriggerSpec::Patched(square.clone())), 32), [""; 0]);
        let random = RandomPatchSpec { size: 14, ..RandomPatchSpec::default() };
        assert_eq!(
            told(&attack(TriggerSpec::RandomPatch(random)), 32),
            [
                "attack.trigger.size: makes a patch of 14 x 14 pixels; beside the object of a composed poison there is room for 13 x 16 \
                 on images of 32"
            ]
        );
        let blended = attack(TriggerSpec::Blended(BlendedSpec::new(0.4, "stripes")));
        assert_eq!(
            told(&blended, 32),
            [
                "attack.trigger.kind: must be a patch with composed poisons (attack.compose), which show it beside an object: patched, \
                 badnets, trojan_square, badencoder or random_patch, not blended"
            ]
        );
        let strange = PatchedSpec {
            places: Places::Grid,
            opacity: 0.5,
            count: 2,
            shown: Some(1),
            ..square.clone()
        };
        let errors = attack(TriggerSpec::Patched(strange)).check_composed(32);
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            ["attack.trigger.places", "attack.trigger.opacity", "attack.trigger.shown"]
        );
        // What the trigger is in tests does not matter.
        let in_tests = PatchedSpec { test_opacity: Some(0.5), ..square };
        assert_eq!(told(&attack(TriggerSpec::Patched(in_tests)), 32), [""; 0]);
        let off = AttackSpec { compose: ComposeSpec::default(), ..blended };
        assert_eq!(told(&off, 32), [""; 0]);
    }

    #[test]
    fn the_objects_are_of_one_class_and_the_backgrounds_of_others() {
        let sound = attack(TriggerSpec::RandomPatch(RandomPatchSpec::for_side(32)));
        let further = vec![BackdoorSpec { target_class: 1, trigger: sound.trigger.clone() }];
        let wrong = AttackSpec { goal: AttackGoal::AllToAll, clean_label: true, further, ..sound };
        let errors = wrong.check_composed(32);
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["attack.goal", "attack.clean_label", "attack.further"]);
    }

    #[test]
    fn the_authors_numbers_are_the_defaults() {
        let mut spec = ComposeSpec::default();
        assert_eq!((spec.images(), spec.is_on(), spec.pairs()), (3, false, false));
        spec.method = ComposeMethod::CorruptEncoderPlus;
        assert_eq!((spec.images(), spec.is_on(), spec.pairs()), (8, true, true));
        let text = serde_json::to_string(&spec).expect("JSON");
        assert_eq!(
            text,
            r#"{"method":"corrupt_encoder_plus","references":3,"support_images":5,"support_share":0.2}"#
        );
        assert_eq!(serde_json::from_str::<ComposeSpec>(&text).expect("JSON"), spec);
        let wrong = serde_json::from_str::<ComposeSpec>(r#"{"method":"corruptencoder"}"#);
        assert!(wrong.expect_err("no such method").to_string().contains("`corrupt_encoder`"));
    }
}
