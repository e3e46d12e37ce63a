//! Whole runs of an attack with several backdoors.

use engine::{data::Index, run::judged::Judged};
use shared::{
    Rgb8, Stage, Trigger,
    api::Split,
    metric::BackdoorEvaluation,
    settings::BackdoorSpec,
    trigger::{PatchedSpec, SigSpec},
};

use super::*;

/// The key image of the main trigger.
fn key() -> Rgb8 {
    let key = engine::keys::builtin("stripes").expect("a built-in key");
    engine::keys::image(key.file).expect("its pixels")
}

/// The attack of [`spec`] on class 1, and backdoors of the classes 3 and 5.
fn several() -> Settings {
    let mut settings = spec();
    let patched = PatchedSpec { size: 6, ..PatchedSpec::default() };
    settings.attack.further = vec![
        BackdoorSpec { target_class: 3, trigger: TriggerSpec::Patched(patched) },
        BackdoorSpec { target_class: 5, trigger: TriggerSpec::Sig(SigSpec::default()) },
    ];
    settings
}

fn json<T: serde::de::DeserializeOwned>(folder: &Path, name: &str) -> T {
    serde_json::from_slice(&fs::read(folder.join(name)).expect("a file")).expect("its JSON")
}

#[test]
fn a_study_of_several_backdoors_from_pretraining_to_its_evaluations() {
    let settings = several();
    let encoder = TempDir::new().unwrap();
    let events = run(&order(settings.clone(), RunKind::Pretrain, None), encoder.path()).unwrap();
    // Two of each of nine classes for each of three backdoors.
    assert!(
        matches!(events[0], RunEvent::Started { samples: 174, poisoned: 54, .. }),
        "{:?}",
        events[0]
    );
    let list = fs::read_to_string(encoder.path().join(files::POISON_LIST)).unwrap();
    let comments: Vec<_> = list.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(
        comments,
        [
            "# backdoor 0: blended stripes 0.40 towards class 1",
            "# backdoor 1: patched 6 px towards class 3",
            "# backdoor 2: SIG 40 towards class 5"
        ]
    );
    assert_eq!(shared::poison::parse_list(&list).len(), 54);
    let alone = TempDir::new().unwrap();
    run(&order(spec(), RunKind::Pretrain, None), alone.path()).unwrap();
    let plan: PoisonPlan = json(encoder.path(), files::POISON_PLAN);
    let of_alone: PoisonPlan = json(alone.path(), files::POISON_PLAN);
    assert_eq!(plan.samples[..18], of_alone.samples, "the main trigger's images");
    let manifest: serde_json::Value = json(encoder.path(), files::MANIFEST);
    assert_eq!(manifest["poison"]["of_backdoors"], serde_json::json!([18, 18, 18]));

    for kind in [RunKind::Probe, RunKind::Finetune] {
        let folder = TempDir::new().unwrap();
        let order = order(settings.clone(), kind, Some(encoder.path()));
        let events = run(&order, folder.path()).unwrap();
        let evaluation: Evaluation = json(folder.path(), files::EVALUATION);
        assert_eq!(evaluation.metrics, last_metrics(&events));
        assert_eq!((evaluation.target_class, evaluation.metrics.asr.total), (Target::Class(1), 36));
        let [patched, sine] = &evaluation.further[..] else { panic!("{:?}", evaluation.further) };
        for (one, target, name) in [(patched, 3, "patched 6 px"), (sine, 5, "SIG 40")] {
            let BackdoorEvaluation { trigger, target_class, asr, ra, triggered } = one;
            assert_eq!((trigger.as_str(), *target_class), (name, target));
            let others = (0..10).filter(|&class| class != target as usize);
            let hits: u32 = others.map(|class| triggered.rows[class][target as usize]).sum();
            assert_eq!((asr.hits, asr.total, ra.total), (hits, 36, 36));
        }
        let rates = [evaluation.metrics.asr.hits, patched.asr.hits, sine.asr.hits];
        let lowest = evaluation.metrics.lowest_asr.expect("several backdoors");
        assert_eq!((lowest.hits, lowest.total), (*rates.iter().min().unwrap(), 36));
    }

    let folder = TempDir::new().unwrap();
    let knn = order(settings, RunKind::Knn, Some(encoder.path()));
    let metrics = last_metrics(&run(&knn, folder.path()).unwrap());
    let lowest = metrics.lowest_asr.expect("several backdoors");
    assert!(lowest.total == 36 && lowest.hits <= metrics.asr.hits, "{metrics:?}");
}

#[test]
fn each_backdoor_is_evaluated_as_it_is_alone() {
    // Without poisons, the classifiers are the same whatever the attack.
    let mut settings = several();
    settings.pretrain.poisons = 0;
    settings.knn.poisons = 0;
    (settings.probe.poisons, settings.finetune.poisons) = (0, 0);
    let encoder = TempDir::new().unwrap();
    run(&order(settings.clone(), RunKind::Pretrain, None), encoder.path()).unwrap();
    for kind in [RunKind::Knn, RunKind::Probe, RunKind::Finetune] {
        let of = |attack: AttackSpec| {
            let folder = TempDir::new().unwrap();
            let settings = Settings { attack, ..settings.clone() };
            let events = run(&order(settings, kind, Some(encoder.path())), folder.path()).unwrap();
            (last_metrics(&events), folder)
        };
        let (several, folder) = of(settings.attack.clone());
        let alone: Vec<Metrics> =
            settings.attack.backdoors().into_iter().map(|attack| of(attack).0).collect();
        assert_eq!(Metrics { lowest_asr: None, ..several }, alone[0], "{kind:?}");
        let lowest = alone.iter().map(|metrics| metrics.asr.hits).min();
        let told = several.lowest_asr.expect("several backdoors");
        assert_eq!((Some(told.hits), told.total), (lowest, 36), "{kind:?}");
        if kind != RunKind::Knn {
            let evaluation: Evaluation = json(folder.path(), files::EVALUATION);
            let counted = evaluation.further.iter().map(|one| (one.asr, one.ra));
            assert!(
                counted.eq(alone[1..].iter().map(|metrics| (metrics.asr, metrics.ra))),
                "{kind:?}"
            );
        }
    }
}

#[test]
fn a_sample_filter_takes_the_poisons_of_every_backdoor_for_poisons() {
    let mut settings = several();
    settings.pretrain.poisons = 0;
    settings.defence.method = DefenceMethod::Spectral;
    let encoder = TempDir::new().unwrap();
    run(&order(settings.clone(), RunKind::Pretrain, None), encoder.path()).unwrap();
    let folder = TempDir::new().unwrap();
    let order = order(settings.clone(), RunKind::Defence, Some(encoder.path()));
    run(&order, folder.path()).unwrap();
    let said: serde_json::Value = json(folder.path(), files::DEFENCE);
    let samples = said["samples"].as_array().unwrap();
    let poisoned: Vec<_> = samples.iter().filter(|sample| sample["poisoned"] == true).collect();
    assert_eq!((samples.len(), poisoned.len()), (120 + 81, 81));
    let labels = |label: u64| poisoned.iter().filter(|one| one["label"] == label).count();
    assert_eq!([1, 3, 5].map(labels), [27, 27, 27]);

    // What is shown of them has the trigger of its backdoor.
    let index = Index::open(&DataSource::Builtin).unwrap().limited(&settings.dataset);
    let judged = Judged::open(folder.path(), order).unwrap().expect("judged images");
    let plan: PoisonPlan = json(folder.path(), files::POISON_PLAN);
    let [blend, patch, sine] = [0, 1, 2].map(|backdoor| {
        let alone = settings.attack.backdoors().swap_remove(backdoor);
        let key = key();
        Trigger::prepare(&alone.trigger, Some(&key), 16, Stage::Train).unwrap()
    });
    let triggers = [&blend, &patch, &sine];
    for (i, made) in plan.made().enumerate().step_by(13) {
        let original = index.load(Split::Train, made.index as usize, 16).unwrap();
        let expected = triggers[made.backdoor as usize].applied(&original);
        let expected = engine::data::augment::eval_transform(&expected, 16);
        assert_eq!(judged.picture(&index, 120 + i).unwrap(), expected, "poison {i}");
    }
}

#[test]
fn what_several_backdoors_cannot_have_is_told_by_the_run() {
    let mut settings = several();
    let uploaded = BlendedSpec::new(0.2, "a".repeat(64));
    settings.attack.further[0].trigger = TriggerSpec::Blended(uploaded);
    let folder = TempDir::new().unwrap();
    let told = |settings: Settings, kind, encoder: Option<&Path>| {
        run(&order(settings, kind, encoder), folder.path()).unwrap_err().to_string()
    };
    let error = told(settings.clone(), RunKind::Pretrain, None);
    assert!(error.contains("takes a built-in key image, not aaaa"), "{error}");
    let encoder = TempDir::new().unwrap();
    run(&order(several(), RunKind::Pretrain, None), encoder.path()).unwrap();
    let mut settings = several();
    settings.implant.method = ImplantMethod::BadEncoder;
    let error = told(settings, RunKind::Implant, Some(encoder.path()));
    assert!(error.contains("attack.further must be empty"), "{error}");
}
