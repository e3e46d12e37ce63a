//! [`AttackSpec`]: trigger, target and the choice of the images that get the trigger.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::is_false;
use crate::{
    field_error::FieldError,
    trigger::{BlendedSpec, TriggerSpec},
};

/// Trigger and target class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AttackSpec {
    /// The attacker's target class, counted from 0 in the order of the class names.
    #[serde(default)]
    pub target_class: u32,
    /// Whether the poisons are images of the target class, which keep their label (label-consistent poisoning: Turner, Tsipras and
    /// Madry 2019), instead of images of every other class, which get the target's label.
    #[serde(default, skip_serializing_if = "is_false")]
    pub clean_label: bool,
    /// Names of the training images to poison, as the data set names them; drawn by the seed when absent. Each phase takes the
    /// first of each poisoned class in this order, as many as it poisons. All points of a study share one list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub poisons: Option<Arc<[String]>>,
    /// The trigger.
    pub trigger: TriggerSpec,
}

impl Default for AttackSpec {
    /// The published study's strongest blended trigger, on class 0.
    fn default() -> Self {
        let trigger = TriggerSpec::Blended(BlendedSpec { ratio: 0.4, key: "stripes".into() });
        Self { target_class: 0, clean_label: false, poisons: None, trigger }
    }
}

impl AttackSpec {
    /// Whether images of this class are poisoned.
    pub fn poisons_class(&self, class: u32) -> bool {
        (class == self.target_class) == self.clean_label
    }

    /// Checks the target class against a data set with this number of classes; `None` if it has that class.
    pub fn check_target(&self, dataset: &str, classes: u32) -> Option<FieldError> {
        let target = self.target_class;
        (target >= classes).then(|| {
            let last = classes.saturating_sub(1);
            let message =
                format!("{dataset} has the classes 0 to {last}, so there is no class {target}");
            FieldError::new("attack.target_class", message)
        })
    }

    /// Number of poisoned images for `per_class` of each poisoned class, in a data set with this number of classes.
    pub fn poisoned_images(&self, classes: u32, per_class: u32) -> u32 {
        let poisoned = (0..classes).filter(|&class| self.poisons_class(class)).count() as u32;
        poisoned.saturating_mul(per_class)
    }

    /// Cover samples of each poisoned class for `per_class` poisoned images.
    pub fn covers_per_class(&self, per_class: u32) -> u32 {
        (f64::from(self.trigger.cover_ratio()) * f64::from(per_class)).round() as u32
    }

    /// Number of cover samples for `per_class` poisoned images of each poisoned class.
    pub fn cover_images(&self, classes: u32, per_class: u32) -> u32 {
        self.poisoned_images(classes, self.covers_per_class(per_class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::WaNetSpec;

    #[test]
    fn counts_by_hand() {
        let warp = WaNetSpec { cover_ratio: 1.5, ..WaNetSpec::default() };
        let mut attack = AttackSpec {
            target_class: 3,
            clean_label: false,
            poisons: None,
            trigger: TriggerSpec::WaNet(warp),
        };
        assert_eq!(attack.poisoned_images(10, 10), 90);
        assert_eq!(attack.poisoned_images(1, 10), 10);
        assert_eq!(attack.cover_images(10, 10), 135);
        attack.clean_label = true;
        assert_eq!((attack.poisoned_images(10, 10), attack.cover_images(10, 10)), (10, 15));
    }
}
