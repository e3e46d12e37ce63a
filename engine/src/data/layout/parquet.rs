//! Parquet shards, as data sets are published on Hugging Face: `train-00000-of-00017.parquet` and so on, in the folder or in `data`.
//!
//! The column of images has image files as bytes, that of labels numbers or names. Class names are those that the library `datasets`
//! wrote into the files, or the lines of `classes.txt`.

use std::path::Path;

use super::{
    Listing, image_folder,
    labels::{self, Classes},
    shards,
};
use crate::data::{
    DataError,
    records::{Groups, Label, ParquetFile, Records},
};

const EXTENSION: &str = "parquet";

/// Whether a folder looks like this layout.
pub fn fits(root: &Path) -> bool {
    shards::are_in(root, EXTENSION) && !image_folder::has_class_folders(root)
}

/// Lists the folder at `root`. Reads the labels only.
pub fn list(root: &Path, hold_out: bool) -> Result<Listing, DataError> {
    let mut listing = Listing::default();
    let shards = shards::find(root, EXTENSION, hold_out, &mut listing.left)?;
    let groups = Groups::default();
    let names = labels::names(root)?;
    let mut opened = Vec::new();
    let mut of_files = None;
    for (number, name) in shards.train.iter().chain(&shards.test).enumerate() {
        let shard = ParquetFile::open(&root.join(name), number, &groups)?;
        if of_files.is_none() {
            of_files.clone_from(&shard.names);
        } else if shard.names.is_some() && shard.names != of_files {
            let reason = format!("it has other class names than {}", shards.train[0]);
            return Err(DataError::Member { file: root.join(name), reason });
        }
        opened.push((name, number < shards.train.len(), shard));
    }
    let names = match names {
        Some((file, names)) => {
            listing.members.push(file);
            Some(names)
        }
        None => of_files,
    };
    let all = opened.iter().flat_map(|(_, _, shard)| shard.labels.iter().flatten());
    let classes = Classes::of(all, names)
        .map_err(|reason| DataError::Member { file: root.join(opened[0].0), reason })?;
    for (name, is_train, shard) in opened {
        let rows = rows(&classes, &shard.labels)
            .map_err(|reason| DataError::Member { file: root.join(name), reason })?;
        for row in
            (0..).zip(&rows).filter(|(_, class)| class.is_none()).map(|(row, _): (u32, _)| row)
        {
            listing.left.add("without a label", format!("{name}/{row}"));
        }
        listing.add_records(name, Records::Parquet(shard.file), &rows, is_train);
    }
    listing.classes = classes.names;
    listing.add_unused(root, "beside the shards")?;
    Ok(listing)
}

/// The class of each row, where it has one.
fn rows(classes: &Classes, labels: &[Option<Label>]) -> Result<Vec<Option<u32>>, String> {
    let class = |(row, label): (usize, &Option<Label>)| match label {
        Some(label) => classes.class(label).map_err(|reason| format!("row {row}: {reason}")),
        None => Ok(None),
    };
    labels.iter().enumerate().map(class).collect()
}
