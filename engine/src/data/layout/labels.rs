//! Classes of images that come with a label each: a number, or a name.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use super::files;
use crate::data::{DataError, composed, records::Label};

/// Files with class names, one a line, in the order in which they are looked for.
const NAMES: [&str; 4] = ["classes.txt", "classnames.txt", "class_names.txt", "labels.txt"];
/// Most classes that numbers can make.
const MOST: i64 = 100_000;

/// The classes of a data set, and how labels name them.
pub struct Classes {
    /// The names.
    pub names: Vec<String>,
    numbers: HashMap<String, u32>,
    by_number: bool,
}

impl Classes {
    /// The classes of these labels. With `names`, a number is the place of a name in them. Without, numbers are their own names where all
    /// labels are numbers; other labels are the names, sorted.
    ///
    /// # Errors
    /// What is wrong with a label.
    pub fn of<'a>(
        labels: impl Iterator<Item = &'a Label> + Clone,
        names: Option<Vec<String>>,
    ) -> Result<Self, String> {
        let by_number = labels.clone().all(|label| number(label).is_some());
        let names = match names {
            Some(names) => names,
            None if by_number => {
                let last = labels.filter_map(number).max().unwrap_or(-1);
                if last >= MOST {
                    return Err(format!(
                        "the label {last} is too large: labels are numbers from 0 on, or names"
                    ));
                }
                (0..=last).map(|number| number.to_string()).collect()
            }
            None => {
                let texts: BTreeSet<String> = labels.map(text).collect();
                texts.into_iter().collect()
            }
        };
        let numbers = names.iter().map(|name| composed(name)).zip(0..).collect();
        Ok(Self { names, numbers, by_number })
    }

    /// The class of a label; `None` for -1, which stands for an image without a label.
    ///
    /// # Errors
    /// When there is no such class.
    pub fn class(&self, label: &Label) -> Result<Option<u32>, String> {
        if self.by_number {
            let number = number(label).unwrap_or(-1);
            let class = u32::try_from(number).ok().filter(|&n| (n as usize) < self.names.len());
            return match class {
                None if number != -1 => Err(format!(
                    "the label {number} has no class name; there are {}, and labels are 0 to {}",
                    self.names.len(),
                    self.names.len().saturating_sub(1)
                )),
                class => Ok(class),
            };
        }
        let text = text(label);
        match self.numbers.get(&text) {
            Some(&class) => Ok(Some(class)),
            None => {
                Err(format!("the label {text:?} is none of the {} class names", self.names.len()))
            }
        }
    }
}

fn number(label: &Label) -> Option<i64> {
    match label {
        Label::Number(number) => Some(*number),
        Label::Name(name) => name.trim().parse().ok(),
    }
}

fn text(label: &Label) -> String {
    match label {
        Label::Number(number) => number.to_string(),
        Label::Name(name) => composed(name.trim()),
    }
}

/// The first of the files with class names in a folder, and the names.
///
/// # Errors
/// When it cannot be read.
pub fn names(root: &Path) -> Result<Option<(String, Vec<String>)>, DataError> {
    let Some(file) = NAMES.into_iter().find(|name| root.join(name).is_file()) else {
        return Ok(None);
    };
    let text = files::text(&root.join(file))?;
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(Some((file.into(), names.map(Into::into).collect())))
}
