//! Finished runs whose checkpoints nothing needs any more, and those whose checkpoints were removed.

use shared::{RunId, RunKind, StudyId};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{
    Store, StoreError,
    removals::note_removal,
    row::{parse, stored},
};

/// The tag of a study whose checkpoints are never removed.
pub const KEEP: &str = "keep";

/// A finished run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldRun {
    /// Its key in the store.
    pub key: i64,
    /// Identifier.
    pub run: RunId,
    /// What it does.
    pub kind: RunKind,
    /// The study that it is shown under.
    pub study: StudyId,
    /// The study's name.
    pub study_name: String,
    /// Its folder below the data folder.
    pub folder: String,
}

/// Which runs' checkpoints nothing needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unneeded {
    /// They, and those that need them, ended before, in Unix milliseconds.
    pub before: u64,
    /// Whether their last checkpoint is kept.
    pub keep_last: bool,
}

impl Unneeded {
    /// Adds the condition on `runs r`: it has finished long ago, and so have all that need it, no study that has it is tagged to be
    /// kept, and there is something left to remove.
    fn push(self, sql: &mut QueryBuilder<Sqlite>) {
        sql.push("r.state = 'done' AND (r.kind IN ('pretrain', 'finetune') OR r.repairs) AND r.ended_at < ");
        sql.push_bind(stored(self.before));
        sql.push(
            " AND NOT EXISTS (SELECT 1 FROM run_inputs i JOIN runs c ON c.key = i.run WHERE i.input = r.key \
             AND (c.state <> 'done' OR c.ended_at >= ",
        );
        sql.push_bind(stored(self.before));
        sql.push(
            ")) AND NOT EXISTS (SELECT 1 FROM study_runs l JOIN studies s ON s.id = l.study, json_each(s.spec, '$.tags') tag \
             WHERE l.run = r.key AND lower(tag.value) = ",
        );
        sql.push_bind(KEEP);
        sql.push(
            ") AND NOT EXISTS (SELECT 1 FROM tidied t WHERE t.run = r.key AND t.kept_last <= ",
        );
        sql.push_bind(self.keep_last).push(")");
    }
}

impl Store {
    /// All finished runs, or only those whose checkpoints nothing needs any more, in the order of their creation.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn finished_runs(
        &self,
        unneeded: Option<Unneeded>,
    ) -> Result<Vec<OldRun>, StoreError> {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "SELECT r.key, r.id, r.kind, r.study, r.study_name, r.folder FROM runs r WHERE ",
        );
        match unneeded {
            Some(unneeded) => unneeded.push(&mut sql),
            None => drop(sql.push("r.state = 'done'")),
        }
        sql.push(" ORDER BY r.key");
        let rows = sql.build().fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| {
                Ok(OldRun {
                    key: row.try_get(0)?,
                    run: parse(row.try_get(1)?, "a run's identifier")?,
                    kind: parse(row.try_get(2)?, "a kind of run")?,
                    study: parse(row.try_get(3)?, "a study's identifier")?,
                    study_name: row.try_get(4)?,
                    folder: row.try_get(5)?,
                })
            })
            .collect()
    }

    /// Notes that a run's checkpoints are removed, and `files` below the data folder as to be removed, in one transaction: from then on
    /// no study starts from them. `false`, and nothing is noted, when something needs them by now.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn tidy_run(
        &self,
        run: &OldRun,
        unneeded: Unneeded,
        files: &[String],
        at: u64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let mut sql =
            QueryBuilder::<Sqlite>::new("INSERT INTO tidied (run, at, kept_last) SELECT r.key, ");
        sql.push_bind(stored(at)).push(", ").push_bind(unneeded.keep_last);
        sql.push(" FROM runs r WHERE r.key = ").push_bind(run.key).push(" AND ");
        unneeded.push(&mut sql);
        sql.push(
            " ON CONFLICT (run) DO UPDATE SET at = excluded.at, kept_last = excluded.kept_last",
        );
        let noted = sql.build().execute(&mut *tx).await?.rows_affected() > 0;
        if noted {
            for file in files {
                note_removal(&mut tx, file).await?;
            }
        }
        self.commit(tx).await?;
        Ok(noted)
    }
}
