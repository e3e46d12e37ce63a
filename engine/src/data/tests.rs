//! Image folders on disk.

use std::{fs, path::Path};

use image::{DynamicImage, ImageFormat};
use shared::{
    Rgb8,
    api::{DatasetInfo, Layout, Split},
    run::DataSource,
    settings::DatasetSpec,
};
use tempfile::TempDir;

use super::{
    DataError, Index, inspect, load_within, picture,
    testing::{folder, png, source_of},
};
use crate::{decode::testing, stop::Watch};

fn jpeg() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8 * 8, y as u8 * 8, 9]));
    DynamicImage::from(image).write_to(&mut bytes, ImageFormat::Jpeg).expect("memory");
    bytes.into_inner()
}

fn inspected(folder: &TempDir) -> DatasetInfo {
    inspect("pets", &source(folder.path()), &mut ()).expect("a data set").info
}

fn source(folder: &Path) -> DataSource {
    source_of(folder, Layout::ImageFolder)
}

/// Two classes, two training images and one validation image each.
fn sound() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("train/dog/b.png", png([1, 2, 3])),
        ("train/dog/a.JPG", jpeg()),
        ("train/cat/2.png", png([10, 20, 30])),
        ("train/cat/1.png", png([40, 50, 60])),
        ("val/cat/x.png", png([70, 80, 90])),
        ("val/dog/y.png", png([5, 5, 5])),
    ]
}

/// What `inspect` says against a folder; the folder's own path is cut out.
fn refusal(folder: &TempDir) -> String {
    let path = folder.path().to_str().expect("UTF-8");
    let error = inspect("pets", &source(folder.path()), &mut ()).expect_err("no data set");
    error.to_string().replace(path, "DATA")
}

#[test]
fn classes_and_files_are_sorted_by_name() {
    let folder = folder(&sound());
    let index = Index::open(&source(folder.path())).expect("a data set");
    assert_eq!(index.classes, ["cat", "dog"]);
    let names: Vec<&str> = index.train.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["train/cat/1.png", "train/cat/2.png", "train/dog/a.JPG", "train/dog/b.png"]);
    assert_eq!(index.labels(Split::Train), [0, 0, 1, 1]);
    assert_eq!(index.labels(Split::Test), [0, 1]);
    assert_eq!(index.load(Split::Train, 1, 8).expect("an image"), Rgb8::filled(8, 8, [10, 20, 30]));
    let error = index.load(Split::Test, 2, 8).expect_err("two images only");
    assert_eq!(error.to_string(), "there is no image 2 in the validation images: there are 2");
}

#[test]
fn a_picture_in_no_data_set_becomes_what_it_would_be_in_one() {
    let wide = image::RgbImage::from_fn(40, 24, |x, y| image::Rgb([x as u8 * 6, y as u8 * 9, 7]));
    let mut file = std::io::Cursor::new(Vec::new());
    DynamicImage::from(wide).write_to(&mut file, ImageFormat::Jpeg).expect("memory");
    let mut files = sound();
    files.push(("val/cat/wide.jpg", file.into_inner()));
    let folder = folder(&files);
    let index = Index::open(&source(folder.path())).expect("a data set");
    let own = picture(&folder.path().join("val/cat/wide.jpg"), 16).expect("an image");
    assert_eq!((own.width(), own.height()), (16, 16), "the whole of it");
    assert_eq!(own, index.load(Split::Test, 0, 16).expect("an image"));

    let clear = image::RgbaImage::from_pixel(4, 4, image::Rgba([10, 20, 30, 0]));
    let path = folder.path().join("clear.png");
    clear.save(&path).expect("a file");
    assert_eq!(picture(&path, 8).expect("an image"), Rgb8::filled(8, 8, [255; 3]));
    fs::write(&path, "a letter").expect("a file");
    let error = picture(&path, 8).expect_err("no image").to_string();
    assert!(error.contains("clear.png: the file's content is text"), "{error}");
}

#[test]
fn limits_take_the_first_of_each_class() {
    let folder = folder(&sound());
    let whole = Index::open(&source(folder.path())).expect("a data set");
    let spec = DatasetSpec { name: "pets".into(), train_per_class: Some(1), test_per_class: None };
    let limited = whole.clone().limited(&spec);
    let names: Vec<&str> = limited.train.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["train/cat/1.png", "train/dog/a.JPG"]);
    assert_eq!(limited.test.len(), 2);
    assert_eq!(limited.fingerprint(), whole.fingerprint());
}

#[test]
fn images_in_folders_below_a_class_count_and_everything_else_is_named() {
    let mut files = sound();
    files.extend([
        ("train/cat/.hidden.png", png([0; 3])),
        ("train/cat/notes.txt", b"hello".to_vec()),
        ("train/cat/more.txt", b"hello".to_vec()),
        ("train/cat/deeper/3.png", png([0; 3])),
        ("train/cat/deeper/still/4.png", png([0; 3])),
        ("train/cat/a/5.png", png([0; 3])),
        ("train/cat/page", b"<html><body>404</body></html>".to_vec()),
        ("train/cat/no-extension", png([0; 3])),
        ("train/cat/picture.JFIF", jpeg()),
        ("train/cat/@eaDir/1.png/SYNO.jpg", jpeg()),
        ("train/.cache/1.png", png([0; 3])),
        ("train/readme.md", b"hello".to_vec()),
        ("val/bird/readme.md", b"hello".to_vec()),
        ("test/bird/1.png", png([0; 3])),
        ("LICENSE", b"hello".to_vec()),
    ]);
    let folder = folder(&files);
    let info = inspected(&folder);
    let index = Index::open(&info.source()).expect("a data set; `val` goes before `test`");
    let names: Vec<&str> = index.train.iter().map(|entry| entry.name.as_str()).collect();
    // By folder, then by name, as torchvision has them.
    let cats = [
        "train/cat/1.png",
        "train/cat/2.png",
        "train/cat/no-extension",
        "train/cat/picture.JFIF",
        "train/cat/a/5.png",
        "train/cat/deeper/3.png",
        "train/cat/deeper/still/4.png",
    ];
    assert_eq!(names[..7], cats);
    assert_eq!((index.train.len(), index.test.len()), (9, 2));
    let left: Vec<(&str, u32, String)> = info
        .left_out
        .iter()
        .map(|left| (&left.reason[..], left.count, left.first.join(" ")))
        .collect();
    assert_eq!(
        left,
        [
            ("a folder of no class and without an image", 1, "val/bird/".into()),
            (
                "hidden, or a file of the system",
                2,
                "train/cat/.hidden.png train/cat/@eaDir/".into()
            ),
            ("not an image: text", 2, "train/cat/more.txt train/cat/notes.txt".to_owned()),
            (
                "not an image: an HTML page, as a failed download leaves it",
                1,
                "train/cat/page".into()
            ),
            ("beside the class folders", 2, "train/.cache/ train/readme.md".into()),
            ("beside `train` and `val`", 2, "LICENSE test/".into()),
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_back_is_not_followed() {
    let folder = folder(&sound());
    let cat = folder.path().join("train/cat");
    std::os::unix::fs::symlink(&cat, cat.join("self")).expect("a link");
    let info = inspected(&folder);
    assert_eq!(info.train_counts, [2, 2]);
    assert_eq!(info.left_out[0].reason, "a link to a folder that is read already");
}

#[test]
fn splits_have_many_names() {
    for (train, test) in [("Training", "valid"), ("training", "Validation"), ("TRAIN", "Testing")] {
        let renamed = |path: &str| {
            path.replace("train/", &format!("{train}/")).replace("val/", &format!("{test}/"))
        };
        let files: Vec<(String, Vec<u8>)> =
            sound().into_iter().map(|(path, bytes)| (renamed(path), bytes)).collect();
        let files: Vec<(&str, Vec<u8>)> =
            files.iter().map(|(path, bytes)| (&path[..], bytes.clone())).collect();
        let folder = folder(&files);
        let info = inspected(&folder);
        assert_eq!((info.classes.len(), info.train_counts[1]), (2, 2), "{train}, {test}");
        let index = Index::open(&info.source()).expect("a data set");
        assert_eq!(index.test[0].name, format!("{test}/cat/x.png"));
    }
}

#[test]
fn equal_names_in_two_unicode_forms_are_one_class() {
    let composed = "train/caf\u{e9}/1.png";
    let decomposed = "val/cafe\u{301}/1.png";
    let mut files = sound();
    files.extend([(composed, png([1; 3])), (decomposed, png([2; 3]))]);
    let info = inspected(&folder(&files));
    assert_eq!(info.classes, ["caf\u{e9}", "cat", "dog"]);
    assert_eq!(info.test_counts, [1, 1, 1]);
    let mut twice = files.clone();
    twice.push(("val/caf\u{e9}/2.png", png([3; 3])));
    assert!(refusal(&folder(&twice)).starts_with("DATA/val has two folders of the same name"));
    files.push(("train/cafe\u{301}/1.png", png([3; 3])));
    assert_eq!(
        refusal(&folder(&files)),
        "DATA/train has two folders of the same name in different Unicode forms: \\u{63}\\u{61}\\u{66}\\u{65}\\u{301} and \
         \\u{63}\\u{61}\\u{66}\\u{e9}; merge them"
    );
}

#[test]
fn differences_that_the_eye_does_not_see_are_spelled_out() {
    let renamed = |from: &str, to: &'static str| {
        let mut files = sound();
        files.retain(|(path, _)| *path != from);
        files.push((to, png([1; 3])));
        refusal(&folder(&files))
    };
    assert_eq!(
        renamed("val/dog/y.png", "val/dog /y.png"),
        "the classes of `val` are not those of `train`: val has \"dog \" where train has \"dog\" (they differ in blanks at the \
         beginning or the end)"
    );
    for (to, difference) in [
        ("val/Dog/y.png", "capitals"),
        ("val/d\u{43e}g/y.png", "\u{43e} (U+043E) for o (U+006F)"),
        ("val/d\u{f6}g/y.png", "\u{f6} (U+00F6) for o (U+006F)"),
        ("val/dog\u{200b}/y.png", "characters that cannot be seen, or look alike"),
    ] {
        let error = renamed("val/dog/y.png", to);
        assert!(error.ends_with(&format!("(they differ in {difference})")), "{error}");
    }
    assert!(
        renamed("val/dog/y.png", "val/fox/y.png").ends_with("val lacks dog; val has fox besides")
    );
    assert_eq!(
        renamed("val/dog/y.png", "val/do\ng/y.png"),
        "\"DATA/val/do\\ng\": the name has a line break or another control character; rename it"
    );
}

#[test]
fn a_changed_folder_is_not_read_and_says_what_changed() {
    let folder = folder(&sound());
    let found = inspect("pets", &source(folder.path()), &mut ()).expect("a data set");
    let names = folder.path().join("names");
    fs::write(&names, &found.names).expect("a file");
    let DataSource::Folder(mut source) = found.info.source() else { panic!("a folder") };
    source.known.as_mut().expect("a content").names = names.to_str().map(Into::into);
    let source = DataSource::Folder(source);
    let change = || {
        let error = Index::open(&source).expect_err("a changed folder").to_string();
        let error = error.replace(folder.path().to_str().expect("UTF-8"), "DATA");
        let (head, rest) = error.split_once(": ").expect("a reason");
        assert_eq!(head, "the folder DATA of the data set pets has changed since it was added");
        rest.split_once(". Restore it, or add").expect("an advice").0.to_owned()
    };
    assert!(Index::open(&source).is_ok());
    let put = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    };
    put("train/cat/3.png", &png([9; 3]));
    assert_eq!(change(), "5 training images instead of 4; files (new: train/cat/3.png)");
    fs::remove_file(folder.path().join("train/cat/1.png")).expect("a file");
    assert_eq!(change(), "files (new: train/cat/3.png; gone: train/cat/1.png)");
    put("train/aaa/1.png", &png([9; 3]));
    assert_eq!(change(), "the classes of `val` are not those of `train`: val lacks aaa");
    put("val/aaa/1.png", &png([9; 3]));
    assert_eq!(
        change(),
        "3 classes instead of 2 (new: aaa); 5 training images instead of 4; 3 validation images instead of 2; files (new: \
         train/aaa/1.png, train/cat/3.png, val/aaa/1.png; gone: train/cat/1.png)"
    );
    fs::remove_dir_all(folder.path()).expect("a folder");
    assert!(Index::open(&source).expect_err("no folder").to_string().contains("does not exist"));
}

#[test]
fn every_format_becomes_rgb() {
    let encoded = |image: DynamicImage, format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).expect("memory");
        bytes.into_inner()
    };
    let grey = image::GrayImage::from_pixel(9, 5, image::Luma([120]));
    let alpha = image::RgbaImage::from_pixel(5, 9, image::Rgba([0, 0, 0, 0]));
    let deep = image::ImageBuffer::from_pixel(4, 4, image::LumaA([65535_u16, 65535]));
    let files = [
        ("train/a/1.jpeg", jpeg()),
        ("train/a/2.webp", encoded(alpha.clone().into(), ImageFormat::WebP)),
        ("train/a/3.png", encoded(alpha.into(), ImageFormat::Png)),
        ("train/a/4.Png", encoded(grey.clone().into(), ImageFormat::Png)),
        ("train/b/1.jpg", encoded(grey.into(), ImageFormat::Jpeg)),
        ("train/b/2.jpg", testing::flat_cmyk_jpeg([255, 255, 255, 255], true)),
        ("train/b/3.png", testing::palette_png()),
        ("train/b/4.png", encoded(DynamicImage::ImageLumaA16(deep), ImageFormat::Png)),
        ("test/a/1.png", png([1; 3])),
        ("test/b/1.png", png([2; 3])),
    ];
    let folder = folder(&files);
    let info = inspected(&folder);
    assert_eq!((info.skipped_total, &info.train_counts[..]), (0, &[4, 4][..]));
    let pixels = load_within(&Index::open(&info.source()).expect("index"), 8, u64::MAX, &mut ())
        .expect("pixels");
    let corner: Vec<[u8; 3]> =
        pixels.train.iter().map(|sample| sample.image().expect("in memory").pixel(7, 7)).collect();
    assert_eq!(corner[1], [0; 3], "transparent WebP");
    assert_eq!(corner[2], [0; 3], "transparent PNG");
    assert_eq!(corner[3], [120; 3], "grey PNG");
    assert_eq!(corner[4], [120; 3], "grey JPEG");
    assert_eq!(corner[5], [255; 3], "CMYK JPEG without ink");
    assert_eq!(corner[6], [0, 255, 0], "transparent palette colour");
    assert_eq!(corner[7], [255; 3], "16-bit grey");
    assert_eq!(pixels.test[1].class, 1);
}

#[test]
fn unreadable_files_are_left_out_named_and_counted() {
    let mut files = sound();
    let cut = jpeg();
    files.push(("train/cat/0-cut.jpg", cut[..cut.len() / 2].to_vec()));
    files.push(("val/dog/a-text.png", b"no image at all".to_vec()));
    let folder = folder(&files);
    let info = inspected(&folder);
    assert_eq!(info.skipped_total, 2);
    assert_eq!(info.skipped[0].path, "train/cat/0-cut.jpg");
    assert_eq!(
        info.skipped[0].reason,
        "the JPEG file is truncated: it ends before the image does; a whole file is needed"
    );
    assert_eq!(info.skipped[1].path, "val/dog/a-text.png");
    assert_eq!(
        info.skipped[1].reason,
        "the file's content is text; a JPEG, PNG, WebP, GIF, BMP, TIFF or PNM image is needed"
    );
    assert_eq!((&info.train_counts[..], &info.test_counts[..]), (&[2, 2][..], &[1, 1][..]));
    // The stored source lists the same images again, in the same places.
    let index = Index::open(&info.source()).expect("a data set");
    assert_eq!(index.train[0].name, "train/cat/1.png");
    assert_eq!(index.fingerprint(), info.fingerprint);
    assert_eq!(load_within(&index, 4, u64::MAX, &mut ()).expect("pixels").train.len(), 4);
}

#[test]
fn a_file_that_breaks_later_stops_a_run_by_name() {
    let folder = folder(&sound());
    let info = inspected(&folder);
    let index = Index::open(&info.source()).expect("a data set");
    fs::write(folder.path().join("train/dog/b.png"), b"overwritten").expect("a file");
    let error =
        load_within(&index, 4, u64::MAX, &mut ()).expect_err("an unreadable file").to_string();
    assert!(error.ends_with(
        "train/dog/b.png: the file's content is text; a JPEG, PNG, WebP, GIF, BMP, TIFF or PNM image is needed"
    ));
    let changed = Index::open(&info.source()).expect_err("a changed folder").to_string();
    assert!(changed.contains("the same names, but other sizes or another content"), "{changed}");
}

#[test]
fn what_is_no_data_set_is_refused_in_words() {
    let without = |part: &str| {
        folder(&sound().into_iter().filter(|(path, _)| !path.starts_with(part)).collect::<Vec<_>>())
    };
    assert_eq!(
        refusal(&without("train")),
        "DATA has no folder `train` or `training`; training images are in train/<class>/"
    );
    assert_eq!(
        refusal(&without("val")),
        "DATA has no folder `val`, `valid`, `validation`, `test` or `testing`; validation images are in val/<class>/. \
         Or hold out a share of the training images: `--split 0.1`, or *Share held out* in the browser"
    );
    assert_eq!(
        refusal(&without("train/dog")),
        "DATA/train has one class, cat; a classifier needs at least two, each a folder of images"
    );
    assert_eq!(
        refusal(&without("val/dog")),
        "the classes of `val` are not those of `train`: val lacks dog"
    );
    let mut files = sound();
    files.push(("val/eel/1.png", png([0; 3])));
    assert_eq!(
        refusal(&folder(&files)),
        "the classes of `val` are not those of `train`: val has eel besides"
    );
    let empty = folder(&sound());
    fs::create_dir(empty.path().join("train/ant")).expect("a folder");
    fs::create_dir(empty.path().join("val/ant")).expect("a folder");
    assert_eq!(
        refusal(&empty),
        "DATA/train/ant has no JPEG, PNG, WebP, GIF, BMP, TIFF or PNM image; every class needs at least one in `train` and in `val`"
    );
}

#[test]
fn a_class_without_a_readable_image_is_refused() {
    let mut files = sound();
    files.retain(|(path, _)| *path != "val/cat/x.png");
    files.push(("val/cat/x.png", Vec::new()));
    assert_eq!(
        refusal(&folder(&files)),
        "no validation image of the class cat can be read (val/cat/x.png: the file is empty; a JPEG, \
         PNG, WebP, GIF, BMP, TIFF or PNM image is needed); every class needs at least one"
    );
}

#[test]
fn a_path_that_is_no_folder_is_refused() {
    let folder = folder(&[("file", Vec::new())]);
    let open = |name: &str| {
        let error = Index::open(&source(&folder.path().join(name))).expect_err("no folder");
        error.to_string().replace(folder.path().to_str().expect("UTF-8"), "DATA")
    };
    assert_eq!(
        open("gone"),
        "DATA/gone does not exist; give the folder that holds `train` and `val` or `test`"
    );
    assert_eq!(
        open("file"),
        "DATA/file is a file; give the folder that holds `train` and `val` or `test`"
    );
}

/// Stops after a number of reports.
struct Patience {
    left: u32,
    last: (u64, u64),
}

impl Watch for Patience {
    fn progress(&mut self, _what: &str, done: u64, total: u64) {
        self.left -= 1;
        self.last = (done, total);
    }

    fn stopped(&self) -> bool {
        self.left == 0
    }
}

#[test]
fn loading_reports_and_stops() {
    let index = Index::open(&DataSource::Builtin).expect("the built-in data set");
    let mut watch = Patience { left: 2, last: (0, 0) };
    let error = load_within(&index, 32, u64::MAX, &mut watch).expect_err("stopped");
    assert!(matches!(error, DataError::Stopped));
    assert_eq!(watch.last, (512, 6000));
}

#[test]
fn the_builtin_data_set_needs_no_folder() {
    let info =
        inspect("shapes", &DataSource::Builtin, &mut ()).expect("the built-in data set").info;
    assert!(info.builtin && info.path.is_none());
    assert_eq!(info.source(), DataSource::Builtin);
    assert_eq!(info.classes[0], "arrow");
    assert_eq!((info.train_counts, info.test_counts), (vec![500; 10], vec![100; 10]));
    let spec =
        DatasetSpec { name: "shapes".into(), train_per_class: Some(3), test_per_class: Some(2) };
    let whole = Index::open(&DataSource::Builtin).expect("the built-in data set");
    let limited = whole.clone().limited(&spec);
    let pixels = load_within(&limited, 48, u64::MAX, &mut ()).expect("pixels");
    assert_eq!((pixels.train.len(), pixels.test.len()), (30, 20));
    // The fourth image of the limited set is the first of the second class: picture 500 of the whole.
    assert_eq!(
        *pixels.train[3].image().expect("in memory"),
        whole.load(Split::Train, 500, 48).expect("a picture")
    );
    assert_eq!(limited.train[3].name, "train/circle/0000");
}
