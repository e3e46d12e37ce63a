//! `kill -9` of the real server and of real workers.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Instant,
};

use engine::files::{LAST_CHECKPOINT, RESUME};
use rustix::process::{Pid, Signal, kill_process};
use server::{queue::executor::local, run_folder::RunFolder, run_log::CSV_FILE};
use shared::{RunState, Stamped, api::RunRow};

use crate::support::{PATIENCE, Place, create, micro, probed, wait_until};

/// Epochs of a micro pre-training that lasts a few seconds.
const LONG: u32 = 2000;

/// A server of the real program, killed when the test ends.
struct Server(Child);

impl Server {
    fn start(place: &Place) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_maskdoor"))
            .args(["serve", "--without-token", "--addr", "127.0.0.1:0", "--data-dir"])
            .arg(place.folder.path())
            .env("MASKDOOR_THREADS", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address =
            first.strip_prefix(&format!("Maskdoor {} on http://127.0.0.1:", server::VERSION));
        assert!(address.unwrap().parse::<u16>().is_ok(), "{first}");
        let second = lines.next().unwrap().unwrap();
        assert_eq!(second, format!("Data folder: {}", place.folder.path().display()));
        Self(child)
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kills a worker that a failing test would leave behind.
struct Leftover(RunFolder);

impl Drop for Leftover {
    fn drop(&mut self) {
        if local::is_alive(&self.0).unwrap_or(false)
            && let Some(pid) = local::pid(&self.0).and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

async fn grows(folder: &RunFolder) {
    let began = Instant::now();
    let before = fs::metadata(folder.events_file()).unwrap().len();
    while fs::metadata(folder.events_file()).unwrap().len() == before {
        assert!(began.elapsed() < PATIENCE, "the worker has stopped training");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn is_running_behind(seq: u64) -> impl Fn(&RunRow) -> bool {
    move |run| {
        assert!(!run.state.is_over(), "ended too early: {run:?}");
        run.progress.seq > seq
    }
}

#[tokio::test]
async fn a_killed_server_loses_no_event_and_doubles_none() {
    let place = Place::new().await;
    let study = create(&place.app, probed(micro("server dies", LONG), &[1])).await;
    let (run, folder) = (study.runs[0].id, place.run_folder(&study.runs[0]));
    let _leftover = Leftover(folder.clone());

    let mut seq = 0;
    for _ in 0..3 {
        let server = Server::start(&place);
        seq = wait_until(&place.app, run, is_running_behind(seq)).await.progress.seq;
        server.kill();
        assert!(local::is_alive(&folder).unwrap(), "the worker outlives its server");
        grows(&folder).await;
    }
    let _last = Server::start(&place);
    let row = wait_until(&place.app, run, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Done, "{:?}", row.error);

    let written: Vec<Stamped> = fs::read_to_string(folder.events_file())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut stored: Vec<Stamped> = Vec::new();
    loop {
        let after = stored.last().map_or(0, |last| last.seq);
        let part = place.app.store.run_events(run, after, 1000, &[]).await.unwrap();
        if part.is_empty() {
            break;
        }
        stored.extend(part);
    }
    assert!(written.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    assert_eq!(stored, written);
    let probe = wait_until(&place.app, study.runs[1].id, |run| run.state.is_over()).await;
    assert_eq!(probe.state, RunState::Done, "{:?}", probe.error);
}

#[tokio::test]
async fn a_killed_worker_is_interrupted_and_the_next_study_runs() {
    let place = Place::new().await;
    let first = create(&place.app, micro("worker dies", LONG)).await;
    let second = create(&place.app, micro("next", 2)).await;
    let (run, folder) = (first.runs[0].id, place.run_folder(&first.runs[0]));
    let _leftover = Leftover(folder.clone());
    let _server = Server::start(&place);
    wait_until(&place.app, run, is_running_behind(3)).await;

    let pid = Pid::from_raw(local::pid(&folder).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let row = wait_until(&place.app, run, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Interrupted);
    assert!(row.error.unwrap().contains("killed (signal 9)"));
    let kept = place.app.store.run_events(run, 0, 100_000, &[]).await.unwrap();
    assert_eq!(kept.len() as u64, row.progress.seq);
    assert!(row.progress.seq > 3, "stored events are kept");

    for run in &second.runs {
        let row = wait_until(&place.app, run.id, |run| run.state.is_over()).await;
        assert_eq!(row.state, RunState::Done, "{:?}", row.error);
    }
}

#[tokio::test]
async fn cancel_ends_a_real_worker_of_another_program() {
    let place = Place::new().await;
    let study = create(&place.app, micro("cancel", LONG)).await;
    let (run, folder) = (study.runs[0].id, place.run_folder(&study.runs[0]));
    let _leftover = Leftover(folder.clone());
    let _server = Server::start(&place);
    wait_until(&place.app, run, is_running_behind(1)).await;
    let began = Instant::now();
    let row = place.app.cancel_run(run).await.unwrap();
    assert!(began.elapsed().as_secs_f64() < 2.0, "{:?}", began.elapsed());
    assert_eq!(row.state, RunState::Cancelled);
    assert!(!local::is_alive(&folder).unwrap());
}

#[tokio::test]
async fn a_killed_pretraining_goes_on_to_the_end_of_an_unbroken_one() {
    let place = Place::new().await;
    let mut spec = probed(micro("goes on", 800), &[1]);
    spec.settings.pretrain.checkpoint_every = 40;
    let whole = create(&place.app, spec.clone()).await;
    let broken = create(&place.app, spec).await;
    let (run, folder) = (broken.runs[0].id, place.run_folder(&broken.runs[0]));
    let _leftover = Leftover(folder.clone());
    let _server = Server::start(&place);
    wait_until(&place.app, whole.runs[0].id, |run| run.state.is_over()).await;

    // Twice: the second kill comes after the point where the first attempt resumed.
    let place_kept = folder.path().join(RESUME);
    for _ in 0..2 {
        let began = Instant::now();
        let changed = || fs::metadata(&place_kept).and_then(|file| file.modified()).ok();
        let before = changed();
        while changed().is_none() || changed() == before {
            assert!(began.elapsed() < PATIENCE, "no resume point is written");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let pid = Pid::from_raw(local::pid(&folder).unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        let row = wait_until(&place.app, run, |run| run.state.is_over()).await;
        assert_eq!(row.state, RunState::Interrupted);
        place.app.store.retry_run(run, place.app.clock.now_ms()).await.unwrap();
    }
    let row = wait_until(&place.app, run, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Done, "{:?}", row.error);

    let model = |folder: &RunFolder| fs::read(folder.path().join(LAST_CHECKPOINT)).unwrap();
    let same = model(&folder) == model(&place.run_folder(&whole.runs[0]));
    assert!(same, "the weights differ from those of the uninterrupted run");
    let log = |folder: &RunFolder| fs::read_to_string(folder.path().join(CSV_FILE)).unwrap();
    assert_eq!(log(&folder), log(&place.run_folder(&whole.runs[0])));
    assert_eq!(log(&folder).lines().count(), 801, "a header and a line for each epoch");
    let stored = place.app.store.run_events(run, 0, 100_000, &[]).await.unwrap();
    assert!(stored.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    let count = |kind: &str| stored.iter().filter(|event| event.event.kind() == kind).count();
    assert_eq!((count("started"), count("epoch"), count("finished")), (1, 800, 1));
    let probe = wait_until(&place.app, broken.runs[1].id, |run| run.state.is_over()).await;
    assert_eq!(probe.state, RunState::Done, "{:?}", probe.error);
}
