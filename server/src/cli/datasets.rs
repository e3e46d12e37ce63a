//! `maskdoor datasets add NAME FOLDER | list | remove NAME`.

use std::process::ExitCode;

use anyhow::Context;
use shared::api::{AddDataset, DatasetInfo, HoldOut};

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
        DatasetCommand::Add { name, folder, transparency, split, split_seed } => {
            let path =
                folder.to_str().context("the folder's name is not valid Unicode")?.to_owned();
            let hold_out = split.map(|share| HoldOut { share, seed: split_seed });
            let transparency = transparency.into();
            let request = AddDataset { name, path, transparency, hold_out };
            say_found(&app.add_dataset(request, BarWatch::default()).await?);
        }
        DatasetCommand::Update { name } => {
            say_found(&app.update_dataset(&name, BarWatch::default()).await?);
        }
        DatasetCommand::Remove { name } => {
            app.remove_dataset(&name).await?;
            say(format_args!("{name} was removed from the list; its files stay where they are"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was found in a folder, and what was not taken.
fn say_found(info: &DatasetInfo) {
    say(format_args!(
        "{}: {} classes, {} training and {} validation images",
        info.name,
        info.classes.len(),
        info.train_counts.iter().sum::<u32>(),
        info.test_counts.iter().sum::<u32>(),
    ));
    let folder = info.path.as_deref().unwrap_or_default();
    say(format_args!("layout: {}, in {folder}", info.layout.title()));
    if let Some(HoldOut { share, seed }) = info.hold_out {
        say(format_args!(
            "{share} of each class, drawn with seed {seed}, is held out for validation"
        ));
    }
    if info.skipped_total > 0 {
        say(format_args!("left out, because they cannot be read: {}", info.skipped_total));
        for file in info.skipped.iter().take(NAMED) {
            say(format_args!("  {}: {}", file.path, file.reason));
        }
        if info.skipped_total as usize > NAMED {
            say(format_args!("  and {} more", info.skipped_total as usize - NAMED));
        }
    }
    for left in &info.left_out {
        let more = left.count as usize - left.first.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let first = left.first.join(", ");
        say(format_args!("{} not used ({}): {first}{more}", left.count, left.reason));
    }
}

fn row(info: &DatasetInfo) -> Vec<String> {
    vec![
        info.name.clone(),
        info.layout.title().into(),
        info.classes.len().to_string(),
        info.train_counts.iter().sum::<u32>().to_string(),
        info.test_counts.iter().sum::<u32>().to_string(),
        (info.skipped_total + info.left_out.iter().map(|left| left.count).sum::<u32>()).to_string(),
        info.path.clone().unwrap_or_default(),
    ]
}
