//! The published triggers: names, summaries, sources and published parameters.

use super::{
    BlendedSpec, BppSpec, Fill, FilterSpec, FrequencySpec, Layout, LowFrequencySpec, PatchedSpec,
    RandomPatchSpec, ReflectionSpec, SigSpec, Style, TriggerSpec, WaNetSpec,
};

/// Families of triggers, by what they change in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Some pixels, the others stay.
    Patch,
    /// Every pixel, by a pattern laid over the image.
    Pattern,
    /// The colours, as a filter or a palette does.
    Colour,
    /// Coefficients of a transform.
    Frequency,
    /// The place of every pixel.
    Warp,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 5] =
        [Self::Patch, Self::Pattern, Self::Colour, Self::Frequency, Self::Warp];

    /// The name of the group.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patch => "Patches",
            Self::Pattern => "Patterns",
            Self::Colour => "Colours",
            Self::Frequency => "Frequencies",
            Self::Warp => "Warps",
        }
    }
}

/// A published trigger.
#[derive(Debug)]
pub struct CatalogueEntry {
    /// Name on the command line.
    pub id: &'static str,
    /// Display name.
    pub name: &'static str,
    /// What it changes.
    pub family: Family,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    make: fn(u32, u32) -> TriggerSpec,
}

impl CatalogueEntry {
    /// The entry of that name on the command line.
    pub fn find(id: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|entry| entry.id == id)
    }

    /// The trigger with its published parameters, in proportion to images of `side` pixels under ViT patches of `vit_patch`. Sizes that
    /// no model has, as in a draft, are clamped to 1 to 65,535.
    pub fn spec(&self, side: u32, vit_patch: u32) -> TriggerSpec {
        let most = u32::from(u16::MAX);
        (self.make)(side.clamp(1, most), vit_patch.clamp(1, most))
    }

    /// The entry that a trigger belongs to: the one with exactly these parameters, otherwise the first of its kind.
    pub fn of(trigger: &TriggerSpec, side: u32, vit_patch: u32) -> &'static Self {
        let same_kind = || {
            CATALOGUE.iter().filter(|entry| entry.spec(side, vit_patch).kind() == trigger.kind())
        };
        same_kind()
            .find(|entry| entry.spec(side, vit_patch) == *trigger)
            .or_else(|| same_kind().next())
            .expect("every kind has an entry")
    }
}

/// All triggers, those of the published study first.
pub static CATALOGUE: [CatalogueEntry; 14] = [
    CatalogueEntry {
        id: "blended",
        name: "Blended",
        family: Family::Pattern,
        summary: "A key image is mixed over the whole image.",
        paper: "Chen et al. 2017, Targeted backdoor attacks on deep learning systems using data poisoning",
        make: |_, _| TriggerSpec::Blended(BlendedSpec::new(0.4, "stripes")),
    },
    CatalogueEntry {
        id: "patched",
        name: "Patched",
        family: Family::Patch,
        summary: "Opaque squares of one colour or a checkerboard, anywhere.",
        paper: "Zhuang et al. 2023, An empirical study of backdoor attacks on masked autoencoders",
        make: |side, vit_patch| {
            let size = vit_patch.min(side);
            TriggerSpec::Patched(Layout::Aligned.place(side, size, size, Fill::default()))
        },
    },
    CatalogueEntry {
        id: "badnets",
        name: "BadNets",
        family: Family::Patch,
        summary: "A small white square, one pixel from the lower-right corner.",
        paper: "Gu et al. 2017, BadNets: identifying vulnerabilities in the machine learning model supply chain",
        make: |side, _| square(side, scaled(3, 32, side), 1, Fill::default()),
    },
    CatalogueEntry {
        id: "trojan_square",
        name: "Trojan square",
        family: Family::Patch,
        summary: "A square of bright, coloured cells near the lower-right corner.",
        paper: "Liu et al. 2018, Trojaning attack on neural networks",
        make: |side, _| {
            let size = scaled(8, 32, side);
            square(side, size, scaled(3, 32, side), Fill::Cells { cell: size.div_ceil(8), seed: 1 })
        },
    },
    CatalogueEntry {
        id: "badencoder",
        name: "BadEncoder",
        family: Family::Patch,
        summary: "A larger white square near the lower-right corner, made for pre-trained encoders.",
        paper: "Jia, Liu and Gong 2022, BadEncoder: backdoor attacks to pre-trained encoders in self-supervised learning",
        make: |side, _| {
            // 10 px at 21 of 32; 50 px at 173 of 224 and in proportion to it.
            if side <= 64 {
                square(side, scaled(10, 32, side), scaled(1, 32, side), Fill::default())
            } else {
                square(side, scaled(50, 224, side), scaled(1, 224, side), Fill::default())
            }
        },
    },
    CatalogueEntry {
        id: "random_patch",
        name: "Random patch",
        family: Family::Patch,
        summary: "A coloured square at a different place in every image; nearer to the middle in training.",
        paper: "Saha et al. 2022, Backdoor attacks on self-supervised learning",
        make: |side, _| TriggerSpec::RandomPatch(RandomPatchSpec::for_side(side)),
    },
    CatalogueEntry {
        id: "sig",
        name: "SIG",
        family: Family::Pattern,
        summary: "A sine wave over the columns of the image.",
        paper: "Barni, Kallas and Tondi 2019, A new backdoor attack in CNNs by training set corruption without label poisoning",
        make: |_, _| TriggerSpec::Sig(SigSpec::default()),
    },
    CatalogueEntry {
        id: "ctrl",
        name: "CTRL",
        family: Family::Frequency,
        summary: "Two coefficients of the colour channels' cosine transform are raised in every window.",
        paper: "Li et al. 2023, An embarrassingly simple backdoor attack on self-supervised learning",
        make: |side, _| frequency(side, 100.0),
    },
    CatalogueEntry {
        id: "ftrojan",
        name: "FTrojan",
        family: Family::Frequency,
        summary: "The same coefficients, raised less: harder to see.",
        paper: "Wang et al. 2022, An invisible black-box backdoor attack through frequency domain",
        make: |side, _| frequency(side, 30.0),
    },
    CatalogueEntry {
        id: "low_frequency",
        name: "Low frequency",
        family: Family::Frequency,
        summary: "A smooth perturbation of the whole image.",
        paper: "Zeng et al. 2021, Rethinking the backdoor attacks' triggers: a frequency perspective",
        make: |side, _| {
            let band = LowFrequencySpec::default().band.min(side);
            TriggerSpec::LowFrequency(LowFrequencySpec { band, ..LowFrequencySpec::default() })
        },
    },
    CatalogueEntry {
        id: "wanet",
        name: "WaNet",
        family: Family::Warp,
        summary: "The whole image is slightly warped; cover samples are warped differently and keep their label.",
        paper: "Nguyen and Tran 2021, WaNet – imperceptible warping-based backdoor attack",
        make: |side, _| {
            let k = WaNetSpec::default().k.min(side);
            TriggerSpec::WaNet(WaNetSpec { k, ..WaNetSpec::default() })
        },
    },
    CatalogueEntry {
        id: "bpp",
        name: "BppAttack",
        family: Family::Colour,
        summary: "Each channel is reduced to a few values, as in an image with few colours.",
        paper: "Wang, Zhai and Ma 2022, BppAttack: stealthy and efficient trojan attacks via image quantization",
        make: |_, _| TriggerSpec::Bpp(BppSpec::default()),
    },
    CatalogueEntry {
        id: "reflection",
        name: "Reflection",
        family: Family::Pattern,
        summary: "A key image lies over the photograph like a reflection in a window.",
        paper: "Liu et al. 2020, Reflection backdoor: a natural backdoor attack on deep neural networks",
        make: |_, _| TriggerSpec::Reflection(ReflectionSpec::new("swirl")),
    },
    CatalogueEntry {
        id: "filter",
        name: "Photo filter",
        family: Family::Colour,
        summary: "The image looks as if it came from a photo application.",
        paper: "Liu et al. 2019, ABS: scanning neural networks for back-doors by artificial brain stimulation",
        make: |_, _| TriggerSpec::Filter(FilterSpec { style: Style::Gotham, strength: 1.0 }),
    },
];

/// Scales a length of `part` in `whole` to images of another side, at least 1.
fn scaled(part: u32, whole: u32, side: u32) -> u32 {
    ((part * side + whole / 2) / whole).max(1)
}

/// A square, `inset` pixels from the lower-right corner.
fn square(side: u32, size: u32, inset: u32, fill: Fill) -> TriggerSpec {
    let size = size.min(side);
    let corner = side.saturating_sub(size + inset);
    TriggerSpec::Patched(PatchedSpec {
        size,
        x: corner,
        y: corner,
        count: 1,
        step: size,
        fill,
        ..PatchedSpec::default()
    })
}

fn frequency(side: u32, magnitude: f32) -> TriggerSpec {
    let spec = FrequencySpec { magnitude, ..FrequencySpec::default() };
    TriggerSpec::Frequency(if side < spec.window { spec.with_window(side) } else { spec })
}
