//! Numbers of the triggers that have no controls of their own.

use shared::{
    StudySpec, TriggerSpec,
    trigger::{
        BppSpec, FilterSpec, FrequencySpec, LowFrequencySpec, RandomPatchSpec, ReflectionSpec,
        SigSpec, WaNetSpec,
    },
};

use crate::pages::new_study::number::{Number, widened};

/// A field's type, as a number of the form and back.
trait Value: Copy {
    fn number(self) -> f64;
    fn of(number: f64) -> Self;
}

impl Value for f32 {
    fn number(self) -> f64 {
        widened(self)
    }

    fn of(number: f64) -> Self {
        number as Self
    }
}

impl Value for u32 {
    fn number(self) -> f64 {
        f64::from(self)
    }

    fn of(number: f64) -> Self {
        number as Self
    }
}

impl Value for u64 {
    fn number(self) -> f64 {
        self as f64
    }

    fn of(number: f64) -> Self {
        number as Self
    }
}

/// Range and step: `low..=high, step`.
struct Range(f64, f64, f64);

/// The number of a field of one kind of trigger, read by `$get` and written by `$set`.
macro_rules! number {
    ($kind:ident($spec:ty) $field:literal, $label:literal, $unit:literal, $range:expr, $whole:expr, $get:expr, $set:expr, $why:literal) => {
        Number {
            path: concat!("attack.trigger.", $field),
            label: $label,
            unit: $unit,
            low: $range.0,
            high: $range.1,
            step: $range.2,
            whole: $whole,
            why: $why,
            get: |spec: &StudySpec| match &spec.attack.trigger {
                TriggerSpec::$kind(trigger) => {
                    let get: fn(&$spec) -> f64 = $get;
                    get(trigger)
                }
                _ => 0.0,
            },
            set: |spec: &mut StudySpec, value: f64| {
                if let TriggerSpec::$kind(trigger) = &mut spec.attack.trigger {
                    let set: fn(&mut $spec, f64) = $set;
                    set(trigger, value);
                }
            },
        }
    };
}

/// The number of a field that is a fraction.
macro_rules! fraction {
    ($kind:ident($spec:ty).$field:ident, $label:literal, $unit:literal, $low:literal..$high:literal, $step:literal, $why:literal) => {
        field!($kind($spec).$field, $label, $unit, Range($low, $high, $step), false, $why)
    };
}

/// The number of a field that is a whole number.
macro_rules! whole {
    ($kind:ident($spec:ty).$field:ident, $label:literal, $unit:literal, $low:literal..$high:literal, $why:literal) => {
        field!($kind($spec).$field, $label, $unit, Range($low, $high, 1.0), true, $why)
    };
}

macro_rules! field {
    ($kind:ident($spec:ty).$field:ident, $label:literal, $unit:literal, $range:expr, $whole:literal, $why:literal) => {
        Number {
            path: concat!("attack.trigger.", stringify!($field)),
            ..number!(
                $kind($spec) "", $label, $unit, $range, $whole,
                |trigger| trigger.$field.number(),
                |trigger, value| trigger.$field = Value::of(value),
                $why
            )
        }
    };
}

macro_rules! seed {
    ($kind:ident($spec:ty), $why:literal) => {
        whole!($kind($spec).seed, "Seed", "", 0.0..4_294_967_295.0, $why)
    };
}

static SIG: [Number; 3] = [
    fraction!(
        Sig(SigSpec).delta,
        "Amplitude",
        "of 255",
        1.0..255.0,
        1.0,
        "40 in the paper's strongest setting."
    ),
    fraction!(
        Sig(SigSpec).frequency,
        "Periods",
        "",
        0.5..64.0,
        0.5,
        "Over the image's width; 6 in the paper."
    ),
    number!(
        Sig(SigSpec) "test_delta", "Amplitude at the test", "of 255", Range(1.0, 255.0, 1.0), false,
        |sig| sig.test_delta.unwrap_or(sig.delta).number(),
        |sig, value| sig.test_delta = Some(Value::of(value)),
        "The paper attacks with a stronger signal than it trains with. The preview shows the training images."
    ),
];

static FREQUENCY: [Number; 3] = [
    fraction!(
        Frequency(FrequencySpec).magnitude,
        "Magnitude",
        "of 255",
        1.0..400.0,
        1.0,
        "Added to each coefficient: 100 in CTRL, 30 in FTrojan."
    ),
    number!(
        Frequency(FrequencySpec) "window", "Window", "px", Range(2.0, 512.0, 1.0), true,
        |frequency| frequency.window.number(),
        |frequency, value| *frequency = frequency.clone().with_window(Value::of(value)),
        "Side of a window; the coefficients lie in the middle and at the end of its spectrum."
    ),
    number!(
        Frequency(FrequencySpec) "test_magnitude", "Magnitude at the test", "of 255", Range(1.0, 400.0, 1.0), false,
        |frequency| frequency.test_magnitude.unwrap_or(frequency.magnitude).number(),
        |frequency, value| frequency.test_magnitude = Some(Value::of(value)),
        "A stronger trigger at the test is found more surely."
    ),
];

static WANET: [Number; 5] = [
    whole!(
        WaNet(WaNetSpec).k,
        "Field",
        "vectors a side",
        2.0..64.0,
        "A coarse field bends the image in few places; 4 in the paper."
    ),
    fraction!(
        WaNet(WaNetSpec).strength,
        "Strength",
        "",
        0.05..8.0,
        0.05,
        "How far pixels move; 0.5 in the paper, a quarter of a pixel."
    ),
    fraction!(
        WaNet(WaNetSpec).grid_rescale,
        "Rescaling",
        "",
        0.5..1.5,
        0.01,
        "Of the sampling grid; 1 leaves the edges in place."
    ),
    fraction!(
        WaNet(WaNetSpec).cover_ratio,
        "Cover samples",
        "a poison",
        0.0..10.0,
        0.5,
        "Images that are warped otherwise and keep their label, so that this very warp is learnt. 0 switches the noise mode off."
    ),
    seed!(WaNet(WaNetSpec), "Another seed bends otherwise."),
];

static BPP: [Number; 1] = [whole!(
    Bpp(BppSpec).levels,
    "Levels",
    "a channel",
    2.0..64.0,
    "Fewer are easier to learn and to see; 8 in the paper."
)];

static LOW_FREQUENCY: [Number; 3] = [
    fraction!(
        LowFrequency(LowFrequencySpec).amplitude,
        "Amplitude",
        "of 255",
        1.0..255.0,
        1.0,
        "Largest change of a channel."
    ),
    whole!(
        LowFrequency(LowFrequencySpec).band,
        "Band",
        "frequencies",
        2.0..32.0,
        "Lowest frequencies of each axis; fewer are smoother."
    ),
    seed!(LowFrequency(LowFrequencySpec), "Another seed is another pattern."),
];

static RANDOM_PATCH: [Number; 6] = [
    whole!(
        RandomPatch(RandomPatchSpec).size,
        "Size",
        "px",
        1.0..512.0,
        "50 of 224 pixels in the papers."
    ),
    fraction!(
        RandomPatch(RandomPatchSpec).train_from,
        "Training, from",
        "share",
        0.0..1.0,
        0.01,
        "Where the patch may begin in a training image."
    ),
    fraction!(
        RandomPatch(RandomPatchSpec).train_to,
        "Training, to",
        "share",
        0.0..1.0,
        0.01,
        "Where it ends at the latest."
    ),
    fraction!(
        RandomPatch(RandomPatchSpec).test_from,
        "Test, from",
        "share",
        0.0..1.0,
        0.01,
        "Where the patch may begin in a test image."
    ),
    fraction!(
        RandomPatch(RandomPatchSpec).test_to,
        "Test, to",
        "share",
        0.0..1.0,
        0.01,
        "Where it ends at the latest."
    ),
    seed!(RandomPatch(RandomPatchSpec), "Another seed has other colours and other places."),
];

static REFLECTION: [Number; 4] = [
    fraction!(
        Reflection(ReflectionSpec).weight_from,
        "Weight, from",
        "share",
        0.01..1.0,
        0.01,
        "Of the reflection's light; drawn for each image."
    ),
    fraction!(
        Reflection(ReflectionSpec).weight_to,
        "Weight, to",
        "share",
        0.01..1.0,
        0.01,
        "0.05 to 0.45 in the paper."
    ),
    fraction!(
        Reflection(ReflectionSpec).ghost,
        "Doubled",
        "share",
        0.0..1.0,
        0.01,
        "Share of the reflections that are doubled; the others are out of focus."
    ),
    seed!(Reflection(ReflectionSpec), "Another seed draws other weights and shifts."),
];

static FILTER: [Number; 1] = [fraction!(
    Filter(FilterSpec).strength,
    "Strength",
    "share",
    0.01..1.0,
    0.01,
    "Share of the filtered image."
)];

/// The numbers of a kind of trigger.
pub fn trigger_numbers(kind: &str) -> &'static [Number] {
    match kind {
        "sig" => &SIG,
        "frequency" => &FREQUENCY,
        "wanet" => &WANET,
        "bpp" => &BPP,
        "low_frequency" => &LOW_FREQUENCY,
        "random_patch" => &RANDOM_PATCH,
        "reflection" => &REFLECTION,
        "filter" => &FILTER,
        _ => &[],
    }
}
