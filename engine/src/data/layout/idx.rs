//! MNIST's format (<http://yann.lecun.com/exdb/mnist>): an IDX file of grey pictures and one of labels for each split, plain or
//! packed by gzip. Fashion-MNIST, KMNIST and EMNIST have it, too.
//!
//! The classes are the labels that the training images have, in the order of their numbers: EMNIST's letters begin with 1. A
//! mapping file of EMNIST gives them their characters. EMNIST's pictures lie on their side in its files and stay so.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek},
    path::Path,
};

use shared::api::Layout;

use super::{
    Listing,
    files::{name_of, text, visible},
    gzip,
};
use crate::{
    data::{
        DataError,
        error::Unreadable,
        records::{Order, RecordFile, Shape},
    },
    files,
    hash::hex,
};

/// Largest side of a picture in pixels.
const MAX_SIDE: u32 = 4096;

/// The four files of a data set, by what they are.
#[derive(Default)]
struct Members {
    train_images: Option<String>,
    train_labels: Option<String>,
    test_images: Option<String>,
    test_labels: Option<String>,
}

/// Whether a folder looks like this layout.
pub fn fits(root: &Path) -> bool {
    sets(root).is_ok_and(|sets| !sets.is_empty())
}

/// Lists the folder at `root`. Unpacks what is packed into unnamed temporary files.
pub fn list(root: &Path) -> Result<Listing, DataError> {
    let sets = sets(root)?;
    if sets.len() > 1 {
        let names: Vec<&str> = sets.keys().map(|prefix| prefix.trim_end_matches('-')).collect();
        let reason = format!(
            "it holds several data sets ({}); give each a folder of its own",
            names.join(", ")
        );
        return Err(DataError::Member { file: root.into(), reason });
    }
    let (prefix, members) = sets.into_iter().next().unwrap_or_default();
    let train = split(root, members.train_images, members.train_labels, &format!("{prefix}train"))?;
    let test = split(root, members.test_images, members.test_labels, &format!("{prefix}t10k"))?;

    let mut numbers = train.labels.clone();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() < 2 {
        let found = format!("one class, {}", numbers[0]);
        return Err(DataError::TooFewClasses { folder: root.join(&train.images), found });
    }
    let class = |(n, label): (usize, u8)| {
        numbers.binary_search(&label).map(|class| class as u32).map_err(|_| DataError::Member {
            file: root.join(&test.label_file),
            reason: format!("record {n} has the label {label}, which no training image has"),
        })
    };
    let test_classes =
        test.labels.iter().copied().enumerate().map(class).collect::<Result<_, _>>()?;
    let train_classes =
        train.labels.iter().map(|label| numbers.partition_point(|n| n < label) as u32);

    let mut listing = Listing { classes: names(root, &prefix, &numbers)?, ..Listing::default() };
    listing.members.extend([train.label_file, test.label_file]);
    listing.add_optional_member(root, &mapping(&prefix));
    listing.add_train(&train.images, train.file, train_classes.collect());
    listing.add_test(&test.images, test.file, test_classes);
    Ok(listing)
}

/// The data sets in a folder by the prefix of their files' names: none but for EMNIST.
fn sets(root: &Path) -> Result<BTreeMap<String, Members>, DataError> {
    let mut sets: BTreeMap<String, Members> = BTreeMap::new();
    let mut names = visible(root)?.iter().map(name_of).collect::<Result<Vec<_>, _>>()?;
    // A plain file comes before its packed form, and the first is kept.
    names.sort_unstable();
    for name in names {
        let plain = name.strip_suffix(".gz").unwrap_or(&name).replace(".idx", "-idx");
        for (end, member) in [
            ("train-images-idx3-ubyte", 0),
            ("train-labels-idx1-ubyte", 1),
            ("t10k-images-idx3-ubyte", 2),
            ("test-images-idx3-ubyte", 2),
            ("t10k-labels-idx1-ubyte", 3),
            ("test-labels-idx1-ubyte", 3),
        ] {
            if let Some(prefix) = plain.strip_suffix(end) {
                let set = sets.entry(prefix.to_owned()).or_default();
                let place = match member {
                    0 => &mut set.train_images,
                    1 => &mut set.train_labels,
                    2 => &mut set.test_images,
                    _ => &mut set.test_labels,
                };
                place.get_or_insert_with(|| name.clone());
            }
        }
    }
    Ok(sets)
}

/// Pictures and labels of a split.
struct Half {
    images: String,
    label_file: String,
    file: RecordFile,
    labels: Vec<u8>,
}

fn split(
    root: &Path,
    images: Option<String>,
    labels: Option<String>,
    name: &str,
) -> Result<Half, DataError> {
    let missing = |part: &str| DataError::NoMember {
        folder: root.into(),
        file: format!("{name}-{part}-ubyte"),
        layout: Layout::Idx.title(),
    };
    let images = images.ok_or_else(|| missing("images-idx3"))?;
    let label_file = labels.ok_or_else(|| missing("labels-idx1"))?;
    let (file, [count, height, width]) = open(&root.join(&images))?;
    let (mut label_bytes, [label_count]) = open(&root.join(&label_file))?;
    if label_count != count {
        let reason = format!("it has {label_count} labels, but {images} has {count} pictures");
        return Err(DataError::Member { file: root.join(&label_file), reason });
    }
    let mut labels = Vec::new();
    label_bytes.read_to_end(&mut labels).map_err(|source| DataError::Unreadable {
        path: root.join(&label_file),
        reason: Unreadable::Io(source),
    })?;
    let shape = Shape {
        header: 16,
        labels: 0,
        width: width as usize,
        height: height as usize,
        order: Order::GreyRows,
    };
    let file = RecordFile::new(root.join(&images), file, shape, count);
    Ok(Half { images, label_file, file, labels })
}

/// Opens an IDX file of bytes with `N` sizes, the first of which counts its records. The file stands behind its header then.
fn open<const N: usize>(path: &Path) -> Result<(File, [u32; N]), DataError> {
    let failed =
        |source| DataError::Unreadable { path: path.into(), reason: Unreadable::Io(source) };
    let wrong = |reason| DataError::Member { file: path.into(), reason };
    let mut file = files::open(path).map_err(failed)?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        file = gzip::unpacked(file, path)?;
    }
    let length = file.metadata().map_err(failed)?.len();
    let header = 4 + 4 * N as u64;
    if length < header {
        return Err(wrong(format!("it has {length} bytes; its header alone takes {header}")));
    }
    let mut number = [0; 4];
    file.rewind().and_then(|()| file.read_exact(&mut number)).map_err(failed)?;
    if number != [0, 0, 8, N as u8] {
        let found = hex(&number);
        return Err(wrong(format!(
            "it begins with {found}; an IDX file of this kind with 0000080{N}"
        )));
    }
    let mut sizes = [0; N];
    for size in &mut sizes {
        file.read_exact(&mut number).map_err(failed)?;
        *size = u32::from_be_bytes(number);
    }
    if sizes[0] == 0 || sizes[1..].iter().any(|&side| side == 0 || side > MAX_SIDE) {
        return Err(wrong(format!(
            "its header has the sizes {sizes:?}; at least one record, and sides of 1 to {MAX_SIDE} pixels are taken"
        )));
    }
    let announced = header + sizes.iter().map(|&size| u64::from(size)).product::<u64>();
    if length != announced {
        return Err(wrong(format!("it has {length} bytes; its header announces {announced}")));
    }
    Ok((file, sizes))
}

fn mapping(prefix: &str) -> String {
    format!("{prefix}mapping.txt")
}

/// The characters of EMNIST's mapping (`<label> <code> …` a line) where it has each label, else the labels.
fn names(root: &Path, prefix: &str, numbers: &[u8]) -> Result<Vec<String>, DataError> {
    let plain = numbers.iter().map(u8::to_string).collect();
    let path = root.join(mapping(prefix));
    if !path.is_file() {
        return Ok(plain);
    }
    let text = text(&path)?;
    let name = |line: &str| {
        let mut fields = line.split_whitespace();
        let label: u8 = fields.next()?.parse().ok()?;
        let character = char::from_u32(fields.next()?.parse().ok()?)?;
        Some((label, character.to_string()))
    };
    let names: BTreeMap<u8, String> = text.lines().filter_map(name).collect();
    let known: Option<Vec<String>> = numbers.iter().map(|n| names.get(n).cloned()).collect();
    Ok(known.unwrap_or(plain))
}
