//! Stochastic depth (Huang et al. 2016): a part of a block is left out for some images of a batch, and counts for more in the
//! others.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rand_chacha::ChaCha8Rng;
use shared::stream::uniform;

use super::op::{has_kernel, slice, tensor_like, with_slice};

/// Share of the images that skip block `i` of `depth`: from 0 at the first block evenly to `rate` at the last.
pub fn drop_rate(rate: f64, i: usize, depth: usize) -> f64 {
    if depth < 2 { 0.0 } else { rate * i as f64 / (depth - 1) as f64 }
}

/// The factor of a part for one image: 0 with probability `rate`, else `1 / (1 - rate)`, so that the mean stays.
pub fn drop_factor(rate: f64, rng: &mut ChaCha8Rng) -> f32 {
    let kept = 1.0 - rate;
    if f64::from(uniform(rng)) < kept { (1.0 / kept) as f32 } else { 0.0 }
}

/// Image `i` of `x` `(batch, .., width)` times `factors[i]`.
///
/// # Errors
/// When there is not one factor for each image.
pub fn scale_images(x: &Tensor, factors: &[f32]) -> Result<Tensor> {
    let batch = x.dim(0)?;
    if batch != factors.len() {
        candle_core::bail!("{} factors for {batch} images", factors.len());
    }
    if has_kernel(x) {
        x.contiguous()?.apply_op1(ScaleImages { factors: factors.to_vec() })
    } else {
        let mut shape = vec![1; x.rank()];
        shape[0] = batch;
        let factors = Tensor::from_slice(factors, shape, x.device())?.to_dtype(x.dtype())?;
        x.broadcast_mul(&factors)
    }
}

/// As candle's broadcast product, with one pass forward and one back.
struct ScaleImages {
    factors: Vec<f32>,
}

impl ScaleImages {
    fn scaled(&self, values: &[f32]) -> Vec<f32> {
        let length = values.len() / self.factors.len().max(1);
        let images = values.chunks(length.max(1)).zip(&self.factors);
        images.flat_map(|(image, factor)| image.iter().map(move |value| value * factor)).collect()
    }
}

impl CustomOp1 for ScaleImages {
    fn name(&self) -> &'static str {
        "scale-images"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = self.scaled(slice(storage, layout)?);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let scaled = with_slice(&gradient.contiguous()?, |gradient| self.scaled(gradient))?;
        tensor_like(scaled, x).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use shared::stream::{Purpose, stream};

    use super::*;
    use crate::nn::testing::{assert_same, random};

    #[test]
    fn the_kernel_agrees_with_a_broadcast() {
        let factors = [0.0, 1.25, 1.25];
        let broadcast = |x: &[Tensor]| {
            let factors = Tensor::new(&factors, &Device::Cpu)?.to_dtype(x[0].dtype())?;
            x[0].broadcast_mul(&factors.reshape((3, 1, 1))?)
        };
        let x = random(vec![3, 4, 5], 1.0, 1);
        assert_same(&[x], |x| scale_images(&x[0], &[0.0, 1.25, 1.25]), broadcast, 1e-6);
    }

    #[test]
    fn rates_rise_evenly_and_keep_the_mean() {
        let rates: Vec<f64> = (0..5).map(|i| drop_rate(0.2, i, 5)).collect();
        for (got, want) in rates.iter().zip([0.0, 0.05, 0.1, 0.15, 0.2]) {
            assert!((got - want).abs() < 1e-12, "{rates:?}");
        }
        assert!(drop_rate(0.2, 0, 1).abs() < 1e-12);
        let mut rng = stream(1, Purpose::DropPath, 0, 0);
        let factors: Vec<f32> = (0..20_000).map(|_| drop_factor(0.2, &mut rng)).collect();
        assert!(factors.iter().all(|f| f.abs() < 1e-6 || (f - 1.25).abs() < 1e-6));
        let mean = factors.iter().sum::<f32>() / factors.len() as f32;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
    }
}
