//! Studies: insert, list, get, delete.

use shared::{
    RunId, RunState, StudyId, StudySpec,
    api::{Page, StudyDetail, StudySummary},
    run::{Phase, RunPoint},
    study::{HeadInit, ProbeOptimizer},
};
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use super::{
    Store, StoreError,
    row::{metrics, parse, time},
    runs::{MAX_PAGE, like_pattern},
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
    /// Its runs; a run comes after the one that it starts from.
    pub runs: Vec<NewRun>,
}

/// A run to insert.
#[derive(Clone, Copy, Debug)]
pub struct NewRun {
    /// Identifier.
    pub id: RunId,
    /// Place in the grid.
    pub point: RunPoint,
    /// Pre-training that it starts from.
    pub parent: Option<RunId>,
}

/// A part of the list of studies, newest first.
#[derive(Clone, Debug, Default)]
pub struct StudyQuery {
    /// Only those with this text in name, tags, data set or trigger.
    pub search: Option<String>,
    /// Studies to leave out at the beginning.
    pub offset: u64,
    /// Studies to give at most; never more than [`MAX_PAGE`].
    pub limit: u32,
}

impl Store {
    /// Inserts a study and its runs, all queued, in one transaction.
    ///
    /// # Errors
    /// When the query fails; nothing is kept then.
    pub async fn insert_study(&self, study: &NewStudy) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let trigger = &study.spec.attack.trigger;
        sqlx::query(
            "INSERT INTO studies (id, created_at, name, dataset, trigger_label, spec, classes) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(study.id.to_string())
        .bind(study.created_at as i64)
        .bind(&study.spec.name)
        .bind(&study.spec.dataset.name)
        .bind(trigger.label())
        .bind(to_json(&study.spec)?)
        .bind(to_json(&study.classes)?)
        .execute(&mut *tx)
        .await?;
        for run in &study.runs {
            let spec = &study.spec;
            let (probe, adamw) = (&spec.probe, ProbeOptimizer::AdamW);
            let (epochs, optimizer, head_init) = match run.point.phase {
                Phase::Pretrain => (spec.pretrain.epochs, probe.optimizer, probe.head_init),
                Phase::Probe => (probe.epochs, probe.optimizer, probe.head_init),
                Phase::Finetune => (spec.finetune.epochs, adamw, HeadInit::Normal),
            };
            let key: i64 = sqlx::query_scalar(
                "INSERT INTO runs (id, study, parent, study_name, dataset, trigger_kind, trigger_label, strength, \
                 optimizer, head_init, phase, ppr, lpr, seed, scratch, epochs, created_at, queued_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING key",
            )
            .bind(run.id.to_string())
            .bind(study.id.to_string())
            .bind(run.parent.map(|parent| parent.to_string()))
            .bind(&study.spec.name)
            .bind(&study.spec.dataset.name)
            .bind(trigger.kind())
            .bind(trigger.label())
            .bind(trigger.strength())
            .bind(optimizer.as_str())
            .bind(head_init.as_str())
            .bind(run.point.phase.as_str())
            .bind(run.point.ppr)
            .bind(run.point.lpr)
            .bind(run.point.seed as i64)
            .bind(run.point.scratch)
            .bind(epochs)
            .bind(study.created_at as i64)
            .bind(study.created_at as i64)
            .fetch_one(&mut *tx)
            .await?;
            state_event(&mut tx, key, RunState::Queued, study.created_at).await?;
        }
        self.commit(tx).await
    }

    /// A part of the list of studies.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn list_studies(&self, query: &StudyQuery) -> Result<Page<StudySummary>, StoreError> {
        let pattern = query.search.as_deref().and_then(like_pattern);
        let mut count = QueryBuilder::new("SELECT count(*) FROM studies s");
        push_search(&mut count, pattern.as_ref());
        let total: i64 = count.build_query_scalar().fetch_one(self.readers()).await?;

        // The counters stand in the study; the best run is one step into an index.
        let mut list = QueryBuilder::new(
            "SELECT s.id, s.created_at, s.name, s.dataset, s.spec -> '$.attack.trigger', s.queued, s.running, s.done, \
             s.failed, s.interrupted, s.cancelled, b.ca_hits, b.ca_total, b.asr_hits, b.asr_total, b.ra_hits, \
             b.ra_total, b.top5_hits, b.top5_total, s.spec -> '$.tags' FROM studies s LEFT JOIN runs b ON b.key = (SELECT key FROM runs \
             WHERE study = s.id AND state = 'done' AND asr IS NOT NULL ORDER BY asr DESC LIMIT 1)",
        );
        push_search(&mut list, pattern.as_ref());
        list.push(" ORDER BY s.created_at DESC, s.id DESC LIMIT ");
        list.push_bind(i64::from(query.limit.min(MAX_PAGE)));
        list.push(" OFFSET ").push_bind(query.offset as i64);
        let rows = list.build().fetch_all(self.readers()).await?;
        let items = rows.iter().map(summary).collect::<Result<_, _>>()?;
        Ok(Page { items, total: total as u64, offset: query.offset })
    }

    /// A study with its runs.
    ///
    /// # Errors
    /// When there is none of that identifier, or the query fails.
    pub async fn get_study(&self, study: StudyId) -> Result<StudyDetail, StoreError> {
        let row = sqlx::query("SELECT created_at, spec, classes FROM studies WHERE id = ?")
            .bind(study.to_string())
            .fetch_optional(self.readers())
            .await?
            .ok_or_else(|| StoreError::not_found("study", &study))?;
        Ok(StudyDetail {
            id: study,
            created_at: time(&row, 0)?.unwrap_or_default(),
            spec: from_json(row.try_get(1)?, "a specification")?,
            classes: from_json(row.try_get(2)?, "class names")?,
            runs: self.study_runs(study).await?,
        })
    }

    /// Deletes a study, its runs and their events. What lies in the run folders is the caller's to remove.
    ///
    /// # Errors
    /// When a run of it is queued or running, there is no such study, or the query fails.
    pub async fn delete_study(&self, study: StudyId) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let going: Option<i64> =
            sqlx::query_scalar("SELECT queued + running FROM studies WHERE id = ?")
                .bind(study.to_string())
                .fetch_optional(&mut *tx)
                .await?;
        match going {
            None => return Err(StoreError::not_found("study", &study)),
            Some(0) => {}
            Some(going) => {
                return Err(StoreError::Conflict(format!(
                    "{going} runs of the study are queued or running; cancel the study first"
                )));
            }
        }
        sqlx::query("DELETE FROM studies WHERE id = ?")
            .bind(study.to_string())
            .execute(&mut *tx)
            .await?;
        self.commit(tx).await
    }

    /// Name of a study on this data set that has queued or running runs, if there is one.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn study_using(&self, dataset: &str) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT name FROM studies WHERE dataset = ? AND queued + running > 0 LIMIT 1",
        )
        .bind(dataset)
        .fetch_optional(self.readers())
        .await?)
    }
}

fn push_search(sql: &mut QueryBuilder<Sqlite>, pattern: Option<&String>) {
    if let Some(pattern) = pattern {
        sql.push(" WHERE (s.name LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\'");
        sql.push(" OR s.dataset LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\'");
        sql.push(" OR s.trigger_label LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\'");
        sql.push(" OR s.spec ->> '$.tags' LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\')");
    }
}

fn summary(row: &SqliteRow) -> Result<StudySummary, StoreError> {
    let mut states = [0; 6];
    for (at, count) in states.iter_mut().enumerate() {
        *count = row.try_get(5 + at)?;
    }
    let tags: Option<&str> = row.try_get(19)?;
    Ok(StudySummary {
        id: parse(row.try_get(0)?, "a study's identifier")?,
        created_at: time(row, 1)?.unwrap_or_default(),
        name: row.try_get(2)?,
        tags: tags.map_or_else(|| Ok(Vec::new()), |tags| from_json(tags, "tags"))?,
        dataset: row.try_get(3)?,
        trigger: from_json(row.try_get(4)?, "a trigger")?,
        states,
        best: metrics(row, 11)?,
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
