//! The processor's trainer of a linear probe's head.

use safetensors::SafeTensors;
use shared::settings::{ProbeOptimizer, ProbeSpec};

use super::{
    Classifier, Cpu,
    accumulate::Accumulated,
    optim::{AdamW, Lars, Optimizer},
    pool,
};
use crate::{
    EngineError,
    compute::{Head, LabelledFeatures, Params, Step, Trainer},
    tensors::NamedTensor,
};

/// `AdamW`'s betas for training a head.
const BETAS: (f64, f64) = (0.9, 0.999);

/// A head in training.
pub(super) struct CpuHeadTrainer {
    classifier: Classifier,
    optimizer: Box<dyn Optimizer + Sync>,
    accumulated: Accumulated,
    gradients: Vec<f32>,
    pool: rayon::ThreadPool,
    loss: f64,
}

impl CpuHeadTrainer {
    /// A trainer before its first step.
    pub(super) fn new(cpu: Cpu, params: Params, recipe: &ProbeSpec) -> Result<Self, EngineError> {
        let layout = params.layout();
        let decay = recipe.weight_decay;
        let optimizer: Box<dyn Optimizer + Sync> = match recipe.optimizer {
            ProbeOptimizer::Lars => Box::new(Lars::new(layout, decay)),
            ProbeOptimizer::AdamW => Box::new(AdamW::new(cpu.kernels.path, layout, BETAS, decay)),
        };
        Ok(Self {
            optimizer,
            accumulated: Accumulated::new(recipe.accumulate),
            gradients: vec![0.0; layout.numbers()],
            pool: pool(cpu.threads)?,
            loss: f64::NAN,
            classifier: Classifier::new(params, cpu.kernels),
        })
    }
}

impl Trainer for CpuHeadTrainer {
    type Batch = LabelledFeatures;
    type View = dyn Head;

    fn step(&mut self, batch: &LabelledFeatures, step: Step) -> Result<(), EngineError> {
        let Self { classifier, optimizer, accumulated, gradients, pool, .. } = self;
        let LabelledFeatures { features, labels } = batch;
        self.loss = pool.install(|| {
            let loss = classifier.gradients(features, labels, gradients);
            if loss.is_finite() && accumulated.completes(step.place, gradients) {
                optimizer.step(classifier.params_mut(), gradients, step.lr);
            }
            loss
        });
        Ok(())
    }

    fn loss(&mut self) -> Result<f64, EngineError> {
        Ok(self.loss)
    }

    fn tensors(&self) -> Result<Vec<NamedTensor>, EngineError> {
        Ok(self.classifier.tensors())
    }

    fn state(&self) -> Result<Vec<NamedTensor>, EngineError> {
        Ok(self.optimizer.state(self.classifier.params().layout()))
    }

    fn restore(&mut self, file: &SafeTensors<'_>) -> Result<(), String> {
        self.classifier.load(file)?;
        self.optimizer.load_state(self.classifier.params().layout(), file)
    }

    fn view(&self) -> &(dyn Head + 'static) {
        self
    }
}

impl Head for CpuHeadTrainer {
    fn scores(&self, features: &[f32]) -> Result<Vec<f32>, EngineError> {
        Ok(self.pool.install(|| self.classifier.scores(features)))
    }
}
