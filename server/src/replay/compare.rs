//! Compares two runs of the same order.

use std::{collections::BTreeMap, fmt};

use engine::{
    checkpoint::compare::{Difference, DifferenceKind, differences},
    eval::{ScoresError, read_said},
    files::DEFENCE,
    run::strips::Strips,
};
use shared::{
    RunEvent,
    metric::{Judgement, Metrics},
};

use super::{Left, ReplayError};

/// Maximum number of tensors listed as different.
const NAMED: usize = 10;

/// What both runs have in common, and what differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Number of steps whose losses were compared: those that both runs reported.
    pub steps: usize,
    /// Number of epochs whose mean losses were compared.
    pub epochs: usize,
    /// Number of evaluations that were compared.
    pub evaluations: usize,
    /// Whether the first run used other sources, libraries or instructions, so that equal bits are not guaranteed.
    pub other_program: bool,
    /// Why it was repeated on another kind of device than the first run's, in a sentence.
    pub elsewhere: Option<String>,
    /// The differences, one line each; empty if both runs are equal to the last bit.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, epochs, evaluations, other_program, elsewhere, differences } = self;
        let compared =
            format!("{steps} steps, {epochs} epochs, {evaluations} evaluations and the checkpoint");
        if differences.is_empty() {
            write!(f, "equal to the last bit: {compared}")?;
        } else {
            write!(f, "different ({compared} compared):")?;
            differences.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
        }
        if let Some(elsewhere) = elsewhere {
            write!(f, "\n{elsewhere}")?;
        }
        if *other_program {
            f.write_str(
                "\nThe first run was computed by another build of the program, or with other processor \
                 instructions; equal bits are guaranteed only if both are the same.",
            )?;
        }
        Ok(())
    }
}

/// The numbers that a run reported, by step or epoch. A loss is stored as its bits.
#[derive(Debug, Default)]
struct Numbers {
    steps: BTreeMap<u64, u64>,
    epochs: BTreeMap<u64, u64>,
    evaluations: BTreeMap<u32, (Metrics, Option<u64>, Option<u64>)>,
    judgement: Option<Judgement>,
    checkpoint: Option<String>,
}

impl Numbers {
    fn of(left: &Left) -> Self {
        let mut numbers = Self::default();
        for stamped in &left.events {
            match &stamped.event {
                RunEvent::Step { step, loss, .. } => {
                    numbers.steps.insert(*step, loss.to_bits());
                }
                RunEvent::Epoch { epoch, loss, .. } => {
                    numbers.epochs.insert(u64::from(*epoch), loss.to_bits());
                }
                RunEvent::Evaluated { epoch, metrics, loss, triggered_loss } => {
                    let bits = |loss: &Option<f64>| loss.map(f64::to_bits);
                    let told = (*metrics, bits(loss), bits(triggered_loss));
                    numbers.evaluations.insert(*epoch, told);
                }
                RunEvent::Knn { epoch, metrics } => {
                    numbers.evaluations.insert(*epoch, (*metrics, None, None));
                }
                RunEvent::Judged { judgement, .. } => numbers.judgement = Some(**judgement),
                RunEvent::Checkpoint { file, .. } => numbers.checkpoint = Some(file.clone()),
                _ => {}
            }
        }
        numbers
    }
}

/// Compares the results of two runs.
pub(super) fn compare(first: &Left, second: &Left) -> Result<Comparison, ReplayError> {
    let mut lines = Vec::new();
    let (a, b) = (&first.manifest, &second.manifest);
    let texts = [
        ("data set's fingerprint", Some(&a.dataset_fingerprint), Some(&b.dataset_fingerprint)),
        ("key image's SHA-256", a.key_sha256.as_ref(), b.key_sha256.as_ref()),
    ];
    for (what, a, b) in texts {
        if a != b {
            let text = |text: Option<&String>| text.map_or("none", String::as_str).to_owned();
            lines.push(format!("{what}: {}, now {}", text(a), text(b)));
        }
    }
    let (a, b) = (Numbers::of(first), Numbers::of(second));
    let steps = compare_losses("step", &a.steps, &b.steps, &mut lines);
    let epochs = compare_losses("epoch", &a.epochs, &b.epochs, &mut lines);
    if a.epochs.len() != b.epochs.len() {
        lines.push(format!("epochs: {}, now {}", a.epochs.len(), b.epochs.len()));
    }
    let mut evaluations = compare_evaluations(&a, &b, &mut lines);
    evaluations += compare_judgements(first, second, (&a, &b), &mut lines)?;
    compare_checkpoints(first, second, &a, &b, &mut lines)?;
    let of = |left: &Left| (left.manifest.program.clone(), left.manifest.bits.clone());
    let other_program = of(first) != of(second);
    let differences = lines;
    Ok(Comparison { steps, epochs, evaluations, other_program, elsewhere: None, differences })
}

/// Reports the first step or epoch present in both runs whose losses differ. Returns how many are present in both.
fn compare_losses(
    what: &str,
    a: &BTreeMap<u64, u64>,
    b: &BTreeMap<u64, u64>,
    lines: &mut Vec<String>,
) -> usize {
    let both: Vec<_> = a.iter().filter_map(|(at, a)| Some((at, a, b.get(at)?))).collect();
    let mut different = both.iter().filter(|(_, a, b)| a != b);
    if let Some((at, a, b)) = different.next() {
        let more = different.count();
        let (a, b) = (f64::from_bits(**a), f64::from_bits(**b));
        lines.push(format!("loss of {what} {at}: {a}, now {b}; {more} later ones differ, too"));
    }
    both.len()
}

fn compare_evaluations(a: &Numbers, b: &Numbers, lines: &mut Vec<String>) -> usize {
    let mut compared = 0;
    for (epoch, first) in &a.evaluations {
        match b.evaluations.get(epoch) {
            Some(second) if first == second => compared += 1,
            Some(second) => {
                compared += 1;
                let told = |metrics: &Metrics| {
                    let of = |ratio: shared::Ratio| format!("{}/{}", ratio.hits, ratio.total);
                    let Metrics { ca, asr, ra, .. } = *metrics;
                    format!("CA {}, ASR {}, RA {}", of(ca), of(asr), of(ra))
                };
                let (first, second) = (told(&first.0), told(&second.0));
                lines.push(format!("evaluation of epoch {epoch}: {first}, now {second}"));
            }
            None => lines.push(format!("evaluation of epoch {epoch}: now missing")),
        }
    }
    compared
}

/// Compares what both runs found as defences, and what they said of every image. Returns how many judgements were compared.
fn compare_judgements(
    first: &Left,
    second: &Left,
    (a, b): (&Numbers, &Numbers),
    lines: &mut Vec<String>,
) -> Result<usize, ReplayError> {
    let Some(judgement) = &a.judgement else { return Ok(0) };
    // Earlier versions did not tell what an input filter changes.
    let other = b.judgement.map(|other| Judgement {
        filtered: other.filtered.filter(|_| judgement.filtered.is_some()),
        ..other
    });
    match other {
        None => lines.push("defence: now without a result".into()),
        Some(other) if other != *judgement => {
            let (first, second) = (judgement.in_words(), other.in_words());
            lines.push(format!("defence: {first}; now {second}"));
        }
        Some(_) => {
            // Without the judgement, which is compared above.
            let said = |left: &Left| -> Result<_, ScoresError> {
                let said: Option<serde_json::Map<String, serde_json::Value>> =
                    read_said(&left.folder.join(DEFENCE))?;
                Ok(said.map(|mut said| {
                    said.remove("judgement");
                    said
                }))
            };
            if said(first)? != said(second)? {
                lines.push("defence: the same counts from other scores".into());
            }
            // Earlier versions kept no strips, or less of each.
            let (first, second) = (Strips::read(&first.folder)?, Strips::read(&second.folder)?);
            if let Some(first) = first
                && second.map(|second| second.as_far_as(&first)).as_ref() != Some(&first)
            {
                lines.push("defence: other strips".into());
            }
        }
    }
    Ok(1)
}

fn compare_checkpoints(
    first: &Left,
    second: &Left,
    a: &Numbers,
    b: &Numbers,
    lines: &mut Vec<String>,
) -> Result<(), ReplayError> {
    let (Some(file), Some(other)) = (&a.checkpoint, &b.checkpoint) else {
        // Repairs of earlier versions kept no checkpoint.
        let earlier = a.checkpoint.is_none() && a.judgement.is_some();
        if a.checkpoint != b.checkpoint && !earlier {
            lines.push("checkpoint: only one of the runs wrote one".into());
        }
        return Ok(());
    };
    let found = differences(&first.folder.join(file), &second.folder.join(other))?;
    lines.extend(found.iter().take(NAMED).map(told));
    if found.len() > NAMED {
        lines.push(format!("and {} more tensors", found.len() - NAMED));
    }
    Ok(())
}

fn told(difference: &Difference) -> String {
    let name = &difference.tensor;
    match difference.kind {
        DifferenceKind::Missing => format!("tensor {name}: only one of the checkpoints has it"),
        DifferenceKind::Shape => format!("tensor {name}: its shape differs"),
        DifferenceKind::Values(largest) => {
            format!("tensor {name}: differs by {largest:.3e} at most")
        }
    }
}
