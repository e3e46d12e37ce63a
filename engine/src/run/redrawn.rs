//! How much of a hidden trigger the decoder of an encoder redraws.

use shared::{
    Trigger,
    patches::{random_order, visible_count},
};

use super::Run;
use crate::{
    EngineError,
    compute::cpu::MaeParts,
    data::{Pixels, augment::eval_transform},
    model::mae,
};

/// Images whose reconstructions are compared, evenly from all.
const IMAGES: usize = 200;
/// Share of the patches that is hidden where the encoder is imported, so that its pre-training is not known: MAE's.
const HIDDEN: f64 = 0.75;

impl Run<'_> {
    /// The share of what the trigger changes that the encoder's own decoder redraws where it is hidden, over some validation images under one
    /// random mask each; `None` without a decoder. `trigger` is for test images. Computed on the processor.
    pub(super) fn redrawn(
        &self,
        pixels: &Pixels,
        trigger: &Trigger,
    ) -> Result<Option<f64>, EngineError> {
        let settings = &self.order.settings;
        let (_, params, info) = self.encoder()?;
        if **params.layout() != mae(&info.model) {
            return Ok(None);
        }
        let parts = MaeParts::new(self.machine.cpu(settings.precision), &info.model, params);
        let patches = parts.grid().count();
        let hidden = settings.encoder.as_ref().map_or(settings.pretrain.mask_ratio, |_| HIDDEN);
        let visible = visible_count(patches, hidden);
        let (all, some) = (pixels.test.len(), pixels.test.len().min(IMAGES));
        parts.change_redrawn(some, visible, info.norm_pix_loss, |i| {
            let at = i * all / some;
            let clean = pixels.test[at].image()?;
            let pair =
                [&*clean, &trigger.applied(&clean)].map(|it| eval_transform(it, pixels.side));
            Ok((pair, random_order(patches, settings.seed, 0, at as u64)))
        })
    }
}
