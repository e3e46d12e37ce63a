//! What a listing leaves out, by reason.

use std::collections::HashSet;

use shared::dataset::LeftOut;

/// Files that are named for each reason.
const NAMED: usize = 3;

/// What is left out so far, in the order of the first of each reason.
#[derive(Clone, Debug, Default)]
pub struct LeftOver {
    groups: Vec<LeftOut>,
    /// Files that the layout reads, though they are not images.
    used: HashSet<String>,
}

impl LeftOver {
    /// Adds a file or, with `/` at its end, a folder with all that is in it.
    pub fn add(&mut self, reason: impl Into<String>, path: impl Into<String>) {
        let (reason, path) = (reason.into(), path.into());
        if self.used.contains(&path) {
            return;
        }
        let known = self.groups.iter().position(|group| group.reason == reason);
        let at = known.unwrap_or_else(|| {
            self.groups.push(LeftOut { reason, count: 0, first: Vec::new() });
            self.groups.len() - 1
        });
        let group = &mut self.groups[at];
        group.count += 1;
        if group.first.len() < NAMED {
            group.first.push(path.replace(char::is_control, "\u{fffd}"));
        }
    }

    /// The layout reads this file: it is not left out.
    pub fn uses(&mut self, path: impl Into<String>) {
        self.used.insert(path.into());
    }

    /// All of it.
    pub fn into_groups(self) -> Vec<LeftOut> {
        self.groups
    }
}
