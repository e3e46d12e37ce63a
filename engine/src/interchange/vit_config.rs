//! `config.json` of Hugging Face's ViT with a classifier's head.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::Value;

use super::{
    config::{FILE, number_or_equal_list, read_beside},
    shapes::{Named, layer},
};
use crate::model::{ACTIVATIONS, HuggingFaceSizes};

/// Longest one that is read, in bytes: the names of 20,000 classes take two megabytes.
const LONGEST: u64 = 16 << 20;
/// Longest side of an image in pixels.
const LONGEST_SIDE: u32 = 4096;

/// `config.json` of a `ViTForImageClassification`. What it leaves out is as transformers' `ViTConfig` has it.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct VitConfig {
    model_type: String,
    hidden_size: u32,
    num_hidden_layers: u32,
    num_attention_heads: u32,
    intermediate_size: u32,
    hidden_act: String,
    layer_norm_eps: f64,
    #[serde(deserialize_with = "number_or_equal_list")]
    image_size: u32,
    #[serde(deserialize_with = "number_or_equal_list")]
    patch_size: u32,
    num_channels: u32,
    qkv_bias: bool,
    id2label: Option<BTreeMap<String, Value>>,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self {
            model_type: "vit".into(),
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-12,
            image_size: 224,
            patch_size: 16,
            num_channels: 3,
            qkv_bias: true,
            id2label: None,
        }
    }
}

impl VitConfig {
    /// The one beside a file.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read, or what in it is no ViT that this program can run.
    pub fn beside(file: &Path) -> Result<Self, String> {
        let text = read_beside(file, FILE, LONGEST)?.ok_or_else(|| {
            format!(
                "no {FILE} lies beside it, which says the heads and the norms of Hugging Face's ViT"
            )
        })?;
        let config: Self = serde_json::from_slice(&text)
            .map_err(|error| format!("the {FILE} beside it is no model's: {error}"))?;
        config.check().map(|()| config)
    }

    fn check(&self) -> Result<(), String> {
        let wrong = |what: String| Err(format!("its {FILE} {what}"));
        if self.model_type != "vit" {
            return wrong(format!(
                "describes a {}; only a vit with a classifier's head can be evaluated",
                self.model_type
            ));
        }
        let (image, patch) = (self.image_size, self.patch_size);
        if image == 0 || patch == 0 || image > LONGEST_SIDE || !image.is_multiple_of(patch) {
            return wrong(format!(
                "says image_size {image} and patch_size {patch}; the image is a multiple of the patch, at most {LONGEST_SIDE} px"
            ));
        }
        let (width, heads) = (self.hidden_size, self.num_attention_heads);
        if width == 0 || heads == 0 || !width.is_multiple_of(heads) {
            return wrong(format!("says hidden_size {width}, which {heads} heads cannot share"));
        }
        if self.intermediate_size == 0 {
            return wrong("says intermediate_size 0".into());
        }
        if self.num_channels != 3 {
            return wrong(format!("says num_channels {}; images here have 3", self.num_channels));
        }
        if !ACTIVATIONS.contains(&self.hidden_act.as_str()) {
            return wrong(format!(
                "says hidden_act {:?}; known are {}",
                self.hidden_act,
                ACTIVATIONS.join(", ")
            ));
        }
        if self.layer_norm_eps <= 0.0 || self.layer_norm_eps >= 1.0 {
            return wrong(format!("says layer_norm_eps {}, no small number", self.layer_norm_eps));
        }
        Ok(())
    }

    /// Blocks.
    pub fn blocks(&self) -> usize {
        self.num_hidden_layers as usize
    }

    /// Side of the images in pixels.
    pub fn image_size(&self) -> u32 {
        self.image_size
    }

    /// The names of so many classes in their order; none when it names none.
    ///
    /// # Errors
    /// A sentence, when it names other classes than 0 to `classes - 1`.
    pub fn class_names(&self, classes: usize) -> Result<Vec<String>, String> {
        let Some(labels) = self.id2label.as_ref().filter(|labels| !labels.is_empty()) else {
            return Ok(Vec::new());
        };
        if labels.len() != classes {
            return Err(format!(
                "id2label of its {FILE} names {} classes, but classifier.weight has {classes}",
                labels.len()
            ));
        }
        let name = |class: usize| match labels.get(&class.to_string()) {
            Some(Value::String(name)) => Ok(name.clone()),
            Some(other) => Ok(other.to_string()),
            None => Err(format!("id2label of its {FILE} does not name class {class}")),
        };
        (0..classes).map(name).collect()
    }

    /// The sizes for the layers.
    pub fn sizes(&self) -> HuggingFaceSizes {
        HuggingFaceSizes {
            image_size: self.image_size as usize,
            patch_size: self.patch_size as usize,
            hidden_size: self.hidden_size as usize,
            num_hidden_layers: self.num_hidden_layers as usize,
            num_attention_heads: self.num_attention_heads as usize,
            intermediate_size: self.intermediate_size as usize,
            hidden_act: self.hidden_act.clone(),
            layer_norm_eps: self.layer_norm_eps,
            qkv_bias: self.qkv_bias,
        }
    }

    /// The tensors of a classifier of so many classes, under transformers' names.
    pub fn layout(&self, classes: usize) -> Vec<Named> {
        let (width, inner) = (self.hidden_size as usize, self.intermediate_size as usize);
        let (grid, patch) =
            ((self.image_size / self.patch_size) as usize, self.patch_size as usize);
        let mut list = vec![
            ("vit.embeddings.cls_token".to_owned(), vec![1, 1, width]),
            ("vit.embeddings.position_embeddings".to_owned(), vec![1, 1 + grid * grid, width]),
        ];
        let projection = "vit.embeddings.patch_embeddings.projection";
        layer(&mut list, projection, vec![width, 3, patch, patch]);
        for block in 0..self.num_hidden_layers {
            let name = |inner: &str| format!("vit.encoder.layer.{block}.{inner}");
            for part in ["query", "key", "value"] {
                layer(&mut list, &name(&format!("attention.attention.{part}")), vec![width, width]);
                if !self.qkv_bias {
                    list.pop();
                }
            }
            layer(&mut list, &name("attention.output.dense"), vec![width, width]);
            layer(&mut list, &name("intermediate.dense"), vec![inner, width]);
            layer(&mut list, &name("output.dense"), vec![width, inner]);
            layer(&mut list, &name("layernorm_before"), vec![width]);
            layer(&mut list, &name("layernorm_after"), vec![width]);
        }
        layer(&mut list, "vit.layernorm", vec![width]);
        layer(&mut list, "classifier", vec![classes, width]);
        list
    }
}
