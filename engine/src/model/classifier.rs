//! The linear probe's head: `BatchNorm` without affine parameters, then a linear layer, as in MAE's linear probing.

use candle_core::{D, DType, Device, Result, Tensor};

use shared::study::HeadInit;

use crate::nn::{Init, Linear, Params, tensor_file::NamedTensor};

/// Added to the variance.
const EPSILON: f64 = 1e-6;
/// Share of a batch's moments in the running ones after it.
const MOMENTUM: f32 = 0.1;

/// A linear classifier on normalised features.
#[derive(Debug)]
pub struct Classifier {
    params: Params,
    linear: Linear,
    width: usize,
    running_mean: Vec<f32>,
    running_variance: Vec<f32>,
}

impl Classifier {
    /// A new classifier of features of `width` numbers; its weights are drawn from the seed.
    ///
    /// # Errors
    /// When candle cannot make it.
    pub fn new(width: usize, classes: usize, init: HeadInit, seed: u64) -> Result<Self> {
        let mut params = Params::new(seed, DType::F32);
        let init = match init {
            HeadInit::Normal => (Init::Normal { deviation: 0.01 }, Init::Zero),
            HeadInit::Uniform => (Init::Uniform { inputs: width }, Init::Uniform { inputs: width }),
        };
        let linear = Linear::with(&mut params, "head.1", width, classes, init)?;
        let (running_mean, running_variance) = (vec![0.0; width], vec![1.0; width]);
        Ok(Self { params, linear, width, running_mean, running_variance })
    }

    /// The trained parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// All that a checkpoint keeps; the running moments first.
    ///
    /// # Errors
    /// When candle cannot read the parameters.
    pub fn tensors(&self) -> Result<Vec<NamedTensor>> {
        let moment = |name: &str, values: &[f32]| NamedTensor {
            name: name.into(),
            shape: vec![self.width],
            values: values.to_vec(),
        };
        let mut tensors = vec![
            moment("head.0.running_mean", &self.running_mean),
            moment("head.0.running_var", &self.running_variance),
        ];
        tensors.extend(self.params.tensors()?);
        Ok(tensors)
    }

    /// Mean cross-entropy of a batch of features `(batch * width)` with these labels. Normalises by the batch's own moments
    /// and takes them into the running ones.
    ///
    /// # Errors
    /// When the sizes do not fit.
    pub fn train_loss(&mut self, features: &[f32], labels: &[u32]) -> Result<Tensor> {
        let (mean, variance) = moments(features, self.width);
        let unbiased = labels.len() as f32 / (labels.len() as f32 - 1.0).max(1.0);
        for i in 0..self.width {
            self.running_mean[i] += MOMENTUM * (mean[i] as f32 - self.running_mean[i]);
            self.running_variance[i] +=
                MOMENTUM * (variance[i] as f32 * unbiased - self.running_variance[i]);
        }
        cross_entropy(&self.logits(features, &mean, &variance)?, labels)
    }

    /// The scores (logits) of each row of features by the running moments, `rows * classes` numbers.
    ///
    /// # Errors
    /// When the sizes do not fit.
    pub fn scores(&self, features: &[f32]) -> Result<Vec<f32>> {
        let wide =
            |moment: &[f32]| moment.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let (mean, variance) = (wide(&self.running_mean), wide(&self.running_variance));
        self.logits(features, &mean, &variance)?.flatten_all()?.to_vec1()
    }

    /// `(batch, classes)`
    fn logits(&self, features: &[f32], mean: &[f64], variance: &[f64]) -> Result<Tensor> {
        let scale: Vec<f64> = variance.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
        let mut normal = features.to_vec();
        for row in normal.chunks_exact_mut(self.width) {
            for ((value, mean), scale) in row.iter_mut().zip(mean).zip(&scale) {
                *value = ((f64::from(*value) - mean) * scale) as f32;
            }
        }
        let batch = features.len() / self.width;
        self.linear.forward(&Tensor::from_vec(normal, (batch, self.width), &Device::Cpu)?)
    }
}

/// Mean and variance (of n) of each column, in double precision: a feature may vary by a hundredth of its mean, and what is
/// lost of the mean would be lost of it.
fn moments(features: &[f32], width: usize) -> (Vec<f64>, Vec<f64>) {
    let rows = (features.len() / width) as f64;
    let mut mean = vec![0.0; width];
    for row in features.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value) / rows);
    }
    let mut variance = vec![0.0; width];
    for row in features.chunks_exact(width) {
        for ((variance, &value), mean) in variance.iter_mut().zip(row).zip(&mean) {
            *variance += (f64::from(value) - mean).powi(2) / rows;
        }
    }
    (mean, variance)
}

/// Mean cross-entropy of logits `(batch, classes)`.
///
/// # Errors
/// When the sizes do not fit.
pub fn cross_entropy(logits: &Tensor, labels: &[u32]) -> Result<Tensor> {
    let labels = Tensor::from_slice(labels, (labels.len(), 1), logits.device())?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    (log_sum - shifted.gather(&labels, D::Minus1)?)?.mean_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_by_hand() {
        let logits = Tensor::new(&[[0.0f32, 0.0], [1000.0, 0.0]], &Device::Cpu).unwrap();
        let loss = cross_entropy(&logits, &[1, 0]).unwrap().to_scalar::<f32>().unwrap();
        assert!((loss - 2f32.ln() / 2.0).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn running_moments_by_hand() {
        let mut classifier = Classifier::new(1, 2, HeadInit::Normal, 1).unwrap();
        classifier.train_loss(&[1.0, 3.0], &[0, 1]).unwrap();
        // mean 2, variance 1 (2 with n - 1): a tenth of the way from 0 and from 1
        assert!((classifier.running_mean[0] - 0.2).abs() < 1e-6);
        assert!((classifier.running_variance[0] - 1.1).abs() < 1e-6);
    }

    #[test]
    fn the_head_begins_as_the_recipe_says() {
        let largest = |init| {
            let classifier = Classifier::new(100, 10, init, 1).unwrap();
            let of = |param: &crate::nn::params::Param| {
                param.values().unwrap().iter().fold(0.0f32, |most, value| most.max(value.abs()))
            };
            classifier.params().trainable().map(of).collect::<Vec<_>>()
        };
        let [weight, bias] = largest(HeadInit::Normal)[..] else { panic!("two tensors") };
        assert!((0.025..0.06).contains(&weight) && bias == 0.0, "{weight} {bias}");
        // 1 / sqrt(100) = 0.1
        let [weight, bias] = largest(HeadInit::Uniform)[..] else { panic!("two tensors") };
        assert!((0.099..=0.1).contains(&weight), "{weight}");
        assert!((0.03..=0.1).contains(&bias), "{bias}");
    }

    #[test]
    fn every_trainable_tensor_gets_a_gradient() {
        let mut classifier = Classifier::new(3, 4, HeadInit::Uniform, 1).unwrap();
        let features = [0.1, 0.2, 0.3, 1.0, -1.0, 0.5, 2.0, 0.3, -0.4];
        let gradients = classifier.train_loss(&features, &[0, 1, 3]).unwrap().backward().unwrap();
        for param in classifier.params().trainable() {
            let gradient = gradients.get(param.tensor()).expect("a gradient");
            let sum = gradient.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(sum > 1e-4, "{}", param.name);
        }
    }
}
