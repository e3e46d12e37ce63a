//! Shards: the files of a data set that is cut into pieces, and which split each belongs to.

use std::path::Path;

use super::{
    files::{name_of, visible},
    image_folder::{TEST, TRAIN},
    left_over::LeftOver,
};
use crate::data::DataError;

/// Folders in which shards lie besides those named by a split.
const FOLDERS: [&str; 4] = ["data", "default", "plain_text", "main"];

/// The shards of a folder, each as its path below it, sorted.
#[derive(Debug, Default)]
pub struct Shards {
    /// Training images.
    pub train: Vec<String>,
    /// Validation images.
    pub test: Vec<String>,
}

/// Shards by the words in their names.
#[derive(Debug, Default)]
struct Named {
    train: Vec<String>,
    /// For each name of [`TEST`].
    test: [Vec<String>; TEST.len()],
    neither: Vec<String>,
}

/// Whether a folder has files with this extension where shards lie.
pub fn are_in(root: &Path, extension: &str) -> bool {
    all(root, extension).is_ok_and(|all| !all.is_empty())
}

/// The shards with this extension. If no shard is named as training images and a share is held out, shards whose names tell no split are
/// the training images. Of several kinds of validation images the first in [`TEST`] is taken.
///
/// # Errors
/// When no shard names the training images.
pub fn find(
    root: &Path,
    extension: &str,
    hold_out: bool,
    left: &mut LeftOver,
) -> Result<Shards, DataError> {
    let mut named = Named::default();
    for path in all(root, extension)? {
        match split_of(&path) {
            Some(Split::Train) => named.train.push(path),
            Some(Split::Test(rank)) => named.test[rank].push(path),
            None => named.neither.push(path),
        }
    }
    if named.train.is_empty() && hold_out {
        named.train.append(&mut named.neither);
    }
    for path in named.neither {
        left.add("its name tells no split (train, val, test)", path);
    }
    if named.train.is_empty() {
        let reason = format!(
            "none of its .{extension} files is named as training images (train-00000.{extension}); rename them, or hold out a share of \
             all of them for validation (`--split 0.1`)"
        );
        return Err(DataError::Member { file: root.into(), reason });
    }
    let mut kinds = named.test.into_iter().filter(|shards| !shards.is_empty());
    let test = kinds.next().unwrap_or_default();
    for path in kinds.flatten() {
        left.add("of a further split", path);
    }
    Ok(Shards { train: named.train, test })
}

enum Split {
    Train,
    Test(usize),
}

/// The split that a path names: in its last part, or else in a folder. Digits at the end of a word do not count.
fn split_of(path: &str) -> Option<Split> {
    path.rsplit('/').find_map(|part| {
        part.split(|c: char| !c.is_alphanumeric()).find_map(|word| {
            let word = word.trim_end_matches(|c: char| c.is_ascii_digit()).to_lowercase();
            if TRAIN.contains(&word.as_str()) {
                return Some(Split::Train);
            }
            TEST.iter().position(|name| *name == word).map(Split::Test)
        })
    })
}

/// All files with this extension in the folder, in the usual folders below it, and in those of splits there.
fn all(root: &Path, extension: &str) -> Result<Vec<String>, DataError> {
    let mut found = Vec::new();
    let mut level = vec![String::new()];
    for _ in 0..3 {
        let mut next = Vec::new();
        for folder in level {
            for entry in visible(&root.join(&folder))? {
                let (path, name) = (entry.path(), name_of(&entry)?);
                let below = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if path.is_dir() {
                    next.extend(may_hold_shards(&below).then_some(below));
                } else if path.extension().is_some_and(|it| it.eq_ignore_ascii_case(extension)) {
                    found.push(below);
                }
            }
        }
        level = next;
    }
    found.sort_unstable();
    Ok(found)
}

fn may_hold_shards(folder: &str) -> bool {
    let last = folder.rsplit('/').next().unwrap_or_default().to_lowercase();
    FOLDERS.iter().chain(&TRAIN).chain(&TEST).any(|name| *name == last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::folder;

    fn found(names: &[&str], hold_out: bool) -> Result<Shards, String> {
        let files: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (*name, Vec::new())).collect();
        let folder = folder(&files);
        find(folder.path(), "tar", hold_out, &mut LeftOver::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn shards_are_told_apart_by_the_words_in_their_names() {
        let shards = found(
            &[
                "data/train-00001-of-00002.tar",
                "data/train-00000-of-00002.tar",
                "data/test-00000-of-00001.tar",
                "data/validation-00000-of-00001.tar",
                "data/notes.txt",
            ],
            false,
        )
        .unwrap();
        let train = ["data/train-00000-of-00002.tar", "data/train-00001-of-00002.tar"];
        assert_eq!(shards.train, train);
        assert_eq!(shards.test, ["data/validation-00000-of-00001.tar"], "before test");
        let shards = found(&["imagenet-Train0001.tar", "imagenet-val0001.tar"], false).unwrap();
        assert_eq!((shards.train.len(), shards.test.len()), (1, 1));
        let shards = found(&["train/0000.tar", "test/0000.tar", "trainers/1.tar"], false).unwrap();
        assert_eq!(shards.train, ["train/0000.tar"]);
    }

    #[test]
    fn shards_without_a_split_need_a_share_that_is_held_out() {
        assert!(found(&["00000.tar", "00001.tar"], false).unwrap_err().contains("--split 0.1"));
        assert_eq!(found(&["00000.tar", "00001.tar"], true).unwrap().train.len(), 2);
    }
}
