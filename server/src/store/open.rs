//! Opening the database: one writer, several readers, write-ahead log.

use std::{fs::File, path::Path, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, Connection, SqlSafeStr, Sqlite, SqlitePool, Transaction,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::watch;

use super::{StoreError, compare::Results, results, upgrade};

/// The steps that lead from an empty file to today's tables: number, name, statements. One that was released never changes.
const MIGRATIONS: [(i64, &str, &str); 7] = [
    (1, "studies and runs", include_str!("../../migrations/0001_studies_and_runs.sql")),
    (2, "head init", include_str!("../../migrations/0002_head_init.sql")),
    (3, "imported checkpoints", include_str!("../../migrations/0003_imported_checkpoints.sql")),
    (4, "top-5 and k-NN", include_str!("../../migrations/0004_top5_and_knn.sql")),
    (5, "fine-tuning", include_str!("../../migrations/0005_finetune.sql")),
    (6, "run graph", include_str!("../../migrations/0006_run_graph.sql")),
    (7, "executors", include_str!("../../migrations/0007_executors.sql")),
];

/// How long a writer waits for one of another program.
const BUSY: Duration = Duration::from_secs(10);
const READERS: u32 = 4;
/// Rows that a query may be ahead of its reader. Each hand-over between SQLite's thread and the reader costs more than a
/// row does, so lists are handed over in few parts.
const ROWS_AHEAD: usize = 1024;

fn migrator() -> Migrator {
    let step = |(number, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.map(step).to_vec())
}

/// The database of a data folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Number of the last event that this program knows of.
    news: Arc<watch::Sender<i64>>,
    results: Results,
    kept: results::Kept,
}

impl Store {
    /// Opens the database file, makes it when it is missing, and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, or was made by a later version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Open { path: path.to_owned(), source };
        // Two programs that start at once must not both make the tables.
        let lock_path = path.with_extension("lock");
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&lock_path)
            .map_err(|error| failed(error.into()))?;
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
            .await
            .map_err(|error| failed(std::io::Error::other(error).into()))?
            .map_err(|error| failed(error.into()))?;

        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // With a write-ahead log this can lose the last commits when the power fails, never the consistency; the
            // events that they held still lie in the run's folder and are taken in again.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY)
            .foreign_keys(true)
            .pragma("cache_size", "-65536")
            .pragma("mmap_size", "268435456")
            .row_buffer_size(ROWS_AHEAD);
        // Tables are made anew under the old name; foreign keys would take all that names them along.
        let mut migrating = options.clone().foreign_keys(false).connect().await.map_err(failed)?;
        upgrade::keep_copy(&mut migrating, path).await.map_err(failed)?;
        migrator()
            .run_direct(None, &mut migrating, false)
            .await
            .map_err(|source| StoreError::Migrate { path: path.to_owned(), source })?;
        upgrade::fill_in(&mut migrating).await?;
        migrating.close().await.map_err(failed)?;
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        drop(lock);

        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "on"))
            .await
            .map_err(failed)?;
        let store = Self {
            writer,
            readers,
            news: Arc::new(watch::Sender::new(0)),
            results: Results::default(),
            kept: results::Kept::default(),
        };
        store.look_for_news().await?;
        Ok(store)
    }

    /// Closes all connections; what is written lies in the file then.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Number of the last event, and a wake-up whenever it rises.
    pub fn news(&self) -> watch::Receiver<i64> {
        self.news.subscribe()
    }

    /// Asks the database for the last event, for those that another program wrote. Returns its number.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn look_for_news(&self) -> Result<i64, StoreError> {
        let last: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM events")
            .fetch_one(&self.readers)
            .await?;
        self.tell(last);
        Ok(last)
    }

    pub(super) fn tell(&self, last: i64) {
        self.news.send_if_modified(|known| {
            let new = last > *known;
            *known = last.max(*known);
            new
        });
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    pub(super) fn results(&self) -> &Results {
        &self.results
    }

    pub(super) fn kept_results(&self) -> &results::Kept {
        &self.kept
    }

    /// Begins a transaction that writes. It takes the write lock at once: one that only later turned from reading to
    /// writing could fail in between.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Commits and wakes those who wait for events.
    pub(super) async fn commit(
        &self,
        mut transaction: Transaction<'static, Sqlite>,
    ) -> Result<(), StoreError> {
        let last: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM events")
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.tell(last);
        Ok(())
    }
}
