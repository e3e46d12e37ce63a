//! Layouts of image files, and which layout a folder has.

mod records;
mod sources;

use std::fs;

use shared::{
    Rgb8,
    api::{DatasetInfo, Layout, Split},
};
use tempfile::TempDir;

use crate::data::{
    Index, inspect,
    testing::{folder, png, source_of},
};

type Files = Vec<(&'static str, Vec<u8>)>;

/// What is found in a folder.
fn found(folder: &TempDir) -> DatasetInfo {
    inspect("set", &source_of(folder.path(), Layout::default()), &mut ()).expect("a data set").info
}

/// Why a folder is refused; the folder's own path is cut out.
fn refusal(files: &[(&str, Vec<u8>)]) -> String {
    let folder = folder(files);
    let error = inspect("set", &source_of(folder.path(), Layout::default()), &mut ())
        .expect_err("no data set");
    error.to_string().replace(folder.path().to_str().expect("UTF-8"), "DATA")
}

/// Names and classes of a split.
fn listed(index: &Index, split: Split) -> Vec<(&str, u32)> {
    index.entries(split).iter().map(|entry| (entry.name.as_str(), entry.class)).collect()
}

/// The files with one of them changed, or left out.
fn with(mut files: Files, name: &str, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) -> Files {
    let at = files.iter().position(|(path, _)| *path == name).expect("one of the files");
    let (path, bytes) = files.remove(at);
    files.extend(change(bytes).map(|bytes| (path, bytes)));
    files
}

fn ppm(colour: [u8; 3]) -> Vec<u8> {
    [b"P6 1 1 255 ".as_slice(), &colour].concat()
}

fn tiny() -> Files {
    vec![
        ("train/n02/images/n02_0.png", png([1; 3])),
        ("train/n02/n02_boxes.txt", b"n02_0.png\t0\t0\t9\t9".to_vec()),
        ("train/n01/images/n01_0.png", png([2; 3])),
        ("val/images/val_0.png", png([3; 3])),
        ("val/images/val_1.png", png([4; 3])),
        ("val/images/val_2.png", png([5; 3])),
        (
            "val/val_annotations.txt",
            b"val_0.png\tn02\t0\t0\t9\t9\nval_1.png\tn01\t0\t0\t9\t9\nval_2.png\tn01\t0\t0\t9\t9\n"
                .to_vec(),
        ),
        ("words.txt", b"n00\tentity\nn01\tgoldfish, Carassius auratus\nn02\tcrane\n".to_vec()),
    ]
}

#[test]
fn tiny_imagenet_as_it_is_published() {
    let folder = folder(&tiny());
    let info = found(&folder);
    assert_eq!(info.layout, Layout::TinyImageNet);
    assert_eq!(info.classes, ["goldfish", "crane"], "in the order of the wnids");
    let index = Index::open(&info.source()).expect("a data set");
    assert_eq!(
        listed(&index, Split::Train),
        [("train/n01/images/n01_0.png", 0), ("train/n02/images/n02_0.png", 1)]
    );
    assert_eq!(
        listed(&index, Split::Test),
        [("val/images/val_1.png", 0), ("val/images/val_2.png", 0), ("val/images/val_0.png", 1)]
    );
    let image = index.load(Split::Test, 2, 4).expect("an image");
    assert_eq!(image, Rgb8::filled(4, 4, [3; 3]));
    let annotations = folder.path().join("val/val_annotations.txt");
    let text = fs::read_to_string(&annotations).expect("a text");
    fs::write(annotations, text.replace("val_2.png\tn01", "val_2.png\tn02")).expect("a file");
    assert_ne!(found(&folder).fingerprint, info.fingerprint, "labels belong to the data set");
}

#[test]
fn tiny_imagenet_rearranged_is_an_image_folder() {
    let mut files = tiny();
    files.retain(|(path, _)| !path.starts_with("val/"));
    files.extend([("val/n01/0.png", png([3; 3])), ("val/n02/images/1.png", png([4; 3]))]);
    let info = found(&folder(&files));
    assert_eq!((info.layout, &info.classes[1][..]), (Layout::ImageFolder, "crane"));
    assert_eq!((&info.train_counts[..], &info.test_counts[..]), (&[1, 1][..], &[1, 1][..]));
    let same = with(files, "words.txt", |_| Some(b"n01\tcrane\nn02\tcrane, bird\n".to_vec()));
    assert_eq!(found(&folder(&same)).classes, ["crane (n01)", "crane (n02)"]);
}

#[test]
fn tiny_imagenet_half_rearranged_is_refused_and_a_finished_one_is_an_image_folder() {
    let mut files = tiny();
    files.retain(|(path, _)| *path != "val/images/val_0.png");
    files.push(("val/n02/val_0.png", png([3; 3])));
    assert_eq!(
        refusal(&files),
        "DATA/val/val_annotations.txt: it names 3 images, 1 of which are not in val/images (val_0.png is the first); val/n02 has \
         images, so a script that sorts them by class may have stopped early: run it again, or move them back"
    );
    files.retain(|(path, _)| !path.starts_with("val/images/"));
    files.extend([("val/n01/val_1.png", png([4; 3])), ("val/n01/val_2.png", png([5; 3]))]);
    let folder = folder(&files);
    fs::create_dir(folder.path().join("val/images")).expect("a folder");
    let info = found(&folder);
    assert_eq!((info.layout, &info.test_counts[..]), (Layout::ImageFolder, &[2, 1][..]));
}

#[test]
fn wrong_annotations_are_named_by_line() {
    let annotated = |text: &str| {
        refusal(&with(tiny(), "val/val_annotations.txt", |_| Some(text.as_bytes().to_vec())))
    };
    assert_eq!(
        annotated("val_0.png\tn02\nval_1.png\tn09\n"),
        "DATA/val/val_annotations.txt: line 2 has the class \"n09\", which has no folder in train"
    );
    assert_eq!(
        annotated("val_0.png n02\n"),
        "DATA/val/val_annotations.txt: line 1 is no `<file><tab><wnid>`"
    );
    assert_eq!(
        annotated(
            "val_0.png\tn02\nval_1.png\tn01\nval_2.png\tn01\nval_7.png\tn01\nval_8.png\tn01\n"
        ),
        "DATA/val/val_annotations.txt: it names 5 images, 2 of which are not in val/images (val_7.png is the first); the download \
         or the unpacking may be incomplete"
    );
    assert_eq!(
        annotated("val_0.png\tn02\nval_1.png\tn01\n"),
        "DATA/val/val_annotations.txt: it has no line for val/images/val_2.png; every image needs one"
    );
}

fn gtsrb() -> Files {
    let table = |rows: &str| {
        format!("Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\r\n{rows}").into_bytes()
    };
    vec![
        ("GTSRB/Final_Training/Images/00000/00000_00000.ppm", ppm([1, 2, 3])),
        (
            "GTSRB/Final_Training/Images/00000/GT-00000.csv",
            table("00000_00000.ppm;1;1;0;0;1;1;0\r\n"),
        ),
        ("GTSRB/Final_Training/Images/00001/00000_00000.ppm", ppm([4, 5, 6])),
        ("GTSRB/Final_Test/Images/00000.ppm", ppm([7, 8, 9])),
        ("GTSRB/Final_Test/Images/00001.ppm", ppm([9, 8, 7])),
        ("GT-final_test.csv", table("00000.ppm;1;1;0;0;1;1;1\r\n00001.ppm;1;1;0;0;1;1;0\r\n")),
    ]
}

#[test]
fn traffic_signs_as_they_are_published() {
    let folder = folder(&gtsrb());
    let info = found(&folder);
    assert_eq!(info.layout, Layout::Gtsrb);
    assert!(info.path.as_deref().is_some_and(|path| path.ends_with("GTSRB")), "{:?}", info.path);
    assert_eq!(info.classes, ["0", "1"]);
    assert_eq!(info.left_out, [], "tables that are read");
    let index = Index::open(&info.source()).expect("a data set");
    assert_eq!(
        listed(&index, Split::Test),
        [("Final_Test/Images/00001.ppm", 0), ("Final_Test/Images/00000.ppm", 1)]
    );
    assert_eq!(index.load(Split::Train, 1, 1).expect("an image").pixel(0, 0), [4, 5, 6]);
}

#[test]
fn tables_of_traffic_signs_are_checked() {
    let refused = |name: &str, from: &str, to: &str| {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text").replace(from, to);
        refusal(&with(gtsrb(), name, |bytes| Some(text(bytes).into_bytes())))
    };
    let (test, train) = ("GT-final_test.csv", "GTSRB/Final_Training/Images/00000/GT-00000.csv");
    assert_eq!(
        refused(test, ";1\r\n00001", ";43\r\n00001"),
        "DATA/GTSRB/../GT-final_test.csv: line 2 has the class \"43\"; classes are 0 to 1"
    );
    assert_eq!(
        refused(test, "00001.ppm", "00002.ppm"),
        "DATA/GTSRB/../GT-final_test.csv: line 3 names Final_Test/Images/00002.ppm, which is not there"
    );
    assert_eq!(
        refused(test, "ClassId", "Class"),
        "DATA/GTSRB/../GT-final_test.csv: its first line names no column \"ClassId\""
    );
    assert_eq!(
        refused(test, "00000.ppm;1;1;0;0;1;1;1", "00000.ppm;1"),
        "DATA/GTSRB/../GT-final_test.csv: line 2 has no field in the column \"ClassId\""
    );
    assert!(
        refused(train, ";0\r\n", ";1\r\n")
            .ends_with("gives Final_Training/Images/00000/00000_00000.ppm the class 1, but it lies in the folder of 0")
    );
    assert_eq!(
        refusal(&with(gtsrb(), test, |_| None)),
        "DATA/GTSRB has no Final_Test/Images/GT-final_test.csv, which belongs to the layout GTSRB"
    );
}

#[test]
fn traffic_signs_as_kaggle_has_them() {
    let mut files = vec![
        ("Test.csv", b"Width,Height,ClassId,Path\n1,1,10,Test/00000.png\n".to_vec()),
        ("Train.csv", b"Width,ClassId,Path\n1,2,Train/2/a.png\n".to_vec()),
        ("Test/00000.png", png([1; 3])),
    ];
    for class in 0..11 {
        files.push((
            [
                "Train/0/a.png",
                "Train/1/a.png",
                "Train/2/a.png",
                "Train/3/a.png",
                "Train/4/a.png",
                "Train/5/a.png",
                "Train/6/a.png",
                "Train/7/a.png",
                "Train/8/a.png",
                "Train/9/a.png",
                "Train/10/a.png",
            ][class],
            png([2; 3]),
        ));
    }
    assert_eq!(
        refusal(&files),
        "the class 0 has no validation image; every class needs at least one of each split"
    );
    let rows = |class: u32| format!("{class},Test/00000.png\n");
    let rows = (0..11).map(rows).collect::<Vec<_>>().concat();
    let twice = with(files.clone(), "Test.csv", |_| Some(format!("ClassId,Path\n{rows}").into()));
    assert!(
        refusal(&twice).starts_with("the class 1 has no validation image"),
        "one image, one class"
    );
    let gap = with(files.clone(), "Train/4/a.png", |_| None);
    assert_eq!(
        refusal(&gap),
        "DATA/Train/5: there is no folder of class 4; the numbers go from 0 on without a gap"
    );
    files.push(("Train/x/a.png", png([2; 3])));
    assert!(refusal(&files).starts_with("DATA/Train/x: a folder of training images is called by"));
}

#[test]
fn a_folder_of_no_layout_is_told_what_it_has() {
    let words = refusal(&[("notes.txt", Vec::new()), ("pictures/cat.png", png([1; 3]))]);
    assert!(
        words.starts_with("DATA is no data set of a known layout. It has: notes.txt, pictures/. "),
        "{words}"
    );
    assert!(refusal(&[]).starts_with("DATA is no data set of a known layout. It has: nothing. "));
}
