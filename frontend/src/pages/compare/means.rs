//! The table of means: the runs of a study that differ in nothing but the seed are one line.

use leptos::prelude::*;
use shared::{
    StudyId,
    api::RunRow,
    metric::{Metrics, Ratio, Spread},
};

use crate::{
    api,
    components::{Fetched, ProblemBox, fetched, format},
};

/// Runs of one study and one point of its grid, over all seeds.
#[derive(Clone, Debug, PartialEq)]
struct Mean {
    study: StudyId,
    study_name: String,
    trigger: String,
    ppr: u32,
    lpr: u32,
    ca: Option<Spread>,
    asr: Option<Spread>,
    ra: Option<Spread>,
    seeds: usize,
}

/// The lines, by study in the order of its first run, then by PPR and LPR.
fn means(rows: &[RunRow]) -> Vec<Mean> {
    let key = |row: &RunRow| (row.study, row.point.ppr, row.point.lpr);
    let mut keys: Vec<_> = Vec::new();
    for row in rows {
        if !keys.contains(&key(row)) {
            keys.push(key(row));
        }
    }
    let first = |study| rows.iter().position(|row| row.study == study);
    keys.sort_by_key(|&(study, ppr, lpr)| (first(study), ppr, lpr));
    let mean = |wanted| {
        let of: Vec<&RunRow> = rows.iter().filter(|row| key(row) == wanted).collect();
        let spread = |pick: fn(&Metrics) -> Ratio| {
            let shares = of.iter().filter_map(|row| pick(row.metrics.as_ref()?).share());
            Spread::of(&shares.collect::<Vec<_>>())
        };
        let row = of.first()?;
        Some(Mean {
            study: row.study,
            study_name: row.study_name.clone(),
            trigger: row.trigger.clone(),
            ppr: row.point.ppr,
            lpr: row.point.lpr,
            ca: spread(|metrics| metrics.ca),
            asr: spread(|metrics| metrics.asr),
            ra: spread(|metrics| metrics.ra),
            seeds: of.len(),
        })
    };
    keys.into_iter().filter_map(mean).collect()
}

/// `43.1`, and `± 0.8` where there are several.
fn told(spread: Spread) -> (String, Option<String>) {
    let several = spread.n > 1;
    (
        format!("{:.1}", 100.0 * spread.mean),
        several.then(|| format!("± {:.1}", 100.0 * spread.deviation)),
    )
}

/// The table.
#[component]
pub fn Means(
    /// The studies of the figure, with commas between them; all without.
    studies: Memo<Option<String>>,
) -> impl IntoView {
    let results: Fetched<Vec<RunRow>> = fetched(move || {
        let studies = studies.get().unwrap_or_default();
        Some(format!("/compare{}", api::query(&[("studies", &studies)])))
    });
    let lines = move || match results.get() {
        None => view! { <tr><td colspan="7" class="loading">"Loading the results…"</td></tr> }
            .into_any(),
        Some(Err(problem)) => {
            let retry = Callback::new(move |()| results.refetch());
            view! { <tr><td colspan="7"><ProblemBox problem retry/></td></tr> }.into_any()
        }
        Some(Ok(rows)) if rows.is_empty() => view! {
            <tr><td colspan="7" class="empty-line">"No linear probe has ended yet."</td></tr>
        }
        .into_any(),
        Some(Ok(rows)) => {
            means(&rows).into_iter().map(|mean| view! { <Line mean/> }).collect_view().into_any()
        }
    };
    view! {
        <div class="table-box">
            <table class="table table-cards runs" id="means">
                <caption class="visually-hidden">"Means over the seeds of a study"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Study"</th>
                        <th scope="col" class="number">"PPR"</th>
                        <th scope="col" class="number">"LPR"</th>
                        <th scope="col" class="number">"Seeds"</th>
                        <th scope="col" class="number">"CA %"</th>
                        <th scope="col" class="number">"ASR %"</th>
                        <th scope="col" class="number">"RA %"</th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </table>
        </div>
        <p class="muted small">
            "Mean and sample standard deviation over the seeds of a study; finished linear probes only."
        </p>
    }
}

#[component]
fn Line(mean: Mean) -> impl IntoView {
    let cell = |spread: Option<Spread>, colour: &'static str, label: &'static str| {
        let (value, deviation) = spread.map_or_else(|| ("–".to_owned(), None), told);
        view! {
            <td class="number share" data-label=label>
                <span>
                    <strong class=colour>{value}</strong>
                    {deviation.map(|text| view! { <span class="interval">{text}</span> })}
                </span>
            </td>
        }
    };
    view! {
        <tr>
            <th scope="row">
                <a href=format!("/studies/{}", mean.study)>{mean.study_name}</a>
                <span class="muted small">{mean.trigger}</span>
            </th>
            <td class="number" data-label="PPR">{mean.ppr}</td>
            <td class="number" data-label="LPR">{mean.lpr}</td>
            <td class="number" data-label="Seeds">{format::count(mean.seeds as u64)}</td>
            {cell(mean.ca, "clean", "CA %")}
            {cell(mean.asr, "triggered", "ASR %")}
            {cell(mean.ra, "", "RA %")}
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        Phase, Progress, RunId, RunState,
        run::RunPoint,
        study::{HeadInit, ProbeOptimizer},
    };

    use super::*;

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
            point: RunPoint { phase: Phase::Probe, ppr: 0, lpr, seed },
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
        let rows = [row(2, 3, 1, 4), row(1, 0, 1, 9), row(2, 0, 1, 1), row(2, 3, 2, 6)];
        let means = means(&rows);
        let lines: Vec<_> = means.iter().map(|it| (it.lpr, it.seeds)).collect();
        assert_eq!(lines, [(0, 1), (3, 2), (0, 1)], "the study that came first stays first");
        let spread = means[1].ca.expect("two seeds");
        assert!((spread.mean - 0.5).abs() < 1e-12);
        assert_eq!(told(spread), ("50.0".into(), Some("± 14.1".into())));
        assert_eq!(told(means[2].asr.expect("a seed")), ("90.0".into(), None));
    }
}
