//! Builds the graph of runs from the points of a study: what each run needs of others, and which points share a run.
//!
//! A run is identified by its digest, the hash of everything that its result depends on: its kind, the settings that affect that
//! kind, the images, the digests of the runs that it needs, and the revision of the arithmetic. Two points with equal
//! digests share the run, within a study and across studies.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{AttackSpec, FieldError, Settings, Start, StudySpec};
use crate::{
    device::DeviceWish,
    param::{self, ALL, Value},
    run_kind::{ARITHMETIC, Digest, RunKind},
    settings::{DefenceSpec, FinetuneSpec, ImplantSpec, KnnSpec, PretrainSpec, ProbeSpec},
};

/// What the names in a study refer to. A name that is not listed represents itself, which is enough to distinguish runs.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Data sets by name.
    pub datasets: BTreeMap<String, Images>,
    /// SHA-256 of the key images by name, in hex.
    pub keys: BTreeMap<String, String>,
    /// SHA-256 of the imported checkpoints by name, in hex.
    pub checkpoints: BTreeMap<String, String>,
}

/// The images of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Fingerprint of the data set.
    pub fingerprint: String,
    /// Training images of the largest class: a limit of at least this has no effect.
    pub most_train: u32,
    /// Validation images of the largest class.
    pub most_test: u32,
}

/// A run that a study creates.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its kind.
    pub kind: RunKind,
    /// Its settings; those that do not affect it have their defaults.
    pub settings: Settings,
    /// Its digest.
    pub digest: Digest,
    /// The runs that it needs, by their index in the graph: the one that it starts from, and its restorer.
    pub inputs: Vec<usize>,
    /// The one of them whose autoencoder restores what a defence hides.
    pub restorer: Option<usize>,
    /// The device that it asks for. Of points that share the run, the first decides.
    pub device: DeviceWish,
}

/// All runs of a study; each comes after those that it needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The runs.
    pub nodes: Vec<Node>,
}

impl RunKind {
    /// Whether a run of this kind starts from a trained encoder at these settings.
    fn needs_encoder(self, settings: &Settings) -> bool {
        match self {
            Self::Pretrain => false,
            Self::Implant | Self::Knn | Self::Probe => true,
            // A repair starts from a fine-tuned classifier.
            Self::Defence => !settings.defence.method.repairs(),
            Self::Finetune => settings.finetune.start == Start::Encoder,
        }
    }

    /// The kind of run that a run of this kind starts from, at these settings.
    pub fn starts_from(self, settings: &Settings) -> Option<Self> {
        if self == Self::Defence && settings.defence.method.repairs() {
            return Some(Self::Finetune);
        }
        if !self.needs_encoder(settings) {
            return None;
        }
        if self != Self::Implant && settings.implants() {
            return Some(Self::Implant);
        }
        settings.encoder.is_none().then_some(Self::Pretrain)
    }

    /// The kind itself, the kind that it starts from, and so on.
    pub(crate) fn line(self, settings: &Settings) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |kind| kind.starts_from(settings))
    }

    /// The kind of run whose autoencoder restores what a run of this kind hides, where it is not the one that it starts from.
    fn restored_by(self, settings: &Settings) -> Option<Self> {
        (self == Self::Defence && settings.takes_clean_restorer()).then_some(Self::Pretrain)
    }

    /// The kind itself, and all kinds that a run of it needs at any depth.
    pub fn needed(self, settings: &Settings) -> impl Iterator<Item = Self> {
        self.line(settings).chain(self.restored_by(settings))
    }

    /// Whether a study creates a run of this kind at these settings: `runs` contains the kind, or one that needs it.
    pub fn is_made(self, runs: &[Self], settings: &Settings) -> bool {
        runs.iter().any(|kind| kind.needed(settings).any(|kind| kind == self))
    }

    /// Whether a run of this kind needs the imported encoder, at these settings.
    fn imports(self, settings: &Settings) -> bool {
        self.needs_encoder(settings) && self.starts_from(settings).is_none()
    }
}

impl Graph {
    /// The runs of a study.
    ///
    /// # Errors
    /// Every value of an axis that its setting does not take.
    pub fn of(study: &StudySpec, content: &Content) -> Result<Self, Vec<FieldError>> {
        let mut graph = Self::default();
        let mut known = HashMap::new();
        let mut kinds = study.runs.clone();
        kinds.sort_unstable();
        for point in study.points()? {
            for &kind in &kinds {
                graph.add(kind, &point, content, &mut known);
            }
        }
        Ok(graph)
    }

    /// Adds a run and those that it needs, unless they are present, and returns its index.
    fn add(
        &mut self,
        kind: RunKind,
        point: &Settings,
        content: &Content,
        known: &mut HashMap<Digest, usize>,
    ) -> usize {
        let input = kind.starts_from(point).map(|input| self.add(input, point, content, known));
        let restorer = kind
            .restored_by(point)
            .map(|restorer| self.add(restorer, &without_attack(point), content, known));
        let inputs: Vec<usize> = input.into_iter().chain(restorer).collect();
        let digests: Vec<Digest> =
            inputs.iter().map(|&input| self.nodes[input].digest.clone()).collect();
        let digest = digest(kind, point, &digests, content);
        *known.entry(digest.clone()).or_insert_with(|| {
            let settings = of_kind(kind, point);
            let device = point.device;
            self.nodes.push(Node { kind, settings, digest, inputs, restorer, device });
            self.nodes.len() - 1
        })
    }

    /// Number of runs of a kind.
    pub fn count(&self, kind: RunKind) -> usize {
        self.nodes.iter().filter(|node| node.kind == kind).count()
    }
}

impl Node {
    /// The run that it starts from, by its index in the graph.
    pub fn start(&self) -> Option<usize> {
        self.inputs.iter().copied().find(|&input| Some(input) != self.restorer)
    }

    /// Which encoder it starts from: the run, by its index in the graph, or the name of an imported one. Linear probes of one encoder share
    /// its features.
    pub fn encoder(&self) -> (Option<usize>, Option<&str>) {
        (self.start(), self.settings.encoder.as_deref())
    }

    /// The settings that describe it, by path: those that affect it or a run that it needs, and the names of its images
    /// and its imported encoder.
    pub fn described(&self) -> BTreeMap<String, Value> {
        described(self.kind, &self.settings)
    }
}

/// The settings that describe a run of this kind, by path.
pub fn described(kind: RunKind, settings: &Settings) -> BTreeMap<String, Value> {
    let kinds: Vec<RunKind> = kind.needed(settings).collect();
    let values = param::values(settings);
    let of_run = |path: &str| {
        path == "dataset.name"
            || (path == "encoder" && kinds.iter().any(|kind| kind.imports(settings)))
            || kinds.iter().any(|&kind| matters(path, settings, kind))
    };
    values
        .into_iter()
        .filter(|(path, _)| of_run(path))
        .map(|(path, value)| (path.into(), value))
        .collect()
}

/// Whether the result of a run of this kind depends on the setting at a path, at these settings.
fn matters(path: &str, settings: &Settings, kind: RunKind) -> bool {
    param::find(path, settings).is_some_and(|setting| setting.matters(settings, kind))
}

/// The input of a digest's hash, as JSON with sorted keys.
#[derive(Serialize)]
struct Identity<'a> {
    arithmetic: u32,
    images: &'a str,
    inputs: Vec<&'a str>,
    kind: RunKind,
    settings: BTreeMap<&'a str, serde_json::Value>,
}

/// Replaces what the trigger's settings name by what it is.
fn identify_trigger(
    values: &mut BTreeMap<&'static str, Value>,
    settings: &Settings,
    content: &Content,
) {
    // The name in the catalogue depends on all parameters, including test-only ones; only the kind and the parameters that
    // matter may affect the digest.
    if let Some(name) = values.get_mut("attack.trigger.kind") {
        *name = settings.attack.trigger.kind().into();
    }
    if let Some(Value::Text(key)) = values.get_mut("attack.trigger.key")
        && let Some(sha256) = content.keys.get(key)
    {
        key.clone_from(sha256);
    }
}

/// What a run of this kind sees of the further backdoors, as JSON: each one's target class and those of its trigger's settings that matter.
fn further_identity(kind: RunKind, settings: &Settings, content: &Content) -> String {
    let seen = |attack: AttackSpec| -> BTreeMap<&str, serde_json::Value> {
        let alone = Settings { attack, ..settings.clone() };
        let is_own =
            |path: &str| path == "attack.target_class" || path.starts_with("attack.trigger.");
        let mut values = param::values(&alone);
        values.retain(|path, _| is_own(path) && matters(path, &alone, kind));
        identify_trigger(&mut values, &alone, content);
        values.into_iter().map(|(path, value)| (path, value.to_json())).collect()
    };
    let further: Vec<_> = settings.attack.backdoors().into_iter().skip(1).map(seen).collect();
    serde_json::to_string(&further).expect("an identity has text keys only")
}

fn digest(kind: RunKind, settings: &Settings, inputs: &[Digest], content: &Content) -> Digest {
    let name = &settings.dataset.name;
    let unknown = Images { fingerprint: name.clone(), most_train: u32::MAX, most_test: u32::MAX };
    let images = content.datasets.get(name).unwrap_or(&unknown);
    let mut values = param::values(settings);
    values.retain(|path, _| matters(path, settings, kind));
    let limits = [
        ("dataset.train_per_class", images.most_train),
        ("dataset.test_per_class", images.most_test),
    ];
    for (path, most) in limits {
        if let Some(value) = values.get_mut(path)
            && value.number().is_some_and(|limit| limit >= f64::from(most))
        {
            *value = ALL.into();
        }
    }
    identify_trigger(&mut values, settings, content);
    if let Some(text) = values.get_mut("attack.further") {
        *text = Value::Text(further_identity(kind, settings, content));
    }
    // The checkpoint's content matters, not its name.
    if let Some(Value::Text(restorer)) = values.get_mut("defence.restorer_checkpoint")
        && let Some(sha256) = content.checkpoints.get(restorer)
    {
        restorer.clone_from(sha256);
    }
    let mut starts: Vec<&str> = inputs.iter().map(Digest::as_str).collect();
    if let Some(name) = settings.encoder.as_ref().filter(|_| kind.imports(settings)) {
        starts.push(content.checkpoints.get(name).unwrap_or(name));
    }
    let identity = Identity {
        arithmetic: ARITHMETIC,
        images: &images.fingerprint,
        inputs: starts,
        kind,
        settings: values.into_iter().map(|(path, value)| (path, value.to_json())).collect(),
    };
    let text = serde_json::to_string(&identity).expect("an identity has text keys only");
    Digest::of(&text)
}

/// The same point of an encoder that the study trains without poisons.
fn without_attack(point: &Settings) -> Settings {
    let mut clean = Settings { encoder: None, ..point.clone() };
    clean.pretrain.poisons = 0;
    clean
}

/// The settings of a run of this kind, those of other kinds at their defaults.
fn of_kind(kind: RunKind, point: &Settings) -> Settings {
    let mut settings = Settings { device: DeviceWish::default(), ..point.clone() };
    if !kind.line(point).any(|kind| kind == RunKind::Implant) {
        settings.implant = ImplantSpec::default();
    }
    if kind != RunKind::Knn {
        settings.knn = KnnSpec::default();
    }
    if !point.trains_probe(kind) {
        settings.probe = ProbeSpec::default();
    } else if kind == RunKind::Defence {
        let ProbeSpec { poisons, evaluate_every, .. } = ProbeSpec::default();
        settings.probe = ProbeSpec { poisons, evaluate_every, ..point.probe };
    }
    if !kind.line(point).any(|kind| kind == RunKind::Finetune) {
        settings.finetune = FinetuneSpec::default();
    }
    if kind != RunKind::Defence {
        settings.defence = DefenceSpec::default();
    } else if !point.takes_imported_restorer() {
        settings.defence.restorer_checkpoint = None;
    }
    if !kind.needed(point).any(|kind| kind == RunKind::Pretrain) {
        settings.pretrain = PretrainSpec::default();
    }
    if kind == RunKind::Pretrain {
        settings.encoder = None;
        settings.dataset.test_per_class = None;
        if point.pretrain.poisons == 0 {
            settings.attack = AttackSpec::default();
        }
    }
    settings
}

#[cfg(test)]
mod tests;
