//! The pages of images that were read last.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use parquet::data_type::ByteArray;

/// Bytes of the pages that are kept. One page for each thread is kept in any case.
const MOST: u64 = 256 << 20;

/// The images of a page; `None` where a row has none.
pub(super) type Images = Arc<[Option<ByteArray>]>;
/// The place of a page's images, which whoever comes first fills; others wait for that.
pub(super) type Cell = Arc<OnceLock<Result<Images, String>>>;
/// The numbers of shard, row group and page.
pub(super) type Key = (usize, usize, usize);

/// The pages of a data set that were read last.
#[derive(Clone, Debug, Default)]
pub(in crate::data) struct Pages(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    pages: HashMap<Key, Page>,
    /// The pages by their last use.
    order: BTreeMap<u64, Key>,
    /// Number of uses so far.
    uses: u64,
    /// Bytes of all pages.
    bytes: u64,
}

#[derive(Debug, Default)]
struct Page {
    /// Number of its last use.
    used: u64,
    /// Bytes that its images keep in memory; 0 before they are read.
    bytes: u64,
    cell: Cell,
}

impl Pages {
    /// The place of a page.
    pub fn cell(&self, key: Key) -> Cell {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let used = kept.uses;
        let page = kept.pages.entry(key).or_default();
        let (before, cell) = (std::mem::replace(&mut page.used, used), page.cell.clone());
        kept.order.remove(&before);
        kept.order.insert(used, key);
        cell
    }

    /// Notes what the images of a page take, and lets the pages go that were used longest ago.
    pub fn filled(&self, key: Key, bytes: u64) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = kept.pages.get_mut(&key) {
            let before = std::mem::replace(&mut page.bytes, bytes);
            kept.bytes = kept.bytes + bytes - before;
        }
        // Every thread may be at another page.
        let least = rayon::current_num_threads() + 1;
        while kept.pages.len() > least && kept.bytes > MOST {
            let Some((_, oldest)) = kept.order.pop_first() else { return };
            kept.bytes -= kept.pages.remove(&oldest).map_or(0, |page| page.bytes);
        }
    }

    /// Drops a page that could not be read: the next attempt may succeed.
    pub fn forget(&self, key: Key) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = kept.pages.remove(&key) {
            kept.order.remove(&page.used);
            kept.bytes -= page.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_used_longest_ago_go_first() {
        let pages = Pages::default();
        let least = rayon::current_num_threads() + 1;
        let is_kept = |page| pages.0.lock().unwrap().pages.contains_key(&(0, 0, page));
        for page in 0..=least {
            drop(pages.cell((0, 0, page)));
            pages.filled((0, 0, page), 1);
        }
        drop(pages.cell((0, 0, 0)));
        // More than all that may be kept: as many stay as there may be threads, page 0 among them.
        pages.filled((0, 0, least), MOST);
        assert!(is_kept(0) && is_kept(least) && !is_kept(1));
        assert_eq!(pages.0.lock().unwrap().bytes, MOST + least as u64 - 1);
        pages.forget((0, 0, least));
        assert_eq!(pages.0.lock().unwrap().bytes, least as u64 - 1);
        assert_eq!(pages.0.lock().unwrap().order.len(), least - 1);
    }
}
