//! Folders of classes without splits: `<class>/**`. A share of each class is held out for validation.

use std::path::Path;

use super::{
    Listing,
    files::{contents, folder_names, is_image_name},
    image_folder::{add_stray_files, class_folders, split_files},
    words,
};
use crate::data::DataError;

/// Folders that are looked into to see whether they are classes.
const LOOKED_INTO: usize = 50;

/// Whether a folder looks like this layout: at least two of its folders have images.
pub fn fits(root: &Path) -> bool {
    let folders = folder_names(root).unwrap_or_default();
    let has_image = |folder: &&String| {
        contents(&root.join(folder))
            .is_ok_and(|all| all.iter().any(|entry| is_image_name(&entry.path())))
    };
    folders.iter().take(LOOKED_INTO).filter(has_image).take(2).count() == 2
}

/// Lists the folder at `root`; all images are training images.
pub fn list(root: &Path) -> Result<Listing, DataError> {
    let mut listing = Listing::default();
    let classes = class_folders(root)?;
    (listing.train, listing.train_bytes) = split_files(root, ".", &classes, &mut listing.left)?;
    listing.members.extend(words::member(root));
    add_stray_files(root, ".", &listing.members, &mut listing.left)?;
    listing.classes = words::class_names(root, classes)?;
    Ok(listing)
}
