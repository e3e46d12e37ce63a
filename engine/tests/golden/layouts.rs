//! Binary data sets against torchvision's readers. A case gives the files by a formula, see `tests/golden/layouts.py`.

use std::{collections::HashMap, fs, path::Path};

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
    step: usize,
    start: usize,
    side: usize,
    labels: Vec<Vec<u8>>,
}

impl Config {
    /// The first `bytes` bytes of a file's pixels.
    fn pixels(&self, file: usize, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|k| ((k * self.step + self.start + 17 * file) % 251) as u8).collect()
    }

    /// Writes the data set's files and returns their names: the training files in order, then the test file.
    fn write(&self, root: &Path) -> Vec<String> {
        let size = self.side * self.side;
        let train = |n: usize| match self.layout {
            Layout::Cifar10 => format!("data_batch_{}.bin", n + 1),
            Layout::Cifar100 => "train.bin".into(),
            Layout::Stl10 => "train_X.bin".into(),
            Layout::Idx => "train-images-idx3-ubyte".into(),
            other => panic!("no case has the layout {other:?}"),
        };
        let test = match self.layout {
            Layout::Cifar10 => "test_batch.bin",
            Layout::Cifar100 => "test.bin",
            Layout::Stl10 => "test_X.bin",
            _ => "t10k-images-idx3-ubyte",
        };
        let last = self.labels.len() - 1;
        let mut names: Vec<String> = (0..last).map(train).collect();
        names.push(test.into());
        for (file, (name, labels)) in names.iter().zip(&self.labels).enumerate() {
            let write = |name: &str, bytes: &[u8]| fs::write(root.join(name), bytes).unwrap();
            let count = (labels.len() as u32).to_be_bytes();
            match self.layout {
                Layout::Cifar10 | Layout::Cifar100 => {
                    let pixels = self.pixels(file, labels.len() * 3 * size);
                    // The coarse label of CIFAR-100 is not used.
                    let coarse: &[u8] = if self.layout == Layout::Cifar100 { &[7] } else { &[] };
                    let records = labels.iter().zip(pixels.chunks_exact(3 * size));
                    let bytes: Vec<u8> = records
                        .flat_map(|(&label, pixels)| [coarse, &[label], pixels].concat())
                        .collect();
                    write(name, &bytes);
                }
                Layout::Stl10 => {
                    write(name, &self.pixels(file, labels.len() * 3 * size));
                    let labels: Vec<u8> = labels.iter().map(|label| label + 1).collect();
                    write(&name.replace("_X", "_y"), &labels);
                }
                _ => {
                    let side = (self.side as u32).to_be_bytes();
                    let pixels = self.pixels(file, labels.len() * size);
                    write(name, &[&[0, 0, 8, 3], &count[..], &side, &side, &pixels].concat());
                    let name = name.replace("images-idx3", "labels-idx1");
                    write(&name, &[&[0, 0, 8, 1], &count[..], labels].concat());
                }
            }
        }
        names
    }
}

#[test]
fn binary_data_sets_agree() {
    for case in Case::all("layouts") {
        let config: Config = case.config();
        let folder = tempfile::tempdir().unwrap();
        let files = config.write(folder.path());
        let path = folder.path().to_str().unwrap().to_owned();
        let source = DataSource::Folder(FolderSource { path, ..FolderSource::default() });
        let info = inspect("set", &source, &mut ()).unwrap().info;
        assert_eq!(info.layout, config.layout, "{}", case.name());
        let index = Index::open(&info.source()).unwrap();
        // torchvision numbers the images of a split across its files; ours are ordered by class and named by file and position.
        let mut before = HashMap::new();
        let mut count = 0;
        for (file, labels) in files.iter().zip(&config.labels) {
            if *file == files[files.len() - 1] {
                count = 0;
            }
            before.insert(file.as_str(), count);
            count += labels.len();
        }
        for (split, name) in [(Split::Train, "train"), (Split::Test, "test")] {
            let classes = case.indices(&format!("{name}.classes"));
            let hashes = case.bytes(&format!("{name}.hashes"));
            let entries = index.entries(split);
            assert_eq!(entries.len(), classes.len(), "{}: {name}", case.name());
            for (i, entry) in entries.iter().enumerate() {
                let (file, place) = entry.name.rsplit_once('/').unwrap();
                let number = before[file] + place.parse::<usize>().unwrap();
                let what = format!("{}: {name} image {number}, {}", case.name(), entry.name);
                assert_eq!(entry.class, classes[number], "{what}");
                let image = index.load(split, i, config.side).unwrap();
                let hash = Sha256::digest(image.data());
                assert_eq!(hash[..], hashes[32 * number..][..32], "{what}");
            }
        }
    }
}
