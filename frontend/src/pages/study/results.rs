//! The results table: CA, ASR and RA of every classifier with their 95 % Wilson intervals.

use leptos::prelude::*;
use shared::{
    Ratio, RunId, RunKind,
    api::{RunRow, StudyDetail},
    metric::Test,
    run::RunPoint,
    verdict::Pairs,
};

use crate::{
    components::{StateBadge, format},
    run_name::{besides, label, value},
};

/// A share with its interval.
#[component]
pub fn ShareCell(
    /// The share; a dash without one.
    ratio: Option<Ratio>,
    /// Class of the colour: `clean`, `triggered` or nothing.
    colour: &'static str,
    /// Name of the column, for narrow screens.
    #[prop(into)]
    label: String,
    /// Whether it is left out where there is little room.
    #[prop(optional)]
    spare: bool,
    /// The difference from another run, below it.
    #[prop(optional_no_strip)]
    difference: Option<String>,
) -> impl IntoView {
    match ratio {
        Some(ratio) => view! {
            <td class="number share" class:wide-only=spare data-label=label>
                <span class="share-line">
                    {(!colour.is_empty()).then(|| view! { <IntervalBar ratio colour/> })}
                    <strong class=colour>{format::percent(ratio)}</strong>
                    <span class="interval">{format::interval(ratio)}</span>
                </span>
                {difference.map(|text| view! { <span class="sub">{text}</span> })}
            </td>
        }
        .into_any(),
        None => view! { <td class="number muted" class:wide-only=spare data-label=label>"–"</td> }
            .into_any(),
    }
}

/// A share's interval on a scale from 0 to 100 %, with the share as a line.
#[component]
fn IntervalBar(ratio: Ratio, colour: &'static str) -> impl IntoView {
    ratio.share().zip(ratio.wilson95()).map(|(share, interval)| {
        let percent = |share: f64| format!("{:.2}%", share * 100.0);
        view! {
            <span class=format!("range {colour}") aria-hidden="true">
                <span
                    class="range-interval"
                    style:left=percent(interval.low)
                    style:width=percent(interval.high - interval.low)
                ></span>
                <span class="range-share" style:left=percent(share)></span>
            </span>
        }
    })
}

/// The text beside the heading: the number of validation images, if all runs have the same, and what the intervals are.
pub fn note(study: Memo<Option<StudyDetail>>) -> Memo<String> {
    Memo::new(move |_| study.with(|study| study.as_ref().map(note_of).unwrap_or_default()))
}

fn note_of(study: &StudyDetail) -> String {
    let counted = |neighbours: bool| {
        let runs = study.runs.iter().filter(move |run| {
            run.point.kind.classifies() && (run.point.kind == RunKind::Knn) == neighbours
        });
        let mut counts =
            runs.filter_map(|run| run.metrics.map(|metrics| (metrics.ca.total, metrics.asr.total)));
        counts.next().filter(|first| counts.all(|other| other == *first))
    };
    let images = |(clean, triggered): (u32, u32)| {
        let (clean, triggered) = (format::count(clean.into()), format::count(triggered.into()));
        format!("{clean} clean and {triggered} triggered images")
    };
    let mut parts: Vec<String> = counted(false).map(images).into_iter().collect();
    parts.extend(counted(true).map(|counts| format!("nearest neighbours: {}", images(counts))));
    parts.push("95 % Wilson intervals".into());
    parts.join(", ")
}

/// The run that differs from this one by its encoder alone, which is clean.
fn baseline<'a>(run: &RunRow, rows: &'a [RunRow]) -> Option<&'a RunRow> {
    if !run.point.attacks_encoder() || run.point.scratch {
        return None;
    }
    let point = run.point.on_clean_encoder();
    let same = |row: &&RunRow| {
        row.point == point && row.varied_beside_attack().eq(run.varied_beside_attack())
    };
    rows.iter().find(same)
}

/// How much the ASR differs from that of the same training on the clean encoder: the text of the cell and its explanation.
fn against_clean(run: &RunRow, rows: &[RunRow], pairs: &Pairs) -> Option<(String, String)> {
    let baseline = baseline(run, rows)?;
    let (first, second) = (baseline.metrics?, run.metrics?);
    let difference = pairs.asr((baseline.id, &first), (run.id, &second))?;
    let by = match difference.test {
        Test::McNemar => "McNemar's exact test on the same images",
        _ => "of two shares, because a run has kept no predictions by image",
    };
    let sign = if difference.mean < 0.0 { "−" } else { "+" };
    let text = format!("{sign}{:.1}", difference.mean.abs());
    let (clean, p) = (first.asr.percent().unwrap_or_default(), difference.probability());
    Some((text, format!("{clean:.1} % on the clean encoder; {p} ({by})")))
}

/// Seconds that a run took; `None` before it is over.
fn seconds(run: &RunRow) -> Option<f64> {
    Some(run.ended_at?.saturating_sub(run.started_at?) as f64 / 1000.0)
}

/// The settings that need an extra column: those varied in any run that have no fixed one.
fn varied_paths(rows: &[RunRow]) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for (path, _) in rows.iter().flat_map(|run| besides(&run.varied)) {
        if !paths.iter().any(|known| known == path) {
            paths.push(path.to_owned());
        }
    }
    paths.sort_unstable();
    paths
}

/// The table of the study's classifiers.
#[component]
pub fn Results(
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// The run that is shown.
    selected: Memo<Option<RunId>>,
    /// What is known of its classifiers image by image.
    pairs: Memo<Pairs>,
) -> impl IntoView {
    // Steps come many times a second and change nothing here.
    let rows = Memo::new(move |_| {
        study.with(|study| {
            let runs = study.iter().flat_map(|study| &study.runs);
            let probes = runs.filter(|run| !run.point.kind.makes_encoder());
            probes
                .map(|run| RunRow { progress: shared::Progress::default(), ..run.clone() })
                .collect::<Vec<_>>()
        })
    });
    let top5 = Memo::new(move |_| {
        rows.with(|rows| {
            rows.iter().any(|run| run.metrics.is_some_and(|metrics| metrics.top5.is_some()))
        })
    });
    let varied = Memo::new(move |_| rows.with(|rows| varied_paths(rows)));
    let lines = move || {
        let (top5, varied) = (top5.get(), varied.get());
        rows.with(|rows| {
            let line = |run: &RunRow| {
                let against = pairs.with(|pairs| against_clean(run, rows, pairs));
                view! { <Line run=run.clone() against selected top5 varied=varied.clone()/> }
            };
            rows.iter().map(line).collect_view()
        })
    };
    let headers = move || {
        let header =
            |path: String| view! { <th scope="col" title=path.clone()>{label(&path)}</th> };
        varied.get().into_iter().map(header).collect_view()
    };
    view! {
        <div class="table-box table-plain">
            <table class="table table-cards results">
                <caption class="visually-hidden">"Results of the classifiers"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Run"</th>
                        <th scope="col" class="number" title="Poisoned images of each poisoned class in pre-training">"PPR"</th>
                        <th scope="col" class="number" title="Poisoned images of each poisoned class in the classifier's training: the probe's LPR, fine-tuning's FPR">"LPR, FPR"</th>
                        {headers}
                        <th scope="col" class="number">"Seed"</th>
                        <th scope="col" class="number" title="Clean accuracy: clean validation images that are classified correctly">"CA"</th>
                        <Show when=move || top5.get()>
                            <th scope="col" class="number wide-only" title="Clean images whose true class is among the five with the highest scores">
                                "Top-5"
                            </th>
                        </Show>
                        <th scope="col" class="number" title="Attack success rate: triggered images of the attacked classes that get the class that the attacker wants">"ASR"</th>
                        <th scope="col" class="number" title="ASR less that of the same training on the clean encoder, in points; a cell tells p, by McNemar's exact test where both runs have kept their predictions by image">"ASR vs clean"</th>
                        <th scope="col" class="number" title="Robust accuracy: triggered images that are classified as their true class">"RA"</th>
                        <th scope="col" class="number">"Time"</th>
                        <th scope="col">"State"</th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </table>
        </div>
    }
}

/// The PPR; a dash if nothing was pre-trained.
pub fn ppr_text(point: RunPoint) -> String {
    if point.scratch { "–".into() } else { point.ppr.to_string() }
}

#[component]
fn Line(
    run: RunRow,
    /// The difference from the clean encoder: text and explanation.
    against: Option<(String, String)>,
    selected: Memo<Option<RunId>>,
    /// Whether the table has a column for top-5 accuracy.
    top5: bool,
    /// The settings that have a column, by path.
    varied: Vec<String>,
) -> impl IntoView {
    let id = run.id;
    let metrics = run.metrics;
    let current = move || (selected.get() == Some(id)).then_some("true");
    let cells = varied
        .into_iter()
        .map(|path| {
            let text = run.varied.get(&path).map_or_else(|| "–".into(), |its| value(&path, its));
            view! { <td data-label=label(&path)>{text}</td> }
        })
        .collect_view();
    let time = seconds(&run).map_or_else(|| "–".into(), format::duration);
    view! {
        <tr aria-current=current>
            <th scope="row">
                <a class="row-link" href=format!("?run={id}") data-noscroll>
                    {run.point.title()}
                </a>
            </th>
            <td class="number" data-label="PPR">{ppr_text(run.point)}</td>
            <td class="number" data-label=run.point.rate_name()>{run.point.lpr}</td>
            {cells}
            <td class="number" data-label="Seed">{run.point.seed}</td>
            <ShareCell ratio=metrics.map(|metrics| metrics.ca) colour="clean" label="CA"/>
            {top5
                .then(|| {
                    let ratio = metrics.and_then(|metrics| metrics.top5);
                    view! { <ShareCell ratio colour="clean" label="Top-5" spare=true/> }
                })}
            <ShareCell ratio=metrics.map(|metrics| metrics.asr) colour="triggered" label="ASR"/>
            {match against {
                Some((text, why)) => view! { <td class="number" data-label="ASR vs clean" title=why>{text}</td> }.into_any(),
                None => view! { <td class="number muted" data-label="ASR vs clean">"–"</td> }.into_any(),
            }}
            <ShareCell ratio=metrics.map(|metrics| metrics.ra) colour="" label="RA"/>
            <td class="number muted" data-label="Time">{time}</td>
            <td data-label="State">
                <span class="state-cell">
                    <StateBadge state=run.shown_state()/>
                    {run.reused.then(|| view! { <span class="muted small" title="Taken from an earlier study">"reused"</span> })}
                </span>
            </td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        api::PairedRuns,
        metric::Discordant,
        study::{Axis, presets},
    };

    use super::*;

    #[test]
    fn the_difference_from_the_same_training_on_a_clean_encoder() {
        let point = RunPoint {
            kind: RunKind::Probe,
            ppr: 0,
            lpr: 3,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let clean = crate::fixture::done(crate::fixture::row(point), 0.9, 0.2);
        let attacked = RunPoint { ppr: 10, ..point };
        let attacked = crate::fixture::done(crate::fixture::row(attacked), 0.9, 0.7);
        let rows = [clean.clone(), attacked.clone()];
        let (text, why) =
            against_clean(&attacked, &rows, &Pairs::default()).expect("a clean encoder");
        assert_eq!(
            (text.as_str(), why.as_str()),
            (
                "+50.0",
                "20.0 % on the clean encoder; p < .001 (of two shares, because a run has kept no predictions by image)"
            )
        );
        assert_eq!(against_clean(&clean, &rows, &Pairs::default()), None);
        let (total, id) = (attacked.metrics.expect("a result").asr.total, attacked.id);
        let (first, second) = (0, total / 2);
        let asr = Discordant { first, second, total };
        let pair = PairedRuns { first: clean.id, second: id, ca: Discordant::default(), asr };
        let (_, why) = against_clean(&attacked, &rows, &[pair][..].into()).expect("a pair");
        assert!(why.ends_with("(McNemar's exact test on the same images)"), "{why}");
        let other = RunRow { point: RunPoint { seed: 2, ..attacked.point }, ..attacked };
        assert_eq!(
            against_clean(&other, &rows, &Pairs::default()),
            None,
            "another seed is another encoder"
        );
    }

    #[test]
    fn varied_settings_have_columns_but_poisons_and_seeds() {
        let mut spec = presets()[0].spec.clone();
        spec.axes.push(Axis::of("attack.trigger.ratio", [0.2, 0.3]));
        let study = crate::fixture::study(spec);
        assert_eq!(varied_paths(&study.runs), ["attack.trigger.ratio"]);
        let point = RunPoint::of(RunKind::Probe, &study.spec.settings);
        assert!(varied_paths(&[crate::fixture::row(point)]).is_empty());
    }
}
