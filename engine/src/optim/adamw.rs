//! `AdamW` (Loshchilov and Hutter 2019): decoupled weight decay, bias-corrected moments; the arithmetic of `PyTorch`.

use candle_core::Result;
use rayon::prelude::*;

use super::{Gradients, Optimizer, named, read_named, zeros};
use crate::nn::{Params, simd::vectorized, tensor_file::NamedTensor};

/// Added to the root of the second moment.
const EPSILON: f64 = 1e-8;

/// How one tensor is stepped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    /// Factor of the learning rate.
    pub rate: f64,
    /// Whether weight decay applies.
    pub decays: bool,
}

/// `AdamW`.
#[derive(Debug)]
pub struct AdamW {
    betas: (f64, f64),
    weight_decay: f64,
    /// One for each trainable tensor.
    groups: Vec<Group>,
    steps: u32,
    first: Gradients,
    second: Gradients,
}

impl AdamW {
    /// For these parameters, before the first step. Weight decay applies to tensors of more than one dimension.
    pub fn new(params: &Params, betas: (f64, f64), weight_decay: f64) -> Self {
        let group = |param: &crate::nn::Param| Group { rate: 1.0, decays: param.decays() };
        let groups = params.trainable().map(group).collect();
        Self { betas, weight_decay, groups, steps: 0, first: zeros(params), second: zeros(params) }
    }

    /// With a group for each trainable tensor. Panics when there are more or fewer.
    pub fn with_groups(self, groups: Vec<Group>) -> Self {
        assert_eq!(groups.len(), self.groups.len(), "one group for each tensor");
        Self { groups, ..self }
    }

    /// The numbers of this step for a tensor of this group.
    fn factors(&self, group: Group, lr: f64) -> Factors {
        let (beta1, beta2) = self.betas;
        let lr = lr * group.rate;
        let decay = if group.decays { self.weight_decay } else { 0.0 };
        Factors {
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            fresh1: (1.0 - beta1) as f32,
            fresh2: (1.0 - beta2) as f32,
            keep: (1.0 - lr * decay) as f32,
            rate: (lr / (1.0 - beta1.powi(self.steps as i32))) as f32,
            root: (1.0 / (1.0 - beta2.powi(self.steps as i32)).sqrt()) as f32,
        }
    }
}

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Factors {
    beta1: f32,
    beta2: f32,
    /// `1 - beta1`, rounded once
    fresh1: f32,
    /// `1 - beta2`, rounded once
    fresh2: f32,
    /// `1 - lr * weight_decay`
    keep: f32,
    /// `lr / (1 - beta1^t)`
    rate: f32,
    /// `1 / sqrt(1 - beta2^t)`
    root: f32,
}

impl Optimizer for AdamW {
    fn step(&mut self, params: &Params, gradients: &Gradients, lr: f64) -> Result<()> {
        self.steps += 1;
        let factors: Vec<Factors> =
            self.groups.iter().map(|&group| self.factors(group, lr)).collect();
        let params: Vec<_> = params.trainable().collect();
        assert_eq!(params.len(), gradients.len(), "one gradient for each parameter");
        let moments = self.first.par_iter_mut().zip(&mut self.second);
        let work = params.par_iter().zip(gradients).zip(moments).zip(factors);
        work.try_for_each(|(((param, gradient), (first, second)), factors)| {
            param.update(|values| update(values, gradient, first, second, factors))
        })
    }

    fn state(&self, params: &Params) -> Vec<NamedTensor> {
        // In two parts, each exact in single precision.
        let steps = [self.steps >> 16, self.steps & 0xffff].map(|part| part as f32);
        let mut state =
            vec![NamedTensor { name: "steps".into(), shape: vec![2], values: steps.to_vec() }];
        state.extend(named(params, "first", &self.first));
        state.extend(named(params, "second", &self.second));
        state
    }

    fn load_state(
        &mut self,
        params: &Params,
        file: &safetensors::SafeTensors<'_>,
    ) -> std::result::Result<(), String> {
        let steps = crate::nn::tensor_file::read(file, "steps", &[2])?;
        self.first = read_named(params, "first", file)?;
        self.second = read_named(params, "second", file)?;
        self.steps = ((steps[0] as u32) << 16) | steps[1] as u32;
        Ok(())
    }
}

vectorized! {
    fn update<'a>(
        values: &'a mut [f32],
        gradient: &'a [f32],
        first: &'a mut [f32],
        second: &'a mut [f32],
        factors: Factors,
    ) {
        let Factors { beta1, beta2, fresh1, fresh2, keep, rate, root } = factors;
        let moments = first.iter_mut().zip(second);
        for ((value, &g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
            *m = beta1 * *m + fresh1 * g;
            *v = beta2 * *v + fresh2 * g * g;
            *value = *value * keep - rate * *m / (v.sqrt() * root + EPSILON as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use safetensors::SafeTensors;

    use super::*;
    use crate::nn::{Init, tensor_file::serialize};

    fn model() -> Params {
        let mut params = Params::new(1, DType::F32);
        params.add("weight", (1, 2), Init::One).unwrap();
        params.add("bias", 1, Init::One).unwrap();
        params
    }

    fn values(params: &Params) -> Vec<f32> {
        params.iter().flat_map(|param| param.values().unwrap()).collect()
    }

    #[test]
    fn two_steps_by_hand() {
        let params = model();
        let mut adamw = AdamW::new(&params, (0.9, 0.99), 0.5);
        // The first step moves by lr in the gradient's direction, after the decay 1 - 0.1 * 0.5 of the weight alone.
        adamw.step(&params, &vec![vec![2.0, -3.0], vec![4.0]], 0.1).unwrap();
        for (got, want) in values(&params).iter().zip([0.85, 1.05, 0.9]) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
        // The second, gradient 0: m = 0.9 * 0.1 g = 0.09 g, corrected by 1 - 0.81 to 0.473684 g; v = 0.99 * 0.01 g^2,
        // corrected by 1 - 0.9801 to 0.497487 g^2, root 0.705328 |g|; so a move of 0.1 * 0.671579 against the sign of g.
        adamw.step(&params, &vec![vec![0.0, 0.0], vec![0.0]], 0.1).unwrap();
        let wants = [0.85 * 0.95 - 0.067_157_9, 1.05 * 0.95 + 0.067_157_9, 0.9 - 0.067_157_9];
        for (got, want) in values(&params).iter().zip(wants) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
    }

    #[test]
    fn a_saved_state_goes_on_alike() {
        let gradients = vec![vec![1.0, 2.0], vec![-1.0]];
        let (one, other) = (model(), model());
        let mut first = AdamW::new(&one, (0.9, 0.95), 0.05);
        first.step(&one, &gradients, 0.1).unwrap();
        let file = serialize(&first.state(&one), &[]).unwrap();
        let mut second = AdamW::new(&other, (0.9, 0.95), 0.05);
        second.load_state(&other, &SafeTensors::deserialize(&file).unwrap()).unwrap();
        for (from, to) in one.iter().zip(other.iter()) {
            to.set(&from.values().unwrap()).unwrap();
        }
        first.step(&one, &gradients, 0.1).unwrap();
        second.step(&other, &gradients, 0.1).unwrap();
        assert_eq!(values(&one), values(&other));
    }
}
