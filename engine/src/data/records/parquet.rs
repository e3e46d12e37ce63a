//! Parquet shards: of each row the bytes of an image file and its label.
//!
//! Values lie in row groups, often compressed as one block, so one image costs as much as its whole group. The last groups are therefore
//! kept, and whoever reads many images reads them in the order of their rows.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use parquet::{
    basic::{ConvertedType, LogicalType, Type},
    column::{
        page::{Page, PageMetadata, PageReader},
        reader::{ColumnReader, ColumnReaderImpl, get_column_reader},
    },
    data_type::{ByteArray, DataType},
    errors::{ParquetError, Result as ParquetResult},
    file::reader::{ChunkReader, FileReader, Length, SerializedFileReader},
    schema::types::ColumnDescriptor,
};
use serde::Deserialize;

use super::{super::DataError, other_kind, unreadable};
use crate::files;

/// Names of the column of images; of several the first in this list is taken.
const IMAGES: [&str; 8] = ["image", "img", "jpg", "png", "webp", "picture", "photo", "image_bytes"];
/// Names of the column of labels, likewise.
const LABELS: [&str; 9] =
    ["label", "labels", "fine_label", "fine_labels", "class", "target", "category", "cls", "y"];
/// Bytes of the row groups that are kept. One for each thread is kept in any case.
const KEPT: u64 = 256 << 20;
/// Longest row group of images that is read, in bytes.
const LONGEST: u64 = 512 << 20;
/// Longest name of a class, in bytes.
const LONGEST_NAME: usize = 1024;
const MAGIC: &[u8] = b"PAR1";

/// A label as a file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::data) enum Label {
    /// Number of the class.
    Number(i64),
    /// Name of the class.
    Name(Arc<str>),
}

/// The images of a row group; `None` where a row has none.
type Images = Arc<[Option<ByteArray>]>;
type Cell = Arc<OnceLock<Result<Images, String>>>;
/// Row groups by the numbers of shard and group, with their lengths in bytes, the last used at the end.
type Queue = VecDeque<((usize, usize), u64, Cell)>;

/// The row groups of a data set that were read last.
#[derive(Clone, Debug, Default)]
pub(in crate::data) struct Groups(Arc<Mutex<Queue>>);

impl Groups {
    /// The place for a group of a shard. Whoever comes first fills it; others wait for that.
    fn cell(&self, key: (usize, usize), bytes: u64) -> Cell {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|(of, ..)| *of == key).and_then(|at| kept.remove(at));
        let cell = found.map_or_else(Cell::default, |(.., cell)| cell);
        kept.push_back((key, bytes, cell.clone()));
        // Every thread may be at another group.
        let least = rayon::current_num_threads() + 1;
        while kept.len() > least && kept.iter().map(|(_, bytes, _)| bytes).sum::<u64>() > KEPT {
            kept.pop_front();
        }
        cell
    }

    /// Drops a group that could not be read: the next attempt may succeed.
    fn forget(&self, key: (usize, usize)) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(of, ..)| *of != key);
    }
}

/// A shard.
#[derive(Clone)]
pub(in crate::data) struct ParquetFile {
    path: PathBuf,
    reader: Arc<SerializedFileReader<Chunks>>,
    /// Number of the shard within the data set.
    shard: usize,
    /// The column of images.
    image: usize,
    /// The first row of each row group, then the number of rows.
    starts: Arc<[u32]>,
    groups: Groups,
}

impl std::fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A shard with what its rows and its metadata say of classes.
pub(in crate::data) struct Opened {
    pub file: ParquetFile,
    /// The label of each row, where it has one.
    pub labels: Vec<Option<Label>>,
    /// Class names by number, where the file has them.
    pub names: Option<Vec<String>>,
}

impl ParquetFile {
    /// Opens shard number `shard` of a data set and reads its labels.
    ///
    /// # Errors
    /// When it is no Parquet file, has no column of images or of labels, or cannot be read.
    pub fn open(path: &Path, shard: usize, groups: &Groups) -> Result<Opened, DataError> {
        let failed = |source| unreadable(path, source);
        let mut file = files::open(path).map_err(failed)?;
        let mut head = Vec::new();
        (&mut file).take(1024).read_to_end(&mut head).map_err(failed)?;
        if !head.starts_with(MAGIC) {
            return Err(other_kind(path, "Parquet", &head, "it does not begin with PAR1"));
        }
        let wrong = |error: ParquetError| damaged(path, &error);
        let chunks = Chunks::new(file).map_err(failed)?;
        let length = chunks.bytes;
        let reader = guarded(|| SerializedFileReader::new(chunks)).map_err(wrong)?;
        let columns = Columns::find(path, &reader)?;
        let mut starts = vec![0u32];
        for group in reader.metadata().row_groups() {
            let bytes = group.column(columns.image).uncompressed_size().unsigned_abs();
            if bytes > LONGEST {
                let reason = format!(
                    "it has a row group with {} MiB of images; at most {} are taken: write it again with smaller ones \
                     (row_group_size=100 in PyArrow)",
                    bytes >> 20,
                    LONGEST >> 20
                );
                return Err(DataError::Member { file: path.into(), reason });
            }
            let rows = u32::try_from(group.num_rows()).ok();
            let end = rows.and_then(|rows| starts[starts.len() - 1].checked_add(rows));
            starts.push(end.ok_or_else(|| DataError::Member {
                file: path.into(),
                reason: format!("it has more than {} rows", u32::MAX),
            })?);
        }
        // A row takes a byte at least. The numbers of the metadata are not believed beyond that, because memory is taken for them.
        if u64::from(starts[starts.len() - 1]) > length {
            return Err(damaged(path, &"it has more rows than bytes"));
        }
        let labels = guarded(|| labels(&reader, columns.label)).map_err(wrong)?;
        if labels.len() != starts[starts.len() - 1] as usize {
            return Err(damaged(path, &"it has fewer labels than rows"));
        }
        let file = Self {
            path: path.into(),
            reader: Arc::new(reader),
            shard,
            image: columns.image,
            starts: starts.into(),
            groups: groups.clone(),
        };
        Ok(Opened { file, labels, names: columns.names })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The image file of row `n`.
    pub(super) fn image(&self, n: u32) -> Result<ByteArray, DataError> {
        let group = self.starts.partition_point(|&start| start <= n) - 1;
        let column = self.reader.metadata().row_group(group).column(self.image);
        let key = (self.shard, group);
        let cell = self.groups.cell(key, column.uncompressed_size().unsigned_abs());
        let images =
            cell.get_or_init(|| guarded(|| self.images(group)).map_err(|error| error.to_string()));
        let images = images.as_ref().map_err(|reason| {
            self.groups.forget(key);
            unreadable(&self.path, io::Error::other(reason.clone()))
        })?;
        match images.get((n - self.starts[group]) as usize) {
            Some(Some(image)) => Ok(image.clone()),
            _ => Err(unreadable(&self.path, io::Error::other("the row has no bytes of an image"))),
        }
    }

    fn images(&self, group: usize) -> ParquetResult<Images> {
        let rows = self.starts[group + 1] - self.starts[group];
        match column(&self.reader, group, self.image)? {
            (ColumnReader::ByteArrayColumnReader(column), depth) => {
                Ok(values(column, rows as usize, depth)?.into())
            }
            _ => Err(ParquetError::General("the images are not bytes".into())),
        }
    }
}

/// Work of the library on a file. It asserts much of what a damaged file breaks.
fn guarded<T>(work: impl FnOnce() -> ParquetResult<T>) -> ParquetResult<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.unwrap_or_else(|_| Err(ParquetError::General("it contradicts itself".into())))
}

/// A column of a row group with its definition level, whose pages are checked before memory is taken for what they announce.
fn column(
    reader: &SerializedFileReader<Chunks>,
    group: usize,
    column: usize,
) -> ParquetResult<(ColumnReader, i16)> {
    let described = reader.metadata().file_metadata().schema_descr().column(column);
    let depth = described.max_def_level();
    let chunk = reader.metadata().row_group(group).column(column);
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    if start < 0 || chunk.compressed_size() < 0 || chunk.uncompressed_size() < 0 {
        return Err(ParquetError::General("a column has a negative place or length".into()));
    }
    let pages = reader.get_row_group(group)?.get_column_page_reader(column)?;
    let pages = CheckedPages { pages, left: LONGEST };
    Ok((get_column_reader(described, Box::new(pages)), depth))
}

/// Pages of a column. Dictionaries that announce more values than their bytes can hold, and columns that are longer than they should be,
/// are refused.
struct CheckedPages {
    pages: Box<dyn PageReader>,
    /// Bytes that may still come.
    left: u64,
}

impl Iterator for CheckedPages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            let bytes = page.buffer().len() as u64;
            self.left = self
                .left
                .checked_sub(bytes)
                .ok_or_else(|| ParquetError::General("a row group is too long".into()))?;
            // A value takes four bytes at least: a number, or the length of a text.
            if matches!(page, Page::DictionaryPage { .. })
                && u64::from(page.num_values()) > bytes / 4
            {
                return Err(ParquetError::General(
                    "a dictionary is too short for its values".into(),
                ));
            }
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> ParquetResult<bool> {
        self.pages.at_record_boundary()
    }
}

/// All labels of a column. Equal names share their text.
fn labels(
    reader: &SerializedFileReader<Chunks>,
    place: usize,
) -> ParquetResult<Vec<Option<Label>>> {
    let mut all = Vec::new();
    let mut names: HashSet<Arc<str>> = HashSet::new();
    for n in 0..reader.num_row_groups() {
        let rows = usize::try_from(reader.metadata().row_group(n).num_rows()).unwrap_or(0);
        match column(reader, n, place)? {
            (ColumnReader::Int32ColumnReader(column), depth) => {
                let numbers = values(column, rows, depth)?.into_iter();
                all.extend(numbers.map(|label| label.map(|n| Label::Number(n.into()))));
            }
            (ColumnReader::Int64ColumnReader(column), depth) => {
                let numbers = values(column, rows, depth)?.into_iter();
                all.extend(numbers.map(|label| label.map(Label::Number)));
            }
            (ColumnReader::ByteArrayColumnReader(column), depth) => {
                for name in values(column, rows, depth)? {
                    let Some(name) = name else {
                        all.push(None);
                        continue;
                    };
                    let name = name.as_utf8()?;
                    if name.len() > LONGEST_NAME {
                        return Err(ParquetError::General(
                            "a label is too long for a class".into(),
                        ));
                    }
                    if !names.contains(name) {
                        names.insert(name.into());
                    }
                    all.push(names.get(name).cloned().map(Label::Name));
                }
            }
            _ => {
                let message = "the labels are neither numbers nor texts";
                return Err(ParquetError::General(message.into()));
            }
        }
    }
    Ok(all)
}

/// The values of all rows of a column; `None` where a row has none.
fn values<T: DataType>(
    mut column: ColumnReaderImpl<T>,
    rows: usize,
    depth: i16,
) -> ParquetResult<Vec<Option<T::T>>> {
    let (mut found, mut levels) = (Vec::new(), Vec::new());
    let (read, _, _) = column.read_records(rows, Some(&mut levels), None, &mut found)?;
    if read != rows {
        return Err(ParquetError::EOF("a row group ends too early".into()));
    }
    if depth == 0 {
        return Ok(found.into_iter().map(Some).collect());
    }
    let mut found = found.into_iter();
    Ok(levels.into_iter().map(|level| if level == depth { found.next() } else { None }).collect())
}

/// Which columns hold the images and the labels.
struct Columns {
    image: usize,
    label: usize,
    names: Option<Vec<String>>,
}

impl Columns {
    fn find(path: &Path, reader: &SerializedFileReader<Chunks>) -> Result<Self, DataError> {
        let metadata = reader.metadata().file_metadata();
        let columns = metadata.schema_descr().columns();
        let wrong = |what: &str| {
            let names: Vec<String> = columns.iter().map(|column| column.path().string()).collect();
            let reason =
                format!("it has no column of {what}; its columns are {}", names.join(", "));
            DataError::Member { file: path.into(), reason }
        };
        let single = |at: &usize| columns[*at].max_rep_level() == 0;
        let places: Vec<usize> = (0..columns.len()).filter(single).collect();
        let images: Vec<(&str, usize)> =
            places.iter().filter_map(|&at| Some((image_name(&columns[at])?, at))).collect();
        let image = IMAGES
            .iter()
            .find_map(|name| images.iter().find(|(of, _)| of == name))
            .or(images.first())
            .ok_or_else(|| wrong("image files (bytes)"))?
            .1;
        let hugging_face = metadata
            .key_value_metadata()
            .into_iter()
            .flatten()
            .find(|entry| entry.key == "huggingface")
            .and_then(|entry| serde_json::from_str::<HuggingFace>(entry.value.as_deref()?).ok());
        let features = hugging_face.map(|it| it.info.features).unwrap_or_default();
        let named = |at: usize| features.get(&columns[at].path().string()).and_then(Feature::names);
        let labels: Vec<(String, usize)> = places
            .iter()
            .filter(|&&at| at != image && columns[at].path().parts().len() == 1)
            .filter(|&&at| {
                matches!(columns[at].physical_type(), Type::INT32 | Type::INT64 | Type::BYTE_ARRAY)
            })
            .map(|&at| (columns[at].path().string(), at))
            .collect();
        let label = LABELS
            .iter()
            .find_map(|name| labels.iter().find(|(of, _)| of == name))
            .or_else(|| labels.iter().find(|(_, at)| named(*at).is_some()))
            .ok_or_else(|| wrong("labels (label, labels, fine_label, class)"))?
            .1;
        Ok(Self { image, label, names: named(label).map(<[String]>::to_vec) })
    }
}

/// The name of a column of image files: a struct's field `bytes`, or bytes that are no text.
fn image_name(column: &ColumnDescriptor) -> Option<&str> {
    if column.physical_type() != Type::BYTE_ARRAY {
        return None;
    }
    match column.path().parts() {
        [name, field] if field == "bytes" => Some(name),
        [name] => {
            let is_text = column.converted_type() == ConvertedType::UTF8
                || matches!(column.logical_type_ref(), Some(LogicalType::String));
            (!is_text).then_some(name)
        }
        _ => None,
    }
}

/// What the library `datasets` of Hugging Face writes into the metadata of a Parquet file.
#[derive(Deserialize)]
struct HuggingFace {
    info: Info,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    features: BTreeMap<String, Feature>,
}

/// A feature; only class labels have names.
#[derive(Deserialize)]
#[serde(untagged)]
enum Feature {
    ClassLabel { names: Vec<String> },
    Other(serde::de::IgnoredAny),
}

impl Feature {
    fn names(&self) -> Option<&[String]> {
        match self {
            Self::ClassLabel { names } => Some(names),
            Self::Other(_) => None,
        }
    }
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> DataError {
    let reason = format!("it is damaged, or no whole Parquet file ({error})");
    DataError::Member { file: path.into(), reason }
}

/// A file that several threads read at different places.
#[derive(Clone)]
struct Chunks {
    file: Arc<Mutex<File>>,
    bytes: u64,
}

impl Chunks {
    fn new(file: File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        Ok(Self { file: Arc::new(Mutex::new(file)), bytes })
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<At>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(At { file: self.file.clone(), place: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<bytes::Bytes> {
        // Checked before memory is taken for it.
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF("the file ends too early".into()));
        }
        let mut content = vec![0; length];
        At { file: self.file.clone(), place: start }.read_exact(&mut content)?;
        Ok(content.into())
    }
}

/// A place in a file.
struct At {
    file: Arc<Mutex<File>>,
    place: u64,
}

impl Read for At {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.place))?;
        let read = file.read(into)?;
        self.place += read as u64;
        Ok(read)
    }
}
