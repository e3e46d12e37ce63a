//! A run as a command names it.

use std::{convert::Infallible, fmt, str::FromStr};

use anyhow::bail;
use shared::RunId;

use crate::App;

/// Fewest digits of a digest that name a run.
const DIGITS: usize = 6;

/// A run's identifier, or the first digits of its digest, as `maskdoor runs` lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRef(String);

impl FromStr for RunRef {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().to_lowercase()))
    }
}

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RunRef {
    /// Whether it may be a run: it is an identifier, or some digits of a digest.
    pub fn may_be(&self) -> bool {
        self.0.parse::<RunId>().is_ok() || self.digits().is_some()
    }

    fn digits(&self) -> Option<&str> {
        let is_digit = |c: char| c.is_ascii_hexdigit();
        Some(&self.0[..]).filter(|text| text.len() >= DIGITS && text.chars().all(is_digit))
    }

    /// The run. Of several with one digest, which `--fresh` makes, it is the newest.
    ///
    /// # Errors
    /// When there is none, or runs of several digests begin so; when the store fails.
    pub async fn find(&self, app: &App) -> anyhow::Result<RunId> {
        if let Ok(run) = self.0.parse() {
            return Ok(run);
        }
        let Some(digits) = self.digits() else {
            bail!(
                "{self} is no run: give its identifier, or {DIGITS} digits of its digest or more, as `maskdoor runs` lists them"
            );
        };
        let found = app.store.runs_of_digest(digits).await?;
        let Some((run, digest)) = found.last() else {
            bail!("no run's digest begins with {self}: `maskdoor runs` lists them");
        };
        if let Some((_, other)) = found.iter().find(|(_, other)| other != digest) {
            bail!("several runs begin with {self}, such as {other} and {digest}: give more digits");
        }
        Ok(*run)
    }
}

/// The runs in their order.
///
/// # Errors
/// As [`RunRef::find`].
pub async fn find_all(app: &App, runs: &[RunRef]) -> anyhow::Result<Vec<RunId>> {
    let mut found = Vec::with_capacity(runs.len());
    for run in runs {
        found.push(run.find(app).await?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_run() {
        let may_be = |text: &str| text.parse::<RunRef>().is_ok_and(|run| run.may_be());
        assert!(may_be("29d669c3e8f9") && may_be("29D669"));
        assert!(may_be(&RunId::from_parts(9, [1; 10]).to_string()));
        assert!(!may_be("29d66") && !may_be("mae") && !may_be("29d669c3e8fg"));
    }
}
