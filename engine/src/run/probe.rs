//! A linear probe.

use shared::{RunEvent, Trigger, run_kind::RunKind};

use super::{Run, json, key::Key, quality};
use crate::{
    EngineError,
    checkpoint::{self, CheckpointInfo},
    compute::Params,
    data::Pixels,
    files,
    model::head,
    tensors::serialize,
    train::{features::Kept, linprobe::LinearProbe, poisons::Poisons, report::Reporter},
};

impl Run<'_> {
    /// Trains a head on the features of the run's encoder; `trigger` is for test images.
    pub(super) fn probe(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        trigger: &Trigger,
        key: &Key,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let (spec, seed) = (&self.order.settings, self.order.settings.seed);
        let recipe = &spec.probe;
        let (folder, params, info) = self.encoder()?;
        let dataset = format!("{} {}", pixels.fingerprint, json(&spec.dataset));
        let kept = Kept::new(&folder, &params, self.device, &dataset);
        let encoder = self.device.encoder(&info.model, params)?;
        let key_hash = key.sha256.as_deref().unwrap_or_default();
        let probe = LinearProbe {
            recipe,
            encoder: &*encoder,
            pixels,
            batches: self.batches,
            poisons,
            trigger,
            trigger_name: &format!("{} {key_hash}", json(&spec.attack.trigger)),
            goal: &spec.attack.goal(),
        };
        let head = head(encoder.width(), pixels.classes.len(), recipe.head_init);
        let mut trainer = self.device.head_trainer(Params::draw(head, seed), recipe)?;
        let mut evaluated = probe.train(&mut *trainer, &kept, report)?;
        evaluated.counts.metrics.quality = quality::of_trigger(pixels, trigger)?;
        self.keep(&evaluated, report)?;
        let epoch = recipe.epochs;
        let info = CheckpointInfo { phase: RunKind::Probe, epoch, ..info };
        let bytes = serialize(&trainer.tensors()?, &info.metadata())?;
        report.written(|| checkpoint::write(&self.folder.join(files::HEAD), &bytes))?;
        report.send(RunEvent::Checkpoint { epoch, file: files::HEAD.into() })?;
        report.finish(Some(evaluated.counts.metrics))
    }
}
