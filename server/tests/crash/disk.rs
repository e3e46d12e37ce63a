//! What a power cut leaves of a folder: the operations that `faults.c` recorded, on a disk that keeps only what was synced.
//!
//! A file's bytes are kept when the file was synced after them, and a name when its folder was. What was not may be there, too, in part
//! and in any order: disks and file systems write when they like.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rand::{Rng, seq::IndexedRandom};

/// An operation of a recording.
#[derive(Debug)]
pub struct Operation {
    kind: u8,
    /// Of a worker, not of the server.
    worker: bool,
    inode: u64,
    offset: u64,
    path: String,
    to: String,
    bytes: Vec<u8>,
    /// Where its record ends in the recording.
    pub end: u64,
}

const HEAD: usize = 32;

/// Reads a recording.
pub fn read(trace: &Path) -> Vec<Operation> {
    let bytes = fs::read(trace).unwrap();
    let mut operations = Vec::new();
    let mut at = 0;
    let number = |at: usize, size: usize| {
        let mut number = [0; 8];
        number[..size].copy_from_slice(&bytes[at..at + size]);
        u64::from_le_bytes(number)
    };
    // The last record may be cut where its process was killed.
    while at + HEAD <= bytes.len() {
        let (a, b) = (number(at + 2, 2) as usize, number(at + 4, 2) as usize);
        let length = number(at + 8, 8) as usize;
        let end = at + HEAD + a + b + length;
        if end > bytes.len() {
            break;
        }
        let text = |from: usize, to: usize| String::from_utf8(bytes[from..to].to_vec()).unwrap();
        operations.push(Operation {
            kind: bytes[at],
            worker: bytes[at + 1] == 2,
            inode: number(at + 16, 8),
            offset: number(at + 24, 8),
            path: text(at + HEAD, at + HEAD + a),
            to: text(at + HEAD + a, at + HEAD + a + b),
            bytes: bytes[end - length..end].to_vec(),
            end: end as u64,
        });
        at = end;
    }
    operations
}

impl Operation {
    /// What it is, as `faults.c` names it, without what differs between two recordings.
    pub fn label(&self) -> String {
        let names = [
            "", "create", "mkdir", "write", "truncate", "sync", "rename", "link", "unlink", "rmdir",
        ];
        let path = if self.to.is_empty() { &self.path } else { &self.to };
        let name = path.rsplit('/').next().unwrap_or_default();
        let name = if name.len() == 36 && name.as_bytes()[8] == b'-' { "RUN" } else { name };
        let mut text = format!("{} ", names[self.kind as usize]);
        let mut rest = name;
        while let Some(letter) = rest.chars().next() {
            let run = |is: fn(char) -> bool| rest.len() - rest.trim_start_matches(is).len();
            let hash = run(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
            let skipped = if hash >= 16 { hash } else { run(|c| c.is_ascii_digit()) };
            text.push(if skipped > 0 { '#' } else { letter });
            rest = &rest[skipped.max(letter.len_utf8())..];
        }
        format!("{}: {text}", if self.worker { "worker" } else { "server" })
    }
}

/// What becomes of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// All of it is lost.
    All,
    /// Names are kept, bytes are lost: files are empty or old.
    Bytes,
    /// Bytes are kept, names are lost.
    Names,
    /// Some of it is lost: whole writes, or the end of one.
    Some,
}

impl Loss {
    pub const EVERY: [Self; 4] = [Self::All, Self::Bytes, Self::Names, Self::Some];
}

enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

type Names = BTreeMap<String, usize>;

enum Object {
    File { kept: Vec<u8>, pending: Vec<Change> },
    Folder { kept: Names, now: Names, pending: Vec<Vec<(String, Option<usize>)>> },
}

/// A folder in the memory, with what of it is on the disk.
pub struct Disk {
    root: String,
    objects: Vec<Object>,
    inodes: HashMap<u64, usize>,
}

impl Disk {
    /// A folder that is empty and synced.
    pub fn new(root: &Path) -> Self {
        let inode = fs::metadata(root).unwrap().ino();
        Self {
            root: root.display().to_string(),
            objects: vec![folder()],
            inodes: HashMap::from([(inode, 0)]),
        }
    }

    /// Does the next operation.
    pub fn apply(&mut self, operation: &Operation) {
        let Operation { kind, inode, offset, path, to, bytes, .. } = operation;
        match kind {
            1 => self.add(path, *inode, Object::File { kept: Vec::new(), pending: Vec::new() }),
            2 => self.add(path, *inode, folder()),
            3 => self.change(*inode, Change::Write(*offset, bytes.clone())),
            4 => self.change(*inode, Change::Length(*offset)),
            5 => self.sync(*inode),
            6 => {
                let object = self.find(path);
                let ((from, old), (into, new)) = (self.parent(path), self.parent(to));
                if from == into {
                    self.name(from, vec![(old, None), (new, Some(object))]);
                } else {
                    self.name(into, vec![(new, Some(object))]);
                    self.name(from, vec![(old, None)]);
                }
            }
            7 => {
                let object = self.find(path);
                let (into, new) = self.parent(to);
                self.name(into, vec![(new, Some(object))]);
            }
            8 | 9 => {
                let (from, old) = self.parent(path);
                self.name(from, vec![(old, None)]);
            }
            other => panic!("an operation {other}"),
        }
    }

    fn add(&mut self, path: &str, inode: u64, object: Object) {
        self.objects.push(object);
        let number = self.objects.len() - 1;
        self.inodes.insert(inode, number);
        let (folder, name) = self.parent(path);
        self.name(folder, vec![(name, Some(number))]);
    }

    fn change(&mut self, inode: u64, change: Change) {
        let object = self.inodes[&inode];
        let Object::File { pending, .. } = &mut self.objects[object] else { panic!("a folder") };
        pending.push(change);
    }

    fn name(&mut self, folder: usize, changes: Vec<(String, Option<usize>)>) {
        let Object::Folder { now, pending, .. } = &mut self.objects[folder] else {
            panic!("a file")
        };
        rename(now, &changes);
        pending.push(changes);
    }

    fn sync(&mut self, inode: u64) {
        let object = self.inodes[&inode];
        match &mut self.objects[object] {
            Object::File { kept, pending } => {
                pending.drain(..).for_each(|change| apply(kept, &change));
            }
            Object::Folder { kept, now, pending } => {
                kept.clone_from(now);
                pending.clear();
            }
        }
    }

    /// The folder and the name of a path.
    fn parent(&self, path: &str) -> (usize, String) {
        let (folder, name) = path.rsplit_once('/').unwrap();
        (self.find(folder), name.to_owned())
    }

    fn find(&self, path: &str) -> usize {
        let below = path.strip_prefix(&self.root).unwrap();
        below.split('/').filter(|part| !part.is_empty()).fold(0, |folder, part| {
            let Object::Folder { now, .. } = &self.objects[folder] else {
                panic!("{path}: a file")
            };
            *now.get(part).unwrap_or_else(|| panic!("there is no {path}"))
        })
    }

    /// The folder after a power cut.
    pub fn cut(&self, loss: Loss, random: &mut impl Rng) -> Left {
        let mut left = Left::default();
        let mut files = HashMap::new();
        self.leave(0, "", loss, random, &mut files, &mut left);
        left
    }

    fn leave(
        &self,
        object: usize,
        path: &str,
        loss: Loss,
        random: &mut impl Rng,
        files: &mut HashMap<usize, Vec<u8>>,
        left: &mut Left,
    ) {
        match &self.objects[object] {
            Object::File { kept, pending } => {
                // A file of two names has the same bytes under both.
                let bytes = files.entry(object).or_insert_with(|| match loss {
                    Loss::All | Loss::Bytes => kept.clone(),
                    Loss::Names => all(kept, pending),
                    Loss::Some => some(kept, pending, random),
                });
                left.files.insert(path.to_owned(), bytes.clone());
            }
            Object::Folder { kept, now, pending } => {
                let names = match loss {
                    Loss::All | Loss::Names => kept.clone(),
                    Loss::Bytes => now.clone(),
                    Loss::Some => {
                        let mut names = kept.clone();
                        let first = random.random_range(0..=pending.len());
                        pending[..first].iter().for_each(|changes| rename(&mut names, changes));
                        names
                    }
                };
                left.folders.push(path.to_owned());
                for (name, object) in names {
                    let path = format!("{path}/{name}");
                    self.leave(object, &path, loss, random, files, left);
                }
            }
        }
    }
}

fn folder() -> Object {
    Object::Folder { kept: Names::new(), now: Names::new(), pending: Vec::new() }
}

fn rename(names: &mut Names, changes: &[(String, Option<usize>)]) {
    for (name, object) in changes {
        match object {
            Some(object) => names.insert(name.clone(), *object),
            None => names.remove(name),
        };
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, written) => {
            let (from, end) = (*offset as usize, *offset as usize + written.len());
            // What lies between the end and a later write is zero.
            bytes.resize(bytes.len().max(end), 0);
            bytes[from..end].copy_from_slice(written);
        }
        Change::Length(length) => bytes.resize(*length as usize, 0),
    }
}

fn all(kept: &[u8], pending: &[Change]) -> Vec<u8> {
    let mut bytes = kept.to_vec();
    for change in pending {
        apply(&mut bytes, change);
    }
    bytes
}

/// Some of the changes: the first ones with a part of the next, or any of them.
fn some(kept: &[u8], pending: &[Change], random: &mut impl Rng) -> Vec<u8> {
    let mut bytes = kept.to_vec();
    if pending.is_empty() {
        return bytes;
    }
    if random.random_bool(0.5) {
        let first = random.random_range(0..=pending.len());
        pending[..first].iter().for_each(|change| apply(&mut bytes, change));
        if let Some(Change::Write(offset, written)) = pending.get(first) {
            let part = random.random_range(0..=written.len());
            apply(&mut bytes, &Change::Write(*offset, written[..part].to_vec()));
        }
    } else {
        let share = *[0.1, 0.5, 0.9].choose(random).unwrap();
        for change in pending {
            if random.random_bool(share) {
                apply(&mut bytes, change);
            }
        }
    }
    bytes
}

/// What is left of a folder.
#[derive(Default, Hash)]
pub struct Left {
    folders: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Left {
    /// Tells equal ones.
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        Hash::hash(self, &mut hasher);
        hasher.finish()
    }

    /// Makes the folder.
    pub fn make(&self, root: &Path) {
        for folder in &self.folders {
            fs::create_dir_all(root.join(folder.trim_start_matches('/'))).unwrap();
        }
        for (path, bytes) in &self.files {
            fs::write(root.join(path.trim_start_matches('/')), bytes).unwrap();
        }
    }
}
