//! Parquet shards by PyArrow, tar shards by webdataset, ImageNet's lists beside a `meta.mat` by SciPy.

use std::fs;

use engine::data::{Index, inspect};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use shared::{
    api::{Layout, Split},
    dataset::FolderSource,
    run::DataSource,
};

use crate::case::Case;

#[derive(Deserialize)]
struct Config {
    layout: Layout,
    side: usize,
    files: Vec<String>,
    classes: Vec<String>,
    train: Vec<(String, u32)>,
    test: Vec<(String, u32)>,
}

#[test]
fn shards_and_lists_of_others_are_read() {
    for case in Case::all("shards") {
        let config: Config = case.config();
        let folder = tempfile::tempdir().unwrap();
        for (n, name) in config.files.iter().enumerate() {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, case.bytes(&format!("file-{n}"))).unwrap();
        }
        let path = folder.path().to_str().unwrap().to_owned();
        let source = DataSource::Folder(FolderSource { path, ..FolderSource::default() });
        let info = inspect("set", &source, &mut ())
            .unwrap_or_else(|error| panic!("{}: {error}", case.name()))
            .info;
        assert_eq!(info.layout, config.layout, "{}", case.name());
        assert_eq!(info.classes, config.classes, "{}", case.name());
        assert_eq!(info.skipped, [], "{}", case.name());
        let index = Index::open(&info.source()).unwrap();
        for (split, images, name) in
            [(Split::Train, &config.train, "train"), (Split::Test, &config.test, "test")]
        {
            let entries = index.entries(split).iter();
            let listed: Vec<_> = entries.map(|entry| (entry.name.clone(), entry.class)).collect();
            assert_eq!(&listed, images, "{}: {name}", case.name());
            let hashes = case.bytes(&format!("{name}.hashes"));
            for i in 0..images.len() {
                let image = index.load(split, i, config.side).unwrap();
                let hash = Sha256::digest(image.data());
                assert_eq!(hash[..], hashes[32 * i..][..32], "{}: {}", case.name(), images[i].0);
            }
        }
    }
}
