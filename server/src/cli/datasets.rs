//! `maskdoor datasets add NAME FOLDER | list | remove NAME`.

use std::process::ExitCode;

use anyhow::Context;
use shared::api::{AddDataset, DatasetInfo};

use super::{DatasetArgs, DatasetCommand, bar_watch::BarWatch};
use crate::terminal::{Align, say, table};

/// Left-out files that are named.
const NAMED: usize = 10;

pub async fn run(args: DatasetArgs) -> anyhow::Result<ExitCode> {
    let app = args.data.open().await?;
    match args.command {
        DatasetCommand::List => {
            let all = app.list_datasets().await?;
            let head = [
                ("name", Align::Left),
                ("layout", Align::Left),
                ("classes", Align::Right),
                ("train", Align::Right),
                ("validation", Align::Right),
                ("left out", Align::Right),
                ("folder", Align::Left),
            ];
            say(table(&head, &all.iter().map(row).collect::<Vec<_>>()));
        }
        DatasetCommand::Add { name, folder } => {
            let path = folder.to_str().context("the folder's name is no Unicode text")?.to_owned();
            let info = app.add_dataset(AddDataset { name, path }, BarWatch::default()).await?;
            say(format_args!(
                "{}: {} classes, {} training and {} validation images",
                info.name,
                info.classes.len(),
                info.train_counts.iter().sum::<u32>(),
                info.test_counts.iter().sum::<u32>(),
            ));
            let folder = info.path.as_deref().unwrap_or_default();
            say(format_args!("layout: {}, in {folder}", info.layout.title()));
            if info.skipped_total > 0 {
                say(format_args!("{} images cannot be read and are left out:", info.skipped_total));
                for file in info.skipped.iter().take(NAMED) {
                    say(format_args!("  {}: {}", file.path, file.reason));
                }
                if info.skipped_total as usize > NAMED {
                    say(format_args!("  and {} more", info.skipped_total as usize - NAMED));
                }
            }
        }
        DatasetCommand::Remove { name } => {
            app.remove_dataset(&name).await?;
            say(format_args!("{name} is removed from the list; its files stay where they are"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(info: &DatasetInfo) -> Vec<String> {
    vec![
        info.name.clone(),
        info.layout.title().into(),
        info.classes.len().to_string(),
        info.train_counts.iter().sum::<u32>().to_string(),
        info.test_counts.iter().sum::<u32>().to_string(),
        info.skipped_total.to_string(),
        info.path.clone().unwrap_or_default(),
    ]
}
