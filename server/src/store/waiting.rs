//! The order of the runs that wait, and what of them does not start: the whole queue while it is paused, or runs that are held.

use std::collections::BTreeSet;

use shared::{
    RunId, RunState, StudyId,
    api::{QueueInfo, QueueMove},
};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{Store, StoreError, queue::find, row::parse, state::state_event, studies::to_json};

/// A run that waits, as the order knows it.
struct Waiting {
    key: i64,
    run: RunId,
    held: bool,
}

impl Store {
    /// The runs that wait, in the order in which they start, and what of them does not.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn queue_info(&self) -> Result<QueueInfo, StoreError> {
        // One snapshot for both queries.
        let mut reader = self.readers().begin().await?;
        let paused = sqlx::query_scalar("SELECT paused FROM queue").fetch_one(&mut *reader).await?;
        let runs = waiting(&mut reader).await?;
        Ok(QueueInfo {
            paused,
            held: runs.iter().filter(|one| one.held).map(|one| one.run).collect(),
            waiting: runs.into_iter().map(|one| one.run).collect(),
        })
    }

    /// Whether the queue is paused.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn is_queue_paused(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar("SELECT paused FROM queue").fetch_one(self.readers()).await?)
    }

    /// Pauses the queue: nothing that waits starts until it is resumed. What runs goes on.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn pause_queue(&self, paused: bool, at: u64) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let changed = sqlx::query("UPDATE queue SET paused = ?1 WHERE paused <> ?1")
            .bind(paused)
            .execute(&mut *tx)
            .await?;
        // Events name runs: those who follow them hear of the queue by the run at its head.
        if changed.rows_affected() > 0
            && let Some(first) = waiting(&mut tx).await?.first()
        {
            state_event(&mut tx, first.key, RunState::Queued, at).await?;
        }
        self.commit(tx).await
    }

    /// Holds a run that waits, so that the others start before it, or releases it.
    ///
    /// # Errors
    /// When the run does not wait, there is no such run, or the query fails.
    pub async fn hold_run(&self, run: RunId, held: bool, at: u64) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let key = find_waiting(&mut tx, run).await?;
        sqlx::query("UPDATE runs SET held = ? WHERE key = ?")
            .bind(held)
            .bind(key)
            .execute(&mut *tx)
            .await?;
        state_event(&mut tx, key, RunState::Queued, at).await?;
        self.commit(tx).await
    }

    /// Moves runs that wait right before another one that waits, or to the end. The runs that they start from come along where these
    /// would come later, and so do those that start from them where these would come earlier.
    ///
    /// # Errors
    /// When one of the runs does not wait, or no run of the study does; when the request names not exactly one of run and study; when
    /// the query fails.
    pub async fn move_queued(&self, wanted: &QueueMove, at: u64) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let order: Vec<i64> = waiting(&mut tx).await?.into_iter().map(|one| one.key).collect();
        let moved = match (wanted.run, wanted.study) {
            (Some(run), None) => BTreeSet::from([find_waiting(&mut tx, run).await?]),
            (None, Some(study)) => of_study(&mut tx, study).await?,
            _ => return Err(StoreError::Conflict("name either a run or a study".into())),
        };
        let target = match wanted.before {
            Some(run) => Some(find_waiting(&mut tx, run).await?),
            None => None,
        };
        let inputs = related(&mut tx, &moved, "run", "input").await?;
        let dependents = related(&mut tx, &moved, "input", "run").await?;
        let order = rearranged(&order, &Moved { runs: &moved, inputs, dependents }, target);
        // All places are below 0, so that what is queued later comes last.
        sqlx::query(
            "UPDATE runs SET place = o.key - ?1 FROM json_each(?2) o WHERE runs.key = o.value",
        )
        .bind(order.len() as i64)
        .bind(to_json(&order)?)
        .execute(&mut *tx)
        .await?;
        for key in moved {
            state_event(&mut tx, key, RunState::Queued, at).await?;
        }
        self.commit(tx).await
    }
}

/// All runs that wait, in order.
async fn waiting(connection: &mut SqliteConnection) -> Result<Vec<Waiting>, StoreError> {
    let rows: Vec<(i64, String, bool)> = sqlx::query_as(
        "SELECT key, id, held FROM runs WHERE state = 'queued' ORDER BY place, queued_at, key",
    )
    .fetch_all(connection)
    .await?;
    let waiting = |(key, id, held): (i64, String, bool)| {
        Ok(Waiting { key, run: parse(&id, "a run's identifier")?, held })
    };
    rows.into_iter().map(waiting).collect()
}

/// The key of a run that waits.
async fn find_waiting(tx: &mut SqliteConnection, run: RunId) -> Result<i64, StoreError> {
    match find(tx, run).await? {
        (key, RunState::Queued) => Ok(key),
        (_, RunState::Running) => Err(StoreError::Conflict(format!(
            "run {run} has started, or a cluster has it, which decides the order of its jobs itself; only runs that wait here \
             can be moved and held"
        ))),
        (_, state) => Err(StoreError::Conflict(format!(
            "run {run} is {state}; only runs that wait can be moved and held"
        ))),
    }
}

/// The runs of a study that wait.
async fn of_study(tx: &mut SqliteConnection, study: StudyId) -> Result<BTreeSet<i64>, StoreError> {
    let keys: Vec<i64> = sqlx::query_scalar(
        "SELECT r.key FROM study_runs l JOIN runs r ON r.key = l.run WHERE l.study = ? AND r.state = 'queued'",
    )
    .bind(study.to_string())
    .fetch_all(tx)
    .await?;
    if keys.is_empty() {
        return Err(StoreError::Conflict(format!("no run of study {study} waits")));
    }
    Ok(keys.into_iter().collect())
}

/// The runs at any depth that these lead to, from the column `from` of `run_inputs` to its column `to`.
async fn related(
    tx: &mut SqliteConnection,
    of: &BTreeSet<i64>,
    from: &'static str,
    to: &'static str,
) -> Result<BTreeSet<i64>, StoreError> {
    let sql = format!(
        "WITH RECURSIVE found(key) AS (SELECT i.{to} FROM run_inputs i JOIN json_each(?) o ON o.value = i.{from} \
         UNION SELECT i.{to} FROM run_inputs i JOIN found f ON i.{from} = f.key) SELECT key FROM found"
    );
    // The SQL is built from constants only.
    let keys: Vec<i64> =
        sqlx::query_scalar(AssertSqlSafe(sql)).bind(to_json(of)?).fetch_all(tx).await?;
    Ok(keys.into_iter().collect())
}

/// What is moved, and what it must not be parted from.
struct Moved<'a> {
    /// The runs that are moved.
    runs: &'a BTreeSet<i64>,
    /// All that they start from.
    inputs: BTreeSet<i64>,
    /// All that start from them.
    dependents: BTreeSet<i64>,
}

/// The order with the moved runs together right before `target`, or at the end, with those of their inputs that stand behind this place and
/// those of their dependents that stand before it. If every run of `order` comes after those that it starts from, so it does afterwards.
fn rearranged(order: &[i64], moved: &Moved<'_>, target: Option<i64>) -> Vec<i64> {
    let place = target.and_then(|target| order.iter().position(|&key| key == target));
    let place = place.unwrap_or(order.len());
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    for (at, key) in order.iter().enumerate() {
        let along = if at < place { &moved.dependents } else { &moved.inputs };
        let part = if moved.runs.contains(key) || along.contains(key) {
            1
        } else {
            2 * usize::from(at >= place)
        };
        parts[part].push(*key);
    }
    parts.concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The order after a move; `inputs` has what each run starts from.
    fn after(order: &[i64], inputs: &[(i64, i64)], runs: &[i64], target: Option<i64>) -> Vec<i64> {
        let reach = |step: fn(&(i64, i64)) -> (i64, i64)| {
            let mut found: BTreeSet<i64> = BTreeSet::new();
            let mut open: Vec<i64> = runs.to_vec();
            while let Some(key) = open.pop() {
                for (_, next) in inputs.iter().map(step).filter(|(from, _)| *from == key) {
                    if found.insert(next) {
                        open.push(next);
                    }
                }
            }
            found
        };
        let (inputs, dependents) = (reach(|&pair| pair), reach(|&(run, input)| (input, run)));
        let runs = runs.iter().copied().collect();
        rearranged(order, &Moved { runs: &runs, inputs, dependents }, target)
    }

    #[test]
    fn moves_by_hand() {
        assert_eq!(after(&[1, 2, 3, 4], &[], &[3], Some(1)), [3, 1, 2, 4]);
        assert_eq!(after(&[1, 2, 3, 4], &[], &[1], Some(4)), [2, 3, 1, 4]);
        assert_eq!(after(&[1, 2, 3, 4], &[], &[2], None), [1, 3, 4, 2]);
        assert_eq!(after(&[1, 2, 3, 4], &[], &[2, 4], Some(1)), [2, 4, 1, 3], "a study");
        assert_eq!(after(&[1, 2, 3], &[], &[2], Some(2)), [1, 2, 3], "before itself");
        // 4 starts from 3, which comes along; 2 starts from 1, which stands before its new place.
        assert_eq!(after(&[1, 2, 3, 4], &[(4, 3)], &[4], Some(1)), [3, 4, 1, 2]);
        assert_eq!(after(&[1, 3, 2, 4], &[(2, 1)], &[2], Some(3)), [1, 2, 3, 4]);
        assert_eq!(after(&[1, 2], &[(2, 1)], &[2], Some(1)), [1, 2], "before its own input");
        // 1 goes to the end, and 3, which starts from it by 2, with it.
        assert_eq!(after(&[1, 2, 3, 4], &[(2, 1), (3, 2)], &[1], None), [4, 1, 2, 3]);
    }

    proptest! {
        #[test]
        fn any_moves_keep_all_runs_and_inputs_first(
            inputs in proptest::collection::vec((1i64..12, 0i64..11), 0..16),
            moves in proptest::collection::vec(
                (proptest::collection::btree_set(0i64..12, 1..4), proptest::option::of(0i64..12)), 1..12),
        ) {
            // A run starts from earlier ones only.
            let inputs: Vec<(i64, i64)> = inputs.into_iter().filter(|(run, input)| input < run).collect();
            let mut order: Vec<i64> = (0..12).collect();
            for (runs, target) in moves {
                let runs: Vec<i64> = runs.into_iter().collect();
                let new = after(&order, &inputs, &runs, target);
                let mut sorted = new.clone();
                sorted.sort_unstable();
                prop_assert_eq!(&sorted, &(0..12).collect::<Vec<_>>());
                let place = |key: i64| new.iter().position(|&one| one == key);
                for &(run, input) in &inputs {
                    prop_assert!(place(input) < place(run), "{} starts from {}: {:?}", run, input, new);
                }
                // Without anything to come along, the moved stand right before the target.
                if inputs.is_empty() && let Some(target) = target.filter(|target| !runs.contains(target)) {
                    let at = place(target).unwrap();
                    prop_assert!(new[..at].ends_with(
                        &order.iter().copied().filter(|key| runs.contains(key)).collect::<Vec<_>>()));
                }
                order = new;
            }
        }
    }
}
