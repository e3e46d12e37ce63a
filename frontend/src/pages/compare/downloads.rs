//! The table as a file: all rows that the filter selects, with the columns that are shown.

use leptos::prelude::*;
use shared::api::ColumnKind;

use super::{
    Explorer,
    means::grouped,
    table::{Shown, shown, sorted_by},
    view::{Rows, View},
};
use crate::{
    api,
    components::{Glyph, Icon},
};

/// The kinds of files, with their names for people.
const FORMATS: [(&str, &str); 4] =
    [("csv", "CSV"), ("json", "JSON"), ("parquet", "Parquet"), ("tex", "LaTeX")];

/// The parameters of the file with these columns; `None` where the table has no metric to average.
fn parameters(view: &View, columns: &[Shown]) -> Option<Vec<(&'static str, String)>> {
    let names = |wanted: fn(&Shown) -> bool| {
        let names = columns.iter().filter(|column| wanted(column));
        names.map(|column| column.name.as_str()).collect::<Vec<_>>().join(",")
    };
    let mut pairs = vec![("filter", view.filter.clone())];
    if view.rows == Rows::Means {
        let of = names(|column| column.kind == ColumnKind::Metric);
        if of.is_empty() {
            return None;
        }
        pairs.push(("by", names(|column| column.kind != ColumnKind::Metric)));
        pairs.push(("of", of));
        let known = |column: &Shown| column.name == view.sort.trim_start_matches('-');
        if columns.iter().any(known) {
            pairs.push(("sort", view.sort.clone()));
        }
    } else {
        pairs.push(("columns", names(|_| true)));
        pairs.push(("sort", sorted_by(view).to_owned()));
    }
    Some(pairs)
}

/// Links to the table of runs, or of means, as a file.
#[component]
pub fn TableFiles(explorer: Explorer) -> impl IntoView {
    let (each, means) = (shown(explorer), grouped(explorer));
    let links = move || {
        let columns =
            if explorer.view.with(|view| view.rows == Rows::Means) { means } else { each };
        let pairs = explorer.view.with(|view| columns.with(|columns| parameters(view, columns)))?;
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let query = api::query(&pairs);
        let link = |(format, name): (&'static str, &'static str)| {
            view! {
                <a
                    class="button button-quiet button-small"
                    href=api::address(format!("/results/table.{format}{query}"))
                    download
                    rel="external"
                    aria-label=format!("Download the table as {name}")
                >
                    <Icon glyph=Glyph::Download/>
                    {name}
                </a>
            }
        };
        Some(FORMATS.map(link).collect_view())
    };
    view! { <div class="figure-links">{links}</div> }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::column;

    #[test]
    fn a_file_has_the_rows_and_columns_of_the_table() {
        let columns = [
            column("kind", ColumnKind::Run, 2),
            column("probe.poisons", ColumnKind::Setting, 2),
            column("asr", ColumnKind::Metric, 4),
        ];
        let columns: Vec<Shown> = columns.iter().map(Shown::of).collect();
        let of = |view: &View| {
            let pairs = parameters(view, &columns).expect("a file");
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let mut view = View { filter: "ca > 50".into(), ..View::default() };
        assert_eq!(
            of(&view),
            ["filter=ca > 50", "columns=kind,probe.poisons,asr", "sort=-created"]
        );
        (view.rows, view.sort) = (Rows::Means, "-asr".into());
        assert_eq!(of(&view), ["filter=ca > 50", "by=kind,probe.poisons", "of=asr", "sort=-asr"]);
        view.sort = "created".into();
        assert_eq!(of(&view).len(), 3, "a column that the table lacks");
        assert_eq!(parameters(&view, &columns[..2]), None, "nothing to average");
    }
}
