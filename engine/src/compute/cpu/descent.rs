//! From the gradients of batches to steps of the optimiser.

use std::ops::Range;

use super::{
    accumulate::Accumulated,
    nn::Gradients,
    optim::{AdamW, Optimizer, clip_norm},
};
use crate::compute::{Params, Step};

/// Steps `AdamW` along the gradients of batches. Where the whole gradient is not needed, its parts go straight into the moments.
#[derive(Debug)]
pub struct Descent {
    accumulated: Accumulated,
    /// Maximum norm of a step's gradient; 0 for no limit.
    clip_norm: f64,
    /// Whether the whole gradient is wanted at once.
    whole: bool,
    /// Number of the model's parameters.
    parameters: usize,
    /// The last batch's gradient, flat like the parameters; one part at a time where it goes straight into the moments.
    gradient: Vec<f32>,
}

/// Receives a batch's gradient.
pub struct Toward<'a> {
    descent: &'a mut Descent,
    adamw: &'a mut AdamW,
}

impl Descent {
    /// For steps of `accumulate` batches, on a model of `parameters` parameters. A gradient with a norm above `clip_norm` is scaled down
    /// to it, unless that is 0.
    pub fn new(accumulate: u32, clip_norm: f64, parameters: usize) -> Self {
        let accumulated = Accumulated::new(accumulate);
        Self { accumulated, clip_norm, whole: false, parameters, gradient: Vec::new() }
    }

    /// Has the whole gradient of each batch at once, for [`gradient_mut`](Self::gradient_mut).
    pub fn of_the_whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// The last batch's gradient, before its step.
    pub fn gradient_mut(&mut self) -> &mut [f32] {
        &mut self.gradient
    }

    /// Whether the whole gradient is never needed at once.
    fn is_direct(&self) -> bool {
        !self.whole && self.accumulated.is_none() && self.clip_norm <= 0.0
    }

    /// Where the next batch's gradient goes.
    pub fn toward<'a>(&'a mut self, adamw: &'a mut AdamW) -> Toward<'a> {
        if !self.is_direct() {
            self.gradient.resize(self.parameters, 0.0);
        }
        Toward { descent: self, adamw }
    }

    /// Steps the parameters if the batch passed [`toward`](Self::toward) completes a step. Uses all threads of the current rayon pool.
    pub fn step(&mut self, step: Step, adamw: &mut AdamW, params: &mut Params) {
        if self.is_direct() {
            return adamw.apply(params, step.lr);
        }
        if self.accumulated.completes(step.place, &mut self.gradient) {
            if self.clip_norm > 0.0 {
                clip_norm(&mut self.gradient, self.clip_norm);
            }
            adamw.step(params, &self.gradient, step.lr);
        }
    }
}

impl Gradients for Toward<'_> {
    fn part(&mut self, range: Range<usize>, write: &mut (dyn FnMut(&mut [f32]) + Send)) {
        let direct = self.descent.is_direct();
        let gradient = &mut self.descent.gradient;
        if direct {
            if gradient.len() < range.len() {
                gradient.resize(range.len(), 0.0);
            }
            let part = &mut gradient[..range.len()];
            write(part);
            self.adamw.absorb(range.start, part);
        } else {
            write(&mut gradient[range]);
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::Path;

    use super::*;
    use crate::model::{Init, Layout};

    #[test]
    fn a_gradient_in_parts_steps_as_the_whole_one() {
        let mut layout = Layout::default();
        layout.add("weight", &[2, 2], Init::One);
        layout.add("bias", &[1], Init::One);
        let params = Params::draw(layout, 1);
        let adamw = || AdamW::new(Path::Portable, params.layout(), (0.9, 0.95), 0.05);
        let gradient = [1.0, -2.0, 0.5, 3.0, 0.25];
        let mut one = params.clone();
        adamw().step(&mut one, &gradient, 0.1);
        // A limit that no gradient reaches changes nothing.
        for clip_norm in [0.0, 1e9] {
            let mut other = params.clone();
            let mut adamw = adamw();
            let descent = &mut Descent::new(1, clip_norm, 5);
            for range in [4..5, 0..4] {
                let write = &mut |part: &mut [f32]| part.copy_from_slice(&gradient[range.clone()]);
                descent.toward(&mut adamw).part(range.clone(), write);
            }
            descent.step(Step { place: 0, lr: 0.1 }, &mut adamw, &mut other);
            assert_eq!(one.values(), other.values());
        }
    }
}
