//! The table of all runs.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use shared::RunId;

use super::{
    column::{Coded, Column, Measures, Numbers, UnknownName, Values, View},
    metric::{self, Info, Metric},
    nearest::nearest,
    row::{Row, RowError, Study},
    selection::Selection,
    value::{Entry, Types, Value},
};

/// The name of the list of studies, which is not a column: `"my study" in studies`.
pub(super) const STUDIES: &str = "studies";

/// Runs as columns. Rows are dense: the last row takes the place of a removed row.
#[derive(Clone, Debug)]
pub struct Table {
    places: HashMap<RunId, u32>,
    /// All rows by time of creation, then by identifier.
    order: Vec<u32>,
    runs: Vec<RunId>,
    digests: Vec<Box<str>>,
    /// Unix milliseconds: whole numbers far below 2^53.
    created: Vec<f64>,
    ended: Vec<f64>,
    kinds: Values,
    states: Values,
    pub(super) studies: Coded<Arc<[Study]>>,
    settings: BTreeMap<String, Values>,
    metrics: BTreeMap<String, Measures>,
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Table {
    /// A table without rows that knows the metrics of [`metric::KNOWN`].
    pub fn new() -> Self {
        let known = metric::KNOWN.iter().filter_map(|known| {
            let info = metric::info(known.name)?;
            Some((known.name.to_owned(), Measures::missing(0, info, known.measure, true)))
        });
        Self {
            places: HashMap::new(),
            order: Vec::new(),
            runs: Vec::new(),
            digests: Vec::new(),
            created: Vec::new(),
            ended: Vec::new(),
            kinds: Values::missing(0, Types::TEXT),
            states: Values::missing(0, Types::TEXT),
            studies: Coded::missing(0),
            settings: BTreeMap::new(),
            metrics: known.collect(),
        }
    }

    /// Declares a setting before any row has it, so that expressions may name it. The types are
    /// those that its values can have.
    ///
    /// # Errors
    /// When the name already refers to another column.
    pub fn declare_setting(&mut self, path: &str, types: Types) -> Result<(), RowError> {
        self.check_setting(path)?;
        let rows = self.len();
        let values =
            self.settings.entry(path.to_owned()).or_insert_with(|| Values::missing(rows, types));
        values.declared = values.declared | types;
        Ok(())
    }

    /// Number of runs.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether the table has no runs.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether the run is in the table.
    pub fn contains(&self, run: RunId) -> bool {
        self.places.contains_key(&run)
    }

    /// Adds a run. Takes time proportional to the number of its columns; a run created earlier than
    /// others also shifts these in the order.
    ///
    /// # Errors
    /// When the run is already in the table, or a name or a metric conflicts with the columns; the
    /// table is then unchanged.
    pub fn insert(&mut self, row: &Row) -> Result<(), RowError> {
        if self.contains(row.run) {
            return Err(RowError::Twice(row.run));
        }
        self.check(row)?;
        let place = self.len();
        self.runs.push(row.run);
        self.digests.push(row.digest.clone());
        self.created.push(row.created as f64);
        self.ended.push(time(row.ended));
        self.kinds.coded.push(text(&row.kind));
        self.states.coded.push(text(row.state.as_str()));
        self.studies.push(studies(row));
        for (path, column) in &mut self.settings {
            column.coded.push(row.settings.get(path).and_then(Entry::of));
        }
        for (name, column) in &mut self.metrics {
            column.push(row.metrics.get(name).map(|metric| metric.measure));
        }
        self.add_columns(row, place);
        self.places.insert(row.run, place as u32);
        self.enter_order(place as u32);
        Ok(())
    }

    /// Replaces a run, or adds it; returns whether it was in the table.
    ///
    /// # Errors
    /// When a name or a metric conflicts with the columns; the table is then unchanged.
    pub fn replace(&mut self, row: &Row) -> Result<bool, RowError> {
        let Some(&place) = self.places.get(&row.run) else {
            return self.insert(row).map(|()| false);
        };
        self.check(row)?;
        self.leave_order(place);
        let at = place as usize;
        self.digests[at].clone_from(&row.digest);
        self.created[at] = row.created as f64;
        self.ended[at] = time(row.ended);
        self.kinds.coded.set(at, text(&row.kind));
        self.states.coded.set(at, text(row.state.as_str()));
        self.studies.set(at, studies(row));
        for (path, column) in &mut self.settings {
            column.coded.set(at, row.settings.get(path).and_then(Entry::of));
        }
        for (name, column) in &mut self.metrics {
            column.set(at, row.metrics.get(name).map(|metric| metric.measure));
        }
        self.add_columns(row, at);
        self.drop_unused_columns();
        self.enter_order(place);
        Ok(true)
    }

    /// Removes a run; returns whether it was in the table.
    pub fn remove(&mut self, run: RunId) -> bool {
        let Some(place) = self.places.remove(&run) else { return false };
        self.leave_order(place);
        let (at, last) = (place as usize, self.len() - 1);
        if at != last {
            // The last row moves, so its entry in the order changes.
            let moved = self.place_in_order(last as u32);
            self.order[moved] = place;
            self.places.insert(self.runs[last], place);
        }
        self.runs.swap_remove(at);
        self.digests.swap_remove(at);
        self.created.swap_remove(at);
        self.ended.swap_remove(at);
        self.kinds.coded.swap_remove(at);
        self.states.coded.swap_remove(at);
        self.studies.swap_remove(at);
        for column in self.settings.values_mut() {
            column.coded.swap_remove(at);
        }
        for column in self.metrics.values_mut() {
            column.swap_remove(at);
        }
        self.drop_unused_columns();
        true
    }

    /// Releases unused capacity.
    pub fn shrink(&mut self) {
        self.places.shrink_to_fit();
        self.order.shrink_to_fit();
        self.runs.shrink_to_fit();
        self.digests.shrink_to_fit();
        self.created.shrink_to_fit();
        self.ended.shrink_to_fit();
        self.studies.codes.shrink_to_fit();
        let settings = self.settings.values_mut();
        for column in settings.chain([&mut self.kinds, &mut self.states]) {
            column.coded.codes.shrink_to_fit();
        }
        for column in self.metrics.values_mut() {
            match &mut column.numbers {
                Numbers::Ratio(ratios) => ratios.shrink_to_fit(),
                Numbers::Real(numbers) => numbers.shrink_to_fit(),
            }
        }
    }

    /// The row of a run.
    pub fn get(&self, run: RunId) -> Option<Row> {
        self.places.get(&run).map(|&place| self.row(place))
    }

    /// All runs in the order of creation.
    pub fn all(&self) -> Selection<'_> {
        Selection::new(self, self.order.clone())
    }

    /// The column that a name refers to.
    ///
    /// # Errors
    /// When there is none; the error suggests the nearest name.
    pub fn column(&self, name: &str) -> Result<Column, UnknownName> {
        if let Some(column) = Column::OF_EVERY_RUN.into_iter().find(|it| it.name() == name) {
            Ok(column)
        } else if self.settings.contains_key(name) {
            Ok(Column::Setting(name.to_owned()))
        } else if self.metrics.contains_key(name) {
            Ok(Column::Metric(name.to_owned()))
        } else {
            let of_every_run = Column::OF_EVERY_RUN.iter().map(Column::name);
            let names = self.settings.keys().chain(self.metrics.keys()).map(String::as_str);
            let nearest = nearest(name, names.chain(of_every_run).chain([STUDIES]));
            Err(UnknownName { name: name.to_owned(), nearest: nearest.map(str::to_owned) })
        }
    }

    /// The paths of the settings that some row has or that were declared, sorted.
    pub fn settings(&self) -> impl Iterator<Item = &str> {
        self.settings.keys().map(String::as_str)
    }

    /// The types of a column's values.
    pub fn types(&self, column: &Column) -> Types {
        if *column == Column::Run { Types::TEXT } else { self.view(column).types() }
    }

    /// What a metric is; `None` if no run has it.
    pub(super) fn metric(&self, name: &str) -> Option<&Info> {
        self.metrics.get(name).map(|column| &column.info)
    }

    /// The names of the metrics, sorted.
    pub(super) fn metrics(&self) -> impl Iterator<Item = &str> {
        self.metrics.keys().map(String::as_str)
    }

    pub(super) fn view(&self, column: &Column) -> View<'_> {
        match column {
            Column::Run => {
                let texts = self.runs.iter().map(|run| run.to_string().into_boxed_str());
                View::Texts(texts.collect())
            }
            Column::Digest => View::Texts(self.digests.as_slice().into()),
            Column::Kind => View::Values(&self.kinds),
            Column::State => View::Values(&self.states),
            Column::Created => View::Numbers(&self.created),
            Column::Ended => View::Numbers(&self.ended),
            Column::Setting(path) => self.settings.get(path).map_or(View::Absent, View::Values),
            Column::Metric(name) => match self.metrics.get(name).map(|column| &column.numbers) {
                None => View::Absent,
                Some(Numbers::Ratio(ratios)) => View::Ratios(ratios),
                Some(Numbers::Real(numbers)) => View::Numbers(numbers),
            },
        }
    }

    /// The rows by time of creation.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    pub(super) fn run(&self, place: u32) -> RunId {
        self.runs[place as usize]
    }

    pub(super) fn row(&self, place: u32) -> Row {
        let at = place as usize;
        let settings = self.settings.iter();
        let metrics = self.metrics.iter().filter_map(|(name, column)| {
            let metric = Metric { info: column.info.clone(), measure: column.get(at)? };
            Some((name.clone(), metric))
        });
        Row {
            run: self.runs[at],
            kind: text_of(&self.kinds, at).into(),
            digest: self.digests[at].clone(),
            state: text_of(&self.states, at).parse().expect("written as a state"),
            studies: self.studies.get(at).map(|studies| studies.to_vec()).unwrap_or_default(),
            created: self.created[at] as u64,
            ended: (!self.ended[at].is_nan()).then(|| self.ended[at] as u64),
            settings: settings
                .filter_map(|(path, column)| Some((path.clone(), column.get(at)?.clone())))
                .collect(),
            metrics: metrics.collect(),
        }
    }

    /// Checks for everything that would make the table refuse a row.
    fn check(&self, row: &Row) -> Result<(), RowError> {
        for path in row.settings.keys() {
            self.check_setting(path)?;
        }
        for (name, metric) in &row.metrics {
            let taken = of_every_run(name).or_else(|| {
                let setting = self.settings.contains_key(name) || row.settings.contains_key(name);
                setting.then_some("a setting")
            });
            if let Some(taken) = taken {
                return Err(RowError::NameTaken { what: "metric", name: name.clone(), taken });
            }
            let same = self.metrics.get(name).is_none_or(|column| {
                column.kind() == metric.measure.kind() && column.info.unit == metric.info.unit
            });
            if !same {
                return Err(RowError::OtherMeasure(name.clone()));
            }
        }
        Ok(())
    }

    fn check_setting(&self, path: &str) -> Result<(), RowError> {
        let metric = || self.metrics.contains_key(path).then_some("a metric");
        match of_every_run(path).or_else(metric) {
            Some(taken) => {
                Err(RowError::NameTaken { what: "setting", name: path.to_owned(), taken })
            }
            None => Ok(()),
        }
    }

    /// Adds the columns that only this row has.
    fn add_columns(&mut self, row: &Row, place: usize) {
        let rows = self.len();
        for (path, value) in &row.settings {
            if let Some(entry) = Entry::of(value)
                && !self.settings.contains_key(path)
            {
                let mut column = Values::missing(rows, Types::NONE);
                column.coded.set(place, Some(entry));
                self.settings.insert(path.clone(), column);
            }
        }
        for (name, metric) in &row.metrics {
            if metric.measure.number().is_some() && !self.metrics.contains_key(name) {
                let kind = metric.measure.kind();
                let mut column = Measures::missing(rows, metric.info.clone(), kind, false);
                column.set(place, Some(metric.measure));
                self.metrics.insert(name.clone(), column);
            }
        }
    }

    /// Drops the columns that neither a row nor a declaration needs.
    fn drop_unused_columns(&mut self) {
        self.settings
            .retain(|_, column| column.declared != Types::NONE || !column.coded.is_empty());
        self.metrics.retain(|_, column| !column.is_unused());
    }

    /// Time of creation and identifier of a row: the key of the order.
    fn age(&self, place: u32) -> (u64, RunId) {
        (self.created[place as usize] as u64, self.runs[place as usize])
    }

    fn enter_order(&mut self, place: u32) {
        let age = self.age(place);
        let at = self.order.partition_point(|&other| self.age(other) < age);
        self.order.insert(at, place);
    }

    fn leave_order(&mut self, place: u32) {
        let at = self.place_in_order(place);
        self.order.remove(at);
    }

    fn place_in_order(&self, place: u32) -> usize {
        let age = self.age(place);
        self.order.partition_point(|&other| self.age(other) < age)
    }
}

/// Describes what has a reserved name, which no setting and no metric may have.
fn of_every_run(name: &str) -> Option<&'static str> {
    let taken = name == STUDIES || Column::OF_EVERY_RUN.iter().any(|it| it.name() == name);
    taken.then_some("what every run has")
}

fn text(text: &str) -> Option<Entry> {
    Entry::of(&text.into())
}

/// The text of a row in a column that has one for each row.
fn text_of(values: &Values, row: usize) -> &str {
    match values.get(row) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

fn time(time: Option<u64>) -> f64 {
    time.map_or(f64::NAN, |time| time as f64)
}

fn studies(row: &Row) -> Option<Arc<[Study]>> {
    (!row.studies.is_empty()).then(|| row.studies.clone().into())
}

#[cfg(test)]
mod tests;
