//! Who is let in: whoever has a token or the password, and the browsers that came with one of them.

mod roots;

use std::{net::IpAddr, num::NonZeroU32, path::Path, sync::Arc};

use anyhow::{Context, bail};
use governor::{Quota, RateLimiter, clock::DefaultClock, state::keyed::HashMapStateStore};

pub use self::roots::Roots;
use crate::{
    clock::Clock,
    store::{Store, StoreError},
    tokens::{Caller, Secret},
};

/// How long a browser stays signed in, in milliseconds: 30 days.
const SESSION: u64 = 30 * 24 * 3600 * 1000;
/// Attempts to sign in that an address may make in a minute.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
/// Shortest password, in characters.
const SHORTEST: usize = 12;

/// The address that a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

type Attempts = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>;

/// Lets requests in.
#[derive(Clone, Debug)]
pub struct Access {
    store: Store,
    clock: Clock,
    door: Arc<Door>,
}

/// What opens the door, besides the tokens in the database.
#[derive(Debug)]
struct Door {
    is_open: bool,
    /// The token in the address that is printed at the start.
    start: Option<Secret>,
    password: Option<Secret>,
    /// Browsers share cookies among all ports of a host, so the port is part of the name.
    cookie: String,
    attempts: Attempts,
}

impl Access {
    /// Lets everyone in.
    pub fn open(store: Store, clock: Clock) -> Self {
        Self::new(store, clock, true, 0, None, None)
    }

    /// Lets in whoever has a token of the database, the start token or the password. `port` is the server's.
    pub fn guarded(
        store: Store,
        clock: Clock,
        port: u16,
        start: Option<Secret>,
        password: Option<Secret>,
    ) -> Self {
        Self::new(store, clock, false, port, start, password)
    }

    fn new(
        store: Store,
        clock: Clock,
        is_open: bool,
        port: u16,
        start: Option<Secret>,
        password: Option<Secret>,
    ) -> Self {
        let attempts = RateLimiter::hashmap(Quota::per_minute(ATTEMPTS));
        let door = Door { is_open, start, password, cookie: format!("maskdoor-{port}"), attempts };
        Self { store, clock, door: Arc::new(door) }
    }

    /// Whether everyone is let in.
    pub fn is_open(&self) -> bool {
        self.door.is_open
    }

    /// The name of the cookie of a session.
    pub fn cookie(&self) -> &str {
        &self.door.cookie
    }

    /// Whether this is the token of the printed address.
    pub fn is_start(&self, token: &str) -> bool {
        self.door.start.as_ref() == Some(&Secret::of(token))
    }

    /// Who has this token: a named one, or that of the printed address.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn with_token(&self, token: &str) -> Result<Option<Caller>, StoreError> {
        if self.is_start(token) {
            return Ok(Some(Caller::local("local")));
        }
        self.store.find_token(&Secret::of(token), self.clock.now_ms()).await
    }

    /// Who has this token or knows this password.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn with_token_or_password(&self, text: &str) -> Result<Option<Caller>, StoreError> {
        if self.door.password.as_ref() == Some(&Secret::of(text)) {
            return Ok(Some(Caller::local("password")));
        }
        self.with_token(text).await
    }

    /// Whose session this is. The token of the printed address is one, too.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn with_session(&self, session: &str) -> Result<Option<Caller>, StoreError> {
        if self.is_start(session) {
            return Ok(Some(Caller::local("local")));
        }
        self.store.find_session(&Secret::of(session), self.clock.now_ms()).await
    }

    /// Begins a session. Returns what the browser keeps, and for how many seconds.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_session(&self, caller: &Caller) -> Result<(String, u64), StoreError> {
        let text = Secret::draw();
        let now = self.clock.now_ms();
        self.store.insert_session(&Secret::of(&text), caller, now, now + SESSION).await?;
        Ok((text, SESSION / 1000))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_session(&self, session: &str) -> Result<(), StoreError> {
        self.store.delete_session(&Secret::of(session)).await
    }

    /// Whether this address may try to sign in now; counts the attempt.
    pub fn may_try(&self, peer: IpAddr) -> bool {
        self.door.attempts.retain_recent();
        self.door.attempts.check_key(&peer).is_ok()
    }
}

/// The password in the first line of a file.
///
/// # Errors
/// When the file cannot be read, or the password is too short.
pub fn password(file: &Path) -> anyhow::Result<Secret> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the password file {} cannot be read", file.display()))?;
    let password = text.lines().next().unwrap_or_default().trim();
    if password.chars().count() < SHORTEST {
        bail!(
            "the password in the first line of {} has fewer than {SHORTEST} characters",
            file.display()
        );
    }
    Ok(Secret::of(password))
}
