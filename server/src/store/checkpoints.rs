//! Checkpoints that runs have written, from their events.

use std::collections::BTreeMap;

use shared::{RunEvent, RunId, RunState, StudyId, param::Value, run::RunPoint};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{
    Store, StoreError,
    row::{parse, point},
    studies::from_json,
};

/// A checkpoint as reported by its run. The store does not know whether the file still exists.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenCheckpoint {
    /// Its run.
    pub run: RunId,
    /// Its study.
    pub study: StudyId,
    /// The study's name.
    pub study_name: String,
    /// The run's folder below the data folder.
    pub folder: String,
    /// The run's kind, poisons and seed.
    pub point: RunPoint,
    /// The settings that the study varies, by path, with the run's values.
    pub varied: BTreeMap<String, Value>,
    /// The run's state.
    pub state: RunState,
    /// File name in the run's folder.
    pub file: String,
    /// Epochs of training in it.
    pub epoch: u32,
    /// Unix time in milliseconds.
    pub created_at: u64,
}

impl Store {
    /// The newest `limit` checkpoints, of one study or of all, newest first.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn checkpoints(
        &self,
        study: Option<StudyId>,
        limit: u32,
    ) -> Result<Vec<WrittenCheckpoint>, StoreError> {
        // Of all studies, the newest checkpoints are the last of their index; most runs have none.
        let from = match study {
            None => {
                "events e INDEXED BY events_checkpoint CROSS JOIN runs r ON r.key = e.run AND e.kind = 'checkpoint'"
            }
            Some(_) => {
                "runs r CROSS JOIN events e INDEXED BY events_checkpoint ON e.run = r.key AND e.kind = 'checkpoint'"
            }
        };
        // A run that several studies share is named as in the one that is asked for, or in its own.
        let list = study.map_or_else(|| "r.study".to_owned(), |study| format!("'{study}'"));
        let mut sql = QueryBuilder::<Sqlite>::new(format!(
            "SELECT r.id, r.study, r.study_name, r.folder, r.kind, r.ppr, r.lpr, r.seed, r.scratch, r.implanted, r.repairs, r.state, e.at, e.body, \
             (SELECT l.varied FROM study_runs l WHERE l.run = r.key AND l.study = {list}) AS varied FROM {from}"
        ));
        if let Some(study) = study {
            sql.push(" WHERE r.key IN (SELECT run FROM study_runs WHERE study = ")
                .push_bind(study.to_string())
                .push(")");
        }
        sql.push(" ORDER BY e.run DESC, e.seq DESC LIMIT ").push_bind(i64::from(limit));
        let rows = sql.build().fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| {
                let (epoch, file) = match from_json(row.try_get("body")?, "an event")? {
                    RunEvent::Checkpoint { epoch, file } => (epoch, file),
                    other => return Err(StoreError::corrupt("a checkpoint")(&other.kind())),
                };
                Ok(WrittenCheckpoint {
                    run: parse(row.try_get(0)?, "a run's identifier")?,
                    study: parse(row.try_get(1)?, "a study's identifier")?,
                    study_name: row.try_get(2)?,
                    folder: row.try_get("folder")?,
                    point: point(row)?,
                    varied: match row.try_get::<Option<&str>, _>("varied")? {
                        Some(text) => from_json(text, "varied settings")?,
                        None => BTreeMap::new(),
                    },
                    state: parse::<RunState>(row.try_get("state")?, "a state")?,
                    file,
                    epoch,
                    created_at: row.try_get("at")?,
                })
            })
            .collect()
    }
}
