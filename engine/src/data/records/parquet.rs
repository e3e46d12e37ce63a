//! Parquet shards: of each row the bytes of an image file and its label.
//!
//! Values lie in pages, compressed each as one block, and pages in row groups. One image costs as much as its page, about 1 MiB as most
//! programs write them. The last pages are therefore kept, and whoever reads many images reads them in the order of their rows.

mod chunks;
mod kept;

use std::{
    collections::{BTreeMap, HashSet},
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use parquet::{
    basic::{ConvertedType, LogicalType, Type},
    column::{
        page::{Page, PageMetadata, PageReader},
        reader::{ColumnReader, ColumnReaderImpl, get_column_reader},
    },
    data_type::{ByteArray, DataType},
    errors::{ParquetError, Result as ParquetResult},
    file::reader::{FileReader, SerializedFileReader},
    schema::types::ColumnDescriptor,
};
use serde::Deserialize;

pub(in crate::data) use self::kept::Pages;
use self::{chunks::Chunks, kept::Images};
use super::{super::DataError, other_kind, unreadable};
use crate::files;

/// Names of the column of images; of several the first in this list is taken.
const IMAGES: [&str; 8] = ["image", "img", "jpg", "png", "webp", "picture", "photo", "image_bytes"];
/// Names of the column of labels, likewise.
const LABELS: [&str; 9] =
    ["label", "labels", "fine_label", "fine_labels", "class", "target", "category", "cls", "y"];
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
    /// Of each row group that an image was read of, the first row of each page of images, counted within the group, then the number of
    /// rows; or why there is none.
    page_starts: Arc<[OnceLock<Result<Vec<u32>, String>>]>,
    pages: Pages,
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
    pub fn open(path: &Path, shard: usize, pages: &Pages) -> Result<Opened, DataError> {
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
            page_starts: starts.iter().skip(1).map(|_| OnceLock::new()).collect(),
            starts: starts.into(),
            pages: pages.clone(),
        };
        Ok(Opened { file, labels, names: columns.names })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The image file of row `n`.
    pub(super) fn image(&self, n: u32) -> Result<ByteArray, DataError> {
        let failed = |reason: &String| unreadable(&self.path, io::Error::other(reason.clone()));
        let group = self.starts.partition_point(|&start| start <= n) - 1;
        let row = n - self.starts[group];
        let find = || guarded(|| self.page_starts(group)).map_err(|error| error.to_string());
        let starts = self.page_starts[group].get_or_init(find).as_ref().map_err(failed)?;
        let page = starts.partition_point(|&start| start <= row) - 1;
        let key = (self.shard, group, page);
        let cell = self.pages.cell(key);
        let images = cell.get_or_init(|| {
            let read = guarded(|| self.images(group, starts[page], starts[page + 1]));
            let (images, bytes) = read.map_err(|error| error.to_string())?;
            self.pages.filled(key, bytes);
            Ok(images)
        });
        let images = images.as_ref().map_err(|reason| {
            self.pages.forget(key);
            failed(reason)
        })?;
        match images.get((row - starts[page]) as usize) {
            Some(Some(image)) => Ok(image.clone()),
            _ => Err(unreadable(&self.path, io::Error::other("the row has no bytes of an image"))),
        }
    }

    /// The first row of each page of images of a group, then the number of rows. Only the heads of the pages are read.
    fn page_starts(&self, group: usize) -> ParquetResult<Vec<u32>> {
        let rows = (self.starts[group + 1] - self.starts[group]) as usize;
        let (mut pages, ..) = pages(&self.reader, group, self.image)?;
        let (mut starts, mut end) = (Vec::new(), 0);
        while let Some(page) = pages.peek_next_page()? {
            // A row has one image at most, so a level is a row.
            let rows_of = page.num_rows.or(page.num_levels).unwrap_or(0);
            if !page.is_dict && rows_of > 0 {
                starts.push(end as u32);
                end = rows.min(end + rows_of);
            }
            if end == rows {
                starts.push(end as u32);
                return Ok(starts);
            }
            pages.skip_next_page()?;
        }
        Err(ParquetError::EOF("a row group ends too early".into()))
    }

    /// The images of some rows of a group, and the bytes that they keep in memory.
    fn images(&self, group: usize, from: u32, to: u32) -> ParquetResult<(Images, u64)> {
        let (pages, described, read) = pages(&self.reader, group, self.image)?;
        match get_column_reader(described.clone(), pages) {
            ColumnReader::ByteArrayColumnReader(mut column) => {
                if column.skip_records(from as usize)? != from as usize {
                    return Err(ParquetError::EOF("a row group ends too early".into()));
                }
                let images = values(column, (to - from) as usize, described.max_def_level())?;
                Ok((images.into(), read.load(Ordering::Relaxed)))
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

/// A column of a row group with its definition level.
fn column(
    reader: &SerializedFileReader<Chunks>,
    group: usize,
    column: usize,
) -> ParquetResult<(ColumnReader, i16)> {
    let (pages, described, _) = pages(reader, group, column)?;
    let depth = described.max_def_level();
    Ok((get_column_reader(described, pages), depth))
}

/// The pages of a column of a row group, checked before memory is taken for what they announce; what the column is; and the bytes of the
/// pages that were read so far.
fn pages(
    reader: &SerializedFileReader<Chunks>,
    group: usize,
    column: usize,
) -> ParquetResult<(Box<dyn PageReader>, Arc<ColumnDescriptor>, Arc<AtomicU64>)> {
    let described = reader.metadata().file_metadata().schema_descr().column(column);
    let chunk = reader.metadata().row_group(group).column(column);
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    if start < 0 || chunk.compressed_size() < 0 || chunk.uncompressed_size() < 0 {
        return Err(ParquetError::General("a column has a negative place or length".into()));
    }
    let pages = reader.get_row_group(group)?.get_column_page_reader(column)?;
    let read = Arc::new(AtomicU64::new(0));
    Ok((Box::new(CheckedPages { pages, read: read.clone() }), described, read))
}

/// Pages of a column. Dictionaries that announce more values than their bytes can hold, and columns that are longer than they should be,
/// are refused.
struct CheckedPages {
    pages: Box<dyn PageReader>,
    /// Bytes so far.
    read: Arc<AtomicU64>,
}

impl CheckedPages {
    fn check(&self, page: &Page) -> ParquetResult<()> {
        let bytes = page.buffer().len() as u64;
        if self.read.fetch_add(bytes, Ordering::Relaxed) + bytes > LONGEST {
            return Err(ParquetError::General("a row group is too long".into()));
        }
        // A value takes four bytes at least: a number, or the length of a text.
        if matches!(page, Page::DictionaryPage { .. }) && u64::from(page.num_values()) > bytes / 4 {
            return Err(ParquetError::General("a dictionary is too short for its values".into()));
        }
        Ok(())
    }
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
        page.as_ref().map_or(Ok(()), |page| self.check(page))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.pages.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.pages.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> ParquetResult<Option<Page>> {
        let page = self.pages.take_deferred_dictionary()?;
        page.as_ref().map_or(Ok(()), |page| self.check(page))?;
        Ok(page)
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
