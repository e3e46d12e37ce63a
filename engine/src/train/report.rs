//! A run's events at a readable pace.

use std::{
    io,
    time::{Duration, Instant},
};

use shared::{RunEvent, metric::Metrics};

use super::{
    batches::{Batch, Batches},
    clock::StepClock,
};
use crate::{
    EngineError,
    stop::{Patience, Watch, patiently},
};

/// Shortest time between two step or progress events.
const PACE: Duration = Duration::from_millis(250);
/// Approximate maximum of step events in a run: a long training sends them less often.
const MOST_STEPS: u64 = 700;
/// In runs of up to this many epochs, the first and the last step of each are always sent.
const MOST_EPOCHS: u32 = 120;

/// Stores an event.
pub type Emit<'a> = dyn FnMut(RunEvent) -> io::Result<()> + 'a;

/// Emits a run's events and measures its speed.
pub struct Reporter<'a> {
    emit: &'a mut Emit<'a>,
    /// Waits for the disk when a file cannot be written.
    patience: Option<&'a mut dyn Patience>,
    now: Box<dyn Fn() -> Instant + 'a>,
    /// An error of `emit` during preparation, to be returned by the next call that can.
    failed: Option<io::Error>,
    /// Events sent so far, including those before a resume.
    sent: u64,
    began: Instant,
    /// Seconds that the run had worked before it was resumed.
    earlier: f64,
    last_progress: Option<Instant>,
    pace: Pace,
    epoch: Meter,
    whole: Meter,
    /// Images per second from the first step to the last one so far.
    speed: f64,
    loss_sum: f64,
    clock: StepClock,
}

/// Decides which steps are sent.
struct Pace {
    meter: Meter,
    step: u64,
    stride: u64,
    epochs: u32,
}

/// Counts images over time.
struct Meter {
    since: Instant,
    images: u64,
}

impl Meter {
    fn new(since: Instant) -> Self {
        Self { since, images: 0 }
    }

    fn per_second(&self, now: Instant) -> f64 {
        self.images as f64 / now.duration_since(self.since).as_secs_f64().max(1e-9)
    }
}

impl<'a> Reporter<'a> {
    /// Starts measuring the run's time.
    pub fn new(emit: &'a mut Emit<'a>) -> Self {
        Self::with_clock(emit, Instant::now)
    }

    /// Like [`new`](Self::new), with another clock.
    pub fn with_clock(emit: &'a mut Emit<'a>, now: impl Fn() -> Instant + 'a) -> Self {
        let began = now();
        Self {
            emit,
            patience: None,
            now: Box::new(now),
            failed: None,
            sent: 0,
            began,
            earlier: 0.0,
            last_progress: None,
            pace: Pace { meter: Meter::new(began), step: 0, stride: 1, epochs: 0 },
            epoch: Meter::new(began),
            whole: Meter::new(began),
            speed: 0.0,
            loss_sum: 0.0,
            clock: StepClock::default(),
        }
    }

    /// Continues a run that had sent `events` events and worked `seconds` seconds.
    pub fn resumed(self, events: u64, seconds: f64) -> Self {
        Self { sent: events, earlier: seconds, ..self }
    }

    /// Waits for the disk when a file cannot be written.
    pub fn patient(self, patience: &'a mut dyn Patience) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// Writes something, which may be tried several times: while the disk is full, the run waits.
    ///
    /// # Errors
    /// When it cannot be written for another reason, or nobody waits.
    pub fn written<T>(
        &mut self,
        write: impl FnMut() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        match &mut self.patience {
            Some(patience) => patiently(&mut **patience, EngineError::full, write),
            None => patiently(&mut (), EngineError::full, write),
        }
    }

    /// Whether the run is to stop at the next place that it can keep.
    pub fn is_to_leave(&self) -> bool {
        self.patience.as_ref().is_some_and(|patience| patience.is_to_leave())
    }

    /// Events sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Seconds that the run has worked so far.
    pub fn seconds(&self) -> f64 {
        self.earlier + (self.now)().duration_since(self.began).as_secs_f64()
    }

    /// Says that everything reported so far was written. Work that a failed report stopped returns a part of its result.
    ///
    /// # Errors
    /// Why it was not.
    pub fn intact(&mut self) -> Result<(), EngineError> {
        if let Some(error) = self.failed.take() {
            return Err(EngineError::Emit(error));
        }
        Ok(())
    }

    /// Emits an event as it is.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn send(&mut self, event: RunEvent) -> Result<(), EngineError> {
        self.intact()?;
        (self.emit)(event).map_err(EngineError::Emit)?;
        self.sent += 1;
        Ok(())
    }

    /// Adds a line to the run's log.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn log(&mut self, message: impl Into<String>) -> Result<(), EngineError> {
        self.send(RunEvent::Log { message: message.into() })
    }

    /// Starts measuring the training's speed.
    pub fn begin(&mut self, batches: &Batches) {
        let stride = batches.steps().div_ceil(MOST_STEPS).max(1);
        let now = (self.now)();
        self.pace = Pace { meter: Meter::new(now), step: 0, stride, epochs: batches.epochs };
        self.epoch = Meter::new(now);
        self.whole = Meter::new(now);
        self.loss_sum = 0.0;
        self.clock = StepClock::default();
        self.waits();
    }

    /// Reports that the loop waits for its next batch from now on. [`step`](Self::step) does so by itself; the loop does so after other
    /// work at the end of an epoch.
    pub fn waits(&mut self) {
        self.clock.waits((self.now)());
    }

    /// Reports that the batch has arrived and the loop computes from now on.
    pub fn computes(&mut self) {
        self.clock.computes((self.now)());
    }

    /// Records a step and emits it if it is due; the last step of an epoch also emits the epoch's event.
    ///
    /// # Errors
    /// When an event cannot be stored.
    pub fn step(&mut self, batch: &Batch, loss: f64, lr: f64) -> Result<(), EngineError> {
        let now = (self.now)();
        self.clock.steps(now);
        let images = batch.samples.len() as u64;
        for meter in [&mut self.pace.meter, &mut self.epoch, &mut self.whole] {
            meter.images += images;
        }
        self.speed = self.whole.per_second(now);
        self.loss_sum += loss;
        let step = batch.steps_done();
        let edge = batch.step == 0 || batch.ends_epoch();
        let due = step >= self.pace.step + self.pace.stride
            && now.duration_since(self.pace.meter.since) >= PACE;
        if step == 1 || due || edge && self.pace.epochs <= MOST_EPOCHS {
            let epoch =
                f64::from(batch.epoch) + (batch.step + 1) as f64 / batch.steps_per_epoch as f64;
            let images_per_second = self.pace.meter.per_second(now);
            self.pace.meter = Meter::new(now);
            self.pace.step = step;
            let time = self.clock.since_step_event();
            self.send(RunEvent::Step { step, epoch, loss, lr, images_per_second, time })?;
        }
        if batch.ends_epoch() {
            let loss = self.loss_sum / batch.steps_per_epoch as f64;
            let images_per_second = self.epoch.per_second(now);
            self.epoch = Meter::new(now);
            self.loss_sum = 0.0;
            let (epoch, time) = (batch.epoch + 1, self.clock.since_epoch_event());
            self.send(RunEvent::Epoch { epoch, loss, lr, images_per_second, time })?;
        }
        self.waits();
        Ok(())
    }

    /// Emits the run's last event.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn finish(&mut self, metrics: Option<Metrics>) -> Result<(), EngineError> {
        let seconds = self.seconds();
        self.send(RunEvent::Finished { metrics, images_per_second: self.speed, seconds })
    }
}

impl Watch for Reporter<'_> {
    fn progress(&mut self, what: &str, done: u64, total: u64) {
        let now = (self.now)();
        let due = self.last_progress.is_none_or(|last| now.duration_since(last) >= PACE);
        if self.failed.is_none() && (due || done >= total) {
            self.last_progress = Some(now);
            let event = RunEvent::Preparing { what: what.into(), done, total };
            self.failed = (self.emit)(event).err();
            self.sent += 1;
        }
    }

    fn stopped(&self) -> bool {
        self.failed.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The events of steps that take `step` milliseconds each.
    fn kinds(batches: Batches, step: u64) -> Vec<&'static str> {
        let (began, time) = (Instant::now(), Cell::new(0));
        let mut kinds = Vec::new();
        let mut emit = |event: RunEvent| {
            kinds.push(event.kind());
            Ok(())
        };
        let now = || began + Duration::from_millis(time.get());
        let mut reporter = Reporter::with_clock(&mut emit, now);
        reporter.begin(&batches);
        for batch in batches.iter() {
            time.set(time.get() + step);
            reporter.step(&batch, 1.0, 0.1).unwrap();
        }
        drop(reporter);
        kinds
    }

    #[test]
    fn fast_steps_are_sent_at_the_edges_of_epochs_alone() {
        let batches = Batches { samples: 40, size: 2, epochs: 2, seed: 1 };
        assert_eq!(kinds(batches, 1), ["step", "step", "epoch", "step", "step", "epoch"]);
    }

    #[test]
    fn slow_steps_are_sent_one_by_one() {
        let batches = Batches { samples: 8, size: 2, epochs: 1, seed: 1 };
        assert_eq!(kinds(batches, 250), ["step", "step", "step", "step", "epoch"]);
        assert_eq!(kinds(batches, 125), ["step", "step", "step", "epoch"]);
    }

    #[test]
    fn a_run_of_many_epochs_sends_few_steps() {
        let batches = Batches { samples: 8, size: 2, epochs: 900, seed: 1 };
        let kinds = kinds(batches, 1);
        assert_eq!(kinds.iter().filter(|&&kind| kind == "epoch").count(), 900);
        assert!(kinds.iter().filter(|&&kind| kind == "step").count() < 700);
    }

    #[test]
    fn an_epoch_reports_its_mean_loss() {
        let mut losses = Vec::new();
        let mut emit = |event: RunEvent| {
            if let RunEvent::Epoch { loss, epoch, .. } = event {
                losses.push((epoch, loss));
            }
            Ok(())
        };
        let batches = Batches { samples: 4, size: 2, epochs: 2, seed: 1 };
        let mut reporter = Reporter::new(&mut emit);
        reporter.begin(&batches);
        for (batch, loss) in batches.iter().zip([4.0, 2.0, 1.0, 0.0]) {
            reporter.step(&batch, loss, 0.1).unwrap();
        }
        drop(reporter);
        assert_eq!(losses, [(1, 3.0), (2, 0.5)]);
    }

    /// Notes what it hears, and waits twice.
    struct Twice(Vec<String>);

    impl Patience for Twice {
        fn wait(&mut self, error: &io::Error) -> bool {
            self.0.push(error.kind().to_string());
            self.0.len() <= 2
        }

        fn over(&mut self) {
            self.0.push("over".into());
        }
    }

    #[test]
    fn a_write_is_tried_again_while_the_disk_is_full() {
        let full = || EngineError::file("a")(io::ErrorKind::StorageFull.into());
        for (failures, told) in [
            (0, &[][..]),
            (2, &["no storage space", "no storage space", "over"]),
            (9, &["no storage space", "no storage space", "no storage space", "over"]),
        ] {
            let (mut emit, mut twice) = (|_| Ok(()), Twice(Vec::new()));
            let mut tried = 0;
            let written = Reporter::new(&mut emit).patient(&mut twice).written(|| {
                tried += 1;
                if tried > failures { Ok(()) } else { Err(full()) }
            });
            assert_eq!(written.is_ok(), failures < 3);
            assert_eq!(twice.0, told);
        }
        let mut tried = 0;
        let mut emit = |_| Ok(());
        let other = Reporter::new(&mut emit).patient(&mut Twice(Vec::new())).written(|| {
            tried += 1;
            Err::<(), _>(EngineError::file("a")(io::ErrorKind::NotFound.into()))
        });
        assert!(other.is_err());
        assert_eq!(tried, 1, "another error is not waited for");
    }

    #[test]
    fn an_event_that_cannot_be_kept_stops_the_work() {
        let mut emit = |_| Err(io::Error::other("disk full"));
        let mut reporter = Reporter::new(&mut emit);
        reporter.progress("reading", 1, 2);
        assert!(reporter.stopped());
        let error = reporter.log("x").unwrap_err();
        assert_eq!(error.to_string(), "writing the run's events: disk full");
    }
}
