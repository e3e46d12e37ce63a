//! The queue of a real Slurm cluster, which a real server gives its runs to.

mod cluster;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use engine::files::{LAST_CHECKPOINT, RESUME, events_of_attempt};
use server::{run_folder::RunFolder, run_log::CSV_FILE};
use shared::{
    DeviceWish, RunState, Stamped, StudySpec,
    api::{Page, RunRow, StudyDetail, StudySummary, SystemInfo},
};

use self::cluster::{Cluster, NODES};
use crate::support::{PATIENCE, Place, create, micro, probed, wait_until};

/// Epochs of a micro pre-training that lasts some seconds.
const LONG: u32 = 3000;
/// Settings with short waits.
const QUICK: &str = "[executors.slurm]\npoll_seconds = 1\nlate_seconds = 10\n";

/// A server of the real program that gives its runs to the cluster.
struct Server {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Server {
    fn start(place: &Place, cluster: &Cluster) -> Self {
        let program = env!("CARGO_BIN_EXE_maskdoor");
        let mut command =
            cluster.command(program, &["serve", "--without-token", "--executor", "slurm"]);
        command.args(["--addr", "127.0.0.1:0", "--data-dir"]).arg(place.folder.path());
        let log = place.folder.path().join("server.log");
        let written = fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(written)
            .env("MASKDOOR_THREADS", "1")
            .spawn()
            .unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let address = line.rsplit("http://").next().unwrap().to_owned();
        Self { child, address, log }
    }

    /// What the page *System* asks for.
    fn system(&self) -> SystemInfo {
        let request = format!("GET /api/v1/system HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        serde_json::from_str(&self.ask(&request)).unwrap()
    }

    /// Creates a study as the page does. The devices that it can ask for are the server's.
    fn create(&self, spec: &StudySpec) -> StudyDetail {
        let body = serde_json::to_string(spec).unwrap();
        let answer = self.ask(&format!(
            "POST /api/v1/studies?fresh=true HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        ));
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    fn studies(&self) -> Page<StudySummary> {
        let request = format!("GET /api/v1/studies HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        serde_json::from_str(&self.ask(&request)).unwrap()
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("server:\n{}", lines[lines.len().saturating_sub(100)..].join("\n"));
        }
    }
}

async fn place(settings: &str) -> Place {
    let place = Place::new().await;
    fs::write(place.app.data_dir.settings_file(), settings).unwrap();
    place
}

async fn finished(place: &Place, study: &StudyDetail) {
    for run in &study.runs {
        let row = wait_until(&place.app, run.id, |run| run.state.is_over()).await;
        assert_eq!(row.state, RunState::Done, "{:?}", row.error);
    }
}

/// Checks that the store has each event of a run's file exactly once.
async fn every_event_once(place: &Place, run: &RunRow) {
    let written: Vec<Stamped> = fs::read_to_string(place.run_folder(run).events_file())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(written.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    let stored = place.app.store.run_events(run.id, 0, 1_000_000, &[]).await.unwrap();
    assert_eq!(stored, written);
}

/// Waits until a run trains in the cluster, and returns the job's number.
async fn trains(place: &Place, server: &Server, run: &RunRow) -> String {
    wait_until(&place.app, run.id, |row| {
        assert!(!row.state.is_over(), "ended too early: {row:?}");
        row.progress.step > 0
    })
    .await;
    let begun = Instant::now();
    loop {
        let row = server.system().jobs.into_iter().find(|job| job.id == run.id);
        if let Some(job) = row.and_then(|row| row.job)
            && let Some(number) = job.number.filter(|_| job.nodes.is_some())
        {
            assert_eq!(job.waits, None);
            return number;
        }
        assert!(begun.elapsed() < PATIENCE, "its job is not told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What an administrator does for a cluster, for ever.
async fn looked_after(cluster: &Cluster) -> ! {
    loop {
        cluster.resume_nodes();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn same_results(place: &Place, a: &RunRow, b: &RunRow) {
    let read =
        |run: &RunRow, name: &str| fs::read(place.run_folder(run).path().join(name)).unwrap();
    assert!(read(a, LAST_CHECKPOINT) == read(b, LAST_CHECKPOINT), "the weights differ");
    assert_eq!(read(a, CSV_FILE), read(b, CSV_FILE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_goes_through_although_server_and_controller_die() {
    let Some(mut cluster) = Cluster::start() else { return };
    let place = place(QUICK).await;
    // 10 pre-trainings, and two probes of each, which are submitted before they can start.
    let mut spec = probed(micro("cluster", 60), &[0, 1]);
    let seeds: Vec<shared::param::Value> = (1..=10u32).map(Into::into).collect();
    spec.vary("seed", seeds).unwrap();
    let study = create(&place.app, spec).await;
    assert_eq!(study.runs.len(), 30);

    let server = Server::start(&place, &cluster);
    wait_until(&place.app, study.runs[0].id, |run| run.state == RunState::Done).await;
    server.kill();
    let server = Server::start(&place, &cluster);
    cluster.kill("slurmctld");
    // The server notices, and says so.
    let begun = Instant::now();
    while server.system().cluster.is_some_and(|cluster| cluster.error.is_none()) {
        assert!(begun.elapsed() < Duration::from_mins(3), "nothing is said");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // It has lost the jobs of its last seconds, starts others twice, and gives their numbers to new ones.
    cluster.start_controller();
    tokio::select! {
        () = finished(&place, &study) => {}
        never = looked_after(&cluster) => never,
    }
    for run in &study.runs {
        every_event_once(&place, run).await;
    }

    let begun = Instant::now();
    while place.app.data_dir.slurm().read_dir().unwrap().next().is_some() {
        assert!(begun.elapsed() < PATIENCE, "its files are removed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_loses_its_job_goes_on_to_the_same_bits() {
    let Some(mut cluster) = Cluster::start() else { return };
    let place = place(QUICK).await;
    let mut spec = probed(micro("whole", LONG), &[1]);
    spec.settings.pretrain.checkpoint_every = LONG / 4;
    let whole = create(&place.app, spec.clone()).await;
    spec.name = "broken".into();
    let broken = create(&place.app, spec).await;
    let server = Server::start(&place, &cluster);
    let run = &broken.runs[0];

    // Its time is about to end: it is told so, and leaves with its place kept.
    let number = trains(&place, &server, run).await;
    let told = cluster.command("scancel", &["--batch", "--signal=USR1", &number]).status().unwrap();
    assert!(told.success());
    let row = wait_until(&place.app, run.id, |row| is_in_another_attempt(&place, row)).await;
    assert_eq!(row.error, None);

    // Its node goes down.
    let second = trains(&place, &server, run).await;
    assert_ne!(second, number);
    let node = server
        .system()
        .jobs
        .into_iter()
        .find(|job| job.id == run.id)
        .unwrap()
        .job
        .unwrap()
        .nodes
        .unwrap();
    wait_for_place(&place.run_folder(run)).await;
    cluster.kill_node(NODES.iter().find(|name| **name == node).unwrap());
    finished(&place, &broken).await;
    finished(&place, &whole).await;
    same_results(&place, run, &whole.runs[0]);
    every_event_once(&place, run).await;
}

/// Whether a run that goes on is in another attempt than its first: the events of the first are kept aside.
fn is_in_another_attempt(place: &Place, run: &RunRow) -> bool {
    assert!(!run.state.is_over(), "{run:?}");
    place.run_folder(run).path().join(events_of_attempt(1)).exists()
}

async fn wait_for_place(folder: &RunFolder) {
    let kept = folder.path().join(RESUME);
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let (before, begun) = (changed(&kept), Instant::now());
    while changed(&kept) == before {
        assert!(begun.elapsed() < PATIENCE, "no place is kept");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_on_two_nodes_leaves_in_time_and_loses_one_to_the_same_bits() {
    let Some(mut cluster) = Cluster::start() else { return };
    let place = place(&format!("{QUICK}[executors.slurm.job]\npartition = \"all\"\n")).await;
    let mut spec = probed(micro("two nodes", LONG), &[1]);
    spec.settings.device = DeviceWish::Nodes { nodes: 2, gpus: 0 };
    spec.settings.pretrain.checkpoint_every = LONG / 4;
    let server = Server::start(&place, &cluster);
    let whole = server.create(&spec);
    finished(&place, &whole).await;
    spec.name = "broken".into();
    let broken = server.create(&spec);
    let run = &broken.runs[0];
    let nodes = |number: &str| {
        let rows = server.system().jobs;
        let job = rows
            .into_iter()
            .find_map(|row| row.job.filter(|job| job.number.as_deref() == Some(number)));
        job.and_then(|job| job.nodes).unwrap_or_default()
    };

    // Slurm warns every worker of the step, and the first one decides.
    let number = trains(&place, &server, run).await;
    let two = nodes(&number);
    assert!(two.contains('-') || two.contains(','), "{two}");
    assert!(cluster.command("scancel", &["--signal=USR1", &number]).status().unwrap().success());
    let row = wait_until(&place.app, run.id, |row| is_in_another_attempt(&place, row)).await;
    assert_eq!(row.error, None);

    // A node goes down. Slurm ends the job, or the other worker notices before.
    let second = trains(&place, &server, run).await;
    let two = nodes(&second);
    wait_for_place(&place.run_folder(run)).await;
    let down = NODES.iter().rev().find(|name| two.contains(&name[1..])).unwrap();
    cluster.kill_node(down);
    finished(&place, &broken).await;
    same_results(&place, run, &whole.runs[0]);
    every_event_once(&place, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_longer_than_its_time_limit_goes_on_to_the_same_bits() {
    let Some(cluster) = Cluster::start() else { return };
    // The shortest limit that Slurm knows. It looks every half a minute, and warns half a minute too early.
    let settings = format!("{QUICK}notice_seconds = 10\n[executors.slurm.job]\ntime = \"1\"\n");
    let place = place(&settings).await;
    let mut spec = probed(micro("limited", LONG), &[1]);
    spec.runs = vec![shared::RunKind::Pretrain];
    // Longer than a minute, or nearly.
    spec.settings.pretrain.epochs = 10_000;
    spec.settings.model.encoder.depth = 8;
    spec.settings.dataset.train_per_class = Some(12);
    spec.settings.pretrain.checkpoint_every = LONG;
    let study = create(&place.app, spec).await;
    let _server = Server::start(&place, &cluster);
    let run = &study.runs[0];
    wait_until(&place.app, run.id, |row| is_in_another_attempt(&place, row)).await;
    // A slow machine takes several attempts.
    let begun = Instant::now();
    while !place.app.store.get_run(run.id).await.unwrap().state.is_over() {
        assert!(begun.elapsed() < 5 * PATIENCE, "it does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    finished(&place, &study).await;
    every_event_once(&place, run).await;

    // The same order, trained here in one go.
    let order = place.run_folder(run).order().unwrap();
    let alone = tempfile::tempdir().unwrap();
    let machine = engine::compute::Machine::with_threads(1);
    let emit = &mut |_| Ok(());
    engine::run::run(&order, alone.path(), None, &[], &machine, &mut (), emit).unwrap();
    let read = |folder: &Path| fs::read(folder.join(LAST_CHECKPOINT)).unwrap();
    assert!(read(alone.path()) == read(place.run_folder(run).path()), "the weights differ");
}

/// Waits until the cluster shows a job that comes after another one, and returns its number.
fn depends(cluster: &Cluster) -> String {
    let mut number = None;
    cluster::wait("a job that waits for another", || {
        let args = ["--noheader", "--array", "--states=PENDING", "--format=%i|%r"];
        let said = cluster.command("squeue", &args).output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let found = said.lines().find_map(|line| line.trim().strip_suffix("|Dependency"));
        number = found.map(str::to_owned);
        number.is_some()
    });
    number.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_a_strangers_or_begins_too_early_is_given_up() {
    let Some(cluster) = Cluster::start() else { return };
    let place = place(QUICK).await;
    let server = Server::start(&place, &cluster);
    let args = ["--parsable", "--hold", "--wrap=true"];
    let held = cluster.command("sbatch", &args).output().unwrap();
    let held = format!("afterok:{}", String::from_utf8(held.stdout).unwrap().trim());
    // What a probe's job comes after becomes a job that never begins, then nothing: as if the number of its pre-training's job were another's.
    for (name, dependency, words) in [
        ("for ever", held.as_str(), "it waited for one that the cluster has lost"),
        ("too early", "", "it began before a run that it needs was there"),
    ] {
        let study = create(&place.app, probed(micro(name, LONG), &[1])).await;
        let change = [
            "update",
            &format!("JobId={}", depends(&cluster)),
            &format!("Dependency={dependency}"),
        ];
        assert!(cluster.command("scontrol", &change).status().unwrap().success());
        finished(&place, &study).await;
        for run in &study.runs {
            every_event_once(&place, run).await;
        }
        let said = fs::read_to_string(&server.log).unwrap();
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_asks_for_the_servers_machine_trains_there() {
    let Some(cluster) = Cluster::start() else { return };
    let place = place(QUICK).await;
    let server = Server::start(&place, &cluster);
    let mut spec = probed(micro("here", 60), &[1]);
    spec.settings.device = DeviceWish::Here;
    let here = server.create(&spec);
    finished(&place, &here).await;
    // The probe of a pre-training in the cluster; both know where they are.
    spec.name = "there".into();
    spec.settings.device = DeviceWish::Auto;
    let there = server.create(&spec);
    finished(&place, &there).await;
    for (study, device) in [(&here, "cpu"), (&there, "slurm")] {
        for run in &study.runs {
            let row = place.app.store.get_run(run.id).await.unwrap();
            assert_eq!(row.device.as_deref(), Some(device));
            every_event_once(&place, run).await;
        }
    }
    same_results(&place, &here.runs[0], &there.runs[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stops_a_job_before_its_worker_is_told() {
    let Some(cluster) = Cluster::start() else { return };
    let settings = format!("{QUICK}setup = [\"no-such-command-here || exit 3\"]\n");
    let place = place(&settings).await;
    let study = create(&place.app, probed(micro("unset", 2), &[1])).await;
    let _server = Server::start(&place, &cluster);
    let row = wait_until(&place.app, study.runs[0].id, |run| run.state.is_over()).await;
    let error = row.error.unwrap();
    assert!(error.contains("it ended with code 3 before it finished on n"), "{error}");
    assert!(
        error.contains(". It said last: ") && error.contains("no-such-command-here"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_cancelled_and_refusals_and_ends_are_told_in_words() {
    let Some(cluster) = Cluster::start() else { return };
    let settings = "[executors.slurm.kinds.knn]\npartition = \"nowhere\"\n[executors.slurm.kinds.finetune]\nmemory = \"1900M\"\n";
    let place = place(&format!("{QUICK}{settings}")).await;
    let study = create(&place.app, probed(micro("cancelled", LONG), &[1])).await;
    let server = Server::start(&place, &cluster);
    let (pretraining, probe) = (&study.runs[0], &study.runs[1]);
    trains(&place, &server, pretraining).await;
    let begun = Instant::now();
    loop {
        let waits = server.system().jobs.into_iter().find(|job| job.id == probe.id).unwrap();
        let waits = waits.job.map(|job| job.in_words()).unwrap_or_default();
        if waits.contains("waits: for a run that it needs (Dependency)") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{waits}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    place.app.cancel_run(pretraining.id).await.unwrap();
    let row = wait_until(&place.app, pretraining.id, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Cancelled);
    let row = wait_until(&place.app, probe.id, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Cancelled, "{:?}", row.error);
    assert!(row.error.unwrap().contains("that it needs is cancelled"));

    // A partition that is not there.
    let mut spec = micro("refused", 2);
    spec.runs = vec![shared::RunKind::Knn];
    spec.axes.clear();
    let study = create(&place.app, spec).await;
    let knn = study.runs.last().unwrap();
    let row = wait_until(&place.app, knn.id, |run| run.state.is_over()).await;
    let error = row.error.unwrap();
    assert!(
        error.starts_with("the cluster refuses it: sbatch: ")
            && error.contains("invalid partition"),
        "{error}"
    );

    // Somebody else ends the job.
    let study = create(&place.app, probed(micro("ended", LONG), &[1])).await;
    let number = trains(&place, &server, &study.runs[0]).await;
    assert!(cluster.command("scancel", &[&number]).status().unwrap().success());
    let row = wait_until(&place.app, study.runs[0].id, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Interrupted);
    assert_eq!(row.error, Some(format!("job {number}: it was cancelled in the cluster")));
    let probe = wait_until(&place.app, study.runs[1].id, |run| run.state.is_over()).await;
    assert_eq!(probe.state, RunState::Failed, "{:?}", probe.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_waiting_runs_take_few_commands() {
    let Some(cluster) = Cluster::start() else { return };
    let settings =
        "[executors.slurm]\npoll_seconds = 5\n[executors.slurm.job]\nextra = [\"--hold\"]\n";
    let place = place(settings).await;
    let mut spec = micro("many", 2);
    spec.runs = vec![shared::RunKind::Pretrain];
    spec.axes.clear();
    let seeds: Vec<shared::param::Value> = (1..=1000u32).map(Into::into).collect();
    spec.vary("seed", seeds).unwrap();
    let study = create(&place.app, spec).await;
    assert_eq!(study.runs.len(), 1000);
    let server = Server::start(&place, &cluster);
    let begun = Instant::now();
    let all_wait = |system: &SystemInfo| {
        let held = |row: &&RunRow| {
            let waits = row.job.as_ref().and_then(|job| job.waits.as_deref());
            waits.is_some_and(|why| why.contains("JobHeldUser"))
        };
        system.jobs.iter().take(50).filter(held).count() == 50
            && system.cluster.as_ref().is_some_and(|cluster| cluster.waiting == 1000)
    };
    let system = loop {
        let asked = Instant::now();
        let system = server.system();
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "the server answers: {:?}",
            asked.elapsed()
        );
        if all_wait(&system) {
            break system;
        }
        assert!(begun.elapsed() < Duration::from_mins(3), "{:?}", system.cluster);
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    // Twelve questions for the queue, one for the partitions, and what submitted the runs.
    let listed = server.studies().items.remove(0).states;
    assert_eq!((listed.queued, listed.running), (1000, 0), "lists say that they wait");
    let calls = system.cluster.unwrap().calls_per_minute;
    assert!(calls <= 60, "{calls} commands in a minute");
    place.app.cancel_study(study.id).await.unwrap();
    let last = study.runs.last().unwrap();
    let row = wait_until(&place.app, last.id, |run| run.state.is_over()).await;
    assert_eq!(row.state, RunState::Cancelled);
}
