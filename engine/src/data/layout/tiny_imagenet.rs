//! Tiny-ImageNet-200 as it is published: `train/<wnid>/images/*`, and all validation images in `val/images` with their
//! classes in `val/val_annotations.txt`. (Rearranged into a folder for each class it is an image folder.)
//!
//! Classes are in the order of their wnids, as in the rearranged form, so that a class has the same number in both.

use std::{collections::HashMap, path::Path};

use shared::api::Layout;

use super::{
    Listing, by_class,
    files::{folder_names, image_files, member, text, visible},
    image_folder, words,
};
use crate::data::{DataError, Entry};

const ANNOTATIONS: &str = "val/val_annotations.txt";

/// Whether a folder looks like this layout. Where a script has sorted the validation images into a folder for each class, it is an
/// image folder, whether that script left `val/images` and the annotations behind or not.
pub fn fits(root: &Path) -> bool {
    let images = visible(&root.join("val/images"));
    root.join(ANNOTATIONS).is_file()
        && match images {
            Ok(images) => !images.is_empty() || sorted_folders(root).is_empty(),
            Err(_) => false,
        }
}

/// Folders of `val` beside `images` with something in them.
fn sorted_folders(root: &Path) -> Vec<String> {
    let val = root.join("val");
    let mut folders = folder_names(&val).unwrap_or_default();
    folders.retain(|name| {
        name != "images" && visible(&val.join(name)).is_ok_and(|all| !all.is_empty())
    });
    folders
}

/// Lists the folder at `root`. Opens no image.
pub fn list(root: &Path) -> Result<Listing, DataError> {
    if !root.join("train").is_dir() {
        return Err(DataError::NoTrain(root.into()));
    }
    let folders = image_folder::class_folders(&root.join("train"))?;
    let mut listing = Listing::default();
    (listing.train, listing.train_bytes) =
        image_folder::split_files(root, "train", &folders, &mut listing.left)?;

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
    for (path, bytes) in image_files(root, "val/images", &mut listing.left)? {
        let name = path.strip_prefix("val/images/").unwrap_or(&path);
        let Some(class) = classes.remove(name) else {
            let reason = format!("it has no line for {path}; every image needs one");
            return Err(wrong(reason));
        };
        images.push((Entry::file(path, class), bytes));
    }
    if let Some(first) = classes.keys().min() {
        let total = classes.len() + images.len();
        let why = match sorted_folders(root).first() {
            Some(folder) => format!(
                "val/{folder} has images, so a script that sorts them by class may have stopped early: run it again, or move them back"
            ),
            None => "the download or the unpacking may be incomplete".into(),
        };
        return Err(wrong(format!(
            "it names {total} images, {} of which are not in val/images ({first} is the first); {why}",
            classes.len()
        )));
    }
    (listing.test, listing.test_bytes) = by_class(images);
    listing.members.push(ANNOTATIONS.into());
    listing.members.extend(words::member(root));
    listing.classes = words::class_names(root, folders)?;
    Ok(listing)
}
