//! How fast a device trains: what is expected of it, and what its finished runs measured.

use serde::{Deserialize, Serialize};

use crate::{device::DeviceKind, run_kind::RunKind, settings::Precision};

/// Operations per second of training on one thread of a server core with AVX-512, for estimates before any run was measured. With
/// [`IMAGE_SECONDS`] it matches the steps of A and A4 in `docs/performance.md` within 6 %, and *Quick look* a third too slow.
const OPERATIONS_PER_SECOND: f64 = 7.5e10;

/// The same of a GPU, whose model is not known: a quarter of what ViT-B reaches in bf16 on an H200 (`docs/gpu.md`).
const GPU_OPERATIONS_PER_SECOND: f64 = 1e14;

/// Seconds per image on one thread besides its operations: decoding, crop, patches.
const IMAGE_SECONDS: f64 = 0.00005;

/// The same on a GPU.
const GPU_IMAGE_SECONDS: f64 = 0.000_005;

/// What the finished runs of a device took, compared with what was expected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pace {
    /// Each kind of run and precision that was measured.
    pub measured: Vec<MeasuredPace>,
}

/// The pace of one kind of run in one precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeasuredPace {
    /// Pre-training or fine-tuning.
    pub kind: RunKind,
    /// What it computed in.
    pub precision: Precision,
    /// Seconds of an image over the expected ones: 2 is half as fast as expected. The median of the runs.
    pub factor: f64,
    /// Number of runs.
    pub runs: u32,
}

impl Pace {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.measured.is_empty()
    }

    /// The factor for a run: of its kind and precision, else of its precision; none where that was not measured.
    pub fn factor(&self, kind: RunKind, precision: Precision) -> Option<f64> {
        let mut same = self.measured.iter().filter(|one| one.precision == precision);
        let first = same.clone().next();
        same.find(|one| one.kind == kind).or(first).map(|one| one.factor)
    }
}

/// What runs train on.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// What the device is.
    pub kind: DeviceKind,
    /// Threads of the processor.
    pub threads: u32,
    /// How many such devices train one run together.
    pub devices: u32,
    /// What was measured on one of them.
    pub pace: Pace,
}

impl Speed {
    /// A processor's threads, of which nothing was measured.
    pub fn of_threads(threads: u32) -> Self {
        Self { kind: DeviceKind::Cpu, threads, devices: 1, pace: Pace::default() }
    }

    /// Seconds that these operations on an image are expected to take before anything was measured.
    pub fn expected(&self, operations: f64) -> f64 {
        let (rate, beside, many) = match self.kind {
            DeviceKind::Cuda => (GPU_OPERATIONS_PER_SECOND, GPU_IMAGE_SECONDS, 1),
            // What a cluster's nodes have is not known here.
            DeviceKind::Cpu | DeviceKind::Cluster => {
                (OPERATIONS_PER_SECOND, IMAGE_SECONDS, self.threads.max(1))
            }
        };
        (operations / rate + beside) / f64::from(many)
    }

    /// Seconds that these operations on an image take in a run.
    pub fn seconds(&self, operations: f64, kind: RunKind, precision: Precision) -> f64 {
        let factor = self.pace.factor(kind, precision).unwrap_or(1.0);
        self.expected(operations) * factor / f64::from(self.devices.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_pace_replaces_the_expected_one() {
        let mut speed = Speed::of_threads(2);
        // A second of one thread, and what an image takes besides.
        let expected = 0.5 + 2.5e-5;
        let seconds = |speed: &Speed, kind, precision| speed.seconds(7.5e10, kind, precision);
        assert!((seconds(&speed, RunKind::Pretrain, Precision::F32) - expected).abs() < 1e-12);
        let measured = |kind, precision, factor| MeasuredPace { kind, precision, factor, runs: 1 };
        speed.pace.measured = vec![
            measured(RunKind::Pretrain, Precision::F32, 2.0),
            measured(RunKind::Finetune, Precision::F32, 3.0),
        ];
        for (kind, precision, factor) in [
            (RunKind::Pretrain, Precision::F32, 2.0),
            (RunKind::Finetune, Precision::F32, 3.0),
            (RunKind::Probe, Precision::F32, 2.0),
            (RunKind::Pretrain, Precision::Bf16, 1.0),
        ] {
            let there = seconds(&speed, kind, precision);
            assert!((there - factor * expected).abs() < 1e-12, "{kind:?} {precision:?}: {there}");
        }
        speed.devices = 4;
        let shared = seconds(&speed, RunKind::Pretrain, Precision::F32);
        assert!((shared - 0.5 * expected).abs() < 1e-12, "{shared}");
    }
}
