//! Hugging Face's ViT with a classification head, built from the layers of `candle-transformers`: for evaluation only.
//!
//! Those layers have no backward pass, so nothing here is ever trained. This is the only file that may use `candle-nn`: its
//! `VarBuilder` passes the tensors, its `Activation` selects the activation.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::vit;
use shared::Rgb8;

use crate::{
    compute::Classify,
    data::augment::Normalisation,
    model::{ACTIVATIONS, HuggingFaceSizes},
};

/// Images that pass through the model at once; the memory of its attention grows with their number.
const AT_ONCE: usize = 8;

/// A Hugging Face ViT classifier.
#[derive(Debug)]
pub struct HuggingFaceVit {
    model: vit::Model,
    side: usize,
    classes: usize,
    normalisation: Normalisation,
}

impl HuggingFaceVit {
    /// The model with these tensors, in single precision and named as in transformers.
    ///
    /// # Errors
    /// When a tensor is missing or has the wrong shape, or the activation is not one of [`ACTIVATIONS`].
    pub fn new(
        sizes: &HuggingFaceSizes,
        classes: usize,
        normalisation: Normalisation,
        tensors: HashMap<String, Tensor>,
    ) -> Result<Self> {
        let config = vit::Config {
            hidden_size: sizes.hidden_size,
            num_hidden_layers: sizes.num_hidden_layers,
            num_attention_heads: sizes.num_attention_heads,
            intermediate_size: sizes.intermediate_size,
            hidden_act: activation(&sizes.hidden_act)?,
            layer_norm_eps: sizes.layer_norm_eps,
            image_size: sizes.image_size,
            patch_size: sizes.patch_size,
            num_channels: 3,
            qkv_bias: sizes.qkv_bias,
        };
        let tensors = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let model = vit::Model::new(&config, classes, tensors)?;
        Ok(Self { model, side: sizes.image_size, classes, normalisation })
    }
}

fn activation(name: &str) -> Result<Activation> {
    Ok(match name {
        "gelu" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluPytorchTanh,
        "relu" => Activation::Relu,
        "silu" | "swish" => Activation::Silu,
        _ => candle_core::bail!("the activation {name} is not one of {}", ACTIVATIONS.join(", ")),
    })
}

impl Classify for HuggingFaceVit {
    fn side(&self) -> usize {
        self.side
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn normalisation(&self) -> Normalisation {
        self.normalisation
    }

    /// The whole image: this model's processor in transformers resizes and does not crop.
    fn view(&self, image: &Rgb8) -> Rgb8 {
        image.clone()
    }

    fn scores(&self, images: &[f32]) -> Result<Vec<f32>> {
        let one = 3 * self.side * self.side;
        let mut scores = Vec::with_capacity(images.len() / one * self.classes);
        for some in images.chunks(AT_ONCE * one) {
            let shape = (some.len() / one, 3, self.side, self.side);
            let pixels = Tensor::from_slice(some, shape, &Device::Cpu)?;
            scores.extend(self.model.forward(&pixels)?.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(scores)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Module;

    use super::*;

    #[test]
    fn gelu_is_the_exact_one() {
        let at = Tensor::new(&[-1.0f32, 0.5, 2.0], &Device::Cpu).unwrap();
        let gelu = |name| -> Vec<f32> {
            activation(name).unwrap().forward(&at).unwrap().to_vec1().unwrap()
        };
        // x * Phi(x) with the normal distribution's Phi: 0.158655, 0.691462, 0.977250.
        let close = |got: &[f32], want: [f32; 3]| {
            assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 2e-6), "{got:?}");
        };
        close(&gelu("gelu"), [-0.158_655, 0.345_731, 1.954_5]);
        close(&gelu("gelu_new"), [-0.158_808, 0.345_714, 1.954_598]);
        assert!(activation("quick_gelu").unwrap_err().to_string().contains("quick_gelu is not"));
        assert!(ACTIVATIONS.iter().all(|name| activation(name).is_ok()));
    }
}
