//! A linear probe.

use shared::{RunEvent, Trigger, run_kind::RunKind};

use super::{Run, json, key::Key};
use crate::{
    EngineError,
    checkpoint::{self, CheckpointInfo},
    compute::{HeadTrainer, Params},
    data::Pixels,
    eval::Backdoor,
    files,
    model::head,
    tensors::serialize,
    train::{features::Kept, linprobe::LinearProbe, poisons::Poisons, report::Reporter},
};

impl Run<'_> {
    /// Trains a head on the features of the run's encoder; `trigger` is for test images, as are the `further` backdoors.
    pub(super) fn probe(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        trigger: &Trigger,
        further: &[Backdoor],
        key: &Key,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let spec = &self.order.settings;
        let recipe = &spec.probe;
        let samples: Vec<usize> = (0..poisons.members().len()).collect();
        let (folder, params, info) = self.encoder()?;
        let dataset = format!("{} {}", pixels.fingerprint, json(&spec.dataset));
        let kept = Kept::new(&folder, &params, self.device, &dataset);
        let encoder = self.device.encoder(&info.model, params)?;
        let probe = LinearProbe {
            recipe,
            encoder: &*encoder,
            pixels,
            batches: self.batches,
            poisons,
            samples: &samples,
            trigger,
            trigger_name: &key.trigger_name(&spec.attack.trigger),
            goal: &self.goal(pixels),
            further,
        };
        let mut trainer = self.head_trainer(encoder.width(), pixels.classes.len())?;
        let prepared = probe.prepare(&kept, report)?;
        let mut evaluated = probe.train(&mut *trainer, &prepared, report)?;
        evaluated.counts.metrics.quality = self.quality(pixels, poisons, trigger)?;
        evaluated.counts.metrics.redrawn = self.redrawn(pixels, trigger)?;
        self.keep(&evaluated, report)?;
        let epoch = recipe.epochs;
        let info = CheckpointInfo { phase: RunKind::Probe, epoch, ..info };
        let bytes = serialize(&trainer.tensors()?, &info.metadata())?;
        report.written(|| checkpoint::write(&self.folder.join(files::HEAD), &bytes))?;
        report.send(RunEvent::Checkpoint { epoch, file: files::HEAD.into() })?;
        report.finish(Some(evaluated.counts.metrics))
    }

    /// A trainer of a drawn head on features of this width.
    pub(super) fn head_trainer(
        &self,
        width: usize,
        classes: usize,
    ) -> Result<Box<HeadTrainer>, EngineError> {
        let settings = &self.order.settings;
        let head = head(width, classes, settings.probe.head_init);
        self.device.head_trainer(Params::draw(head, settings.seed), &settings.probe)
    }
}
