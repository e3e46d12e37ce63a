//! Layouts in which lists, shards or a held-out share tell the classes and the splits.

use std::fs;

use parquet::{
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use shared::{
    api::{HoldOut, Layout, Split},
    dataset::FolderSource,
    run::DataSource,
};

use super::{Files, found, listed, refusal};
use crate::data::{
    Index, inspect,
    testing::{folder, png},
};

fn held_out(files: &Files, share: &str, seed: u64) -> Result<(Index, Layout), String> {
    let folder = folder(files);
    let hold_out = Some(HoldOut { share: share.parse().unwrap(), seed });
    let path = folder.path().to_str().unwrap().to_owned();
    let source = FolderSource { path: path.clone(), hold_out, ..FolderSource::default() };
    let info = inspect("set", &DataSource::Folder(source), &mut ())
        .map_err(|error| error.to_string().replace(&path, "DATA"))?
        .info;
    assert_eq!(info.hold_out, hold_out);
    Ok((Index::open(&info.source()).unwrap(), info.layout))
}

fn classes(count: u8) -> Files {
    let file = |(class, n): (&str, u8)| (&*format!("{class}/{n:02}.png").leak(), png([n, 1, 1]));
    ["cat", "dog"]
        .into_iter()
        .flat_map(|class| (0..count).map(move |n| (class, n)))
        .map(file)
        .collect()
}

#[test]
fn a_share_of_each_class_is_held_out_by_a_seed() {
    let (index, layout) = held_out(&classes(10), "0.3", 1).unwrap();
    assert_eq!(layout, Layout::ClassFolders);
    assert_eq!(index.classes, ["cat", "dog"]);
    assert_eq!((index.counts(Split::Train), index.counts(Split::Test)), (vec![7, 7], vec![3, 3]));
    let names = |index: &Index| {
        let mut names: Vec<String> =
            index.train.iter().chain(&index.test).map(|entry| entry.name.clone()).collect();
        names.sort();
        names
    };
    let all: Vec<String> = classes(10).iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&index), all, "every image once");
    let (same, _) = held_out(&classes(10), "0.3", 1).unwrap();
    assert_eq!(index.test, same.test);
    let (other, _) = held_out(&classes(10), "0.3", 2).unwrap();
    assert_ne!(index.test, other.test);
    assert_ne!(index.fingerprint(), other.fingerprint());
}

#[test]
fn training_images_alone_need_a_share_too() {
    let files: Files = classes(4)
        .into_iter()
        .map(|(name, file)| (&*format!("train/{name}").leak(), file))
        .collect();
    assert!(refusal(&files).contains("--split 0.1"), "{}", refusal(&files));
    let (index, layout) = held_out(&files, "0.5", 0).unwrap();
    assert_eq!(layout, Layout::ImageFolder);
    assert_eq!(index.counts(Split::Test), [2, 2]);
}

#[test]
fn a_share_is_refused_where_there_are_validation_images() {
    let mut files: Files = classes(2)
        .into_iter()
        .map(|(name, file)| (&*format!("train/{name}").leak(), file))
        .collect();
    files.extend(classes(1).into_iter().map(|(name, file)| (&*format!("val/{name}").leak(), file)));
    let error = held_out(&files, "0.5", 0).err().unwrap();
    assert_eq!(
        error,
        "DATA (image folder) has validation images of its own, so no share of the training images can be held out; leave `--split` out"
    );
    let without = refusal(&classes(2));
    assert!(
        without.starts_with("DATA (folder of classes) has no validation images; add them, or"),
        "{without}"
    );
}

#[test]
fn the_nearest_layout_is_named_with_what_it_lacks() {
    let file = |name: &'static str| (name, b"x".to_vec());
    for (names, advice) in [
        (
            &["train.X1/n01/a.png"][..],
            "The nearest layout is ImageNet-100 (Kaggle), which also needs val.X/",
        ),
        (
            &["data_batch_1", "batches.meta"],
            "This is CIFAR-10 for Python; take the binary version (cifar-10-binary.tar.gz)",
        ),
        (&["train/0.arrow", "val/0.arrow"], "Arrow files are not read"),
        (&["set.tar.gz"], "Unpack the archive and give the folder that it unpacks to"),
        (&["notes/a.txt"], "The simplest layout is train/<class>/* and val/<class>/*"),
        (&["a/train/x/1.png", "a/val/x/1.png"], "Give the folder DATA/a below it"),
        (&["a/b/train/x/1.png", "a/b/val/x/1.png"], "Give the folder DATA/a/b below it"),
    ] {
        let files: Files = names.iter().map(|name| file(name)).collect();
        let error = refusal(&files);
        assert!(error.contains(advice), "{error}");
        assert!(error.contains(" is no data set of a known layout. It has: "), "{error}");
    }
}

#[test]
fn lists_name_images_and_labels() {
    let images =
        || -> Files { (0..6).map(|n| (&*format!("images/{n}.png").leak(), png([n; 3]))).collect() };
    let with = |lists: &[(&'static str, &str)]| -> Files {
        images()
            .into_iter()
            .chain(lists.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())))
            .collect()
    };
    // A table with columns in any order, quoted fields, paths without folder and extension, and a file that is not there.
    let info = found(&folder(&with(&[
        ("train.csv", "label,id\n\"dog, big\",0\ncat,1.png\ncat,gone\n"),
        ("test.csv", "label,id\ncat,images/2.png\n\"dog, big\",3\n"),
    ])));
    assert_eq!(info.layout, Layout::Lists);
    assert_eq!(info.classes, ["cat", "dog, big"]);
    let left: Vec<_> = info.left_out.iter().map(|left| (&left.reason[..], left.count)).collect();
    assert_eq!(left, [("named in train.csv, but not there", 1)]);

    // Text without a head; numbers with names in a file of their own.
    let files = folder(&with(&[
        ("train.txt", "images/0.png 1\nimages/1.png 0\n"),
        ("val.txt", "images/4.png 0\nimages/5.png 1\n"),
        ("classes.txt", "owl\nfox\n"),
    ]));
    let info = found(&files);
    assert_eq!(info.classes, ["owl", "fox"]);
    let index = Index::open(&info.source()).unwrap();
    assert_eq!(listed(&index, Split::Train), [("images/1.png", 0), ("images/0.png", 1)]);

    // One table with a column of splits.
    let info = found(&folder(&with(&[(
        "labels.csv",
        "path;class;split\nimages/0.png;a;train\nimages/1.png;b;train\nimages/2.png;a;valid\nimages/3.png;b;valid\nimages/4.png;b;extra\n",
    )])));
    assert_eq!((info.train_counts, info.test_counts), (vec![1, 1], vec![1, 1]));
    assert_eq!(info.left_out[0].reason, "of the split \"extra\"");

    // Names in another Unicode form than the folder has them, and the same class in both forms.
    let mut files: Files = ["caf\u{e9}", "the\u{301}", "owl", "fox"]
        .into_iter()
        .map(|name| (&*format!("{name}.png").leak(), png([7; 3])))
        .collect();
    let (train, val) =
        ("cafe\u{301}.png,cr\u{e8}me\nowl.png,x\n", "th\u{e9},cre\u{300}me\nfox.png,x\n");
    files.extend([("train.csv", train.into()), ("val.csv", val.into())]);
    let info = found(&folder(&files));
    assert_eq!(info.classes, ["cr\u{e8}me", "x"]);
    assert_eq!((info.train_counts, info.test_counts), (vec![1, 1], vec![1, 1]));

    let refused = |lists: &[(&'static str, &str)]| refusal(&with(lists));
    assert_eq!(
        refused(&[
            ("train.txt", "images/0.png 1\nimages/0.png 0\n"),
            ("val.txt", "images/1.png 0\nimages/2.png 1\n")
        ]),
        "DATA/train.txt: line 2: images/0.png is listed twice (line 1 of train.txt); list every image once"
    );
    assert_eq!(
        refused(&[
            ("train.txt", "images/0.png 7\nimages/1.png 0\n"),
            ("classes.txt", "owl\nfox\n")
        ]),
        "DATA/train.txt: line 1: the label 7 has no class name; there are 2, and labels are 0 to 1"
    );
}

#[test]
fn a_list_may_have_the_name_of_a_file_of_class_names() {
    let files: Files = vec![
        ("0.png", png([0; 3])),
        ("1.png", png([1; 3])),
        ("2.png", png([2; 3])),
        ("3.png", png([3; 3])),
        ("labels.txt", b"0.png a\n1.png b\n2.png a\n3.png b\n".to_vec()),
    ];
    let (index, layout) = held_out(&files, "0.5", 0).unwrap();
    assert_eq!(
        (layout, index.classes.clone()),
        (Layout::Lists, vec!["a".to_owned(), "b".to_owned()])
    );
}

#[test]
fn archives_and_lists_beside_folders_of_classes_say_nothing() {
    let mut files: Files = vec![
        ("train/a/0.png", png([0; 3])),
        ("train/b/0.png", png([1; 3])),
        ("val/a/0.png", png([2; 3])),
        ("val/b/0.png", png([3; 3])),
    ];
    files.extend([
        ("train.tar", Vec::new()),
        ("val.tar", Vec::new()),
        ("train.parquet", Vec::new()),
    ]);
    files.push(("train.csv", b"path,label\ntrain/a/0.png,x\n".to_vec()));
    assert_eq!(found(&folder(&files)).layout, Layout::ImageFolder);
}

#[test]
fn one_class_is_refused_in_every_layout() {
    let files: Files = vec![
        ("0.png", png([0; 3])),
        ("1.png", png([1; 3])),
        ("train.txt", b"0.png a\n".to_vec()),
        ("val.txt", b"1.png a\n".to_vec()),
    ];
    assert!(
        refusal(&files).starts_with("DATA has one class, a; a classifier needs at least two"),
        "{}",
        refusal(&files)
    );
}

#[test]
fn a_list_reads_nothing_outside_of_its_folder() {
    let outside = folder(&[("secret.png", png([1; 3]))]);
    let secret = outside.path().join("secret.png").display().to_string();
    let list = format!("path,label\n{secret},a\n../{secret},a\n0.png,a\n1.png,b\n");
    let files: Files = vec![
        ("0.png", png([0; 3])),
        ("1.png", png([1; 3])),
        ("2.png", png([2; 3])),
        ("3.png", png([3; 3])),
        ("train.csv", list.into_bytes()),
        ("val.csv", b"path,label\n2.png,a\n3.png,b\n".to_vec()),
    ];
    let info = found(&folder(&files));
    assert_eq!(info.train_counts, [1, 1]);
    assert_eq!(
        (info.left_out[0].count, &info.left_out[0].reason[..]),
        (2, "named in train.csv, but not there")
    );
}

fn imagenet() -> Files {
    vec![
        ("train/n02/a.JPEG", png([1; 3])),
        ("train/n07/b.JPEG", png([2; 3])),
        ("val/ILSVRC2012_val_00000001.JPEG", png([3; 3])),
        ("val/ILSVRC2012_val_00000002.JPEG", png([4; 3])),
        ("val/ILSVRC2012_val_00000003.JPEG", png([5; 3])),
    ]
}

#[test]
fn imagenet_with_flat_validation_images_by_any_of_its_lists() {
    let kaggle = "ImageId,PredictionString\nILSVRC2012_val_00000003,n02 1 2 3 4 n02 5 6 7 8\nILSVRC2012_val_00000001,n07 1 2 3 4\n\
                  ILSVRC2012_val_00000002,n09 1 2 3 4\n";
    for (name, list) in [("LOC_val_solution.csv", kaggle), ("val/val_wnids.txt", "n07\nn09\nn02\n")]
    {
        // A list within val is no image.
        let mut files = imagenet();
        files.push((name, list.as_bytes().to_vec()));
        let folder = folder(&files);
        let info = found(&folder);
        assert_eq!(info.layout, Layout::ImageNet);
        let index = Index::open(&info.source()).unwrap();
        let expected =
            [("val/ILSVRC2012_val_00000003.JPEG", 0), ("val/ILSVRC2012_val_00000001.JPEG", 1)];
        assert_eq!(listed(&index, Split::Test), expected, "{name}");
        let left: Vec<_> = info.left_out.iter().map(|left| &left.reason[..]).collect();
        assert!(
            left.contains(&"a validation image of a class without training images"),
            "{left:?}"
        );
    }
    let mut files = imagenet();
    files.push(("val_wnids.txt", b"n07\nn02\n".to_vec()));
    assert!(refusal(&files).ends_with(
        "it has 2 lines, but there are 3 validation images; it needs one for each, or 50000 for all of ILSVRC 2012"
    ));
    let mut files = imagenet();
    files.push(("ILSVRC2012_validation_ground_truth.txt", b"1\n2\n3\n".to_vec()));
    assert!(refusal(&files).contains("meta.mat with their wnids has to lie beside it"));
}

#[test]
fn kaggles_imagenet_100_in_four_folders() {
    let files: Files = vec![
        ("train.X1/n02/a.JPEG", png([1; 3])),
        ("train.X2/n01/b.JPEG", png([2; 3])),
        ("train.X4/n03/c.JPEG", png([3; 3])),
        ("val.X/n01/x.JPEG", png([4; 3])),
        ("val.X/n02/y.JPEG", png([5; 3])),
        ("val.X/n03/z.JPEG", png([6; 3])),
        ("Labels.json", br#"{"n01": "robin, American robin", "n02": "gila monster", "n03": "crane", "n04": "more"}"#.to_vec()),
    ];
    let folder = folder(&files);
    let info = found(&folder);
    assert_eq!(info.layout, Layout::ImageNet100Kaggle);
    assert_eq!(info.classes, ["robin", "gila monster", "crane"]);
    let index = Index::open(&info.source()).unwrap();
    let expected =
        [("train.X2/n01/b.JPEG", 0), ("train.X1/n02/a.JPEG", 1), ("train.X4/n03/c.JPEG", 2)];
    assert_eq!(listed(&index, Split::Train), expected);
}

/// A Parquet file of these rows: an image's bytes and a label.
fn parquet(rows: &[(Option<Vec<u8>>, i64)]) -> Vec<u8> {
    let schema =
        parse_message_type("message m { optional binary image; required int64 label; }").unwrap();
    let mut file = Vec::new();
    let mut writer = SerializedFileWriter::new(
        &mut file,
        schema.into(),
        WriterProperties::builder().build().into(),
    )
    .unwrap();
    for rows in rows.chunks(2) {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let images: Vec<ByteArray> =
            rows.iter().filter_map(|(image, _)| image.clone()).map(Into::into).collect();
        let levels: Vec<i16> = rows.iter().map(|(image, _)| image.is_some().into()).collect();
        column.typed::<ByteArrayType>().write_batch(&images, Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let labels: Vec<i64> = rows.iter().map(|(_, label)| *label).collect();
        column.typed::<Int64Type>().write_batch(&labels, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    file
}

fn shards() -> Files {
    let rows = |labels: &[i64]| -> Vec<_> {
        labels.iter().enumerate().map(|(n, &label)| (Some(png([n as u8; 3])), label)).collect()
    };
    vec![
        ("data/train-00000-of-00001.parquet", parquet(&rows(&[1, 0, -1, 1, 0]))),
        ("data/test-00000-of-00001.parquet", parquet(&rows(&[1, 0]))),
        ("README.md", b"about".to_vec()),
    ]
}

#[test]
fn parquet_shards_are_read_in_place() {
    let folder = folder(&shards());
    let info = found(&folder);
    assert_eq!(info.layout, Layout::Parquet);
    assert_eq!((info.train_counts.clone(), info.test_counts.clone()), (vec![2, 2], vec![1, 1]));
    let left: Vec<_> =
        info.left_out.iter().map(|left| (&left.reason[..], &left.first[0][..])).collect();
    assert_eq!(
        left,
        [
            ("without a label", "data/train-00000-of-00001.parquet/2"),
            ("beside the shards", "README.md")
        ]
    );
    let index = Index::open(&info.source()).unwrap();
    let numbers: Vec<u8> =
        (0..4).map(|i| index.load(Split::Train, i, 4).unwrap().data()[0]).collect();
    assert_eq!(numbers, [1, 4, 0, 3], "by class, then by row");
}

#[test]
fn a_row_without_a_readable_image_is_left_out_and_named() {
    let mut files = shards();
    files[0].1 = parquet(&[
        (None, 0),
        (Some(png([1; 3])), 0),
        (Some(b"no image".to_vec()), 1),
        (Some(png([2; 3])), 1),
    ]);
    let info = found(&folder(&files));
    let skipped: Vec<_> =
        info.skipped.iter().map(|file| (&file.path[..], &file.reason[..])).collect();
    let shard = "data/train-00000-of-00001.parquet";
    assert_eq!(
        skipped[0],
        (&*format!("{shard}/0"), "the file cannot be read: the row has no bytes of an image")
    );
    assert_eq!(skipped[1].0, format!("{shard}/2"));
    assert_eq!(info.train_counts, [1, 1]);
}

#[test]
fn no_damage_to_a_shard_makes_a_panic() {
    let sound = shards();
    let place = folder(&sound);
    let source = crate::data::testing::source_of(place.path(), Layout::default());
    let (name, file) = &sound[0];
    let path = place.path().join(name);
    let mut refused = 0;
    // The lowest bit is the sign of the numbers that say where columns are.
    for (at, bit) in (0..file.len()).flat_map(|at| [(at, 0), (at, 1 + at % 7)]) {
        let mut damaged = file.clone();
        damaged[at] ^= 1 << bit;
        fs::write(&path, &damaged).unwrap();
        refused += usize::from(inspect("set", &source, &mut ()).is_err());
        fs::write(&path, &file[..at]).unwrap();
        let error = inspect("set", &source, &mut ()).expect_err("a cut file").to_string();
        assert!(error.contains("Parquet") || error.contains("is empty"), "{error}");
    }
    assert!(refused > 10, "{refused}");
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ::tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = ::tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn tar_shards_are_read_in_place() {
    let image = |n: u8| png([n; 3]);
    let train = tar(&[
        ("0.jpg", &image(1)),
        ("0.cls", b"1\n"),
        ("0.mask.png", &image(9)),
        ("1.cls", b"0"),
        ("1.png", &image(2)),
        ("2.txt", b"a caption"),
        ("2.png", &image(3)),
        ("3.json", br#"{"label": 1}"#),
        ("3.png", &image(4)),
        ("4.cls", b"0"),
    ]);
    let val = tar(&[("0.png", &image(5)), ("0.cls", b"0"), ("1.png", &image(6)), ("1.cls", b"1")]);
    let files: Files = vec![
        ("set-train-0000.tar", train.clone()),
        ("set-val-0000.tar", val.clone()),
        ("classnames.txt", b"fox\nowl\n".to_vec()),
    ];
    let place = folder(&files);
    let info = found(&place);
    assert_eq!(
        (info.layout, &info.classes[..]),
        (Layout::WebDataset, &["fox".to_owned(), "owl".to_owned()][..])
    );
    let index = Index::open(&info.source()).unwrap();
    let expected = [
        ("set-train-0000.tar/1.png", 0),
        ("set-train-0000.tar/0.jpg", 1),
        ("set-train-0000.tar/3.png", 1),
    ];
    assert_eq!(listed(&index, Split::Train), expected);
    let left: Vec<_> = info.left_out.iter().map(|left| &left.reason[..]).collect();
    assert_eq!(
        left,
        ["a sample without a label (.cls, or label in .json)", "a sample without an image"]
    );

    let refused =
        |train: &[u8]| refusal(&[("a-train.tar", train.to_vec()), ("a-val.tar", val.clone())]);
    assert!(
        refused(&train[..1200]).contains("DATA/a-train.tar: it is damaged, or no whole tar file")
    );
    assert!(refused(b"").ends_with("it is empty; the download or the copy may be incomplete"));
    assert!(refused(&[0x1f, 0x8b, 8, 0, 0]).ends_with("it is compressed by gzip; unpack it first"));
    assert!(
        refused(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
            .contains("Git LFS pointer")
    );
}
