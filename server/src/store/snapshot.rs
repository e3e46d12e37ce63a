//! A copy of a database that programs may be writing to.
//!
//! `VACUUM INTO` reads in one transaction, so that the copy is the database at one moment while others write. SQLite's backup interface
//! begins again whenever another program writes, which during a run is several times a second, and it copies free pages, too.

use std::{fs::File, path::Path};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions,
};

use super::{StoreError, open, version::Versions};

/// The version of the tables that this program makes. It upgrades older ones, and refuses later ones.
pub const TABLES: i64 = open::TABLES;

/// The tables that are empty in a copy.
const LEFT_OUT: [&str; 9] = [
    "sessions",
    "removals",
    "deletions",
    "deleted_studies",
    "deleted_study_runs",
    "deleted_runs",
    "deleted_run_inputs",
    "deleted_tidied",
    "deleted_events",
];

/// What a copy is a copy of.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// The version of its tables.
    pub tables: i64,
    /// Whether they are those of this program; otherwise they are older.
    pub is_current: bool,
}

/// Copies the database at `from`, which is not changed, not even upgraded, to the new file `to`. Who is signed in,
/// which files are still to be removed, and deleted studies that can still be restored are left out.
///
/// # Errors
/// When the database cannot be read, is none of this program, or was made by a later version; when the copy cannot be written.
pub async fn copy(from: &Path, to: &Path) -> Result<Snapshot, StoreError> {
    let failed = |source| StoreError::Open { path: from.to_owned(), source };
    let unwritten = StoreError::copy(to);
    let options = SqliteConnectOptions::new().filename(from).busy_timeout(open::BUSY);
    let mut connection = options.connect().await.map_err(failed)?;
    let versions = Versions::of(&mut connection).await.map_err(failed)?;
    versions.refuse_newer(from, TABLES)?;
    let tables = versions
        .tables
        .ok_or_else(|| failed(sqlx::Error::protocol("it has no tables of maskdoor")))?;
    vacuum_into(&mut connection, to).await.map_err(&unwritten)?;
    connection.close().await.map_err(failed)?;

    let options = SqliteConnectOptions::new().filename(to);
    let mut copy = options.connect().await.map_err(&unwritten)?;
    // A copy is of nobody who is signed in, and has nothing of what was deleted.
    for table in LEFT_OUT {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?";
        let found: i64 =
            sqlx::query_scalar(sql).bind(table).fetch_one(&mut copy).await.map_err(&unwritten)?;
        if found > 0 {
            let delete = AssertSqlSafe(format!("DELETE FROM {table}"));
            sqlx::query(delete).execute(&mut copy).await.map_err(&unwritten)?;
        }
    }
    copy.close().await.map_err(&unwritten)?;
    Ok(Snapshot { tables, is_current: tables == TABLES })
}

/// Copies the database to a file that does not exist, and brings it to the disk.
pub(super) async fn vacuum_into(
    connection: &mut SqliteConnection,
    to: &Path,
) -> Result<(), sqlx::Error> {
    let name = to.to_str().ok_or_else(|| {
        sqlx::Error::protocol(format!("the name {} is not valid UTF-8", to.display()))
    })?;
    sqlx::query("VACUUM INTO ?").bind(name).execute(connection).await?;
    Ok(File::open(to)?.sync_all()?)
}
