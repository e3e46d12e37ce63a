//! Listed data sets, kept in memory: listing a folder of a million files once is enough.

use std::sync::Arc;

use engine::data::Index;
use shared::{run::DataSource, study::DatasetSpec};

use super::{error::ApiError, recent::Recent};

/// Most lists that are kept.
const KEPT: usize = 8;

/// The image lists of the data sets that were used last.
pub struct Catalog {
    lists: Recent<(DataSource, DatasetSpec, String), Index>,
}

impl Catalog {
    /// An empty one.
    pub fn new() -> Self {
        Self { lists: Recent::new(KEPT) }
    }

    /// The images of a data set, as many of them as `limits` leaves. A new `fingerprint` makes a new list. Lists the folder
    /// when it is not in memory: call it where blocking is allowed.
    ///
    /// # Errors
    /// When the folder is not there any more or cannot be read.
    pub fn open(
        &self,
        source: &DataSource,
        limits: &DatasetSpec,
        fingerprint: &str,
    ) -> Result<Arc<Index>, ApiError> {
        let key = (source.clone(), limits.clone(), fingerprint.to_owned());
        self.lists.get_or_make(key, || {
            let index = Index::open(source).map_err(|error| {
                let name = &limits.name;
                ApiError::Conflict(format!("the data set {name:?} cannot be read: {error}"))
            })?;
            Ok(index.limited(limits))
        })
    }
}
