//! `maskdoor reconstruct RUN FILE.png [--epoch N | --imported NAME] [--images I1,... | --picture FILE] [--mask-ratio SHARE | --hide P1,...]`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, ensure};
use serde::Serialize;
use shared::{Settings, api::MaskSpec};

use super::ReconstructArgs;
use crate::{
    app::App,
    app::reconstructions::{Kept, Pair, Shown, Wanted},
    sheet::reconstruction_sheet,
    terminal::{Align, say, table},
};

/// Maximum number of images on a sheet.
const MOST: usize = 64;

/// The errors of one image, as JSON.
#[derive(Serialize)]
struct Errors<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<u32>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<u32>,
    hidden: &'a [bool],
    clean: &'a [f32],
    triggered: &'a [f32],
}

pub async fn run(args: ReconstructArgs) -> anyhow::Result<ExitCode> {
    let images = shown(&args);
    ensure!(images.len() <= MOST, "a sheet takes at most {MOST} images");
    let app = args.data.clone().open().await?;
    let run = args.run.find(&app).await?;
    let settings = app.store.run_settings(run).await?;
    let mask = mask(&app, &args, &settings).await?;
    let file = args.epoch.map(engine::files::checkpoint);
    let of = Wanted { run, imported: args.imported.clone(), file };
    let kept = Kept::default();
    let mut pairs = Vec::new();
    for (_, image) in &images {
        pairs.push(app.reconstruct_shown(&kept, &of, image.clone(), mask.clone()).await?);
    }
    engine::files::write(&args.file, &reconstruction_sheet(&pairs)?)
        .with_context(|| args.file.display().to_string())?;
    let classes = app.get_dataset(&settings.dataset.name).await?.classes;
    let rows = images.iter().zip(&pairs).map(|((index, _), pair)| {
        let class = pair.class.and_then(|class| classes.get(class as usize).cloned());
        let error = |error: f32| format!("{error:.4}");
        let (clean, triggered) = (pair.clean.1.hidden_error, pair.triggered.1.hidden_error);
        let index = index.map_or_else(String::new, |index| index.to_string());
        let class = class.unwrap_or_default();
        vec![index, class, pair.name.clone(), error(clean), error(triggered)]
    });
    let rows: Vec<_> = rows.collect();
    let columns = [
        ("image", Align::Right),
        ("class", Align::Left),
        ("name", Align::Left),
        ("error, clean", Align::Right),
        ("error, triggered", Align::Right),
    ];
    say(table(&columns, &rows));
    say(format_args!(
        "mean squared error of the hidden patches, in squared intensities of 0 to 1: {}",
        args.file.display()
    ));
    if let Some(path) = &args.json {
        let errors: Vec<_> =
            images.iter().zip(&pairs).map(|((image, _), pair)| errors(*image, pair)).collect();
        let text =
            serde_json::to_vec_pretty(&errors).context("the errors cannot be written as JSON")?;
        engine::files::write(path, &text).with_context(|| path.display().to_string())?;
    }
    app.store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The images that the arguments name; those of the data set with their indices.
fn shown(args: &ReconstructArgs) -> Vec<(Option<u32>, Shown)> {
    if args.picture.is_empty() {
        let of_dataset =
            |&index: &u32| (Some(index), Shown::OfDataset { split: args.split, index });
        return args.images.iter().map(of_dataset).collect();
    }
    let picture = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (None, Shown::Picture { name, file: file.clone() })
    };
    args.picture.iter().map(picture).collect()
}

/// The mask that the arguments describe: a random one, or the listed patches.
async fn mask(app: &App, args: &ReconstructArgs, of: &Settings) -> anyhow::Result<MaskSpec> {
    if args.hide.is_empty() {
        return Ok(MaskSpec::Random {
            ratio: args.mask_ratio.unwrap_or(of.pretrain.mask_ratio),
            seed: args.mask_seed,
        });
    }
    let patches = match &args.imported {
        Some(name) => app.store.get_import(name).await?.model.patches(),
        None => of.model.patches(),
    };
    let last = patches.saturating_sub(1);
    let strange = args.hide.iter().find(|&&patch| patch > last);
    if let Some(patch) = strange {
        anyhow::bail!("--hide: there is no patch {patch}; the patches are 0 to {last}, row by row");
    }
    let hidden = (0..patches).map(|patch| args.hide.contains(&patch)).collect();
    Ok(MaskSpec::Painted { hidden })
}

fn errors(image: Option<u32>, pair: &Pair) -> Errors<'_> {
    Errors {
        image,
        name: &pair.name,
        class: pair.class,
        hidden: &pair.hidden,
        clean: &pair.clean.1.patch_error,
        triggered: &pair.triggered.1.patch_error,
    }
}
