//! Tokens: their names, rights and secrets, and who has one.

mod secret;

use std::{fmt, str::FromStr};

pub use self::secret::Secret;

/// What somebody may do; each of them includes those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    /// See everything.
    Read,
    /// Also start, cancel and repeat runs.
    Run,
    /// Also delete studies, and add or remove data sets and checkpoints, for which files of the server's machine are read.
    Admin,
}

impl Rights {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Run, Self::Admin];

    /// The name in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Rights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|rights| rights.as_str() == text);
        found.ok_or_else(|| format!("takes read, run or admin, not {text:?}"))
    }
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// What it allows.
    pub rights: Rights,
    /// When it was made, in Unix milliseconds.
    pub created_at: u64,
    /// When it expires, in Unix milliseconds; never without.
    pub expires_at: Option<u64>,
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token, or `password`, or `local`.
    pub name: String,
    /// What they may do.
    pub rights: Rights,
    /// The token, where the name is one.
    pub token: Option<String>,
}

impl Caller {
    /// Somebody who may do everything without a named token.
    pub fn local(name: &str) -> Self {
        Self { name: name.into(), rights: Rights::Admin, token: None }
    }
}
