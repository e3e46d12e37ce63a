//! The crash suite: a study of micro runs is killed, its disk fails and its power is cut, at every kind of operation; then it must come
//! to the end that it has without all that.
//!
//! Each test tries a sample. `MASKDOOR_CRASHES=N` tries N of each, and prints the table of all (`scripts/crash.sh`).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "the table is what the suite is run for")]

mod disk;
mod served;
mod shim;
mod study;
#[path = "../core/support.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use engine::files::RESUME;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use server::{queue::executor::local, run_folder::RunFolder};

use self::{
    disk::{Disk, Loss},
    served::Server,
    shim::{ERRORS, Fault, Role, Shim, State, What},
    study::{Facts, Outcome, Promise, finish},
    support::PATIENCE,
};

const LOOK: Duration = Duration::from_millis(5);

/// How many cases of each kind.
fn cases(sample: usize) -> usize {
    match std::env::var("MASKDOOR_CRASHES") {
        Ok(number) => number.parse().expect("MASKDOOR_CRASHES is a number"),
        Err(_) => sample,
    }
}

/// The seed of a test's choices; another one with `MASKDOOR_CRASH_SEED`.
fn random(test: u64) -> StdRng {
    let seed = std::env::var("MASKDOOR_CRASH_SEED").map_or(0, |seed| seed.parse().unwrap());
    StdRng::seed_from_u64(seed << 8 | test)
}

/// The study without any fault.
struct Reference {
    facts: Facts,
    /// The operations, as they were recorded.
    trace: Vec<disk::Operation>,
    took: Duration,
}

fn reference(library: &Path) -> Reference {
    let place = tempfile::tempdir().unwrap();
    let (data, trace) = (place.path().join("data"), place.path().join("trace"));
    fs::create_dir(&data).unwrap();
    fs::write(&trace, "").unwrap();
    let state = State::new(&place.path().join("state"), &Fault::none());
    let shim = Shim { library, state: &state, trace: Some(&trace) };
    let began = Instant::now();
    let server = Server::start(&data, Some(&shim)).unwrap();
    study::create(&server).unwrap();
    let (outcome, facts) = finish(&data, Some(server), &[]).unwrap();
    assert!(outcome.retried.is_empty(), "{outcome:?}");
    let took = began.elapsed();
    let trace = disk::read(&trace);
    assert!(trace.len() > 300 && state.operations() >= trace.len() as u64, "{}", trace.len());
    Reference { facts, trace, took }
}

/// A line of the table.
#[derive(Default)]
struct Row {
    cases: usize,
    reached: usize,
    broken_off: usize,
    resumed: u32,
    wrong: Vec<String>,
}

/// Runs the cases, two at a time, and prints the table. Each gives whether its fault came, and what became of the study.
fn run<T: Sync>(
    title: &str,
    cases: &[T],
    name: impl Fn(&T) -> String + Sync,
    case: impl Fn(&T, &Path) -> Result<(bool, Outcome), String> + Sync,
) {
    let rows = Mutex::new(BTreeMap::<String, Row>::new());
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(one) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let place = tempfile::tempdir().unwrap();
                    let data = place.path().join("data");
                    fs::create_dir(&data).unwrap();
                    let result = case(one, place.path());
                    end_workers(&data);
                    let mut rows = rows.lock().unwrap();
                    let row = rows.entry(name(one)).or_default();
                    row.cases += 1;
                    match result {
                        Ok((reached, outcome)) => {
                            row.reached += usize::from(reached);
                            row.broken_off += usize::from(!outcome.retried.is_empty());
                            row.resumed += outcome.resumed;
                        }
                        Err(wrong) => row.wrong.push(wrong),
                    }
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    let mut text = format!(
        "\n{title} ({} cases, {} s)\n{:<44} {:>6} {:>8} {:>11} {:>8} {:>6}\n",
        cases.len(),
        began.elapsed().as_secs(),
        "",
        "cases",
        "reached",
        "broken off",
        "resumed",
        "wrong"
    );
    for (name, row) in &rows {
        let _ = writeln!(
            text,
            "{name:<44} {:>6} {:>8} {:>11} {:>8} {:>6}",
            row.cases,
            row.reached,
            row.broken_off,
            row.resumed,
            row.wrong.len()
        );
    }
    for (name, row) in &rows {
        for wrong in &row.wrong {
            let _ = writeln!(text, "\n{name}: {wrong}");
        }
    }
    eprintln!("{text}");
    if let Ok(folder) = std::env::var("MASKDOOR_CRASH_TABLES") {
        let name: String = title.chars().map(|c| if c == ' ' { '-' } else { c }).collect();
        fs::write(Path::new(&folder).join(name + ".txt"), &text).unwrap();
    }
    assert!(rows.values().all(|row| row.wrong.is_empty()), "{text}");
    assert!(rows.values().any(|row| row.reached > 0), "no fault came: {text}");
}

/// Ends the workers that a failed case leaves.
fn end_workers(data: &Path) {
    for entry in fs::read_dir(data.join("runs")).into_iter().flatten().flatten() {
        kill_worker(&RunFolder::new(entry.path()));
    }
}

fn kill_worker(folder: &RunFolder) -> bool {
    let alive = local::is_alive(folder).unwrap_or(false);
    match local::pid(folder).and_then(Pid::from_raw) {
        Some(pid) if alive => kill_process(pid, Signal::KILL).is_ok(),
        _ => false,
    }
}

/// Starts the study with a fault, and waits until it came or the study is over.
fn disturbed(fault: &Fault, library: &Path, place: &Path) -> (State, Option<Server>, Vec<Promise>) {
    let data = place.join("data");
    let state = State::new(&place.join("state"), fault);
    let shim = Shim { library, state: &state, trace: None };
    let mut server = Server::start(&data, Some(&shim)).ok();
    let study = server.as_ref().and_then(|server| study::create(server).ok());
    let promises = study.into_iter().map(Promise::Study).collect();
    // A fault that lasts is to be met several times.
    let enough = if fault.what == What::FailUntilHealed { 3 } else { 1 };
    let began = Instant::now();
    while let Some(running) = &mut server {
        if running.has_ended() || state.fired() >= enough || study::is_over(running) {
            break;
        }
        // Nothing may be left to do that could fail.
        if state.fired() > 0 && began.elapsed() > Duration::from_secs(10) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "neither came the fault nor the end: {fault:?}");
        std::thread::sleep(LOOK);
    }
    state.heal();
    let killed = matches!(fault.what, What::Kill | What::KillTorn);
    if killed && state.place().starts_with("server") {
        // It is dead, though its process may still be there for a moment.
        server.take().into_iter().for_each(Server::kill);
    }
    (state, server, promises)
}

/// One place for each kind of operation, drawn from those where it happens.
fn breakpoints(trace: &[disk::Operation], random: &mut StdRng) -> Vec<(Role, String, u64)> {
    let mut counts = BTreeMap::<String, u64>::new();
    for operation in trace {
        *counts.entry(operation.label()).or_default() += 1;
    }
    let mut places: Vec<_> = counts
        .into_iter()
        .map(|(label, count)| {
            let (role, label) = label.split_once(": ").unwrap();
            let role = if role == "worker" { Role::Worker } else { Role::Server };
            (role, label.to_owned(), random.random_range(1..=count))
        })
        .collect();
    places.shuffle(random);
    places
}

fn place_name(role: Role, label: &str) -> String {
    format!("{} {label}", if role == Role::Worker { "worker:" } else { "server:" })
}

#[test]
fn kills_at_every_kind_of_operation() {
    let Some(library) = shim::library() else { return };
    let (reference, mut random) = (reference(&library), random(1));
    let places = breakpoints(&reference.trace, &mut random);
    let wanted = cases(24);
    let mut faults: Vec<Fault> = Vec::new();
    while faults.len() < wanted {
        let round = faults.len() / places.len();
        for (role, label, at) in breakpoints(&reference.trace, &mut random) {
            let torn = label.starts_with("write") && round % 2 == 1;
            let what = if torn { What::KillTorn } else { What::Kill };
            faults.push(Fault { what, error: 0, role, label, at });
        }
    }
    faults.truncate(wanted);
    run(
        "kills at operations",
        &faults,
        |fault| place_name(fault.role, &fault.label),
        |fault, place| {
            let (state, server, promises) = disturbed(fault, &library, place);
            let (outcome, facts) = finish(&place.join("data"), server, &promises)
                .map_err(|wrong| format!("{}: {wrong}", state.place()))?;
            facts
                .compare(&reference.facts)
                .map_err(|wrong| format!("{}: {wrong}", state.place()))?;
            Ok((state.fired() > 0, outcome))
        },
    );
}

#[test]
fn kills_at_random_times() {
    let Some(library) = shim::library() else { return };
    let (reference, mut random) = (reference(&library), random(2));
    let kills: Vec<(&str, Duration)> = (0..cases(12))
        .map(|number| {
            let time = random.random_range(0.0..reference.took.as_secs_f64());
            (["server", "worker", "server and worker"][number % 3], Duration::from_secs_f64(time))
        })
        .collect();
    run(
        "kills at random times",
        &kills,
        |(who, _)| (*who).to_owned(),
        |&(who, time), place| {
            let data = place.join("data");
            let began = Instant::now();
            let server = Server::start(&data, None)?;
            let study = study::create(&server).ok().map(Promise::Study);
            let promises: Vec<Promise> = study.into_iter().collect();
            let mut killed = false;
            // The time is when to strike, not something to wait for.
            while began.elapsed() < time && !study::is_over(&server) {
                std::thread::sleep(LOOK);
            }
            let mut server = Some(server);
            if who.starts_with("server") {
                server.take().unwrap().kill();
                killed = true;
            }
            if who.ends_with("worker") {
                let strike = || {
                    let runs = fs::read_dir(data.join("runs")).unwrap();
                    let killed = runs
                        .filter(|run| kill_worker(&RunFolder::new(run.as_ref().unwrap().path())));
                    killed.count() > 0
                };
                let mut struck = strike();
                // Between two runs there is no worker: the next one is killed as soon as it is there.
                while !struck && server.as_ref().is_some_and(|server| !study::is_over(server)) {
                    struck = strike();
                }
                killed |= struck;
            }
            let (outcome, facts) = finish(&data, server, &promises)?;
            facts.compare(&reference.facts)?;
            Ok((killed, outcome))
        },
    );
}

/// Places where something went wrong once, which every sample has: the lock and the log that a worker is given, and what a run begins
/// with.
const NOTABLE: [(Role, &str, (&str, u64), What); 8] = [
    (Role::Server, "truncate worker.lock", ERRORS[2], What::FailOnce),
    (Role::Server, "truncate worker.lock", ERRORS[2], What::FailUntilHealed),
    (Role::Server, "truncate worker.log", ERRORS[1], What::FailOnce),
    (Role::Server, "truncate worker.log", ERRORS[1], What::FailUntilHealed),
    (Role::Server, "truncate worker.log", ERRORS[2], What::FailOnce),
    (Role::Server, "truncate maskdoor.sqlite", ERRORS[2], What::FailUntilHealed),
    (Role::Worker, "unlink resume.safetensors", ERRORS[1], What::FailOnce),
    (Role::Worker, "unlink resume-before.safetensors", ERRORS[1], What::FailOnce),
];

/// A line of the table.
fn kind(error: &str, fault: &Fault, role: Role) -> String {
    let how = if fault.what == What::FailUntilHealed { "for a while" } else { "once" };
    format!("{error} {how}, {}", if role == Role::Worker { "worker" } else { "server" })
}

#[test]
fn a_disk_that_fails_at_every_kind_of_operation() {
    let Some(library) = shim::library() else { return };
    let (reference, mut random) = (reference(&library), random(3));
    let wanted = cases(24);
    let mut faults: Vec<(String, Fault)> = NOTABLE
        .into_iter()
        .map(|(role, label, (name, error), what)| {
            let fault = Fault { what, error, role, label: label.into(), at: 1 };
            (kind(name, &fault, role), fault)
        })
        .collect();
    while faults.len() < wanted {
        for (role, label, at) in breakpoints(&reference.trace, &mut random) {
            let (name, error) = ERRORS[random.random_range(0..3)];
            let lasts = random.random_bool(0.5);
            let what = if lasts { What::FailUntilHealed } else { What::FailOnce };
            let by = role;
            let role = if lasts { Role::Any } else { role };
            let fault = Fault { what, error, role, label, at };
            faults.push((kind(name, &fault, by), fault));
        }
    }
    faults.truncate(wanted);
    run(
        "a disk that fails",
        &faults,
        |(name, _)| name.clone(),
        |(_, fault), place| {
            let (state, server, promises) = disturbed(fault, &library, place);
            let (outcome, facts) = finish(&place.join("data"), server, &promises)
                .map_err(|wrong| format!("{}: {wrong}", state.place()))?;
            facts
                .compare(&reference.facts)
                .map_err(|wrong| format!("{}: {wrong}", state.place()))?;
            if let Some(reason) = outcome.retried.first() {
                return Err(format!("{}: a run ended, {reason}", state.place()));
            }
            Ok((state.fired() > 0, outcome))
        },
    );
}

/// What a client was told while a recording had this length, and until when it is true.
struct Told {
    from: u64,
    until: u64,
    promise: Promise,
}

/// A recording of a busy server: its worker is killed and goes on, a key image is uploaded, a checkpoint imported, a study deleted.
struct Recording {
    disk: Disk,
    trace: Vec<disk::Operation>,
    told: Vec<Told>,
}

fn recording(library: &Path) -> Recording {
    let place = tempfile::tempdir().unwrap();
    let (data, trace) = (place.path().join("data"), place.path().join("trace"));
    fs::create_dir(&data).unwrap();
    fs::write(&trace, "").unwrap();
    let disk = Disk::new(&data);
    let state = State::new(&place.path().join("state"), &Fault::none());
    let shim = Shim { library, state: &state, trace: Some(&trace) };
    let server = Server::start(&data, Some(&shim)).unwrap();
    let length = || fs::metadata(&trace).unwrap().len();
    let mut told = Vec::new();
    let mut tell = |promise| told.push(Told { from: length(), until: u64::MAX, promise });

    let study = study::create(&server).unwrap();
    tell(Promise::Study(study.clone()));
    let detail = server.get(&format!("/studies/{study}")).unwrap();
    let first = detail["runs"][0]["id"].as_str().unwrap().to_owned();
    let folder = RunFolder::new(data.join("runs").join(&first));
    wait("a place to go on from", || {
        folder.path().join(RESUME).exists() && kill_worker(&folder)
            || study::done(&server).contains(&first)
    });
    let picture = {
        let mut png = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(8, 8).write_to(&mut png, image::ImageFormat::Png).unwrap();
        png.into_inner()
    };
    let mut body =
        b"--line\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n"
            .to_vec();
    body.extend(picture);
    body.extend(b"\r\n--line--\r\n");
    let (status, key) =
        server.send("POST", "/keys", "multipart/form-data; boundary=line", &body).unwrap();
    assert_eq!(status, 201, "{key}");
    tell(Promise::Key(key["id"].as_str().unwrap().to_owned()));
    wait("the end of the first attempt", || {
        let row = server.get(&format!("/runs/{first}")).unwrap();
        row["state"] == "interrupted" || row["state"] == "done"
    });
    let _ = server.ask("POST", &format!("/runs/{first}/retry"), &Value::Null);
    let mut known = BTreeSet::new();
    wait("the end of the study", || {
        for run in study::done(&server) {
            if known.insert(run.clone()) {
                tell(Promise::Done(run));
            }
        }
        study::is_over(&server)
    });
    let mut other = study::spec();
    other.name = "other".into();
    other.settings.pretrain.epochs = 1;
    let other = study::create_of(&server, &other).unwrap();
    tell(Promise::Study(other.clone()));
    let file = folder.path().join(engine::files::LAST_CHECKPOINT).display().to_string();
    let import = json!({ "name": "mae", "path": file });
    let (status, problem) = server.ask("POST", "/checkpoints/imported", &import).unwrap();
    assert_eq!(status, 201, "{problem}");
    tell(Promise::Import("mae".into()));
    wait("the end of the other study", || study::is_over(&server));
    let before = length();
    let (status, problem) = study::deleted(&server, &other).unwrap();
    assert_eq!(status, 204, "{problem}");
    tell(Promise::NoStudy(other.clone()));
    for told in &mut told {
        if matches!(&told.promise, Promise::Study(id) if *id == other) {
            told.until = before;
        }
    }
    server.stop();
    Recording { disk, trace: disk::read(&trace), told }
}

fn wait(what: &str, mut is_there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < PATIENCE, "{what} does not come");
        std::thread::sleep(LOOK);
    }
}

/// A folder after a power cut.
struct Cut {
    name: String,
    left: disk::Left,
    promises: Vec<Promise>,
    /// A place to go on from was on the disk.
    resumes: bool,
}

#[test]
fn a_power_cut_at_every_kind_of_operation() {
    let Some(library) = shim::library() else { return };
    let (reference, mut random) = (reference(&library), random(4));
    let Recording { mut disk, trace, told } = recording(&library);
    // One cut before each kind of operation, then before any.
    let mut kinds = BTreeMap::<String, Vec<usize>>::new();
    for (number, operation) in trace.iter().enumerate() {
        kinds.entry(operation.label()).or_default().push(number);
    }
    let wanted = cases(32);
    let mut chosen = BTreeSet::new();
    while chosen.len() < wanted && chosen.len() < trace.len() * Loss::EVERY.len() / 2 {
        let mut one_each: Vec<_> = kinds.values().collect();
        one_each.shuffle(&mut random);
        for places in one_each {
            let loss = Loss::EVERY[random.random_range(0..4)];
            chosen.insert((places[random.random_range(0..places.len())], loss));
        }
    }
    let mut all: Vec<_> = chosen.into_iter().collect();
    all.shuffle(&mut random);
    all.truncate(wanted);
    // Right after a place was kept, the run goes on from it, whatever else is lost.
    let next = |from: usize, label: &str| {
        let found = trace[from..].iter().position(|operation| operation.label() == label);
        from + found.unwrap()
    };
    let kept = next(next(0, "worker: rename resume.safetensors"), "worker: sync RUN") + 1;
    all.push((kept, Loss::All));
    all.sort_unstable();
    let (mut cuts, mut done, mut seen) = (Vec::new(), 0, BTreeSet::new());
    for (at, loss) in all {
        trace[done..at].iter().for_each(|operation| disk.apply(operation));
        done = at;
        let left = disk.cut(loss, &mut random);
        let length = at.checked_sub(1).map_or(0, |last| trace[last].end);
        let is_true = |told: &&Told| told.from <= length && length < told.until;
        let promises = told.iter().filter(is_true).map(|told| told.promise.clone()).collect();
        if seen.insert((left.hash(), format!("{promises:?}"))) {
            let name = format!("{loss:?}, before {}", trace[at].label());
            let resumes = (at, loss) == (kept, Loss::All);
            cuts.push(Cut { name, left, promises, resumes });
        }
    }
    let name = |cut: &Cut| format!("lost: {}", cut.name.split(',').next().unwrap());
    run("power cuts", &cuts, name, |cut, place| {
        let data = place.join("data");
        cut.left.make(&data);
        let described = |wrong| {
            if let Ok(folder) = std::env::var("MASKDOOR_CRASH_KEEP") {
                let kept = Path::new(&folder).join(format!("{:x}", cut.left.hash()));
                cut.left.make(&kept);
            }
            format!("{} ({:x}): {wrong}", cut.name, cut.left.hash())
        };
        let (outcome, facts) = finish(&data, None, &cut.promises).map_err(described)?;
        facts.compare(&reference.facts).map_err(described)?;
        if cut.resumes && outcome.resumed == 0 {
            return Err("the run begins anew, although its place was kept".into());
        }
        Ok((true, outcome))
    });
}
