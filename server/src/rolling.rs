//! [`Rolling`]: a file that is written line by line and put aside when it is long.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A file of limited length. Longer, it becomes `FILE.1`, and the one before that `FILE.2`; the oldest is replaced.
#[derive(Debug)]
pub struct Rolling {
    path: PathBuf,
    /// Length at which the file is put aside, in bytes.
    longest: u64,
    /// Number of files that are kept aside.
    aside: u32,
    /// Opened at the first line.
    file: Option<File>,
}

impl Rolling {
    /// The file at `path`, which is put aside at `longest` bytes; `aside` of those are kept.
    pub fn new(path: impl Into<PathBuf>, longest: u64, aside: u32) -> Self {
        Self { path: path.into(), longest, aside, file: None }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file, which shows whether it can be written.
    ///
    /// # Errors
    /// When it cannot.
    pub fn open(&mut self) -> io::Result<&mut File> {
        // The length is asked for each time: somebody else may write to the file, or empty it.
        let length = self.file.as_ref().map_or(Ok(0), |file| file.metadata().map(|it| it.len()))?;
        if length >= self.longest {
            self.file = None;
            // Another program that writes to it may have put it aside.
            if fs::metadata(&self.path).is_ok_and(|found| found.len() >= self.longest) {
                self.put_aside()?;
            }
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().create(true).append(true).open(&self.path)?,
        };
        Ok(self.file.insert(file))
    }

    fn put_aside(&self) -> io::Result<()> {
        for number in (1..self.aside).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.numbered(1))
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Write for Rolling {
    /// Writes all of a line or nothing of it, so that none is in two files.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.open()?.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_put_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut file = Rolling::new(&path, 8, 2);
        for line in ["first..\n", "second.\n", "third..\n", "4\n", "5\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(read("a.log").as_deref(), Some("4\n5\n"));
        assert_eq!(read("a.log.1").as_deref(), Some("third..\n"));
        assert_eq!(read("a.log.2").as_deref(), Some("second.\n"));
        assert_eq!(read("a.log.3"), None);

        // A file that is there already is continued, and counts with what it has.
        let mut again = Rolling::new(&path, 8, 2);
        again.write_all(b"6666\n").unwrap();
        again.write_all(b"7\n").unwrap();
        assert_eq!(read("a.log.1").as_deref(), Some("4\n5\n6666\n"));
        assert_eq!(read("a.log").as_deref(), Some("7\n"));

        // Of two writers, only one puts the file aside.
        let mut other = Rolling::new(&path, 8, 2);
        other.write_all(b"888888\n").unwrap();
        again.write_all(b"9\n").unwrap();
        other.write_all(b"10\n").unwrap();
        assert_eq!(read("a.log.1").as_deref(), Some("7\n888888\n"));
        assert_eq!(read("a.log").as_deref(), Some("9\n10\n"));
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Rolling::new(folder.path().join("none/a.log"), 8, 2).open().is_err());
        assert!(Rolling::new(folder.path(), 8, 2).open().is_err());
    }
}
