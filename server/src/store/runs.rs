//! Runs: the table with its filters and orders, and single runs.

use shared::{
    Digest, RunId, RunKind, RunState, Settings, StudyId,
    api::{Page, RunRow},
};
use sqlx::{QueryBuilder, Sqlite};

use super::{
    Store, StoreError,
    row::{COLUMNS, UNDER_OWN_STUDY, parse, run_row, stored},
    studies::from_json,
};

/// Maximum size of a page of a list.
pub const MAX_PAGE: u32 = 1000;

/// Which runs; `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Of this study.
    pub study: Option<StudyId>,
    /// Of this kind.
    pub kind: Option<RunKind>,
    /// In this state.
    pub state: Option<RunState>,
    /// On this data set.
    pub dataset: Option<String>,
    /// With this trigger, by its kind or its label.
    pub trigger: Option<String>,
    /// With this text in the study's name, the trigger's label or the data set's name.
    pub search: Option<String>,
}

/// Sort orders of the table of runs. Ties are in the order of creation; runs without a value come last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunSort {
    /// Time of creation.
    #[default]
    Created,
    /// Study's name.
    Study,
    /// Kind.
    Kind,
    /// Poisons per class in pre-training.
    Ppr,
    /// Poisons per class in the probe.
    Lpr,
    /// Seed.
    Seed,
    /// Clean accuracy.
    Ca,
    /// Attack success rate.
    Asr,
    /// Robust accuracy.
    Ra,
    /// State.
    State,
    /// Trigger's strength.
    Strength,
}

impl RunSort {
    /// All orders.
    pub const ALL: [Self; 11] = [
        Self::Created,
        Self::Study,
        Self::Kind,
        Self::Ppr,
        Self::Lpr,
        Self::Seed,
        Self::Ca,
        Self::Asr,
        Self::Ra,
        Self::State,
        Self::Strength,
    ];

    /// The order's name in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Study => "study",
            Self::Kind => "kind",
            Self::Ppr => "ppr",
            Self::Lpr => "lpr",
            Self::Seed => "seed",
            Self::Ca => "ca",
            Self::Asr => "asr",
            Self::Ra => "ra",
            Self::State => "state",
            Self::Strength => "strength",
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Created => "key",
            Self::Study => "study_name",
            other => other.as_str(),
        }
    }
}

impl std::str::FromStr for RunSort {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|sort| sort.as_str()).collect();
            format!("runs can be sorted by {}, not by {text:?}", names.join(", "))
        })
    }
}

/// A page of the table of runs.
#[derive(Clone, Debug, Default)]
pub struct RunQuery {
    /// Which runs.
    pub filter: RunFilter,
    /// In which order.
    pub sort: RunSort,
    /// Whether the order is reversed.
    pub descending: bool,
    /// Number of runs to skip.
    pub offset: u64,
    /// Maximum number of runs, capped at [`MAX_PAGE`].
    pub limit: u32,
}

/// The folder of a run, and the study that it is shown under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyFolder {
    /// The folder below the data folder.
    pub folder: String,
    /// The study.
    pub study: StudyId,
    /// Its name.
    pub name: String,
}

impl Store {
    /// The folders of all runs.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn study_folders(&self) -> Result<Vec<StudyFolder>, StoreError> {
        let rows: Vec<(String, String, String)> =
            sqlx::query_as("SELECT folder, study, study_name FROM runs")
                .fetch_all(self.readers())
                .await?;
        let folder = |(folder, study, name): (String, String, String)| {
            Ok(StudyFolder {
                folder,
                study: super::row::parse(&study, "a study's identifier")?,
                name,
            })
        };
        rows.into_iter().map(folder).collect()
    }

    /// Number of runs in each state; states without one are left out.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn count_runs(&self) -> Result<Vec<(RunState, u64)>, StoreError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, count(*) FROM runs GROUP BY state")
                .fetch_all(self.readers())
                .await?;
        rows.iter()
            .map(|(state, count)| Ok((super::row::parse(state, "a state")?, count.unsigned_abs())))
            .collect()
    }

    /// A page of the table of runs.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn list_runs(&self, query: &RunQuery) -> Result<Page<RunRow>, StoreError> {
        let index = index_for(&query.filter);
        let mut count = QueryBuilder::new(format!("SELECT count(*) FROM runs {index}"));
        push_filter(&mut count, &query.filter);
        let total: u64 = count.build_query_scalar().fetch_one(self.readers()).await?;

        let direction = if query.descending { "DESC" } else { "ASC" };
        let order = match query.sort {
            RunSort::Created => format!("key {direction}"),
            // Only these may lack a value.
            RunSort::Ca | RunSort::Asr | RunSort::Ra => {
                format!("{} {direction} NULLS LAST, key {direction}", query.sort.column())
            }
            _ => format!("{} {direction}, key {direction}", query.sort.column()),
        };
        // First the keys, from the index only, then the rows of this page.
        let mut list = QueryBuilder::new(format!(
            "SELECT {COLUMNS} FROM {UNDER_OWN_STUDY} WHERE r.key IN (SELECT key FROM runs {index}"
        ));
        push_filter(&mut list, &query.filter);
        list.push(format!(" ORDER BY {order} LIMIT "));
        list.push_bind(i64::from(query.limit.min(MAX_PAGE)));
        list.push(" OFFSET ").push_bind(stored(query.offset));
        list.push(format!(") ORDER BY r.{order}"));
        let rows = list.build().fetch_all(self.readers()).await?;
        let items = rows.iter().map(run_row).collect::<Result<_, _>>()?;
        Ok(Page { items, total, offset: query.offset })
    }

    /// A run.
    ///
    /// # Errors
    /// When there is none of that identifier, or the query fails.
    pub async fn get_run(&self, run: RunId) -> Result<RunRow, StoreError> {
        let row = QueryBuilder::<Sqlite>::new(format!("SELECT {COLUMNS} FROM {UNDER_OWN_STUDY}"))
            .push(" WHERE r.id = ")
            .push_bind(run.to_string())
            .build()
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map_or_else(|| Err(StoreError::not_found("run", &run)), run_row)
    }

    /// The runs whose digest begins with these digits, from the oldest to the newest.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn runs_of_digest(&self, digits: &str) -> Result<Vec<(RunId, Digest)>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT id, digest FROM runs WHERE substr(digest, 1, length(?1)) = ?1 ORDER BY key",
        )
        .bind(digits)
        .fetch_all(self.readers())
        .await?;
        let run = |(id, digest): (String, String)| {
            Ok((parse(&id, "a run's identifier")?, Digest::stored(digest)))
        };
        rows.into_iter().map(run).collect()
    }

    /// Folder of a run below the data folder.
    ///
    /// # Errors
    /// When there is none of that identifier, or the query fails.
    pub async fn run_folder(&self, run: RunId) -> Result<String, StoreError> {
        sqlx::query_scalar("SELECT folder FROM runs WHERE id = ?")
            .bind(run.to_string())
            .fetch_optional(self.readers())
            .await?
            .ok_or_else(|| StoreError::not_found("run", &run))
    }

    /// Settings of a run.
    ///
    /// # Errors
    /// When there is none of that identifier, or the query fails.
    pub async fn run_settings(&self, run: RunId) -> Result<Settings, StoreError> {
        let text: String = sqlx::query_scalar("SELECT settings FROM runs WHERE id = ?")
            .bind(run.to_string())
            .fetch_optional(self.readers())
            .await?
            .ok_or_else(|| StoreError::not_found("run", &run))?;
        from_json(&text, "a run's settings")
    }

    /// All runs of a study in order.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn study_runs(&self, study: StudyId) -> Result<Vec<RunRow>, StoreError> {
        let rows = QueryBuilder::<Sqlite>::new(format!(
            "SELECT {COLUMNS} FROM study_runs l JOIN runs r ON r.key = l.run JOIN studies s ON s.id = l.study"
        ))
            .push(" WHERE l.study = ")
            .push_bind(study.to_string())
            .push(" ORDER BY l.place")
            .build()
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(run_row).collect()
    }

    /// The probe or fine-tuning that finished last, if one has.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn newest_result(&self) -> Result<Option<RunRow>, StoreError> {
        let row = QueryBuilder::<Sqlite>::new(format!("SELECT {COLUMNS} FROM {UNDER_OWN_STUDY}"))
            .push(
                " WHERE r.key = (SELECT key FROM runs WHERE state = 'done' AND ca IS NOT NULL AND kind <> 'knn' \
                 ORDER BY ended_at DESC, key DESC LIMIT 1)",
            )
            .build()
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(run_row).transpose()
    }

    /// The running runs, then at most `limit` of the queued ones in the order in which they start.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn jobs(&self, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let mut jobs = Vec::new();
        for state in [RunState::Running, RunState::Queued] {
            let rows =
                QueryBuilder::<Sqlite>::new(format!("SELECT {COLUMNS} FROM {UNDER_OWN_STUDY}"))
                    .push(" WHERE r.state = ")
                    .push_bind(state.as_str())
                    .push(match state {
                        RunState::Queued => " ORDER BY r.place, r.queued_at, r.key LIMIT ",
                        _ => " ORDER BY r.queued_at, r.key LIMIT ",
                    })
                    .push_bind(i64::from(limit))
                    .build()
                    .fetch_all(self.readers())
                    .await?;
            for row in &rows {
                jobs.push(run_row(row)?);
            }
        }
        Ok(jobs)
    }
}

/// The index to use. Without a filter the sort order decides, and SQLite chooses its index itself; with a filter SQLite would
/// use the index of a single column and look up every row.
fn index_for(filter: &RunFilter) -> &'static str {
    let RunFilter { study, kind, state, dataset, trigger, search } = filter;
    let filtered = kind.is_some()
        || state.is_some()
        || dataset.is_some()
        || trigger.is_some()
        || search.is_some();
    match (study, filtered) {
        // The few runs of a study are found by their keys.
        (Some(_), _) | (None, false) => "",
        (None, true) => "INDEXED BY runs_filter",
    }
}

fn push_filter(sql: &mut QueryBuilder<Sqlite>, filter: &RunFilter) {
    sql.push(" WHERE 1");
    let exact = [
        ("kind", filter.kind.map(|kind| kind.as_str().to_owned())),
        ("state", filter.state.map(|state| state.as_str().to_owned())),
        ("dataset", filter.dataset.clone()),
    ];
    for (column, value) in exact {
        if let Some(value) = value {
            sql.push(format!(" AND {column} = ")).push_bind(value);
        }
    }
    if let Some(study) = filter.study {
        sql.push(" AND key IN (SELECT run FROM study_runs WHERE study = ");
        sql.push_bind(study.to_string()).push(")");
    }
    if let Some(trigger) = &filter.trigger {
        sql.push(" AND (trigger_kind = ").push_bind(trigger.clone());
        sql.push(" OR trigger_label = ").push_bind(trigger.clone()).push(")");
    }
    if let Some(pattern) = filter.search.as_deref().and_then(search_pattern) {
        sql.push(" AND (study_name REGEXP ").push_bind(pattern.clone());
        sql.push(" OR trigger_label REGEXP ").push_bind(pattern.clone());
        sql.push(" OR dataset REGEXP ").push_bind(pattern).push(")");
    }
}

/// The regular expression that finds `text` anywhere, in capitals or not, in any script; `None` if the text is empty. `LIKE` knows the
/// capitals of ASCII only, and takes patterns of up to 50,000 bytes.
pub(super) fn search_pattern(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| format!("(?i){}", regex::escape(text)))
}
