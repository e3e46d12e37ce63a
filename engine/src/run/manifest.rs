//! The manifest next to a run's results: everything needed to repeat it.

use serde::Serialize;
use shared::{
    PoisonPlan,
    metric::Target,
    {RunKind, RunOrder},
};

use super::{Run, key::Key};
use crate::{checkpoint::PROGRAM, data::Pixels};

/// Everything needed to repeat the run with the same version of the program.
#[derive(Serialize)]
pub(super) struct Manifest<'a> {
    order: &'a RunOrder,
    poison: PoisonSummary,
    key_sha256: Option<&'a str>,
    dataset_fingerprint: &'a str,
    classes: &'a [String],
    train_images: usize,
    test_images: usize,
    steps: u64,
    program: &'a str,
    bits: String,
    device: String,
    processor: String,
    arithmetic: String,
    threads: usize,
}

/// A summary of the plan; `poison.json` lists its samples.
#[derive(Serialize)]
struct PoisonSummary {
    kind: RunKind,
    seed: u64,
    target_class: Target,
    per_class: u32,
    samples: usize,
    /// Samples that are composed of several images; `poison.json` says of which, and where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    composed: Option<usize>,
    covers: usize,
    /// Poisoned images of each backdoor, the main one first, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    of_backdoors: Vec<usize>,
}

impl Run<'_> {
    fn of_backdoors(&self, plan: &PoisonPlan) -> Vec<usize> {
        let further = self.order.settings.attack.further.len() as u32;
        let count = |backdoor: u32| {
            plan.samples.iter().filter(|sample| sample.backdoor == backdoor).count()
        };
        if further == 0 { Vec::new() } else { (0..=further).map(count).collect() }
    }

    pub(super) fn manifest<'a>(
        &'a self,
        plan: &PoisonPlan,
        key: &'a Key,
        pixels: &'a Pixels,
    ) -> Manifest<'a> {
        Manifest {
            order: self.order,
            poison: PoisonSummary {
                kind: plan.kind,
                seed: plan.seed,
                target_class: plan.target_class,
                per_class: plan.per_class,
                samples: plan.samples.len(),
                composed: Some(plan.compositions.len()).filter(|&composed| composed > 0),
                covers: plan.covers.len(),
                of_backdoors: self.of_backdoors(plan),
            },
            key_sha256: key.sha256.as_deref(),
            dataset_fingerprint: &pixels.fingerprint,
            classes: &pixels.classes,
            train_images: pixels.train.len(),
            test_images: pixels.test.len(),
            steps: self.batches.steps(),
            program: PROGRAM,
            bits: self.device.bits(),
            device: self.machine.device_name(),
            processor: self.machine.processor(),
            arithmetic: self.device.arithmetic(),
            threads: self.machine.threads(),
        }
    }
}
