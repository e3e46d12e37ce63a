//! `maskdoor checkpoints import FILE --name NAME | inspect FILE | export NAME|RUN[@EPOCH] --format FORMAT OUT | list | remove NAME`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr as _,
};

use anyhow::Context;
use engine::interchange::{ExportFile, ExportFormat};
use serde::Serialize;
use shared::{
    api::{ImportCheckpoint, ImportedCheckpoint},
    study::{ModelSpec, TransformerSpec},
};

use super::{AssumeArgs, CheckpointArgs, CheckpointCommand, run_ref::RunRef};
use crate::{
    app::App,
    app::checkpoints::{export_files, inspect_checkpoint},
    terminal::{Align, say, table},
};

pub async fn run(args: CheckpointArgs) -> anyhow::Result<ExitCode> {
    if let CheckpointCommand::Inspect { file, assume } = &args.command {
        describe(&inspect_checkpoint(&request(file, String::new(), assume)?)?);
        return Ok(ExitCode::SUCCESS);
    }
    let app = args.data.open().await?;
    match args.command {
        CheckpointCommand::Inspect { .. } => {}
        CheckpointCommand::Import { file, name, assume } => {
            let info = app.import_checkpoint(request(&file, name, &assume)?).await?;
            describe(&info);
            say(format_args!("\nTo start a study from it:\n\n{}", start(&info)?));
        }
        CheckpointCommand::Export { checkpoint, format, out } => {
            let file = find(&app, &checkpoint).await?;
            for path in write(&out, format, &export_files(file, format).await?)? {
                say(path.display());
            }
        }
        CheckpointCommand::List => {
            let head = [
                ("name", Align::Left),
                ("image", Align::Right),
                ("patch", Align::Right),
                ("encoder", Align::Left),
                ("decoder", Align::Left),
                ("parameters", Align::Right),
                ("from", Align::Left),
            ];
            let all = app.store.list_imports().await?;
            say(table(&head, &all.iter().map(row).collect::<Vec<_>>()));
        }
        CheckpointCommand::Remove { name } => {
            app.remove_import(&name).await?;
            say(format_args!("{name} was removed; the file that it was imported from is kept"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn request(file: &Path, name: String, assume: &AssumeArgs) -> anyhow::Result<ImportCheckpoint> {
    let path = file.to_str().context("the file's name is not valid Unicode")?.to_owned();
    let &AssumeArgs { image_size, heads, decoder_heads, norm_pix_loss, ref entry } = assume;
    let entry = entry.clone();
    Ok(ImportCheckpoint { name, path, image_size, heads, decoder_heads, norm_pix_loss, entry })
}

fn describe(info: &ImportedCheckpoint) {
    let model = info.model;
    say(format_args!("{}: {}", info.source, info.format));
    say(format_args!(
        "{} px images in patches of {} px, encoder {}, {} parameters",
        model.image_size,
        model.patch_size,
        part(model.encoder),
        info.parameters
    ));
    say(match (info.has_decoder, info.norm_pix_loss) {
        (true, true) => format!("decoder {}, for normalised patches", part(model.decoder)),
        (true, false) => format!("decoder {}, for plain patches", part(model.decoder)),
        (false, _) => "no decoder: it can be probed, but cannot reconstruct".into(),
    });
    for assumed in &info.assumed {
        say(format_args!("assumed: {assumed}"));
    }
    say(format_args!("SHA-256 {}", info.sha256));
}

/// The lines of a study's file.
fn start(info: &ImportedCheckpoint) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Start<'a> {
        encoder: &'a str,
        model: ModelSpec,
    }
    let start = Start { encoder: &info.name, model: info.model };
    let text = toml::to_string_pretty(&start).context("the model cannot be written as TOML")?;
    Ok(text.trim_end().to_owned())
}

/// Width, depth and heads: `768 x 12, 12 heads`.
fn part(part: TransformerSpec) -> String {
    let heads = if part.heads == 1 { "head" } else { "heads" };
    format!("{} x {}, {} {heads}", part.dim, part.depth, part.heads)
}

fn row(info: &ImportedCheckpoint) -> Vec<String> {
    vec![
        info.name.clone(),
        info.model.image_size.to_string(),
        info.model.patch_size.to_string(),
        part(info.model.encoder),
        if info.has_decoder { part(info.model.decoder) } else { "none".into() },
        info.parameters.to_string(),
        info.source.clone(),
    ]
}

/// The file of a checkpoint by the name of an import or by a run and its epoch.
async fn find(app: &App, checkpoint: &str) -> anyhow::Result<PathBuf> {
    let (run, epoch) = match checkpoint.split_once('@') {
        Some((run, epoch)) => {
            let epoch = epoch.parse().with_context(|| format!("{epoch:?} is not an epoch"))?;
            (run, Some(epoch))
        }
        None => (checkpoint, None),
    };
    // A name of an import may look like a digest.
    match app.import_file(checkpoint).await {
        Ok(file) => Ok(file),
        Err(missing) => {
            let run = RunRef::from_str(run).ok().filter(RunRef::may_be);
            let run = run.ok_or(missing)?.find(app).await?;
            Ok(app.run_checkpoint_file(run, epoch).await?)
        }
    }
}

/// Writes an export: a file, or for Hugging Face a folder of them.
fn write(out: &Path, format: ExportFormat, files: &[ExportFile]) -> anyhow::Result<Vec<PathBuf>> {
    let folder = format == ExportFormat::HuggingFace;
    if folder {
        fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    }
    let paths: Vec<_> = files
        .iter()
        .map(|file| if folder { out.join(file.name) } else { out.to_owned() })
        .collect();
    for (path, file) in paths.iter().zip(files) {
        engine::files::write(path, &file.bytes)?;
    }
    Ok(paths)
}
