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
    door: Option<Arc<Door>>,
}

/// What opens the door, besides the tokens in the database.
#[derive(Debug)]
struct Door {
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
        Self { store, clock, door: None }
    }

    /// Lets in whoever has a token of the database, the start token or the password. `port` is the server's.
    pub fn guarded(
        store: Store,
        clock: Clock,
        port: u16,
        start: Option<Secret>,
        password: Option<Secret>,
    ) -> Self {
        let door = Door {
            start,
            password,
            cookie: format!("maskdoor-{port}"),
            attempts: RateLimiter::hashmap(Quota::per_minute(ATTEMPTS)),
        };
        Self { store, clock, door: Some(Arc::new(door)) }
    }

    /// Whether everyone is let in.
    pub fn is_open(&self) -> bool {
        self.door.is_none()
    }

    /// The name of the cookie of a session; none where everyone is let in.
    pub fn cookie(&self) -> Option<&str> {
        self.door.as_ref().map(|door| door.cookie.as_str())
    }

    /// Who has this token: a named one, or the start token.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn with_token(&self, token: &str) -> Result<Option<Caller>, StoreError> {
        let Some(door) = &self.door else { return Ok(Some(Caller::local("local"))) };
        let secret = Secret::of(token);
        if door.start.as_ref() == Some(&secret) {
            return Ok(Some(Caller::local("local")));
        }
        self.store.find_token(&secret, self.clock.now_ms()).await
    }

    /// Who has this token or knows this password.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn with_any(&self, token: &str) -> Result<Option<Caller>, StoreError> {
        let password = self.door.as_ref().and_then(|door| door.password.as_ref());
        if password == Some(&Secret::of(token)) {
            return Ok(Some(Caller::local("password")));
        }
        self.with_token(token).await
    }

    /// Whose session this is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn with_session(&self, session: &str) -> Result<Option<Caller>, StoreError> {
        if self.door.is_none() {
            return Ok(Some(Caller::local("local")));
        }
        let secret = Secret::of(session);
        if self.door.as_ref().is_some_and(|door| door.start.as_ref() == Some(&secret)) {
            return Ok(Some(Caller::local("local")));
        }
        self.store.find_session(&secret, self.clock.now_ms()).await
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
        self.door.as_ref().is_none_or(|door| {
            door.attempts.retain_recent();
            door.attempts.check_key(&peer).is_ok()
        })
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
