//! Triggers: pure image -> image functions, one file each.
//!
//! The same code poisons the training set, triggers the validation images and draws the preview in the browser. Results
//! are integers, exact to the last bit, equal natively and in WebAssembly.

mod blended;
mod bpp;
mod catalogue;
mod dct;
mod filter;
mod frequency;
mod layout;
mod low_frequency;
mod offsets;
mod patched;
mod prepared;
mod random_patch;
mod ranges;
mod reflection;
mod sig;
mod squares;
mod wanet;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::ranges::Ranges;
use crate::{
    field_error::FieldError,
    image::Rgb8,
    stream::{Purpose, stream},
};

pub use blended::BlendedSpec;
pub use bpp::BppSpec;
pub use catalogue::{CATALOGUE, CatalogueEntry, Family};
pub use filter::{FilterSpec, Style};
pub use frequency::FrequencySpec;
pub use layout::Layout;
pub use low_frequency::LowFrequencySpec;
pub use patched::{Fill, PatchedSpec, Places, Square};
pub use prepared::{Trigger, TriggerError};
pub use random_patch::RandomPatchSpec;
pub use reflection::ReflectionSpec;
pub use sig::SigSpec;
pub use wanet::{WaNetSpec, Warp};

/// A trigger and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TriggerSpec {
    /// A key image blended over the whole image.
    Blended(BlendedSpec),
    /// Opaque squares.
    Patched(PatchedSpec),
    /// A sine wave over the columns.
    Sig(SigSpec),
    /// A warp of the whole image.
    #[serde(rename = "wanet")]
    WaNet(WaNetSpec),
    /// Raised coefficients of the cosine transform of the colour channels.
    Frequency(FrequencySpec),
    /// Quantised channels.
    Bpp(BppSpec),
    /// A smooth perturbation.
    LowFrequency(LowFrequencySpec),
    /// A coloured square at a different place in every image.
    RandomPatch(RandomPatchSpec),
    /// The key image as a reflection.
    Reflection(ReflectionSpec),
    /// A photo filter.
    Filter(FilterSpec),
}

/// The images that a trigger is prepared for: some papers use a different strength or place in tests than in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Poisons of a training set.
    Train,
    /// Test images that measure the attack.
    Test,
}

impl Stage {
    /// The parameter of this stage; the training value if there is none for tests.
    fn choose<T>(self, train: T, test: Option<T>) -> T {
        match self {
            Self::Train => train,
            Self::Test => test.unwrap_or(train),
        }
    }
}

impl TriggerSpec {
    /// The names of all kinds, in the order of the [`CATALOGUE`].
    pub fn kinds() -> Vec<&'static str> {
        let mut kinds = Vec::new();
        for entry in &CATALOGUE {
            let kind = entry.spec(32, 4).kind();
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// The kind's name in specifications: `blended`, `low_frequency`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Blended(_) => "blended",
            Self::Patched(_) => "patched",
            Self::Sig(_) => "sig",
            Self::WaNet(_) => "wanet",
            Self::Frequency(_) => "frequency",
            Self::Bpp(_) => "bpp",
            Self::LowFrequency(_) => "low_frequency",
            Self::RandomPatch(_) => "random_patch",
            Self::Reflection(_) => "reflection",
            Self::Filter(_) => "filter",
        }
    }

    /// A short label of the trigger and its strength, for tables and legends: `blended stripes 0.40`, `patched 4 px`.
    pub fn label(&self) -> String {
        match self {
            Self::Blended(blended) => {
                format!("blended {} {:.2}", short_key(&blended.key), blended.ratio)
            }
            Self::Patched(patched) if patched.count > 1 => {
                format!("patched {} x {} px", patched.count, patched.size)
            }
            Self::Patched(patched) => format!("patched {} px", patched.size),
            Self::Sig(sig) => format!("SIG {}", sig.delta),
            Self::WaNet(wanet) => format!("WaNet {}", wanet.strength),
            Self::Frequency(frequency) => format!("frequency {}", frequency.magnitude),
            Self::Bpp(bpp) if bpp.dither => format!("quantised {}, dithered", bpp.levels),
            Self::Bpp(bpp) => format!("quantised {}", bpp.levels),
            Self::LowFrequency(low) => format!("low frequency {}", low.amplitude),
            Self::RandomPatch(patch) => format!("random patch {} px", patch.size),
            Self::Reflection(reflection) => format!("reflection {}", short_key(&reflection.key)),
            Self::Filter(filter) if filter.strength < 1.0 => {
                format!("filter {} {:.2}", filter.style.name(), filter.strength)
            }
            Self::Filter(filter) => format!("filter {}", filter.style.name()),
        }
    }

    /// A single number for the trigger's strength: a share, an amplitude of 0–255, a side in pixels, or a number of
    /// levels; shares and amplitudes to six decimals.
    pub fn strength(&self) -> f64 {
        // A ratio of 0.4 is shown as 0.4, not as the double nearest to the single-precision 0.4.
        let rounded = |value: f32| (f64::from(value) * 1e6).round() / 1e6;
        match self {
            Self::Blended(blended) => rounded(blended.ratio),
            Self::Patched(patched) => f64::from(patched.size),
            Self::Sig(sig) => rounded(sig.delta),
            Self::WaNet(wanet) => rounded(wanet.strength),
            Self::Frequency(frequency) => rounded(frequency.magnitude),
            Self::Bpp(bpp) => f64::from(bpp.levels),
            Self::LowFrequency(low) => rounded(low.amplitude),
            Self::RandomPatch(patch) => f64::from(patch.size),
            Self::Reflection(reflection) => rounded(reflection.weight_to),
            Self::Filter(filter) => rounded(filter.strength),
        }
    }

    /// The key image that the trigger needs: a built-in key's name or an uploaded one's SHA-256.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Blended(BlendedSpec { key, .. })
            | Self::Reflection(ReflectionSpec { key, .. }) => Some(key),
            _ => None,
        }
    }

    /// The key image, mutable.
    pub fn key_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Blended(BlendedSpec { key, .. })
            | Self::Reflection(ReflectionSpec { key, .. }) => Some(key),
            _ => None,
        }
    }

    /// Cover samples per poisoned image: images that keep their label under a change similar to the trigger's.
    pub fn cover_ratio(&self) -> f32 {
        match self {
            Self::WaNet(wanet) => wanet.cover_ratio,
            _ => 0.0,
        }
    }

    /// Width and height in pixels of the patch that the trigger is in training: one opaque square, or a row of them. `None` for every other
    /// trigger, which cannot be pasted elsewhere.
    pub fn patch_size(&self) -> Option<[u32; 2]> {
        match self {
            Self::Patched(patched) => {
                let is_patch = patched.places == Places::Row
                    && patched.opacity >= 1.0
                    && patched.shown.is_none();
                is_patch.then(|| [patched.width(), patched.size])
            }
            Self::RandomPatch(patch) => Some([patch.size; 2]),
            _ => None,
        }
    }

    /// Checks the parameters for images of `side` x `side` pixels; `path` prefixes the fields in errors.
    pub fn validate(&self, side: u32, path: &str) -> Vec<FieldError> {
        match self {
            Self::Blended(blended) => blended.validate(path),
            Self::Patched(patched) => patched.validate(side, path),
            Self::Sig(sig) => sig.validate(path),
            Self::WaNet(wanet) => wanet.validate(side, path),
            Self::Frequency(frequency) => frequency.validate(side, path),
            Self::Bpp(bpp) => bpp.validate(path),
            Self::LowFrequency(low) => low.validate(side, path),
            Self::RandomPatch(patch) => patch.validate(side, path),
            Self::Reflection(reflection) => reflection.validate(path),
            Self::Filter(filter) => filter.validate(path),
        }
    }
}

/// An uploaded key is named by 64 hexadecimal digits: eight are enough to distinguish keys in a label.
fn short_key(key: &str) -> &str {
    if key.len() == 64 { &key[..8] } else { key }
}

/// The random stream of a trigger for one image: it depends only on the seed and the pixels, so that the same image gets the
/// same trigger in the preview, in every epoch and in every process.
fn image_stream(seed: u64, image: &Rgb8) -> ChaCha8Rng {
    let digest: [u8; 32] = Sha256::digest(image.data()).into();
    let (head, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    stream(seed, Purpose::Trigger, 1, u64::from_le_bytes(*head))
}

#[cfg(test)]
mod tests;
