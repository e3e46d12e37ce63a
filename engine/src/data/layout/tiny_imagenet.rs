//! Tiny-ImageNet-200 as it is published: `train/<wnid>/images/*`, and all validation images in `val/images` with their
//! classes in `val/val_annotations.txt`. (Rearranged into a folder for each class it is an image folder.)
//!
//! Classes are in the order of their wnids, as in the rearranged form, so that a class has the same number in both.

use std::{collections::HashMap, path::Path};

use shared::api::Layout;

use super::{
    Listing, by_class,
    files::{image_files, member, text},
    image_folder, words,
};
use crate::data::{DataError, Entry};

const ANNOTATIONS: &str = "val/val_annotations.txt";

/// Whether a folder looks like this layout.
pub fn fits(root: &Path) -> bool {
    root.join(ANNOTATIONS).is_file() && root.join("val/images").is_dir()
}

/// Lists the folder at `root`. Opens no image.
pub fn list(root: &Path) -> Result<Listing, DataError> {
    if !root.join("train").is_dir() {
        return Err(DataError::NoTrain(root.into()));
    }
    let folders = image_folder::class_folders(&root.join("train"))?;
    let mut listing = Listing::default();
    (listing.train, listing.train_bytes) = image_folder::split_files(root, "train", &folders)?;

    let annotations = member(root, Layout::TinyImageNet, &[ANNOTATIONS])?;
    let lines = text(&annotations)?;
    let wrong = |reason| DataError::Member { file: annotations.clone(), reason };
    let numbers: HashMap<&str, u32> = folders.iter().map(String::as_str).zip(0..).collect();
    let mut classes = HashMap::new();
    for (at, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut fields = line.split('\t');
        let (Some(file), Some(wnid)) = (fields.next(), fields.next().map(str::trim)) else {
            let reason = format!("line {} is no `<file><tab><wnid>`", at + 1);
            return Err(wrong(reason));
        };
        let Some(&class) = numbers.get(wnid) else {
            let reason =
                format!("line {} has the class {wnid:?}, which has no folder in train", at + 1);
            return Err(wrong(reason));
        };
        classes.insert(file, class);
    }
    let mut images = Vec::new();
    for (name, bytes) in image_files(&root.join("val/images"))? {
        let Some(&class) = classes.get(name.as_str()) else {
            let reason = format!("it has no line for val/images/{name}; every image needs one");
            return Err(wrong(reason));
        };
        images.push((Entry::file(format!("val/images/{name}"), class), bytes));
    }
    (listing.test, listing.test_bytes) = by_class(images);
    listing.members.push(ANNOTATIONS.into());
    listing.members.extend(words::member(root));
    listing.classes = words::class_names(root, folders)?;
    Ok(listing)
}
