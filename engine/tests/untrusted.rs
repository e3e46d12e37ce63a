//! Malformed files: whatever the bytes are, importing a checkpoint or reading a classifier yields a model or an error message, and
//! takes memory in proportion to the file.
//!
//! `PROPTEST_CASES` sets how many files are tried.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{Cursor, Read, Write},
    path::Path,
};

use engine::{
    compute::Machine,
    interchange::{ImportOptions, Imported, OpenClassifier},
};
use peak_alloc::PeakAlloc;
use proptest::{prelude::*, sample::Index, test_runner::TestRunner};
use safetensors::SafeTensors;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Memory that an import may take: bytes per byte of the file, and bytes on top of that.
const TIMES: usize = 32;
const BESIDE: usize = 1 << 20;

/// The file of a golden case, and which of its models to take where it has several.
struct Sound {
    bytes: Vec<u8>,
    entry: Option<String>,
}

/// The files of the golden cases whose model is in one.
fn valid() -> Vec<Sound> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("checkpoints-") {
            let case = fs::read(path).unwrap();
            let (_, metadata) = SafeTensors::read_metadata(&case).unwrap();
            let config = &metadata.metadata().as_ref().unwrap()["config"];
            let config: serde_json::Value = serde_json::from_str(config).unwrap();
            let entry = config["entry"].as_str().map(str::to_owned);
            let case = SafeTensors::deserialize(&case).unwrap();
            // A model in several files has none of this name.
            let Ok(file) = case.tensor("file") else { continue };
            files.push(Sound { bytes: file.data().to_vec(), entry });
        }
    }
    files
}

/// Imports the file, checks the memory bound and returns whether the import succeeded.
fn import(bytes: &[u8], entry: Option<&str>) -> Result<bool, TestCaseError> {
    let bound = TIMES * bytes.len() + BESIDE;
    let options = ImportOptions {
        heads: Some(2),
        decoder_heads: Some(1),
        entry: entry.map(str::to_owned),
        ..ImportOptions::default()
    };
    let files = [bytes.to_vec()];
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let read = Imported::from_files(&files, Path::new("/nowhere/file"), &options);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    prop_assert!(taken <= bound, "{taken} bytes for a file of {}", bytes.len());
    if let Err(reason) = &read {
        prop_assert!(!reason.is_empty());
    }
    Ok(read.is_ok())
}

/// A mutation of a file: bytes are overwritten, removed, duplicated or inserted.
fn change() -> impl Strategy<Value = (Index, u8, Vec<u8>)> {
    let number = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        prop_oneof![Just(u64::MAX), Just(1 << 63), Just(1 << 31), any::<u64>()]
            .prop_map(|number| number.to_le_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 1..20),
    ];
    (any::<Index>(), 0u8..4, number)
}

fn changed(mut bytes: Vec<u8>, (at, how, with): (Index, u8, Vec<u8>), headers: bool) -> Vec<u8> {
    // Most bytes are tensor values; the bytes before and after them describe the file.
    let place = at.index(bytes.len());
    let edge = bytes.len().min(2_000);
    let at = match (headers, place % 2) {
        (true, 0) => place % edge,
        (true, _) => bytes.len() - 1 - place % edge,
        (false, _) => place,
    };
    let end = (at + with.len()).min(bytes.len());
    match how {
        0 => bytes[at..end].copy_from_slice(&with[..end - at]),
        1 => drop(bytes.drain(at..end)),
        2 => drop(bytes.splice(at..at, with)),
        _ => {
            let part = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, part));
        }
    }
    bytes
}

/// The archive with its pickle changed and all checksums valid, so that the code behind the checksum test is reached, too.
fn with_pickle(file: &[u8], change: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(file)).unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if name.ends_with("data.pkl") {
            content = change(content);
        }
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(&content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Tries archives whose pickles are changed in a few places.
fn try_pickles(files: &[Sound]) {
    let archives: Vec<_> = files.iter().filter(|file| file.bytes.starts_with(b"PK")).collect();
    let changes = prop::collection::vec(change(), 1..4);
    let (mut read, mut refused) = (0u32, 0u32);
    let counts = std::cell::RefCell::new((&mut read, &mut refused));
    TestRunner::default()
        .run(&(0..archives.len(), changes), |(which, changes)| {
            let bytes = with_pickle(&archives[which].bytes, |pickle| {
                changes.iter().cloned().fold(pickle, |pickle, change| match pickle.len() {
                    0 => pickle,
                    _ => changed(pickle, change, false),
                })
            });
            let fine = import(&bytes, archives[which].entry.as_deref())?;
            let mut counts = counts.borrow_mut();
            *(if fine { &mut *counts.0 } else { &mut *counts.1 }) += 1;
            Ok(())
        })
        .unwrap();
    eprintln!("{read} changed pickles were read, {refused} refused");
    assert!(refused > 0, "no change made a file invalid");
}

/// Tries Hugging Face classifiers with one of their three files changed.
fn try_classifiers() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden/cases/hf_classifier-0.safetensors");
    let case = fs::read(case).unwrap();
    let case = SafeTensors::deserialize(&case).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let names = ["model.safetensors", "config.json", "preprocessor_config.json"];
    let sound = names.map(|name| case.tensor(name).unwrap().data().to_vec());
    let path = |which: usize| folder.path().join(names[which]);
    (1..3).for_each(|which| fs::write(path(which), &sound[which]).unwrap());
    let whole: usize = sound.iter().map(Vec::len).sum();
    let read = |weights: &[u8]| {
        let files = [weights.to_vec()];
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let read = OpenClassifier::from_files(&files, &path(0), None, &Machine::with_threads(1));
        let taken = MEMORY.peak_usage().saturating_sub(before);
        prop_assert!(taken <= TIMES * whole + BESIDE, "{taken} bytes");
        Ok(read.is_ok())
    };
    assert!(read(&sound[0]).unwrap(), "the files themselves are valid");
    let changes = prop::collection::vec((change(), any::<bool>()), 1..4);
    let (mut fine, mut refused) = (0u32, 0u32);
    let counts = std::cell::RefCell::new((&mut fine, &mut refused));
    TestRunner::default()
        .run(&(0..names.len(), changes), |(which, changes)| {
            let file = changes.into_iter().fold(sound[which].clone(), |file, (change, headers)| {
                if file.is_empty() { file } else { changed(file, change, headers) }
            });
            let is_fine = if which == 0 {
                read(&file)?
            } else {
                fs::write(path(which), &file).unwrap();
                let is_fine = read(&sound[0]);
                fs::write(path(which), &sound[which]).unwrap();
                is_fine?
            };
            let mut counts = counts.borrow_mut();
            *(if is_fine { &mut *counts.0 } else { &mut *counts.1 }) += 1;
            Ok(())
        })
        .unwrap();
    eprintln!("{fine} changed classifiers were read, {refused} refused");
    assert!(fine > 0 && refused > 0, "no change was refused, or all were");
}

#[test]
fn no_file_makes_an_import_panic_or_take_much_memory() {
    let files = valid();
    for file in &files {
        let read = import(&file.bytes, file.entry.as_deref()).unwrap();
        assert!(read, "the files themselves are valid");
    }
    let count = files.len();
    let changes = prop::collection::vec((change(), any::<bool>()), 1..8);
    let (mut read, mut refused) = (0u32, 0u32);
    let mut runner = TestRunner::default();
    let strategy = (0..count, changes);
    let counts = std::cell::RefCell::new((&mut read, &mut refused));
    runner
        .run(&strategy, |(which, changes)| {
            let bytes =
                changes.into_iter().fold(files[which].bytes.clone(), |bytes, (change, headers)| {
                    match bytes.len() {
                        0 => bytes,
                        _ => changed(bytes, change, headers),
                    }
                });
            let fine = import(&bytes, files[which].entry.as_deref())?;
            let mut counts = counts.borrow_mut();
            *(if fine { &mut *counts.0 } else { &mut *counts.1 }) += 1;
            Ok(())
        })
        .unwrap();
    eprintln!("{read} changed files were read, {refused} refused");
    assert!(refused > 0, "no change made a file invalid");

    try_pickles(&files);
    try_classifiers();

    let beginnings = prop_oneof![
        Just(b"PK\x03\x04".to_vec()),
        Just(b"\x80\x02".to_vec()),
        Just(Vec::new()),
        (0u64..400).prop_map(|length| [&length.to_le_bytes()[..], b"{"].concat()),
    ];
    let arbitrary = (beginnings, prop::collection::vec(any::<u8>(), 0..3_000));
    TestRunner::default()
        .run(&arbitrary, |(beginning, rest)| {
            let bytes = [beginning, rest].concat();
            import(&bytes, None).map(|_| ())
        })
        .unwrap();
}
