//! The decoder that `DeDe` trains against transformers' `ViTMAEForPreTraining`, whose decoder gets the embedding in the place of CLS.

use engine::{
    compute::{
        Machine, Params,
        cpu::{EmbeddingDecoder, MaeRun, MaskedImages, Pass},
    },
    data::DataError,
    model::embedding_decoder,
};
use serde::Deserialize;
use shared::{
    Rgb8,
    settings::{ModelSpec, Precision},
};

use crate::{
    case::{Case, assert_close},
    mae::{all_kernels, under_masks},
};

#[derive(Deserialize)]
struct Config {
    model: ModelSpec,
    mask_ratio: f64,
}

/// The decoder with the case's weights.
fn read(case: &Case) -> EmbeddingDecoder {
    let spec = case.config::<Config>().model;
    let width = case.shape("embeddings")[1];
    let mut params = Params::draw(embedding_decoder(&spec, width), 1);
    case.load(&mut params);
    EmbeddingDecoder::new(&spec, width, params)
}

#[test]
fn losses_and_all_gradients_agree() {
    for case in Case::all("embedding_decoder") {
        let decoder = read(&case);
        let mae = decoder.mae();
        let masked = MaskedImages::new(mae.grid(), case.config::<Config>().mask_ratio);
        let (mut masked, _) = under_masks(&case, mae.grid(), masked, false);
        masked.embeddings = case.floats("embeddings");
        let shards = [masked];
        let trainable = mae.params().trainable().count();
        assert_eq!(case.names("gradient.").len(), trainable, "{}: gradients", case.name());
        for (kernels, more) in all_kernels() {
            let mut gradients = vec![0.0; mae.params().values().len()];
            let loss = MaeRun::new(kernels).gradients(mae, &shards, &[1.0], &mut gradients);
            let what = format!("{}: {kernels:?}", case.name());
            assert_close(&what, &[loss as f32], &case.floats("loss"), 1e-5 * more);
            for param in mae.params().trainable() {
                let what = format!("{what}: {}", param.name);
                let expected = case.floats(&format!("gradient.{}", param.name));
                assert_close(&what, param.slot.of(&gradients), &expected, 1e-4 * more);
            }
        }
    }
}

#[test]
fn errors_from_the_embedding_alone_agree() {
    for case in Case::all("embedding_decoder") {
        let decoder = read(&case);
        let side = case.config::<Config>().model.image_size as usize;
        let bytes = case.bytes("images");
        let image = |i: usize| {
            let own = bytes[i * 3 * side * side..][..3 * side * side].to_vec();
            Ok::<_, DataError>(Rgb8::from_raw(side, side, own).unwrap())
        };
        let cpu = Machine::with_threads(2).cpu(Precision::F32);
        let errors = decoder.errors(cpu, &case.floats("embeddings"), image).unwrap();
        let errors: Vec<f32> = errors.into_iter().map(|error| error as f32).collect();
        assert_close(case.name(), &errors, &case.floats("errors"), 1e-5);
    }
}
