//! Triggers prepared for images of one size.

use super::{
    Stage, TriggerSpec, blended::Overlay, bpp::BppSpec, filter::FilterSpec, offsets::Offsets,
    random_patch::RandomPatchSpec, reflection::Pane, squares::Squares, wanet::Warp,
};
use crate::{field_error::FieldError, image::Rgb8, resize};

/// Why a trigger cannot be prepared from its specification.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TriggerError {
    /// The key image is missing.
    #[error("the trigger needs the key image {0}, which was not given")]
    MissingKey(String),
    /// A parameter is out of range.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// A trigger prepared for images of one size and one stage.
#[derive(Clone, Debug)]
pub struct Trigger {
    side: usize,
    prepared: Prepared,
}

#[derive(Clone, Debug)]
enum Prepared {
    Blended(Overlay),
    Patched(Squares),
    Offsets(Offsets),
    Warp { warp: Warp, seed: u64 },
    Bpp(BppSpec),
    RandomPatch { spec: RandomPatchSpec, patch: Rgb8, stage: Stage },
    Reflection(Pane),
    Filter(FilterSpec),
}

impl Trigger {
    /// Prepares a trigger for images of `side` x `side` pixels. `key` is the key image in any size; it is resized here.
    ///
    /// # Errors
    /// When a parameter is out of range, or the trigger needs a key image and none is given.
    pub fn prepare(
        spec: &TriggerSpec,
        key: Option<&Rgb8>,
        side: usize,
        stage: Stage,
    ) -> Result<Self, TriggerError> {
        if let Some(error) = spec.validate(side as u32, "attack.trigger").into_iter().next() {
            return Err(error.into());
        }
        let key = || {
            let name = spec.key().unwrap_or_default();
            let key = key.ok_or_else(|| TriggerError::MissingKey(name.to_owned()))?;
            Ok::<_, TriggerError>(resize::bilinear(key, side, side))
        };
        let prepared = match spec {
            TriggerSpec::Blended(blended) => {
                Prepared::Blended(Overlay::new(blended, key()?, stage))
            }
            TriggerSpec::Patched(patched) => Prepared::Patched(Squares::new(patched, stage)),
            TriggerSpec::Sig(sig) => Prepared::Offsets(sig.offsets(side, stage)),
            TriggerSpec::WaNet(wanet) => {
                Prepared::Warp { warp: Warp::new(wanet, &wanet.field(), side), seed: wanet.seed }
            }
            TriggerSpec::Frequency(frequency) => Prepared::Offsets(frequency.offsets(side, stage)),
            TriggerSpec::Bpp(bpp) => Prepared::Bpp(bpp.clone()),
            TriggerSpec::LowFrequency(low) => Prepared::Offsets(low.offsets(side)),
            TriggerSpec::RandomPatch(patch) => {
                Prepared::RandomPatch { patch: patch.patch(), spec: patch.clone(), stage }
            }
            TriggerSpec::Reflection(reflection) => Prepared::Reflection(reflection.pane(key()?)),
            TriggerSpec::Filter(filter) => Prepared::Filter(filter.clone()),
        };
        Ok(Self { side, prepared })
    }

    /// Side of the images that this trigger takes, in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Applies the trigger to the image. Panics when the image is not `side` x `side`.
    pub fn apply(&self, image: &mut Rgb8) {
        self.check(image);
        match &self.prepared {
            Prepared::Blended(overlay) => overlay.mix_into(image),
            Prepared::Patched(squares) => squares.draw(image),
            Prepared::Offsets(offsets) => offsets.add(image),
            Prepared::Warp { warp, .. } => warp.apply(image),
            Prepared::Bpp(bpp) => bpp.quantise(image),
            Prepared::RandomPatch { spec, patch, stage } => spec.draw(patch, *stage, image),
            Prepared::Reflection(pane) => pane.reflect(image),
            Prepared::Filter(filter) => filter.develop(image),
        }
    }

    /// A copy of the image with the trigger.
    pub fn applied(&self, image: &Rgb8) -> Rgb8 {
        let mut triggered = image.clone();
        self.apply(&mut triggered);
        triggered
    }

    /// Draws the trigger's patch alone into an image of any size, its upper left corner at `(x, y)`. Panics for a trigger that is no patch
    /// ([`TriggerSpec::patch_size`]), or when the patch reaches outside.
    pub fn paste(&self, image: &mut Rgb8, x: usize, y: usize) {
        match &self.prepared {
            Prepared::Patched(squares) => squares.paste(image, x as u32, y as u32),
            Prepared::RandomPatch { patch, .. } => image.paste(patch, x, y),
            _ => panic!("only a patch can be pasted"),
        }
    }

    /// The image as a cover sample: changed like a triggered one, but without the trigger itself. A trigger without cover samples
    /// does not change it. Panics when the image is not `side` x `side`.
    pub fn cover(&self, image: &Rgb8) -> Rgb8 {
        self.check(image);
        let mut covered = image.clone();
        if let Prepared::Warp { warp, seed } = &self.prepared {
            warp.apply_noisy(*seed, &mut covered);
        }
        covered
    }

    fn check(&self, image: &Rgb8) {
        assert_eq!(
            (image.width(), image.height()),
            (self.side, self.side),
            "the trigger was prepared for another size"
        );
    }
}
