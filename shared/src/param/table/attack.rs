//! Settings of the attack, except for its trigger's parameters.

use super::{Domain, Setting, choice, named, poisoned, real, switch, triggered, whole};
use crate::{
    param::{domain::Choice, value::Value},
    run_kind::RunKind,
    settings::Settings,
    trigger::CatalogueEntry,
};

/// The triggers of [`CATALOGUE`](crate::trigger::CATALOGUE), in its order.
const TRIGGERS: [Choice; 14] = [
    named("blended", "Blended"),
    named("patched", "Patched"),
    named("badnets", "BadNets"),
    named("trojan_square", "Trojan square"),
    named("badencoder", "BadEncoder"),
    named("random_patch", "Random patch"),
    named("sig", "SIG"),
    named("ctrl", "CTRL"),
    named("ftrojan", "FTrojan"),
    named("low_frequency", "Low frequency"),
    named("wanet", "WaNet"),
    named("bpp", "BppAttack"),
    named("reflection", "Reflection"),
    named("filter", "Photo filter"),
];

const GOALS: [Choice; 2] =
    [named("single_target", "One target class"), named("all_to_all", "All-to-all")];

const POISON_UNITS: [Choice; 3] = [
    named("images", "Images per class"),
    named("class_permille", "‰ of each poisoned class"),
    named("set_permille", "‰ of the training set"),
];

const COMPOSE_METHODS: [Choice; 3] = [
    named("none", "None"),
    named("corrupt_encoder", "CorruptEncoder"),
    named("corrupt_encoder_plus", "CorruptEncoder+"),
];

// A setting of later versions affects a run only where it differs from its default: digests of earlier runs stay as they are.
fn all_to_all(settings: &Settings, kind: RunKind) -> bool {
    settings.attack.is_all_to_all() && triggered(settings, kind)
}

fn of_target(settings: &Settings, kind: RunKind) -> bool {
    !settings.attack.is_all_to_all() && triggered(settings, kind)
}

fn replaced(settings: &Settings, kind: RunKind) -> bool {
    settings.attack.replace && poisoned(settings, kind)
}

fn by_rate(settings: &Settings, kind: RunKind) -> bool {
    !settings.attack.poison_unit.is_default() && poisoned(settings, kind)
}

fn covered(settings: &Settings, kind: RunKind) -> bool {
    settings.attack.cover_ratio > 0.0 && poisoned(settings, kind)
}

fn of_several(settings: &Settings, kind: RunKind) -> bool {
    !settings.attack.further.is_empty() && triggered(settings, kind)
}

fn of_sources(settings: &Settings, kind: RunKind) -> bool {
    !settings.attack.sources.is_empty() && triggered(settings, kind)
}

fn paired(settings: &Settings, kind: RunKind) -> bool {
    settings.attack.compose.pairs() && settings.composes(kind)
}

pub(super) static ATTACK: [Setting; 14] = [
    choice(
        "attack.goal",
        "Goal",
        &GOALS,
        "What triggered images should be taken for: the target class, or each for the class after its own (all-to-all, BadNets).",
    )
    .matters_if(all_to_all),
    whole(
        "attack.target_class",
        "Target class",
        "",
        (0, 65_535),
        "The attacker's target class, counted from 0 in the order of the class names; all-to-all has none.",
    )
    .matters_if(of_target),
    switch(
        "attack.clean_label",
        "Clean label",
        "Poisons are images of the target class, which keep their label, instead of images of all other classes.",
    )
    .matters_if(poisoned),
    switch(
        "attack.replace",
        "Replace originals",
        "Each poisoned image takes the place of its original, so that the training set keeps its size; otherwise it is a copy beside it.",
    )
    .matters_if(replaced),
    choice(
        "attack.poison_unit",
        "Unit of poison counts",
        &POISON_UNITS,
        "What PPR, LPR and FPR count: images of each poisoned class, or thousandths of its images or of all training images.",
    )
    .matters_if(by_rate),
    Setting {
        read: Some(sources),
        ..Setting::new(
            "attack.sources",
            "Source classes",
            "",
            Domain::Structure,
            "Classes that are poisoned, by number, and whose triggered images count in ASR: [1, 2]; all besides the target if empty.",
        )
        .matters_if(of_sources)
    },
    Setting {
        read: Some(|settings| Some(Value::Number(settings.attack.cover_ratio))),
        ..real(
            "attack.cover_ratio",
            "Triggered cover samples",
            "per poison",
            (0.0, 10.0),
            0.5,
            "Images with the trigger that keep their label: of the poisoned classes or, with source classes, of the others.",
        )
        .matters_if(covered)
    },
    choice(
        "attack.compose.method",
        "Composed poisons",
        &COMPOSE_METHODS,
        "What poisons of the pre-training are: an image with the trigger, or an image of the target class and the trigger side by side.",
    )
    .matters_if(Settings::composes),
    Setting {
        read: Some(|settings| Some(settings.attack.compose.references.into())),
        ..whole(
            "attack.compose.references",
            "Reference images of poisons",
            "",
            (1, 1000),
            "Training images of the target class that composed poisons show as their object; the paper takes three.",
        )
        .matters_if(Settings::composes)
    },
    Setting {
        read: Some(|settings| Some(settings.attack.compose.support_images.into())),
        ..whole(
            "attack.compose.support_images",
            "Support images",
            "",
            (1, 1000),
            "CorruptEncoder+: other training images of the target class, which are put beside reference images; the paper takes five.",
        )
        .matters_if(paired)
    },
    Setting {
        read: Some(|settings| Some(settings.attack.compose.support_share.into())),
        ..real(
            "attack.compose.support_share",
            "Share of support pairs",
            "of the poisons",
            (0.0, 1.0),
            0.05,
            "CorruptEncoder+: how probably a poison is a reference and a support image instead of an object and the trigger.",
        )
        .matters_if(paired)
    },
    Setting {
        read: Some(poison_list),
        write: Some(set_poison_list),
        ..Setting::new(
            "attack.poisons",
            "Poison list",
            "",
            Domain::Structure,
            "Names of the training images to poison; drawn by the seed if there is no list.",
        )
        .matters_if(poisoned)
    },
    Setting {
        read: Some(|settings| Some(trigger_name(settings))),
        write: Some(choose_trigger),
        ..Setting::new(
            "attack.trigger.kind",
            "Trigger",
            "",
            Domain::Choice(&TRIGGERS),
            "A published trigger, with its published parameters.",
        )
        .matters_if(triggered)
    },
    Setting {
        read: Some(further),
        ..Setting::new(
            "attack.further",
            "Further backdoors",
            "",
            Domain::Structure,
            "Backdoors besides the main one, each with a trigger and a target class of its own: [{ \"target_class\": 3, \"trigger\": { … } }].",
        )
        .matters_if(of_several)
    },
];

fn further(settings: &Settings) -> Option<Value> {
    serde_json::to_string(&settings.attack.further).ok().map(Value::Text)
}

fn sources(settings: &Settings) -> Option<Value> {
    serde_json::to_string(&settings.attack.sources).ok().map(Value::Text)
}

fn poison_list(settings: &Settings) -> Option<Value> {
    let list = settings.attack.poisons.as_ref()?;
    Some(Value::Text(serde_json::to_string(list).expect("names are text")))
}

fn set_poison_list(settings: &mut Settings, value: &Value) -> Result<(), String> {
    let Value::Text(text) = value else { return Err("takes a list of names as JSON".into()) };
    let list = serde_json::from_str(text)
        .map_err(|error| format!("takes a list of names as JSON: {error}"))?;
    settings.attack.poisons = list;
    Ok(())
}

fn trigger_name(settings: &Settings) -> Value {
    let model = &settings.model;
    let entry = CatalogueEntry::of(&settings.attack.trigger, model.image_size, model.patch_size);
    entry.id.into()
}

/// Sets the trigger's published parameters, unless that trigger is already in use.
fn choose_trigger(settings: &mut Settings, value: &Value) -> Result<(), String> {
    let Value::Text(name) = value else { return Err("takes the name of a trigger".into()) };
    if trigger_name(settings) == *value {
        return Ok(());
    }
    let entry = CatalogueEntry::find(name).ok_or_else(|| format!("is not a trigger: {name}"))?;
    settings.attack.trigger = entry.spec(settings.model.image_size, settings.model.patch_size);
    Ok(())
}
