//! Lists of files: `train.csv` and `val.csv` with the path and the label of each image, or one list with a column `split`.
//!
//! A table's first line names its columns. Without a known name in it, and in `.txt` files, a line is a path, then a label. Paths begin at
//! the list's folder or at the folder of its split, with or without the image's extension.

use std::{
    collections::HashMap,
    path::{Component, Path},
};

use super::{
    Listing, by_class,
    files::{self, visible},
    image_folder::{TEST, TRAIN, has_class_folders, split_folder},
    labels::{self, Classes},
    left_over::LeftOver,
};
use crate::data::{DataError, Entry, composed, decomposed, records::Label};

/// Extensions of lists.
const LISTS: [&str; 3] = ["csv", "tsv", "txt"];
/// Names of a list of all splits.
const OF_ALL: [&str; 5] = ["labels", "metadata", "index", "images", "list"];
/// Names of the column of paths.
const PATHS: [&str; 12] = [
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "img",
    "image_name",
    "image_id",
    "id",
];
/// Names of the column of labels.
const LABELS: [&str; 10] = [
    "label",
    "class",
    "class_name",
    "category",
    "target",
    "class_id",
    "species",
    "breed",
    "y",
    "labels",
];
/// Names of the column of splits.
const SPLITS: [&str; 3] = ["split", "set", "subset"];
/// Extensions that a list may leave out.
const LEFT_OUT: [&str; 4] = ["jpg", "jpeg", "png", "JPEG"];
/// Folders of images in which paths may begin.
const FOLDERS: [&str; 2] = ["images", "data"];

/// A line of a list.
struct Line {
    number: u64,
    path: String,
    label: String,
    split: Option<String>,
}

/// The lists of a folder.
struct Found {
    train: Option<String>,
    test: Option<String>,
    all: Option<String>,
}

/// Whether a folder looks like this layout: it has lists, and no folders of classes that say the same.
pub fn fits(root: &Path) -> bool {
    let Some(lists) = lists(root) else { return false };
    let first = lists.train.as_ref().or(lists.all.as_ref());
    // A text file of this name may be about anything: some of its first lines have to name files.
    !has_class_folders(root)
        && first.is_some_and(|list| {
            read(root, list).is_ok_and(|lines| {
                let folders = folders(root, list);
                lines.iter().take(100).any(|line| place(root, &folders, &line.path).is_some())
            })
        })
}

fn lists(root: &Path) -> Option<Found> {
    let files: Vec<String> = visible(root)
        .ok()?
        .into_iter()
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let named = |stems: &[&str]| {
        let of = |stem: &str, extension: &str| {
            let name = format!("{stem}.{extension}");
            files.iter().find(|file| file.eq_ignore_ascii_case(&name)).cloned()
        };
        stems.iter().find_map(|stem| LISTS.iter().find_map(|extension| of(stem, extension)))
    };
    let found = Found { train: named(&TRAIN), test: named(&TEST), all: named(&OF_ALL) };
    (found.train.is_some() || found.all.is_some()).then_some(found)
}

/// Lists the folder at `root`. Opens no image.
pub fn list(root: &Path) -> Result<Listing, DataError> {
    let mut listing = Listing::default();
    let found = lists(root).unwrap_or(Found { train: None, test: None, all: None });
    let (mut train, mut test) = (Vec::new(), Vec::new());
    // The list that has the training images, and the one that has the validation images.
    let mut names = [String::new(), String::new()];
    if let Some(list) = found.train {
        train = read(root, &list)?;
        if let Some(list) = found.test {
            test = read(root, &list)?;
            names[1] = list;
        }
        names[0] = list;
    } else if let Some(list) = found.all {
        (train, test) = parted(read(root, &list)?, &mut listing);
        names = [list.clone(), list];
    }
    let mut members: Vec<String> = names.iter().filter(|name| !name.is_empty()).cloned().collect();
    members.dedup();
    let of_classes = labels::names(root)?.filter(|(file, _)| !members.contains(file));
    let class_names = of_classes.map(|(file, names)| {
        members.push(file);
        names
    });
    listing.members = members;
    let wrong = |list: &str, reason| DataError::Member { file: root.join(list), reason };

    let placed = [
        placed(root, &names[0], train, &mut listing.left),
        placed(root, &names[1], test, &mut listing.left),
    ];
    if placed[0].is_empty() {
        let reason = "none of the files that it names for training is there; paths begin at the list's folder";
        return Err(wrong(&names[0], reason.into()));
    }
    let all = placed.iter().flatten().map(|image| &image.label);
    let classes = Classes::of(all, class_names).map_err(|reason| wrong(&names[0], reason))?;
    let mut seen = HashMap::new();
    let mut splits = Vec::new();
    for (list, images) in names.iter().zip(placed) {
        let mut entries = Vec::new();
        for Placed { line, path, bytes, label } in images {
            let at = |reason: String| wrong(list, format!("line {line}: {reason}"));
            let Some(class) = classes.class(&label).map_err(at)? else {
                listing.left.add("without a label", path);
                continue;
            };
            if let Some((other, before)) = seen.insert(path.clone(), (list.clone(), line)) {
                return Err(at(format!(
                    "{path} is listed twice (line {before} of {other}); list every image once"
                )));
            }
            entries.push((Entry::file(path, class), bytes));
        }
        splits.push(by_class(entries));
    }
    (listing.test, listing.test_bytes) = splits.pop().unwrap_or_default();
    (listing.train, listing.train_bytes) = splits.pop().unwrap_or_default();
    listing.classes = classes.names;
    listing.add_unused(root, "named in no list")?;
    Ok(listing)
}

/// A line whose file is there.
struct Placed {
    line: u64,
    path: String,
    bytes: u64,
    label: Label,
}

/// The lines of a list whose files are there. The others are left out.
fn placed(root: &Path, list: &str, lines: Vec<Line>, left: &mut LeftOver) -> Vec<Placed> {
    let folders = folders(root, list);
    let mut found = Vec::new();
    for Line { number, path, label, .. } in lines {
        match place(root, &folders, &path) {
            None => left.add(format!("named in {list}, but not there"), path),
            Some((path, _)) if path.contains(char::is_control) => {
                left.add("its name has a line break or another control character", path);
            }
            Some((path, bytes)) => {
                found.push(Placed { line: number, path, bytes, label: Label::Name(label.into()) });
            }
        }
    }
    found
}

/// The lines of a list by their column `split`: training, validation.
fn parted(lines: Vec<Line>, listing: &mut Listing) -> (Vec<Line>, Vec<Line>) {
    let mut train = Vec::new();
    let mut test: [Vec<Line>; TEST.len()] = Default::default();
    for line in lines {
        let split = line.split.as_deref().unwrap_or(TRAIN[0]).to_lowercase();
        let rank = TEST.iter().position(|name| *name == split);
        if let Some(rank) = rank {
            test[rank].push(line);
        } else if TRAIN.contains(&&split[..]) {
            train.push(line);
        } else {
            listing.left.add(format!("of the split {split:?}"), line.path);
        }
    }
    let mut kinds = test.into_iter().filter(|lines| !lines.is_empty());
    let test = kinds.next().unwrap_or_default();
    for line in kinds.flatten() {
        listing.left.add("of a further split", line.path);
    }
    (train, test)
}

/// The lines of a list.
fn read(root: &Path, list: &str) -> Result<Vec<Line>, DataError> {
    let text = files::text(&root.join(list))?;
    let text = text.trim_start_matches('\u{feff}');
    let wrong = |reason| DataError::Member { file: root.join(list), reason };
    let first = text.lines().next().unwrap_or_default();
    let separator = match list.rsplit('.').next().unwrap_or_default().to_lowercase().as_str() {
        "tsv" => Some('\t'),
        "csv" => [',', ';', '\t'].into_iter().find(|&it| first.contains(it)),
        _ => None,
    };
    let Some(separator) = separator else {
        return (1..)
            .zip(text.lines())
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(number, line)| {
                let parts = line.trim().rsplit_once(char::is_whitespace);
                let (path, label) = parts.ok_or_else(|| {
                    wrong(format!("line {number} is no `<path> <label>`: {line:?}"))
                })?;
                let (path, label) = (path.trim().to_owned(), label.to_owned());
                Ok(Line { number, path, label, split: None })
            })
            .collect();
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator as u8)
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut lines = Vec::new();
    let mut places = None;
    for record in reader.records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let number = record.position().map_or(0, csv::Position::line);
        let (path, label, split) = if let Some(places) = places {
            places
        } else {
            let head = columns(&record);
            // Without known names the first line is an image, too.
            let chosen = head.unwrap_or((0, 1, None));
            places = Some(chosen);
            if head.is_some() {
                continue;
            }
            chosen
        };
        let field = |place: usize, what: &str| {
            record.get(place).filter(|field| !field.is_empty()).map(str::to_owned).ok_or_else(
                || wrong(format!("line {number} has no {what}; a path and a label are needed")),
            )
        };
        let (path, label) = (field(path, "path")?, field(label, "label")?);
        let split = split.and_then(|place: usize| record.get(place)).map(str::to_owned);
        lines.push(Line { number, path, label, split });
    }
    Ok(lines)
}

/// The columns of path, label and split that a head names.
fn columns(head: &csv::StringRecord) -> Option<(usize, usize, Option<usize>)> {
    let place = |names: &[&str]| {
        names.iter().find_map(|name| head.iter().position(|field| field.eq_ignore_ascii_case(name)))
    };
    Some((place(&PATHS)?, place(&LABELS)?, place(&SPLITS)))
}

/// Folders at which the paths of a list may begin.
fn folders(root: &Path, list: &str) -> Vec<String> {
    let stem = list.rsplit_once('.').map_or(list, |(stem, _)| stem);
    let of_split = split_folder(root, &[stem]);
    let others = FOLDERS.iter().filter_map(|name| split_folder(root, &[name]));
    [String::new()].into_iter().chain(of_split).chain(others).collect()
}

/// The path below `root` and the size of the file that a list names.
fn place(root: &Path, folders: &[String], path: &str) -> Option<(String, u64)> {
    let path = path.replace('\\', "/");
    let path = Path::new(path.trim_start_matches("./"));
    let path = path.strip_prefix(root).unwrap_or(path);
    // Nothing outside of the folder is read.
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let path = path.to_str()?;
    let with = LEFT_OUT.iter().map(|extension| format!("{path}.{extension}"));
    let written: Vec<String> = [path.to_owned()].into_iter().chain(with).collect();
    // The files may have their names in another Unicode form than the list.
    let other = |form: fn(&str) -> String| written.iter().map(move |name| form(name));
    let others = if path.is_ascii() {
        Vec::new()
    } else {
        other(composed).chain(other(decomposed)).collect::<Vec<_>>()
    };
    let names = || written.iter().chain(&others);
    folders.iter().find_map(|folder| {
        names().find_map(|name| {
            let below = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let metadata = root.join(&below).metadata().ok()?;
            metadata.is_file().then_some((below, metadata.len()))
        })
    })
}
