//! A fine-tuning run.

use shared::{RunEvent, Trigger, run_kind::RunKind};

use super::Run;
use crate::{
    EngineError,
    checkpoint::{self, CheckpointInfo, MASK_RATIO},
    compute::Params,
    data::Pixels,
    eval::Backdoor,
    model::vit,
    train::{
        finetune::Finetuning,
        poisons::{AttackedSet, Poisons},
        report::Reporter,
    },
};

impl Run<'_> {
    /// Trains encoder and classifier together; `trigger` is for test images, as are the `further` backdoors.
    pub(super) fn finetune(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        trigger: &Trigger,
        further: &[Backdoor],
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let spec = &self.order.settings;
        let (recipe, point) = (&spec.finetune, self.order.point());
        let layout = vit(&spec.model, pixels.classes.len(), recipe.pooling);
        let mut params = Params::draw(layout, point.seed);
        let mut mask_ratio = MASK_RATIO;
        if !point.scratch {
            let (_, encoder, info) = self.encoder()?;
            params.take(&encoder).map_err(EngineError::Order)?;
            mask_ratio = info.mask_ratio;
        }
        let training = Finetuning {
            recipe,
            pixels,
            images: &AttackedSet::new(pixels, poisons)?,
            batches: self.batches,
            depth: spec.model.encoder.depth as usize,
            trigger,
            goal: &self.goal(pixels),
            further,
            threads: self.machine.threads(),
            evaluates: self.writes,
        };
        let descend = training.descend(params.layout());
        let mut trainer = self.device.finetuner(&spec.model, recipe.pooling, params, &descend)?;
        let done = self.resume_into(&mut *trainer, pixels)?;
        let mut place = self.place(pixels);
        let evaluated = training.train(&mut *trainer, done, report, |trainer, end, report| {
            if !self.writes {
                return Ok(());
            }
            if end.checkpoint {
                let info = CheckpointInfo {
                    model: spec.model,
                    phase: RunKind::Finetune,
                    epoch: end.epoch,
                    norm_pix_loss: false,
                    mask_ratio,
                    has_decoder: false,
                };
                let pooling = [("pooling", recipe.pooling.as_str().to_owned())];
                let tensors = trainer.tensors()?;
                let file =
                    report.written(|| checkpoint::save(self.folder, &tensors, &info, &pooling))?;
                report.send(RunEvent::Checkpoint { epoch: end.epoch, file })?;
            }
            place.keep(trainer, end.epoch, end.evaluated, report)
        })?;
        let Some(mut evaluated) = evaluated.filter(|_| self.writes) else { return Ok(()) };
        place.remove(report)?;
        evaluated.counts.metrics.quality = self.quality(pixels, poisons, trigger)?;
        self.keep(&evaluated, report)?;
        report.finish(Some(evaluated.counts.metrics))
    }
}
