//! Nearest neighbours on every checkpoint that a pre-training kept.

use shared::{RunEvent, Trigger, metric::Metrics};

use super::Run;
use crate::{
    EngineError, checkpoint,
    data::Pixels,
    eval::Backdoor,
    files,
    train::{neighbours::Neighbours, poisons::Poisons, report::Reporter},
};

impl Run<'_> {
    /// Evaluates the checkpoints of the run's encoder in the order of their epochs; `trigger` is for test images, as are the
    /// `further` backdoors. The last checkpoint gives the result.
    pub(super) fn knn(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        trigger: &Trigger,
        further: &[Backdoor],
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let settings = &self.order.settings;
        let folder = self.encoder()?.0;
        let neighbours = Neighbours {
            pixels,
            poisons,
            trigger,
            goal: &self.goal(pixels),
            further,
            seed: settings.seed,
            device: self.device,
        };
        let mut kept = files::kept_checkpoints(&folder).map_err(EngineError::file(&folder))?;
        if kept.is_empty() {
            kept.push(files::LAST_CHECKPOINT.into());
        }
        let mut metrics = None;
        for (at, name) in kept.iter().enumerate() {
            let (params, info) = checkpoint::open(&folder.join(name))?;
            let encoder = self.device.encoder(&info.model, params)?;
            let answer = neighbours.ask(&*encoder, info.epoch)?;
            if let RunEvent::Knn { metrics: counts, .. } = answer {
                metrics = Some(counts);
            }
            report.send(answer)?;
            report.send(RunEvent::Preparing {
                what: "checkpoints".into(),
                done: at as u64 + 1,
                total: kept.len() as u64,
            })?;
        }
        let quality = self.quality(pixels, poisons, trigger)?;
        let redrawn = self.redrawn(pixels, trigger)?;
        report.finish(metrics.map(|metrics| Metrics { quality, redrawn, ..metrics }))
    }
}
