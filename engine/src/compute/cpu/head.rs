//! The linear probe's head: `BatchNorm` without affine parameters, then a linear layer, as in MAE's linear probing.

use kernel::{Kernels, Packed};

use super::nn::{Factors, Gradients, Linear, add_bias, add_rows};
use crate::{
    compute::{Params, soft_cross_entropy},
    tensors::{NamedTensor, read},
};

/// Added to the variance.
const EPSILON: f64 = 1e-6;
/// Share of a batch's moments in the updated running moments.
const MOMENTUM: f32 = 0.1;

/// A linear classifier on normalised features.
#[derive(Debug)]
pub struct Classifier {
    params: Params,
    kernels: Kernels,
    linear: Linear,
    width: usize,
    classes: usize,
    running_mean: Vec<f32>,
    running_variance: Vec<f32>,
    work: Work,
}

/// Reusable memory of a step.
#[derive(Debug, Default)]
struct Work {
    packed: Packed,
    normal: Vec<f32>,
    logits: Vec<f32>,
    dlogits: Vec<f32>,
    shares: Vec<f32>,
    factors: Factors,
}

impl Classifier {
    /// The classifier with these parameters ([`model::head`](crate::model::head())), in single precision on the instruction set of
    /// `kernels`. Its running moments begin with mean 0 and variance 1.
    pub fn new(params: Params, kernels: Kernels) -> Self {
        let layout = params.layout();
        let &[classes, width] = &layout.tensor("head.1.weight").shape[..] else {
            panic!("a head's weight has two dimensions")
        };
        let linear = Linear::of(layout, "head.1");
        let (running_mean, running_variance) = (vec![0.0; width], vec![1.0; width]);
        let (kernels, work) = (kernels.in_single(), Work::default());
        Self { params, kernels, linear, width, classes, running_mean, running_variance, work }
    }

    /// The trained parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The trained parameters, to change.
    pub fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// All tensors of a checkpoint, the running moments first.
    pub fn tensors(&self) -> Vec<NamedTensor> {
        let moment = |name: &str, values: &[f32]| NamedTensor {
            name: name.into(),
            shape: vec![self.width],
            values: values.to_vec(),
        };
        let mut tensors = vec![
            moment("head.0.running_mean", &self.running_mean),
            moment("head.0.running_var", &self.running_variance),
        ];
        tensors.extend(self.params.tensors());
        tensors
    }

    /// Loads what [`tensors`](Self::tensors) returned.
    ///
    /// # Errors
    /// A message that names the tensor that is missing or does not fit.
    pub fn load(&mut self, file: &safetensors::SafeTensors<'_>) -> Result<(), String> {
        self.running_mean = read(file, "head.0.running_mean", &[self.width])?;
        self.running_variance = read(file, "head.0.running_var", &[self.width])?;
        self.params.load(file)
    }

    /// The mean cross-entropy of a batch of features `(batch * width)` with these labels; passes its gradient to `gradients`.
    /// Normalises by the batch's own moments and updates the running ones.
    pub fn gradients(
        &mut self,
        features: &[f32],
        labels: &[u32],
        gradients: &mut dyn Gradients,
    ) -> f64 {
        let (mean, variance) = moments(features, self.width);
        let unbiased = labels.len() as f32 / (labels.len() as f32 - 1.0).max(1.0);
        for i in 0..self.width {
            self.running_mean[i] += MOMENTUM * (mean[i] as f32 - self.running_mean[i]);
            self.running_variance[i] +=
                MOMENTUM * (variance[i] as f32 * unbiased - self.running_variance[i]);
        }
        let (classes, linear, kernels) = (self.classes, self.linear, self.kernels);
        self.work.forward(kernels, linear, &self.params, features, (&mean, &variance), classes);
        let Work { normal, logits, dlogits, shares, factors, .. } = &mut self.work;
        shares.clear();
        shares.resize(logits.len(), 0.0);
        for (row, &label) in shares.chunks_exact_mut(classes).zip(labels) {
            row[label as usize] = 1.0;
        }
        dlogits.resize(logits.len(), 0.0);
        let loss = soft_cross_entropy(logits, shares, classes, 1.0, dlogits);
        factors.resize(kernels, linear, labels.len());
        factors.fill_dy(0, dlogits);
        factors.fill_x(0, normal);
        linear.weight_gradient(std::iter::once(&*factors), gradients);
        gradients.part(linear.bias_slot().range(), &mut |dbias| {
            dbias.fill(0.0);
            add_rows(kernels.path, dlogits, dbias);
        });
        loss
    }

    /// The scores (logits) of each row of features, normalised by the running moments: `rows * classes` numbers.
    pub fn scores(&self, features: &[f32]) -> Vec<f32> {
        let wide =
            |moment: &[f32]| moment.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let (mean, variance) = (wide(&self.running_mean), wide(&self.running_variance));
        let mut work = Work::default();
        let (kernels, linear, classes) = (self.kernels, self.linear, self.classes);
        work.forward(kernels, linear, &self.params, features, (&mean, &variance), classes);
        work.logits
    }
}

impl Work {
    /// From features to logits.
    fn forward(
        &mut self,
        kernels: Kernels,
        linear: Linear,
        params: &Params,
        features: &[f32],
        (mean, variance): (&[f64], &[f64]),
        classes: usize,
    ) {
        let scale: Vec<f64> = variance.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
        self.normal.clear();
        for row in features.chunks_exact(mean.len()) {
            let values = row.iter().zip(mean).zip(&scale);
            self.normal.extend(
                values.map(|((&value, mean), scale)| ((f64::from(value) - mean) * scale) as f32),
            );
        }
        self.logits.resize(features.len() / mean.len() * classes, 0.0);
        linear.pack(kernels, params.values(), &mut self.packed);
        linear.forward(&self.packed, &self.normal, &mut self.logits);
        add_bias(kernels.path, &mut self.logits, linear.bias(params.values()));
    }
}

/// Mean and variance (over n) of each column, in double precision: a feature may vary by only a hundredth of its mean, so rounding
/// the mean would lose much of the variance.
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

#[cfg(test)]
mod tests {
    use shared::settings::HeadInit;

    use super::*;
    use crate::{compute::cpu::nn::testing::single, model::head};

    fn classifier(width: usize, classes: usize, init: HeadInit) -> Classifier {
        Classifier::new(Params::draw(head(width, classes, init), 1), single())
    }

    #[test]
    fn running_moments_by_hand() {
        let mut classifier = classifier(1, 2, HeadInit::Normal);
        classifier.gradients(&[1.0, 3.0], &[0, 1], &mut vec![0.0; 4]);
        // mean 2, variance 1 (2 with n - 1): a tenth of the way from 0 and from 1
        assert!((classifier.running_mean[0] - 0.2).abs() < 1e-6);
        assert!((classifier.running_variance[0] - 1.1).abs() < 1e-6);
    }

    #[test]
    fn the_head_begins_as_the_recipe_says() {
        let largest = |init| {
            let classifier = classifier(100, 10, init);
            let of = |param: &crate::model::Param| {
                let values = classifier.params().of(param).iter();
                values.fold(0.0f32, |most, value| most.max(value.abs()))
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
    fn the_gradient_is_the_slope() {
        let features = [0.1, 0.2, 0.3, 1.0, -1.0, 0.5, 2.0, 0.3, -0.4];
        let mut classifier = classifier(3, 4, HeadInit::Uniform);
        let mut gradient = vec![0.0; 16];
        let loss = |classifier: &mut Classifier| {
            classifier.gradients(&features, &[0, 1, 3], &mut vec![0.0; 16])
        };
        classifier.gradients(&features, &[0, 1, 3], &mut gradient);
        for (i, &gradient) in gradient.iter().enumerate() {
            let before = classifier.params().values()[i];
            let mut at = |value: f32| {
                classifier.params_mut().values_mut()[i] = value;
                loss(&mut classifier)
            };
            let slope = (at(before + 1.0 / 256.0) - at(before - 1.0 / 256.0)) * 128.0;
            at(before);
            assert!((slope - f64::from(gradient)).abs() < 1e-4, "{i}: {slope} {gradient}");
        }
        assert!(gradient.iter().all(|gradient| gradient.abs() > 1e-4), "{gradient:?}");
    }
}
