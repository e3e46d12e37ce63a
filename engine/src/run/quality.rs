//! How visible a trigger is in the validation images, and how much of it pre-training sees.

use shared::{
    Rgb8, RunKind, Trigger,
    metric::{Quality, Survival},
    quality::quality,
    survival::survival,
};

use super::Run;
use crate::{EngineError, data::Pixels, train::poisons::Poisons};

/// Images that are compared, evenly from all.
const IMAGES: usize = 32;

/// Random crops and masks of each.
const VIEWS: u32 = 64;

impl Run<'_> {
    /// How visible the main trigger is, by some validation images; `trigger` is for test images, the one of the poisons for training.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub(super) fn quality(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        trigger: &Trigger,
    ) -> Result<Option<Quality>, EngineError> {
        let told = pairs(pixels, trigger)?;
        let told = quality(told.iter().map(|(clean, triggered)| (clean, triggered)));
        let survival = self.survival(pixels, &poisons.triggers[0])?;
        Ok(told.map(|told| Quality { survival, ..told }))
    }

    /// What the crops and masks of the encoder's pre-training leave of a trigger; `None` where the study pre-trains none.
    fn survival(
        &self,
        pixels: &Pixels,
        trigger: &Trigger,
    ) -> Result<Option<Survival>, EngineError> {
        let settings = &self.order.settings;
        if !self.order.kind.needed(settings).any(|kind| kind == RunKind::Pretrain) {
            return Ok(None);
        }
        let Some(views) = settings.pretraining_views() else { return Ok(None) };
        let pairs = pairs(pixels, trigger)?;
        let pairs: Vec<_> = pairs.iter().map(|(clean, triggered)| (clean, triggered)).collect();
        Ok(survival(&pairs, views, VIEWS))
    }
}

/// Some validation images without and with the trigger.
fn pairs(pixels: &Pixels, trigger: &Trigger) -> Result<Vec<(Rgb8, Rgb8)>, EngineError> {
    let (all, some) = (pixels.test.len(), pixels.test.len().min(IMAGES));
    let pair = |i: usize| {
        let clean = pixels.test[i * all / some].image()?.into_owned();
        let triggered = trigger.applied(&clean);
        Ok((clean, triggered))
    };
    (0..some).map(pair).collect()
}
