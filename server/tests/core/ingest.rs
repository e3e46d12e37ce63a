//! Events reach the store exactly once, wherever ingestion is interrupted.

use std::{fs, io::Write};

use server::{queue::ingest, store::queue::RunningRun};
use shared::{Progress, RunState, Stamped};

use crate::support::{End, Place, as_lines, create, events, micro};

async fn stored(place: &Place, run: &RunningRun) -> Vec<Stamped> {
    place.app.store.run_events(run.run, 0, 10_000, &[]).await.unwrap()
}

async fn running(place: &Place) -> Option<RunningRun> {
    place.app.store.running().await.unwrap().pop()
}

/// The worker's file grows byte by byte. After every byte, one reader stops between reading and storing, a second one stores the same
/// events, and the first one then tries to store them, too late.
#[tokio::test]
async fn every_event_counts_once_wherever_the_taker_stops() {
    let place = Place::new().await;
    let study = create(&place.app, micro("once", 5)).await;
    let first = place.started(study.runs[0].id).await;
    let folder = place.run_folder(&study.runs[0]);
    fs::create_dir_all(folder.path()).unwrap();
    let told = events(12, End::Pretrained);
    let mut file = fs::File::create(folder.events_file()).unwrap();

    for byte in as_lines(&told).bytes() {
        file.write_all(&[byte]).unwrap();
        let Some(stale) = running(&place).await else { break };
        // Stopped after reading: stores nothing.
        let read = folder.read_events(stale.taken_bytes, stale.progress.seq).unwrap();
        let mut fresh = stale.clone();
        ingest::take_in(&place.app.store, &folder, &mut fresh, 3).await.unwrap();
        if !read.events.is_empty() {
            // Stopped before storing and resumed too late: the events are already stored.
            let late = place.app.store.take_in(&stale, &read.events, read.to_bytes, 3).await;
            assert_eq!(late.unwrap(), None);
        }
    }

    assert_eq!(stored(&place, &first).await, told);
    let row = place.app.store.get_run(first.run).await.unwrap();
    let mut progress = Progress::default();
    for event in &told {
        progress.apply(event);
    }
    assert_eq!((row.state, row.progress), (RunState::Done, progress));
}

#[tokio::test]
async fn a_new_program_goes_on_where_the_old_one_stopped() {
    let place = Place::new().await;
    let study = create(&place.app, micro("again", 5)).await;
    let first = place.started(study.runs[0].id).await;
    let folder = place.run_folder(&study.runs[0]);
    fs::create_dir_all(folder.path()).unwrap();
    let told = events(40, End::None);
    let text = as_lines(&told);
    for part in 1..=8 {
        fs::write(folder.events_file(), &text[..text.len() * part / 8]).unwrap();
        let app = place.reopened().await;
        let mut run = app.store.running().await.unwrap().pop().unwrap();
        ingest::take_in(&app.store, &folder, &mut run, 3).await.unwrap();
        app.store.close().await;
    }
    assert_eq!(stored(&place, &first).await, told);
}

#[tokio::test]
async fn a_line_without_its_end_waits() {
    let place = Place::new().await;
    let study = create(&place.app, micro("partial", 5)).await;
    let mut run = place.started(study.runs[0].id).await;
    let folder = place.run_folder(&study.runs[0]);
    fs::create_dir_all(folder.path()).unwrap();
    let text = as_lines(&events(3, End::None));
    fs::write(folder.events_file(), &text[..text.len() - 1]).unwrap();
    ingest::take_in(&place.app.store, &folder, &mut run, 3).await.unwrap();
    assert_eq!(stored(&place, &run).await.len(), 2);
    fs::write(folder.events_file(), &text).unwrap();
    ingest::take_in(&place.app.store, &folder, &mut run, 3).await.unwrap();
    assert_eq!(stored(&place, &run).await.len(), 3);
}

#[test]
fn a_damaged_file_is_told_of_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let folder = server::run_folder::RunFolder::new(folder.keep());
    let text = as_lines(&events(3, End::None));
    let second = text.find('\n').unwrap() + 1;

    fs::write(
        folder.events_file(),
        text.replacen("checkpoint", "nonsense", 1).replacen("step", "jump", 1),
    )
    .unwrap();
    let unknown = folder.read_events(0, 0).unwrap_err().to_string();
    assert!(unknown.contains("events.jsonl is damaged after byte"), "{unknown}");

    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.remove(1);
    let gap = lines.concat();
    fs::write(folder.events_file(), gap).unwrap();
    let gap = folder.read_events(0, 0).unwrap_err().to_string();
    assert!(gap.ends_with(&format!("after byte {second}: event 3 follows event 1")), "{gap}");
    fs::remove_dir_all(folder.path()).unwrap();
}

/// A line may be longer than one read.
#[test]
fn a_long_line_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let run = server::run_folder::RunFolder::new(folder.path());
    let mut told = events(2, End::None);
    told[1].event = shared::RunEvent::Log { message: "x".repeat(3 << 20) };
    fs::write(run.events_file(), as_lines(&told)).unwrap();
    let mut lines = run.read_events(0, 0).unwrap();
    let rest = run.read_events(lines.to_bytes, lines.events.len() as u64).unwrap();
    lines.events.extend(rest.events);
    assert_eq!(lines.events, told);
}
