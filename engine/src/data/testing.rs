//! Folders for tests.

use std::{fs, path::Path};

use shared::{Rgb8, api::Layout, dataset::FolderSource, run::DataSource};
use tempfile::TempDir;

use crate::decode::encode_png;

/// A PNG file of one colour.
pub fn png(colour: [u8; 3]) -> Vec<u8> {
    encode_png(&Rgb8::filled(6, 4, colour))
}

/// A folder with these files.
pub fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
    folder
}

/// A folder as the source of a data set, nothing left out.
pub fn source_of(folder: &Path, layout: Layout) -> DataSource {
    let path = folder.to_str().expect("UTF-8").into();
    DataSource::Folder(FolderSource { path, layout, ..FolderSource::default() })
}
