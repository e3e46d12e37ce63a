//! Backups to restore. The first byte chooses whether the rest is the file itself, or what an archive is made of, with valid hashes, so
//! that the code behind their test is reached.

use std::{cell::LazyCell, collections::BTreeMap, fs, io::Write, path::Path, sync::LazyLock};

use engine::compute::Machine;
use serde_json::json;
use server::{
    App,
    backup::{self, archive::DATABASE},
    clock::Clock,
    ids::IdSource,
};
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};

use crate::{
    bound::Bound,
    folder::{File, Place, files},
};

/// A window of the compressed file, the database's pages, and a file's chunks.
const BOUND: Bound = Bound { times: 64, beside: 48 << 20 };
const HEADER: &str = "backup.json";
const MANIFEST: &str = "manifest.json";
const LEVEL: i32 = 1;
/// The time of every restore.
const NOW: u64 = 1_700_000_000_000;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));
/// The database of an empty data folder.
static EMPTY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let place = tempfile::tempdir().expect("a temporary folder");
    RUNTIME.block_on(async {
        let app = opened(place.path()).await;
        app.store.close().await;
    });
    fs::read(place.path().join(DATABASE)).expect("a database")
});

/// Restores the backup. What is refused leaves nothing; what is taken is a data folder that can be opened.
pub fn one(bytes: &[u8]) {
    thread_local!(static PLACE: LazyCell<Place> = LazyCell::new(Place::new));
    let Some((kind, rest)) = bytes.split_first() else { return };
    let made;
    let file = if kind & 1 == 0 {
        rest
    } else {
        made = archive(&files(rest));
        &made
    };
    PLACE.with(|place| {
        let (path, root) = (place.beside("backup"), place.beside("restored"));
        fs::write(&path, file).expect("a file");
        let _ = &*RUNTIME;
        let restored = BOUND.hold(file.len(), || {
            RUNTIME.block_on(backup::restore(&path, &root, &Clock::fixed(NOW), ()))
        });
        if let Err(error) = restored {
            assert!(!error.to_string().is_empty());
            assert!(!root.exists(), "something is left of a backup that was refused: {error}");
        } else {
            RUNTIME.block_on(async { opened(&root).await.store.close().await });
            fs::remove_dir_all(&root).expect("a folder");
        }
    });
}

async fn opened(root: &Path) -> App {
    let clock = Clock::fixed(NOW);
    let ids = IdSource::seeded(clock.clone(), 1);
    App::open(root, Machine::with_threads(1), clock, ids).await.expect("a data folder")
}

/// An archive of these files. What is not among them and belongs to a backup is added. The file of the database's name says which bytes
/// of an empty one are changed: three for the place, one for the value.
fn archive(given: &[File<'_>]) -> Vec<u8> {
    let mut contents: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (name, content) in given {
        contents.insert(name, content.to_vec());
    }
    let mut database = EMPTY.clone();
    for change in contents.get(DATABASE).map_or(&[][..], Vec::as_slice).chunks_exact(4) {
        let place = u32::from_le_bytes([change[0], change[1], change[2], 0]) as usize;
        let place = place % database.len();
        database[place] = change[3];
    }
    contents.insert(DATABASE, database);
    let header = contents.remove(HEADER).unwrap_or_else(|| {
        json!({
            "format": 1, "program": "0.1.0", "tables": 1, "made_at": NOW, "studies": 0, "runs": 0, "bytes": 0,
            "without_checkpoints": false,
        })
        .to_string()
        .into_bytes()
    });
    let manifest = contents.remove(MANIFEST).unwrap_or_else(|| {
        let entry = |content: &Vec<u8>| {
            json!({ "bytes": content.len(), "sha256": format!("{:x}", Sha256::digest(content)) })
        };
        let files: BTreeMap<_, _> =
            contents.iter().map(|(name, content)| (*name, entry(content))).collect();
        json!({ "files": files, "names": {} }).to_string().into_bytes()
    });
    let encoder = zstd::Encoder::new(Vec::new(), LEVEL).expect("memory");
    let mut tar = tar::Builder::new(encoder);
    append(&mut tar, HEADER, &header);
    for (name, content) in &contents {
        append(&mut tar, name, content);
    }
    append(&mut tar, MANIFEST, &manifest);
    tar.into_inner().and_then(zstd::Encoder::finish).expect("memory")
}

fn append(tar: &mut tar::Builder<impl Write>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    // A name that a tar file cannot have is left out.
    let _ = tar.append_data(&mut header, name, content);
}
