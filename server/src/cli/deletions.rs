//! The sentence that `disk`, `doctor` and `tidy` print for a deleted study.

use shared::api::Deletion;

use crate::terminal::duration;

/// What is kept of a deleted study, and for how long.
pub(super) fn in_words(deletion: &Deletion, now: u64) -> String {
    let Deletion { study, name, until, .. } = deletion;
    match until.saturating_sub(now) {
        0 => format!("{name} ({study}) was deleted; the next maskdoor serve removes its files."),
        left => format!(
            "{name} ({study}) was deleted; the page System restores it for another {}, and its files are kept until then.",
            duration(left as f64 / 1000.0)
        ),
    }
}
