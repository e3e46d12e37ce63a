//! How visible a trigger is in the validation images.

use shared::{Trigger, metric::Quality, quality::quality};

use crate::{EngineError, data::Pixels};

/// Images that are compared, evenly from all.
const IMAGES: usize = 32;

/// How visible the trigger is, by some validation images; `trigger` is for test images.
pub(super) fn of_trigger(
    pixels: &Pixels,
    trigger: &Trigger,
) -> Result<Option<Quality>, EngineError> {
    let (all, some) = (pixels.test.len(), pixels.test.len().min(IMAGES));
    let pair = |i: usize| {
        let clean = pixels.test[i * all / some].image()?.into_owned();
        let triggered = trigger.applied(&clean);
        Ok((clean, triggered))
    };
    let pairs = (0..some).map(pair).collect::<Result<Vec<_>, EngineError>>()?;
    Ok(quality(pairs.iter().map(|(clean, triggered)| (clean, triggered))))
}
