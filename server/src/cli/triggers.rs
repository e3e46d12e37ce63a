//! `maskdoor triggers [list | show NAME | sheet FILE]`.

use std::{fs, path::Path};

use anyhow::Context;
use engine::{
    data::Index,
    decode::{Limits, decode},
    keys,
};
use serde::Serialize;
use shared::{
    Rgb8, TriggerSpec,
    api::Split,
    dataset::Transparency,
    resize,
    run::DataSource,
    study::DatasetSpec,
    trigger::{CATALOGUE, CatalogueEntry},
};

use super::{SheetArgs, TriggerCommand};
use crate::{
    sheet::{Row, contact_sheet},
    terminal::{Align, say, table},
};

/// Number of ViT patches along an image's side, which determines a trigger's published position.
const PATCHES_A_SIDE: u32 = 14;

pub fn run(command: Option<TriggerCommand>) -> anyhow::Result<()> {
    match command {
        None => {
            let rows: Vec<_> = CATALOGUE
                .iter()
                .map(|entry| [entry.id, entry.summary, entry.paper].map(str::to_owned).to_vec())
                .collect();
            let columns =
                ["trigger", "what it does", "published in"].map(|name| (name, Align::Left));
            say(table(&columns, &rows));
            Ok(())
        }
        Some(TriggerCommand::Show { name, side }) => {
            let text = toml::to_string_pretty(&Wrapped::new(published(&name, side)?))
                .context("the trigger cannot be written as TOML")?;
            say(text.trim_end());
            Ok(())
        }
        Some(TriggerCommand::Sheet(args)) => sheet(&args),
    }
}

/// The trigger at its position in a study's file.
#[derive(Serialize)]
struct Wrapped {
    attack: Attack,
}

#[derive(Serialize)]
struct Attack {
    trigger: TriggerSpec,
}

impl Wrapped {
    fn new(trigger: TriggerSpec) -> Self {
        Self { attack: Attack { trigger } }
    }
}

/// The trigger of that name with its published parameters, in proportion to images of `side` pixels.
pub fn published(name: &str, side: u32) -> anyhow::Result<TriggerSpec> {
    Ok(find(name)?.spec(side, vit_patch(side)))
}

fn find(name: &str) -> anyhow::Result<&'static CatalogueEntry> {
    let known = || CATALOGUE.iter().map(|entry| entry.id).collect::<Vec<_>>().join(", ");
    CATALOGUE
        .iter()
        .find(|entry| entry.id == name)
        .with_context(|| format!("there is no trigger {name:?}; there are: {}", known()))
}

fn vit_patch(side: u32) -> u32 {
    (side / PATCHES_A_SIDE).max(4)
}

fn sheet(args: &SheetArgs) -> anyhow::Result<()> {
    let side = args.side.unwrap_or(if args.image.is_empty() { 32 } else { 224 });
    let images = if args.image.is_empty() {
        drawn(side)?
    } else {
        args.image.iter().map(|path| photo(path, side)).collect::<anyhow::Result<_>>()?
    };
    let rows: Vec<Row> = CATALOGUE
        .iter()
        .map(|entry| {
            let spec = entry.spec(side, vit_patch(side));
            let key = spec.key().map(key).transpose()?;
            Ok(Row { title: entry.name.into(), label: spec.label(), trigger: spec, key })
        })
        .collect::<anyhow::Result<_>>()?;
    let png = contact_sheet(&images, &rows)?;
    fs::write(&args.file, png).with_context(|| args.file.display().to_string())?;
    say(format_args!(
        "{} triggers on {} images: {}",
        rows.len(),
        images.len(),
        args.file.display()
    ));
    Ok(())
}

/// One built-in picture of each of the first four classes.
fn drawn(side: u32) -> anyhow::Result<Vec<Rgb8>> {
    let few =
        DatasetSpec { name: String::new(), train_per_class: Some(1), test_per_class: Some(1) };
    let index = Index::open(&DataSource::Builtin)?.limited(&few);
    (0..4).map(|i| Ok(index.load(Split::Train, i, side as usize)?)).collect()
}

fn photo(path: &Path, side: u32) -> anyhow::Result<Rgb8> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let image = decode(&bytes, Limits::default(), Transparency::Drop)
        .with_context(|| path.display().to_string())?;
    Ok(resize::bilinear(&image, side as usize, side as usize))
}

fn key(id: &str) -> anyhow::Result<Rgb8> {
    let key = keys::builtin(id).with_context(|| format!("no built-in key image {id}"))?;
    Ok(keys::image(key.file)?)
}
