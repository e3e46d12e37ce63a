use proptest::prelude::*;

use super::*;
use crate::{
    param::{Domain, SETTINGS, Setting},
    run::RunPoint,
    settings::{DefenceGroups, DefenceMethod, DefendedSet},
    study::{Axis, presets},
    trigger::CATALOGUE,
};

fn sweep() -> StudySpec {
    let mut study = presets()[0].spec.clone();
    study.runs = vec![RunKind::Probe];
    study.axes = vec![
        Axis::of("attack.trigger.ratio", [0.2, 0.3, 0.4]),
        Axis::of("pretrain.poisons", [0u32, 10]),
        Axis::of("probe.poisons", [0u32, 1, 3, 10, 50]),
        Axis::of("seed", [1u32, 2, 3]),
    ];
    study
}

#[test]
fn a_clean_encoder_serves_every_trigger() {
    let graph = Graph::of(&sweep(), &Content::default()).expect("sound axes");
    // Three clean encoders, one per seed; one attacked encoder per ratio and seed.
    assert_eq!(graph.count(RunKind::Pretrain), 12);
    assert_eq!(graph.count(RunKind::Probe), 90);
    for (at, node) in graph.nodes.iter().enumerate() {
        assert!(
            node.inputs.iter().all(|&input| input < at),
            "a run comes after what it starts from"
        );
        assert_eq!(node.inputs.len(), usize::from(node.kind == RunKind::Probe));
    }
}

#[test]
fn a_repair_starts_from_a_fine_tuned_classifier() {
    let mut study = sweep();
    study.runs = vec![RunKind::Defence];
    study.settings.finetune.poisons = 3;
    study.axes = vec![Axis::of("defence.method", ["fine_tuning", "fine_pruning", "strip"])];
    let graph = Graph::of(&study, &Content::default()).expect("sound axes");
    let kinds: Vec<RunKind> = graph.nodes.iter().map(|node| node.kind).collect();
    let defence = RunKind::Defence;
    assert_eq!(kinds, [RunKind::Pretrain, RunKind::Finetune, defence, defence, defence]);
    let inputs: Vec<&[usize]> = graph.nodes.iter().map(|node| &node.inputs[..]).collect();
    assert_eq!(inputs, [&[][..], &[0], &[1], &[1], &[0]]);
    let described = graph.nodes[2].described();
    let has = |path: &str| described.contains_key(path);
    assert!(has("finetune.poisons") && has("pretrain.epochs") && has("defence.repair_epochs"));
    assert!(!has("defence.most_lost") && !has("defence.poisons"));
    assert!(!graph.nodes[4].described().contains_key("finetune.poisons"));
    let settings = &graph.nodes[2].settings;
    assert!(RunKind::Pretrain.is_made(&[defence], settings));
    assert!(RunKind::Finetune.is_made(&[defence], settings));
    // The repair of another classifier is another run.
    study.settings.finetune.poisons = 4;
    let other = Graph::of(&study, &Content::default()).expect("sound axes");
    assert_ne!(other.nodes[2].digest, graph.nodes[2].digest);
    assert_eq!(other.nodes[4].digest, graph.nodes[4].digest);
}

#[test]
fn an_implanted_backdoor_stands_between_encoder_and_classifiers() {
    let mut study = sweep();
    study.runs = vec![RunKind::Probe, RunKind::Finetune];
    study.axes = vec![Axis::of("implant.method", ["none", "badencoder"])];
    let graph = |study: &StudySpec| Graph::of(study, &Content::default()).expect("sound axes");
    let whole = graph(&study);
    let kinds: Vec<RunKind> = whole.nodes.iter().map(|node| node.kind).collect();
    let (probe, finetune) = (RunKind::Probe, RunKind::Finetune);
    assert_eq!(
        kinds,
        [RunKind::Pretrain, probe, finetune, RunKind::Implant, probe, finetune],
        "both encoders have classifiers"
    );
    let inputs: Vec<&[usize]> = whole.nodes.iter().map(|node| &node.inputs[..]).collect();
    assert_eq!(inputs, [&[][..], &[0], &[0], &[0], &[3], &[3]]);
    let point = |at: usize| RunPoint::of(whole.nodes[at].kind, &whole.nodes[at].settings);
    assert!(!point(1).implanted && point(4).implanted && point(4).attacks_encoder());
    assert_eq!(point(4).on_clean_encoder(), point(1));
    let described = whole.nodes[4].described();
    assert!(described.contains_key("implant.epochs") && described.contains_key("pretrain.epochs"));
    assert!(!whole.nodes[1].described().contains_key("implant.epochs"));

    // What changes the implanted encoder changes all that starts from it; the number of validation images does not change the encoder.
    let digests = |study: &StudySpec| -> Vec<Digest> {
        graph(study).nodes.into_iter().map(|node| node.digest).collect()
    };
    let before = digests(&study);
    let mut other = study.clone();
    other.settings.implant.references = 2;
    let after = digests(&other);
    let changed: Vec<usize> = (0..6).filter(|&at| before[at] != after[at]).collect();
    assert_eq!(changed, [3, 4, 5]);
    let mut other = study.clone();
    other.settings.dataset.test_per_class = Some(7);
    assert_eq!(digests(&other)[3], before[3]);

    // An imported encoder is that of the implanting, and no longer that of the probe.
    study.settings.encoder = Some("mae".into());
    let imported = graph(&study);
    let kinds: Vec<RunKind> = imported.nodes.iter().map(|node| node.kind).collect();
    assert_eq!(kinds, [probe, finetune, RunKind::Implant, probe, finetune]);
    assert!(imported.nodes[2].inputs.is_empty() && imported.nodes[3].inputs == [2]);
}

#[test]
fn equal_studies_written_differently_are_equal_runs() {
    let digests = |study: &StudySpec| {
        let content = Content {
            datasets: [(
                "shapes".to_owned(),
                Images { fingerprint: "f".into(), most_train: 500, most_test: 100 },
            )]
            .into(),
            ..Content::default()
        };
        let graph = Graph::of(study, &content).expect("sound");
        graph.nodes.into_iter().map(|node| node.digest).collect::<Vec<_>>()
    };
    let one = presets()[0].spec.clone();
    let mut other = one.clone();
    other.name = "Another name".into();
    other.tags = vec!["tag".into()];
    other.settings.dataset.train_per_class = Some(500);
    other.settings.dataset.test_per_class = Some(1_000);
    assert_eq!(digests(&one), digests(&other));
    other.settings.dataset.train_per_class = Some(499);
    assert!(digests(&one).iter().all(|digest| !digests(&other).contains(digest)));
}

#[test]
fn what_a_run_starts_from_and_the_arithmetic_are_in_its_name() {
    let settings = Settings::default();
    let content = Content::default();
    let of = |inputs: &[Digest]| digest(RunKind::Probe, &settings, inputs, &content);
    let [a, b] = ["a", "b"].map(Digest::of);
    assert_ne!(of(std::slice::from_ref(&a)), of(&[b]));
    assert_ne!(of(&[a]), of(&[]));
    let mut imported = settings.clone();
    imported.encoder = Some("mae".into());
    let with = |sha: &str| {
        let content = Content {
            checkpoints: [("mae".to_owned(), sha.to_owned())].into(),
            ..Content::default()
        };
        digest(RunKind::Probe, &imported, &[], &content)
    };
    assert_ne!(with("1"), with("2"));
}

/// Another value that a setting takes.
fn other_value(setting: &Setting, value: &Value) -> Option<Value> {
    let candidates: Vec<Value> = match setting.domain {
        Domain::Whole { low, high } => {
            vec![(low as f64).into(), ((low + 1) as f64).into(), (high as f64).into()]
        }
        Domain::Real { low, high, .. } => {
            vec![(low * 0.4 + high * 0.6).into(), (low * 0.6 + high * 0.4).into()]
        }
        Domain::Limit => vec![7.0.into(), 8.0.into()],
        Domain::Switch => vec![true.into(), false.into()],
        Domain::Choice(choices) => choices.iter().map(|choice| choice.name.into()).collect(),
        Domain::Device => vec!["cpu".into(), "cuda:1".into(), 2.0.into()],
        Domain::Name { .. } | Domain::Structure => Vec::new(),
    };
    candidates.into_iter().find(|other| other != value && setting.domain.check(other).is_ok())
}

proptest! {
    /// Generated from the table: the digest depends on every setting that affects a kind, and on no other.
    #[test]
    fn a_digest_tells_what_matters_and_nothing_else(
        entry in 0..CATALOGUE.len(), kind in 0..RunKind::ALL.len(), setting in any::<prop::sample::Index>(),
        poisons in 0u32..2, augmented: bool, mixed: bool, scratch: bool,
        method in 0..DefenceMethod::ALL.len(), clusters: bool, of_pretraining: bool
    ) {
        let kind = RunKind::ALL[kind];
        let mut settings = Settings::default();
        settings.attack.trigger = CATALOGUE[entry].spec(32, 4);
        (settings.pretrain.poisons, settings.knn.poisons) = (poisons, poisons);
        (settings.probe.poisons, settings.finetune.poisons) = (poisons, poisons);
        settings.defence.method = DefenceMethod::ALL[method];
        settings.defence.poisons = poisons;
        if clusters {
            settings.defence.groups = DefenceGroups::Clusters;
        }
        if of_pretraining {
            settings.defence.set = DefendedSet::Pretrain;
        }
        if augmented {
            settings.probe.features = crate::settings::ProbeFeatures::Augmented;
        }
        if mixed {
            (settings.finetune.mixup, settings.finetune.cutmix) = (0.8, 1.0);
        }
        if scratch {
            settings.finetune.start = Start::Scratch;
        }
        let there: Vec<&Setting> = SETTINGS.iter().filter(|setting| setting.is_in(&settings)).collect();
        let setting = *setting.get(&there);
        let Some(value) = param::get(&settings, setting.path) else { return Ok(()) };
        let Some(other) = other_value(setting, &value) else { return Ok(()) };
        let mut changed = settings.clone();
        param::set(&mut changed, setting.path, &other).expect("a value that it takes");
        let content = Content::default();
        let [one, two] = [&settings, &changed].map(|settings| digest(kind, settings, &[], &content));
        // An absent test value defaults to the training value.
        let matters = SETTINGS.iter().any(|other| {
            let differs = param::get(&settings, other.path) != param::get(&changed, other.path);
            let of_both = other.path == setting.path || other.path.starts_with("attack.trigger.test_");
            let matters = other.matters(&settings, kind) || other.matters(&changed, kind);
            of_both && differs && matters
        });
        prop_assert_eq!(one != two, matters, "{} = {} instead of {}, {:?}", setting.path, other, value, kind);
    }
}

#[test]
fn settings_that_came_later_are_no_part_of_the_digests_of_earlier_runs() {
    const LATER: [&str; 8] = [
        "attack.replace",
        "attack.poison_unit",
        "attack.sources",
        "attack.cover_ratio",
        "attack.trigger.tiles",
        "attack.trigger.test_ratio",
        "attack.trigger.places",
        "attack.trigger.seed",
    ];
    for entry in &CATALOGUE {
        let mut settings = Settings::default();
        settings.attack.trigger = entry.spec(32, 4);
        (settings.pretrain.poisons, settings.probe.poisons) = (1, 1);
        (settings.knn.poisons, settings.finetune.poisons, settings.defence.poisons) = (1, 1, 1);
        for kind in RunKind::ALL {
            for path in LATER {
                // Other triggers had a seed from the beginning.
                let is_old = path.ends_with("seed") && settings.attack.trigger.kind() != "patched";
                assert!(is_old || !matters(path, &settings, kind), "{path}, {}", entry.id);
            }
        }
    }
}

#[test]
fn a_device_is_asked_for_and_is_no_part_of_a_run() {
    let mut study = presets()[0].spec.clone();
    study.axes = vec![Axis {
        paths: vec!["seed".into(), "device".into()],
        values: vec![vec![1u32.into(), "cuda:0".into()], vec![2u32.into(), 2u32.into()]],
    }];
    assert_eq!(study.validate(), []);
    let graph = Graph::of(&study, &Content::default()).expect("sound");
    for node in &graph.nodes {
        let wanted =
            if node.settings.seed == 1 { DeviceWish::Cuda(0) } else { DeviceWish::Gpus(2) };
        assert_eq!(node.device, wanted);
        assert!(node.settings.device.is_default() && !node.described().contains_key("device"));
    }
    let elsewhere = study.clone();
    study.axes = vec![Axis::of("seed", [1u32, 2])];
    let digests = |study| -> Vec<Digest> {
        let graph = Graph::of(study, &Content::default()).expect("sound");
        graph.nodes.into_iter().map(|node| node.digest).collect()
    };
    assert_eq!(digests(&study), digests(&elsewhere));
    // A study that varies nothing else would make the same runs again.
    study.axes = vec![Axis::of("device", ["cpu", "cuda:0"])];
    assert_eq!(
        study.validate().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["axes.device: varies together with another setting only, because no result depends on it"]
    );
}

#[test]
fn a_run_from_scratch_knows_no_pretraining() {
    let mut study = presets()[0].spec.clone();
    study.runs = vec![RunKind::Finetune];
    study.axes = vec![
        Axis::of("pretrain.poisons", [0u32, 10]),
        Axis::of("finetune.start", ["encoder", "scratch"]),
    ];
    let graph = Graph::of(&study, &Content::default()).expect("sound");
    assert_eq!((graph.count(RunKind::Pretrain), graph.count(RunKind::Finetune)), (2, 3));
    study.settings.encoder = Some("mae".into());
    study.axes.remove(0);
    let graph = Graph::of(&study, &Content::default()).expect("sound");
    assert_eq!((graph.count(RunKind::Pretrain), graph.count(RunKind::Finetune)), (0, 2));
}

#[test]
fn a_run_is_described_by_what_matters_to_it_and_to_what_it_starts_from() {
    let graph = Graph::of(&sweep(), &Content::default()).expect("sound");
    let clean = graph.nodes.iter().find(|node| node.kind == RunKind::Pretrain).expect("one");
    let told = clean.described();
    assert!(told.contains_key("pretrain.epochs") && told.contains_key("seed"));
    assert!(
        !told.contains_key("probe.epochs") && !told.contains_key("attack.trigger.ratio"),
        "{told:?}"
    );
    let probe = graph.nodes.iter().find(|node| node.kind == RunKind::Probe).expect("one");
    let told = probe.described();
    assert!(
        ["pretrain.poisons", "probe.poisons", "attack.trigger.ratio", "dataset.name"]
            .iter()
            .all(|path| told.contains_key(*path))
    );
}
