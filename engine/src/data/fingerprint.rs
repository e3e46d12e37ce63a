//! The fingerprint of a folder's data: SHA-256, in hex, over
//!
//! 1. the text `maskdoor files 3`, or `maskdoor files 2` where transparent pixels are laid on white, as they all were before;
//! 2. for every image file in the order of the index, left-out ones included, its name, a zero byte and its size as eight
//!    bytes; for every image of a record file its name and a zero byte;
//! 3. for every other file of the layout (lists of classes, files of records) its name and a zero byte, then its content as
//!    in 4;
//! 4. the content of up to 512 image files, drawn without replacement by a seeded stream: of each its name and a zero byte,
//!    then all of it when it has at most 1 MiB, else sixteen blocks of 64 KiB: the first, the last, and fourteen at drawn
//!    places. A file that cannot be read counts as empty.
//!
//! So a renamed, added, removed, cut or lengthened file is always seen; changed content of equal length is seen when it lies
//! in a drawn part: with one image file in a hundred changed, 99 times in a hundred. On a million files it takes a second
//! or two on a disk without moving parts.

use std::{
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use shared::{
    dataset::Transparency,
    stream::{Purpose, below, stream},
};

use super::layout::Listing;
use crate::{files, hash::hex};

/// Image files whose content is looked at.
const FILES: usize = 512;
/// Longest file that is read to its end, in bytes.
const WHOLE: u64 = 1 << 20;
/// Bytes of a block of a longer file.
const BLOCK: u64 = 64 << 10;
/// Blocks of a longer file.
const BLOCKS: usize = 16;

/// The fingerprint of the files in `root`, read with this choice for transparent pixels.
pub(super) fn of(root: &Path, listing: &Listing, transparency: Transparency) -> String {
    let mut hash = Sha256::new();
    hash.update(match transparency {
        Transparency::Drop => b"maskdoor files 3",
        Transparency::White => b"maskdoor files 2",
    });
    let sizes = listing.train_bytes.iter().chain(&listing.test_bytes);
    let mut sizes = sizes.map(|bytes| bytes.to_le_bytes());
    for entry in listing.train.iter().chain(&listing.test) {
        add_name(&mut hash, &entry.name);
        hash.update(sizes.next().as_ref().map_or(&[][..], |bytes| bytes));
    }
    for (n, name) in listing.members.iter().enumerate() {
        add_name(&mut hash, name);
        add_content(&mut hash, &root.join(name), &mut stream(0, Purpose::Fingerprint, 1, n as u64));
    }
    if listing.records.is_empty() {
        let count = listing.train.len() + listing.test.len();
        for n in drawn(count, FILES) {
            let entry =
                listing.train.get(n).unwrap_or_else(|| &listing.test[n - listing.train.len()]);
            add_name(&mut hash, &entry.name);
            let mut rng = stream(0, Purpose::Fingerprint, 2, n as u64);
            add_content(&mut hash, &root.join(&entry.name), &mut rng);
        }
    }
    hex(&hash.finalize())
}

/// A name, and a byte that no name holds, so that two lists never read as one.
fn add_name(hash: &mut Sha256, name: &str) {
    hash.update(name.as_bytes());
    hash.update([0]);
}

fn add_content(hash: &mut Sha256, path: &Path, rng: &mut ChaCha8Rng) {
    if let Ok(content) = sampled(path, rng) {
        hash.update(content);
    }
}

/// All of a short file; blocks of a long one.
fn sampled(path: &Path, rng: &mut ChaCha8Rng) -> io::Result<Vec<u8>> {
    let mut file = files::open(path)?;
    let bytes = file.metadata()?.len();
    let mut content = Vec::new();
    if bytes <= WHOLE {
        file.take(WHOLE).read_to_end(&mut content)?;
        return Ok(content);
    }
    // Places are multiples of a block, which is enough and keeps them below 2^32 for files up to 256 TiB.
    let last = bytes - BLOCK;
    let steps = u32::try_from(last / BLOCK).unwrap_or(u32::MAX);
    let between = (2..BLOCKS).map(|_| u64::from(below(rng, steps)) * BLOCK);
    for place in [0, last].into_iter().chain(between) {
        file.seek(SeekFrom::Start(place))?;
        (&file).take(BLOCK).read_to_end(&mut content)?;
    }
    Ok(content)
}

/// Up to `most` of the numbers below `count`, drawn without replacement, in rising order (Floyd's method).
fn drawn(count: usize, most: usize) -> Vec<usize> {
    let mut rng = stream(0, Purpose::Fingerprint, 0, count as u64);
    let mut chosen = std::collections::BTreeSet::new();
    for last in count.saturating_sub(most)..count {
        let n = below(&mut rng, last as u32 + 1) as usize;
        if !chosen.insert(n) {
            chosen.insert(last);
        }
    }
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use shared::api::Layout;

    use super::*;
    use crate::data::{
        Index,
        testing::{folder, png, source_of},
    };

    #[test]
    fn a_draw_is_without_replacement_and_whole_when_it_can_be() {
        assert_eq!(drawn(5, 512), [0, 1, 2, 3, 4]);
        let some = drawn(10_000, 512);
        assert_eq!(some.len(), 512);
        assert!(some.is_sorted_by(|a, b| a < b) && some.last().is_some_and(|&n| n < 10_000));
        assert!(some[256].abs_diff(5_000) < 1_000, "spread over all: {}", some[256]);
        assert_eq!(drawn(0, 512), [0usize; 0]);
    }

    #[test]
    fn a_long_file_is_looked_at_in_sixteen_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        let mut content = vec![7; (WHOLE + 1) as usize];
        let read = |content: &[u8]| {
            fs::write(&path, content).unwrap();
            sampled(&path, &mut stream(0, Purpose::Fingerprint, 1, 0)).unwrap()
        };
        let before = read(&content);
        assert_eq!(before.len() as u64, BLOCK * BLOCKS as u64);
        let end = content.len() - 1;
        content[end] = 8;
        assert_ne!(read(&content), before, "the last byte is always seen");
        content.truncate(WHOLE as usize);
        assert_eq!(read(&content), content, "a short file is read to its end");
    }

    #[test]
    fn changed_content_of_equal_length_is_another_data_set() {
        let folder = folder(&[
            ("train/cat/1.png", png([1; 3])),
            ("train/dog/1.png", png([2; 3])),
            ("val/cat/1.png", png([1; 3])),
            ("val/dog/y.png", png([3; 3])),
        ]);
        let source = source_of(folder.path(), Layout::ImageFolder);
        let fingerprint = || Index::open(&source).expect("a data set").fingerprint();
        let before = fingerprint();
        assert_eq!(fingerprint(), before);
        let path = folder.path().join("val/dog/y.png");
        let mut bytes = fs::read(&path).expect("a file");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, &bytes).expect("a file");
        let changed = fingerprint();
        assert_ne!(changed, before);
        fs::rename(&path, folder.path().join("val/dog/z.png")).expect("a file");
        assert_ne!(fingerprint(), changed);
    }
}
