//! CIFAR-10 and CIFAR-100, binary version (<https://www.cs.toronto.edu/~kriz/cifar.html>): records of one label byte, or
//! for CIFAR-100 a coarse and a fine one, and 3 x 32 x 32 bytes of red, green and blue.

use std::path::Path;

use shared::api::Layout;

use super::{
    Listing,
    files::{class_names, member},
};
use crate::data::{
    DataError,
    records::{Order, RecordFile, Shape},
};

const TRAIN_10: [&str; 5] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
];

/// What tells the two apart.
struct Version {
    layout: Layout,
    train: &'static [&'static str],
    test: &'static str,
    /// File of class names.
    names: &'static str,
    classes: u8,
    /// Label bytes before the pixels; the last is the class.
    labels: usize,
}

const CIFAR_10: Version = Version {
    layout: Layout::Cifar10,
    train: &TRAIN_10,
    test: "test_batch.bin",
    names: "batches.meta.txt",
    classes: 10,
    labels: 1,
};

const CIFAR_100: Version = Version {
    layout: Layout::Cifar100,
    train: &["train.bin"],
    test: "test.bin",
    names: "fine_label_names.txt",
    classes: 100,
    labels: 2,
};

/// Whether a folder looks like CIFAR-10.
pub fn fits_10(root: &Path) -> bool {
    TRAIN_10.iter().chain(&["test_batch.bin"]).any(|name| root.join(name).is_file())
}

/// Whether a folder looks like CIFAR-100.
pub fn fits_100(root: &Path) -> bool {
    ["train.bin", "test.bin"].iter().any(|name| root.join(name).is_file())
}

/// Lists CIFAR-10.
pub fn list_10(root: &Path) -> Result<Listing, DataError> {
    list(root, &CIFAR_10)
}

/// Lists CIFAR-100.
pub fn list_100(root: &Path) -> Result<Listing, DataError> {
    list(root, &CIFAR_100)
}

fn list(root: &Path, version: &Version) -> Result<Listing, DataError> {
    let shape = Shape {
        header: 0,
        labels: version.labels,
        width: 32,
        height: 32,
        order: Order::PlanesOfRows,
    };
    let mut listing = Listing {
        classes: class_names(&root.join(version.names), version.classes.into())?,
        ..Listing::default()
    };
    for name in version.train {
        let (file, labels) = read(root, name, version, shape)?;
        listing.add_train(name, file, labels);
    }
    let (file, labels) = read(root, version.test, version, shape)?;
    listing.add_test(version.test, file, labels);
    listing.add_optional_member(root, version.names);
    Ok(listing)
}

fn read(
    root: &Path,
    name: &str,
    version: &Version,
    shape: Shape,
) -> Result<(RecordFile, Vec<u32>), DataError> {
    let file = RecordFile::open(member(root, version.layout, &[name])?, shape)?;
    let labels = file.labels(version.labels - 1, version.classes)?;
    Ok((file, labels.into_iter().map(u32::from).collect()))
}
