//! Which columns a table of runs and a table of groups have.

use std::rc::Rc;

use shared::param::{Domain, SETTINGS, Setting, title};

use super::{
    Export,
    columns::{Class, Head, Values},
};
use crate::results::{
    Column, Selection, Types, UnknownName,
    column::{MISSING, View},
    group::GroupError,
    metric::{self, Info},
    table::{STUDIES, Table},
};

impl<'t> Export<'t> {
    /// The table of the selected runs, in their order.
    ///
    /// `names` are its columns: settings, metrics, what every run has, and `studies`. Without names it has the settings that
    /// differ between the runs and the metrics that some run has; before them, unless it is for readers, run, kind and state.
    ///
    /// # Errors
    /// When a name refers to no column; the error suggests the nearest name.
    pub fn runs(
        selection: &Selection<'t>,
        names: &[String],
        filter: Option<&str>,
        for_readers: bool,
    ) -> Result<Self, UnknownName> {
        let table = selection.table();
        let places: Rc<[u32]> = selection.places().into();
        let heads = if names.is_empty() {
            usual(table, &places, for_readers)
                .into_iter()
                .map(|it| head(table, &it, &places))
                .collect()
        } else {
            let named = |name: &String| {
                if name == STUDIES {
                    return Ok(studies(table, &places));
                }
                Ok(head(table, &table.column(name)?, &places))
            };
            names.iter().map(named).collect::<Result<_, UnknownName>>()?
        };
        Ok(Self {
            heads,
            rows: places.len(),
            filter: filter.map(str::to_owned),
            note: "shares with their 95 % intervals by Wilson".into(),
        })
    }

    /// The table of groups of the selected runs, in the order of their first runs: the columns of `by`, the number of
    /// runs, and the means of the columns of `of`.
    ///
    /// # Errors
    /// When a column of `by` has a value for each run, or one of `of` is not a metric.
    pub fn groups(
        selection: &Selection<'t>,
        by: &[Column],
        of: &[Column],
        filter: Option<&str>,
    ) -> Result<Self, GroupError> {
        let table = selection.table();
        let found = selection.group(by, of)?;
        let groups = found.groups;
        let keys = by.iter().enumerate().map(|(at, column)| {
            let values = groups.iter().map(|group| group.key[at].clone()).collect();
            Head { values: Values::Keys(values), ..head(table, column, &Rc::from([])) }
        });
        let counts = Head {
            name: "runs".into(),
            title: "Runs".into(),
            unit: String::new(),
            digits: None,
            class: Class::Whole,
            values: Values::Counts(groups.iter().map(|group| group.runs).collect()),
        };
        let means = of.iter().enumerate().map(|(at, column)| {
            let means = groups.iter().map(|group| group.metrics[at]).collect();
            let head = head(table, column, &Rc::from([]));
            Head { class: Class::Mean, values: Values::Means(means), ..head }
        });
        let heads = keys.chain([counts]).chain(means).collect();
        let over: Vec<_> = found.over.iter().map(Column::name).collect();
        let over = if over.is_empty() { "equal runs".to_owned() } else { over.join(", ") };
        let note = format!("means over {over} with half of their 95 % intervals by Student's t");
        Ok(Self { heads, rows: groups.len(), filter: filter.map(str::to_owned), note })
    }
}

impl From<GroupError> for shared::FieldError {
    fn from(error: GroupError) -> Self {
        let field = if matches!(error, GroupError::Of(_)) { "of" } else { "by" };
        Self::new(field, error.to_string())
    }
}

/// The columns of a table of runs that names none.
fn usual(table: &Table, places: &[u32], for_readers: bool) -> Vec<Column> {
    let identity = [Column::Run, Column::Kind, Column::State];
    let identity = identity.into_iter().filter(|_| !for_readers);
    let differs = |column: &Column| match table.view(column) {
        View::Values(values) => {
            let mut codes = places.iter().map(|&place| values.coded.codes[place as usize]);
            let first = codes.find(|&code| code != MISSING);
            codes.any(|code| code != MISSING && Some(code) != first)
        }
        _ => false,
    };
    let measured = |column: &Column| {
        let view = table.view(column);
        places.iter().any(|&place| !view.number(place as usize).is_nan())
    };
    let kind = [Column::Kind].into_iter().filter(|column| for_readers && differs(column));
    let settings = in_order(table.settings()).map(|path| Column::Setting(path.to_owned()));
    let metrics = known_first(table.metrics()).map(|name| Column::Metric(name.to_owned()));
    let settings = settings.filter(|column| differs(column));
    identity.chain(kind).chain(settings).chain(metrics.filter(|column| measured(column))).collect()
}

/// Paths in the order of a study's file; then those that no file of this version has.
fn in_order<'a>(paths: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let mut paths: Vec<_> = paths.collect();
    let place = |path: &str| SETTINGS.iter().position(|setting| setting.path == path);
    paths.sort_by_cached_key(|path| place(path).unwrap_or(usize::MAX));
    paths.into_iter()
}

/// Names of metrics in the order of [`metric::KNOWN`]; then the others.
fn known_first<'a>(names: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let mut names: Vec<_> = names.collect();
    let place = |name: &str| metric::KNOWN.iter().position(|known| known.name == name);
    names.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
    names.into_iter()
}

fn studies<'t>(table: &'t Table, places: &Rc<[u32]>) -> Head<'t> {
    Head {
        name: STUDIES.into(),
        title: "Studies".into(),
        unit: String::new(),
        digits: None,
        class: Class::Text,
        values: Values::Studies { studies: &table.studies, places: places.clone() },
    }
}

fn head<'t>(table: &'t Table, column: &Column, places: &Rc<[u32]>) -> Head<'t> {
    let view = table.view(column);
    let info = match column {
        Column::Metric(name) => table.metric(name),
        _ => None,
    };
    let setting = SETTINGS.iter().find(|setting| setting.path == column.name());
    let (title, unit) = match (info, setting) {
        (Some(info), _) => (info.title.to_string(), info.unit.to_string()),
        (None, Some(setting)) => (title(setting.path).unwrap_or_default(), setting.unit.to_owned()),
        (None, None) => (capitalised(column.name()), String::new()),
    };
    Head {
        name: column.name().to_owned(),
        title,
        unit,
        digits: info.map(digits),
        class: class(column, setting, &view),
        values: Values::View { view, places: places.clone() },
    }
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Decimals of a metric for readers: shares as the pages show them, losses to tell epochs apart.
fn digits(info: &Info) -> usize {
    match info.unit.as_ref() {
        "nats" => 3,
        "images/s" => 0,
        _ => 1,
    }
}

fn class(column: &Column, setting: Option<&Setting>, view: &View<'_>) -> Class {
    match (column, view) {
        (Column::Created | Column::Ended, _) => Class::Time,
        (_, View::Ratios(_)) => Class::Ratio,
        _ => match view.types() {
            Types::NUMBER => {
                let whole = setting.is_some_and(|it| matches!(it.domain, Domain::Whole { .. }));
                if whole { Class::Whole } else { Class::Number }
            }
            Types::SWITCH => Class::Switch,
            _ => Class::Text,
        },
    }
}
