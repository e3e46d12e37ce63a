//! Which devices runs get, with pretended GPUs.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex},
};

use engine::compute::Machine;
use server::{
    app::studies::CreateError,
    queue::{Lost, Scheduler, Settings},
};
use shared::{
    DeviceWish, RunState, StudySpec,
    api::{RunRow, StudyDetail},
    study::Axis,
};

use crate::{
    cli::{failure, success, write_study},
    support::{Place, create, look_until, micro, probed, wait_until},
};

/// Never exits by itself, and writes how it was called.
const FOREVER: &str = "echo \"$@\" > \"$folder/called\"; exec tail -f /dev/null";

fn devices(list: &str) -> Settings {
    let machine = Machine::with_threads(4).with_devices(list).unwrap();
    Settings::of(&machine, 1)
}

/// A study of one pre-training for each of these wishes.
fn wishing(name: &str, wishes: &[&str]) -> StudySpec {
    let mut spec = probed(micro(name, 5), &[0]);
    let step = |(seed, &wish): (usize, &&str)| vec![(seed as u32).into(), wish.into()];
    let values = wishes.iter().enumerate().map(step).collect();
    spec.axes = vec![Axis { paths: vec!["seed".into(), "device".into()], values }];
    spec
}

/// The pre-trainings of a study, as a page gets them.
async fn pretrainings(place: &Place, study: &StudyDetail) -> Vec<RunRow> {
    let rows = place.app.store.study_runs(study.id).await.unwrap();
    let mut rows = place.app.queue.with_waits(rows);
    rows.retain(|row| row.parent.is_none());
    rows
}

/// The devices of the pre-trainings, or why each waits.
async fn standing(place: &Place, study: &StudyDetail) -> Vec<String> {
    let told = |row: &RunRow| match row.state {
        RunState::Queued => row.waits.clone().unwrap_or_else(|| "waits for its turn".into()),
        state => format!("{state} on {}", row.device.as_deref().unwrap_or("nothing")),
    };
    pretrainings(place, study).await.iter().map(told).collect()
}

/// Ends what a test has started.
async fn end(place: &Place, scheduler: &mut Scheduler, study: &StudyDetail) {
    place.app.store.cancel_study(study.id, 9).await.unwrap();
    for run in &study.runs {
        look_until(scheduler, &place.app, run.id, |run| run.state.is_over()).await;
    }
}

#[tokio::test]
async fn runs_spread_over_the_devices_that_they_ask_for() {
    let place = Place::new().await;
    let settings = devices("cpu,pretend:80GiB,pretend:80GiB");
    let mut scheduler = place.scheduler_of(FOREVER, settings);
    let study = create(&place.app, wishing("spread", &["cuda:1", "auto", "auto", "cpu"])).await;
    scheduler.look().await.unwrap();
    assert_eq!(
        standing(&place, &study).await,
        ["running on cuda:1", "running on cuda:0", "waits for its turn", "running on cpu"]
    );
    // The worker is told its device and what the queue counts.
    let first = &pretrainings(&place, &study).await[0];
    wait_until(&place.app, first.id, |_| place.run_folder(first).path().join("called").exists())
        .await;
    let called = place.run_folder(first).path().join("called");
    wait_until(&place.app, first.id, |_| fs::read(&called).is_ok_and(|text| text.ends_with(b"\n")))
        .await;
    let called = fs::read_to_string(called).unwrap();
    assert!(
        called.trim().ends_with("--device cuda:1 --devices cpu,pretend:80GiB,pretend:80GiB"),
        "{called}"
    );
    // Whoever waits gets the first GPU that is free.
    place.app.store.cancel_run(first.id, 9).await.unwrap();
    let third = pretrainings(&place, &study).await[2].id;
    let row =
        look_until(&mut scheduler, &place.app, third, |run| run.state == RunState::Running).await;
    assert_eq!(row.device.as_deref(), Some("cuda:1"));
    end(&place, &mut scheduler, &study).await;
}

#[tokio::test]
async fn a_run_on_several_gpus_gets_them_together() {
    let place = Place::new().await;
    let mut scheduler = place.scheduler_of(FOREVER, devices("cpu,pretend:80GiB,pretend:80GiB"));
    let study = create(&place.app, wishing("both", &["cuda:0", "2", "auto"])).await;
    scheduler.look().await.unwrap();
    // The free GPU is kept for the run that needs both, or runs behind it would take it again and again.
    assert_eq!(
        standing(&place, &study).await,
        ["running on cuda:0", "waits for 2 GPUs", "waits for its turn"]
    );
    let rows = pretrainings(&place, &study).await;
    place.app.store.cancel_run(rows[0].id, 9).await.unwrap();
    let row =
        look_until(&mut scheduler, &place.app, rows[1].id, |run| run.state == RunState::Running)
            .await;
    assert_eq!((row.device.as_deref(), row.wish), (Some("cuda:0,cuda:1"), DeviceWish::Gpus(2)));
    assert_eq!(standing(&place, &study).await[2], "waits for its turn");
    let loads: Vec<u32> = place.app.queue.devices().iter().map(|device| device.running).collect();
    assert_eq!(loads, [0, 1, 1]);
    end(&place, &mut scheduler, &study).await;
}

#[tokio::test]
async fn a_device_that_vanishes_gets_no_run_until_it_is_back() {
    let place = Place::new().await;
    let lost = Arc::new(Mutex::new(BTreeMap::new()));
    let known = Arc::clone(&lost);
    let look = Lost::by(move || known.lock().unwrap().clone());
    let settings = Settings { lost: Some(look), ..devices("cpu,pretend:80GiB,pretend:80GiB") };
    let mut scheduler = place.scheduler_of(FOREVER, settings);
    let study = create(&place.app, wishing("vanishes", &["cuda:0", "auto", "2"])).await;
    lost.lock().unwrap().insert("cuda:0".to_owned(), "the GPU has fallen off the bus".to_owned());
    scheduler.look().await.unwrap();
    assert_eq!(
        standing(&place, &study).await,
        [
            "waits for cuda:0: the GPU has fallen off the bus",
            "running on cuda:1",
            "waits for 2 GPUs: the GPU has fallen off the bus"
        ]
    );
    let shown = place.app.queue.devices();
    assert_eq!(shown[1].refusal.as_deref(), Some("the GPU has fallen off the bus"));

    lost.lock().unwrap().clear();
    let first = pretrainings(&place, &study).await[0].id;
    look_until(&mut scheduler, &place.app, first, |run| run.state == RunState::Running).await;
    assert_eq!(standing(&place, &study).await[2], "waits for 2 GPUs");
    end(&place, &mut scheduler, &study).await;
}

#[tokio::test]
async fn a_run_waits_in_words_for_a_device_that_the_machine_no_longer_has() {
    let place = Place::new().await;
    drop(place.scheduler_of(FOREVER, devices("cpu,pretend:80GiB,pretend:80GiB")));
    let study = create(&place.app, wishing("gone", &["cuda:1", "auto"])).await;
    let mut scheduler = place.scheduler_of(FOREVER, devices("cpu,pretend:80GiB"));
    scheduler.look().await.unwrap();
    assert_eq!(
        standing(&place, &study).await,
        [
            "waits for cuda:1: there is no device cuda:1 on this machine; there are: cpu, cuda:0",
            "running on cuda:0"
        ]
    );
    // The same study on another device takes the waiting run along.
    let again = wishing("again", &["cpu"]);
    let again = place.app.create_study(again, false).await.unwrap();
    assert!(again.runs[0].reused);
    scheduler.look().await.unwrap();
    assert_eq!(standing(&place, &study).await[0], "running on cpu");
    place.app.store.cancel_study(again.id, 9).await.unwrap();
    end(&place, &mut scheduler, &study).await;
}

#[tokio::test]
async fn a_device_that_is_not_there_is_refused_when_the_study_is_made() {
    let place = Place::new().await;
    let refused = |spec| {
        let app = place.app.clone();
        async move {
            match app.create_study(spec, true).await {
                Err(CreateError::Invalid(errors)) => {
                    errors.iter().map(ToString::to_string).collect::<Vec<_>>()
                }
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(
        refused(wishing("none", &["cuda:7", "auto", "2"])).await,
        [
            "device: there is no device cuda:7 on this machine; there are: cpu",
            "device: there is no GPU to train on here; there are: cpu"
        ]
    );
    assert_eq!(place.app.store.running().await.unwrap().len(), 0);
    let _scheduler = place.scheduler_of(FOREVER, devices("cpu,pretend:80GiB"));
    assert_eq!(
        refused(wishing("two", &["cuda:0", "2"])).await,
        ["device: there are not 2 GPUs on this machine; there are: cpu, cuda:0"]
    );
}

#[test]
fn the_command_line_names_devices_and_asks_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let study = write_study(folder.path(), &probed(micro("devices", 1), &[0]));
    let data = folder.path().join("data").display().to_string();
    let gpus = "cpu,pretend:8GiB,pretend:8GiB";
    let (at, study) = (folder.path(), study.as_str());
    success(at, &["run", study, "--data-dir", &data, "--devices", gpus, "--device", "2"]);
    let trained = fs::read_dir(folder.path().join("data/runs"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path().join("events.jsonl")).unwrap());
    for events in trained {
        assert!(events.contains("\"device\":\"cuda:0,cuda:1\""), "{events}");
    }
    // No such GPUs are here when it is repeated: the processor does it, and says so. The pretended ones were the same processor.
    let first = fs::read_dir(folder.path().join("data/runs")).unwrap().next().unwrap().unwrap();
    let run = first.file_name().to_string_lossy().into_owned();
    let said = success(at, &["replay", &run, "--data-dir", &data]);
    assert!(
        said.contains("The run was trained on cuda:0,cuda:1, and this machine has no such"),
        "{said}"
    );
    // A device is no part of a run: everything is there already.
    let plan = success(at, &["plan", study, "--data-dir", &data, "--device", "cpu", "--json"]);
    assert_eq!(plan.matches("\"state\": \"done\"").count(), 2, "{plan}");

    let said = failure(at, &["run", study, "--data-dir", &data, "--fresh", "--device", "cuda:0"]);
    assert!(
        said.contains("device: there is no device cuda:0 on this machine; there are: cpu"),
        "{said}"
    );
    let tf32 = ["plan", study, "--data-dir", &data, "--fresh", "--set", "precision=tf32"];
    let said = success(at, &tf32);
    assert!(
        said.contains("precision: tf32 is computed by GPUs only: a processor trains in"),
        "{said}"
    );
    let said = failure(at, &["run", study, "--data-dir", &data, "--devices", "cpu,tpu"]);
    assert!(
        said.starts_with("error: --devices: \"tpu\" is not a device of this machine; it has cpu"),
        "{said}"
    );
    let said = success(at, &["devices", "--json"]);
    let list: shared::api::DeviceList = serde_json::from_str(&said).unwrap();
    assert_eq!(list.devices[0].device.name, "cpu");
    assert_eq!(list.libraries.len(), 5, "{said}");
}
