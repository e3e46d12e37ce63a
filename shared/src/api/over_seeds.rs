//! Results over seeds: runs of a study that differ only in the seed form one line.

use std::collections::BTreeMap;

use super::RunRow;
use crate::{
    id::StudyId,
    metric::{Metrics, Ratio, Spread},
    param::Value,
    run::RunPoint,
};

/// Finished classifiers of one study at one point, over all seeds; shares in 0–1.
#[derive(Clone, Debug, PartialEq)]
pub struct OverSeeds {
    /// The study.
    pub study: StudyId,
    /// Its name.
    pub study_name: String,
    /// Short label of the trigger.
    pub trigger: String,
    /// Kind and poisons, with seed 0.
    pub point: RunPoint,
    /// The other settings that the study varies.
    pub varied: BTreeMap<String, Value>,
    /// Number of runs.
    pub seeds: usize,
    /// Clean accuracy.
    pub ca: Option<Spread>,
    /// Attack success rate.
    pub asr: Option<Spread>,
    /// Robust accuracy.
    pub ra: Option<Spread>,
    /// Top-5 clean accuracy, if there is one.
    pub top5: Option<Spread>,
}

impl OverSeeds {
    /// The lines of the runs that have a result: by study in the order of its first run, then by kind, PPR and LPR, then in the
    /// order of the first run.
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
            let (study, point, _) = key(group[0]);
            (first(study), point.kind, point.scratch, point.implanted, point.ppr, point.lpr)
        });
        groups.iter().map(|group| Self::of_group(group)).collect()
    }

    /// Whether the run belongs to this line.
    pub fn holds(&self, row: &RunRow) -> bool {
        row.metrics.is_some() && key(row) == (self.study, self.point, self.varied.clone())
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
            varied: key(row).2,
            seeds: group.len(),
            ca: spread(|metrics| Some(metrics.ca)),
            asr: spread(|metrics| Some(metrics.asr)),
            ra: spread(|metrics| Some(metrics.ra)),
            top5: spread(|metrics| metrics.top5),
        }
    }
}

fn key(row: &RunRow) -> (StudyId, RunPoint, BTreeMap<String, Value>) {
    let varied = row.varied_besides().map(|(path, value)| (path.to_owned(), value.clone()));
    (row.study, RunPoint { seed: 0, ..row.point }, varied.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RunId, api::finished_probe, run::RunPoint, run_kind::RunKind};

    fn row(study: u64, lpr: u32, seed: u64, hits: u32) -> RunRow {
        let ratio = Ratio { hits, total: 10 };
        let point = RunPoint {
            kind: RunKind::Probe,
            ppr: 0,
            lpr,
            seed,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let result = Metrics { ca: ratio, asr: ratio, ra: ratio, ..Metrics::default() };
        let id = RunId::from_parts(seed, [lpr as u8; 10]);
        RunRow {
            study_name: format!("study {study}"),
            ..finished_probe(id, StudyId::from_parts(study, [0; 10]), point, result)
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

    #[test]
    fn runs_that_differ_in_another_varied_setting_are_other_lines() {
        let varied = |seed, ratio: f64| {
            let paths = [("attack.trigger.ratio", ratio), ("seed", seed as f64)];
            let varied = paths.map(|(path, value)| (path.to_owned(), value.into())).into();
            RunRow { varied, ..row(1, 0, seed, 5) }
        };
        let lines = OverSeeds::of(&[varied(1, 0.2), varied(2, 0.2), varied(1, 0.3)]);
        let told: Vec<_> = lines.iter().map(|line| (line.seeds, line.varied.len())).collect();
        assert_eq!(told, [(2, 1), (1, 1)]);
    }
}
