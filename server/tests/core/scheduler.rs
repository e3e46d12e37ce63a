//! The scheduler, one step at a time, with a fake worker.

use std::{fs, time::Instant};

use engine::compute::Machine;
use server::queue::{Settings, executor::local};
use shared::{RunOrder, RunState, StudyId, api::DeviceInfo};

use crate::support::{End, Place, as_lines, create, events, look_until, micro, wait_until};

/// Never exits by itself. `exec` keeps the process ID that is written in the lock.
const FOREVER: &str = "exec tail -f /dev/null";

fn one_at_a_time() -> Settings {
    Settings::of(&Machine::with_threads(1), 1)
}

/// A worker script that writes the events of a successful run.
fn well(place: &Place) -> String {
    let file = place.folder.path().join("told.jsonl");
    fs::write(&file, as_lines(&events(6, End::Pretrained))).unwrap();
    format!("cat '{}' > \"$folder/events.jsonl\"", file.display())
}

async fn states(place: &Place, study: StudyId) -> Vec<RunState> {
    place.app.store.study_runs(study).await.unwrap().iter().map(|run| run.state).collect()
}

#[tokio::test]
async fn runs_are_worked_off_in_their_order() {
    let place = Place::new().await;
    let study = create(&place.app, micro("order", 5)).await;
    let mut scheduler = place.scheduler(&well(&place), 1);
    let last = study.runs[2].id;
    let row = look_until(&mut scheduler, &place.app, last, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Done, "{:?}", row.error);
    let rows = place.app.store.study_runs(study.id).await.unwrap();
    let ends: Vec<_> =
        rows.iter().map(|run| (run.started_at.unwrap(), run.ended_at.unwrap())).collect();
    assert!(ends[0].1 <= ends[1].0 && ends[1].1 <= ends[2].0, "one after the other: {ends:?}");

    let order: RunOrder = place.run_folder(&rows[1]).order().unwrap();
    assert_eq!((order.run, order.point()), (rows[1].id, rows[1].point));
    assert_eq!(order.encoder.unwrap(), place.run_folder(&rows[0]).path().display().to_string());
    assert_eq!(
        fs::read(place.run_folder(&rows[1]).key_file()).unwrap(),
        engine::keys::builtin("stripes").unwrap().file
    );
}

#[tokio::test]
async fn a_silent_end_is_an_interruption_and_the_next_study_runs() {
    let place = Place::new().await;
    let first = create(&place.app, micro("first", 5)).await;
    let second = create(&place.app, micro("second", 5)).await;
    let part = place.folder.path().join("part.jsonl");
    fs::write(&part, as_lines(&events(3, End::None)) + "{\"seq\":4,\"at").unwrap();
    let worker = format!(
        "case $folder in *{}*) cat '{}' > \"$folder/events.jsonl\"; \
         printf 'first\\nerror: no \\033[31mluck\\n' >> \"$folder/worker.log\"; exit 3;; esac; {}",
        first.runs[0].id,
        part.display(),
        well(&place)
    );
    let mut scheduler = place.scheduler(&worker, 1);
    let last = second.runs[2].id;
    look_until(&mut scheduler, &place.app, last, |run| run.state.is_over()).await;

    let row = place.app.store.get_run(first.runs[0].id).await.unwrap();
    assert_eq!(row.state, RunState::Interrupted);
    assert_eq!(
        row.error.unwrap(),
        "the worker ended with code 3 before it finished. It said last: first / error: no [31mluck"
    );
    let kept = place.app.store.run_events(row.id, 0, 100, &[]).await.unwrap();
    assert_eq!(kept, events(3, End::None), "complete lines are kept");
    assert_eq!(states(&place, first.id).await[1..], [RunState::Failed; 2]);
    assert_eq!(states(&place, second.id).await, [RunState::Done; 3]);
}

#[tokio::test]
async fn a_living_worker_is_followed_by_the_next_scheduler() {
    let place = Place::new().await;
    let study = create(&place.app, micro("follow", 5)).await;
    let run = study.runs[0].id;
    let mut scheduler = place.scheduler(FOREVER, 1);
    look_until(&mut scheduler, &place.app, run, |run| run.state == RunState::Running).await;

    // The scheduler releases its lock; the worker keeps running.
    drop(scheduler);
    let folder = place.run_folder(&study.runs[0]);
    assert!(local::is_alive(&folder).unwrap());
    let mut next = place.scheduler(FOREVER, 1);
    fs::write(folder.events_file(), as_lines(&events(4, End::None))).unwrap();
    let row = look_until(&mut next, &place.app, run, |run| run.progress.seq == 4).await;
    assert_eq!(row.state, RunState::Running);
    place.app.store.cancel_run(run, 9).await.unwrap();
    look_until(&mut next, &place.app, run, |run| run.state.is_over()).await;
}

#[tokio::test]
async fn only_one_scheduler_works_on_a_folder() {
    let place = Place::new().await;
    create(&place.app, micro("lock", 5)).await;
    let mut first = place.scheduler(FOREVER, 1);
    first.look().await.unwrap();
    let app = place.reopened().await;
    let mut second = server::queue::Scheduler::new(app.clone(), one_at_a_time());
    second.look().await.unwrap();
    assert!(place.app.queue.schedules() && !app.queue.schedules());
    assert_eq!(app.store.running().await.unwrap().len(), 1, "and the second one left it alone");

    drop(first);
    second.look().await.unwrap();
    assert!(app.queue.schedules(), "the second one takes over");
    let run = app.store.running().await.unwrap()[0].run;
    app.store.cancel_run(run, 9).await.unwrap();
    look_until(&mut second, &app, run, |run| run.state.is_over()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_run_is_cancelled_within_two_seconds() {
    let place = Place::new().await;
    let study = create(&place.app, micro("cancel", 5)).await;
    let run = study.runs[0].id;
    let mut scheduler = place.scheduler(FOREVER, 1);
    look_until(&mut scheduler, &place.app, run, |run| run.state == RunState::Running).await;
    drop(scheduler);
    let settings = Settings { program: "/bin/false".into(), ..one_at_a_time() };
    let working = server::queue::Scheduler::start(place.app.clone(), settings);

    let began = Instant::now();
    let row = place.app.cancel_run(run).await.unwrap();
    assert!(began.elapsed().as_secs_f64() < 2.0, "{:?}", began.elapsed());
    assert_eq!((row.state, row.error), (RunState::Cancelled, None));
    assert!(!local::is_alive(&place.run_folder(&study.runs[0])).unwrap(), "the worker is gone");
    assert_eq!(states(&place, study.id).await, [RunState::Cancelled; 3]);
    working.stop().await;
}

#[tokio::test]
async fn a_damaged_event_file_fails_its_run_and_ends_its_worker() {
    let place = Place::new().await;
    let study = create(&place.app, micro("damaged", 5)).await;
    let worker = format!("echo nonsense > \"$folder/events.jsonl\"; {FOREVER}");
    let mut scheduler = place.scheduler(&worker, 1);
    let run = study.runs[0].id;
    let row = look_until(&mut scheduler, &place.app, run, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Failed);
    let error = row.error.unwrap();
    assert!(error.contains("events.jsonl is damaged after byte 0"), "{error}");
    assert!(!local::is_alive(&place.run_folder(&study.runs[0])).unwrap());
}

#[tokio::test]
async fn cancel_ends_what_a_worker_started_too() {
    let place = Place::new().await;
    let study = create(&place.app, micro("group", 5)).await;
    let run = study.runs[0].id;
    // The child holds the worker's lock as well: if only the worker were killed, the run would still seem alive.
    let worker = format!("tail -f /dev/null <&0 & {FOREVER}");
    let mut scheduler = place.scheduler(&worker, 1);
    look_until(&mut scheduler, &place.app, run, |run| run.state == RunState::Running).await;
    place.app.store.cancel_run(run, 9).await.unwrap();
    let row = look_until(&mut scheduler, &place.app, run, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Cancelled);
    assert!(!local::is_alive(&place.run_folder(&study.runs[0])).unwrap());
}

#[tokio::test]
async fn each_device_gets_its_runs() {
    let place = Place::new().await;
    let mut studies = Vec::new();
    for name in ["a", "b", "c"] {
        studies.push(create(&place.app, micro(name, 5)).await);
    }
    let mut settings = one_at_a_time();
    let device = |name: &str| DeviceInfo { name: name.into(), ..settings.devices[0].clone() };
    settings.devices = vec![device("cpu:0"), device("cpu:1")];
    let worker = format!("echo \"$5\" > \"$folder/device\"; {FOREVER}");
    let mut scheduler = place.scheduler_of(&worker, settings.clone());
    scheduler.look().await.unwrap();
    let running = place.app.store.running().await.unwrap();
    let devices: Vec<_> = running.iter().map(|run| run.device.as_deref().unwrap()).collect();
    assert_eq!(devices, ["cpu:0", "cpu:1"]);
    assert!(running.iter().all(|run| run.handle.is_some()), "{running:?}");
    let busy = |app: &server::App| -> Vec<u32> {
        app.queue.devices().iter().map(|device| device.running).collect()
    };
    assert_eq!(busy(&place.app), [1, 1]);
    for (study, device) in studies.iter().zip(devices) {
        let row = place.app.store.get_run(study.runs[0].id).await.unwrap();
        assert_eq!(row.device.as_deref(), Some(device));
        let told = place.run_folder(&row).path().join("device");
        wait_until(&place.app, row.id, |_| told.exists()).await;
    }

    // Another program finds each run on its device, and gives the device that becomes free to the next run.
    drop(scheduler);
    let mut next = place.scheduler_of(&worker, settings);
    place.app.store.cancel_run(studies[0].runs[0].id, 9).await.unwrap();
    let third = studies[2].runs[0].id;
    let row = look_until(&mut next, &place.app, third, |run| run.state == RunState::Running).await;
    assert_eq!(row.device.as_deref(), Some("cpu:0"));
    assert_eq!(busy(&place.app), [1, 1]);
    for study in &studies {
        place.app.store.cancel_study(study.id, 9).await.unwrap();
    }
    while !place.app.store.running().await.unwrap().is_empty() {
        next.look().await.unwrap();
    }
}

#[tokio::test]
async fn slots_limit_what_trains_at_a_time() {
    let place = Place::new().await;
    for name in ["a", "b", "c"] {
        create(&place.app, micro(name, 5)).await;
    }
    let mut scheduler = place.scheduler(FOREVER, 2);
    scheduler.look().await.unwrap();
    scheduler.look().await.unwrap();
    let running = place.app.store.running().await.unwrap();
    assert_eq!(running.len(), 2);
    for run in running {
        let study = place.app.store.get_run(run.run).await.unwrap().study;
        place.app.store.cancel_study(study, 9).await.unwrap();
    }
    let queued = place.app.store.next_ready(&[]).await.unwrap().unwrap();
    let study = place.app.store.get_run(queued.run).await.unwrap().study;
    place.app.store.cancel_study(study, 9).await.unwrap();
    while !place.app.store.running().await.unwrap().is_empty() {
        scheduler.look().await.unwrap();
    }
}

#[tokio::test]
async fn a_worker_that_cannot_start_fails_its_run() {
    let place = Place::new().await;
    let study = create(&place.app, micro("no program", 5)).await;
    let settings = Settings { program: "/nowhere/maskdoor".into(), ..one_at_a_time() };
    let mut scheduler = server::queue::Scheduler::new(place.app.clone(), settings);
    let run = study.runs[0].id;
    let row = look_until(&mut scheduler, &place.app, run, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Failed);
    let error = row.error.unwrap();
    assert!(error.starts_with("the run could not be started: /nowhere/maskdoor: "), "{error}");
}

#[tokio::test]
async fn a_retry_keeps_the_old_events_aside() {
    let place = Place::new().await;
    let study = create(&place.app, micro("aside", 5)).await;
    let run = study.runs[0].id;
    let broken = "echo nonsense > \"$folder/events.jsonl\"";
    let mut scheduler = place.scheduler(broken, 1);
    look_until(&mut scheduler, &place.app, run, |run| run.state.is_over()).await;
    place.app.retry_run(run).await.unwrap();
    drop(scheduler);
    let mut scheduler = place.scheduler(&well(&place), 1);
    let row = look_until(&mut scheduler, &place.app, run, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Done, "{:?}", row.error);
    let aside = place.run_folder(&study.runs[0]).path().join("events-1.jsonl");
    assert_eq!(fs::read_to_string(aside).unwrap(), "nonsense\n");
}
