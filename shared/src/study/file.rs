//! The file format of a study, and conversion of files of version 0.1, whose `[grid]` becomes axes.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    AttackSpec, Axis, DatasetSpec, DefenceSpec, FinetuneSpec, ImplantSpec, KnnSpec, ModelSpec,
    Precision, PretrainSpec, ProbeSpec, Settings, Start, StudySpec, axes,
};
use crate::{device::DeviceWish, run_kind::RunKind};

/// A study in its file format: name, tags, kinds of runs, settings and axes side by side.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = StudySpec))]
#[serde(deny_unknown_fields)]
pub struct StudyFile {
    /// Display name.
    name: String,
    /// Search tags, at most eight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// The kinds of runs that it creates; the runs that these start from are created, too.
    #[serde(default = "probes")]
    runs: Vec<RunKind>,
    /// Seed of weights, order, augmentation, masks and poisons.
    #[serde(default = "first_seed")]
    seed: u64,
    /// Imported checkpoint that classifiers start from, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoder: Option<String>,
    /// Number format of matrix products, in all runs.
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    precision: Precision,
    /// The device that runs ask for: `auto`, `cpu`, `cuda:N`, or a number of GPUs. It is no part of a result.
    #[serde(default, skip_serializing_if = "DeviceWish::is_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    device: DeviceWish,
    /// The settings that the study varies, by path, each with its values.
    #[serde(default, with = "axes::table", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, Vec<crate::param::Value>>))]
    axes: Vec<Axis>,
    /// Poisons and seeds as version 0.1 wrote them.
    #[serde(default, skip_serializing)]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    grid: Option<Grid>,
    /// The images.
    dataset: DatasetSpec,
    /// Trigger and target.
    attack: AttackSpec,
    /// Encoder and decoder.
    #[serde(default)]
    model: ModelSpec,
    /// Pre-training.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = PretrainSpec))]
    pretrain: Pretrain,
    /// Implanting of a backdoor into the trained encoder.
    #[serde(default, skip_serializing_if = "is_default")]
    implant: ImplantSpec,
    /// Nearest neighbours.
    #[serde(default)]
    knn: KnnSpec,
    /// Linear probe.
    #[serde(default)]
    probe: ProbeSpec,
    /// Fine-tuning.
    #[serde(default)]
    finetune: FinetuneSpec,
    /// Defence.
    #[serde(default)]
    defence: DefenceSpec,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn probes() -> Vec<RunKind> {
    vec![RunKind::Probe]
}

fn first_seed() -> u64 {
    Settings::default().seed
}

/// The grid of version 0.1.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grid {
    ppr: Vec<u32>,
    #[serde(default)]
    lpr: Vec<u32>,
    #[serde(default)]
    fpr: Vec<u32>,
    #[serde(default)]
    scratch: bool,
    seeds: Vec<u64>,
}

/// The pre-training, with the interval of the nearest neighbours, which version 0.1 kept there.
#[derive(Clone, Copy, Debug, Default)]
struct Pretrain {
    spec: PretrainSpec,
    knn_every: u32,
}

impl Serialize for Pretrain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spec.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Pretrain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Pretrain;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the settings of the pre-training")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Pretrain, A::Error> {
                let mut knn_every = 0;
                let rest = WithoutKnn { map, knn_every: &mut knn_every };
                let spec = PretrainSpec::deserialize(de::value::MapAccessDeserializer::new(rest))?;
                Ok(Pretrain { spec, knn_every })
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

/// A map without its entry `knn_every`, which is stored separately.
struct WithoutKnn<'a, A> {
    map: A,
    knn_every: &'a mut u32,
}

impl<'de, A: de::MapAccess<'de>> de::MapAccess<'de> for WithoutKnn<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            if key != "knn_every" {
                return seed.deserialize(de::value::StringDeserializer::new(key)).map(Some);
            }
            *self.knn_every = self.map.next_value()?;
        }
        Ok(None)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        self.map.next_value_seed(seed)
    }
}

impl From<StudyFile> for StudySpec {
    fn from(file: StudyFile) -> Self {
        let StudyFile { name, tags, runs, seed, encoder, precision, device, axes, grid, .. } = file;
        let StudyFile { dataset, attack, model, pretrain, implant, knn, probe, .. } = file;
        let StudyFile { finetune, defence, .. } = file;
        let Pretrain { spec: pretrain, knn_every } = pretrain;
        let settings = Settings {
            seed,
            encoder,
            precision,
            device,
            dataset,
            attack,
            model,
            pretrain,
            implant,
            knn,
            probe,
            finetune,
            defence,
        };
        let mut study = Self { name, tags, runs, settings, axes };
        if let Some(grid) = grid {
            study.take_grid(&grid, knn_every);
        }
        study
    }
}

impl From<StudySpec> for StudyFile {
    fn from(study: StudySpec) -> Self {
        let StudySpec { name, tags, runs, settings, axes } = study;
        let Settings {
            seed,
            encoder,
            precision,
            device,
            dataset,
            attack,
            model,
            pretrain,
            implant,
            knn,
            probe,
            finetune,
            defence,
        } = settings;
        Self {
            name,
            tags,
            runs,
            seed,
            encoder,
            precision,
            device,
            axes,
            grid: None,
            dataset,
            attack,
            model,
            pretrain: Pretrain { spec: pretrain, knn_every: 0 },
            implant,
            knn,
            probe,
            finetune,
            defence,
        }
    }
}

impl StudySpec {
    /// Sets the axes and kinds of runs that correspond to a grid of version 0.1.
    fn take_grid(&mut self, grid: &Grid, knn_every: u32) {
        let Settings { seed, pretrain, knn, probe, finetune, .. } = &mut self.settings;
        let mut axes = Vec::new();
        let mut vary = |path: &str, first: &mut u32, counts: &[u32]| match counts {
            [] => {}
            [one] => *first = *one,
            _ => axes.push(Axis::of(path, counts.iter().copied())),
        };
        vary("pretrain.poisons", &mut pretrain.poisons, &grid.ppr);
        vary("probe.poisons", &mut probe.poisons, &grid.lpr);
        vary("finetune.poisons", &mut finetune.poisons, &grid.fpr);
        if grid.scratch && !grid.fpr.is_empty() {
            axes.push(Axis::of("finetune.start", ["encoder", "scratch"]));
        }
        match grid.seeds.as_slice() {
            [] => {}
            [one] => *seed = *one,
            several => axes.push(Axis::of("seed", several.iter().map(|&seed| seed as f64))),
        }
        let kinds = [
            (RunKind::Pretrain, grid.lpr.is_empty() && grid.fpr.is_empty()),
            (RunKind::Knn, knn_every > 0),
            (RunKind::Probe, !grid.lpr.is_empty()),
            (RunKind::Finetune, !grid.fpr.is_empty()),
        ];
        self.runs = kinds.into_iter().filter(|(_, made)| *made).map(|(kind, _)| kind).collect();
        if knn_every > 0 {
            // As many as in the classifier with the most poisons.
            knn.poisons = grid.lpr.iter().chain(&grid.fpr).copied().max().unwrap_or(0);
        }
        self.axes = axes;
    }
}

impl StudySpec {
    /// The settings of the run at a place of a grid of version 0.1: a kind, poisons in pre-training and in its own training, a
    /// seed, and whether it starts from scratch.
    pub fn at_grid_place(
        &self,
        kind: RunKind,
        ppr: u32,
        own: u32,
        seed: u64,
        scratch: bool,
    ) -> Settings {
        let mut settings = self.settings.clone();
        settings.seed = seed;
        settings.pretrain.poisons = ppr;
        match kind {
            RunKind::Pretrain | RunKind::Implant | RunKind::Knn | RunKind::Defence => {}
            RunKind::Probe => settings.probe.poisons = own,
            RunKind::Finetune => settings.finetune.poisons = own,
        }
        if scratch {
            settings.finetune.start = Start::Scratch;
        }
        settings
    }
}

/// A note for a study's text in the format of version 0.1; `None` for any other.
pub fn converted(text: &str) -> Option<&'static str> {
    let old = text.lines().any(|line| line.trim() == "[grid]");
    old.then_some(
        "[grid] is how version 0.1 wrote poisons and seeds: ppr, lpr, fpr and seeds are read as the axes pretrain.poisons, \
         probe.poisons, finetune.poisons and seed, scratch as finetune.start, and pretrain.knn_every as runs of the kind knn, \
         which evaluate every kept checkpoint",
    )
}
