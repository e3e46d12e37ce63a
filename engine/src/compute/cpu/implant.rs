//! An encoder into which a backdoor is implanted: its features are pulled and held by those of other images of the same batch.

use std::ops::Range;

use shared::settings::{ModelSpec, Pooling};

use super::{
    Cpu, LabelledImages, Pass, Vit, VitRun,
    nn::Gradients,
    trainer::{CpuTrainer, Trained},
};
use crate::{
    EngineError,
    compute::{Classify, Descend, FinetuningTrainer, Implanting, LabelledBatch, Params},
};

/// The encoder, whose scores are its features, and the weights of the loss.
#[derive(Debug)]
pub(super) struct Implanted {
    pub(super) vit: Vit,
    implanting: Implanting,
}

/// A step's memory.
#[derive(Debug)]
pub(super) struct ImplantRun {
    run: VitRun,
    features: Vec<f32>,
    kept: Vec<f32>,
    gradient: Vec<f32>,
}

/// A trainer that implants a backdoor into an encoder with these parameters, whose head gives its features
/// ([`features_as_scores`](super::super::features_as_scores)).
///
/// A batch has the rows of [`Implanting::loss`]; its targets are the clean encoder's features, `(images, width)`.
///
/// # Errors
/// When its threads cannot be started.
pub fn implanter(
    cpu: Cpu,
    spec: &ModelSpec,
    params: Params,
    descend: &Descend,
    implanting: Implanting,
) -> Result<Box<FinetuningTrainer>, EngineError> {
    let vit = Vit::new(spec, Pooling::Cls, params);
    Ok(Box::new(CpuTrainer::new(cpu, Implanted { vit, implanting }, descend)?))
}

impl Pass for ImplantRun {
    type Model = Implanted;
    type Shard = LabelledImages;

    fn gradients(
        &mut self,
        model: &Implanted,
        batch: &[LabelledImages],
        _weights: &[f64],
        gradients: &mut dyn Gradients,
    ) -> f64 {
        let Self { run, features, kept, gradient } = self;
        let vit = &model.vit;
        run.score(vit, batch);
        features.clear();
        features.extend(run.scores());
        kept.clear();
        kept.extend(batch.iter().flat_map(|shard| &shard.targets));
        gradient.resize(features.len(), 0.0);
        let loss = model.implanting.loss(features, kept, vit.classes(), gradient);
        run.back(vit, batch, gradient, gradients);
        loss
    }
}

impl Trained for Implanted {
    type Batch = LabelledBatch;
    type Pass = ImplantRun;
    type View = dyn Classify;

    fn pass(cpu: Cpu) -> ImplantRun {
        let run = VitRun::new(cpu.kernels);
        ImplantRun { run, features: Vec::new(), kept: Vec::new(), gradient: Vec::new() }
    }

    fn images(&self, batch: &LabelledBatch) -> usize {
        batch.planes.len() / self.vit.grid().image_len()
    }

    fn fill(
        &self,
        batch: &LabelledBatch,
        images: Range<usize>,
        shard: &mut LabelledImages,
        _scratch: &mut Vec<f32>,
    ) {
        shard.fill(self.vit.grid(), self.vit.classes(), batch, images);
    }

    fn view(trainer: &CpuTrainer<Self>) -> &(dyn Classify + 'static) {
        trainer
    }

    fn params(&self) -> &Params {
        self.vit.params()
    }

    fn params_mut(&mut self) -> &mut Params {
        self.vit.params_mut()
    }
}
