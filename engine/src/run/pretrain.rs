//! A pre-training run.

use shared::{RunEvent, RunKind};

use super::Run;
use crate::{
    EngineError,
    checkpoint::{self, CheckpointInfo},
    compute::Params,
    data::Pixels,
    model::{PatchGrid, mae},
    train::{
        poisons::{AttackedSet, Poisons},
        pretrain::Pretraining,
        report::Reporter,
    },
};

impl Run<'_> {
    /// Pre-trains.
    pub(super) fn pretrain(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let (spec, seed) = (&self.order.settings, self.order.settings.seed);
        let recipe = &spec.pretrain;
        let images = AttackedSet::new(pixels, poisons)?;
        let training = Pretraining { recipe, images: &images, batches: self.batches };
        let params = Params::draw(mae(&spec.model), seed);
        let descend = training.descend(params.layout());
        let mut trainer = self.device.pretrainer(&spec.model, params, &descend)?;
        let done = self.resume_into(&mut *trainer, pixels)?;
        let mut place = self.place(pixels);
        let grid = PatchGrid::of(&spec.model);
        training.train(&mut *trainer, grid, done, report, |trainer, end, report| {
            if !self.writes {
                return Ok(());
            }
            if end.checkpoint {
                let info = CheckpointInfo {
                    model: spec.model,
                    phase: RunKind::Pretrain,
                    epoch: end.epoch,
                    norm_pix_loss: recipe.norm_pix_loss,
                    mask_ratio: recipe.mask_ratio,
                    has_decoder: true,
                };
                let tensors = trainer.tensors()?;
                let file =
                    report.written(|| checkpoint::save(self.folder, &tensors, &info, &[]))?;
                report.send(RunEvent::Checkpoint { epoch: end.epoch, file })?;
            }
            place.keep(trainer, end.epoch, end.checkpoint, report)
        })?;
        if !self.writes {
            return Ok(());
        }
        place.remove(report)?;
        report.finish(None)
    }
}
