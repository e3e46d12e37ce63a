//! Studies: insert, list, get, take out.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    Digest, RunId, RunKind, RunState, Settings, StudyId, StudySpec,
    api::{Page, ReusedRun, StateCounts, StudyDetail, StudySummary},
    param::Value,
    run::RunPoint,
    settings::ProbeOptimizer,
    study::{Axes, Node, described},
};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::{
    Store, StoreError,
    queue::{requeue_needed, set_wish},
    row::{metrics, parse, stored, time},
    runs::{MAX_PAGE, search_pattern},
    state::state_event,
};

/// A study to insert.
#[derive(Clone, Debug)]
pub struct NewStudy {
    /// Identifier.
    pub id: StudyId,
    /// Unix time in milliseconds.
    pub created_at: u64,
    /// The specification.
    pub spec: StudySpec,
    /// Class names of the data set.
    pub classes: Vec<String>,
    /// Its runs; each comes after those that it needs.
    pub runs: Vec<NewRun>,
    /// Whether every run is created afresh, even if the data folder has one with the same digest.
    pub fresh: bool,
}

/// A run to insert, unless the data folder has one with the same digest.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Identifier, if it is created.
    pub id: RunId,
    /// Its kind, settings and inputs.
    pub node: Node,
}

/// What a run needs another one for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It starts from that run's checkpoint.
    Start,
    /// That run's autoencoder restores what the run, a defence, hides.
    Restorer,
}

impl Role {
    /// Its name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Restorer => "restorer",
        }
    }
}

/// A run that the data folder has.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownRun {
    /// Its key in the store.
    pub key: i64,
    /// What it does.
    pub kind: RunKind,
    /// Its folder below the data folder.
    pub folder: String,
    /// Whether other runs cannot start from it, because retention has removed its checkpoint.
    pub is_tidied: bool,
    /// Its description in a plan.
    pub run: ReusedRun,
}

/// What a list of studies is sorted by. Equal ones are sorted by creation, newest first, and those without a value come last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StudySort {
    /// When it was created.
    #[default]
    Created,
    /// Its name, in capitals or not.
    Name,
    /// Its data set.
    Dataset,
    /// How many of its runs are done.
    Done,
    /// ASR of its strongest attack.
    Asr,
    /// CA of that run.
    Ca,
}

impl StudySort {
    /// All, with their names.
    pub const ALL: [(Self, &str); 6] = [
        (Self::Created, "created"),
        (Self::Name, "name"),
        (Self::Dataset, "dataset"),
        (Self::Done, "done"),
        (Self::Asr, "asr"),
        (Self::Ca, "ca"),
    ];
}

/// A page of the list of studies.
#[derive(Clone, Debug, Default)]
pub struct StudyQuery {
    /// Only those with this text in name, tags, data set or trigger.
    pub search: Option<String>,
    /// Only archived studies, instead of the others.
    pub archived: bool,
    /// Only studies with a star.
    pub starred: bool,
    /// Only these.
    pub only: Option<BTreeSet<StudyId>>,
    /// What it is sorted by.
    pub sort: StudySort,
    /// Smallest first, instead of largest.
    pub ascending: bool,
    /// Number of studies to skip.
    pub offset: u64,
    /// Maximum number of studies, capped at [`MAX_PAGE`].
    pub limit: u32,
}

impl Store {
    /// Inserts a study and queues its runs, in one transaction. Runs that the data folder has with the same digest are reused if
    /// `usable` confirms that their folder is complete. A reused run that did not finish is queued again.
    ///
    /// # Errors
    /// When the query fails; nothing is stored then.
    pub async fn insert_study(
        &self,
        study: &NewStudy,
        usable: &(dyn Fn(RunKind, &str) -> bool + Sync),
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        insert_study_row(&mut tx, study).await?;
        let mut keys: Vec<i64> = Vec::with_capacity(study.runs.len());
        for (place, run) in study.runs.iter().enumerate() {
            let known =
                if study.fresh { None } else { find_run(&mut tx, &run.node.digest).await? };
            let known = known.filter(|known| {
                known.run.state != RunState::Done
                    || !known.is_tidied && usable(known.kind, &known.folder)
            });
            let reused = known.is_some();
            let key = match known {
                Some(known) => {
                    if known.run.state.may_become(RunState::Queued) {
                        requeue_needed(&mut tx, known.key, study.created_at).await?;
                    }
                    // Who asked last decides where a run trains that has not started.
                    if !matches!(known.run.state, RunState::Running | RunState::Done) {
                        set_wish(&mut tx, known.key, run.node.device).await?;
                    }
                    known.key
                }
                None => insert_run(&mut tx, study, run, &keys).await?,
            };
            let varied = to_json(&varied(&study.spec, &run.node.described()))?;
            list_run(&mut tx, study.id, place, key, &varied, reused).await?;
            keys.push(key);
        }
        self.commit(tx).await
    }

    /// The runs that the data folder has with these digests and that a new study would reuse.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn known_runs(
        &self,
        digests: &[Digest],
    ) -> Result<BTreeMap<Digest, KnownRun>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let mut known = BTreeMap::new();
        for digest in digests {
            if let Some(run) = find_run(&mut connection, digest).await? {
                known.insert(digest.clone(), run);
            }
        }
        Ok(known)
    }

    /// A page of the list of studies.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn list_studies(&self, query: &StudyQuery) -> Result<Page<StudySummary>, StoreError> {
        let mut count = QueryBuilder::new("SELECT count(*) FROM studies s");
        push_choice(&mut count, query)?;
        let total: u64 = count.build_query_scalar().fetch_one(self.readers()).await?;

        // The counters are columns of the study. The best run is searched among the study's runs: for the studies on this page, or for all
        // when they are sorted by it.
        let mut list = QueryBuilder::new(
            "SELECT s.id, s.created_at, s.name, s.dataset, s.spec -> '$.attack.trigger' AS trigger_spec, s.spec -> '$.axes' AS axes, s.queued, s.running, \
             s.done, s.failed, s.interrupted, s.cancelled, b.ca_hits, b.ca_total, b.asr_hits, b.asr_total, b.ra_hits, \
             b.ra_total, b.top5_hits, b.top5_total, s.spec -> '$.tags' AS tags, s.starred, s.archived FROM (SELECT s.*, ",
        );
        match query.sort {
            StudySort::Created => list.push("s.created_at"),
            StudySort::Name => list.push("lower(s.name)"),
            StudySort::Dataset => list.push("lower(s.dataset)"),
            StudySort::Done => list.push("s.done"),
            StudySort::Asr => push_best(&mut list, "r.asr"),
            StudySort::Ca => push_best(&mut list, "1.0 * r.ca_hits / r.ca_total"),
        };
        list.push(" AS sorted_by FROM studies s");
        push_choice(&mut list, query)?;
        push_order(&mut list, query);
        list.push(" LIMIT ").push_bind(i64::from(query.limit.min(MAX_PAGE)));
        list.push(" OFFSET ").push_bind(stored(query.offset));
        list.push(") s LEFT JOIN runs b ON b.key = ");
        push_best(&mut list, "r.key");
        push_order(&mut list, query);
        let rows = list.build().fetch_all(self.readers()).await?;
        let items = rows.iter().map(summary).collect::<Result<_, _>>()?;
        Ok(Page { items, total, offset: query.offset })
    }

    /// How many of these running runs each study has.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn studies_of(&self, runs: &[RunId]) -> Result<BTreeMap<StudyId, u32>, StoreError> {
        let ids: Vec<String> = runs.iter().map(ToString::to_string).collect();
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT l.study, count(*) FROM json_each(?) ids JOIN runs r ON r.id = ids.value AND r.state = 'running' \
             JOIN study_runs l ON l.run = r.key GROUP BY l.study",
        )
        .bind(to_json(&ids)?)
        .fetch_all(self.readers())
        .await?;
        rows.into_iter()
            .map(|(study, count)| Ok((parse(&study, "a study's identifier")?, count as u32)))
            .collect()
    }

    /// A study with its runs.
    ///
    /// # Errors
    /// When there is none of that identifier, or the query fails.
    pub async fn get_study(&self, study: StudyId) -> Result<StudyDetail, StoreError> {
        let row = sqlx::query(
            "SELECT created_at, spec, classes, notes, starred, archived FROM studies WHERE id = ?",
        )
        .bind(study.to_string())
        .fetch_optional(self.readers())
        .await?
        .ok_or_else(|| StoreError::not_found("study", &study))?;
        Ok(StudyDetail {
            id: study,
            created_at: time(&row, "created_at")?.unwrap_or_default(),
            spec: from_json(row.try_get(1)?, "a specification")?,
            classes: from_json(row.try_get(2)?, "class names")?,
            runs: self.study_runs(study).await?,
            notes: row.try_get(3)?,
            starred: row.try_get(4)?,
            archived: row.try_get(5)?,
        })
    }

    /// Name of a study on this data set that has queued or running runs, if there is one.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn study_using(&self, dataset: &str) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT study_name FROM runs WHERE dataset = ? AND state IN ('queued', 'running') LIMIT 1",
        )
        .bind(dataset)
        .fetch_optional(self.readers())
        .await?)
    }
}

/// The keys of the runs that only this study uses.
///
/// # Errors
/// When one of them is queued or running, there is no such study, or the query fails.
pub(super) async fn own_runs(
    tx: &mut SqliteConnection,
    study: StudyId,
) -> Result<Vec<i64>, StoreError> {
    let id = study.to_string();
    let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM studies WHERE id = ?")
        .bind(&id)
        .fetch_optional(&mut *tx)
        .await?;
    known.ok_or_else(|| StoreError::not_found("study", &study))?;
    let own: Vec<(i64, bool)> = sqlx::query_as(
        "SELECT r.key, r.state IN ('queued', 'running') FROM study_runs l JOIN runs r ON r.key = l.run WHERE l.study = ?1 \
         AND NOT EXISTS (SELECT 1 FROM study_runs o WHERE o.run = l.run AND o.study <> ?1) ORDER BY r.key",
    )
    .bind(&id)
    .fetch_all(tx)
    .await?;
    let going = own.iter().filter(|(_, going)| *going).count();
    if going > 0 {
        return Err(StoreError::Conflict(format!(
            "{going} runs of the study are queued or running; cancel the study first"
        )));
    }
    Ok(own.into_iter().map(|(key, _)| key).collect())
}

/// Removes a study's rows, with those of its own runs.
pub(super) async fn take_out(
    tx: &mut SqliteConnection,
    study: StudyId,
    own: &[i64],
) -> Result<(), StoreError> {
    let id = study.to_string();
    // A remaining run is shown under the oldest of the studies that use it.
    sqlx::query(
        "UPDATE runs SET (study, study_name) = (SELECT s.id, s.name FROM study_runs o JOIN studies s ON s.id = o.study \
         WHERE o.run = runs.key AND o.study <> ?1 ORDER BY s.created_at, s.id LIMIT 1) WHERE study = ?1 \
         AND EXISTS (SELECT 1 FROM study_runs o WHERE o.run = runs.key AND o.study <> ?1)",
    )
    .bind(&id)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM runs WHERE key IN (SELECT value FROM json_each(?))")
        .bind(to_json(&own)?)
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM studies WHERE id = ?").bind(&id).execute(tx).await?;
    Ok(())
}

/// The settings among `described` that a study varies.
pub fn varied(study: &StudySpec, described: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let paths = study.axes.iter().flat_map(|axis| &axis.paths);
    paths
        .filter_map(|path| described.get_key_value(path))
        .map(|(path, value)| (path.clone(), value.clone()))
        .collect()
}

/// The run that a study reuses for a digest: preferably a finished one, then a running or queued one, then an unfinished one.
async fn find_run(
    connection: &mut SqliteConnection,
    digest: &Digest,
) -> Result<Option<KnownRun>, StoreError> {
    let row = sqlx::query(
        "SELECT key, kind, folder, id, state, study, study_name, kind = 'pretrain' AND EXISTS (SELECT 1 FROM tidied t \
         WHERE t.run = key AND t.kept_last = 0) AS is_tidied FROM runs WHERE digest = ? ORDER BY CASE state WHEN 'done' THEN 0 \
         WHEN 'running' THEN 1 WHEN 'queued' THEN 2 ELSE 3 END, key DESC LIMIT 1",
    )
    .bind(digest.as_str())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let run = ReusedRun {
        run: parse(row.try_get("id")?, "a run's identifier")?,
        state: parse(row.try_get("state")?, "a state")?,
        study: parse(row.try_get("study")?, "a study's identifier")?,
        study_name: row.try_get("study_name")?,
    };
    let kind = parse(row.try_get("kind")?, "a kind of run")?;
    Ok(Some(KnownRun {
        key: row.try_get("key")?,
        kind,
        folder: row.try_get("folder")?,
        is_tidied: row.try_get("is_tidied")?,
        run,
    }))
}

/// Optimiser and initial weights of a run, as stored in the columns.
pub(super) fn trained_by(
    kind: RunKind,
    settings: &Settings,
) -> (Option<&'static str>, Option<&'static str>) {
    let probe = &settings.probe;
    match kind {
        RunKind::Knn | RunKind::Defence => (None, None),
        RunKind::Probe => (Some(probe.optimizer.as_str()), Some(probe.head_init.as_str())),
        RunKind::Pretrain | RunKind::Implant | RunKind::Finetune => {
            (Some(ProbeOptimizer::AdamW.as_str()), None)
        }
    }
}

/// Epochs of a run's training; 0 if nothing is trained.
fn epochs(kind: RunKind, settings: &Settings) -> u32 {
    match kind {
        RunKind::Pretrain => settings.pretrain.epochs,
        RunKind::Implant => settings.implant.epochs,
        RunKind::Knn | RunKind::Defence => 0,
        RunKind::Probe => settings.probe.epochs,
        RunKind::Finetune => settings.finetune.epochs,
    }
}

/// Inserts a study's own row.
pub(super) async fn insert_study_row(
    tx: &mut SqliteConnection,
    study: &NewStudy,
) -> Result<(), StoreError> {
    let settings = &study.spec.settings;
    sqlx::query(
        "INSERT INTO studies (id, created_at, name, dataset, trigger_label, spec, classes) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(study.id.to_string())
    .bind(stored(study.created_at))
    .bind(&study.spec.name)
    .bind(&settings.dataset.name)
    .bind(settings.attack.trigger.label())
    .bind(to_json(&study.spec)?)
    .bind(to_json(&study.classes)?)
    .execute(tx)
    .await?;
    Ok(())
}

/// Lists a run under a study. `varied` are its varied settings as JSON.
pub(super) async fn list_run(
    tx: &mut SqliteConnection,
    study: StudyId,
    place: usize,
    key: i64,
    varied: &str,
    reused: bool,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO study_runs (study, place, run, varied, reused) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(study.to_string())
    .bind(stored(place as u64))
    .bind(key)
    .bind(varied)
    .bind(reused)
    .execute(tx)
    .await?;
    Ok(())
}

/// Inserts a queued run with its inputs, and returns its key. `keys` are those of the study's earlier runs.
pub(super) async fn insert_run(
    tx: &mut SqliteConnection,
    study: &NewStudy,
    run: &NewRun,
    keys: &[i64],
) -> Result<i64, StoreError> {
    let Node { kind, settings, digest, inputs, restorer, device } = &run.node;
    let point = RunPoint::of(*kind, settings);
    let trigger = &settings.attack.trigger;
    let (optimizer, head_init) = trained_by(*kind, settings);
    // Keys of deleted runs are not used again: their study may be restored.
    let key: i64 = sqlx::query_scalar(
        "INSERT INTO runs (key, id, digest, kind, folder, settings, described, study, study_name, dataset, trigger_kind, \
         trigger_label, strength, optimizer, head_init, ppr, lpr, seed, scratch, implanted, repairs, epochs, created_at, queued_at, wish) \
         VALUES ((SELECT coalesce(max(key), 0) + 1 FROM (SELECT max(key) AS key FROM runs UNION ALL SELECT max(key) FROM deleted_runs)), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING key",
    )
    .bind(run.id.to_string())
    .bind(digest.as_str())
    .bind(kind.as_str())
    .bind(format!("runs/{}", run.id))
    .bind(to_json(settings)?)
    .bind(to_json(&described(*kind, settings))?)
    .bind(study.id.to_string())
    .bind(&study.spec.name)
    .bind(&settings.dataset.name)
    .bind(trigger.kind())
    .bind(trigger.label())
    .bind(trigger.strength())
    .bind(optimizer)
    .bind(head_init)
    .bind(point.ppr)
    .bind(point.lpr)
    .bind(point.seed.cast_signed())
    .bind(point.scratch)
    .bind(point.implanted)
    .bind(point.repairs)
    .bind(epochs(*kind, settings))
    .bind(stored(study.created_at))
    .bind(stored(study.created_at))
    .bind(device.to_string())
    .fetch_one(&mut *tx)
    .await?;
    for &input in inputs {
        let role = if Some(input) == *restorer { Role::Restorer } else { Role::Start };
        sqlx::query("INSERT INTO run_inputs (run, input, role) VALUES (?, ?, ?)")
            .bind(key)
            .bind(keys[input])
            .bind(role.as_str())
            .execute(&mut *tx)
            .await?;
    }
    state_event(tx, key, RunState::Queued, study.created_at).await?;
    Ok(key)
}

fn push_choice(sql: &mut QueryBuilder<Sqlite>, query: &StudyQuery) -> Result<(), StoreError> {
    sql.push(" WHERE s.archived = ").push_bind(query.archived);
    if query.starred {
        sql.push(" AND s.starred = 1");
    }
    if let Some(only) = &query.only {
        sql.push(" AND s.id IN (SELECT value FROM json_each(").push_bind(to_json(only)?).push("))");
    }
    if let Some(pattern) = query.search.as_deref().and_then(search_pattern) {
        sql.push(" AND (s.name REGEXP ").push_bind(pattern.clone());
        sql.push(" OR s.dataset REGEXP ").push_bind(pattern.clone());
        sql.push(" OR s.trigger_label REGEXP ").push_bind(pattern.clone());
        sql.push(" OR coalesce(s.spec ->> '$.tags', '') REGEXP ").push_bind(pattern);
        sql.push(")");
    }
    Ok(())
}

/// The order of studies `s` with what they are sorted by as `sorted_by`.
fn push_order(sql: &mut QueryBuilder<Sqlite>, query: &StudyQuery) {
    let direction = if query.ascending { "ASC" } else { "DESC" };
    sql.push(" ORDER BY ");
    if query.sort == StudySort::Created {
        // As the index has it.
        sql.push(format_args!("s.created_at {direction}, s.id {direction}"));
    } else {
        sql.push(format_args!("sorted_by {direction} NULLS LAST, s.created_at DESC, s.id DESC"));
    }
}

/// A value of the strongest attack of the study `s`: of its finished probe or fine-tuning `r` with the highest ASR among those that have
/// learned more than to guess, if there are any.
fn push_best<'q>(sql: &'q mut QueryBuilder<Sqlite>, value: &str) -> &'q mut QueryBuilder<Sqlite> {
    sql.push(format_args!(
        "(SELECT {value} FROM study_runs l JOIN runs r ON r.key = l.run JOIN studies t ON t.id = l.study \
         WHERE l.study = s.id AND r.state = 'done' AND r.asr IS NOT NULL AND r.kind <> 'knn' ORDER BY {LEARNED} DESC, r.asr DESC LIMIT 1)"
    ))
}

/// Whether a run `r` of the study `t` (SQLite does not find the outer `s` in a subquery's order) has learned more than to guess: the 95 % Wilson interval of its CA lies above chance, as for the verdict. With
/// `k` classes: `(k * hits - total)^2 > z^2 * total * (k - 1)`. ASR of a classifier that takes everything for the target says nothing.
const LEARNED: &str = "(r.ca_hits * json_array_length(t.classes) > r.ca_total AND \
     1.0 * (r.ca_hits * json_array_length(t.classes) - r.ca_total) * (r.ca_hits * json_array_length(t.classes) - r.ca_total) > \
     3.8414588 * r.ca_total * (json_array_length(t.classes) - 1))";

fn summary(row: &SqliteRow) -> Result<StudySummary, StoreError> {
    let tags: Option<&str> = row.try_get("tags")?;
    let axes: Option<&str> = row.try_get("axes")?;
    let axes: Axes = axes.map_or_else(|| Ok(Axes::default()), |axes| from_json(axes, "axes"))?;
    let trigger = from_json(row.try_get("trigger_spec")?, "a trigger")?;
    Ok(StudySummary {
        id: parse(row.try_get("id")?, "a study's identifier")?,
        created_at: time(row, "created_at")?.unwrap_or_default(),
        name: row.try_get("name")?,
        tags: tags.map_or_else(|| Ok(Vec::new()), |tags| from_json(tags, "tags"))?,
        dataset: row.try_get("dataset")?,
        trigger_varies: axes.of_trigger(&trigger),
        trigger,
        states: StateCounts {
            queued: row.try_get("queued")?,
            running: row.try_get("running")?,
            done: row.try_get("done")?,
            failed: row.try_get("failed")?,
            interrupted: row.try_get("interrupted")?,
            cancelled: row.try_get("cancelled")?,
        },
        best: metrics(row)?,
        starred: row.try_get("starred")?,
        archived: row.try_get("archived")?,
    })
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::corrupt("a value")(&error))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    text: &str,
    what: &'static str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::corrupt(what)(&error))
}
