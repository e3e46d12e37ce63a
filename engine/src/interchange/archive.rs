//! The zip archive that PyTorch writes: files stored as they are, the list of them at the end.
//!
//! A strict reader of that one kind: it believes no count and no length before it has found the bytes, so an archive of a few bytes
//! cannot ask for much memory.

use std::collections::HashMap;

/// The list's end, without a comment.
const END: usize = 22;
/// Where the larger end of an archive beyond 4 GB is told, just before [`END`].
const LOCATOR: usize = 20;
/// An entry of the list before its name.
const ENTRY: usize = 46;
/// The header before a file's bytes, before its name.
const HEADER: usize = 30;

/// The files of an archive.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    /// By the name below the archive's one folder.
    files: HashMap<&'a str, &'a [u8]>,
}

impl<'a> Archive<'a> {
    /// Finds all files and compares each with its checksum.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let broken =
            || "it is no whole zip archive as PyTorch writes one: fetch it once more".to_owned();
        let mut list = list_of(bytes).ok_or_else(broken)?;
        let mut files = HashMap::new();
        let mut total = 0usize;
        while !list.is_empty() {
            let entry = Entry::read(&mut list).ok_or_else(broken)?;
            let name = entry.name;
            if name.contains("/code/") {
                return Err("it is a TorchScript program (torch.jit.save). Save its parameters alone: import torch; \
                            torch.save(torch.jit.load(FILE, map_location=\"cpu\").state_dict(), NEW_FILE)"
                    .into());
            }
            if entry.compressed {
                return Err(format!("{name} in it is compressed, which PyTorch never does"));
            }
            let data = entry.data(bytes).ok_or_else(broken)?;
            // So that no byte is read twice, whatever the list says.
            total = total.saturating_add(data.len());
            if total > bytes.len() {
                return Err("its files take more bytes than it has".into());
            }
            if crc32fast::hash(data) != entry.checksum {
                return Err(format!("{name} in it is damaged: fetch it once more"));
            }
            files.insert(name.split_once('/').map_or(name, |(_, below)| below), data);
        }
        Ok(Self { files })
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// A sentence, when there is none of that name.
    pub fn file(&self, name: &str) -> Result<&'a [u8], String> {
        self.files.get(name).copied().ok_or_else(|| format!("its archive has no {name}"))
    }
}

/// The bytes of the list of files.
fn list_of(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.get(bytes.len().checked_sub(END)?..)?.strip_prefix(b"PK\x05\x06")?;
    let (mut size, mut start) = (number(end, 8, 4)?, number(end, 12, 4)?);
    let before = bytes.len() - END;
    let locator =
        before.checked_sub(LOCATOR).and_then(|at| bytes[at..].strip_prefix(b"PK\x06\x07"));
    if let Some(locator) = locator {
        let at = usize::try_from(number(locator, 4, 8)?).ok()?;
        let end = bytes.get(at..)?.strip_prefix(b"PK\x06\x06")?;
        (size, start) = (number(end, 36, 8)?, number(end, 44, 8)?);
    }
    slice(bytes, start, size)
}

/// An entry of the list.
struct Entry<'a> {
    name: &'a str,
    compressed: bool,
    checksum: u32,
    length: u64,
    header: u64,
}

impl<'a> Entry<'a> {
    /// Takes the first one off the list.
    fn read(list: &mut &'a [u8]) -> Option<Self> {
        let entry = list.get(..ENTRY).filter(|entry| entry.starts_with(b"PK\x01\x02"))?;
        let field = |at: usize, length: usize| number(entry, at, length).unwrap_or_default();
        let [name, extra, comment] = [28, 30, 32].map(|at| field(at, 2));
        let name_at = ENTRY as u64;
        let full_name = slice(list, name_at, name)?;
        let (mut length, mut header) = (field(24, 4), field(42, 4));
        let compressed = field(10, 2) != 0 || field(20, 4) != length;
        let extra_fields = slice(list, name_at + name, extra)?;
        // Numbers beyond four bytes stand behind the name, in this order.
        let mut large = large_numbers(extra_fields).unwrap_or_default().chunks_exact(8);
        let mut full = |value: &mut u64| {
            if *value == u64::from(u32::MAX) {
                *value = number(large.next()?, 0, 8)?;
            }
            Some(())
        };
        let mut stored_length = length;
        full(&mut length)?;
        full(&mut stored_length)?;
        full(&mut header)?;
        let checksum = field(16, 4) as u32;
        *list = list.get(usize::try_from(name_at + name + extra + comment).ok()?..)?;
        let name = std::str::from_utf8(full_name).ok()?;
        let compressed = compressed || stored_length != length;
        Some(Self { name, compressed, checksum, length, header })
    }

    fn data<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let header = slice(bytes, self.header, HEADER as u64)?.strip_prefix(b"PK\x03\x04")?;
        let names = number(header, 22, 2)? + number(header, 24, 2)?;
        slice(bytes, self.header + HEADER as u64 + names, self.length)
    }
}

/// The extra field of numbers that need eight bytes.
fn large_numbers(mut extra: &[u8]) -> Option<&[u8]> {
    loop {
        let (kind, length) = (number(extra, 0, 2)?, number(extra, 2, 2)?);
        let field = slice(extra, 4, length)?;
        if kind == 1 {
            return Some(field);
        }
        extra = &extra[4 + field.len()..];
    }
}

/// A number of so many bytes, the lowest first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + length)?;
    Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

fn slice(bytes: &[u8], start: u64, length: u64) -> Option<&[u8]> {
    let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
    bytes.get(start..start.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An archive of one file `a/b`.
    fn archive(content: &[u8]) -> Vec<u8> {
        let checksum = crc32fast::hash(content).to_le_bytes();
        let length = (content.len() as u32).to_le_bytes();
        let sizes = [checksum, length, length].concat();
        let header =
            [&b"PK\x03\x04\x0a\0\0\0\0\0\0\0\0\0"[..], &sizes, b"\x03\0\x02\0a/b..", content]
                .concat();
        let rest = b"\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a/b";
        let list = [&b"PK\x01\x02\x0a\0\x0a\0\0\0\0\0\0\0\0\0"[..], &sizes, rest].concat();
        let [size, start] = [list.len(), header.len()].map(|number| (number as u32).to_le_bytes());
        [&header[..], &list, b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &size, &start, b"\0\0"].concat()
    }

    #[test]
    fn a_file_is_found_behind_its_header() {
        let bytes = archive(b"content");
        let archive = Archive::open(&bytes).unwrap();
        assert_eq!(archive.file("b").unwrap(), b"content");
        assert_eq!(archive.file("c").unwrap_err(), "its archive has no c");
    }

    #[test]
    fn damage_is_told() {
        let mut bytes = archive(b"content");
        assert!(
            Archive::open(&bytes[..bytes.len() - 1]).unwrap_err().contains("no whole zip archive")
        );
        bytes[36] ^= 1;
        assert_eq!(Archive::open(&bytes).unwrap_err(), "a/b in it is damaged: fetch it once more");
        let entry = bytes.len() - END - 3 - ENTRY;
        bytes[entry + 10] = 8;
        assert_eq!(
            Archive::open(&bytes).unwrap_err(),
            "a/b in it is compressed, which PyTorch never does"
        );
    }

    proptest! {
        #[test]
        fn changed_bytes_are_read_or_refused(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            length in any::<prop::sample::Index>(),
        ) {
            let mut bytes = archive(b"content");
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let _ = Archive::open(&bytes);
            let _ = Archive::open(&bytes[length.index(bytes.len())..]);
        }
    }
}
