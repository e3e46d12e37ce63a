//! A fine-tuning run.

use shared::{RunEvent, Trigger, run::Phase};

use super::{EVALUATION, Job, write_json};
use crate::{
    EngineError,
    data::Pixels,
    model::Vit,
    train::{
        checkpoint::{self, CheckpointInfo},
        finetune::Finetuning,
        poisons::{AttackedSet, Poisons},
        report::Reporter,
    },
};

impl Job<'_> {
    pub(super) fn finetune(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        trigger: &Trigger,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let spec = &self.order.spec;
        let (recipe, seed) = (&spec.finetune, self.order.point.seed);
        let classes = pixels.classes.len();
        let mut vit = Vit::new(&spec.model, classes, recipe.pooling, seed);
        if !self.order.point.scratch {
            vit.take_encoder(&self.encoder()?.1).map_err(EngineError::Order)?;
        }
        let training = Finetuning {
            recipe,
            pixels,
            images: &AttackedSet::new(pixels, poisons)?,
            trigger,
            target_class: spec.attack.target_class,
            seed,
            threads: self.threads,
            kernels: self.kernels,
        };
        let mut adamw = training.optimizer(&vit);
        let done = self.resume_into(vit.params_mut(), &mut adamw, pixels)?;
        let mut place = self.place(pixels);
        let evaluation = training.train(&mut vit, &mut adamw, done, report, |end, report| {
            if end.checkpoint {
                let info = CheckpointInfo {
                    model: spec.model,
                    phase: Phase::Finetune,
                    epoch: end.epoch,
                    norm_pix_loss: false,
                    has_decoder: false,
                };
                let pooling = [("pooling", recipe.pooling.as_str().to_owned())];
                let file = checkpoint::save(self.folder, end.model.params(), &info, &pooling)?;
                report.send(RunEvent::Checkpoint { epoch: end.epoch, file })?;
            }
            place.keep(end.model.params(), &end, report)
        })?;
        place.remove()?;
        write_json(&self.folder.join(EVALUATION), &evaluation)?;
        report.finish(Some(evaluation.metrics))
    }
}
