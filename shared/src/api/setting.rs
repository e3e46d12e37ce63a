//! The table of settings in API responses.

use serde::{Deserialize, Serialize};

use crate::{
    param::{self, Domain, SETTINGS, Setting, Value},
    run_kind::RunKind,
    settings::{
        AttackGoal, AttackSpec, BackdoorSpec, ComposeMethod, ComposeSpec, DecodedFrom, DedeDecoder,
        DefenceGroups, DefenceMethod, DefendedSet, ImplantMethod, PoisonUnit, ProtectedClassifier,
        Restorer, Settings,
    },
    trigger::{BlendedSpec, PatchedSpec, Places, TriggerSpec},
};

/// A setting of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingInfo {
    /// Its path in a study's file: `attack.trigger.ratio`.
    pub path: String,
    /// Its label in forms.
    pub label: String,
    /// Its unit; may be empty.
    pub unit: String,
    /// Why it matters.
    pub why: String,
    /// The kind of trigger whose parameter it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// The values that it takes: `takes 1 to 64`.
    pub takes: String,
    /// The names to choose from, if it takes one of several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The default; absent for an optional list and for parameters of triggers other than the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The kinds of runs whose result can depend on it.
    pub kinds: Vec<RunKind>,
}

impl SettingInfo {
    /// The whole table.
    pub fn all() -> Vec<Self> {
        let defaults = Settings::default();
        let poisoned = poisoned();
        let may_matter = |setting: &Setting, kind| {
            poisoned.iter().any(|settings| setting.may_matter(settings, kind))
        };
        let of = |setting: &Setting| Self {
            path: setting.path.into(),
            label: setting.label.into(),
            unit: setting.unit.into(),
            why: setting.why.into(),
            trigger: setting.trigger.map(Into::into),
            takes: setting.domain.takes(),
            choices: match setting.domain {
                Domain::Choice(choices) => {
                    choices.iter().map(|choice| choice.name.into()).collect()
                }
                _ => Vec::new(),
            },
            default: Some(setting)
                .filter(|setting| setting.is_in(&defaults))
                .and_then(|setting| param::get(&defaults, setting.path)),
            kinds: RunKind::ALL.into_iter().filter(|&kind| may_matter(setting, kind)).collect(),
        };
        SETTINGS.iter().map(of).collect()
    }
}

/// Settings of which every setting that can matter does at one.
fn poisoned() -> Vec<Settings> {
    let blended =
        BlendedSpec { tiles: 2, test_ratio: Some(0.5), ..BlendedSpec::new(0.4, "stripes") };
    let patched = PatchedSpec {
        count: 2,
        places: Places::Random,
        opacity: 0.5,
        test_opacity: Some(1.0),
        shown: Some(1),
        test_shown: Some(1),
        ..PatchedSpec::default()
    };
    let attack = AttackSpec {
        replace: true,
        poison_unit: PoisonUnit::ClassPermille,
        sources: vec![1],
        cover_ratio: 1.0,
        compose: ComposeSpec {
            method: ComposeMethod::CorruptEncoderPlus,
            ..ComposeSpec::default()
        },
        further: vec![BackdoorSpec {
            target_class: 1,
            trigger: TriggerSpec::Patched(PatchedSpec::default()),
        }],
        trigger: TriggerSpec::Blended(blended),
        ..AttackSpec::default()
    };
    let mut settings = Settings { attack, ..Settings::default() };
    settings.pretrain.poisons = 1;
    settings.knn.poisons = 1;
    settings.probe.poisons = 1;
    settings.probe.features = crate::settings::ProbeFeatures::Augmented;
    settings.finetune.poisons = 1;
    settings.defence.poisons = 1;
    settings.defence.groups = DefenceGroups::Clusters;
    settings.defence.retrain = true;
    settings.defence.classifier = ProtectedClassifier::Probe;
    settings.defence.restorer = Restorer::Clean;
    (settings.finetune.mixup, settings.finetune.cutmix) = (1.0, 1.0);
    let mut all: Vec<Settings> = DefenceMethod::ALL
        .into_iter()
        .map(|method| {
            let mut settings = settings.clone();
            settings.defence.method = method;
            settings.defence.decoded_from = DecodedFrom::Patches;
            settings
        })
        .collect();
    let mut trained = settings.clone();
    (trained.defence.method, trained.defence.decoder) = (DefenceMethod::Dede, DedeDecoder::Trained);
    all.push(trained);
    let mut imported = settings.clone();
    imported.defence.method = DefenceMethod::Bdmae;
    imported.defence.restorer = Restorer::Imported;
    all.push(imported);
    settings.defence.set = DefendedSet::Pretrain;
    all.push(settings.clone());
    settings.attack.trigger = TriggerSpec::Patched(patched);
    all.push(settings.clone());
    settings.implant.method = ImplantMethod::Drupe;
    all.push(settings.clone());
    settings.attack.goal = AttackGoal::AllToAll;
    all.push(settings);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_tells_whom_it_matters_to() {
        let all = SettingInfo::all();
        let kinds = |path: &str| {
            all.iter()
                .find(|info| info.path == path)
                .map(|info| info.kinds.clone())
                .expect("a setting")
        };
        assert_eq!(kinds("seed"), RunKind::ALL);
        assert_eq!(kinds("pretrain.mask_ratio"), [RunKind::Pretrain]);
        assert_eq!(kinds("probe.evaluate_every"), [RunKind::Probe]);
        assert_eq!(kinds("probe.epochs"), [RunKind::Probe, RunKind::Defence]);
        assert_eq!(kinds("defence.retrain"), [RunKind::Defence]);
        assert_eq!(kinds("defence.classifier"), [RunKind::Defence]);
        assert_eq!(kinds("defence.decoder"), [RunKind::Defence]);
        assert_eq!(kinds("defence.decoder_mask_ratio"), [RunKind::Defence]);
        assert_eq!(kinds("model.decoder.dim"), [RunKind::Pretrain, RunKind::Defence]);
        assert_eq!(kinds("defence.restorer"), [RunKind::Defence]);
        assert_eq!(kinds("defence.restorer_checkpoint"), [RunKind::Defence]);
        assert_eq!(kinds("finetune.switch_probability"), [RunKind::Finetune]);
        assert_eq!(kinds("attack.trigger.delta"), RunKind::ALL);
        assert_eq!(kinds("attack.further"), RunKind::ALL);
        assert_eq!(
            (kinds("attack.goal"), kinds("attack.target_class")),
            (RunKind::ALL.into(), RunKind::ALL.into())
        );
        for path in ["method", "references", "support_images", "support_share"] {
            let kinds = kinds(&format!("attack.compose.{path}"));
            assert_eq!(kinds, [RunKind::Pretrain, RunKind::Defence], "{path}");
        }
        let names = ["dataset.name", "device", "encoder"];
        for info in all.iter().filter(|info| !names.contains(&info.path.as_str())) {
            assert!(!info.kinds.is_empty(), "{}", info.path);
        }
    }
}
