//! A classifier that is trained on labels and to attend to what another one, its teacher, attends to.

use std::ops::Range;

use shared::settings::{ModelSpec, Pooling};

use super::{
    Cpu, LabelledImages, Pass, Vit, VitRun,
    nn::{Gradients, Pull},
    trainer::{CpuTrainer, Trained},
};
use crate::{
    EngineError,
    compute::{Classify, Descend, FinetuningTrainer, LabelledBatch, Params, attention_loss},
};

/// The classifier, its teacher, and how much the maps after some blocks weigh.
#[derive(Debug)]
pub(super) struct Distilled {
    pub(super) vit: Vit,
    teacher: Vit,
    /// Numbers of blocks, each with the weight of the map after them.
    weights: Vec<(usize, f64)>,
}

/// A step's memory.
#[derive(Debug)]
pub(super) struct DistillRun {
    run: VitRun,
    teacher: VitRun,
}

/// A trainer of a classifier with these parameters by the labels and by a teacher of the same sizes: neural attention distillation (NAD; Li et al.
/// 2021). Maps are of the patch tokens after a third, two thirds and all of the blocks; the first weighs half of `weight`, as published.
///
/// # Errors
/// When its threads cannot be started.
pub fn distiller(
    cpu: Cpu,
    (spec, pooling): (&ModelSpec, Pooling),
    params: Params,
    teacher: Params,
    descend: &Descend,
    weight: f64,
) -> Result<Box<FinetuningTrainer>, EngineError> {
    let depth = spec.encoder.depth as usize;
    let mut weights: Vec<(usize, f64)> = Vec::new();
    for (blocks, weight) in
        [(depth.div_ceil(3), weight / 2.0), ((2 * depth).div_ceil(3), weight), (depth, weight)]
    {
        match weights.last_mut() {
            // A shallow model has fewer maps.
            Some(last) if last.0 == blocks => last.1 = weight,
            _ => weights.push((blocks, weight)),
        }
    }
    let (vit, teacher) = (Vit::new(spec, pooling, params), Vit::new(spec, pooling, teacher));
    Ok(Box::new(CpuTrainer::new(cpu, Distilled { vit, teacher, weights }, descend)?))
}

impl DistillRun {
    /// The weighted losses of the maps, and their gradients in the student's tokens.
    fn pulls(
        &mut self,
        model: &Distilled,
        batch: &[LabelledImages],
        shares: &[f64],
    ) -> (f64, Vec<Pull>) {
        let width = model.vit.spec().encoder.dim as usize;
        let image = (1 + model.vit.grid().count()) * width;
        let mut loss = 0.0;
        let pulls = model.weights.iter().map(|&(blocks, weight)| {
            let shards = self.run.after(blocks).zip(self.teacher.after(blocks));
            let gradients =
                shards.zip(batch).zip(shares).map(|(((student, teacher), batch), share)| {
                    let weight = weight * share / batch.images.images.max(1) as f64;
                    let mut gradient = vec![0.0; student.len()];
                    let images = student.chunks_exact(image).zip(teacher.chunks_exact(image));
                    for ((student, teacher), gradient) in
                        images.zip(gradient.chunks_exact_mut(image))
                    {
                        // The CLS token is no place of the image.
                        let [student, teacher] = [&student[width..], &teacher[width..]];
                        let gradient = &mut gradient[width..];
                        loss += weight * attention_loss(student, teacher, width, weight, gradient);
                    }
                    gradient
                });
            Pull { after: blocks, gradients: gradients.collect() }
        });
        let pulls = pulls.collect();
        (loss, pulls)
    }
}

impl Pass for DistillRun {
    type Model = Distilled;
    type Shard = LabelledImages;

    fn gradients(
        &mut self,
        model: &Distilled,
        batch: &[LabelledImages],
        weights: &[f64],
        gradients: &mut dyn Gradients,
    ) -> f64 {
        self.teacher.score(&model.teacher, batch);
        self.run.score(&model.vit, batch);
        let (apart, pulls) = self.pulls(model, batch, weights);
        apart + self.run.labelled(&model.vit, batch, weights, &pulls, gradients)
    }
}

impl Trained for Distilled {
    type Batch = LabelledBatch;
    type Pass = DistillRun;
    type View = dyn Classify;

    fn pass(cpu: Cpu) -> DistillRun {
        DistillRun { run: VitRun::new(cpu.kernels), teacher: VitRun::new(cpu.kernels) }
    }

    fn images(&self, batch: &LabelledBatch) -> usize {
        self.vit.images(batch)
    }

    fn fill(
        &self,
        batch: &LabelledBatch,
        images: Range<usize>,
        shard: &mut LabelledImages,
        scratch: &mut Vec<f32>,
    ) {
        Trained::fill(&self.vit, batch, images, shard, scratch);
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

#[cfg(test)]
mod tests {
    use shared::settings::{Precision, TransformerSpec};

    use super::*;
    use crate::{
        compute::{Machine, Targets},
        data::mix::Mix,
        model::vit,
    };

    #[test]
    fn the_gradient_is_the_slope() {
        let transformer = TransformerSpec { dim: 16, depth: 4, heads: 2 };
        let spec =
            ModelSpec { image_size: 16, patch_size: 4, encoder: transformer, decoder: transformer };
        let draw = |seed| Params::draw(vit(&spec, 3, Pooling::Mean), seed);
        let cpu = Machine::with_threads(2).cpu(Precision::F32);
        let weights = vec![(2, 100.0), (3, 200.0), (4, 200.0)];
        let mut model = Distilled {
            vit: Vit::new(&spec, Pooling::Mean, draw(1)),
            teacher: Vit::new(&spec, Pooling::Mean, draw(2)),
            weights,
        };
        let planes = (0..5 * 3 * 256).map(|at| (at as f32 * 0.37).sin()).collect();
        let targets = Targets::new(&[0, 1, 2, 0, 1], 3, 0.1, 1.0).shares;
        let drops = vec![vec![1.0; 5]; 8];
        let batch = LabelledBatch { planes, crops: (Vec::new(), Mix::NONE), targets, drops };
        let mut shards: Vec<LabelledImages> = Vec::new();
        for images in [0..2, 2..5] {
            let mut shard = LabelledImages::default();
            model.fill(&batch, images, &mut shard, &mut Vec::new());
            shards.push(shard);
        }
        let mut run = Distilled::pass(cpu);
        let mut of = |model: &Distilled| {
            let mut gradients = vec![0.0; model.params().values().len()];
            let loss = run.gradients(model, &shards, &[0.4, 0.6], &mut gradients);
            (loss, gradients)
        };
        let (loss, gradient) = of(&model);
        let squares: f64 = gradient.iter().map(|&g| f64::from(g).powi(2)).sum();
        let before = model.params().values().to_vec();
        // Along the gradient the loss rises by its squared length.
        let step = 1e-3 / squares.sqrt();
        let mut at = |sign: f64| {
            let moved = before.iter().zip(&gradient);
            let moved: Vec<f32> =
                moved.map(|(p, g)| (f64::from(*p) + sign * step * f64::from(*g)) as f32).collect();
            model.params_mut().values_mut().copy_from_slice(&moved);
            of(&model).0
        };
        let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
        assert!((slope - squares).abs() < 2e-2 * squares, "{slope} instead of {squares}");
        let alone = Distilled { weights: Vec::new(), ..model };
        assert!(of(&alone).0 < loss, "the maps count");
    }
}
