//! What a listing leaves out, by reason.

use shared::dataset::LeftOut;

/// Files that are named for each reason.
const NAMED: usize = 3;

/// What is left out so far, in the order of the first of each reason.
#[derive(Clone, Debug, Default)]
pub struct LeftOver(Vec<LeftOut>);

impl LeftOver {
    /// Adds a file or, with `/` at its end, a folder with all that is in it.
    pub fn add(&mut self, reason: impl Into<String>, path: impl Into<String>) {
        let reason = reason.into();
        let known = self.0.iter().position(|group| group.reason == reason);
        let at = known.unwrap_or_else(|| {
            self.0.push(LeftOut { reason, count: 0, first: Vec::new() });
            self.0.len() - 1
        });
        let group = &mut self.0[at];
        group.count += 1;
        if group.first.len() < NAMED {
            group.first.push(path.into());
        }
    }

    /// All of it.
    pub fn into_groups(self) -> Vec<LeftOut> {
        self.0
    }
}
