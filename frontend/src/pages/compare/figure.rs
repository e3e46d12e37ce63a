//! The figure of the selected runs.

use leptos::prelude::*;
use shared::{
    api::{PlotData, PlotKind, RunRow},
    chart::{EpochSeries, Figure, FigureKind, accuracy_by_epoch, asr_by_poison, plot},
};

use super::{
    Explorer,
    controls::Controls,
    defences::{Defences, NEWEST_CURVES, NEWEST_ENCODERS},
    view::{Axes, MOST_LINES, View},
};
use crate::{
    api,
    chart::{Brushed, Downloads, FigureBox, Hiding},
    components::{Fetched, ProblemBox, fetched, format},
};

/// The figure with its controls.
#[component]
pub fn FigurePanel(explorer: Explorer) -> impl IntoView {
    let view = explorer.view;
    let figure = Memo::new(move |_| view.with(|view| view.figure));
    let axes = Memo::new(move |_| {
        view.with(|view| explorer.columns.with(|columns| Axes::of(view, columns)))
    });
    // The columns decide what is asked for, so the first request waits for them.
    let ready = Memo::new(move |_| explorer.columns.with(|columns| !columns.is_empty()));
    let asked = Memo::new(move |_| {
        (ready.get() && figure.get().is_none())
            .then(|| view.with(|view| axes.with(|axes| axes.parameters(view))))
    });
    let numbers: Fetched<PlotData> = fetched(move || {
        // Looks need no other numbers.
        let parameters = asked.get()?;
        let data = parameters
            .into_iter()
            .filter(|(name, _)| !["whole", "front", "trend", "hide"].contains(name));
        Some(format!("/results/plot{}", query(&data.collect::<Vec<_>>())))
    });
    let rows: Fetched<Vec<RunRow>> = fetched(move || {
        let wanted = [FigureKind::AsrByPoison, FigureKind::AccuracyByEpoch].map(Some);
        wanted
            .contains(&figure.get())
            .then(|| format!("/compare{}", query(&classifiers(&view.get()))))
    });
    let drawn = Memo::new(move |_| {
        rows.value().map(|rows| view.with(|view| lines(&rows, view))).unwrap_or_default()
    });
    let epochs: Fetched<Vec<EpochSeries>> = fetched(move || {
        let wanted = figure.get() == Some(FigureKind::AccuracyByEpoch);
        let runs = drawn.get();
        (wanted && !runs.is_empty())
            .then(|| format!("/compare/epochs{}", api::query(&[("runs", &runs.join(","))])))
    });
    let defences = Defences::new(explorer, ready);
    let hiding = Hiding {
        hidden: Memo::new(move |_| view.with(|view| view.look.hidden.clone())).into(),
        hide: Callback::new(move |hidden| explorer.change(|view| view.look.hidden = hidden)),
    };
    let picture = Memo::new(move |_| -> Option<Figure> {
        match figure.get() {
            Some(FigureKind::AsrByPoison) => {
                rows.value().map(|rows| asr_by_poison(&rows, view.with(|view| view.published)))
            }
            Some(kind) if Defences::has(kind) => defences.picture(kind),
            Some(_) => {
                let none = drawn.with(Vec::is_empty);
                Some(accuracy_by_epoch(&epochs.value().filter(|_| !none).unwrap_or_default()))
            }
            None => numbers.value().map(|data| view.with(|view| plot(&data, &view.look))),
        }
    });
    let downloads = Signal::derive(move || {
        let more = match figure.get() {
            None => asked.get()?,
            Some(FigureKind::AccuracyByEpoch) => vec![("runs", drawn.get().join(","))],
            Some(kind) if Defences::has(kind) => defences.asked(kind)?,
            Some(_) => {
                let mut more = classifiers(&view.get());
                more.extend(view.with(|view| view.published).then(|| ("published", "true".into())));
                more
            }
        };
        Some(Downloads { more, ..Downloads::default() })
    });
    let pick = Callback::new(move |id: String| explorer.change(|view| view.toggle_run(&id)));
    let brush = Callback::new(move |area: Brushed| narrow(explorer, axes, area));
    let words = move || {
        let results = rows.value().map(|rows| rows.len());
        view.with(|view| below(view, results, drawn.with(Vec::len)))
    };
    view! {
        <section class="panel compare-figure" aria-labelledby="compare-figure">
            <h2 id="compare-figure" class="visually-hidden">"Figure"</h2>
            <div class="panel-body stack">
                <Controls explorer axes/>
                {move || {
                    let plotted = numbers.problem().filter(|_| figure.get().is_none());
                    let listed = rows.problem().or_else(|| epochs.problem()).or_else(|| defences.problem());
                    plotted
                        .or_else(|| listed.filter(|_| figure.get().is_some()))
                        // The filter's own error stands at the filter.
                        .filter(|problem| problem.errors.iter().all(|error| error.field != "filter"))
                        .map(|problem| view! { <ProblemBox problem/> })
                }}
                <Show when=move || picture.with(Option::is_some)>
                    <FigureBox
                        figure=Signal::derive(move || picture.get().unwrap_or_else(|| accuracy_by_epoch(&[])))
                        height=350
                        downloads
                        pick
                        brush
                        hiding
                    />
                </Show>
                <p class="muted small">{words}</p>
            </div>
        </section>
    }
}

/// Keeps only the runs within a rectangle of the plot.
fn narrow(explorer: Explorer, axes: Memo<Axes>, area: Brushed) {
    let names = axes.with_untracked(|axes| [axes.x.clone(), axes.y.clone()]);
    let conditions: Vec<String> = [area.x, area.y]
        .into_iter()
        .zip(&names)
        .filter_map(|(range, name)| Some(within(name, range?)))
        .collect();
    let marks = explorer.view.with_untracked(|view| {
        // Means and cells are no runs: values between them would select none.
        view.figure.is_none() && view.kind == PlotKind::Runs
    });
    if marks && !conditions.is_empty() {
        explorer.change(|view| view.narrow(&conditions.join(" && ")));
    }
}

/// What stands below the figure of the view, which shows `drawn` of these results.
fn below(view: &View, results: Option<usize>, drawn: usize) -> Option<String> {
    match view.figure {
        Some(FigureKind::AccuracyByEpoch) => left_out(results?, drawn),
        Some(FigureKind::Roc) => view.runs.is_empty().then(|| NEWEST_CURVES.to_owned()),
        Some(FigureKind::Encoders) => view.runs.is_empty().then(|| NEWEST_ENCODERS.to_owned()),
        None if view.kind == PlotKind::Runs => Some(
            "Click a mark to choose its run; drag over marks to keep only those runs.".to_owned(),
        ),
        _ => None,
    }
}

/// What a figure of the newest runs says.
fn left_out(results: usize, drawn: usize) -> Option<String> {
    let finished = format::things(results as u64, "finished run", "finished runs");
    (drawn < results)
        .then(|| format!("The newest {drawn} of {finished}: choose others in the table."))
}

pub fn query(parameters: &[(&'static str, String)]) -> String {
    let pairs: Vec<(&str, &str)> =
        parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    api::query(&pairs)
}

/// The finished classifiers of the view: the chosen runs, or all that the filter selects.
fn classifiers(view: &View) -> Vec<(&'static str, String)> {
    let filter = if view.runs.is_empty() { view.filter.clone() } else { chosen(&view.runs) };
    vec![("filter", filter)]
}

/// The filter that selects these runs.
pub fn chosen(runs: &[String]) -> String {
    let quoted: Vec<String> = runs.iter().map(|run| format!("{run:?}")).collect();
    format!("run in [{}]", quoted.join(", "))
}

/// The runs whose accuracy by epoch is drawn: the chosen ones, else the newest of `results` (which are sorted from old to new).
fn lines(results: &[RunRow], view: &View) -> Vec<String> {
    let most = if view.runs.is_empty() { MOST_LINES } else { 100 };
    let first = results.len().saturating_sub(most);
    results[first..].iter().map(|row| row.id.to_string()).collect()
}

/// The condition that a column is within a range, with as many digits as the range needs.
fn within(name: &str, (low, high): (f64, f64)) -> String {
    let mut digits = 0usize;
    let mut step = (high - low) / 100.0;
    while step < 1.0 && digits < 12 {
        step *= 10.0;
        digits += 1;
    }
    let scale = 10f64.powi(digits as i32);
    let (low, high) = ((low * scale).floor() / scale, (high * scale).ceil() / scale);
    format!("{name} >= {low} && {name} <= {high}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_needs_few_digits() {
        assert_eq!(within("ca", (80.123_456, 95.987_6)), "ca >= 80.1 && ca <= 96");
        assert_eq!(within("a.b", (0.000_123_4, 0.000_987)), "a.b >= 0.000123 && a.b <= 0.000987");
        assert_eq!(within("n", (0.0, 100_000.0)), "n >= 0 && n <= 100000");
    }

    #[test]
    fn chosen_runs_are_a_filter() {
        let runs = ["a".to_owned(), "b".to_owned()];
        assert_eq!(chosen(&runs), "run in [\"a\", \"b\"]");
        let view = View { filter: "asr > 1".into(), ..View::default() };
        assert_eq!(classifiers(&view), [("filter", "asr > 1".to_owned())]);
    }
}
