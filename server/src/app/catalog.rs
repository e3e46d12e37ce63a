//! Image lists of data sets, cached in memory so that a folder of a million files is listed only once.

use std::sync::Arc;

use engine::{
    EngineError,
    data::{Entry, Index},
};
use shared::{api::Split, run::DataSource, study::DatasetSpec};

use super::recent::Recent;

/// Maximum number of cached lists.
const KEPT: usize = 8;

/// The folder of a data set no longer exists, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the data set {name:?} cannot be read: {source}")]
pub struct Unreadable {
    name: String,
    source: Box<EngineError>,
}

/// A part of a data set has no image with this index.
#[derive(Debug, thiserror::Error)]
#[error("there is no image {at}: this part of the data set has {count} images, counted from 0")]
pub struct NoImage {
    at: u32,
    count: usize,
}

/// The entry of an image.
///
/// # Errors
/// When the part of the data set has no such image.
pub fn entry(index: &Index, split: Split, at: u32) -> Result<&Entry, NoImage> {
    let entries = index.entries(split);
    entries.get(at as usize).ok_or(NoImage { at, count: entries.len() })
}

/// The image lists of the data sets that were used last.
pub struct Catalog {
    lists: Recent<(DataSource, DatasetSpec, String), Index>,
}

impl Default for Catalog {
    /// An empty catalog.
    fn default() -> Self {
        Self { lists: Recent::new(KEPT) }
    }
}

impl Catalog {
    /// The images of a data set within `limits`. A new `fingerprint` makes a new list. Lists the folder if the list is not
    /// cached: call it where blocking is allowed.
    ///
    /// # Errors
    /// When the folder no longer exists or cannot be read.
    pub fn open(
        &self,
        source: &DataSource,
        limits: &DatasetSpec,
        fingerprint: &str,
    ) -> Result<Arc<Index>, Unreadable> {
        let key = (source.clone(), limits.clone(), fingerprint.to_owned());
        self.lists.get_or_make(key, || {
            let index = Index::open(source).map_err(|error| Unreadable {
                name: limits.name.clone(),
                source: Box::new(error.into()),
            })?;
            Ok(index.limited(limits))
        })
    }
}
