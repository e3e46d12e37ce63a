//! How a step's time divides into waiting for the batch and computing.

use std::time::{Duration, Instant};

use shared::StepTime;

/// Divides a training loop's time at the moments that the loop reports.
#[derive(Debug, Default)]
pub struct StepClock {
    /// Since when the loop has been waiting, or computing.
    waits: Option<Instant>,
    computes: Option<Instant>,
    of_step_event: Sum,
    of_epoch_event: Sum,
}

/// Total times of some steps.
#[derive(Debug, Default)]
struct Sum {
    waited: Duration,
    computed: Duration,
    steps: u32,
}

impl Sum {
    fn mean(&self) -> Option<StepTime> {
        let steps = f64::from(self.steps);
        (self.steps > 0).then(|| StepTime {
            waited: self.waited.as_secs_f64() / steps,
            computed: self.computed.as_secs_f64() / steps,
        })
    }
}

impl StepClock {
    /// Reports that the loop waits from `now` on.
    pub fn waits(&mut self, now: Instant) {
        (self.waits, self.computes) = (Some(now), None);
    }

    /// Reports that the loop computes from `now` on.
    pub fn computes(&mut self, now: Instant) {
        self.computes = Some(now);
    }

    /// Reports that a step ends `now`. A step without the other two moments is not counted.
    pub fn steps(&mut self, now: Instant) {
        let Some((waits, computes)) = self.waits.take().zip(self.computes.take()) else { return };
        for sum in [&mut self.of_step_event, &mut self.of_epoch_event] {
            sum.waited += computes.duration_since(waits);
            sum.computed += now.duration_since(computes);
            sum.steps += 1;
        }
    }

    /// The mean over the steps since the last call.
    pub fn since_step_event(&mut self) -> Option<StepTime> {
        std::mem::take(&mut self.of_step_event).mean()
    }

    /// The mean over the steps since the last call.
    pub fn since_epoch_event(&mut self) -> Option<StepTime> {
        std::mem::take(&mut self.of_epoch_event).mean()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_and_computing_by_hand() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut clock = StepClock::default();
        // Waits 250, computes 500; other work until 1000; waits 750, computes 1500.
        clock.waits(at(0));
        clock.computes(at(250));
        clock.steps(at(750));
        assert_eq!(clock.since_step_event(), Some(StepTime { waited: 0.25, computed: 0.5 }));
        clock.waits(at(1000));
        clock.computes(at(1750));
        clock.steps(at(3250));
        assert_eq!(clock.since_step_event(), Some(StepTime { waited: 0.75, computed: 1.5 }));
        assert_eq!(clock.since_epoch_event(), Some(StepTime { waited: 0.5, computed: 1.0 }));
        assert_eq!(clock.since_epoch_event(), None);
    }

    #[test]
    fn a_loop_that_names_no_moments_has_no_times() {
        let mut clock = StepClock::default();
        clock.waits(Instant::now());
        clock.steps(Instant::now());
        assert_eq!(clock.since_step_event(), None);
    }
}
