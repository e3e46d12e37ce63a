//! Opening the database: one writer, several readers, write-ahead log.

use std::{fs::File, path::Path, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, Connection, SqlSafeStr, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::watch;

use super::{
    StoreError,
    compare::Results,
    results,
    row::stored,
    upgrade,
    version::{self, Versions},
    writer::{Write, Writer},
};

/// The migrations from an empty file to the current tables: number, name, statements. A released migration never changes.
const MIGRATIONS: [(i64, &str, &str); 19] = [
    (1, "studies and runs", include_str!("../../migrations/0001_studies_and_runs.sql")),
    (2, "head init", include_str!("../../migrations/0002_head_init.sql")),
    (3, "imported checkpoints", include_str!("../../migrations/0003_imported_checkpoints.sql")),
    (4, "top-5 and k-NN", include_str!("../../migrations/0004_top5_and_knn.sql")),
    (5, "fine-tuning", include_str!("../../migrations/0005_finetune.sql")),
    (6, "run graph", include_str!("../../migrations/0006_run_graph.sql")),
    (7, "executors", include_str!("../../migrations/0007_executors.sql")),
    (8, "health", include_str!("../../migrations/0008_health.sql")),
    (9, "removals", include_str!("../../migrations/0009_removals.sql")),
    (10, "access", include_str!("../../migrations/0010_access.sql")),
    (11, "device wish", include_str!("../../migrations/0011_device_wish.sql")),
    (12, "tidied", include_str!("../../migrations/0012_tidied.sql")),
    (13, "shelf", include_str!("../../migrations/0013_shelf.sql")),
    (14, "queue", include_str!("../../migrations/0014_queue.sql")),
    (15, "deletions", include_str!("../../migrations/0015_deletions.sql")),
    (16, "implants", include_str!("../../migrations/0016_implants.sql")),
    (17, "restorers", include_str!("../../migrations/0017_restorers.sql")),
    (18, "pictures", include_str!("../../migrations/0018_pictures.sql")),
    (19, "newest", include_str!("../../migrations/0019_newest.sql")),
];

/// The version of the tables that this program makes.
pub(super) const TABLES: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// How long a writer waits for a writer of another program.
pub(super) const BUSY: Duration = Duration::from_secs(10);
const READERS: u32 = 4;
/// How many bytes of the file SQLite reads through memory: the most that it takes. Beyond them each page is a system call.
const MAPPED: &str = "2147418112";
/// Number of rows that a query may buffer ahead of its reader. Passing control between SQLite's thread and the reader costs more
/// than a row does, so lists are passed in few parts.
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
    writer: Writer,
    readers: SqlitePool,
    /// Number of the last event known to this program.
    news: Arc<watch::Sender<i64>>,
    results: Results,
    kept: results::Kept,
}

impl Store {
    /// Opens the database file, creates it if it is missing, and migrates its tables. Before they change, a copy is made beside it.
    ///
    /// # Errors
    /// When the file cannot be opened or copied, or was made by a later version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_or_upgrade(path, true).await
    }

    /// Like [`open`](Self::open), for a file that is a copy itself: no further copy is made.
    ///
    /// # Errors
    /// As there.
    pub async fn open_copy(path: &Path) -> Result<Self, StoreError> {
        Self::open_or_upgrade(path, false).await
    }

    async fn open_or_upgrade(path: &Path, copies: bool) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Open { path: path.to_owned(), source };
        // Two programs that start at the same time must not both create the tables.
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
            // What a client was told to be stored is stored, even if the power fails at once. With a write-ahead log, SQLite's
            // other mode would lose the last commits then, and files that were removed after them would be gone all the same.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .foreign_keys(true)
            .with_regexp()
            .pragma("cache_size", "-65536")
            .pragma("mmap_size", MAPPED)
            .row_buffer_size(ROWS_AHEAD);
        // Migrations recreate tables under the old name; with foreign keys on, this would delete all rows that reference them.
        let mut migrating = options.clone().foreign_keys(false).connect().await.map_err(failed)?;
        let before = Versions::of(&mut migrating).await.map_err(failed)?;
        before.refuse_newer(path, TABLES)?;
        if let (Some(tables), true) = (before.tables, copies)
            && tables < TABLES
        {
            version::keep_copy(&mut migrating, path, tables).await?;
        }
        migrator()
            .run_direct(None, &mut migrating, false)
            .await
            .map_err(|source| StoreError::Migrate { path: path.to_owned(), source })?;
        upgrade::fill_in(&mut migrating).await?;
        version::note_program(&mut migrating, crate::VERSION).await.map_err(failed)?;
        if before.tables != Some(TABLES) {
            version::remove_old_copies(path);
        }
        migrating.close().await.map_err(failed)?;
        // From here on a missing file is an error: an empty one in its place would hide that it is gone.
        let options = options.create_if_missing(false);
        let writer = Writer::open(options.clone()).await.map_err(failed)?;
        // What is opened on a disk that has just become read-only could never write, even after the disk can again: SQLite shares
        // its index of the log among all connections.
        let mut check = writer.begin().await?;
        sqlx::query("UPDATE health SET checked_at = 0 WHERE false").execute(&mut *check).await?;
        check.commit().await?;
        drop(lock);

        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            // Opened now and for good: a later connection could open another file in the place of this one.
            .min_connections(READERS)
            .idle_timeout(None)
            .max_lifetime(None)
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

    /// Closes all connections; all writes are in the file then.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Number of the last event, with a notification whenever it increases.
    pub fn news(&self) -> watch::Receiver<i64> {
        self.news.subscribe()
    }

    /// Queries the database for the last event, to notice those that another program wrote. Returns its number.
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

    /// Begins a write transaction.
    pub(super) async fn write(&self) -> Result<Write, StoreError> {
        self.writer.begin().await
    }

    /// Checks that the database can be written, by writing to it.
    ///
    /// # Errors
    /// When it cannot: the disk is full, or the file system has become read-only.
    pub async fn check_writing(&self, now_ms: u64) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO health (id, checked_at) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET checked_at = ?1",
        )
        .bind(stored(now_ms))
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// Commits and wakes everyone who waits for events.
    pub(super) async fn commit(&self, mut transaction: Write) -> Result<(), StoreError> {
        let last: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM events")
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.tell(last);
        Ok(())
    }
}
