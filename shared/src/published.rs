//! Numbers of "An Empirical Study of Backdoor Attacks on Masked Autoencoders" (ICASSP 2023), for overlays. Their setting
//! differs from the studies that run here: ImageNet-100, ViT-B, 400 epochs of pre-training, target class 0.

/// A published series of attack success rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series {
    /// Trigger and strength.
    pub label: &'static str,
    /// Trigger kind: `blended` or `patched`.
    pub kind: &'static str,
    /// Blend ratio, or square size in pixels of 224.
    pub strength: f64,
    /// Poisoned images per class and attack success rate in percent.
    pub points: [(u32, f64); 5],
}

/// The setting, for a legend.
pub const SETTING: &str = "published: ImageNet-100, ViT-B, 400 epochs";

/// Blended trigger, linear probe: ASR by LPR.
pub const BLENDED_PROBE: [Series; 3] = [
    Series {
        label: "blended 0.2",
        kind: "blended",
        strength: 0.2,
        points: [(0, 0.46), (1, 1.11), (3, 0.61), (5, 12.42), (10, 30.02)],
    },
    Series {
        label: "blended 0.3",
        kind: "blended",
        strength: 0.3,
        points: [(0, 0.32), (1, 3.21), (3, 28.06), (5, 47.71), (10, 66.62)],
    },
    Series {
        label: "blended 0.4",
        kind: "blended",
        strength: 0.4,
        points: [(0, 0.18), (1, 70.9), (3, 92.02), (5, 94.82), (10, 96.9)],
    },
];

/// Patched trigger, fine-tuning. The authors call the axis FPR; their scripts suggest PPR: the axis is uncertain.
pub const PATCHED_FINETUNE: [Series; 2] = [
    Series {
        label: "patched 16 px (axis uncertain)",
        kind: "patched",
        strength: 16.0,
        points: [(0, 73.47), (1, 76.48), (3, 77.51), (5, 81.93), (10, 82.6)],
    },
    Series {
        label: "patched 32 px (axis uncertain)",
        kind: "patched",
        strength: 32.0,
        points: [(0, 89.87), (1, 89.51), (3, 91.59), (5, 96.2), (10, 92.12)],
    },
];
