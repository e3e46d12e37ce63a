//! Progress bar for long work.

use engine::stop::Watch;
use indicatif::ProgressBar;

use crate::terminal::Bars;

/// Shows the progress of long work as a bar.
#[derive(Default)]
pub struct BarWatch {
    bars: Bars,
    bar: Option<ProgressBar>,
}

impl Watch for BarWatch {
    fn progress(&mut self, what: &str, done: u64, total: u64) {
        let bar = self.bar.get_or_insert_with(|| self.bars.add(what.to_owned(), total));
        bar.set_prefix(what.to_owned());
        bar.set_length(total);
        bar.set_position(done);
    }

    fn stopped(&self) -> bool {
        false
    }
}

impl Drop for BarWatch {
    fn drop(&mut self) {
        self.bars.clear();
    }
}
