//! How events update a study, and summaries of a study's runs.

use shared::{
    RunId, RunKind, RunState, Settings,
    api::{LiveEvent, RunRow, StudyDetail},
    study::ProbeFeatures,
    verdict::{Pairs, verdict},
};

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folded {
    /// It was applied.
    Taken,
    /// It was known already.
    Known,
    /// Something is missing, or more changed than the event says: the study must be fetched again.
    Stale,
}

/// Applies an event to the study.
pub fn fold(study: &mut StudyDetail, event: &LiveEvent) -> Folded {
    let Some(run) = study.runs.iter_mut().find(|run| run.id == event.run) else {
        return Folded::Stale;
    };
    let changed = run.state != event.state;
    // A run that was over and no longer is was queued again: its events are numbered from the start.
    if changed && run.state.is_over() {
        return Folded::Stale;
    }
    run.state = event.state;
    // Whether a run waits for the disk, or is held, is no event of it: the server tells that it changed, and the study says it.
    if event.stamped.is_none() && !changed && !run.state.is_over() {
        return Folded::Stale;
    }
    if let Some(stamped) = &event.stamped {
        if stamped.seq > run.progress.seq + 1 {
            return Folded::Stale;
        }
        if stamped.seq <= run.progress.seq {
            return if changed { Folded::Stale } else { Folded::Known };
        }
        run.progress.apply(stamped);
        if run.state == RunState::Done {
            run.metrics = run.progress.metrics;
        }
    }
    if changed { Folded::Stale } else { Folded::Taken }
}

/// The fetched study, with newer progress from the current one: events arrive while an answer is pending.
pub fn merged(old: Option<StudyDetail>, mut new: StudyDetail) -> StudyDetail {
    let Some(old) = old.filter(|old| old.id == new.id) else { return new };
    for run in &mut new.runs {
        let newer = old.runs.iter().find(|kept| {
            kept.id == run.id
                && kept.state == run.state
                && kept.progress.started_at == run.progress.started_at
                && kept.progress.seq > run.progress.seq
        });
        if let Some(kept) = newer {
            run.progress = kept.progress.clone();
        }
    }
    new
}

/// The run to show when the address names none: a running one, else a failed or interrupted one, else the first that a study makes which has
/// just begun, else the strongest attack, else the first that the study made. `classes` is the study's number of classes.
pub fn default_run(runs: &[RunRow], classes: usize) -> Option<RunId> {
    let first = |wanted: fn(RunState) -> bool| runs.iter().find(|run| wanted(run.state));
    let own = || runs.iter().filter(|run| !run.reused);
    first(|state| state == RunState::Running)
        .or_else(|| first(|state| matches!(state, RunState::Failed | RunState::Interrupted)))
        .or_else(|| own().next().filter(|_| !own().any(|run| run.state.is_over())))
        .map(|run| run.id)
        .or_else(|| Some(verdict(runs, &Pairs::default(), classes)?.strongest?.run))
        .or_else(|| own().next().or(runs.first()).map(|run| run.id))
}

/// The cost of a run relative to the others of its study, in operations per training image.
fn weight(settings: &Settings, kind: RunKind) -> f64 {
    let Settings { model, pretrain, probe, finetune, .. } = settings;
    match kind {
        RunKind::Pretrain => {
            f64::from(pretrain.epochs) * model.pretrain_operations(pretrain.mask_ratio)
        }
        RunKind::Implant => 7.0 * f64::from(settings.implant.epochs) * model.encode_operations(),
        // The filter's own work is little beside its probes.
        RunKind::Defence if settings.retrains() => 2.0 * weight(settings, RunKind::Probe),
        RunKind::Defence if settings.defence.protects_probe() => weight(settings, RunKind::Probe),
        // A few images for each checkpoint.
        RunKind::Knn | RunKind::Defence => model.encode_operations(),
        RunKind::Finetune => 3.0 * f64::from(finetune.epochs) * model.encode_operations(),
        RunKind::Probe => {
            // Cached: each image and its mirror image once; augmented: again in each epoch.
            let passes = match probe.features {
                ProbeFeatures::Cached => 2.0,
                ProbeFeatures::Augmented => f64::from(probe.epochs),
            };
            passes * model.encode_operations()
        }
    }
}

/// Fraction of the study's work that is done or will not be done, in 0–1.
pub fn fraction(study: &StudyDetail) -> f64 {
    let (mut done, mut all) = (0.0, 0.0);
    for run in &study.runs {
        let weight = weight(&study.spec.settings, run.point.kind);
        all += weight;
        done += weight * if run.state.is_over() { 1.0 } else { run.progress.fraction() };
    }
    if all > 0.0 { done / all } else { 0.0 }
}

/// Seconds that the study still takes, one run after the other, at the speed of its runs so far; `None` before a speed is
/// known or when all runs are over.
pub fn seconds_left(study: &StudyDetail) -> Option<f64> {
    if study.runs.iter().all(|run| run.state.is_over()) {
        return None;
    }
    let speed = |kind: RunKind| {
        let of_kind = study.runs.iter().filter(|run| run.point.kind == kind);
        let whole: Vec<f64> = of_kind.filter_map(whole_seconds).collect();
        (!whole.is_empty()).then(|| whole.iter().sum::<f64>() / whole.len() as f64)
    };
    let known = RunKind::ALL.map(|kind| (kind, speed(kind)));
    let mut left = 0.0;
    for run in study.runs.iter().filter(|run| !run.state.is_over()) {
        let kind = run.point.kind;
        let seconds = known.iter().find(|(of, _)| *of == kind).and_then(|(_, seconds)| *seconds);
        // A kind that has not started is estimated from another one by its cost.
        let seconds = seconds.or_else(|| {
            let (of, seconds) = known.iter().find(|(_, seconds)| seconds.is_some())?;
            Some(
                (*seconds)? * weight(&study.spec.settings, kind)
                    / weight(&study.spec.settings, *of),
            )
        })?;
        left += run.progress.seconds_left().unwrap_or(seconds * (1.0 - run.progress.fraction()));
    }
    Some(left)
}

/// Seconds that a run took, or will take at its speed so far.
fn whole_seconds(run: &RunRow) -> Option<f64> {
    if run.state == RunState::Done {
        let (from, to) = (run.started_at?, run.ended_at?);
        return Some(to.saturating_sub(from) as f64 / 1000.0);
    }
    let fraction = run.progress.fraction();
    let left = run.progress.seconds_left()?;
    (fraction < 1.0).then(|| left / (1.0 - fraction))
}

/// Number of runs that are done, and number of all.
pub fn done_of(runs: &[RunRow]) -> (usize, usize) {
    (runs.iter().filter(|run| run.state == RunState::Done).count(), runs.len())
}

#[cfg(test)]
mod tests {
    use shared::{RunEvent, Stamped, study::presets};

    use super::*;

    fn study() -> StudyDetail {
        let mut study = crate::fixture::study(presets()[0].spec.clone());
        study.runs.retain(|run| run.point.kind != RunKind::Knn);
        study
    }

    fn step(run: RunId, state: RunState, seq: u64) -> LiveEvent {
        let event = RunEvent::Step {
            step: seq,
            epoch: seq as f64,
            loss: 0.5,
            lr: 0.1,
            images_per_second: 9.0,
            time: None,
        };
        LiveEvent { run, state, stamped: Some(Stamped { seq, at: seq * 1000, event }) }
    }

    #[test]
    fn events_are_taken_once_and_a_gap_is_seen() {
        let mut study = study();
        study.runs[0].state = RunState::Running;
        let run = study.runs[0].id;
        assert_eq!(fold(&mut study, &step(run, RunState::Running, 1)), Folded::Taken);
        assert_eq!(fold(&mut study, &step(run, RunState::Running, 1)), Folded::Known);
        assert_eq!(fold(&mut study, &step(run, RunState::Running, 3)), Folded::Stale);
        let pauses = LiveEvent { run, state: RunState::Running, stamped: None };
        assert_eq!(fold(&mut study, &pauses), Folded::Stale, "it waits, or no longer waits");
        assert_eq!(study.runs[0].progress.seq, 1, "a gap is not folded over");
    }

    #[test]
    fn a_new_state_is_shown_at_once_and_fetched() {
        let mut study = study();
        let run = study.runs[1].id;
        let event = LiveEvent { run, state: RunState::Running, stamped: None };
        assert_eq!(fold(&mut study, &event), Folded::Stale);
        assert_eq!(study.runs[1].state, RunState::Running);
        study.runs[1].state = RunState::Failed;
        assert_eq!(fold(&mut study, &event), Folded::Stale);
        assert_eq!(study.runs[1].state, RunState::Failed, "a retry is counted anew");
        let stranger =
            LiveEvent { run: RunId::from_parts(9, [9; 10]), state: RunState::Done, stamped: None };
        assert_eq!(fold(&mut study, &stranger), Folded::Stale);
    }

    #[test]
    fn an_answer_does_not_take_back_newer_events() {
        let mut new = study();
        let mut old = study();
        for study in [&mut new, &mut old] {
            study.runs[0].state = RunState::Running;
        }
        old.runs[0].progress.seq = 9;
        old.runs[1].progress.seq = 9;
        new.runs[1].state = RunState::Running;
        let both = merged(Some(old), new);
        assert_eq!(both.runs[0].progress.seq, 9);
        assert_eq!(both.runs[1].progress.seq, 0, "another state: the answer is newer");
    }

    #[test]
    fn the_run_to_show_is_the_one_that_matters() {
        let mut study = study();
        assert_eq!(default_run(&study.runs, 10), Some(study.runs[0].id));
        study.runs[2].state = RunState::Interrupted;
        assert_eq!(default_run(&study.runs, 10), Some(study.runs[2].id));
        study.runs[1].state = RunState::Running;
        assert_eq!(default_run(&study.runs, 10), Some(study.runs[1].id));
        assert_eq!(default_run(&[], 10), None);
        // A study that takes its pre-training from another one and has just begun shows what it makes.
        let mut study = self::study();
        study.runs[0].reused = true;
        study.runs[0].state = RunState::Done;
        assert_eq!(default_run(&study.runs, 10), Some(study.runs[1].id));
    }

    #[test]
    fn a_pretraining_weighs_more_than_a_probe() {
        let mut study = study();
        study.runs.truncate(2);
        assert!(fraction(&study).abs() < 1e-12);
        study.runs[0].state = RunState::Done;
        let pretrained = fraction(&study);
        assert!(pretrained > 0.8 && pretrained < 1.0, "{pretrained}");
        study.runs[1].state = RunState::Failed;
        assert!((fraction(&study) - 1.0).abs() < 1e-12);
        assert_eq!(seconds_left(&study), None);
    }

    #[test]
    fn time_left_counts_the_runs_to_come() {
        let mut study = study();
        let pretrain = study.runs[0].clone();
        study.runs = vec![pretrain.clone(), pretrain];
        assert_eq!(seconds_left(&study), None, "no speed yet");
        study.runs[0].state = RunState::Done;
        (study.runs[0].started_at, study.runs[0].ended_at) = (Some(1_000), Some(61_000));
        assert_eq!(seconds_left(&study), Some(60.0));
    }
}
