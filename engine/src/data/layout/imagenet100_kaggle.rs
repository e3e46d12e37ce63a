//! ImageNet-100 as it is distributed on Kaggle: training images in `train.X1` to `train.X4`, each with a folder for some of the classes,
//! validation images in `val.X`, names in `Labels.json`.

use std::{collections::BTreeMap, path::Path};

use shared::api::Layout;

use super::{
    Listing,
    files::{self, folder_names},
    image_folder::{add_stray_files, same_classes, split_files},
    words,
};
use crate::data::DataError;

const TRAIN: &str = "train.X";
const TEST: &str = "val.X";
const NAMES: &str = "Labels.json";

/// Whether a folder looks like this layout.
pub fn fits(root: &Path) -> bool {
    root.join(TEST).is_dir() && !parts(root).is_empty()
}

/// The folders of training images, sorted.
fn parts(root: &Path) -> Vec<String> {
    let mut folders = folder_names(root).unwrap_or_default();
    folders.retain(|name| {
        name.strip_prefix(TRAIN).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    });
    folders
}

/// Lists the folder at `root`. Opens no image.
pub fn list(root: &Path) -> Result<Listing, DataError> {
    let mut listing = Listing::default();
    // A class may have images in several parts.
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let parts = parts(root);
    if parts.is_empty() {
        let (folder, layout) = (root.into(), Layout::ImageNet100Kaggle.title());
        return Err(DataError::NoMember { folder, file: "train.X1".into(), layout });
    }
    for part in &parts {
        for class in folder_names(&root.join(part))? {
            places.entry(class).or_default().push(part.clone());
        }
    }
    let classes: Vec<String> = places.keys().cloned().collect();
    if classes.len() < 2 {
        let found = format!("{} class folders", classes.len());
        return Err(DataError::TooFewClasses { folder: root.join(&parts[0]), found });
    }
    for (number, (class, of_class)) in places.iter().enumerate() {
        for part in of_class {
            let folder = std::slice::from_ref(class);
            let (mut entries, sizes) = split_files(root, part, folder, &mut listing.left)?;
            for entry in &mut entries {
                entry.class = number as u32;
            }
            listing.train.extend(entries);
            listing.train_bytes.extend(sizes);
        }
    }
    for split in parts.iter().map(String::as_str).chain([TEST]) {
        add_stray_files(root, split, &[], &mut listing.left)?;
    }
    let folders = same_classes(root, &parts.join(", "), &classes, TEST, &mut listing.left)?;
    (listing.test, listing.test_bytes) = split_files(root, TEST, &folders, &mut listing.left)?;
    listing.add_optional_member(root, NAMES);
    listing.add_unused(root, "beside the images")?;
    listing.classes = if listing.members.is_empty() {
        words::class_names(root, classes)?
    } else {
        let path = root.join(NAMES);
        let names: BTreeMap<String, String> =
            serde_json::from_str(&files::text(&path)?).map_err(|error| DataError::Member {
                file: path,
                reason: format!("it is no JSON object from wnids to names ({error})"),
            })?;
        words::named(&classes, |wnid| names.get(wnid).map(String::as_str))
    };
    Ok(listing)
}
