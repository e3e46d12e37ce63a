//! The processor's trainers of whole models.

use std::{ops::Range, sync::Arc};

use candle_core::Result as TensorResult;
use rayon::prelude::*;
use safetensors::SafeTensors;
use shared::{Rgb8, settings::ModelSpec};

use super::{
    Cpu, Descent, LabelledImages, Mae, MaeRun, MaskedImages, Pass, Vit, VitRun,
    distill::Distilled,
    encoder,
    implant::Implanted,
    optim::{AdamW, Optimizer},
    pool,
    shards::shards,
};
use crate::{
    EngineError,
    compute::{Classify, Descend, Encode, LabelledBatch, Load, MaskedBatch, Params, Step, Trainer},
    data::augment::{Normalisation, eval_transform},
    nodes::Nodes,
    tensors::NamedTensor,
};

/// A model that the processor trains.
pub(super) trait Trained: Send + Sync + Sized {
    /// What it is trained on.
    type Batch: Send + Sync;
    /// Its forward and backward pass.
    type Pass: Pass<Model = Self, Shard: Default> + Sync;
    /// The interface for its features or scores.
    type View: ?Sized;

    /// A pass that has not allocated any memory yet.
    fn pass(cpu: Cpu) -> Self::Pass;
    /// Number of images in a batch.
    fn images(&self, batch: &Self::Batch) -> usize;
    /// Fills a shard with these images of a batch, reusing the memory of the shard and of `scratch`.
    fn fill(
        &self,
        batch: &Self::Batch,
        images: Range<usize>,
        shard: &mut Shard<Self>,
        scratch: &mut Vec<f32>,
    );
    /// The model as it is now.
    fn view(trainer: &CpuTrainer<Self>) -> &Self::View;
    /// All parameters in order.
    fn params(&self) -> &Params;
    /// All parameters, mutable.
    fn params_mut(&mut self) -> &mut Params;
}

type Shard<M> = <<M as Trained>::Pass as Pass>::Shard;

/// A model in training on all threads of a pool.
pub(super) struct CpuTrainer<M: Trained> {
    cpu: Cpu,
    pub(super) model: M,
    pass: M::Pass,
    adamw: AdamW,
    descent: Descent,
    pool: rayon::ThreadPool,
    /// The last batch: its shards, their shares of it, and scratch memory to fill them.
    shards: Vec<Shard<M>>,
    weights: Vec<f64>,
    scratch: Vec<Vec<f32>>,
    loss: f64,
    /// The machines that take the same steps.
    nodes: Option<Arc<Nodes>>,
}

impl<M: Trained> CpuTrainer<M> {
    /// A trainer before its first step.
    pub(super) fn new(cpu: Cpu, model: M, descend: &Descend) -> Result<Self, EngineError> {
        let layout = model.params().layout();
        let adamw = AdamW::new(cpu.kernels.path, layout, descend.betas, descend.weight_decay)
            .with_groups(&descend.groups);
        let descent = Descent::new(descend.accumulate, descend.clip_norm, layout.numbers());
        Ok(Self {
            cpu,
            pass: M::pass(cpu),
            adamw,
            descent,
            pool: pool(cpu.threads)?,
            shards: Vec::new(),
            weights: Vec::new(),
            scratch: Vec::new(),
            loss: f64::NAN,
            nodes: None,
            model,
        })
    }

    /// This trainer as one of several that take the same steps, each with its part of a batch.
    pub(super) fn beside(mut self, nodes: &Arc<Nodes>) -> Self {
        self.descent = self.descent.of_the_whole();
        self.nodes = Some(Arc::clone(nodes));
        self
    }

    fn step(&mut self, batch: &M::Batch, step: Step) -> Result<(), EngineError> {
        let Self { model, pass, adamw, descent, pool, shards: parts, weights, scratch, .. } = self;
        let nodes = self.nodes.as_deref();
        let n = model.images(batch);
        let part = nodes.map_or(0..n, |nodes| nodes.share(n));
        let ranges = shards(part.len()).map(|it| it.start + part.start..it.end + part.start);
        parts.resize_with(ranges.len(), Default::default);
        scratch.resize_with(ranges.len(), Vec::new);
        weights.clear();
        weights.extend(ranges.clone().map(|range| range.len() as f64 / n as f64));
        self.loss = pool.install(|| -> Result<f64, EngineError> {
            let all = parts.par_iter_mut().zip(scratch).enumerate();
            all.for_each(|(i, (part, scratch))| {
                let range = ranges.clone().nth(i).expect("one range per shard");
                model.fill(batch, range, part, scratch);
            });
            let mut loss = pass.gradients(model, parts, weights, &mut descent.toward(adamw));
            if let Some(nodes) = nodes {
                loss = nodes.sum(descent.gradient_mut(), loss)?;
            }
            if loss.is_finite() {
                descent.step(step, adamw, model.params_mut());
            }
            Ok(loss)
        })?;
        Ok(())
    }
}

impl Trained for Mae {
    type Batch = MaskedBatch;
    type Pass = MaeRun;
    type View = dyn Encode;

    fn pass(cpu: Cpu) -> MaeRun {
        MaeRun::new(cpu.kernels)
    }

    fn images(&self, batch: &MaskedBatch) -> usize {
        batch.images.len()
    }

    fn fill(
        &self,
        batch: &MaskedBatch,
        images: Range<usize>,
        shard: &mut MaskedImages,
        scratch: &mut Vec<f32>,
    ) {
        shard.fill(self.grid(), batch, images, scratch);
    }

    fn view(trainer: &CpuTrainer<Self>) -> &(dyn Encode + 'static) {
        trainer
    }

    fn params(&self) -> &Params {
        Mae::params(self)
    }

    fn params_mut(&mut self) -> &mut Params {
        Mae::params_mut(self)
    }
}

impl Trained for Vit {
    type Batch = LabelledBatch;
    type Pass = VitRun;
    type View = dyn Classify;

    fn pass(cpu: Cpu) -> VitRun {
        VitRun::new(cpu.kernels)
    }

    fn images(&self, batch: &LabelledBatch) -> usize {
        batch.planes.len() / self.grid().image_len()
    }

    fn fill(
        &self,
        batch: &LabelledBatch,
        images: Range<usize>,
        shard: &mut LabelledImages,
        _scratch: &mut Vec<f32>,
    ) {
        shard.fill(self.grid(), self.classes(), batch, images);
    }

    fn view(trainer: &CpuTrainer<Self>) -> &(dyn Classify + 'static) {
        trainer
    }

    fn params(&self) -> &Params {
        Vit::params(self)
    }

    fn params_mut(&mut self) -> &mut Params {
        Vit::params_mut(self)
    }
}

impl<M: Trained> Trainer for CpuTrainer<M> {
    type Batch = M::Batch;
    type View = M::View;

    fn step(&mut self, batch: &M::Batch, step: Step) -> Result<(), EngineError> {
        CpuTrainer::step(self, batch, step)
    }

    fn share(&self, images: usize) -> Range<usize> {
        self.nodes.as_ref().map_or(0..images, |nodes| nodes.share(images))
    }

    fn loss(&mut self) -> Result<f64, EngineError> {
        Ok(self.loss)
    }

    fn tensors(&self) -> Result<Vec<NamedTensor>, EngineError> {
        Ok(self.model.params().tensors())
    }

    fn state(&self) -> Result<Vec<NamedTensor>, EngineError> {
        Ok(self.adamw.state(self.model.params().layout()))
    }

    fn restore(&mut self, file: &SafeTensors<'_>) -> Result<(), String> {
        self.model.params_mut().load(file)?;
        self.adamw.load_state(self.model.params().layout(), file)
    }

    fn view(&self) -> &M::View {
        M::view(self)
    }
}

impl Encode for CpuTrainer<Mae> {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn at_once(&self) -> usize {
        encoder::at_once(self.cpu)
    }

    fn features(&self, images: Range<usize>, image: Load<'_>) -> Result<Vec<f32>, EngineError> {
        encoder::features(&self.model, self.cpu, images, image)
    }

    fn predict(&self, batch: &MaskedBatch) -> Result<Vec<f32>, EngineError> {
        Ok(encoder::predict(&self.model, self.cpu, batch))
    }
}

/// A trained model that is a classifier, or has one.
trait HasVit: Trained {
    fn vit(&self) -> &Vit;
}

impl HasVit for Vit {
    fn vit(&self) -> &Vit {
        self
    }
}

impl HasVit for Distilled {
    fn vit(&self) -> &Vit {
        &self.vit
    }
}

impl HasVit for Implanted {
    fn vit(&self) -> &Vit {
        &self.vit
    }
}

impl<M: HasVit> Classify for CpuTrainer<M> {
    fn side(&self) -> usize {
        self.model.vit().grid().side
    }

    fn classes(&self) -> usize {
        self.model.vit().classes()
    }

    fn normalisation(&self) -> Normalisation {
        Normalisation::IMAGENET
    }

    fn view(&self, image: &Rgb8) -> Rgb8 {
        eval_transform(image, self.model.vit().grid().side)
    }

    fn scores(&self, images: &[f32]) -> TensorResult<Vec<f32>> {
        Ok(encoder::scores(self.model.vit(), self.cpu.kernels, images))
    }
}
