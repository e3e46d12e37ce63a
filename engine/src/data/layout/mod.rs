//! The layouts in which data sets come, one a file: which one a folder has, and what its images are.

mod cifar;
mod class_folders;
mod files;
mod gtsrb;
mod gzip;
mod idx;
mod image_folder;
mod imagenet;
mod imagenet100_kaggle;
mod labels;
mod left_over;
mod lists;
mod mat;
mod nearest;
mod parquet;
mod shards;
mod stl10;
mod table;
mod tiny_imagenet;
mod webdataset;
mod words;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use shared::{
    api::Layout,
    dataset::HoldOut,
    stream::{Purpose, shuffle, stream},
};

use super::{
    DataError, Entry,
    records::{RecordFile, Records},
};
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
    pub records: Vec<Records>,
    /// What belongs to none of them.
    pub left: LeftOver,
}

impl Listing {
    /// Adds a file of training images with the class of each.
    fn add_train(&mut self, name: &str, file: RecordFile, classes: Vec<u32>) {
        self.add_records(
            name,
            file.into(),
            &classes.into_iter().map(Some).collect::<Vec<_>>(),
            true,
        );
    }

    /// Adds a file of validation images with the class of each.
    fn add_test(&mut self, name: &str, file: RecordFile, classes: Vec<u32>) {
        self.add_records(
            name,
            file.into(),
            &classes.into_iter().map(Some).collect::<Vec<_>>(),
            false,
        );
    }

    /// Adds a file of images with the class of each; those without a class are no images of the data set.
    fn add_records(&mut self, name: &str, file: Records, classes: &[Option<u32>], is_train: bool) {
        self.add_named_records(name, file, classes, is_train, |n| format!("{name}/{n}"));
    }

    /// Likewise, with a name for each image.
    fn add_named_records(
        &mut self,
        name: &str,
        file: Records,
        classes: &[Option<u32>],
        is_train: bool,
        name_of: impl Fn(u32) -> String,
    ) {
        let number = self.records.len();
        let entries = (0..)
            .zip(classes)
            .filter_map(|(n, class)| Some(Entry::record(name_of(n), (*class)?, number, n)));
        let split = if is_train { &mut self.train } else { &mut self.test };
        split.extend(entries);
        self.members.push(name.into());
        self.records.push(file);
    }

    /// Leaves out what is in the folder but in none of the images' and members' paths.
    fn add_unused(&mut self, root: &Path, reason: &str) -> Result<(), DataError> {
        let first = |path: &String| path.split('/').next().unwrap_or_default().to_owned();
        let images = self.train.iter().chain(&self.test).map(|entry| &entry.name);
        let used: HashSet<String> = images.chain(&self.members).map(first).collect();
        let mut names = Vec::new();
        for entry in files::contents(root)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !used.contains(&name) {
                names.push(if entry.path().is_dir() { format!("{name}/") } else { name });
            }
        }
        names.sort_unstable();
        for name in names {
            self.left.add(reason, name);
        }
        Ok(())
    }

    /// Moves a share of each class's training images to the validation images.
    fn hold_out(&mut self, share: HoldOut) {
        let sized = self.train_bytes.len() == self.train.len();
        let mut of_classes: Vec<Vec<usize>> = vec![Vec::new(); self.classes.len()];
        for (at, entry) in self.train.iter().enumerate() {
            of_classes[entry.class as usize].push(at);
        }
        let mut held = vec![false; self.train.len()];
        for (class, mut places) in of_classes.into_iter().enumerate() {
            let count = share.share.of(places.len());
            shuffle(&mut stream(share.seed, Purpose::HoldOut, class as u64, 0), &mut places);
            for &at in places.iter().take(count) {
                held[at] = true;
            }
        }
        let (train, bytes) =
            (std::mem::take(&mut self.train), std::mem::take(&mut self.train_bytes));
        for (at, entry) in train.into_iter().enumerate() {
            let (entries, sizes) = if held[at] {
                (&mut self.test, &mut self.test_bytes)
            } else {
                (&mut self.train, &mut self.train_bytes)
            };
            entries.push(entry);
            if sized {
                sizes.push(bytes[at]);
            }
        }
    }

    /// Adds a file that need not be there.
    fn add_optional_member(&mut self, root: &Path, name: &str) {
        if root.join(name).is_file() {
            self.members.push(name.into());
        }
    }

    /// Refuses fewer than two classes, and a class without an image in one of the splits.
    fn check(&self, root: &Path) -> Result<(), DataError> {
        if self.classes.len() < 2 {
            let found = self
                .classes
                .first()
                .map_or("no class".into(), |class| format!("one class, {class}"));
            return Err(DataError::TooFewClasses { folder: root.into(), found });
        }
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
        Layout::ImageNet => imagenet::fits(root),
        Layout::ImageNet100Kaggle => imagenet100_kaggle::fits(root),
        Layout::Parquet => parquet::fits(root),
        Layout::WebDataset => webdataset::fits(root),
        Layout::Lists => lists::fits(root),
        Layout::ClassFolders => class_folders::fits(root),
        Layout::Cifar10 => cifar::fits_10(root),
        Layout::Cifar100 => cifar::fits_100(root),
        Layout::Stl10 => stl10::fits(root),
        Layout::Gtsrb => gtsrb::fits(root),
        Layout::GtsrbKaggle => gtsrb::fits_kaggle(root),
        Layout::Idx => idx::fits(root),
        Layout::Drawn => false,
    }
}

/// The layouts in the order in which they are looked for: those that ask for the least come last.
const ORDER: [Layout; 14] = [
    Layout::Cifar10,
    Layout::Cifar100,
    Layout::Stl10,
    Layout::Idx,
    Layout::Gtsrb,
    Layout::GtsrbKaggle,
    Layout::TinyImageNet,
    Layout::ImageNet,
    Layout::ImageNet100Kaggle,
    Layout::Parquet,
    Layout::WebDataset,
    Layout::Lists,
    Layout::ImageFolder,
    Layout::ClassFolders,
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
        Layout::GtsrbKaggle
        | Layout::ImageNet
        | Layout::ImageNet100Kaggle
        | Layout::Parquet
        | Layout::WebDataset
        | Layout::Lists
        | Layout::ClassFolders
        | Layout::Drawn => &[],
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
    Err(no_layout(folder)?)
}

/// Lists the images of a folder of this layout.
///
/// # Errors
/// When a file of the layout is missing or not as it should be, or a class has no image.
pub(super) fn list(
    layout: Layout,
    root: &Path,
    hold_out: Option<HoldOut>,
) -> Result<Listing, DataError> {
    check_folder(root)?;
    let mut listing = match layout {
        Layout::ImageFolder => image_folder::list(root, hold_out.is_some()),
        Layout::ImageNet => imagenet::list(root),
        Layout::ImageNet100Kaggle => imagenet100_kaggle::list(root),
        Layout::Parquet => parquet::list(root, hold_out.is_some()),
        Layout::WebDataset => webdataset::list(root, hold_out.is_some()),
        Layout::Lists => lists::list(root),
        Layout::ClassFolders => class_folders::list(root),
        Layout::TinyImageNet => tiny_imagenet::list(root),
        Layout::Cifar10 => cifar::list_10(root),
        Layout::Cifar100 => cifar::list_100(root),
        Layout::Stl10 => stl10::list(root),
        Layout::Gtsrb => gtsrb::list(root),
        Layout::GtsrbKaggle => gtsrb::list_kaggle(root),
        Layout::Idx => idx::list(root),
        Layout::Drawn => Err(no_layout(root)?),
    }?;
    // Records come in the order of their files; other images are in the order of their classes, as their sizes are.
    if !listing.records.is_empty() {
        listing.train.sort_by_key(|entry| entry.class);
        listing.test.sort_by_key(|entry| entry.class);
    }
    match hold_out {
        Some(share) if listing.test.is_empty() => listing.hold_out(share),
        Some(_) => {
            return Err(DataError::OwnValidation { folder: root.into(), layout: layout.title() });
        }
        None if listing.test.is_empty() => {
            return Err(DataError::NoSplit { folder: root.into(), layout: layout.title() });
        }
        None => {}
    }
    listing.check(root)?;
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

fn no_layout(folder: &Path) -> Result<DataError, DataError> {
    Ok(DataError::NoLayout {
        folder: folder.into(),
        found: contents(folder)?,
        advice: nearest::advice(folder),
    })
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
