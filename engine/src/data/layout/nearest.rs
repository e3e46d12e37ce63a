//! What a folder of no known layout is nearest to, and what is missing.

use std::{
    fs::DirEntry,
    path::{Path, PathBuf},
};

use super::files::visible;

/// Folders below the given one that are looked into, one in the other.
const DEEPEST: usize = 4;

/// What a layout needs, by name; a `*` stands for any text.
struct Needs {
    title: &'static str,
    names: &'static [&'static str],
}

const LAYOUTS: [Needs; 10] = [
    Needs {
        title: "CIFAR-10 binary",
        names: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
            "test_batch.bin",
        ],
    },
    Needs { title: "CIFAR-100 binary", names: &["train.bin", "test.bin"] },
    Needs {
        title: "STL-10 binary",
        names: &["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"],
    },
    Needs {
        title: "MNIST (IDX)",
        names: &["*train-images*", "*train-labels*", "*t10k-images*", "*t10k-labels*"],
    },
    Needs { title: "GTSRB", names: &["Final_Training/", "Final_Test/", "GT-final_test.csv"] },
    Needs { title: "GTSRB (Kaggle)", names: &["Train/", "Test/", "Test.csv"] },
    Needs { title: "ImageNet-100 (Kaggle)", names: &["train.X1/", "val.X/"] },
    Needs { title: "Parquet shards", names: &["train*.parquet", "*.parquet"] },
    Needs { title: "WebDataset shards", names: &["*train*.tar", "*val*.tar"] },
    Needs { title: "image folder", names: &["train/", "val/"] },
];

/// Files that hold images in a form that is not read: the pattern, and what to do.
const OTHERS: [(&str, &str); 12] = [
    (
        "data_batch_1",
        "This is CIFAR-10 for Python; take the binary version (cifar-10-binary.tar.gz)",
    ),
    (
        "data_batch_1.mat",
        "This is CIFAR-10 for Matlab; take the binary version (cifar-10-binary.tar.gz)",
    ),
    (
        "fine_label_names.pkl",
        "This is CIFAR-100 for Python; take the binary version (cifar-100-binary.tar.gz)",
    ),
    (
        "*.arrow",
        "Arrow files are not read; write each split as Parquet: load_from_disk(FOLDER)[\"train\"].to_parquet(\"train-0.parquet\")",
    ),
    (
        "*.npz",
        "NumPy archives are not read; write the images as files, in train/<class>/ and val/<class>/",
    ),
    (
        "*.npy",
        "NumPy arrays are not read; write the images as files, in train/<class>/ and val/<class>/",
    ),
    ("*_32x32.mat", "SVHN's Matlab files are not read; its Parquet shards on Hugging Face are"),
    ("*.tfrecord*", "TFRecord files are not read; Parquet and WebDataset shards are"),
    ("*.lmdb", "LMDB databases are not read; Parquet and WebDataset shards are"),
    ("*.zip", "Unpack the archive and give the folder that it unpacks to"),
    ("*.tar.gz", "Unpack the archive and give the folder that it unpacks to"),
    ("*.tgz", "Unpack the archive and give the folder that it unpacks to"),
];

/// One or two sentences for the person who gave the folder.
pub fn advice(folder: &Path) -> String {
    let names = names(folder);
    if let Some(inner) = only_folder_with_data(folder) {
        return format!("Give the folder {} below it", inner.display());
    }
    if let Some(what) = other_form(&names) {
        return what.to_owned();
    }
    let scored = LAYOUTS.iter().map(|needs| {
        let found = needs.names.iter().filter(|pattern| has(&names, pattern)).count();
        (found as f64 / needs.names.len() as f64, needs)
    });
    let nearest = scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.0);
    if let Some((_, needs)) = nearest {
        let missing: Vec<&str> =
            needs.names.iter().copied().filter(|pattern| !has(&names, pattern)).collect();
        return format!(
            "The nearest layout is {}, which also needs {}",
            needs.title,
            missing.join(", ")
        );
    }
    "The simplest layout is train/<class>/* and val/<class>/*; docs/datasets.md has all others, and <class>/* alone does with a share that \
     is held out for validation (`--split 0.1`)"
        .into()
}

/// What to do where a folder has images in a form that is not read.
pub fn advice_on_other_form(folder: &Path) -> Option<&'static str> {
    other_form(&names(folder))
}

fn other_form(names: &[String]) -> Option<&'static str> {
    let found = OTHERS.iter().find(|(pattern, _)| has(names, pattern));
    found.map(|(_, what)| *what)
}

/// The names in a folder, those of folders with a `/`.
fn names(folder: &Path) -> Vec<String> {
    let entries = visible(folder).unwrap_or_default();
    let name = |entry: &DirEntry| {
        let end = if entry.path().is_dir() { "/" } else { "" };
        entry.file_name().to_string_lossy().into_owned() + end
    };
    entries.iter().map(name).collect()
}

/// The nearest folder below that looks like a data set, where each on the way is the only one.
fn only_folder_with_data(folder: &Path) -> Option<PathBuf> {
    let mut place = folder.to_owned();
    for _ in 0..DEEPEST {
        let names = names(&place);
        let mut folders = names.iter().filter_map(|name| name.strip_suffix('/'));
        let (only, None) = (folders.next()?, folders.next()) else { return None };
        place.push(only);
        if super::ORDER.iter().any(|&layout| super::fits(layout, &place)) {
            return Some(place);
        }
    }
    None
}

fn has(names: &[String], pattern: &str) -> bool {
    names.iter().any(|name| matches(&name.to_lowercase(), &pattern.to_lowercase()))
}

/// Whether a name has the form of a pattern.
fn matches(name: &str, pattern: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return name == pattern };
    name.strip_prefix(head).is_some_and(|name| {
        rest.is_empty()
            || (0..=name.len()).any(|at| name.get(at..).is_some_and(|name| matches(name, rest)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (name, pattern) in
            [("a.tar", "*.tar"), ("xtrainy.tar", "*train*.tar"), ("train", "train")]
        {
            assert!(matches(name, pattern), "{name} {pattern}");
        }
        for (name, pattern) in
            [("a.tar.gz", "*.tar"), ("xtray.tar", "*train*.tar"), ("trains", "train")]
        {
            assert!(!matches(name, pattern), "{name} {pattern}");
        }
    }
}
