//! A run's folder, as a server or a worker finds it.

use std::{cell::LazyCell, fs};

use engine::{
    checkpoint::resume::ResumePoint,
    files::{EVENTS, ORDER, RESUME, RESUME_BEFORE},
};
use server::{
    doctor::FolderRun,
    run_folder::{EventLines, RunFolder},
    run_log::RunLog,
};
use shared::{Progress, RunOrder, Stamped};

use crate::{
    bound::Bound,
    folder::{Place, files},
};

/// Events are read a megabyte at a time.
const BOUND: Bound = Bound { times: 128, beside: 8 << 20 };
/// What resume points are made for.
const BITS: &str = "bits";
/// What stands in a resume point of an input for the name of the order, so that it is this order's whatever that is.
const ORDER_NAME: [u8; 64] = [b'0'; 64];

/// Reads the order and the events, folds these into progress and numbers, and looks for the place where the run goes on. Orders and
/// events that were read are the same when they are written.
pub fn one(bytes: &[u8]) {
    thread_local!(static PLACE: LazyCell<Place> = LazyCell::new(Place::new));
    let files = files(bytes);
    let size = files.iter().map(|(_, content)| content.len()).sum();
    PLACE.with(|place| {
        let path = place.lay_out(&files);
        BOUND.hold(size, || {
            let folder = RunFolder::new(&path);
            let events = events(&folder);
            if let Ok(found) = FolderRun::read(&path) {
                let _ = found.ending();
            }
            let Ok(order) = folder.order() else { return };
            let text = serde_json::to_vec(&order).expect("an order has text keys only");
            let again: RunOrder = serde_json::from_slice(&text).expect("own JSON");
            assert_eq!(again, order);
            name_order(&folder, &order);
            let mut log = RunLog::begin(&path, order.kind, &events).expect("two files");
            for event in &events {
                log.take(event);
            }
            log.write().expect("two files");
            goes_on(&folder, &order);
        });
    });
}

/// All events of the folder, up to the first damage.
fn events(folder: &RunFolder) -> Vec<Stamped> {
    let (mut events, mut progress, mut from) = (Vec::new(), Progress::default(), 0);
    while let Ok(EventLines { events: new, to_bytes }) = folder.read_events(from, progress.seq) {
        if new.is_empty() {
            break;
        }
        for stamped in &new {
            progress.apply(stamped);
            let share = progress.fraction();
            assert!((0.0..=1.0).contains(&share), "a share of {share}");
            let _ = progress.seconds_left();
            let text = serde_json::to_string(stamped).expect("an event has text keys only");
            let again: Stamped = serde_json::from_str(&text).expect("own JSON");
            assert_eq!(&again, stamped);
        }
        assert!(to_bytes > from);
        from = to_bytes;
        events.extend(new);
    }
    assert_eq!(events.len() as u64, progress.seq);
    let text = serde_json::to_string(&progress).expect("progress has text keys only");
    let again: Progress = serde_json::from_str(&text).expect("own JSON");
    assert_eq!(again, progress);
    events
}

/// Names the order in the resume points of an input.
fn name_order(folder: &RunFolder, order: &RunOrder) {
    let point = ResumePoint::new(order, BITS, "", 0, 0, 0.0);
    let point = serde_json::to_value(point).expect("a point has text keys only");
    let name = point["order"].as_str().expect("the order's name").as_bytes();
    for file in [RESUME, RESUME_BEFORE].map(|name| folder.path().join(name)) {
        let Ok(mut bytes) = fs::read(&file) else { continue };
        let place = bytes.windows(ORDER_NAME.len()).position(|part| part == ORDER_NAME);
        if let Some(place) = place {
            bytes[place..place + name.len()].copy_from_slice(name);
            fs::write(&file, bytes).expect("a file");
        }
    }
}

/// Begins as the worker of the next attempt does.
fn goes_on(folder: &RunFolder, order: &RunOrder) {
    if folder.prepare(order, None, 7).is_err() {
        return;
    }
    let Ok(beginning) = folder.find(order, BITS) else { return };
    folder.begin(&beginning).expect("files that were there");
    let kept = fs::read(folder.path().join(EVENTS)).unwrap_or_default();
    let lines = kept.split_inclusive(|&byte| byte == b'\n').count() as u64;
    let point = beginning.found.point.map_or(0, |point| point.events);
    assert_eq!(lines, point, "the events before the point, and no others");
    assert!(folder.path().join(ORDER).exists());
}
