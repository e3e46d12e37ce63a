//! WebDataset shards: tar files in which the files of a sample follow each other and share their name up to the first dot: `0017.jpg`,
//! `0017.cls`.
//!
//! The label is the content of `.cls`, a number or a name, or the field `label`, `cls` or `class` of `.json`. Class names are the lines of
//! `classes.txt` or `classnames.txt`.

use std::{collections::HashSet, path::Path};

use serde::Deserialize;

use super::{
    Listing, image_folder,
    labels::{self, Classes},
    shards,
};
use crate::{
    data::{
        DataError,
        records::{Label, Member, Records, TarFile},
    },
    decode::Limits,
};

const EXTENSION: &str = "tar";
/// Extensions of a sample's image; of several the first in this list is taken.
const IMAGES: [&str; 10] =
    ["jpg", "jpeg", "png", "webp", "ppm", "pgm", "bmp", "gif", "tif", "tiff"];
/// Longest label, in bytes.
const LONGEST: u64 = 1 << 20;

/// Whether a folder looks like this layout.
pub fn fits(root: &Path) -> bool {
    shards::are_in(root, EXTENSION) && !image_folder::has_class_folders(root)
}

/// Lists the folder at `root`. Reads headers and labels only.
pub fn list(root: &Path, hold_out: bool) -> Result<Listing, DataError> {
    let mut listing = Listing::default();
    let shards = shards::find(root, EXTENSION, hold_out, &mut listing.left)?;
    let names = labels::names(root)?;
    let mut opened = Vec::new();
    for (number, name) in shards.train.iter().chain(&shards.test).enumerate() {
        let (file, members) = TarFile::open(&root.join(name))?;
        let wrong = |reason| DataError::Member { file: root.join(name), reason };
        let mut images = Vec::new();
        let mut labels = Vec::new();
        let mut keys = HashSet::new();
        for sample in members.chunk_by(|a, b| parts(&a.name).0 == parts(&b.name).0) {
            let first = format!("{name}/{}", sample[0].name);
            let Some(image) = image_of(sample) else {
                listing.left.add("a sample without an image", first);
                continue;
            };
            let label = match label_of(sample) {
                Some(member) if member.bytes <= LONGEST => read_label(&file.read(member)?, member)
                    .map_err(|reason| wrong(format!("{}: {reason}", member.name)))?,
                Some(member) => {
                    return Err(wrong(format!("{} is too long for a label", member.name)));
                }
                None => None,
            };
            let Some(label) = label else {
                listing.left.add("a sample without a label (.cls, or label in .json)", first);
                continue;
            };
            if image.bytes > Limits::default().max_bytes {
                listing.left.add("its image is too long", first);
            } else if image.name.contains(char::is_control) {
                listing.left.add("its name has a line break or another control character", first);
            } else if keys.insert(&image.name) {
                images.push(image.clone());
                labels.push(label);
            } else {
                listing.left.add("a second sample of the same name", first);
            }
        }
        if images.is_empty() {
            let reason = "it has no sample of an image and a label: 0017.jpg with 0017.cls, or label in 0017.json";
            return Err(wrong(reason.into()));
        }
        opened.push((name, number < shards.train.len(), file, images, labels));
    }
    let names = names.map(|(file, names)| {
        listing.members.push(file);
        names
    });
    let all = opened.iter().flat_map(|(.., labels)| labels);
    let classes = Classes::of(all, names)
        .map_err(|reason| DataError::Member { file: root.join(opened[0].0), reason })?;
    for (name, is_train, file, images, labels) in opened {
        let mut of_images = Vec::new();
        for (image, label) in images.iter().zip(&labels) {
            let class = classes.class(label).map_err(|reason| DataError::Member {
                file: root.join(name),
                reason: format!("{}: {reason}", image.name),
            })?;
            if class.is_none() {
                listing.left.add("without a label", format!("{name}/{}", image.name));
            }
            of_images.push(class);
        }
        let file = Records::Tar(file.with_images(&images));
        listing.add_named_records(name, file, &of_images, is_train, |n| {
            format!("{name}/{}", images[n as usize].name)
        });
    }
    listing.classes = classes.names;
    listing.add_unused(root, "beside the shards")?;
    Ok(listing)
}

/// A member's name up to the first dot of its last part, and what follows that dot.
fn parts(name: &str) -> (&str, &str) {
    let last = name.rfind('/').map_or(0, |at| at + 1);
    match name[last..].find('.') {
        Some(dot) => (&name[..last + dot], &name[last + dot + 1..]),
        None => (name, ""),
    }
}

fn has_extension(member: &Member, extension: &str) -> bool {
    parts(&member.name).1.eq_ignore_ascii_case(extension)
}

fn image_of(sample: &[Member]) -> Option<&Member> {
    IMAGES
        .iter()
        .find_map(|extension| sample.iter().find(|member| has_extension(member, extension)))
}

fn label_of(sample: &[Member]) -> Option<&Member> {
    ["cls", "json"]
        .iter()
        .find_map(|extension| sample.iter().find(|member| has_extension(member, extension)))
}

/// The label in a file of a sample; `None` where its JSON has none.
fn read_label(content: &[u8], member: &Member) -> Result<Option<Label>, String> {
    if has_extension(member, "json") {
        let label: Described =
            serde_json::from_slice(content).map_err(|error| format!("no JSON object ({error})"))?;
        let label = [label.label, label.cls, label.class].into_iter().flatten().next();
        return match label {
            Some(JsonLabel::Name(name)) if name.trim().is_empty() => {
                Err("its label is empty".into())
            }
            label => Ok(label.map(Into::into)),
        };
    }
    let text = std::str::from_utf8(content).map_err(|_| "no UTF-8 text".to_owned())?.trim();
    if text.is_empty() {
        return Err("it is empty; a number or a name is needed".into());
    }
    Ok(Some(match text.parse() {
        Ok(number) => Label::Number(number),
        Err(_) => Label::Name(text.into()),
    }))
}

/// A sample's JSON.
#[derive(Deserialize)]
struct Described {
    label: Option<JsonLabel>,
    cls: Option<JsonLabel>,
    class: Option<JsonLabel>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonLabel {
    Number(i64),
    Name(String),
}

impl From<JsonLabel> for Label {
    fn from(label: JsonLabel) -> Self {
        match label {
            JsonLabel::Number(number) => Self::Number(number),
            JsonLabel::Name(name) => Self::Name(name.into()),
        }
    }
}
