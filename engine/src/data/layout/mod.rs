//! The layouts in which data sets come, one a file: which one a folder has, and what its images are.

mod cifar;
mod files;
mod gtsrb;
mod gzip;
mod idx;
mod image_folder;
mod left_over;
mod stl10;
mod table;
mod tiny_imagenet;
mod words;

use std::path::{Path, PathBuf};

use shared::api::Layout;

use super::{DataError, Entry, records::RecordFile};
use left_over::LeftOver;

/// What a data set's folder holds.
#[derive(Default)]
pub(super) struct Listing {
    /// Class names in the layout's own order.
    pub classes: Vec<String>,
    /// Training images by class, then by name or place.
    pub train: Vec<Entry>,
    /// Validation images, likewise.
    pub test: Vec<Entry>,
    /// Sizes of the training images' files in bytes; empty when they lie in files of records.
    pub train_bytes: Vec<u64>,
    /// Sizes of the validation images' files.
    pub test_bytes: Vec<u64>,
    /// All other files that the images and their classes come from, as paths below the folder.
    pub members: Vec<String>,
    /// Files of records, in the order in which entries number them.
    pub records: Vec<RecordFile>,
    /// What belongs to none of them.
    pub left: LeftOver,
}

impl Listing {
    /// Adds a file of training images with the class of each.
    fn add_train(&mut self, name: &str, file: RecordFile, classes: Vec<u32>) {
        self.train.extend(record_entries(name, self.records.len(), classes));
        self.train.sort_by_key(|entry| entry.class);
        self.members.push(name.into());
        self.records.push(file);
    }

    /// Adds a file of validation images with the class of each.
    fn add_test(&mut self, name: &str, file: RecordFile, classes: Vec<u32>) {
        self.test.extend(record_entries(name, self.records.len(), classes));
        self.test.sort_by_key(|entry| entry.class);
        self.members.push(name.into());
        self.records.push(file);
    }

    /// Adds a file that need not be there.
    fn add_optional_member(&mut self, root: &Path, name: &str) {
        if root.join(name).is_file() {
            self.members.push(name.into());
        }
    }

    /// Refuses a class without an image in one of the splits.
    fn check(&self) -> Result<(), DataError> {
        for (split, entries) in [("training", &self.train), ("validation", &self.test)] {
            let mut counts = vec![0u32; self.classes.len()];
            for entry in entries {
                counts[entry.class as usize] += 1;
            }
            if let Some(class) = counts.iter().position(|&count| count == 0) {
                return Err(DataError::NoneOfClass { class: self.classes[class].clone(), split });
            }
        }
        Ok(())
    }
}

fn record_entries(
    name: &str,
    file: usize,
    classes: Vec<u32>,
) -> impl Iterator<Item = Entry> + use<'_> {
    (0..).zip(classes).map(move |(n, class)| Entry::record(format!("{name}/{n}"), class, file, n))
}

/// Images with the sizes of their files, stably sorted by class.
fn by_class(mut images: Vec<(Entry, u64)>) -> (Vec<Entry>, Vec<u64>) {
    images.sort_by_key(|(entry, _)| entry.class);
    images.into_iter().unzip()
}

/// Whether a folder looks like a layout. More of them than one may: the first in [`ORDER`] is taken.
fn fits(layout: Layout, root: &Path) -> bool {
    match layout {
        Layout::ImageFolder => image_folder::fits(root),
        Layout::TinyImageNet => tiny_imagenet::fits(root),
        Layout::Cifar10 => cifar::fits_10(root),
        Layout::Cifar100 => cifar::fits_100(root),
        Layout::Stl10 => stl10::fits(root),
        Layout::Gtsrb => gtsrb::fits(root),
        Layout::GtsrbKaggle => gtsrb::fits_kaggle(root),
        Layout::Idx => idx::fits(root),
        Layout::Drawn => false,
    }
}

/// The layouts in the order in which they are looked for. The image folder asks for the least, so it comes last.
const ORDER: [Layout; 8] = [
    Layout::Cifar10,
    Layout::Cifar100,
    Layout::Stl10,
    Layout::Idx,
    Layout::Gtsrb,
    Layout::GtsrbKaggle,
    Layout::TinyImageNet,
    Layout::ImageFolder,
];

/// Folders that the published archives unpack to, below which a layout is looked for, too.
fn subfolders(layout: Layout) -> &'static [&'static str] {
    match layout {
        Layout::Cifar10 => &["cifar-10-batches-bin"],
        Layout::Cifar100 => &["cifar-100-binary"],
        Layout::Stl10 => &["stl10_binary"],
        Layout::Gtsrb => &["GTSRB"],
        Layout::TinyImageNet | Layout::ImageFolder => &["tiny-imagenet-200"],
        Layout::Idx => &["raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw"],
        Layout::GtsrbKaggle | Layout::Drawn => &[],
    }
}

/// Finds the layout of a folder, and the folder that it begins in: this one, or the one that its archive unpacks to.
///
/// # Errors
/// When the folder is not there or has none of the layouts.
pub(super) fn find(folder: &Path) -> Result<(Layout, PathBuf), DataError> {
    check_folder(folder)?;
    if let Some(layout) = ORDER.into_iter().find(|&layout| fits(layout, folder)) {
        return Ok((layout, folder.into()));
    }
    for layout in ORDER {
        for name in subfolders(layout) {
            let below = folder.join(name);
            if below.is_dir() && fits(layout, &below) {
                return Ok((layout, below));
            }
        }
    }
    Err(DataError::NoLayout { folder: folder.into(), found: contents(folder)? })
}

/// Lists the images of a folder of this layout.
///
/// # Errors
/// When a file of the layout is missing or not as it should be, or a class has no image.
pub(super) fn list(layout: Layout, root: &Path) -> Result<Listing, DataError> {
    check_folder(root)?;
    let listing = match layout {
        Layout::ImageFolder => image_folder::list(root),
        Layout::TinyImageNet => tiny_imagenet::list(root),
        Layout::Cifar10 => cifar::list_10(root),
        Layout::Cifar100 => cifar::list_100(root),
        Layout::Stl10 => stl10::list(root),
        Layout::Gtsrb => gtsrb::list(root),
        Layout::GtsrbKaggle => gtsrb::list_kaggle(root),
        Layout::Idx => idx::list(root),
        Layout::Drawn => Err(DataError::NoLayout { folder: root.into(), found: contents(root)? }),
    }?;
    listing.check()?;
    Ok(listing)
}

fn check_folder(folder: &Path) -> Result<(), DataError> {
    if !folder.exists() {
        return Err(DataError::Missing(folder.into()));
    }
    if !folder.is_dir() {
        return Err(DataError::NotAFolder(folder.into()));
    }
    Ok(())
}

/// The first names in a folder, in words.
fn contents(folder: &Path) -> Result<String, DataError> {
    const SHOWN: usize = 8;
    let mut names = Vec::new();
    for entry in files::visible(folder)? {
        let end = if entry.path().is_dir() { "/" } else { "" };
        names.push(format!("{}{end}", entry.file_name().to_string_lossy()));
    }
    names.sort_unstable();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    Ok(match (names.is_empty(), more) {
        (true, _) => "nothing".into(),
        (_, 0) => names.join(", "),
        (_, more) => format!("{} and {more} more", names.join(", ")),
    })
}

#[cfg(test)]
mod tests;
