//! `maskdoor run STUDY`: creates a study, runs it and prints its results.

use std::{collections::HashMap, fs, process::ExitCode, time::Duration};

use anyhow::Context;
use engine::compute::Machine;
use indicatif::ProgressBar;
use shared::{
    RunId, RunState,
    api::{RunRow, StudyDetail},
    poison::parse_list,
    verdict::verdict,
};

use super::{RunArgs, results, spec_file};
use crate::{
    app::App,
    app::studies::{all_over, count},
    queue::{Scheduler, Settings},
    terminal::{Bars, duration, note, say},
};

/// Interval at which to poll for changes by another program.
const LOOK: Duration = Duration::from_secs(1);

pub async fn run(args: RunArgs, machine: Machine) -> anyhow::Result<ExitCode> {
    let name = args.study.study.clone();
    let mut spec = spec_file::load_changed(&args.study)?;
    if let Some(path) = &args.poisons {
        let text = fs::read_to_string(path)
            .with_context(|| format!("the poison list {} cannot be read", path.display()))?;
        spec.settings.attack.poisons = Some(parse_list(&text).into());
    }
    let machine = args.jobs.machine(machine)?;
    let app = App { machine: machine.clone(), ..args.data.open().await? };
    let study =
        app.create_study(spec, args.study.fresh).await.map_err(|error| error.of_study(&name))?;
    let reused = study.runs.iter().filter(|run| run.reused).count();
    if reused > 0 {
        note(format_args!(
            "{reused} of {} runs are already in the data folder and are reused; --fresh runs them again",
            study.runs.len()
        ));
    }
    let settings = Settings::of(&machine, args.jobs.jobs);
    let scheduler = Scheduler::start(app.clone(), settings);
    let followed = follow(&app, &study).await;
    scheduler.stop().await;
    let runs = followed?;
    let pairs = app.pairs(&runs).await?;
    app.store.close().await;

    say(results::as_table(&runs));
    if let Some(found) = verdict(&runs, &pairs, study.classes.len()) {
        let sentences = std::iter::once(&found.headline).chain(&found.points);
        say(sentences.fold(String::new(), |text, sentence| format!("{text}\n{sentence}")));
    }
    if let Some(path) = args.json {
        let text = serde_json::to_string_pretty(&results::finished(&runs))?;
        fs::write(&path, text + "\n")
            .with_context(|| format!("the results cannot be written to {}", path.display()))?;
    }
    let unfinished = runs.len() - count(&runs, RunState::Done);
    anyhow::ensure!(unfinished == 0, "{unfinished} of {} runs did not finish", runs.len());
    Ok(ExitCode::SUCCESS)
}

/// Shows a study's progress until all of its runs have ended. Ctrl-C cancels the study.
async fn follow(app: &App, study: &StudyDetail) -> anyhow::Result<Vec<RunRow>> {
    let mut news = app.store.news();
    let mut view = View::new(study);
    let mut cancelled = false;
    loop {
        let runs = app.queue.with_waits(app.store.study_runs(study.id).await?);
        view.show(&runs, app.store.is_queue_paused().await?);
        if all_over(&runs) {
            view.bars.clear();
            return Ok(runs);
        }
        tokio::select! {
            changed = news.changed() => changed?,
            () = tokio::time::sleep(LOOK) => { app.store.look_for_news().await?; }
            interrupt = tokio::signal::ctrl_c(), if !cancelled => {
                interrupt?;
                cancelled = true;
                view.bars.note("cancelling the study …");
                // This only requests it: the loop shows how the runs end.
                app.store.cancel_study(study.id, app.clock.now_ms()).await?;
                app.queue.wake();
            }
        }
    }
}

/// Progress bars of the whole study and of its running runs.
struct View {
    bars: Bars,
    whole: ProgressBar,
    running: HashMap<RunId, ProgressBar>,
    told: HashMap<RunId, RunState>,
    paused: HashMap<RunId, String>,
}

impl View {
    fn new(study: &StudyDetail) -> Self {
        let bars = Bars::default();
        let whole = bars.add(study.spec.name.clone(), study.runs.len() as u64);
        Self { bars, whole, running: HashMap::new(), told: HashMap::new(), paused: HashMap::new() }
    }

    fn show(&mut self, runs: &[RunRow], queue_paused: bool) {
        for run in runs {
            if run.state == RunState::Running {
                self.show_running(run);
            } else if let Some(bar) = self.running.remove(&run.id) {
                bar.finish_and_clear();
            }
            let paused = match &run.paused {
                Some(why) => self.paused.insert(run.id, why.clone()),
                None => self.paused.remove(&run.id),
            };
            match &run.paused {
                Some(why) if paused.as_ref() != Some(why) => {
                    self.bars.note(format_args!("{}: paused: {why}", run.label()));
                }
                None if paused.is_some() => {
                    self.bars.note(format_args!("{}: goes on", run.label()));
                }
                _ => {}
            }
            let known = self.told.insert(run.id, run.state);
            if run.state.is_over() && known != Some(run.state) {
                let why = run.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
                self.bars.note(format_args!("{}: {}{why}", run.label(), run.state));
            }
        }
        let over = runs.iter().filter(|run| run.state.is_over()).count();
        self.whole.set_position(over as u64);
        let waits = if queue_paused {
            Some("the queue is paused; maskdoor queue resume")
        } else {
            runs.iter().find_map(|run| run.waits.as_deref())
        };
        let waits = waits.filter(|_| self.running.is_empty());
        let waits = waits.map_or_else(String::new, |why| format!(", {why}"));
        self.whole.set_message(format!("{over} of {} runs{waits}", runs.len()));
    }

    fn show_running(&mut self, run: &RunRow) {
        let bar = self
            .running
            .entry(run.id)
            .or_insert_with(|| self.bars.add(format!("  {}", run.label()), 1000));
        bar.set_position((run.progress.fraction() * 1000.0) as u64);
        let mut parts: Vec<String> =
            run.paused.iter().map(|why| format!("paused: {why}")).collect();
        parts.extend(run.progress.preparing.iter().cloned());
        parts.extend(run.progress.loss.map(|loss| format!("loss {loss:.4}")));
        parts.extend(run.progress.images_per_second.map(|speed| format!("{speed:.0} images/s")));
        parts.extend(run.progress.seconds_left().map(|left| format!("{} left", duration(left))));
        bar.set_message(parts.join(", "));
    }
}
