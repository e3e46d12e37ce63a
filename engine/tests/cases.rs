//! Folders that other programs read differently, or that were once read wrongly: `cases.tar.zst` in the folder that
//! `MASKDOOR_SAMPLE_DATA` names. The pixels that they have to give are Pillow's.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use engine::{
    compute::Machine,
    data::{DataError, Index, inspect},
    decode::{Limits, decode},
    eval::UnderTrigger,
    interchange::{ImportOptions, Imported, OpenClassifier},
};
use shared::{
    Ratio, Rgb8,
    api::{ClassMatching, DatasetInfo, Layout, Split},
    dataset::{FolderSource, Transparency},
    run::DataSource,
    trigger::{Fill, PatchedSpec, TriggerSpec},
};
use tempfile::TempDir;

/// The unpacked cases; nothing where they are not at hand.
fn cases() -> Option<(TempDir, PathBuf)> {
    let Some(folder) = std::env::var_os("MASKDOOR_SAMPLE_DATA") else {
        eprintln!("skipped: MASKDOOR_SAMPLE_DATA names no folder with cases.tar.zst");
        return None;
    };
    let file = File::open(Path::new(&folder).join("cases.tar.zst")).unwrap();
    let unpacked = tempfile::tempdir().unwrap();
    let archive = ruzstd::decoding::StreamingDecoder::new(file).unwrap();
    tar::Archive::new(archive).unpack(unpacked.path()).unwrap();
    let cases = unpacked.path().join("cases");
    Some((unpacked, cases))
}

fn found(folder: &Path) -> Result<DatasetInfo, DataError> {
    let path = folder.to_str().unwrap().to_owned();
    let source = DataSource::Folder(FolderSource { path, ..FolderSource::default() });
    inspect("set", &source, &mut ()).map(|inspected| inspected.info)
}

fn refusal(folder: &Path) -> String {
    found(folder).unwrap_err().to_string().replace(folder.to_str().unwrap(), "DATA")
}

fn image(path: &Path) -> Rgb8 {
    decode(&fs::read(path).unwrap(), Limits::default(), Transparency::Drop).unwrap()
}

#[test]
fn jpeg_files_of_several_scans() {
    let Some((_kept, cases)) = cases() else { return };
    for name in ["two_scans_420", "three_scans_420"] {
        let folder = cases.join("jpeg-scans");
        let read = image(&folder.join(format!("train/a/{name}.jpg")));
        assert!(read == image(&folder.join(format!("expected/{name}.png"))), "{name}");
    }
    let info = found(&cases.join("jpeg-scans")).unwrap();
    assert_eq!((info.skipped_total, info.train_counts), (0, vec![4, 2]));
}

#[test]
fn jpeg_files_of_inks_without_adobes_marker() {
    let Some((_kept, cases)) = cases() else { return };
    let folder = cases.join("cmyk-without-adobe");
    let expected = image(&folder.join("expected.png"));
    for name in ["with_marker", "without_marker"] {
        assert!(image(&folder.join(format!("train/a/{name}.jpg"))) == expected, "{name}");
    }
}

#[test]
fn images_in_folders_below_their_class() {
    let Some((_kept, cases)) = cases() else { return };
    let info = found(&cases.join("nested-classes")).unwrap();
    assert_eq!(
        (&info.classes[..], &info.train_counts[..]),
        (&["cat".into(), "dog".into()][..], &[8, 2][..])
    );
    let left: Vec<&str> =
        info.left_out.iter().flat_map(|left| &left.first).map(|s| &s[..]).collect();
    assert_eq!(left, ["README", "stray/"]);
    // The stray file is an image of its class as well.
    assert_eq!(found(&cases.join("nested-classes/stray")).unwrap().train_counts, [4, 3]);
}

#[test]
fn images_of_every_name() {
    let Some((_kept, cases)) = cases() else { return };
    let info = found(&cases.join("silent-extensions")).unwrap();
    assert_eq!((info.skipped_total, info.train_counts), (0, vec![10, 2]));
}

#[test]
fn a_folder_that_changed() {
    let Some((_kept, cases)) = cases() else { return };
    let folder = cases.join("changed-after-add");
    let info = found(&folder).unwrap();
    assert!(Index::open(&info.source()).is_ok());
    for split in ["train", "val"] {
        let copy = folder.join(split).join("aaa");
        fs::create_dir(&copy).unwrap();
        for image in fs::read_dir(folder.join(split).join("cat")).unwrap() {
            let image = image.unwrap();
            fs::copy(image.path(), copy.join(image.file_name())).unwrap();
        }
    }
    let error = Index::open(&info.source()).unwrap_err().to_string();
    assert!(
        error.contains("3 classes instead of 2 (new: aaa); 6 training images instead of 4"),
        "{error}"
    );
    assert!(error.contains("`maskdoor datasets update set`"), "{error}");
}

#[test]
fn equal_class_names_in_two_unicode_forms() {
    let Some((_kept, cases)) = cases() else { return };
    let info = found(&cases.join("unicode-forms")).unwrap();
    assert_eq!(info.classes, ["caf\u{e9}", "tea"]);
    let index = Index::open(&info.source()).unwrap();
    assert!(index.entries(Split::Test)[0].name.contains("e\u{301}"), "the folder's own name");
}

#[test]
fn tiny_imagenet_after_a_script_or_a_download_that_broke_off() {
    let Some((_kept, cases)) = cases() else { return };
    let folder = cases.join("tiny-imagenet-val");
    let half = refusal(&folder.join("half-moved"));
    assert!(half.contains("it names 4 images, 2 of which are not in val/images"), "{half}");
    assert!(half.contains("a script that sorts them by class may have stopped early"), "{half}");
    let cut = refusal(&folder.join("cut-download"));
    assert!(cut.contains("it names 4 images, 1 of which are not in val/images"), "{cut}");
    let info = found(&folder.join("emptied")).unwrap();
    assert_eq!((info.layout, info.test_counts), (Layout::ImageFolder, vec![2, 2]));
}

#[test]
fn checkpoints_in_every_wrapping() {
    let Some((_kept, cases)) = cases() else { return };
    let folder = cases.join("wrapped-checkpoints");
    let heads =
        ImportOptions { heads: Some(2), decoder_heads: Some(2), ..ImportOptions::default() };
    let read = |name: &str, options: &ImportOptions| {
        Imported::read(&folder.join(name), options).map_err(|error| error.to_string())
    };
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let other = ["README", "dino.pth", "legacy.pth", "page.pth", "pointer.safetensors"];
        let is_one = !other.contains(&&name[..]);
        if is_one {
            assert!(read(&name, &heads).is_ok(), "{name}: {:?}", read(&name, &heads).err());
        }
    }
    for name in ["args_dict.pth", "args_namespace.pth"] {
        let imported = read(name, &heads).unwrap();
        assert!(imported.info.norm_pix_loss, "{name}");
        assert!(imported.assumed.iter().all(|assumed| !assumed.contains("patches")), "{name}");
    }
    let several = read("dino.pth", &heads).unwrap_err();
    assert!(
        several.ends_with("it holds 2 vision transformers: student, teacher/backbone; choose one with --entry NAME"),
        "{several}"
    );
    for entry in ["student", "teacher/backbone"] {
        let options = ImportOptions { entry: Some(entry.into()), ..heads.clone() };
        assert!(read("dino.pth", &options).is_ok(), "{entry}");
    }
    let pointer = read("pointer.safetensors", &heads).unwrap_err();
    assert!(pointer.contains("it is a Git LFS pointer"), "{pointer}");
}

/// A classifier that always says one class has an attack success of 100 % where that class is the target, and of 0 % elsewhere.
#[test]
fn classes_in_another_order() {
    let Some((_kept, cases)) = cases() else { return };
    let cases = cases.join("class-order");
    let success = |model: &str, set: &str, matching: &ClassMatching, target: &str| {
        let path = cases.join(set).to_str().unwrap().to_owned();
        let layout = Layout::ImageFolder;
        let source = FolderSource { path, layout, ..FolderSource::default() };
        let index = Index::open(&DataSource::Folder(source)).unwrap();
        let target_class = index.classes.iter().position(|class| class == target).unwrap() as u32;
        let model = OpenClassifier::read(&cases.join(model), None, &Machine::with_threads(2));
        let patch = PatchedSpec {
            size: 1,
            x: 1,
            y: 0,
            count: 1,
            step: 1,
            fill: Fill::default(),
            ..PatchedSpec::default()
        };
        let under = UnderTrigger {
            index: &index,
            trigger: &TriggerSpec::Patched(patch),
            key: None,
            goal: &target_class.into(),
            matching,
            threads: 2,
        };
        let done = under.evaluate(&model.unwrap(), &mut ());
        done.map(|(evaluation, _)| evaluation.metrics.asr).map_err(|error| error.to_string())
    };
    let all = |asr: &Ratio| asr.total > 0 && asr.hits == asr.total;
    let (names, order) = (ClassMatching::Names, ClassMatching::Order);
    let list = ClassMatching::List { names: (0..12).map(|class| class.to_string()).collect() };
    let number = "model-says-LABEL_2";
    let refused = success(number, "numeric", &names, "2").unwrap_err();
    assert!(refused.contains("do not have the data set's names"), "{refused}");
    assert!(refused.contains("2: \"LABEL_2\" / \"10\""), "{refused}");
    // In the order of the folders' names, as ImageFolder has them, class 2 is 10.
    assert!(all(&success(number, "numeric", &order, "10").unwrap()));
    assert_eq!(success(number, "numeric", &order, "2").unwrap().hits, 0);
    assert!(all(&success(number, "numeric", &list, "2").unwrap()));
    assert!(all(&success("model-says-2-by-name", "numeric", &names, "2").unwrap()));
    let refused = success("model-says-2-by-name", "numeric", &order, "2").unwrap_err();
    assert!(refused.contains("the order contradicts the names"), "{refused}");
    // Names that differ in case only.
    assert!(all(&success("model-says-a", "case", &names, "a").unwrap()));
    assert_eq!(success("model-says-a", "case", &names, "A").unwrap().hits, 0);
    let refused = success("model-says-fox", "case", &names, "a").unwrap_err();
    assert!(refused.contains("0: \"cat\" / \"A\""), "{refused}");
}
