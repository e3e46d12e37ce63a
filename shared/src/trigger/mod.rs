//! Triggers: pure image -> image functions, one file each.
//!
//! The SAME code poisons the training set, triggers the validation images and draws the preview in the browser. Results
//! are whole numbers, defined to the last bit, equal natively and in WebAssembly.

mod blended;
mod patched;

use serde::{Deserialize, Serialize};

pub use blended::BlendedSpec;
pub use patched::{Fill, Layout, PatchedSpec, Square};

use crate::{image::Rgb8, resize, study::FieldError};

/// A trigger and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TriggerSpec {
    /// A key image blended over the whole image.
    Blended(BlendedSpec),
    /// Opaque squares.
    Patched(PatchedSpec),
}

impl TriggerSpec {
    /// The kind's name as it stands in a specification: `blended` or `patched`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Blended(_) => "blended",
            Self::Patched(_) => "patched",
        }
    }

    /// The trigger and its strength in a few words, for tables and legends: `blended stripes 0.40`, `patched 4 px`.
    pub fn label(&self) -> String {
        match self {
            Self::Blended(blended) => {
                format!("blended {} {:.2}", short_key(&blended.key), blended.ratio)
            }
            Self::Patched(patched) if patched.count > 1 => {
                format!("patched {} x {} px", patched.count, patched.size)
            }
            Self::Patched(patched) => format!("patched {} px", patched.size),
        }
    }

    /// The one number that stands for the trigger's strength: blend ratio to six decimals, or side of a square in pixels.
    pub fn strength(&self) -> f64 {
        match self {
            // A ratio of 0.4 is written 0.4, not as the double that is nearest to the single 0.4.
            Self::Blended(blended) => (f64::from(blended.ratio) * 1e6).round() / 1e6,
            Self::Patched(patched) => f64::from(patched.size),
        }
    }

    /// The key image that the trigger needs: a built-in key's name or an uploaded one's SHA-256.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Blended(blended) => Some(&blended.key),
            Self::Patched(_) => None,
        }
    }

    /// What is wrong with the parameters for images of `side` x `side` pixels; fields are named below `path`.
    pub fn validate(&self, side: u32, path: &str) -> Vec<FieldError> {
        match self {
            Self::Blended(blended) => blended.validate(path),
            Self::Patched(patched) => patched.validate(side, path),
        }
    }
}

/// An uploaded key is named by 64 hexadecimal digits: eight are enough to tell two apart in a label.
fn short_key(key: &str) -> &str {
    if key.len() == 64 { &key[..8] } else { key }
}

/// Why a trigger cannot be made from its specification.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TriggerError {
    /// A blended trigger without its key image.
    #[error("the trigger needs the key image {0}, which was not given")]
    MissingKey(String),
    /// A parameter is out of range.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// A trigger made ready for images of one size.
#[derive(Clone, Debug)]
pub struct Trigger {
    side: usize,
    prepared: Prepared,
}

#[derive(Clone, Debug)]
enum Prepared {
    Blended { ratio: f32, key: Rgb8 },
    Patched(PatchedSpec),
}

impl Trigger {
    /// Makes a trigger ready for images of `side` x `side` pixels. `key` is the key image in any size; it is resized here.
    ///
    /// # Errors
    /// When a parameter is out of range, or the trigger needs a key image and none is given.
    pub fn prepare(
        spec: &TriggerSpec,
        key: Option<&Rgb8>,
        side: usize,
    ) -> Result<Self, TriggerError> {
        if let Some(error) = spec.validate(side as u32, "attack.trigger").into_iter().next() {
            return Err(error.into());
        }
        let prepared = match spec {
            TriggerSpec::Blended(blended) => {
                let key = key.ok_or_else(|| TriggerError::MissingKey(blended.key.clone()))?;
                Prepared::Blended { ratio: blended.ratio, key: resize::bilinear(key, side, side) }
            }
            TriggerSpec::Patched(patched) => Prepared::Patched(patched.clone()),
        };
        Ok(Self { side, prepared })
    }

    /// Side of the images that this trigger takes, in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Puts the trigger into the image. Panics when the image is not `side` x `side`.
    pub fn apply(&self, image: &mut Rgb8) {
        assert_eq!(
            (image.width(), image.height()),
            (self.side, self.side),
            "the trigger is ready for another size"
        );
        match &self.prepared {
            Prepared::Blended { ratio, key } => blended::blend(image, key, *ratio),
            Prepared::Patched(patched) => patched.draw(image),
        }
    }

    /// The image with the trigger, the original untouched.
    pub fn applied(&self, image: &Rgb8) -> Rgb8 {
        let mut triggered = image.clone();
        self.apply(&mut triggered);
        triggered
    }
}
