//! Checkpoints written by MAE's training, timm and transformers compute the same once imported. Exports to their formats are
//! written to the folder that `MASKDOOR_EXPORTS` names, if any, where `tests/golden/exports.py` loads them.

use std::{fs, path::PathBuf};

use engine::{
    checkpoint,
    compute::cpu::{Mae, MaskedImages},
    interchange::{ExportFormat, ImportOptions, Imported, export, interpolate_positions},
};
use kernel::{Kernels, Path, Precision};
use serde::Deserialize;
use shared::settings::{ModelSpec, TransformerSpec};

use crate::case::{Case, assert_close};

/// The name of the file where the case has a folder of several.
const FOLDER: &str = ".";

#[derive(Deserialize)]
struct Config {
    file: String,
    #[serde(rename = "hf_config")]
    beside: Option<String>,
    image_size: u32,
    patch_size: u32,
    encoder: TransformerSpec,
    decoder: TransformerSpec,
    positions_grid: usize,
    norm_pix_loss: bool,
    epoch: u32,
    has_decoder: bool,
    /// The model to take where the file has several.
    entry: Option<String>,
}

/// Imports the case's file and saves it as Maskdoor's own checkpoint in a temporary folder.
fn import(case: &Case) -> (Config, tempfile::TempDir, PathBuf) {
    let config: Config = case.config();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(&config.file);
    if config.file == FOLDER {
        for name in case.names("folder/") {
            fs::write(file.join(&name), case.bytes(&format!("folder/{name}"))).unwrap();
        }
    } else {
        fs::write(&file, case.bytes("file")).unwrap();
    }
    let mut options = ImportOptions { entry: config.entry.clone(), ..ImportOptions::default() };
    if let Some(text) = &config.beside {
        fs::write(folder.path().join("config.json"), text).unwrap();
    } else {
        options.heads = Some(config.encoder.heads);
        options.decoder_heads = Some(config.decoder.heads);
    }
    let imported = Imported::read(&file, &options).unwrap_or_else(|error| {
        panic!("{}: {error}", case.name());
    });
    let own = folder.path().join("own.safetensors");
    imported.save(&own, &[("name", case.name().to_owned())]).unwrap();
    (config, folder, own)
}

/// Images with their patches in the order of the noise, a share of them hidden.
fn masked(mae: &Mae, case: &Case, ratio: f64) -> (MaskedImages, Vec<Vec<u32>>) {
    let grid = mae.grid();
    let (pixels, noise) = (case.floats("pixels"), case.floats("noise"));
    let mut masked = MaskedImages::new(grid, ratio);
    let mut orders = Vec::new();
    let images = pixels.chunks_exact(grid.image_len());
    for (image, noise) in images.zip(noise.chunks_exact(grid.count())) {
        let mut order: Vec<u32> = (0..grid.count() as u32).collect();
        order.sort_by(|&a, &b| noise[a as usize].total_cmp(&noise[b as usize]));
        masked.push(grid, image, &order, false);
        orders.push(order);
    }
    (masked, orders)
}

#[test]
fn imported_models_compute_the_same() {
    for case in Case::all("checkpoints") {
        let (config, _folder, own) = import(&case);
        let (params, info) = checkpoint::open(&own).unwrap();
        let mae = Mae::new(&info.model, params);
        let single = Kernels { path: Path::fastest(), precision: Precision::F32 };
        let Config { image_size, patch_size, encoder, .. } = config;
        let decoder = if config.has_decoder { config.decoder } else { info.model.decoder };
        let model = ModelSpec { image_size, patch_size, encoder, decoder };
        assert_eq!(info.model, model, "{}", case.name());
        assert_eq!(
            (info.norm_pix_loss, info.epoch, info.has_decoder),
            (config.norm_pix_loss, config.epoch, config.has_decoder),
            "{}",
            case.name()
        );
        let (shown, _) = masked(&mae, &case, 0.0);
        let features = mae.features(&shown, single);
        assert_close(
            &format!("{}: features", case.name()),
            &features,
            &case.floats("features"),
            1e-5,
        );
        if !config.has_decoder {
            continue;
        }
        let (half, orders) = masked(&mae, &case, 0.5);
        let got = mae.predict(&half, single);
        let (count, length) = (mae.grid().count(), mae.grid().patch_len());
        let expected = case.floats("prediction");
        let in_order: Vec<f32> = expected
            .chunks_exact(count * length)
            .zip(&orders)
            .flat_map(|(image, order)| {
                order.iter().map(|&patch| patch as usize * length).map(|at| &image[at..at + length])
            })
            .flatten()
            .copied()
            .collect();
        assert_close(&format!("{}: prediction", case.name()), &got, &in_order, 1e-5);
    }
}

#[test]
fn interpolated_positions_agree() {
    for case in Case::all("checkpoints") {
        let config: Config = case.config();
        let from = (config.image_size / config.patch_size) as usize;
        let got =
            interpolate_positions(&case.floats("table"), from, config.positions_grid).unwrap();
        assert_close(case.name(), &got, &case.floats("positions"), 1e-5);
    }
}

#[test]
fn what_is_exported_comes_back() {
    let folder = std::env::var_os("MASKDOOR_EXPORTS").map(PathBuf::from);
    for case in Case::all("checkpoints") {
        let (config, temporary, own) = import(&case);
        let (params, info) = checkpoint::open(&own).unwrap();
        for format in ExportFormat::ALL {
            let place = folder.as_deref().unwrap_or(temporary.path());
            let place = place.join(case.name()).join(format.as_str());
            fs::create_dir_all(&place).unwrap();
            let files = export(&own, format).unwrap();
            for file in &files {
                fs::write(place.join(file.name), &file.bytes).unwrap();
            }
            let heads = (config.encoder.heads, config.decoder.heads);
            let options = match format {
                ExportFormat::Timm => {
                    ImportOptions { heads: Some(heads.0), ..ImportOptions::default() }
                }
                _ => ImportOptions::default(),
            };
            let again = Imported::read(&place.join(files[0].name), &options).unwrap();
            let whole = config.has_decoder && format != ExportFormat::Timm;
            assert_eq!(again.info.has_decoder, whole, "{}: {format:?}", case.name());
            let back = temporary.path().join("back.safetensors");
            again.save(&back, &[]).unwrap();
            let (back, back_info) = checkpoint::open(&back).unwrap();
            assert_eq!(back_info.model.encoder, info.model.encoder);
            for param in params.iter() {
                let decoder = param.name.starts_with("decoder_") || param.name == "mask_token";
                if !decoder || whole {
                    let other = back.get(&param.name).unwrap();
                    let (own, other) = (params.of(param), back.of(other));
                    assert_eq!(own, other, "{}: {}", case.name(), param.name);
                }
            }
        }
    }
}
