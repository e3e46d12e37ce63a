//! Every input of the corpora, without libFuzzer: those that it kept, and those that once failed.

use std::{fs, path::Path};

fn replay(target: &str, one: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a corpus") {
        let path = entry.expect("an entry").path();
        // The last one that is printed is the one that failed.
        eprintln!("{}", path.display());
        one(&fs::read(path).expect("an input"));
        count += 1;
    }
    assert!(count > 0, "the corpus of {target} is empty");
}

#[test]
fn images() {
    replay("images", fuzz::images::one);
}

#[test]
fn checkpoints() {
    replay("checkpoints", fuzz::checkpoints::one);
}

#[test]
fn datasets() {
    replay("datasets", fuzz::datasets::one);
}

#[test]
fn studies() {
    replay("studies", fuzz::studies::one);
}

#[test]
fn requests() {
    replay("requests", fuzz::requests::one);
}

#[test]
fn runs() {
    replay("runs", fuzz::runs::one);
}

#[test]
fn backups() {
    replay("backups", fuzz::backups::one);
}
