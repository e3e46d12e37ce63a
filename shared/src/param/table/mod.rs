//! [`SETTINGS`]: the table itself, one file per part of a study.

mod attack;
mod defence;
mod finetune;
mod implant;
mod model;
mod pretrain;
mod probe;
mod study;
mod trigger;

use std::sync::LazyLock;

use super::{
    domain::{Choice, Domain},
    value::Value,
};
use crate::{run_kind::RunKind, settings::Settings};

/// A setting: a number or a choice of a study.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its path in a study's file: `attack.trigger.ratio`.
    pub path: &'static str,
    /// Its label in forms.
    pub label: &'static str,
    /// Its unit; may be empty.
    pub unit: &'static str,
    /// The values that it takes.
    pub domain: Domain,
    /// Why it matters, in one sentence.
    pub why: &'static str,
    /// The kind of trigger whose parameter it is.
    pub trigger: Option<&'static str>,
    /// Whether the result of a run of this kind depends on it, at these settings.
    pub(super) matters: fn(&Settings, RunKind) -> bool,
    /// Reads it, if its JSON differs from what a user writes.
    pub(super) read: Option<fn(&Settings) -> Option<Value>>,
    /// Writes it, if its JSON differs from what a user writes.
    pub(super) write: Option<Write>,
}

/// Writes a value into settings; an error says which values it takes.
type Write = fn(&mut Settings, &Value) -> Result<(), String>;

/// Every setting, in the order of a study's file.
pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let parts: [&[Setting]; 9] = [
        &study::STUDY,
        &attack::ATTACK,
        &trigger::TRIGGERS,
        &model::MODEL,
        &pretrain::PRETRAIN,
        &implant::IMPLANT,
        &probe::PROBE,
        &finetune::FINETUNE,
        &defence::DEFENCE,
    ];
    parts.concat()
});

impl Setting {
    const fn new(
        path: &'static str,
        label: &'static str,
        unit: &'static str,
        domain: Domain,
        why: &'static str,
    ) -> Self {
        Self {
            path,
            label,
            unit,
            domain,
            why,
            trigger: None,
            matters: always,
            read: None,
            write: None,
        }
    }

    const fn matters_if(self, matters: fn(&Settings, RunKind) -> bool) -> Self {
        Self { matters, ..self }
    }

    /// Restricts it to one kind of trigger.
    const fn of(self, kind: &'static str) -> Self {
        Self { trigger: Some(kind), ..self }
    }
}

/// An integer in `range`, ends included.
const fn whole(
    path: &'static str,
    label: &'static str,
    unit: &'static str,
    range: (u64, u64),
    why: &'static str,
) -> Setting {
    Setting::new(path, label, unit, Domain::Whole { low: range.0, high: range.1 }, why)
}

/// A number in `range`, ends included.
const fn real(
    path: &'static str,
    label: &'static str,
    unit: &'static str,
    range: (f64, f64),
    step: f64,
    why: &'static str,
) -> Setting {
    let domain = Domain::Real { low: range.0, above: false, high: range.1, below: false, step };
    Setting::new(path, label, unit, domain, why)
}

/// A number above 0, up to `high`.
const fn positive(
    path: &'static str,
    label: &'static str,
    unit: &'static str,
    high: f64,
    step: f64,
    why: &'static str,
) -> Setting {
    let domain = Domain::Real { low: 0.0, above: true, high, below: false, step };
    Setting::new(path, label, unit, domain, why)
}

const fn switch(path: &'static str, label: &'static str, why: &'static str) -> Setting {
    Setting::new(path, label, "", Domain::Switch, why)
}

const fn choice(
    path: &'static str,
    label: &'static str,
    choices: &'static [Choice],
    why: &'static str,
) -> Setting {
    Setting::new(path, label, "", Domain::Choice(choices), why)
}

const fn named(name: &'static str, title: &'static str) -> Choice {
    Choice { name, title }
}

fn always(_: &Settings, _: RunKind) -> bool {
    true
}

fn never(_: &Settings, _: RunKind) -> bool {
    false
}

/// Runs that evaluate a classifier, also on triggered images.
fn judged(_: &Settings, kind: RunKind) -> bool {
    !matches!(kind, RunKind::Pretrain | RunKind::Implant)
}

/// Runs that train on poisoned images.
fn poisoned(settings: &Settings, kind: RunKind) -> bool {
    settings.poisons(kind) > 0
}

/// Runs that see the trigger in training.
fn seen_in_training(settings: &Settings, kind: RunKind) -> bool {
    poisoned(settings, kind) || kind == RunKind::Implant
}

/// Runs that see the trigger, in training or in evaluation.
fn triggered(settings: &Settings, kind: RunKind) -> bool {
    judged(settings, kind) || seen_in_training(settings, kind)
}

#[cfg(test)]
mod tests;
