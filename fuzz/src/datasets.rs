//! Folders of images. The first byte chooses the share that is held out and what becomes of transparent pixels.

use std::cell::LazyCell;

use engine::data::{Index, Inspected, inspect, load_within};
use shared::{
    dataset::{FolderSource, HoldOut, Share, Transparency},
    run::DataSource,
};

use crate::{
    bound::Bound,
    folder::{Place, files},
};

/// As in `engine/tests/layouts.rs`.
const BOUND: Bound = Bound { times: 64, beside: 8 << 20 };

/// Inspects the folder. A data set can be opened again, with the images that were counted, and then it is the same.
pub fn one(bytes: &[u8]) {
    thread_local!(static PLACE: LazyCell<Place> = LazyCell::new(Place::new));
    let Some((&options, rest)) = bytes.split_first() else { return };
    let files = files(rest);
    let size = files.iter().map(|(_, content)| content.len()).sum();
    let hold_out = (options & 2 != 0)
        .then(|| HoldOut { share: Share::try_from(0.5).expect("a share"), seed: 1 });
    let transparency = if options & 1 == 0 { Transparency::Drop } else { Transparency::White };
    PLACE.with(|place| {
        let folder = place.lay_out(&files);
        let path = folder.to_str().expect("a plain path").to_owned();
        let source = FolderSource { path, transparency, hold_out, ..FolderSource::default() };
        BOUND.hold(size, || match inspect("set", &DataSource::Folder(source), &mut ()) {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(Inspected { info, .. }) => {
                let index = Index::open(&info.source()).expect("the folder did not change");
                assert_eq!(index.fingerprint(), info.fingerprint);
                let pixels = load_within(&index, 4, u64::MAX, &mut ()).expect("readable images");
                let count = |counts: &[u32]| counts.iter().sum::<u32>() as usize;
                assert_eq!(pixels.train.len(), count(&info.train_counts));
                assert_eq!(pixels.test.len(), count(&info.test_counts));
                assert!(info.train_counts.iter().chain(&info.test_counts).all(|&n| n > 0));
            }
        });
    });
}
