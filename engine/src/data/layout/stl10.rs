//! STL-10, binary version (<https://cs.stanford.edu/~acoates/stl10>): `train_X.bin` and `test_X.bin` hold 3 x 96 x 96 bytes a
//! picture, column by column; `train_y.bin` and `test_y.bin` a label of 1 to 10 each. The unlabelled pictures are not read.

use std::path::Path;

use shared::api::Layout;

use super::{
    Listing,
    files::{bytes, class_names, member},
};
use crate::data::{
    DataError,
    records::{Order, RecordFile, Shape, checked_label},
};

const CLASSES: u8 = 10;
/// Longest file of labels that is read, in bytes.
const MAX_LABELS: u64 = 64 << 20;
const NAMES: &str = "class_names.txt";
const SHAPE: Shape =
    Shape { header: 0, labels: 0, width: 96, height: 96, order: Order::PlanesOfColumns };

/// Whether a folder looks like this layout.
pub fn fits(root: &Path) -> bool {
    ["train_X.bin", "test_X.bin"].iter().any(|name| root.join(name).is_file())
}

/// Lists the folder at `root`.
pub fn list(root: &Path) -> Result<Listing, DataError> {
    let mut listing =
        Listing { classes: class_names(&root.join(NAMES), CLASSES.into())?, ..Listing::default() };
    let (file, labels) = read(root, "train_X.bin", "train_y.bin")?;
    listing.add_train("train_X.bin", file, labels);
    let (file, labels) = read(root, "test_X.bin", "test_y.bin")?;
    listing.add_test("test_X.bin", file, labels);
    listing.members.extend(["train_y.bin", "test_y.bin"].map(Into::into));
    listing.add_optional_member(root, NAMES);
    Ok(listing)
}

fn read(root: &Path, pictures: &str, labels: &str) -> Result<(RecordFile, Vec<u32>), DataError> {
    let file = RecordFile::open(member(root, Layout::Stl10, &[pictures])?, SHAPE)?;
    let path = member(root, Layout::Stl10, &[labels])?;
    let bytes = bytes(&path, MAX_LABELS)?;
    if bytes.len() != file.records as usize {
        let reason = format!(
            "it has {} labels, but {pictures} has {} pictures; every picture needs one",
            bytes.len(),
            file.records
        );
        return Err(DataError::Member { file: path, reason });
    }
    let class =
        |(n, &label): (u32, &u8)| Ok(u32::from(checked_label(&path, n, label, 1, CLASSES)? - 1));
    let classes = (0..).zip(&bytes).map(class).collect::<Result<_, DataError>>()?;
    Ok((file, classes))
}
