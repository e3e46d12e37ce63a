//! The data sets that a study can name: the built-in one and added folders.

use std::{path::Path, sync::OnceLock};

use engine::{
    data::{DataError, Index, Inspected, inspect},
    files,
    stop::Watch,
};
use shared::{
    api::{AddDataset, DatasetInfo, Layout, Split},
    dataset::FolderSource,
    run::DataSource,
    study::{BUILTIN_DATASET, FieldError},
};

use crate::{app::App, store::StoreError};

/// Between a data set's name and the number of its version. A user's name cannot have it.
const VERSION_MARK: char = '@';
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
        watch: impl Watch + Send + 'static,
    ) -> Result<DatasetInfo, DatasetError> {
        let name = request.name.trim().to_owned();
        check_name(&name)?;
        // Before the long look: a taken name shows at once.
        if self.store.get_dataset(&name).await.is_ok() {
            return Err(taken(&name).into());
        }
        let path = std::path::absolute(Path::new(request.path.trim()))
            .map_err(|error| FieldError::new("path", error.to_string()))?;
        let folder = FolderSource {
            path: path.display().to_string(),
            transparency: request.transparency,
            hold_out: request.hold_out,
            ..FolderSource::default()
        };
        let found = inspected(&name, folder, watch).await?;
        self.keep_dataset(found).await.map_err(|error| match error {
            DatasetError::Store(StoreError::Conflict(_)) => taken(&name).into(),
            other => other,
        })
    }

    /// Adds the present state of a data set's folder as a new version of it, named `<name>@2`, `<name>@3` and so on. The versions
    /// before stay, with the studies and results that name them.
    ///
    /// # Errors
    /// When the folder is as it was when one of its versions was added, or as [`add_dataset`](Self::add_dataset).
    pub async fn update_dataset(
        &self,
        name: &str,
        watch: impl Watch + Send + 'static,
    ) -> Result<DatasetInfo, DatasetError> {
        let info = self.get_dataset(name).await?;
        let DataSource::Folder(folder) = info.source() else {
            let message = format!("{name} comes with the program and never changes");
            return Err(StoreError::Conflict(message).into());
        };
        let base = info.name.split(VERSION_MARK).next().unwrap_or_default();
        let mut found = inspected(&info.name, folder, watch).await?;
        let all = self.store.list_datasets().await?;
        let prefix = format!("{base}{VERSION_MARK}");
        let versions =
            || all.iter().filter(|set| set.name == base || set.name.starts_with(&prefix));
        if let Some(same) = versions().find(|set| set.fingerprint == found.info.fingerprint) {
            let message = format!("the folder is as it was when {} was added", same.name);
            return Err(StoreError::Conflict(message).into());
        }
        let number = |name: &str| name.strip_prefix(&prefix)?.parse::<u32>().ok();
        // The numbers of removed versions are not given again: runs name them.
        let used = self.store.datasets_of_runs().await?;
        let names = versions().map(|set| &set.name).chain(&used);
        let last = names.filter_map(|name| number(name)).max().unwrap_or(1);
        found.info.name = format!("{prefix}{}", last + 1);
        self.keep_dataset(found).await
    }

    /// Where the images of a data set are, and what its folder has to hold. Requires the unabridged data set.
    pub fn source(&self, info: &DatasetInfo) -> DataSource {
        let mut source = info.source();
        if let DataSource::Folder(folder) = &mut source
            && let Some(known) = &mut folder.known
        {
            known.names = Some(self.data_dir.dataset_names(&info.name).display().to_string());
        }
        source
    }

    /// The source of a data set, if there is one of that name.
    pub(crate) async fn source_of(&self, dataset: &str) -> Option<DataSource> {
        self.get_dataset(dataset).await.ok().map(|info| self.source(&info))
    }

    async fn keep_dataset(&self, found: Inspected) -> Result<DatasetInfo, DatasetError> {
        let info = DatasetInfo { added_at: self.clock.now_ms(), ..found.info };
        let names = self.data_dir.below(&self.data_dir.dataset_names(&info.name));
        self.store.insert_dataset(&info, &names).await?;
        // Without it, a message about a changed folder names classes and counts only.
        if let Err(error) = files::write(&self.data_dir.dataset_names(&info.name), &found.names) {
            tracing::warn!(%error, dataset = info.name, "the names of its images are not kept");
        }
        Ok(info)
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
        let names = self.data_dir.below(&self.data_dir.dataset_names(&info.name));
        self.store.delete_dataset(&info.name, &names).await?;
        if let Err(error) = self.remove_files(vec![names.clone()]).await {
            tracing::warn!(%error, "{names} is left over; the next maskdoor serve removes it");
        }
        Ok(())
    }
}

/// Where the images of a run's order are now: where the data set that it names has them, if these are the same images, since a folder may
/// have been added again from elsewhere; otherwise where they were.
pub(crate) fn found_again(ordered: DataSource, now: Option<DataSource>) -> DataSource {
    let fingerprint = |source: &DataSource| match source {
        DataSource::Folder(folder) => folder.known.as_ref().map(|known| known.fingerprint.clone()),
        DataSource::Builtin => None,
    };
    match now {
        Some(now) if fingerprint(&now).is_some() && fingerprint(&now) == fingerprint(&ordered) => {
            now
        }
        _ => ordered,
    }
}

/// Reads the images of a folder, where blocking is allowed.
async fn inspected(
    name: &str,
    folder: FolderSource,
    mut watch: impl Watch + Send + 'static,
) -> Result<Inspected, DatasetError> {
    let (name, path) = (name.to_owned(), folder.path.clone());
    let source = DataSource::Folder(folder);
    tokio::task::spawn_blocking(move || inspect(&name, &source, &mut watch))
        .await
        .map_err(|error| DatasetError::Internal(error.to_string()))?
        .map_err(|source| DatasetError::Folder { path, source })
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
    fn the_same_images_are_found_where_they_are_now() {
        let at = |path: &str, fingerprint: &str| {
            let info = DatasetInfo {
                name: "photos".into(),
                path: Some(path.into()),
                fingerprint: fingerprint.into(),
                ..DatasetInfo::default()
            };
            info.source()
        };
        let (old, new) = (at("/old", "a"), at("/new", "a"));
        assert_eq!(found_again(old.clone(), Some(new.clone())), new);
        assert_eq!(found_again(old.clone(), Some(at("/new", "b"))), old, "other images");
        assert_eq!(found_again(old.clone(), None), old);
        assert_eq!(found_again(DataSource::Builtin, Some(new)), DataSource::Builtin);
    }

    #[test]
    fn names_are_plain() {
        assert!(check_name("cifar-10_small").is_ok());
        for bad in ["", "a b", "ä", "../x", "shapes", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
