//! The table of means: selected runs that agree in the table's columns, except for the seed, form one row.

use leptos::prelude::*;
use shared::{
    api::{ColumnKind, Mean, ResultGroup, ResultGroups},
    param::{Value, lower},
};

use super::{
    Explorer,
    table::{Head, Shown, kind_title, no_rows, shown},
    view::{LIMIT, View, repeats},
};
use crate::{
    api,
    components::{Fetched, Pager, fetched, format},
    run_name::value,
};

/// A mean with its deviation and interval: `43.1`, `± 0.8 (41.2–45.0)`. The interval of a share stays within 0 and 100.
fn texts(mean: &Mean, share: bool) -> (String, Option<String>) {
    let number = |number: f64| if share { format!("{number:.1}") } else { format::number(number) };
    let limit = |number: f64| if share { number.clamp(0.0, 100.0) } else { number };
    let interval = mean.low.zip(mean.high).map(|(low, high)| {
        format!("± {} ({}–{})", number(mean.deviation), number(limit(low)), number(limit(high)))
    });
    (number(mean.mean), interval)
}

fn address(view: &View, columns: &[Shown]) -> Option<String> {
    let names = |metric: bool| {
        let names = columns.iter().filter(|column| (column.kind == ColumnKind::Metric) == metric);
        names.map(|column| column.name.as_str()).collect::<Vec<_>>().join(",")
    };
    let of = names(true);
    if of.is_empty() {
        return None;
    }
    let known =
        |sort: &&str| columns.iter().any(|column| column.name == sort.trim_start_matches('-'));
    let sort = Some(view.sort.as_str()).filter(known).unwrap_or_default();
    let query = api::query(&[
        ("filter", &view.filter),
        ("by", &names(false)),
        ("of", &of),
        ("sort", sort),
        ("offset", &view.offset.to_string()),
        ("limit", &LIMIT.to_string()),
    ]);
    Some(format!("/results/groups{query}"))
}

/// The columns of the table: what each run has for itself, and the seed, would leave one run in a group.
pub fn grouped(explorer: Explorer) -> Memo<Vec<Shown>> {
    let all = shown(explorer);
    Memo::new(move |_| {
        let grouping = |column: &Shown| {
            explorer.columns.with(|known| {
                known.iter().any(|it| {
                    it.name == column.name && (repeats(it) || it.kind == ColumnKind::Metric)
                })
            })
        };
        let mut columns = all.get();
        columns.retain(|column| column.name != "seed" && grouping(column));
        columns
    })
}

/// The table.
#[component]
pub fn Means(explorer: Explorer) -> impl IntoView {
    let view = explorer.view;
    let columns = grouped(explorer);
    let answer: Fetched<ResultGroups> =
        fetched(move || view.with(|view| columns.with(|columns| address(view, columns))));
    let total = Memo::new(move |_| answer.value().map_or(0, |groups| groups.total));
    let wide = move || (columns.with(Vec::len) + 1).to_string();
    let rows = move || match answer.get() {
        Some(Ok(groups)) if !groups.groups.is_empty() => {
            let columns = columns.get();
            let line = |group: ResultGroup| line(&group, &columns);
            groups.groups.into_iter().map(line).collect_view().into_any()
        }
        other => {
            let retry = Callback::new(move |()| answer.refetch());
            no_rows(other.and_then(Result::err), answer.get().is_none(), wide(), retry)
        }
    };
    let over = move || {
        let over = answer.value()?.over;
        let titles = explorer.columns.with(|columns| {
            let title = |name: &String| {
                columns
                    .iter()
                    .find(|column| column.name == *name)
                    .map(|column| lower(&column.title))
            };
            over.iter().filter_map(title).collect::<Vec<_>>()
        });
        let over = match titles.len() {
            0 => "runs that agree in all settings".to_owned(),
            1..=4 => titles.join(", "),
            more => format!("{} and {} more settings", titles[..3].join(", "), more - 3),
        };
        Some(format!(
            "Means over {over}, with the sample standard deviation and the 95 % interval of the mean (Student's t). To keep a setting \
             apart, add it as a column."
        ))
    };
    view! {
        // On a narrow screen nothing in it takes the focus, and it scrolls.
        <div class="table-box" tabindex="0" role="region" aria-label="Means">
            <table class="table table-cards runs" id="means">
                <caption class="visually-hidden">"Means over runs; press a column's head to sort"</caption>
                <thead>
                    <tr>
                        {move || {
                            columns
                                .get()
                                .into_iter()
                                .map(|column| view! { <Head explorer column/> })
                                .collect_view()
                        }}
                        <th scope="col" class="number">"Runs"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="muted small">{over}</p>
        <Pager
            offset=Signal::derive(move || view.with(|view| view.offset))
            limit=LIMIT
            total
            go=Callback::new(move |offset: u64| explorer.change(|view| view.offset = offset))
        />
    }
}

fn line(group: &ResultGroup, columns: &[Shown]) -> AnyView {
    let cells = columns.iter().enumerate().map(|(at, column)| {
        let head = column.head.clone();
        if column.kind != ColumnKind::Metric {
            let text = match group.settings.get(&column.name) {
                None => "–".to_owned(),
                Some(Value::Text(kind)) if column.name == "kind" => kind_title(kind),
                Some(its) => value(&column.name, its),
            };
            return if at == 0 {
                view! { <th scope="row" data-label=head>{text}</th> }.into_any()
            } else {
                view! { <td class:number=column.number data-label=head>{text}</td> }.into_any()
            };
        }
        let colour = match column.name.as_str() {
            "ca" | "top5" => "clean",
            "asr" => "triggered",
            _ => "",
        };
        match group.metrics.get(&column.name) {
            None => view! { <td class="number muted" data-label=head>"–"</td> }.into_any(),
            Some(mean) => {
                let (text, interval) = texts(mean, head.ends_with('%'));
                view! {
                    <td class="number share" data-label=head>
                        <span class="share-line">
                            <strong class=colour>{text}</strong>
                            {interval.map(|text| view! { <span class="interval">{text}</span> })}
                        </span>
                    </td>
                }
                .into_any()
            }
        }
    });
    let cells = cells.collect_view();
    let runs = format::count(group.runs.into());
    view! { <tr>{cells}<td class="number" data-label="Runs">{runs}</td></tr> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_seeds_have_a_deviation_and_an_interval() {
        let mean = Mean { n: 2, mean: 98.0, deviation: 1.41, low: Some(85.3), high: Some(110.7) };
        assert_eq!(texts(&mean, true), ("98.0".into(), Some("± 1.4 (85.3–100.0)".into())));
        let one = Mean { n: 1, low: None, high: None, ..mean };
        assert_eq!(texts(&one, true), ("98.0".into(), None));
    }

    #[test]
    fn runs_are_grouped_by_the_shown_columns() {
        let column = |name: &str, kind| Shown {
            name: name.into(),
            head: name.into(),
            title: name.into(),
            number: true,
            kind,
        };
        let columns =
            [column("probe.poisons", ColumnKind::Setting), column("asr", ColumnKind::Metric)];
        let view = View { sort: "-asr".into(), ..View::default() };
        assert_eq!(
            address(&view, &columns).as_deref(),
            Some("/results/groups?by=probe.poisons&of=asr&sort=-asr&offset=0&limit=50")
        );
        assert_eq!(address(&view, &columns[..1]), None, "no metric to average");
    }
}
