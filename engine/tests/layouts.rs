//! Whatever a data set's folder contains, inspecting it yields a data set or an error, and takes memory in proportion to the files.
//!
//! `PROPTEST_CASES` sets the number of folders of each layout.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::Write,
    sync::{Mutex, PoisonError},
};

use engine::{
    data::{Index, Inspected, inspect, load_within},
    decode::encode_png,
};
use flate2::{Compression, write::GzEncoder};
use peak_alloc::PeakAlloc;
use proptest::{collection::vec, prelude::*, sample::Index as Place};
use shared::{Rgb8, api::Layout, dataset::FolderSource, run::DataSource};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that inspecting an empty folder may take: threads, buffers, messages.
const LITTLE: usize = 8 << 20;
/// Bytes of memory per byte of the files: a name and a class for each of the smallest records, a decoded picture.
const FACTOR: usize = 64;

/// Held by the test whose memory is measured.
static ALONE: Mutex<()> = Mutex::new(());

type Files = Vec<(String, Vec<u8>)>;

/// A mutation of a valid folder.
#[derive(Clone, Debug)]
enum Damage {
    /// A byte is replaced.
    Byte(Place, Place, u8),
    /// One of the first bytes is replaced: headers are short compared with pixels.
    Head(Place, usize, u8),
    /// A file is truncated.
    Cut(Place, Place),
    /// A file is removed.
    Gone(Place),
    /// Bytes are inserted.
    Insert(Place, Place, Vec<u8>),
    /// A file's content is replaced by these bytes.
    Content(Place, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<Place>;
    prop_oneof![
        3 => (place(), place(), any::<u8>()).prop_map(|(file, at, to)| Damage::Byte(file, at, to)),
        3 => (place(), 0usize..24, any::<u8>()).prop_map(|(file, at, to)| Damage::Head(file, at, to)),
        1 => (place(), place()).prop_map(|(file, at)| Damage::Cut(file, at)),
        1 => place().prop_map(Damage::Gone),
        2 => (place(), place(), vec(any::<u8>(), 1..20)).prop_map(|(file, at, bytes)| Damage::Insert(file, at, bytes)),
        2 => (place(), vec(any::<u8>(), 0..4000)).prop_map(|(file, bytes)| Damage::Content(file, bytes)),
    ]
}

/// The damaged files. Only files whose name matches `target` are damaged; other tests cover the pixels of image files.
fn damaged(mut files: Files, damages: Vec<Damage>, target: fn(&str) -> bool) -> Files {
    for damage in damages {
        let hit: Vec<usize> = (0..files.len()).filter(|&i| target(&files[i].0)).collect();
        if hit.is_empty() {
            break;
        }
        let (Damage::Byte(file, ..)
        | Damage::Head(file, ..)
        | Damage::Cut(file, _)
        | Damage::Gone(file)
        | Damage::Insert(file, ..)
        | Damage::Content(file, _)) = &damage;
        let file = *file.get(&hit);
        let bytes = &mut files[file].1;
        match damage {
            Damage::Byte(_, at, to) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
            Damage::Head(_, at, to) if at < bytes.len() => bytes[at] = to,
            Damage::Cut(_, at) => bytes.truncate(at.index(bytes.len() + 1)),
            Damage::Insert(_, at, inserted) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, inserted);
            }
            Damage::Content(_, content) => *bytes = content,
            Damage::Gone(_) => drop(files.remove(file)),
            Damage::Byte(..) | Damage::Head(..) => {}
        }
    }
    files
}

/// Inspects a folder of these files.
fn look(layout: Layout, files: &Files) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let mut total = 0;
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        total += bytes.len();
    }
    let path = folder.path().to_str().unwrap().to_owned();
    let source = DataSource::Folder(FolderSource { path, layout, ..FolderSource::default() });
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    // Once as the original layout, whatever the damage made of it, and once as the layout that is detected.
    let _ = Index::open(&source);
    let found = inspect("set", &source, &mut ());
    let peak = MEMORY.peak_usage().saturating_sub(before);
    drop(alone);
    prop_assert!(peak <= LITTLE + FACTOR * total, "{peak} bytes of memory for {total} of files");
    match found {
        Err(error) => prop_assert!(!error.to_string().is_empty()),
        Ok(Inspected { info, .. }) => {
            let pixels =
                load_within(&Index::open(&info.source()).unwrap(), 4, u64::MAX, &mut ()).unwrap();
            let counts = info.train_counts.iter().sum::<u32>() as usize;
            prop_assert_eq!(pixels.train.len(), counts);
            prop_assert!(info.train_counts.iter().chain(&info.test_counts).all(|&count| count > 0));
        }
    }
    Ok(())
}

fn named(files: &[(&str, Vec<u8>)]) -> Files {
    files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect()
}

/// One record of each class: labels, then pixels.
fn records(classes: std::ops::Range<u8>, label: impl Fn(u8) -> Vec<u8>, pixels: usize) -> Vec<u8> {
    classes.flat_map(|class| [label(class), vec![class; pixels]].concat()).collect()
}

fn cifar10() -> Files {
    let batch = |classes| records(classes, |class| vec![class], 3072);
    named(&[
        ("data_batch_1.bin", batch(0..2)),
        ("data_batch_2.bin", batch(2..4)),
        ("data_batch_3.bin", batch(4..6)),
        ("data_batch_4.bin", batch(6..8)),
        ("data_batch_5.bin", batch(8..10)),
        ("test_batch.bin", batch(0..10)),
        ("batches.meta.txt", b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n".to_vec()),
    ])
}

fn cifar100() -> Files {
    let all = || records(0..100, |class| vec![class / 5, class], 3072);
    named(&[("train.bin", all()), ("test.bin", all())])
}

fn stl10() -> Files {
    let all = || records(0..10, |_| Vec::new(), 3 * 96 * 96);
    let labels: Vec<u8> = (1..=10).collect();
    named(&[
        ("train_X.bin", all()),
        ("train_y.bin", labels.clone()),
        ("test_X.bin", all()),
        ("test_y.bin", labels),
    ])
}

fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let sizes: Vec<u8> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
    [&[0, 0, 8, (sizes.len() / 4) as u8], &sizes[..], bytes].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn mnist() -> Files {
    named(&[
        ("train-images-idx3-ubyte", idx(&[4, 5, 5], &[9; 100])),
        ("train-labels-idx1-ubyte", idx(&[4], &[0, 1, 2, 2])),
        ("t10k-images-idx3-ubyte.gz", packed(&idx(&[3, 5, 5], &[9; 75]))),
        ("t10k-labels-idx1-ubyte.gz", packed(&idx(&[3], &[0, 1, 2]))),
        ("mapping.txt", b"0 48\n1 49\n2 50\n".to_vec()),
    ])
}

fn picture() -> Vec<u8> {
    encode_png(&Rgb8::filled(2, 2, [1, 2, 3]))
}

fn gtsrb() -> Files {
    let table = |rows: &str| format!("Filename;Width;ClassId\n{rows}").into_bytes();
    named(&[
        ("Final_Training/Images/00000/a.png", picture()),
        ("Final_Training/Images/00000/GT-00000.csv", table("a.png;2;0\n")),
        ("Final_Training/Images/00001/a.png", picture()),
        ("Final_Test/Images/0.png", picture()),
        ("Final_Test/Images/1.png", picture()),
        ("GT-final_test.csv", table("0.png;2;0\n1.png;2;1\n")),
    ])
}

fn kaggle() -> Files {
    named(&[
        ("Train/0/a.png", picture()),
        ("Train/1/a.png", picture()),
        ("Test/0.png", picture()),
        ("Test/1.png", picture()),
        ("Train.csv", b"ClassId,Path\n0,Train/0/a.png\n".to_vec()),
        ("Test.csv", b"ClassId,Path\n0,Test/0.png\n1,Test/1.png\n".to_vec()),
    ])
}

fn tiny_imagenet() -> Files {
    named(&[
        ("train/n01/images/a.png", picture()),
        ("train/n02/images/a.png", picture()),
        ("val/images/0.png", picture()),
        ("val/images/1.png", picture()),
        ("val/val_annotations.txt", b"0.png\tn01\t0\n1.png\tn02\t0\n".to_vec()),
        ("words.txt", b"n01\tgoldfish, fish\nn02\tcrane\n".to_vec()),
    ])
}

fn imagenet() -> Files {
    named(&[
        ("train/n01/a.JPEG", picture()),
        ("train/n02/a.JPEG", picture()),
        ("val/ILSVRC2012_val_00000001.JPEG", picture()),
        ("val/ILSVRC2012_val_00000002.JPEG", picture()),
        (
            "LOC_val_solution.csv",
            b"ImageId,PredictionString\nILSVRC2012_val_00000001,n01 1 2\nILSVRC2012_val_00000002,n02 1 2\n".to_vec(),
        ),
    ])
}

fn imagenet_100() -> Files {
    named(&[
        ("train.X1/n01/a.JPEG", picture()),
        ("train.X2/n02/a.JPEG", picture()),
        ("val.X/n01/a.JPEG", picture()),
        ("val.X/n02/a.JPEG", picture()),
        ("Labels.json", br#"{"n01": "goldfish, fish", "n02": "crane"}"#.to_vec()),
    ])
}

fn lists() -> Files {
    named(&[
        ("a/0.png", picture()),
        ("a/1.png", picture()),
        ("a/2.png", picture()),
        ("a/3.png", picture()),
        ("train.csv", b"path,label\na/0.png,x\na/1.png,y\n".to_vec()),
        ("val.txt", b"a/2.png x\na/3.png y\n".to_vec()),
    ])
}

/// A tar file with a sample of each class.
fn shard() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for class in ["0", "1"] {
        for (end, content) in [("png", picture()), ("cls", class.into())] {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append_data(&mut header, format!("{class}.{end}"), &content[..]).unwrap();
        }
    }
    archive.into_inner().unwrap()
}

fn webdataset() -> Files {
    named(&[("train-0.tar", shard()), ("val-0.tar", shard())])
}

fn is_text(name: &str) -> bool {
    name.ends_with("txt") || name.ends_with("csv")
}

#[test]
fn the_undamaged_folders_are_sound() {
    for (layout, files) in [
        (Layout::Cifar10, cifar10()),
        (Layout::Cifar100, cifar100()),
        (Layout::Stl10, stl10()),
        (Layout::Idx, mnist()),
        (Layout::Gtsrb, gtsrb()),
        (Layout::GtsrbKaggle, kaggle()),
        (Layout::TinyImageNet, tiny_imagenet()),
        (Layout::ImageNet, imagenet()),
        (Layout::ImageNet100Kaggle, imagenet_100()),
        (Layout::Lists, lists()),
        (Layout::WebDataset, webdataset()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let path = folder.path().to_str().unwrap().to_owned();
        let source = DataSource::Folder(FolderSource { path, ..FolderSource::default() });
        assert_eq!(inspect("set", &source, &mut ()).unwrap().info.layout, layout);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24)
    ))]

    #[test]
    fn cifar_10(damages in vec(damage(), 1..4)) {
        look(Layout::Cifar10, &damaged(cifar10(), damages, |_| true))?;
    }

    #[test]
    fn cifar_100(damages in vec(damage(), 1..4)) {
        look(Layout::Cifar100, &damaged(cifar100(), damages, |_| true))?;
    }

    #[test]
    fn stl_10(damages in vec(damage(), 1..4)) {
        look(Layout::Stl10, &damaged(stl10(), damages, |_| true))?;
    }

    #[test]
    fn mnist_files(damages in vec(damage(), 1..4)) {
        look(Layout::Idx, &damaged(mnist(), damages, |_| true))?;
    }

    #[test]
    fn traffic_signs(damages in vec(damage(), 1..4)) {
        look(Layout::Gtsrb, &damaged(gtsrb(), damages, is_text))?;
    }

    #[test]
    fn traffic_signs_of_kaggle(damages in vec(damage(), 1..4)) {
        look(Layout::GtsrbKaggle, &damaged(kaggle(), damages, is_text))?;
    }

    #[test]
    fn tiny_imagenet_texts(damages in vec(damage(), 1..4)) {
        look(Layout::TinyImageNet, &damaged(tiny_imagenet(), damages, is_text))?;
    }

    #[test]
    fn imagenet_lists(damages in vec(damage(), 1..4)) {
        look(Layout::ImageNet, &damaged(imagenet(), damages, |_| true))?;
    }

    #[test]
    fn imagenet_100_of_kaggle(damages in vec(damage(), 1..4)) {
        look(Layout::ImageNet100Kaggle, &damaged(imagenet_100(), damages, |_| true))?;
    }

    #[test]
    fn lists_of_files(damages in vec(damage(), 1..4)) {
        look(Layout::Lists, &damaged(lists(), damages, |_| true))?;
    }

    #[test]
    fn tar_shards(damages in vec(damage(), 1..4)) {
        look(Layout::WebDataset, &damaged(webdataset(), damages, |_| true))?;
    }
}
