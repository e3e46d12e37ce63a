//! The data sets that a study can name: the built-in one and added folders.

use std::{path::Path, sync::OnceLock};

use engine::{
    data::{DataError, Index, inspect},
    stop::Watch,
};
use shared::{
    api::{AddDataset, DatasetInfo, Layout, Split},
    run::DataSource,
    study::{BUILTIN_DATASET, FieldError},
};

use crate::{app::App, store::StoreError};

/// Longest name of a data set or an imported checkpoint in characters.
const NAME_LENGTH: usize = 64;

/// A data set cannot be used or added.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A field of the request is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// What lies in the folder is no data set.
    #[error("{path} cannot be used as a data set: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// What is wrong with it.
        source: DataError,
    },
    /// There is none of that name.
    #[error("there is no data set {name:?}; there are: {}", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The program itself failed.
    #[error("reading the data set failed: {0}")]
    Internal(String),
}

impl App {
    /// All data sets, the built-in one first.
    ///
    /// # Errors
    /// When the store answers with an error.
    pub async fn list_datasets(&self) -> Result<Vec<DatasetInfo>, DatasetError> {
        let mut all = vec![builtin()?];
        all.extend(self.store.list_datasets().await?);
        Ok(all)
    }

    /// A data set, with all its left-out files.
    ///
    /// # Errors
    /// When there is none of that name, or the store answers with an error.
    pub async fn get_dataset(&self, name: &str) -> Result<DatasetInfo, DatasetError> {
        if name == BUILTIN_DATASET {
            return builtin();
        }
        match self.store.get_dataset(name).await {
            Err(StoreError::NotFound { .. }) => {
                let known = self.list_datasets().await?.into_iter().map(|info| info.name).collect();
                Err(DatasetError::Unknown { name: name.to_owned(), known })
            }
            other => Ok(other?),
        }
    }

    /// Adds a folder in one of the known layouts under a name. Every image is read once; `watch` hears how far that is.
    ///
    /// # Errors
    /// When the name is taken or no name, the folder has none of the layouts, or the store answers with an error. Nothing is
    /// kept then.
    pub async fn add_dataset(
        &self,
        request: AddDataset,
        mut watch: impl Watch + Send + 'static,
    ) -> Result<DatasetInfo, DatasetError> {
        let name = request.name.trim().to_owned();
        check_name(&name)?;
        // Before the long look: a taken name shows at once.
        if self.store.get_dataset(&name).await.is_ok() {
            return Err(taken(&name).into());
        }
        let path = std::path::absolute(Path::new(request.path.trim()))
            .map_err(|error| FieldError::new("path", error.to_string()))?;
        let path = path.display().to_string();
        let source = DataSource::Folder {
            path: path.clone(),
            layout: Layout::default(), // found by the look
            skipped: Vec::new(),
        };
        let asked = name.clone();
        let found = tokio::task::spawn_blocking(move || inspect(&asked, &source, &mut watch))
            .await
            .map_err(|error| DatasetError::Internal(error.to_string()))?
            .map_err(|source| DatasetError::Folder { path, source })?;
        let info = DatasetInfo { added_at: self.clock.now_ms(), ..found };
        match self.store.insert_dataset(&info).await {
            Err(StoreError::Conflict(_)) => Err(taken(&name).into()),
            other => other.map(|()| info).map_err(Into::into),
        }
    }

    /// Removes an added data set's entry, never its files.
    ///
    /// # Errors
    /// When it is the built-in one, a study that is not over uses it, there is none of that name, or the store answers with
    /// an error.
    pub async fn remove_dataset(&self, name: &str) -> Result<(), DatasetError> {
        let info = self.get_dataset(name).await?;
        if info.builtin {
            let message = format!("{name} comes with the program and cannot be removed");
            return Err(StoreError::Conflict(message).into());
        }
        Ok(self.store.delete_dataset(name).await?)
    }
}

fn taken(name: &str) -> FieldError {
    FieldError::new("name", format!("there already is a data set {name}; choose another name"))
}

fn check_name(name: &str) -> Result<(), FieldError> {
    if name == BUILTIN_DATASET {
        return Err(taken(name));
    }
    check_plain_name(name)
}

/// Whether a name can be a file's, too.
pub(super) fn check_plain_name(name: &str) -> Result<(), FieldError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > NAME_LENGTH || !name.chars().all(fits) {
        let message =
            format!("takes 1 to {NAME_LENGTH} letters, digits, \"-\" and \"_\", not {name:?}");
        return Err(FieldError::new("name", message));
    }
    Ok(())
}

/// The data set that the program draws itself. The same in every call, so it is reckoned once.
fn builtin() -> Result<DatasetInfo, DatasetError> {
    static INFO: OnceLock<DatasetInfo> = OnceLock::new();
    if let Some(info) = INFO.get() {
        return Ok(info.clone());
    }
    let index = Index::open(&DataSource::Builtin)
        .map_err(|source| DatasetError::Folder { path: BUILTIN_DATASET.into(), source })?;
    let counts = |split| {
        let mut counts = vec![0; index.classes.len()];
        for label in index.labels(split) {
            counts[label as usize] += 1;
        }
        counts
    };
    let info = DatasetInfo {
        name: BUILTIN_DATASET.into(),
        builtin: true,
        layout: Layout::Drawn,
        train_counts: counts(Split::Train),
        test_counts: counts(Split::Test),
        fingerprint: index.fingerprint(),
        classes: index.classes,
        ..DatasetInfo::default()
    };
    Ok(INFO.get_or_init(|| info).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        assert!(check_name("cifar-10_small").is_ok());
        for bad in ["", "a b", "ä", "../x", "shapes", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
