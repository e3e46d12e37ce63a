//! LARS (You et al. 2017), the variant of MAE's linear probing: tensors of one dimension get neither decay nor a trust ratio.

use candle_core::Result;

use super::{Gradients, Optimizer, named, read_named, zeros};
use crate::nn::{Params, tensor_file::NamedTensor};

/// LARS with momentum.
#[derive(Debug)]
pub struct Lars {
    momentum: f32,
    trust: f64,
    weight_decay: f32,
    velocity: Gradients,
}

impl Lars {
    /// For these parameters, before the first step: momentum 0.9, trust coefficient 0.001.
    pub fn new(params: &Params, weight_decay: f64) -> Self {
        Self {
            momentum: 0.9,
            trust: 0.001,
            weight_decay: weight_decay as f32,
            velocity: zeros(params),
        }
    }

    /// `trust * |values| / |gradient|`, or 1 where one of the two is 0.
    fn trust_ratio(&self, values: &[f32], gradient: &[f32]) -> f32 {
        let (values, gradient) = (norm(values), norm(gradient));
        if values > 0.0 && gradient > 0.0 { (self.trust * values / gradient) as f32 } else { 1.0 }
    }
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

impl Optimizer for Lars {
    fn step(&mut self, params: &Params, gradients: &Gradients, lr: f64) -> Result<()> {
        let mut velocities = std::mem::take(&mut self.velocity);
        for ((param, gradient), velocity) in params.trainable().zip(gradients).zip(&mut velocities)
        {
            param.update(|values| {
                let mut gradient = gradient.clone();
                let mut ratio = 1.0;
                if param.decays() {
                    for (g, value) in gradient.iter_mut().zip(values.iter()) {
                        *g += self.weight_decay * value;
                    }
                    ratio = self.trust_ratio(values, &gradient);
                }
                for ((value, g), velocity) in
                    values.iter_mut().zip(&gradient).zip(velocity.iter_mut())
                {
                    *velocity = self.momentum * *velocity + g * ratio;
                    *value -= lr as f32 * *velocity;
                }
            })?;
        }
        self.velocity = velocities;
        Ok(())
    }

    fn state(&self, params: &Params) -> Vec<NamedTensor> {
        named(params, "velocity", &self.velocity)
    }

    fn load_state(
        &mut self,
        params: &Params,
        file: &safetensors::SafeTensors<'_>,
    ) -> std::result::Result<(), String> {
        self.velocity = read_named(params, "velocity", file)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::nn::Init;

    #[test]
    fn two_steps_by_hand() {
        let mut params = Params::new(1, DType::F32);
        params.add("weight", (1, 2), Init::Zero).unwrap();
        params.add("bias", 1, Init::One).unwrap();
        params.get("weight").unwrap().set(&[3.0, 4.0]).unwrap();
        let mut lars = Lars::new(&params, 0.0);
        let values = || -> Vec<f32> { params.iter().flat_map(|p| p.values().unwrap()).collect() };
        // |weight| 5, |gradient| 1: ratio 0.005. The bias moves by lr * gradient.
        lars.step(&params, &vec![vec![0.0, 1.0], vec![2.0]], 10.0).unwrap();
        for (got, want) in values().iter().zip([3.0, 3.95, -19.0]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
        // A gradient of 0 has a ratio of 1; momentum 0.9 goes on.
        lars.step(&params, &vec![vec![0.0, 0.0], vec![0.0]], 10.0).unwrap();
        for (got, want) in values().iter().zip([3.0, 3.905, -37.0]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn decay_joins_the_gradient_before_the_ratio() {
        let mut params = Params::new(1, DType::F32);
        params.add("weight", (1, 1), Init::Zero).unwrap();
        params.get("weight").unwrap().set(&[2.0]).unwrap();
        let mut lars = Lars::new(&params, 0.5);
        // gradient 1 + 0.5 * 2 = 2, ratio 0.001 * 2 / 2, move 0.001 * 2 * lr
        lars.step(&params, &vec![vec![1.0]], 100.0).unwrap();
        let value = params.get("weight").unwrap().values().unwrap()[0];
        assert!((value - 1.8).abs() < 1e-6, "{value}");
    }
}
