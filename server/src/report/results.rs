//! The tables of results.

use shared::{
    Ratio,
    api::{MeanPercent, OverSeeds, RunRow},
    metric::{Metrics, Spread},
};

use super::{
    html::{Cell, escape, table},
    settings::varied,
};

/// The shares of a classifier: heading, class of its colour, and how to read it of a run and of a mean.
type Share =
    (&'static str, &'static str, fn(&Metrics) -> Option<Ratio>, fn(&OverSeeds) -> Option<Spread>);

const SHARES: [Share; 4] = [
    ("CA %", "clean", |of| Some(of.ca), |of| of.ca),
    ("ASR %", "triggered", |of| Some(of.asr), |of| of.asr),
    ("RA %", "neutral", |of| Some(of.ra), |of| of.ra),
    ("Top-5 CA %", "neutral", |of| of.top5, |of| of.top5),
];

/// The means over seeds, where a point has several, and all classifiers.
pub(super) fn html(runs: &[RunRow]) -> String {
    let classifiers: Vec<_> = runs.iter().filter(|run| !run.point.kind.makes_encoder()).collect();
    let means: Vec<_> = OverSeeds::of(runs).into_iter().filter(|mean| mean.seeds > 1).collect();
    let mut html = String::new();
    if !means.is_empty() {
        html.push_str("<h3>Means over the seeds</h3>\n");
        html.push_str(&means_table(&means));
        html.push_str(
            "<p class=\"note\">Beside each mean, its 95 % interval by Student's t.</p>\n",
        );
        html.push_str("<h3>Each run</h3>\n");
    }
    html.push_str(&runs_table(&classifiers));
    let failed = classifiers.iter().filter_map(|run| Some((run, run.error.as_ref()?)));
    let failed: Vec<_> = failed
        .map(|(run, error)| format!("<li>{}: {}</li>\n", escape(&run.label()), escape(error)))
        .collect();
    if !failed.is_empty() {
        html.push_str("<h3>What failed</h3>\n<ul>\n");
        html.push_str(&failed.concat());
        html.push_str("</ul>\n");
    }
    html.push_str(
        "<p class=\"note\">CA: clean accuracy. ASR: attack success rate, the share of triggered images of the attacked classes \
         that get the class that the attacker wants. RA: robust accuracy, the share of triggered images that get their true class. Beside each share, its \
         95 % interval by Wilson. PPR, LPR, FPR: poisoned images of each class in pre-training, in the linear probe, in \
         fine-tuning.</p>\n",
    );
    html
}

/// The shares that some row has.
fn shares<'a, T>(rows: &[T], has: impl Fn(&T, &Share) -> bool + 'a) -> Vec<&'static Share> {
    SHARES.iter().filter(|share| rows.iter().any(|row| has(row, share))).collect()
}

fn means_table(means: &[OverSeeds]) -> String {
    let shares = shares(means, |mean, share| (share.3)(mean).is_some());
    let besides = means.iter().any(|mean| !mean.varied.is_empty());
    let head =
        ["Classifier", "PPR", "LPR / FPR", "Seeds"].into_iter().chain(besides.then_some("Varied"));
    let head: Vec<_> = head.chain(shares.iter().map(|share| share.0)).map(str::to_owned).collect();
    let row = |mean: &OverSeeds| {
        let mut cells = vec![
            Cell::Text(mean.point.title().into()),
            ppr(mean.point.scratch, mean.point.ppr),
            Cell::Digits(mean.point.lpr.to_string()),
            Cell::Digits(mean.seeds.to_string()),
        ];
        cells.extend(besides.then(|| {
            Cell::Text(varied(mean.varied.iter().map(|(path, value)| (path.as_str(), value))))
        }));
        cells.extend(shares.iter().map(
            |(_, class, _, of)| match of(mean).map(MeanPercent::from) {
                None => Cell::Missing,
                Some(of) => Cell::Share { class, value: of.mean, interval: of.low.zip(of.high) },
            },
        ));
        cells
    };
    table(&head, &means.iter().map(row).collect::<Vec<_>>())
}

fn runs_table(runs: &[&RunRow]) -> String {
    let shares = shares(runs, |run, share| run.metrics.as_ref().and_then(share.2).is_some());
    let besides = runs.iter().any(|run| run.varied_besides().next().is_some());
    let head =
        ["Classifier", "PPR", "LPR / FPR", "Seed"].into_iter().chain(besides.then_some("Varied"));
    let head = head.chain(shares.iter().map(|share| share.0)).chain(["State"]);
    let row = |run: &&RunRow| {
        let mut cells = vec![
            Cell::Text(run.point.title().into()),
            ppr(run.point.scratch, run.point.ppr),
            Cell::Digits(run.point.lpr.to_string()),
            Cell::Digits(run.point.seed.to_string()),
        ];
        cells.extend(besides.then(|| Cell::Text(varied(run.varied_besides()))));
        let share = |(_, class, of, _): &&'static Share| {
            let ratio = run.metrics.as_ref().and_then(of);
            let value = ratio.and_then(Ratio::percent);
            let interval = ratio.and_then(Ratio::wilson95);
            let interval = interval.map(|interval| (100.0 * interval.low, 100.0 * interval.high));
            value.map_or(Cell::Missing, |value| Cell::Share { class, value, interval })
        };
        cells.extend(shares.iter().map(share));
        cells.push(Cell::Text(run.state.to_string()));
        cells
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    table(&head.map(str::to_owned).collect::<Vec<_>>(), &rows)
}

/// The PPR; nothing where nothing was pre-trained.
fn ppr(scratch: bool, ppr: u32) -> Cell {
    if scratch { Cell::Missing } else { Cell::Digits(ppr.to_string()) }
}
