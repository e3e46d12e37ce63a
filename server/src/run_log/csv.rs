//! `log.csv`: one line per epoch, similar to the log of MAE's own training scripts.

use shared::{Ratio, RunEvent, RunKind, metric::Metrics};

/// Name of the file in the run's folder.
pub const FILE: &str = "log.csv";

/// Columns of a classifier. Losses are mean cross-entropies, the other values percentages: top-1 and top-5 accuracy on clean images;
/// top-1 accuracy (RA) and attack success rate on triggered images of the attacked classes.
const CLASSIFIER: &str = "epoch,train_lr,train_loss,test_loss,test_acc1,test_acc5,\
    test_triggered_loss,test_triggered_acc1,test_triggered_asr\n";
/// Columns of a pre-training; the last two are the accuracy and the attack success rate of nearest neighbours, in percent.
const PRETRAINING: &str = "epoch,train_lr,train_loss,knn_acc1,knn_triggered_asr\n";

/// The lines of a run. An epoch's line is complete once the run continues after its evaluation.
#[derive(Debug)]
pub struct Csv {
    kind: RunKind,
    open: Option<Row>,
}

/// An epoch whose evaluation may still follow.
#[derive(Debug)]
struct Row {
    epoch: u32,
    lr: f64,
    loss: f64,
    test: Test,
}

/// The measurements at the end of an epoch.
#[derive(Debug, Default)]
struct Test {
    metrics: Option<Metrics>,
    loss: Option<f64>,
    triggered_loss: Option<f64>,
}

impl Csv {
    /// The lines of a run of this kind.
    pub fn new(kind: RunKind) -> Self {
        Self { kind, open: None }
    }

    /// The header line.
    pub fn head(&self) -> String {
        if self.kind.makes_encoder() { PRETRAINING.into() } else { CLASSIFIER.into() }
    }

    /// The lines that an event completes.
    pub fn take(&mut self, event: &RunEvent) -> String {
        match *event {
            RunEvent::Evaluated { metrics, loss, triggered_loss, .. } => {
                self.tested(Test { metrics: Some(metrics), loss, triggered_loss });
                String::new()
            }
            RunEvent::Knn { metrics, .. } => {
                self.tested(Test { metrics: Some(metrics), ..Test::default() });
                String::new()
            }
            RunEvent::Log { .. } | RunEvent::Preparing { .. } => String::new(),
            RunEvent::Epoch { epoch, loss, lr, .. } => {
                self.close(Some(Row { epoch, lr, loss, test: Test::default() }))
            }
            _ => self.close(None),
        }
    }

    fn tested(&mut self, test: Test) {
        if let Some(row) = &mut self.open {
            row.test = test;
        }
    }

    fn close(&mut self, next: Option<Row>) -> String {
        let done = std::mem::replace(&mut self.open, next);
        done.map_or_else(String::new, |row| self.line(&row))
    }

    fn line(&self, row: &Row) -> String {
        let Row { epoch, lr, loss, test } = row;
        let percent = |of: fn(&Metrics) -> Option<Ratio>| {
            number(test.metrics.as_ref().and_then(of).and_then(Ratio::percent))
        };
        let mut cells = vec![epoch.to_string(), number(Some(*lr)), number(Some(*loss))];
        if self.kind.makes_encoder() {
            cells.push(percent(|metrics| Some(metrics.ca)));
        } else {
            cells.push(number(test.loss));
            cells.push(percent(|metrics| Some(metrics.ca)));
            cells.push(percent(|metrics| metrics.top5));
            cells.push(number(test.triggered_loss));
            cells.push(percent(|metrics| Some(metrics.ra)));
        }
        cells.push(percent(|metrics| Some(metrics.asr)));
        cells.join(",") + "\n"
    }
}

/// The shortest text that reads back as the same number; empty for `None`.
fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: u32, loss: f64) -> RunEvent {
        RunEvent::Epoch { epoch, loss, lr: 0.001, images_per_second: 9.0, time: None }
    }

    fn metrics(top5: Option<Ratio>) -> Metrics {
        let of = |hits, total| Ratio { hits, total };
        Metrics { ca: of(1, 2), asr: of(1, 4), ra: of(3, 4), top5, ..Metrics::default() }
    }

    fn told(kind: RunKind, events: &[RunEvent]) -> String {
        let mut csv = Csv::new(kind);
        csv.head() + &events.iter().map(|event| csv.take(event)).collect::<String>()
    }

    #[test]
    fn a_classifier_has_a_line_an_epoch() {
        let evaluated = RunEvent::Evaluated {
            epoch: 2,
            metrics: metrics(Some(Ratio { hits: 2, total: 2 })),
            loss: Some(0.5),
            triggered_loss: None,
        };
        let end = RunEvent::Checkpoint { epoch: 2, file: "head.safetensors".into() };
        let events = [epoch(1, 1.25), epoch(2, 0.75), evaluated, end];
        assert_eq!(
            told(RunKind::Probe, &events),
            "epoch,train_lr,train_loss,test_loss,test_acc1,test_acc5,test_triggered_loss,test_triggered_acc1,test_triggered_asr\n\
             1,0.001,1.25,,,,,,\n2,0.001,0.75,0.5,50,100,,75,25\n"
        );
    }

    #[test]
    fn a_pretraining_has_columns_of_its_own() {
        let events = [
            epoch(1, 1.5),
            RunEvent::Knn { epoch: 1, metrics: metrics(None) },
            RunEvent::Failed { message: "no, \"really\"".into() },
        ];
        assert_eq!(
            told(RunKind::Pretrain, &events),
            "epoch,train_lr,train_loss,knn_acc1,knn_triggered_asr\n1,0.001,1.5,50,25\n"
        );
        assert_eq!(told(RunKind::Pretrain, &events[..2]).lines().count(), 1, "not yet complete");
    }
}
