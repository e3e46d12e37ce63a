//! Checkpoints, as folders of weights and what is said of them. The first byte chooses what a person says of the file.
//!
//! Files below `archive/` become a PyTorch file, with valid checksums, so that the code behind their test is reached.

use std::{
    cell::LazyCell,
    fs,
    io::{Cursor, Write},
    path::Path,
};

use engine::{
    checkpoint::{self, Recorded},
    compute::Machine,
    interchange::{ImportOptions, Imported, OpenClassifier},
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{
    bound::Bound,
    folder::{File, Place, files},
};

/// As in `engine/tests/untrusted.rs`; the files are held once more, since they are read from a folder.
const BOUND: Bound = Bound { times: 40, beside: 2 << 20 };

/// Imports the folder's model, opens its classifier, and reads it as a checkpoint of ours. An imported model is a checkpoint of ours
/// afterwards, and is the same when that is imported.
pub fn one(bytes: &[u8]) {
    thread_local!(static PLACE: LazyCell<Place> = LazyCell::new(Place::new));
    let Some((&options, rest)) = bytes.split_first() else { return };
    let given = files(rest);
    let archive = archive(&given);
    let mut laid: Vec<File<'_>> =
        given.into_iter().filter(|(name, _)| !name.starts_with("archive/")).collect();
    if let Some(archive) = &archive {
        laid.push(("pytorch_model.bin".into(), archive));
    }
    let size = laid.iter().map(|(_, content)| content.len()).sum();
    let options = ImportOptions {
        heads: (options & 1 != 0).then_some(2),
        decoder_heads: (options & 2 != 0).then_some(1),
        image_size: (options & 4 != 0).then_some(16),
        norm_pix_loss: (options & 8 != 0).then_some(true),
        entry: (options & 16 != 0).then(|| "model_ema".to_owned()),
    };
    PLACE.with(|place| {
        let folder = place.lay_out(&laid);
        let machine = Machine::with_threads(1);
        let imported = BOUND.hold(size, || {
            if let Err(error) = OpenClassifier::read(&folder, options.entry.as_deref(), &machine) {
                assert!(!error.to_string().is_empty());
            }
            for (name, _) in &laid {
                let path = folder.join(name);
                let _ = (Recorded::read(&path), checkpoint::check(&path), checkpoint::open(&path));
            }
            Imported::read(&folder, &options)
        });
        match imported {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(imported) => comes_back(imported, &place.beside("own.safetensors")),
        }
    });
}

/// A model is the same in a file of ours.
fn comes_back(imported: Imported, path: &Path) {
    let (info, parameters) = (imported.info.clone(), imported.parameters());
    imported.save(path, &[]).expect("a file");
    let (params, opened) = checkpoint::open(path).expect("an imported model is a checkpoint");
    assert_eq!(opened, info);
    drop(params);
    let again = Imported::read(path, &ImportOptions::default()).expect("our own checkpoint");
    assert_eq!((again.info.clone(), again.parameters()), (info, parameters));
    fs::remove_file(path).expect("a file");
}

/// A PyTorch file of the files below `archive/`, if there are some.
fn archive(files: &[File<'_>]) -> Option<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut has_some = false;
    for (name, content) in files.iter().filter(|(name, _)| name.starts_with("archive/")) {
        // A name that is there already is refused.
        if writer.start_file(name.as_str(), options).is_ok() {
            writer.write_all(content).ok()?;
            has_some = true;
        }
    }
    let written = writer.finish().ok()?.into_inner();
    has_some.then_some(written)
}
