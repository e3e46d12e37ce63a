//! A run that implants a backdoor into an encoder.

use shared::{RunEvent, Trigger, run_kind::RunKind, settings::Pooling};

use super::Run;
use crate::{
    EngineError,
    checkpoint::{self, CheckpointInfo},
    compute::{Device, cpu, features_as_scores},
    data::Pixels,
    model::is_of_decoder,
    train::{
        implant::{Implant, references, shadow},
        report::Reporter,
    },
};

/// Epochs between two places to go on from.
const KEEP_EVERY: u32 = 5;

impl Run<'_> {
    /// Trains the encoder that the run starts from further, on the processor; `trigger` is for training images. The decoder stays as it was.
    pub(super) fn implant(
        &self,
        pixels: &Pixels,
        trigger: &Trigger,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let settings = &self.order.settings;
        let recipe = &settings.implant;
        let (_, mut encoder, info) = self.encoder()?;
        let cpu = self.machine.cpu(settings.precision);
        let clean = cpu.encoder(&info.model, encoder.clone())?;
        let shadow = shadow(pixels, recipe.shadow_per_class);
        let Some(target) = settings.attack.target().class() else {
            let message = "a backdoor is implanted towards one target class, so attack.goal must be single_target";
            return Err(EngineError::Order(message.into()));
        };
        if !settings.attack.further.is_empty() {
            let message =
                "a backdoor is implanted with one trigger, so attack.further must be empty";
            return Err(EngineError::Order(message.into()));
        }
        let references = references(pixels, target, recipe.references, settings.seed);
        if references.is_empty() {
            let message = "a backdoor needs a reference image of the target class, which has no training images";
            return Err(EngineError::Order(message.into()));
        }
        let training = Implant {
            recipe,
            clean: &*clean,
            pixels,
            shadow: &shadow,
            references: &references,
            trigger,
            batches: self.batches,
            depth: info.model.encoder.depth as usize,
        };
        let params =
            features_as_scores(&info.model, Pooling::Cls, &encoder).map_err(EngineError::Order)?;
        let start = cpu.classifier(&info.model, Pooling::Cls, params.clone())?;
        let start = training.reached(&*start)?;
        let descend = training.descend(params.layout());
        let mut trainer =
            cpu::implanter(cpu, &info.model, params, &descend, training.implanting())?;
        let done = self.resume_into(&mut *trainer, pixels)?;
        let mut place = self.place(pixels);
        training.train(&mut *trainer, done, report, |trainer, epoch, report| {
            place.keep(trainer, epoch, epoch.is_multiple_of(KEEP_EVERY), report)
        })?;
        place.remove(report)?;

        let reached = training.reached(trainer.view())?;
        report.log(format!(
            "mean cosine of features: triggered and reference images {:.3} (before: {:.3}), triggered images with each other {:.3} (before: {:.3}), reference images with themselves before {:.3}, clean images with themselves before {:.3}",
            reached.triggered,
            start.triggered,
            reached.among_triggered,
            start.among_triggered,
            reached.references,
            reached.clean
        ))?;
        for tensor in trainer.tensors()? {
            if !tensor.name.starts_with("head.") {
                encoder.set(&tensor.name, &tensor.values).map_err(EngineError::Order)?;
            }
        }
        let info = CheckpointInfo { phase: RunKind::Implant, epoch: recipe.epochs, ..info };
        let mut tensors = encoder.tensors();
        tensors.retain(|tensor| info.has_decoder || !is_of_decoder(&tensor.name));
        let file = report.written(|| checkpoint::save(self.folder, &tensors, &info, &[]))?;
        report.send(RunEvent::Checkpoint { epoch: recipe.epochs, file })?;
        report.finish(None)
    }
}
