//! Curves and histograms of defence runs, from the scores that their runs have kept.

use engine::{
    eval::{Scored, Scores},
    files::DEFENCE,
};
use shared::{
    RunId, Settings,
    api::{JudgedEncoder, RocSeries, RunRow, ScoreBins, TriggerSearch},
    metric::Bins,
    param::{self, Domain, SETTINGS, Value},
    settings::DefenceMethod,
};

use super::predictions::{PredictionsError, blocking};
use crate::{app::App, store::StoreError};

/// Bins of a histogram.
const BINS: usize = 40;

/// What says which defence a run applies: the first part of its label.
const METHOD: &str = "defence.method";

impl App {
    /// The receiver operating characteristics of these runs in their order; runs that judged no images are left out.
    ///
    /// # Errors
    /// When there is no such run, the store fails, or a file is damaged.
    pub async fn roc(&self, runs: &[RunId]) -> Result<Vec<RocSeries>, PredictionsError> {
        let mut files = Vec::with_capacity(runs.len());
        for &run in runs {
            let row = self.store.get_run(run).await?;
            let folder = self.data_dir.folder(&self.store.run_folder(run).await?);
            files.push((run, label(&row), folder.join(DEFENCE)));
        }
        blocking(move || {
            let mut series = Vec::new();
            for (run, label, file) in files {
                let scores = Scores::read(&file)
                    .map_err(|error| PredictionsError::Internal(error.to_string()))?;
                if let Some((roc, control)) = scores.and_then(|scores| scores.roc()) {
                    series.push(RocSeries { run, label, roc, control });
                }
            }
            Ok(series)
        })
        .await
    }

    /// What these runs say of the encoders that they judged; runs that judge no encoder are left out.
    ///
    /// # Errors
    /// When there is no such run, or the store fails.
    pub async fn judged_encoders(&self, runs: &[RunId]) -> Result<Vec<JudgedEncoder>, StoreError> {
        let mut judged = Vec::new();
        for &run in runs {
            let row = self.store.get_run(run).await?;
            let Some(said) = row.progress.judgement.and_then(|judgement| judgement.encoder) else {
                continue;
            };
            let settings = self.store.run_settings(run).await?;
            // What an imported encoder was trained on is not known here.
            let known = settings.encoder.is_none() || settings.implants();
            let attacked = known.then(|| row.point.attacks_encoder());
            let (label, limit) = (of_encoder(&row), settings.defence.mask_limit);
            judged.push(JudgedEncoder { run, label, attacked, said, limit });
        }
        Ok(judged)
    }

    /// The search for a trigger of a defence run.
    ///
    /// # Errors
    /// When there is no such run, it searched for no trigger, the store fails, or the file is damaged.
    pub async fn trigger_search(&self, run: RunId) -> Result<TriggerSearch, PredictionsError> {
        let file = self.data_dir.folder(&self.store.run_folder(run).await?).join(DEFENCE);
        blocking(move || {
            let scores = Scores::read(&file)
                .map_err(|error| PredictionsError::Internal(error.to_string()))?;
            let message = "the run has kept no search: it is no finished defence that searches an encoder for a trigger";
            scores
                .and_then(|scores| scores.search)
                .ok_or_else(|| PredictionsError::Missing(message.into()))
        })
        .await
    }

    /// The histograms of a defence's scores.
    ///
    /// # Errors
    /// When there is no such run, it judged no images, the store fails, or the file is damaged.
    pub async fn scores(&self, run: RunId) -> Result<ScoreBins, PredictionsError> {
        let file = self.data_dir.folder(&self.store.run_folder(run).await?).join(DEFENCE);
        blocking(move || {
            let scores = Scores::read(&file)
                .map_err(|error| PredictionsError::Internal(error.to_string()))?;
            let message =
                "the run has kept no scores: it is no finished defence that judges images";
            binned(run, &scores.unwrap_or_default())
                .ok_or_else(|| PredictionsError::Missing(message.into()))
        })
        .await
    }
}

/// The scores in bins, or nothing without scores.
fn binned(run: RunId, scores: &Scores) -> Option<ScoreBins> {
    let all = scores.samples.iter().chain(&scores.control).map(|one| one.score);
    let bins = Bins::of(all, BINS)?;
    let count = |of: &[Scored], poisoned: bool| {
        bins.count(of.iter().filter(|one| one.poisoned == poisoned).map(|one| one.score))
    };
    Some(ScoreBins {
        run,
        label: title(scores.method),
        filters_samples: scores.method.filters_samples(),
        edges: bins.edges().to_vec(),
        clean: count(&scores.samples, false),
        poisoned: count(&scores.samples, true),
        control: (!scores.control.is_empty()).then(|| count(&scores.control, true)),
        limit: scores.limit(),
    })
}

/// A defence as people read it.
fn title(method: DefenceMethod) -> String {
    let mut settings = Settings::default();
    settings.defence.method = method;
    let setting = SETTINGS.iter().find(|setting| setting.path == METHOD);
    let words = setting.zip(param::get(&settings, METHOD));
    words.map_or_else(String::new, |(setting, value)| setting.words(&value))
}

/// What tells an encoder from others of its study: `PPR 50, Blended, seed 2`; a clean one has no trigger.
fn of_encoder(row: &RunRow) -> String {
    let attacked = row.point.attacks_encoder();
    let told = |path: &str| {
        !["pretrain.poisons", METHOD].contains(&path) && (attacked || !path.starts_with("attack."))
    };
    let rest = words(row.varied.iter().filter(|(path, _)| told(path)));
    [vec![format!("PPR {}", row.point.ppr)], rest].concat().join(", ")
}

/// What tells a run from others of its study, the defence first: `SCAn, Blended, seed 2`.
fn label(row: &RunRow) -> String {
    let mut varied: Vec<(&String, &Value)> = row.varied.iter().collect();
    varied.sort_by_key(|(path, _)| path.as_str() != METHOD);
    let parts = words(varied.into_iter());
    if parts.is_empty() { row.point.label() } else { parts.join(", ") }
}

/// Settings and their values as people read them: `SCAn`, `seed 2`.
fn words<'r>(varied: impl Iterator<Item = (&'r String, &'r Value)>) -> Vec<String> {
    let words = |(path, value): (&String, &Value)| {
        let setting = SETTINGS.iter().find(|setting| setting.path == path);
        let title = param::title(path).map_or_else(|| path.clone(), |title| param::lower(&title));
        match setting {
            Some(setting) if matches!(setting.domain, Domain::Choice(_)) => setting.words(value),
            _ => format!("{title} {value}"),
        }
    };
    varied.map(words).collect()
}
