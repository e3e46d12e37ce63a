//! Files that hold many pictures of one size, one behind the other. A picture is read when it is asked for; no file is
//! read into memory as a whole.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use shared::Rgb8;

use super::{super::DataError, unreadable};
use crate::files;

/// In which order a record holds its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Order {
    /// All red bytes, then green, then blue, rows from the top.
    PlanesOfRows,
    /// All red bytes, then green, then blue, columns from the left.
    PlanesOfColumns,
    /// One grey byte a pixel, rows from the top.
    GreyRows,
}

/// How the records of a file lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) struct Shape {
    /// Bytes before the first record.
    pub header: u64,
    /// Bytes of a record before its pixels.
    pub labels: usize,
    /// Width of a picture in pixels.
    pub width: usize,
    /// Height of a picture in pixels.
    pub height: usize,
    /// Order of the pixels.
    pub order: Order,
}

impl Shape {
    /// Bytes of a record.
    pub fn record_len(&self) -> usize {
        let channels = if self.order == Order::GreyRows { 1 } else { 3 };
        self.labels + self.width * self.height * channels
    }

    /// The picture in a record.
    fn picture(&self, record: &[u8]) -> Rgb8 {
        let (bytes, plane) = (&record[self.labels..], self.width * self.height);
        let planes = |at: usize| [bytes[at], bytes[plane + at], bytes[2 * plane + at]];
        Rgb8::from_fn(self.width, self.height, |x, y| match self.order {
            Order::PlanesOfRows => planes(y * self.width + x),
            Order::PlanesOfColumns => planes(x * self.height + y),
            Order::GreyRows => [bytes[y * self.width + x]; 3],
        })
    }
}

/// A file of records.
#[derive(Clone, Debug)]
pub(in crate::data) struct RecordFile {
    /// Where it lies.
    path: PathBuf,
    /// Copies share its reading position; whoever reads holds it.
    file: Arc<Mutex<File>>,
    shape: Shape,
    /// Number of records.
    pub records: u32,
}

impl RecordFile {
    /// Takes a file whose length tells the number of its records.
    ///
    /// # Errors
    /// When the file cannot be opened, or its length is no multiple of a record's.
    pub fn open(path: PathBuf, shape: Shape) -> Result<Self, DataError> {
        let opened = files::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (bytes, file) = opened.map_err(|source| unreadable(&path, source))?;
        let record = shape.record_len() as u64;
        let records = bytes.saturating_sub(shape.header) / record;
        if records == 0 || bytes != shape.header + records * record {
            let reason = format!(
                "it has {bytes} bytes, but records of {record} bytes make {} or {}; the file is cut or no file of this \
                 layout",
                shape.header + records.max(1) * record,
                shape.header + (records.max(1) + 1) * record,
            );
            return Err(DataError::Member { file: path, reason });
        }
        let count = u32::try_from(records).map_err(|_| DataError::Member {
            file: path.clone(),
            reason: format!("it has {records} records; at most {} are taken", u32::MAX),
        })?;
        Ok(Self::new(path, file, shape, count))
    }

    /// Takes a file of so many records, which its caller has checked.
    pub fn new(path: PathBuf, file: File, shape: Shape, records: u32) -> Self {
        Self { path, file: Arc::new(Mutex::new(file)), shape, records }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads picture `n`.
    ///
    /// # Errors
    /// When the file has become shorter or cannot be read.
    pub fn picture(&self, n: u32) -> Result<Rgb8, DataError> {
        let mut record = vec![0; self.shape.record_len()];
        let start = self.shape.header + u64::from(n) * record.len() as u64;
        // A panic elsewhere leaves at most the position behind, which is set anew here.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(&mut record))
            .map_err(|source| unreadable(&self.path, source))?;
        drop(file);
        Ok(self.shape.picture(&record))
    }

    /// The label bytes of all records at place `at` within each, all below `classes`.
    ///
    /// # Errors
    /// When the file cannot be read, or a label is too large.
    pub fn labels(&self, at: usize, classes: u8) -> Result<Vec<u8>, DataError> {
        let failed = |source| unreadable(&self.path, source);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.shape.header)).map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 16, &mut *file);
        let mut record = vec![0; self.shape.record_len()];
        let mut labels = Vec::with_capacity(self.records as usize);
        for n in 0..self.records {
            reader.read_exact(&mut record).map_err(failed)?;
            labels.push(checked_label(&self.path, n, record[at], 0, classes - 1)?);
        }
        Ok(labels)
    }
}

/// The label of record `n` of a file, from `first` to `last`.
///
/// # Errors
/// When it is outside.
pub(in crate::data) fn checked_label(
    file: &Path,
    n: u32,
    label: u8,
    first: u8,
    last: u8,
) -> Result<u8, DataError> {
    if (first..=last).contains(&label) {
        return Ok(label);
    }
    let reason = format!("record {n} has the label {label}; labels are {first} to {last}");
    Err(DataError::Member { file: file.into(), reason })
}
