//! From the gradients of batches to steps of the parameters (Loshchilov and Hutter 2019), with accumulation and clipping.

use std::{ops::Range, sync::Arc};

use crate::{
    Result,
    flat::Flat,
    gpu::{Address, Buffer, Gpu, Kernels, Launch, int, plain, real},
    kernels::Source,
    table::Stretch,
};

/// How a model is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// Decay of the first and the second moment.
    pub betas: (f64, f64),
    /// Batches that make a step.
    pub accumulate: u32,
    /// Maximum norm of a step's gradient; 0 for no limit.
    pub clip_norm: f64,
}

/// A batch's place in the steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Its place among the batches of a step, from 0 on.
    pub place: usize,
    /// The step's learning rate.
    pub rate: f64,
}

/// The moments of all parameters, in the host's order, and how many steps made them.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Decaying means of the gradients.
    pub first: Vec<f32>,
    /// Decaying means of their squares.
    pub second: Vec<f32>,
    /// Steps so far.
    pub steps: u32,
}

/// `Factors` in adamw.cu.
#[repr(C)]
#[derive(Clone, Copy)]
struct Factors {
    rate: f32,
    beta1: f32,
    beta2: f32,
    correction1: f32,
    correction2: f32,
    kept: f32,
    share: f32,
    unused: f32,
}
plain!(Factors);

pub(crate) struct AdamW {
    kernels: Kernels,
    descent: Descent,
    /// Stretches of the trained tensors.
    stretches: Buffer,
    /// Where each of them begins.
    starts: Vec<u32>,
    first: Buffer,
    second: Buffer,
    factors: Buffer,
    /// The mean of a step's gradients so far.
    accumulated: Option<Buffer>,
    /// Sums of squares, a part a stretch, and the factor that they give.
    clip: Option<[Buffer; 2]>,
    steps: u32,
}

impl AdamW {
    pub fn new(flat: &Flat, descent: Descent) -> Result<Self> {
        let gpu = &flat.gpu;
        let bytes = 4 * flat.table.total();
        let stretches = flat.table.stretches();
        let clip = || -> Result<_> {
            Ok([Buffer::new(gpu, 8 * stretches.len())?, Buffer::zeros(gpu, 4)?])
        };
        Ok(Self {
            kernels: gpu.load(&Source::adamw())?,
            first: Buffer::zeros(gpu, bytes)?,
            second: Buffer::zeros(gpu, bytes)?,
            factors: Buffer::zeros(gpu, size_of::<Factors>())?,
            accumulated: if descent.accumulate > 1 {
                Some(Buffer::zeros(gpu, bytes)?)
            } else {
                None
            },
            clip: if descent.clip_norm > 0.0 { Some(clip()?) } else { None },
            stretches: Buffer::of(gpu, &stretches)?,
            starts: stretches.iter().map(|stretch| stretch.start).collect(),
            descent,
            steps: 0,
        })
    }

    /// Whether the batch at this place completes a step.
    pub fn completes(&self, place: Place) -> bool {
        place.place + 1 == self.descent.accumulate.max(1) as usize
    }

    /// Tells the kernels about the step that a batch is part of.
    pub fn prepare(&mut self, place: Place) -> Result<()> {
        self.steps += u32::from(self.completes(place));
        let (beta1, beta2) = self.descent.betas;
        let correction = |beta: f64| 1.0 / (1.0 - beta.powi(self.steps.max(1) as i32));
        self.factors.write(&[Factors {
            rate: place.rate as f32,
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            correction1: correction(beta1) as f32,
            correction2: correction(beta2).sqrt() as f32,
            kept: if place.place == 0 { 0.0 } else { 1.0 },
            share: 1.0 / self.descent.accumulate.max(1) as f32,
            unused: 0.0,
        }])
    }

    fn launch(
        &self,
        gpu: &Arc<dyn Gpu>,
        name: &'static str,
        blocks: usize,
        arguments: Vec<u64>,
    ) -> Result<()> {
        let kernel = self.kernels.get(name);
        gpu.launch(Launch { kernel, grid: (blocks, 1), threads: 256, memory: 0, arguments })
    }

    /// Where a step's gradient is.
    pub fn gradient(&self, flat: &Flat) -> Address {
        self.accumulated.as_ref().map_or(flat.grad(0), Buffer::at)
    }

    /// Takes a batch's gradient at these places into that of the step.
    pub fn take(&self, flat: &Flat, places: Range<usize>) -> Result<()> {
        let Some(accumulated) = &self.accumulated else { return Ok(()) };
        let [first, end] = [places.start, places.end]
            .map(|place| self.starts.partition_point(|&start| (start as usize) < place));
        let stretches = self.stretches.at() + (first * size_of::<Stretch>()) as u64;
        let arguments = vec![accumulated.at(), flat.grad(0), stretches, self.factors.at()];
        self.launch(&flat.gpu, "accumulate", end - first, arguments)
    }

    /// Steps the parameters by the step's gradient if the loss is finite.
    pub fn step(&self, flat: &Flat) -> Result<()> {
        let gpu = &flat.gpu;
        let (stretches, count) = (self.stretches.at(), self.starts.len());
        let gradient = self.gradient(flat);
        if let Some([parts, factor]) = &self.clip {
            self.launch(gpu, "squares", count, vec![parts.at(), gradient, stretches])?;
            let most = real(self.descent.clip_norm as f32);
            self.launch(gpu, "clip", 1, vec![factor.at(), parts.at(), int(count), most])?;
        }
        let rounded = flat.rounded.as_ref().map_or(0, Buffer::at);
        let clip = self.clip.as_ref().map_or(0, |[_, factor]| factor.at());
        let mut arguments =
            vec![flat.values.at(), self.first.at(), self.second.at(), rounded, gradient];
        arguments.extend([stretches, self.factors.at(), clip, flat.loss()]);
        self.launch(gpu, "adamw", count, arguments)
    }

    pub fn moments(&self, flat: &Flat) -> Result<Moments> {
        let of = |moments: &Buffer| -> Result<Vec<f32>> {
            Ok(flat.table.gather(&moments.read(flat.table.total())?))
        };
        Ok(Moments { first: of(&self.first)?, second: of(&self.second)?, steps: self.steps })
    }

    pub fn restore(&mut self, flat: &Flat, moments: &Moments) -> Result<()> {
        self.first.write(&flat.table.spread(&moments.first))?;
        self.second.write(&flat.table.spread(&moments.second))?;
        self.steps = moments.steps;
        Ok(())
    }
}
