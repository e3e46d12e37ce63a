//! LARS (You et al. 2017) in the variant of MAE's linear probing: tensors of one dimension get neither decay nor a trust ratio.

use super::Optimizer;
use crate::{
    compute::{
        Params,
        state::{named, read_named, zeros},
    },
    model::Layout,
    tensors::NamedTensor,
};

/// LARS with momentum.
#[derive(Debug)]
pub struct Lars {
    momentum: f32,
    trust: f64,
    weight_decay: f32,
    /// Flat like the parameters.
    velocity: Vec<f32>,
    /// The sum of gradient and decay of one tensor.
    direction: Vec<f32>,
}

impl Lars {
    /// An optimiser of these parameters before its first step: momentum 0.9, trust coefficient 0.001.
    pub fn new(layout: &Layout, weight_decay: f64) -> Self {
        Self {
            momentum: 0.9,
            trust: 0.001,
            weight_decay: weight_decay as f32,
            velocity: zeros(layout),
            direction: Vec::new(),
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
    fn step(&mut self, params: &mut Params, gradients: &[f32], lr: f64) {
        assert_eq!(params.values().len(), gradients.len(), "one gradient for each parameter");
        let mut direction = std::mem::take(&mut self.direction);
        let (layout, flat) = params.parts_mut();
        for param in layout.trainable() {
            let values = param.slot.of_mut(flat);
            direction.clear();
            direction.extend_from_slice(param.slot.of(gradients));
            let mut ratio = 1.0;
            if param.decays() {
                for (g, value) in direction.iter_mut().zip(values.iter()) {
                    *g += self.weight_decay * value;
                }
                ratio = self.trust_ratio(values, &direction);
            }
            let velocities = param.slot.of_mut(&mut self.velocity);
            for ((value, g), velocity) in values.iter_mut().zip(&direction).zip(velocities) {
                *velocity = self.momentum * *velocity + g * ratio;
                *value -= lr as f32 * *velocity;
            }
        }
        self.direction = direction;
    }

    fn state(&self, layout: &Layout) -> Vec<NamedTensor> {
        named(layout, "velocity", &self.velocity)
    }

    fn load_state(
        &mut self,
        layout: &Layout,
        file: &safetensors::SafeTensors<'_>,
    ) -> std::result::Result<(), String> {
        self.velocity = read_named(layout, "velocity", file)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Init;

    #[test]
    fn two_steps_by_hand() {
        let mut layout = Layout::default();
        layout.add("weight", &[1, 2], Init::Zero);
        layout.add("bias", &[1], Init::One);
        let mut params = Params::draw(layout, 1);
        params.set("weight", &[3.0, 4.0]).unwrap();
        let mut lars = Lars::new(params.layout(), 0.0);
        // |weight| 5, |gradient| 1: ratio 0.005. The bias moves by lr * gradient.
        lars.step(&mut params, &[0.0, 1.0, 2.0], 10.0);
        for (got, want) in params.values().iter().zip([3.0, 3.95, -19.0]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
        // A gradient of 0 has a ratio of 1; momentum 0.9 continues.
        lars.step(&mut params, &[0.0; 3], 10.0);
        for (got, want) in params.values().iter().zip([3.0, 3.905, -37.0]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn decay_joins_the_gradient_before_the_ratio() {
        let mut layout = Layout::default();
        layout.add("weight", &[1, 1], Init::Zero);
        let mut params = Params::draw(layout, 1);
        params.set("weight", &[2.0]).unwrap();
        let mut lars = Lars::new(params.layout(), 0.5);
        // gradient 1 + 0.5 * 2 = 2, ratio 0.001 * 2 / 2, move 0.001 * 2 * lr
        lars.step(&mut params, &[1.0], 100.0);
        let value = params.values()[0];
        assert!((value - 1.8).abs() < 1e-6, "{value}");
    }
}
