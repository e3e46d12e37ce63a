//! Layouts whose pictures are records of files.

use std::{fs, io::Write};

use flate2::{Compression, write::GzEncoder};
use shared::api::{Layout, Split};

use super::{Files, found, listed, refusal, with};
use crate::{
    data::{Index, testing::folder},
    decode::Room,
};

/// A record: labels, then red, green and blue planes that count on from `start`.
fn record(labels: &[u8], start: u8, plane: usize) -> Vec<u8> {
    let byte =
        |at: usize| start.wrapping_add((at % plane) as u8).wrapping_add((at / plane * 100) as u8);
    labels.iter().copied().chain((0..3 * plane).map(byte)).collect()
}

fn cifar10() -> Files {
    let names = [
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ];
    // Two records a file: the classes 9 and 8, 7 and 6 and so on.
    let batch =
        |n: u8| [record(&[9 - 2 * n], n, 1024), record(&[8 - 2 * n], n + 50, 1024)].concat();
    let mut files: Files = names.into_iter().zip((0..5).map(batch)).collect();
    files.push((
        "test_batch.bin",
        (0..10).flat_map(|class| record(&[class], class, 1024)).collect(),
    ));
    let classes = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    files.push(("batches.meta.txt", classes.into()));
    files
}

#[test]
fn cifar_10() {
    let files: Files = cifar10();
    let below: Vec<_> = files
        .iter()
        .map(|(name, bytes)| (format!("cifar-10-batches-bin/{name}"), bytes.clone()))
        .collect();
    let below: Vec<_> = below.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let info = found(&folder(&below));
    assert_eq!((info.layout, &info.classes[9][..]), (Layout::Cifar10, "truck"));
    assert!(info.path.as_deref().is_some_and(|path| path.ends_with("cifar-10-batches-bin")));

    let folder = folder(&files);
    let info = found(&folder);
    assert_eq!((&info.train_counts[..], &info.test_counts[..]), (&[1; 10][..], &[1; 10][..]));
    let index = Index::open(&info.source()).expect("a data set");
    assert_eq!(listed(&index, Split::Train)[0], ("data_batch_5.bin/1", 0));
    assert_eq!(listed(&index, Split::Train)[9], ("data_batch_1.bin/0", 9));
    let image = index.load(Split::Train, 0, 32).expect("an image");
    // Row 1, column 2 is byte 34 of each plane, which begins at 4 + 50 and is 100 more in each colour.
    assert_eq!(image.pixel(2, 1), [88, 188, 32]);
    // The middle of a file of records is seen as well as its ends.
    let path = folder.path().join("data_batch_3.bin");
    let mut bytes = fs::read(&path).expect("a file");
    bytes[3000] ^= 1;
    fs::write(path, bytes).expect("a file");
    assert_ne!(found(&folder).fingerprint, info.fingerprint);
}

#[test]
fn broken_cifar_files_are_named() {
    let cut = |bytes: Vec<u8>| Some(bytes[..6145].to_vec());
    assert_eq!(
        refusal(&with(cifar10(), "data_batch_2.bin", cut)),
        "DATA/data_batch_2.bin: it has 6145 bytes, but records of 3073 bytes make 3073 or 6146; the file is cut or no file \
         of this layout"
    );
    let label = |mut bytes: Vec<u8>| {
        bytes[3073] = 10;
        Some(bytes)
    };
    assert_eq!(
        refusal(&with(cifar10(), "data_batch_4.bin", label)),
        "DATA/data_batch_4.bin: record 1 has the label 10; labels are 0 to 9"
    );
    assert_eq!(
        refusal(&with(cifar10(), "test_batch.bin", |_| None)),
        "DATA has no test_batch.bin, which belongs to the layout CIFAR-10 binary"
    );
    assert_eq!(
        refusal(&with(cifar10(), "batches.meta.txt", |_| Some(b"cat\ndog\n".to_vec()))),
        "DATA/batches.meta.txt: it has 2 class names; 10 are needed, one a line"
    );
    assert_eq!(found(&folder(&with(cifar10(), "batches.meta.txt", |_| None))).classes[3], "3");
    assert!(
        refusal(&with(cifar10(), "test_batch.bin", |_| Some(Vec::new()))).contains("has 0 bytes")
    );
}

#[test]
fn cifar_100_takes_the_fine_labels() {
    let all =
        || (0..100).rev().flat_map(|class| record(&[class / 5, class], class, 1024)).collect();
    let names = (0..100).map(|class| format!("class-{class}\n")).collect::<Vec<_>>().concat();
    let files = vec![
        ("train.bin", all()),
        ("test.bin", all()),
        ("fine_label_names.txt", names.into_bytes()),
    ];
    let info = found(&folder(&files));
    assert_eq!((info.layout, &info.classes[42][..]), (Layout::Cifar100, "class-42"));
    let folder = folder(&files);
    let index = Index::open(&found(&folder).source()).expect("a data set");
    assert_eq!(listed(&index, Split::Test)[42], ("test.bin/57", 42));
    assert_eq!(index.load(Split::Test, 42, 32).expect("an image").pixel(0, 0), [42, 142, 242]);
}

#[test]
fn stl_10_lies_column_by_column() {
    let all = || (0..10).flat_map(|n| record(&[], n, 96 * 96)).collect::<Vec<u8>>();
    let labels: Vec<u8> = (1..=10).rev().collect();
    let files: Files = vec![
        ("stl10_binary/train_X.bin", all()),
        ("stl10_binary/train_y.bin", labels.clone()),
        ("stl10_binary/test_X.bin", all()),
        ("stl10_binary/test_y.bin", labels),
        (
            "stl10_binary/class_names.txt",
            b"airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n".to_vec(),
        ),
    ];
    let whole = folder(&files);
    let info = found(&whole);
    assert_eq!((info.layout, &info.classes[0][..]), (Layout::Stl10, "airplane"));
    let index = Index::open(&info.source()).expect("a data set");
    assert_eq!(listed(&index, Split::Train)[0], ("train_X.bin/9", 0));
    // Column 2, row 1 is byte 2 * 96 + 1 of a plane.
    assert_eq!(index.load(Split::Train, 0, 96).expect("an image").pixel(2, 1), [202, 46, 146]);

    let name = "stl10_binary/test_y.bin";
    let short = with(files.clone(), name, |bytes| Some(bytes[1..].to_vec()));
    assert_eq!(
        refusal(&short),
        "DATA/stl10_binary/test_y.bin: it has 9 labels, but test_X.bin has 10 pictures; every picture needs one"
    );
    let zero = with(files, name, |mut bytes| {
        bytes[4] = 0;
        Some(bytes)
    });
    assert_eq!(
        refusal(&zero),
        "DATA/stl10_binary/test_y.bin: record 4 has the label 0; labels are 1 to 10"
    );
}

/// An IDX file of bytes.
fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let head = [0, 0, 8, sizes.len() as u8];
    head.into_iter()
        .chain(sizes.iter().flat_map(|size| size.to_be_bytes()))
        .chain(bytes.iter().copied())
        .collect()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Three training pictures of 3 x 2 pixels, two of class 4 and one of class 2, and a test picture of each.
fn mnist() -> Files {
    let pictures: Vec<u8> = (0..18).collect();
    vec![
        ("train-images-idx3-ubyte", idx(&[3, 2, 3], &pictures)),
        ("train-labels-idx1-ubyte", idx(&[3], &[4, 2, 4])),
        ("t10k-images-idx3-ubyte", idx(&[2, 2, 3], &pictures[..12])),
        ("t10k-labels-idx1-ubyte", idx(&[2], &[2, 4])),
    ]
}

#[test]
fn mnist_becomes_rgb() {
    let whole = folder(&mnist());
    let info = found(&whole);
    assert_eq!((info.layout, &info.classes[..]), (Layout::Idx, &["2", "4"].map(String::from)[..]));
    let index = Index::open(&info.source()).expect("a data set");
    assert_eq!(
        listed(&index, Split::Train),
        [
            ("train-images-idx3-ubyte/1", 0),
            ("train-images-idx3-ubyte/0", 1),
            ("train-images-idx3-ubyte/2", 1)
        ]
    );
    let entry = &index.entries(Split::Train)[0];
    let picture = index.pixels(Split::Train, entry, &Room::default()).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (3, 2));
    assert_eq!((picture.pixel(0, 0), picture.pixel(2, 1)), ([6; 3], [11; 3]));
}

#[test]
fn packed_files_and_the_other_spelling_are_the_same_data() {
    let packed: Files = vec![
        ("MNIST/raw/train-images.idx3-ubyte.gz", gz(&mnist()[0].1)),
        ("MNIST/raw/train-labels.idx1-ubyte.gz", gz(&mnist()[1].1)),
        ("MNIST/raw/t10k-images.idx3-ubyte.gz", gz(&mnist()[2].1)),
        ("MNIST/raw/t10k-labels.idx1-ubyte", mnist()[3].1.clone()),
    ];
    let packed_folder = folder(&packed);
    let index = Index::open(&found(&packed_folder).source()).expect("a data set");
    let plain_folder = folder(&mnist());
    let plain = Index::open(&found(&plain_folder).source()).expect("a data set");
    for i in 0..3 {
        let image = |index: &Index| index.load(Split::Train, i, 4).expect("an image");
        assert_eq!(image(&index), image(&plain));
    }
    let cut =
        with(packed, "MNIST/raw/train-images.idx3-ubyte.gz", |bytes| Some(bytes[..20].to_vec()));
    assert!(
        refusal(&cut)
            .starts_with("DATA/MNIST/raw/train-images.idx3-ubyte.gz: it is no whole gzip file: ")
    );
}

#[test]
fn emnist_has_names_and_more_than_one_set() {
    let mut files: Files = vec![
        ("emnist-letters-train-images-idx3-ubyte", mnist()[0].1.clone()),
        ("emnist-letters-train-labels-idx1-ubyte", mnist()[1].1.clone()),
        ("emnist-letters-test-images-idx3-ubyte", mnist()[2].1.clone()),
        ("emnist-letters-test-labels-idx1-ubyte", mnist()[3].1.clone()),
        ("emnist-letters-mapping.txt", b"1 65 97\n2 66 98\n3 67 99\n4 68 100\n".to_vec()),
    ];
    assert_eq!(found(&folder(&files)).classes, ["B", "D"]);
    files.push(("emnist-digits-train-images-idx3-ubyte", Vec::new()));
    assert_eq!(
        refusal(&files),
        "DATA: it holds several data sets (emnist-digits, emnist-letters); give each a folder of its own"
    );
}

#[test]
fn broken_idx_files_are_named() {
    let broken = |name: &str, bytes: Vec<u8>| refusal(&with(mnist(), name, |_| Some(bytes)));
    let (images, labels) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    assert_eq!(
        broken(images, idx(&[3, 2, 3], &[0; 17])),
        "DATA/train-images-idx3-ubyte: it has 33 bytes; its header announces 34"
    );
    assert_eq!(
        broken(images, vec![0; 9]),
        "DATA/train-images-idx3-ubyte: it has 9 bytes; its header alone takes 16"
    );
    assert_eq!(
        broken(images, idx(&[3, 2], &[0; 18])),
        "DATA/train-images-idx3-ubyte: it begins with 00000802; an IDX file of this kind with 00000803"
    );
    assert!(broken(images, idx(&[3, 0, 3], &[])).contains("has the sizes [3, 0, 3]"));
    assert!(
        broken(images, idx(&[u32::MAX, 4096, 4096], &[0; 4]))
            .contains("announces 72057594021150736")
    );
    assert_eq!(
        broken(labels, idx(&[2], &[4, 2])),
        "DATA/train-labels-idx1-ubyte: it has 2 labels, but train-images-idx3-ubyte has 3 pictures"
    );
    assert_eq!(
        broken("t10k-labels-idx1-ubyte", idx(&[2], &[2, 7])),
        "DATA/t10k-labels-idx1-ubyte: record 1 has the label 7, which no training image has"
    );
    assert_eq!(
        refusal(&with(mnist(), labels, |_| None)),
        "DATA has no train-labels-idx1-ubyte, which belongs to the layout MNIST (IDX)"
    );
}
