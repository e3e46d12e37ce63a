//! ImageNet (ILSVRC 2012) as it is published: `train/<wnid>/*`, and all validation images in `val`, without folders of classes.
//!
//! The classes of the validation images are in one of these, looked for in this order:
//!
//! * `LOC_val_solution.csv` of the competition on Kaggle;
//! * a list of one wnid a line, in the order of the images;
//! * `ILSVRC2012_validation_ground_truth.txt` of the development kit: a number a line, whose wnids are in `meta.mat` beside it.
//!
//! Classes are in the order of their wnids, as in the rearranged form. Images of classes without a training folder are left out, so that
//! ImageNet-100 needs no other list.

use std::{collections::HashMap, path::Path};

use shared::api::Layout;

use super::{
    Listing, by_class,
    files::{self, folder_names, image_files},
    image_folder::{TRAIN, add_stray_files, class_folders, split_files, split_folder},
    mat,
    table::{Row, Table},
    words,
};
use crate::data::{DataError, Entry};

/// Kaggle's list.
const KAGGLE: &str = "LOC_val_solution.csv";
/// Lists of one wnid a line.
const LISTS: [&str; 5] = [
    "imagenet_2012_validation_synset_labels.txt",
    "ILSVRC2012_validation_synset_labels.txt",
    "val_synsets.txt",
    "val_wnids.txt",
    "val_labels.txt",
];
const GROUND_TRUTH: &str = "ILSVRC2012_validation_ground_truth.txt";
const META: &str = "meta.mat";
/// Folders below the data set's in which the lists lie, too.
const FOLDERS: [&str; 6] =
    ["", "val", "devkit/data", "ILSVRC2012_devkit_t12/data", "data", "ILSVRC2012_devkit_t12"];
/// The folder of the images in Kaggle's archive.
const IN_KAGGLE: &str = "ILSVRC/Data/CLS-LOC";
/// Images of the validation split of ILSVRC 2012; a list of wnids may be as long, whatever part of them is there.
const VALIDATION: usize = 50_000;

/// Where the lists say that the classes are.
enum Source {
    Kaggle(String),
    List(String),
    GroundTruth(String),
}

/// Whether a folder looks like this layout.
pub fn fits(root: &Path) -> bool {
    let Some((train, val)) = splits(root) else { return false };
    source(root).is_some()
        && folder_names(&root.join(&val)).is_ok_and(|folders| folders.is_empty())
        && folder_names(&root.join(&train)).is_ok_and(|folders| folders.len() > 1)
}

/// The folders of both splits.
fn splits(root: &Path) -> Option<(String, String)> {
    ["", IN_KAGGLE].iter().find_map(|below| {
        let folder = root.join(below);
        let (train, val) = (
            split_folder(&folder, &TRAIN)?,
            split_folder(&folder, &["val", "valid", "validation"])?,
        );
        let path = |name: String| if below.is_empty() { name } else { format!("{below}/{name}") };
        Some((path(train), path(val)))
    })
}

fn source(root: &Path) -> Option<Source> {
    let at = |name: &str| {
        let path = |folder: &str| {
            if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
        };
        FOLDERS.iter().map(|folder| path(folder)).find(|path| root.join(path).is_file())
    };
    let list = || LISTS.iter().find_map(|name| at(name));
    at(KAGGLE)
        .map(Source::Kaggle)
        .or_else(|| list().map(Source::List))
        .or_else(|| at(GROUND_TRUTH).map(Source::GroundTruth))
}

/// Lists the folder at `root`. Opens no image.
pub fn list(root: &Path) -> Result<Listing, DataError> {
    let mut listing = Listing::default();
    let (train, val) = splits(root).ok_or_else(|| DataError::NoTest(root.into()))?;
    let folders = class_folders(&root.join(&train))?;
    (listing.train, listing.train_bytes) = split_files(root, &train, &folders, &mut listing.left)?;
    add_stray_files(root, &train, &[], &mut listing.left)?;
    let source = source(root).ok_or_else(|| DataError::NoMember {
        folder: root.into(),
        file: KAGGLE.into(),
        layout: Layout::ImageNet.title(),
    })?;
    let (Source::Kaggle(list) | Source::List(list) | Source::GroundTruth(list)) = &source;
    listing.members.push(list.clone());
    listing.left.uses(list);
    let images = image_files(root, &val, &mut listing.left)?;
    let wnids = match source {
        Source::Kaggle(list) => by_name(root, &list)?,
        Source::List(list) => {
            let text = files::text(&root.join(&list))?;
            let wnids =
                text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
            in_order(&root.join(&list), wnids.collect(), &images)?
        }
        Source::GroundTruth(list) => {
            let meta = Path::new(&list).with_file_name(META);
            listing.members.extend(meta.to_str().map(Into::into));
            let wnids = by_number(&root.join(&list), &root.join(meta))?;
            in_order(&root.join(&list), wnids, &images)?
        }
    };
    let numbers: HashMap<&str, u32> = folders.iter().map(String::as_str).zip(0..).collect();
    let mut of_classes = Vec::new();
    for (path, bytes) in images {
        match wnids.get(stem(&path)).map(|wnid| numbers.get(wnid.as_str())) {
            Some(Some(&class)) => of_classes.push((Entry::file(path, class), bytes)),
            Some(None) => {
                listing.left.add("a validation image of a class without training images", path);
            }
            None => listing.left.add("a validation image without a class in the list", path),
        }
    }
    (listing.test, listing.test_bytes) = by_class(of_classes);
    listing.members.extend(words::member(root));
    listing.add_unused(root, "beside the images")?;
    listing.classes = words::class_names(root, folders)?;
    Ok(listing)
}

/// A file's name without folder and extension.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name)
}

/// The wnids of Kaggle's list by image: a prediction begins with its wnid.
fn by_name(root: &Path, list: &str) -> Result<HashMap<String, String>, DataError> {
    let table = Table::open(&root.join(list), ',')?;
    let mut found = HashMap::new();
    for Row { line, fields: [image, prediction] } in table.rows(["ImageId", "PredictionString"])? {
        let wnid = prediction.split_whitespace().next();
        let wnid = wnid.ok_or_else(|| table.wrong(format!("line {line} has no wnid")))?;
        found.insert(stem(image).to_owned(), wnid.to_owned());
    }
    Ok(found)
}

/// The wnids of a list in the order of the images. It names each image that is there, or all of ILSVRC 2012, whose names end in their
/// number.
fn in_order(
    list: &Path,
    wnids: Vec<String>,
    images: &[(String, u64)],
) -> Result<HashMap<String, String>, DataError> {
    let names = images.iter().map(|(path, _)| stem(path).to_owned());
    if wnids.len() == images.len() {
        return Ok(names.zip(wnids).collect());
    }
    if wnids.len() == VALIDATION {
        let number = |name: &str| name.rsplit('_').next()?.parse::<usize>().ok()?.checked_sub(1);
        let of = |name: String| Some((name.clone(), wnids.get(number(&name)?)?.clone()));
        return Ok(names.filter_map(of).collect());
    }
    let reason = format!(
        "it has {} lines, but there are {} validation images; it needs one for each, or {VALIDATION} for all of ILSVRC 2012",
        wnids.len(),
        images.len()
    );
    Err(DataError::Member { file: list.into(), reason })
}

/// The wnids of the development kit's list of numbers.
fn by_number(list: &Path, meta: &Path) -> Result<Vec<String>, DataError> {
    if !meta.is_file() {
        let reason = format!(
            "its numbers are those of the development kit; {META} with their wnids has to lie beside it"
        );
        return Err(DataError::Member { file: list.into(), reason });
    }
    let synsets = mat::synsets(&files::bytes(meta, 64 << 20)?)
        .map_err(|reason| DataError::Member { file: meta.into(), reason })?;
    let text = files::text(list)?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let wnid = line.trim().parse().ok().and_then(|id: u32| synsets.get(&id));
            wnid.cloned().ok_or_else(|| DataError::Member {
                file: list.into(),
                reason: format!(
                    "line {number}: {line:?} is none of the {} numbers in {META}",
                    synsets.len()
                ),
            })
        })
        .collect()
}
