//! The one connection that writes.
//!
//! SQLite rolls a transaction back by itself when the disk is full or a write fails, at the commit or before. What a pool believes of its
//! connection is wrong then: it goes on in a transaction that is gone, and nothing is ever written again. So a connection that did not
//! commit is closed, whatever the reason, and the next write opens another one.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{StoreError, place::Place};

/// The connection that writes, opened when it is needed. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    place: Place,
    connection: Arc<Mutex<State>>,
}

#[derive(Debug)]
enum State {
    Open(SqliteConnection),
    /// The next write opens one.
    Missing,
    /// For good.
    Closed,
}

impl Writer {
    /// Opens the connection. The file must exist.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub async fn open(options: SqliteConnectOptions) -> sqlx::Result<Self> {
        let connection = options.connect().await?;
        let place = Place::of(options.get_filename())?;
        Ok(Self { options, place, connection: Arc::new(Mutex::new(State::Open(connection))) })
    }

    /// Begins a transaction. It takes the write lock at once, because upgrading a read transaction later could fail.
    ///
    /// # Errors
    /// When the file cannot be opened or locked, or is no longer in its place.
    pub async fn begin(&self) -> Result<Write, StoreError> {
        let mut state = self.connection.clone().lock_owned().await;
        self.place.check()?;
        match *state {
            State::Open(_) => {}
            State::Missing => *state = State::Open(self.options.connect().await?),
            State::Closed => return Err(sqlx::Error::PoolClosed.into()),
        }
        let mut write = Write { state, place: self.place.clone(), done: false };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *write).await?;
        Ok(write)
    }

    /// Closes the connection for good; all writes are in the file then.
    pub async fn close(&self) {
        let mut state = self.connection.lock().await;
        if let State::Open(connection) = std::mem::replace(&mut *state, State::Closed)
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}

/// A write transaction. Without [`commit`](Self::commit) nothing of it is kept.
#[derive(Debug)]
pub(super) struct Write {
    state: OwnedMutexGuard<State>,
    place: Place,
    done: bool,
}

impl Write {
    /// Writes everything to the file.
    ///
    /// # Errors
    /// When SQLite cannot, or the file is no longer in its place. If it was moved, the transaction is in the moved file.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(&mut *self).await?;
        self.done = true;
        // What was written to a file that is gone by now is lost, too.
        self.place.check()
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if !self.done && matches!(*self.state, State::Open(_)) {
            // Closing it rolls back whatever SQLite has not yet rolled back.
            *self.state = State::Missing;
        }
    }
}

impl Deref for Write {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match &*self.state {
            State::Open(connection) => connection,
            State::Missing | State::Closed => unreachable!("a transaction has a connection"),
        }
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match &mut *self.state {
            State::Open(connection) => connection,
            State::Missing | State::Closed => unreachable!("a transaction has a connection"),
        }
    }
}
