//! The table's state, as kept in the address, and the request made from it.

use shared::{RunKind, RunState, api::RunRow, chart::FigureKind};

use crate::api;

/// Rows per page of the table.
pub const LIMIT: u64 = 50;
/// Number of runs whose accuracy is drawn when none is chosen: as many as the server draws for a download.
pub const MOST_LINES: usize = 12;

/// A column that sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in the request.
    pub key: &'static str,
    /// Text of the header.
    pub name: &'static str,
    /// What it means.
    pub title: &'static str,
    /// Whether it holds numbers.
    pub number: bool,
}

/// The columns.
pub const COLUMNS: [Column; 9] = [
    Column { key: "study", name: "Study", title: "Name of the study", number: false },
    Column { key: "kind", name: "Kind", title: "What the run does", number: false },
    Column {
        key: "ppr",
        name: "PPR",
        title: "Poisoned images per non-target class in pre-training",
        number: true,
    },
    Column {
        key: "lpr",
        name: "LPR, FPR",
        title: "Poisoned images per non-target class in the classifier's training",
        number: true,
    },
    Column { key: "seed", name: "Seed", title: "Seed of the run", number: true },
    Column { key: "ca", name: "CA", title: "Clean accuracy", number: true },
    Column { key: "asr", name: "ASR", title: "Attack success rate", number: true },
    Column { key: "ra", name: "RA", title: "Robust accuracy", number: true },
    Column { key: "state", name: "State", title: "State of the run", number: false },
];

/// What the table shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableQuery {
    pub study: String,
    pub kind: String,
    pub state: String,
    pub trigger: String,
    pub search: String,
    pub sort: String,
    pub descending: bool,
    pub offset: u64,
}

impl TableQuery {
    /// The address of the rows. Values that no run can have are left out.
    pub fn path(&self) -> String {
        let kind = self.kind.parse::<RunKind>().map_or("", RunKind::as_str);
        let state = self.state.parse::<RunState>().map_or("", RunState::as_str);
        let column = COLUMNS.iter().find(|column| column.key == self.sort);
        let newest_first = column.is_none();
        let descending = if self.descending || newest_first { "true" } else { "" };
        let offset = if self.offset > 0 { self.offset.to_string() } else { String::new() };
        let query = api::query(&[
            ("study", &self.study),
            ("kind", kind),
            ("state", state),
            ("trigger", &self.trigger),
            ("search", &self.search),
            ("sort", column.map_or("created", |column| column.key)),
            ("descending", descending),
            ("offset", &offset),
            ("limit", &LIMIT.to_string()),
        ]);
        format!("/runs{query}")
    }

    /// Whether any filter is set.
    pub fn filters(&self) -> bool {
        [&self.study, &self.kind, &self.state, &self.trigger, &self.search]
            .iter()
            .any(|text| !text.is_empty())
    }
}

/// The order after a click on a header: first the more interesting direction (numbers from the highest, names from A),
/// then the reverse, then the newest first again.
pub fn clicked(sort: &str, descending: bool, column: Column) -> (Option<String>, bool) {
    let first = column.number;
    if sort != column.key {
        (Some(column.key.to_owned()), first)
    } else if descending == first {
        (Some(column.key.to_owned()), !first)
    } else {
        (None, false)
    }
}

/// The identifiers in a list separated by commas.
pub fn listed(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default().split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// The list with `id` added, or removed if it was in the list; `None` if nothing is left.
pub fn toggled(text: Option<&str>, id: &str) -> Option<String> {
    let mut ids = listed(text);
    match ids.iter().position(|known| known == id) {
        Some(place) => drop(ids.remove(place)),
        None => ids.push(id.to_owned()),
    }
    (!ids.is_empty()).then(|| ids.join(","))
}

/// The rows that a figure shows: the chosen runs, or all results.
pub fn shown(results: &[RunRow], runs: &[String]) -> Vec<RunRow> {
    results
        .iter()
        .filter(|row| runs.is_empty() || runs.contains(&row.id.to_string()))
        .cloned()
        .collect()
}

/// The runs whose accuracy by epoch is drawn: the chosen ones, else the newest of `results` (which are sorted from old to new).
pub fn lines(results: &[RunRow], runs: &[String]) -> Vec<String> {
    if runs.is_empty() {
        let first = results.len().saturating_sub(MOST_LINES);
        results[first..].iter().map(|row| row.id.to_string()).collect()
    } else {
        runs.iter().take(100).cloned().collect()
    }
}

/// The figure that the address names.
pub fn figure_kind(name: Option<&str>) -> FigureKind {
    name.and_then(|name| name.parse().ok())
        .filter(|kind| FIGURES.iter().any(|(figure, _)| figure == kind))
        .unwrap_or(FigureKind::Tradeoff)
}

/// The figures of this page.
pub const FIGURES: [(FigureKind, &str); 3] = [
    (FigureKind::Tradeoff, "CA against ASR"),
    (FigureKind::AsrByPoison, "ASR by poison count"),
    (FigureKind::AccuracyByEpoch, "Accuracy by epoch"),
];

#[cfg(test)]
mod tests {
    use shared::chart::CurveKind;

    use super::*;

    #[test]
    fn the_table_asks_for_what_the_address_says() {
        assert_eq!(TableQuery::default().path(), "/runs?sort=created&descending=true&limit=50");
        let query = TableQuery {
            kind: "probe".into(),
            state: "nonsense".into(),
            search: "a b".into(),
            sort: "asr".into(),
            offset: 50,
            ..TableQuery::default()
        };
        assert_eq!(query.path(), "/runs?kind=probe&search=a%20b&sort=asr&offset=50&limit=50");
        assert!(query.filters() && !TableQuery::default().filters());
    }

    #[test]
    fn clicks_walk_through_the_orders() {
        let asr = COLUMNS[6];
        assert_eq!(clicked("", false, asr), (Some("asr".into()), true));
        assert_eq!(clicked("asr", true, asr), (Some("asr".into()), false));
        assert_eq!(clicked("asr", false, asr), (None, false));
        assert_eq!(clicked("asr", true, COLUMNS[0]), (Some("study".into()), false));
    }

    #[test]
    fn lists_take_in_and_out() {
        let one = toggled(None, "a");
        assert_eq!(one.as_deref(), Some("a"));
        let two = toggled(one.as_deref(), "b");
        assert_eq!(two.as_deref(), Some("a,b"));
        assert_eq!(toggled(two.as_deref(), "a").as_deref(), Some("b"));
        assert_eq!(toggled(one.as_deref(), "a"), None);
        assert_eq!(listed(Some(",a,")), ["a"]);
    }

    #[test]
    fn a_page_has_three_figures() {
        assert_eq!(figure_kind(Some("asr-by-poison")), FigureKind::AsrByPoison);
        assert_eq!(figure_kind(Some("loss")), FigureKind::Tradeoff);
        assert_eq!(figure_kind(None), FigureKind::Tradeoff);
        assert!(!FIGURES.iter().any(|(kind, _)| *kind == FigureKind::Curve(CurveKind::Loss)));
    }
}
