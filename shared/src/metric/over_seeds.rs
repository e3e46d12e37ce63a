//! Results over seeds: the runs of a study that differ in nothing but the seed are one line.

use super::{Metrics, Ratio, Spread};
use crate::{StudyId, api::RunRow, run::RunPoint};

/// Finished classifiers of one study at one point of its grid, over all seeds; shares in 0–1.
#[derive(Clone, Debug, PartialEq)]
pub struct OverSeeds {
    /// The study.
    pub study: StudyId,
    /// Its name.
    pub study_name: String,
    /// The trigger in a few words.
    pub trigger: String,
    /// The point of the grid, with seed 0.
    pub point: RunPoint,
    /// Number of runs.
    pub seeds: usize,
    /// Clean accuracy.
    pub ca: Option<Spread>,
    /// Attack success rate.
    pub asr: Option<Spread>,
    /// Robust accuracy.
    pub ra: Option<Spread>,
    /// Top-5 clean accuracy, where there is one.
    pub top5: Option<Spread>,
}

impl OverSeeds {
    /// The lines of the runs that have a result: by study in the order of its first run, then by phase, PPR and LPR.
    pub fn of(rows: &[RunRow]) -> Vec<Self> {
        let rows: Vec<&RunRow> = rows.iter().filter(|row| row.metrics.is_some()).collect();
        let mut groups: Vec<Vec<&RunRow>> = Vec::new();
        for &row in &rows {
            match groups.iter_mut().find(|group| key(group[0]) == key(row)) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        let first = |study| rows.iter().position(|row| row.study == study);
        groups.sort_by_key(|group| {
            let (study, point) = key(group[0]);
            (first(study), point.phase, point.scratch, point.ppr, point.lpr)
        });
        groups.iter().map(|group| Self::of_group(group)).collect()
    }

    /// Whether the run is one of these.
    pub fn holds(&self, row: &RunRow) -> bool {
        row.metrics.is_some() && key(row) == (self.study, self.point)
    }

    fn of_group(group: &[&RunRow]) -> Self {
        let spread = |share: fn(&Metrics) -> Option<Ratio>| {
            let shares = group.iter().filter_map(|row| share(row.metrics.as_ref()?)?.share());
            Spread::of(&shares.collect::<Vec<_>>())
        };
        let row = group[0];
        Self {
            study: row.study,
            study_name: row.study_name.clone(),
            trigger: row.trigger.clone(),
            point: RunPoint { seed: 0, ..row.point },
            seeds: group.len(),
            ca: spread(|metrics| Some(metrics.ca)),
            asr: spread(|metrics| Some(metrics.asr)),
            ra: spread(|metrics| Some(metrics.ra)),
            top5: spread(|metrics| metrics.top5),
        }
    }
}

fn key(row: &RunRow) -> (StudyId, RunPoint) {
    (row.study, RunPoint { seed: 0, ..row.point })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        RunId, RunState,
        progress::Progress,
        run::{Phase, RunPoint},
        study::{HeadInit, ProbeOptimizer},
    };

    fn row(study: u64, lpr: u32, seed: u64, hits: u32) -> RunRow {
        let ratio = Ratio { hits, total: 10 };
        RunRow {
            id: RunId::from_parts(seed, [lpr as u8; 10]),
            study: StudyId::from_parts(study, [0; 10]),
            study_name: format!("study {study}"),
            dataset: "shapes".into(),
            trigger: "blended stripes 0.40".into(),
            trigger_kind: "blended".into(),
            strength: 0.4,
            optimizer: ProbeOptimizer::Lars,
            head_init: HeadInit::Normal,
            point: RunPoint { phase: Phase::Probe, ppr: 0, lpr, seed, scratch: false },
            parent: None,
            state: RunState::Done,
            progress: Progress::default(),
            metrics: Some(Metrics { ca: ratio, asr: ratio, ra: ratio, top5: None }),
            created_at: 0,
            started_at: None,
            ended_at: None,
            error: None,
        }
    }

    #[test]
    fn seeds_become_one_line() {
        let mut unfinished = row(1, 7, 1, 0);
        unfinished.metrics = None;
        let rows = [unfinished, row(2, 3, 1, 4), row(1, 0, 1, 9), row(2, 0, 1, 1), row(2, 3, 2, 6)];
        let lines = OverSeeds::of(&rows);
        let told: Vec<_> = lines.iter().map(|it| (it.point.lpr, it.seeds)).collect();
        assert_eq!(told, [(0, 1), (3, 2), (0, 1)], "the study that came first stays first");
        let spread = lines[1].ca.expect("two seeds");
        assert!((spread.mean - 0.5).abs() < 1e-12);
        assert_eq!(lines[1].top5, None);
        let held: Vec<_> = rows.iter().map(|row| lines[1].holds(row)).collect();
        assert_eq!(held, [false, true, false, false, true]);
    }
}
