//! The pivot table: means over runs, with the values of one setting down and those of another one across.

use leptos::prelude::*;
use shared::{
    api::{Pivot, PivotCell, PlotAxis, PlotData, PlotKind, ResultColumn},
    chart::{FigureKind, note_of_means},
};

use super::{
    Explorer,
    controls::{ColumnChoice, Takes},
    figure::query,
    table::no_rows,
    view::{Axes, PivotColumns, View},
};
use crate::{
    chart::Downloads,
    components::{Fetched, Glyph, Icon, fetched, format},
};

/// The columns of the table, where the address leaves them open those that fit: as in a grid.
fn columns_of(view: &View, columns: &[ResultColumn]) -> PivotColumns {
    let PivotColumns { rows, columns: across, shows } = view.pivot.clone();
    let grid = View { kind: PlotKind::Heat, x: across, y: rows, colour: shows, ..View::default() };
    let Axes { x, y, colour, .. } = Axes::of(&grid, columns);
    PivotColumns { rows: y, columns: x, shows: colour }
}

/// The parameters of a request for the grid with these columns.
fn parameters(filter: &str, of: &PivotColumns) -> Vec<(&'static str, String)> {
    vec![
        ("filter", filter.to_owned()),
        ("kind", PlotKind::Heat.as_str().into()),
        ("x", of.columns.clone()),
        ("y", of.rows.clone()),
        ("colour", of.shows.clone()),
    ]
}

/// Takes another setting for the rows or the columns; where it is that of the other side, the two change places.
fn take(shown: &PivotColumns, rows: bool, name: String) -> PivotColumns {
    let mut next = shown.clone();
    let (one, other) = if rows {
        (&mut next.rows, &mut next.columns)
    } else {
        (&mut next.columns, &mut next.rows)
    };
    if *other == name {
        std::mem::swap(one, other);
    } else {
        *one = name;
    }
    next
}

/// The table with its choices.
#[component]
pub fn PivotTable(explorer: Explorer) -> impl IntoView {
    let view = explorer.view;
    let ready = Memo::new(move |_| explorer.columns.with(|columns| !columns.is_empty()));
    let shown = Memo::new(move |_| {
        view.with(|view| explorer.columns.with(|columns| columns_of(view, columns)))
    });
    let asked = Memo::new(move |_| {
        let filter = view.with(|view| view.filter.clone());
        ready.get().then(|| shown.with(|shown| parameters(&filter, shown)))
    });
    let grid: Fetched<PlotData> =
        fetched(move || Some(format!("/results/plot{}", query(&asked.get()?))));
    let choice = move |label: &'static str,
                       takes: Takes,
                       value: fn(&PivotColumns) -> &String,
                       choose: Callback<String>| {
        view! {
            <ColumnChoice
                explorer
                label=Signal::stored(label)
                value=Signal::derive(move || shown.with(|shown| value(shown).clone()))
                takes=Signal::stored(takes)
                choose
            />
        }
    };
    let set = move |change: Box<dyn FnOnce(&PivotColumns) -> PivotColumns>| {
        let next = shown.with_untracked(change);
        explorer.change(|view| view.pivot = next);
    };
    let side = move |rows: bool| {
        Callback::new(move |name: String| set(Box::new(move |shown| take(shown, rows, name))))
    };
    let shows = Callback::new(move |name: String| {
        set(Box::new(|shown| PivotColumns { shows: name, ..shown.clone() }));
    });
    let table = move || match grid.get() {
        Some(Ok(data)) if data.drawn > 0 => table(&data),
        other => {
            let retry = Callback::new(move |()| grid.refetch());
            let loading = grid.get().is_none();
            let row = no_rows(other.and_then(Result::err), loading, "1".into(), retry);
            view! { <table class="table"><tbody>{row}</tbody></table> }.into_any()
        }
    };
    let links = move || {
        let downloads = Downloads { more: asked.get()?, ..Downloads::default() };
        let link = |format: &'static str, name: &'static str| {
            view! {
                <a
                    class="button button-quiet button-small"
                    href=downloads.address(FigureKind::Plot, format)
                    download
                    rel="external"
                    aria-label=format!("Download the pivot table as {name}")
                >
                    <Icon glyph=Glyph::Download/>
                    {name}
                </a>
            }
        };
        grid.value().filter(|data| data.drawn > 0)?;
        Some(view! { <div class="figure-links">{link("csv", "CSV")} {link("tex", "LaTeX")}</div> })
    };
    let note = move || grid.value().filter(|data| data.drawn > 0).map(|data| note_of_means(&data));
    view! {
        <Show when=move || ready.get()>
            <div class="plot-columns">
                {choice("Rows", Takes::Groups, |shown| &shown.rows, side(true))}
                {choice("Columns", Takes::Groups, |shown| &shown.columns, side(false))}
                {choice("Shows", Takes::Metrics, |shown| &shown.shows, shows)}
                {links}
            </div>
        </Show>
        <div class="table-box" tabindex="0" role="region" aria-label="Pivot table">{table}</div>
        <p class="muted small">{note}</p>
    }
}

fn table(data: &PlotData) -> AnyView {
    let metric = data.colour.clone().unwrap_or_default();
    let colour = if metric.name == "ca" { "clean" } else { "triggered" };
    // A grid of the page has no panels.
    let Some(pivot) = Pivot::all(data).into_iter().next() else { return ().into_any() };
    let heads = pivot.columns.iter();
    let heads = heads.map(|name| view! { <th scope="col" class="number">{name.clone()}</th> });
    let heads = heads.collect_view();
    let lines = pivot.rows.into_iter().zip(pivot.cells).map(|(name, cells)| {
        let cells = cells.into_iter().map(|cell| view_of(cell, &metric, colour)).collect_view();
        view! { <tr><th scope="row">{name}</th>{cells}</tr> }
    });
    view! {
        <table class="table pivot" id="pivot">
            <caption class="visually-hidden">{format!("{} by {} and {}", metric.label(), data.y.title, data.x.title)}</caption>
            <thead>
                <tr>
                    <th scope="col" rowspan="2">{data.y.label()}</th>
                    <th scope="colgroup" colspan=pivot.columns.len().to_string()>{data.x.label()}</th>
                </tr>
                <tr>{heads}</tr>
            </thead>
            <tbody>{lines.collect_view()}</tbody>
        </table>
    }
    .into_any()
}

fn view_of(cell: Option<PivotCell>, metric: &PlotAxis, colour: &'static str) -> AnyView {
    let Some(cell) = cell else {
        return view! { <td class="number muted">"–"</td> }.into_any();
    };
    let range =
        cell.range.map(|(low, high)| format!("({}–{})", metric.bare(low), metric.bare(high)));
    let tint = (metric.unit == "%").then(|| format!("{:.1}%", cell.mean.clamp(0.0, 100.0)));
    view! {
        <td class=format!("number share pivot-{colour}") style=("--share", tint) title=format::things(cell.runs.into(), "run", "runs")>
            <strong>{metric.bare(cell.mean)}</strong>
            {range.map(|range| view! { <span class="interval">{range}</span> })}
        </td>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use shared::api::ColumnKind;

    use super::*;
    use crate::fixture::column;

    #[test]
    fn rows_and_columns_are_settings_that_differ() {
        let columns = [
            column("attack.trigger.ratio", ColumnKind::Setting, 2),
            column("probe.poisons", ColumnKind::Setting, 3),
            column("asr", ColumnKind::Metric, 6),
        ];
        let names = |of: &PivotColumns| [of.rows.clone(), of.columns.clone(), of.shows.clone()];
        let shown = columns_of(&View::default(), &columns);
        assert_eq!(names(&shown), ["attack.trigger.ratio", "probe.poisons", "asr"]);
        let swapped = take(&shown, true, "probe.poisons".into());
        assert_eq!(names(&swapped), ["probe.poisons", "attack.trigger.ratio", "asr"]);
        let other = take(&shown, false, "seed".into());
        assert_eq!(names(&other), ["attack.trigger.ratio", "seed", "asr"]);
        let view = View { pivot: swapped.clone(), ..View::default() };
        assert_eq!(columns_of(&view, &columns), swapped);
        let asked = parameters("ca > 1", &shown);
        assert!(asked.contains(&("x", "probe.poisons".into())) && asked.len() == 5);
    }
}
