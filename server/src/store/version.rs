//! Which version of the tables a database has and which program wrote it, and the copy that is kept before the tables change.
//!
//! The tables' version is the number of the last migration. The program's is in `SQLite`'s `user_version`, which no migration changes, so
//! that every program can read it, whatever it knows of the tables.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{StoreError, snapshot::vacuum_into};

/// The last version of the tables that version 0.1 of the program knew.
const LAST_OF_0_1: i64 = 5;
/// How many copies are kept.
const KEPT: usize = 3;

/// The versions in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    /// Of the tables; `None` for a new file.
    pub tables: Option<i64>,
    /// Of the newest program that opened it, if it noted that.
    pub program: Option<String>,
}

impl Versions {
    /// Reads them. Changes nothing.
    pub async fn of(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let listed: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'",
        )
        .fetch_one(&mut *connection)
        .await?;
        let tables = if listed == 0 {
            None
        } else {
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
                .fetch_one(&mut *connection)
                .await?
        };
        let program = match noted(connection).await? {
            number if number > 0 => Some(in_words(number)),
            _ if tables.is_some_and(|tables| tables <= LAST_OF_0_1) => Some("0.1.0".to_owned()),
            _ => None,
        };
        Ok(Self { tables, program })
    }

    /// Refuses a database whose tables a later version of the program made.
    pub fn refuse_newer(&self, path: &Path, known: i64) -> Result<(), StoreError> {
        match self.tables {
            Some(tables) if tables > known => Err(StoreError::Newer {
                path: path.to_owned(),
                tables,
                known,
                program: self.program.clone(),
                copy: copies(path)
                    .into_iter()
                    .rfind(|(number, _)| *number <= known)
                    .map(|(_, p)| p),
            }),
            _ => Ok(()),
        }
    }
}

/// Copies a database beside it before its tables change from `tables` on. A copy of the same version is replaced: it is of an earlier
/// upgrade, which somebody took back.
pub(super) async fn keep_copy(
    connection: &mut SqliteConnection,
    path: &Path,
    tables: i64,
) -> Result<(), StoreError> {
    let copy = copy_of(path, tables);
    // The copy gets its final name only when it is complete.
    let part = copy.with_extension("part");
    let made = match remove(&part) {
        Ok(()) => vacuum_into(connection, &part).await,
        Err(error) => Err(error.into()),
    };
    let kept = made.and_then(|()| Ok(engine::files::rename(&part, &copy)?));
    kept.map_err(|error| {
        let _ = fs::remove_file(&part); // the first error is the one to return
        StoreError::copy(&copy)(error)
    })
}

/// Removes the oldest copies when there are too many. One that cannot be removed stays.
pub(super) fn remove_old_copies(path: &Path) {
    let copies = copies(path);
    for (_, old) in &copies[..copies.len().saturating_sub(KEPT)] {
        if let Err(error) = fs::remove_file(old) {
            tracing::warn!(%error, "{} is an old copy and cannot be removed", old.display());
        }
    }
}

/// Notes the version of this program in the database, unless a newer one has.
pub(super) async fn note_program(
    connection: &mut SqliteConnection,
    version: &str,
) -> Result<(), sqlx::Error> {
    let number = as_number(version);
    if number > noted(connection).await? {
        // A pragma takes no parameter; this is a number.
        let sql = AssertSqlSafe(format!("PRAGMA user_version = {number}"));
        sqlx::query(sql).execute(connection).await?;
    }
    Ok(())
}

async fn noted(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await
}

/// The name of the copy that is made before the tables change from this version on.
fn copy_of(path: &Path, tables: i64) -> PathBuf {
    if tables <= LAST_OF_0_1 {
        path.with_extension("0.1.sqlite")
    } else {
        path.with_extension(format!("tables-{tables}.sqlite"))
    }
}

/// The copies beside a database with the versions of their tables, oldest first.
fn copies(path: &Path) -> Vec<(i64, PathBuf)> {
    let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { return Vec::new() };
    let number = |name: &str| {
        let middle = name.strip_prefix(stem)?.strip_prefix('.')?.strip_suffix(".sqlite")?;
        if middle == "0.1" {
            Some(LAST_OF_0_1)
        } else {
            middle.strip_prefix("tables-")?.parse().ok()
        }
    };
    let entries = path.parent().map(fs::read_dir).and_then(Result::ok).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<(i64, PathBuf)> =
        paths.filter_map(|path| Some((number(path.file_name()?.to_str()?)?, path))).collect();
    found.sort_unstable();
    found
}

/// A version as a number that grows with it. What follows its three parts does not count.
fn as_number(version: &str) -> i64 {
    let parts = version.split(['.', '-', '+']).take(3);
    parts.fold(0, |number, part| number * 1000 + part.parse::<i64>().unwrap_or(0).min(999))
}

/// A version of [`as_number`] in words.
fn in_words(number: i64) -> String {
    format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_that_grow() {
        assert_eq!(as_number("0.1.0"), 1_000);
        assert_eq!(in_words(as_number("12.3.45")), "12.3.45");
        assert!(as_number("0.2.0-rc1") > as_number("0.1.9"));
        assert!(as_number("1.0.0") > as_number("0.999.999"));
    }

    #[test]
    fn the_oldest_copies_go() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("maskdoor.sqlite");
        for name in ["0.1", "tables-9", "tables-10", "tables-7", "mine"] {
            fs::write(folder.path().join(format!("maskdoor.{name}.sqlite")), name).unwrap();
        }
        remove_old_copies(&database);
        let numbers: Vec<i64> = copies(&database).into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [7, 9, 10]);
        assert!(folder.path().join("maskdoor.mine.sqlite").exists(), "somebody else's file");
        assert_eq!(copy_of(&database, 3), folder.path().join("maskdoor.0.1.sqlite"));
    }
}
