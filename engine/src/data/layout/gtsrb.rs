//! The German traffic signs (GTSRB, Stallkamp et al. 2012): as published, with the training images in
//! `Final_Training/Images/<class>` (torchvision's copy: `Training/<class>`), and as Kaggle has them.
//!
//! Classes are the numbers of the training folders. Whole images are taken, not the regions that the tables name.

use std::{collections::HashMap, path::Path};

use shared::api::Layout;

use super::{
    Listing, by_class,
    files::{folder_names, image_files, member},
    image_folder::split_files,
    table::Table,
};
use crate::data::{DataError, Entry};

/// Where the published training images lie.
const TRAIN: [&str; 2] = ["Final_Training/Images", "Training"];
const TEST: &str = "Final_Test/Images";
/// The classes of the published test images come in an archive of their own.
const LABELS: [&str; 4] = [
    "Final_Test/Images/GT-final_test.csv",
    "Final_Test/GT-final_test.csv",
    "GT-final_test.csv",
    "../GT-final_test.csv",
];

/// Whether a folder looks like the published layout.
pub fn fits(root: &Path) -> bool {
    root.join("Final_Training").is_dir() || root.join("Final_Test").is_dir()
}

/// Whether a folder looks like Kaggle's.
pub fn fits_kaggle(root: &Path) -> bool {
    root.join("Train").is_dir()
        && ["Test.csv", "Train.csv"].iter().any(|name| root.join(name).is_file())
}

/// Lists the published layout. Opens no image.
pub fn list(root: &Path) -> Result<Listing, DataError> {
    let train = TRAIN.into_iter().find(|folder| root.join(folder).is_dir());
    let train = train.ok_or_else(|| missing(root, Layout::Gtsrb, TRAIN[0]))?;
    if !root.join(TEST).is_dir() {
        return Err(missing(root, Layout::Gtsrb, TEST));
    }
    let mut listing = Listing::default();
    for labels in LABELS {
        listing.left.uses(labels);
    }
    let folders = add_training(&mut listing, root, train)?;
    for folder in &folders {
        let table = format!("{train}/{folder}/GT-{folder}.csv");
        if root.join(&table).is_file() {
            check_training(
                root,
                &table,
                ';',
                ["Filename", "ClassId"],
                &format!("{train}/{folder}/"),
                &listing,
            )?;
            listing.members.push(table);
        }
    }
    let labels = member(root, Layout::Gtsrb, &LABELS)?;
    let table = Table::open(&labels, ';')?;
    add_test(&mut listing, root, &table, ["Filename", "ClassId"], &format!("{TEST}/"))?;
    listing
        .members
        .extend(LABELS.into_iter().find(|name| root.join(name) == labels).map(Into::into));
    Ok(listing)
}

/// Lists Kaggle's layout. Opens no image.
pub fn list_kaggle(root: &Path) -> Result<Listing, DataError> {
    let mut listing = Listing::default();
    listing.left.uses("Train.csv");
    listing.left.uses("Test.csv");
    add_training(&mut listing, root, "Train")?;
    if root.join("Train.csv").is_file() {
        check_training(root, "Train.csv", ',', ["Path", "ClassId"], "", &listing)?;
        listing.members.push("Train.csv".into());
    }
    let table = Table::open(&member(root, Layout::GtsrbKaggle, &["Test.csv"])?, ',')?;
    add_test(&mut listing, root, &table, ["Path", "ClassId"], "")?;
    listing.members.push("Test.csv".into());
    Ok(listing)
}

fn missing(root: &Path, layout: Layout, file: &str) -> DataError {
    DataError::NoMember { folder: root.into(), file: file.into(), layout: layout.title() }
}

/// Lists the numbered folders of training images, in the order of their numbers. Returns their names.
fn add_training(listing: &mut Listing, root: &Path, train: &str) -> Result<Vec<String>, DataError> {
    let mut folders = Vec::new();
    for name in folder_names(&root.join(train))? {
        let number: u32 = name.parse().map_err(|_| DataError::Member {
            file: root.join(train).join(&name),
            reason: "a folder of training images is called by the number of its class".into(),
        })?;
        folders.push((number, name));
    }
    folders.sort_unstable();
    for (class, (number, name)) in folders.iter().enumerate() {
        if *number as usize != class {
            let reason = format!(
                "there is no folder of class {class}; the numbers go from 0 on without a gap"
            );
            return Err(DataError::Member { file: root.join(train).join(name), reason });
        }
    }
    if folders.len() < 2 {
        let found =
            folders.first().map_or("no class".into(), |(class, _)| format!("one class, {class}"));
        return Err(DataError::TooFewClasses { folder: root.join(train), found });
    }
    listing.classes = folders.iter().map(|(number, _)| number.to_string()).collect();
    let folders: Vec<String> = folders.into_iter().map(|(_, name)| name).collect();
    for folder in &folders {
        listing.left.uses(format!("{train}/{folder}/GT-{folder}.csv"));
    }
    (listing.train, listing.train_bytes) = split_files(root, train, &folders, &mut listing.left)?;
    Ok(folders)
}

/// Checks that every image that a table names, behind `prefix`, is there in the folder of its class.
fn check_training(
    root: &Path,
    table: &str,
    separator: char,
    columns: [&str; 2],
    prefix: &str,
    listing: &Listing,
) -> Result<(), DataError> {
    let table = Table::open(&root.join(table), separator)?;
    let classes: HashMap<&str, u32> =
        listing.train.iter().map(|entry| (entry.name.as_str(), entry.class)).collect();
    for row in table.rows(columns)? {
        let [file, class] = row.fields;
        let (line, path) = (row.line, format!("{prefix}{file}"));
        match classes.get(path.as_str()) {
            Some(&known) if class.parse() == Ok(known) => {}
            Some(known) => {
                let reason = format!(
                    "line {line} gives {path} the class {class}, but it lies in the folder of {known}"
                );
                return Err(table.wrong(reason));
            }
            None => {
                return Err(table.wrong(format!("line {line} names {path}, which is not there")));
            }
        }
    }
    Ok(())
}

/// Lists the test images that a table names, behind `prefix`, in the order of their names.
fn add_test(
    listing: &mut Listing,
    root: &Path,
    table: &Table,
    columns: [&str; 2],
    prefix: &str,
) -> Result<(), DataError> {
    let mut sizes: HashMap<String, HashMap<String, u64>> = HashMap::new();
    let mut images = Vec::new();
    for row in table.rows(columns)? {
        let [file, class] = row.fields;
        let (line, path) = (row.line, format!("{prefix}{file}"));
        let last = listing.classes.len() - 1;
        let class = class.parse::<u32>().ok().filter(|&class| class as usize <= last);
        let Some(class) = class else {
            let reason =
                format!("line {line} has the class {:?}; classes are 0 to {last}", row.fields[1]);
            return Err(table.wrong(reason));
        };
        let (folder, _) = path.rsplit_once('/').unwrap_or((".", &path));
        if !sizes.contains_key(folder) {
            let files = image_files(root, folder, &mut listing.left)?;
            sizes.insert(folder.into(), files.into_iter().collect());
        }
        let Some(&bytes) = sizes[folder].get(&path) else {
            return Err(table.wrong(format!("line {line} names {path}, which is not there")));
        };
        images.push((Entry::file(path, class), bytes));
    }
    images.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    images.dedup_by(|(a, _), (b, _)| a.name == b.name);
    (listing.test, listing.test_bytes) = by_class(images);
    Ok(())
}
