//! The study that goes through crashes, and what must be true of it afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use engine::files::{EVALUATION, LAST_CHECKPOINT, POISON_LIST, POISON_PLAN, RESUME, RESUME_BEFORE};
use serde_json::Value;
use server::{
    run_folder::RunFolder,
    run_log::{CSV_FILE, TENSORBOARD_FILE},
};
use shared::{
    RunEvent, RunKind, RunState, Stamped, StudySpec,
    api::{RunRow, StudyDetail, StudySummary},
};

use crate::{
    served::Server,
    support::{PATIENCE, micro, probed},
};

/// Between two looks at a server.
const LOOK: Duration = Duration::from_millis(20);
/// How often a study may need to be started again: one crash breaks off one run, with those that need it.
const RETRIES: u32 = 4;

/// A pre-training with a place to go on from after each epoch, a probe, and a fine-tuning.
pub fn spec() -> StudySpec {
    let mut spec = probed(micro("crash", 4), &[1]);
    spec.runs = vec![RunKind::Probe, RunKind::Finetune];
    spec.settings.pretrain.checkpoint_every = 1;
    spec.settings.finetune.epochs = 2;
    spec.settings.finetune.warmup_epochs = 0;
    spec.settings.finetune.batch_size = 16;
    spec
}

/// What a client was told, and must stay true.
#[derive(Clone, Debug)]
pub enum Promise {
    Study(String),
    NoStudy(String),
    Done(String),
    Key(String),
    Import(String),
}

impl Promise {
    fn check(&self, server: &Server) -> Result<(), String> {
        let listed = |path: &str, field: &str, name: &str| {
            let all = server.get(path)?;
            let kept = all.as_array().unwrap().iter().any(|one| one[field] == name);
            if kept {
                Ok(())
            } else {
                Err(format!("lost, although its storing was told: {self:?}"))
            }
        };
        match self {
            Self::Study(id) => server
                .get(&format!("/studies/{id}"))
                .map(drop)
                .map_err(|error| format!("a study that was told to be stored is lost: {error}")),
            Self::NoStudy(id) => match server.get(&format!("/studies/{id}")) {
                Ok(_) => Err("a study that was deleted is back".into()),
                Err(_) => Ok(()),
            },
            Self::Done(id) => {
                let row = server.get(&format!("/runs/{id}"))?;
                if row["state"] == "done" {
                    Ok(())
                } else {
                    Err(format!("a run that was told to be done is {}", row["state"]))
                }
            }
            Self::Key(id) => listed("/keys", "id", id),
            Self::Import(name) => listed("/checkpoints/imported", "name", name),
        }
    }
}

/// How a study came to its end after a crash.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Runs that went on from a kept place.
    pub resumed: u32,
    /// Runs that had to be queued again, with the reason.
    pub retried: Vec<String>,
}

/// What a study gives, but for the times.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts(BTreeMap<RunKind, BTreeMap<&'static str, Vec<u8>>>);

/// Has the study come to its end on this data folder, on `server` or, if that is gone, on a new one, and looks for whatever is wrong.
pub fn finish(
    data: &Path,
    server: Option<Server>,
    promises: &[Promise],
) -> Result<(Outcome, Facts), String> {
    let start =
        || Server::start(data, None).map_err(|text| format!("the server does not start: {text}"));
    let mut server = server;
    let server = match server.take_if(|server| !server.has_ended()) {
        Some(server) => server,
        None => start()?,
    };
    for promise in promises {
        promise.check(&server)?;
    }
    let study = ensured(&server)?;
    let mut outcome = Outcome::default();
    let runs = completed(&server, &study, &mut outcome)?;
    let facts = facts(data, &server, &runs, &mut outcome)?;
    server.stop();
    let is_left = |finding: &Value| finding["subject"] == "left_over";
    let mut findings = doctor(data)?;
    if findings.iter().any(is_left) {
        // A server removes it when it starts.
        let server = start()?;
        let began = Instant::now();
        while findings.iter().any(is_left) && began.elapsed() < PATIENCE {
            std::thread::sleep(LOOK);
            findings = doctor(data)?;
        }
        server.stop();
    }
    findings.retain(|finding| !is_offered(finding, promises));
    if !findings.is_empty() || !parts(data).is_empty() {
        return Err(format!("the doctor found: {findings:?}; left behind: {:?}", parts(data)));
    }
    Ok((outcome, facts))
}

fn doctor(data: &Path) -> Result<Vec<Value>, String> {
    let doctor = Command::new(env!("CARGO_BIN_EXE_maskdoor"))
        .args(["doctor", "--json", "--data-dir"])
        .arg(data)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&doctor.stdout)
        .map_err(|_| String::from_utf8_lossy(&doctor.stderr).into_owned())?;
    Ok(report["findings"].as_array().unwrap().clone())
}

/// Whether the doctor found an image or an imported checkpoint without its row, and nobody was told that it is stored. The file is on
/// the disk before the row, and the doctor offers what an upload that broke off in between has left: it cannot know that the
/// database is not the one that lost something.
fn is_offered(finding: &Value, promises: &[Promise]) -> bool {
    let text = |field: &str| finding[field].as_str().unwrap();
    let names = |promise: &Promise| match promise {
        Promise::Key(id) | Promise::Import(id) => text("what").contains(id),
        _ => false,
    };
    text("explanation").starts_with("the database does not have this im")
        && !promises.iter().any(names)
}

/// Asks until the server answers.
fn ask(server: &Server, path: &str) -> Result<Value, String> {
    let began = Instant::now();
    loop {
        match server.get(path) {
            Err(error) if began.elapsed() > PATIENCE => return Err(error),
            Err(_) => std::thread::sleep(LOOK),
            found => return found,
        }
    }
}

/// Creates the study.
pub fn create(server: &Server) -> Result<String, String> {
    create_of(server, &spec())
}

/// Creates a study.
pub fn create_of(server: &Server, spec: &StudySpec) -> Result<String, String> {
    let spec = serde_json::to_value(spec).unwrap();
    match server.ask("POST", "/studies?fresh=true", &spec) {
        Ok((201, study)) => Ok(study["id"].as_str().unwrap().to_owned()),
        other => Err(format!("the study cannot be created: {other:?}")),
    }
}

/// The study, created if it is not there.
fn ensured(server: &Server) -> Result<String, String> {
    let all = ask(server, "/studies")?;
    let rows: Vec<StudySummary> = serde_json::from_value(all["items"].clone()).unwrap();
    let (named, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.name == "crash");
    for other in others {
        remove(server, &other.id.to_string())?;
    }
    match named[..] {
        [] => create(server),
        [study] => Ok(study.id.to_string()),
        _ => Err("the study is there twice".into()),
    }
}

/// Cancels a study and deletes it when its runs have ended, with its files.
fn remove(server: &Server, study: &str) -> Result<(), String> {
    let _ = server.ask("POST", &format!("/studies/{study}/cancel"), &Value::Null);
    let began = Instant::now();
    loop {
        match deleted(server, study) {
            Ok((204, _)) => return Ok(()),
            other if began.elapsed() > PATIENCE => {
                return Err(format!("a study cannot be deleted: {other:?}"));
            }
            _ => std::thread::sleep(LOOK),
        }
    }
}

/// Deletes a study, and ends the deletion. The answer is that of the step that failed, or of the last one.
pub fn deleted(server: &Server, study: &str) -> io::Result<(u16, Value)> {
    match server.ask("DELETE", &format!("/studies/{study}"), &Value::Null)? {
        // It may have been deleted before a kill, and its deletion not have ended.
        (200 | 404, _) => server.ask("DELETE", &format!("/deletions/{study}"), &Value::Null),
        other => Ok(other),
    }
}

fn runs_of(server: &Server, study: &str) -> Result<Vec<RunRow>, String> {
    let detail: StudyDetail =
        serde_json::from_value(ask(server, &format!("/studies/{study}"))?).unwrap();
    if detail.runs.len() != 3 {
        return Err(format!("the study has {} runs", detail.runs.len()));
    }
    Ok(detail.runs)
}

/// Waits until all runs are done; those that ended otherwise are queued again.
fn completed(server: &Server, study: &str, outcome: &mut Outcome) -> Result<Vec<RunRow>, String> {
    let began = Instant::now();
    loop {
        let runs = runs_of(server, study)?;
        if runs.iter().all(|run| run.state == RunState::Done) {
            return Ok(runs);
        }
        let states = || runs.iter().map(|run| (run.state, &run.error)).collect::<Vec<_>>();
        if began.elapsed() > PATIENCE {
            return Err(format!("the study does not come to an end: {:?}", states()));
        }
        let broken = runs.iter().find(|run| run.state.is_over() && run.state != RunState::Done);
        if let Some(run) = broken {
            if outcome.retried.len() as u32 == RETRIES {
                return Err(format!("the study does not go on: {:?}", states()));
            }
            let reason = run.error.clone().unwrap_or_default();
            outcome.retried.push(format!("{}: {reason}", run.state));
            let path = format!("/runs/{}/retry", run.id);
            match server.ask("POST", &path, &Value::Null) {
                Ok((200, _)) => {}
                other => return Err(format!("a run cannot be queued again: {other:?}")),
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// Whether the study of this server is over, whatever its runs came to.
pub fn is_over(server: &Server) -> bool {
    let Ok(all) = server.get("/runs") else { return false };
    let rows: Vec<RunRow> = serde_json::from_value(all["items"].clone()).unwrap();
    !rows.is_empty() && rows.iter().all(|row| row.state.is_over())
}

/// The study's runs that are done, as the server tells.
pub fn done(server: &Server) -> Vec<String> {
    let Ok(all) = server.get("/runs?state=done") else { return Vec::new() };
    let rows: Vec<RunRow> = serde_json::from_value(all["items"].clone()).unwrap();
    rows.iter().map(|row| row.id.to_string()).collect()
}

fn facts(
    data: &Path,
    server: &Server,
    runs: &[RunRow],
    outcome: &mut Outcome,
) -> Result<Facts, String> {
    let all: BTreeSet<_> = runs.iter().map(|run| run.id).collect();
    let rows = ask(server, "/runs")?;
    if rows["total"] != all.len() {
        return Err(format!("there are {} runs", rows["total"]));
    }
    let mut facts = BTreeMap::new();
    for run in runs {
        let folder = RunFolder::new(data.join("runs").join(run.id.to_string()));
        let events = events(server, run, &folder)?;
        let resumed = events.iter().any(|event| matches!(&event.event, RunEvent::Log { message } if message.starts_with("resumes")));
        outcome.resumed += u32::from(resumed);
        let mut of_run = BTreeMap::new();
        of_run.insert("events", told(&events).into_bytes());
        of_run.insert("metrics", serde_json::to_vec(&run.metrics).unwrap());
        let files =
            [LAST_CHECKPOINT, CSV_FILE, EVALUATION, POISON_PLAN, POISON_LIST, "head.safetensors"];
        for name in files {
            of_run.insert(name, fs::read(folder.path().join(name)).unwrap_or_default());
        }
        if !folder.path().join(TENSORBOARD_FILE).exists() {
            return Err(format!("{TENSORBOARD_FILE} is missing"));
        }
        for name in [RESUME, RESUME_BEFORE] {
            if folder.path().join(name).exists() {
                return Err(format!(
                    "{name} is left, although the {} is done",
                    run.point.kind.title()
                ));
            }
        }
        if facts.insert(run.point.kind, of_run).is_some() {
            return Err("a run is there twice".into());
        }
    }
    Ok(Facts(facts))
}

/// The stored events, which must be those of the file, each once.
fn events(server: &Server, run: &RunRow, folder: &RunFolder) -> Result<Vec<Stamped>, String> {
    let stored = ask(server, &format!("/runs/{}/events?limit=10000", run.id))?;
    let stored: Vec<Stamped> = serde_json::from_value(stored).unwrap();
    let kind = run.point.kind.title();
    if !stored.iter().zip(1..).all(|(event, seq)| event.seq == seq) {
        return Err(format!("events of the {kind} are missing or double"));
    }
    let text = fs::read_to_string(folder.events_file()).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let written: Vec<Option<Stamped>> = lines.map(|line| serde_json::from_str(line).ok()).collect();
    if written.len() != stored.len()
        || !written.iter().zip(&stored).all(|(a, b)| a.as_ref() == Some(b))
    {
        return Err(format!(
            "the {kind} has {} events in its file, {} in the database, or others",
            written.len(),
            stored.len()
        ));
    }
    Ok(stored)
}

/// The events that do not depend on time, without times.
fn told(events: &[Stamped]) -> String {
    let mut lines = String::new();
    for stamped in events {
        let timed = ["log", "preparing", "step"];
        if timed.contains(&stamped.event.kind()) {
            continue;
        }
        let mut event = serde_json::to_value(&stamped.event).unwrap();
        let fields = event.as_object_mut().unwrap();
        for field in ["images_per_second", "seconds", "time"] {
            fields.remove(field);
        }
        lines.push_str(&event.to_string());
        lines.push('\n');
    }
    lines
}

impl Facts {
    /// Says what is not as in the undisturbed study.
    pub fn compare(&self, reference: &Self) -> Result<(), String> {
        for (kind, files) in &reference.0 {
            for (name, wanted) in files {
                let found = &self.0[kind][name];
                if found != wanted {
                    let text = |bytes: &[u8]| {
                        String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned()
                    };
                    let both = if wanted.is_ascii() && found.is_ascii() {
                        format!(":\n{}\ninstead of\n{}", text(found), text(wanted))
                    } else {
                        String::new()
                    };
                    let kind = kind.title();
                    return Err(format!(
                        "{name} of the {kind} differs from the undisturbed run's{both}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The files with temporary names.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(parts(&path));
        } else if path.extension().is_some_and(|end| end == "part") {
            found.push(path);
        }
    }
    found
}
