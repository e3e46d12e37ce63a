use proptest::prelude::*;

use super::*;
use crate::{
    param::{Domain, SETTINGS, Setting},
    run::RunPoint,
    settings::{
        BackdoorSpec, BlockedBy, DedeDecoder, DefenceGroups, DefenceMethod, DefendedSet,
        ImplantMethod, ProtectedClassifier, Restorer,
    },
    study::{Axis, presets},
    trigger::{BlendedSpec, CATALOGUE, TriggerSpec},
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
fn a_filter_that_trains_again_knows_the_probes_recipe() {
    let mut study = sweep();
    study.runs = vec![RunKind::Defence];
    study.axes = vec![Axis::of("defence.method", ["spectral", "strip"])];
    let digests = |study: &StudySpec| -> Vec<Digest> {
        let graph = Graph::of(study, &Content::default()).expect("sound axes");
        graph.nodes.into_iter().map(|node| node.digest).collect()
    };
    let without = digests(&study);
    study.settings.probe.epochs += 1;
    assert_eq!(digests(&study), without, "no defence trains a probe");
    study.settings.defence.retrain = true;
    let with = digests(&study);
    assert_ne!(with[1], without[1]);
    assert_eq!([&with[0], &with[2]], [&without[0], &without[2]], "an input filter has no set");
    study.settings.probe.epochs += 1;
    assert_ne!(digests(&study)[1], with[1]);
    study.settings.probe.epochs -= 1;
    // Its poisons are those of the judged set, and it is evaluated at the end alone.
    (study.settings.probe.poisons, study.settings.probe.evaluate_every) = (7, 3);
    assert_eq!(digests(&study), with);
    let graph = Graph::of(&study, &Content::default()).expect("sound axes");
    let (filter, other) = (&graph.nodes[1], &graph.nodes[2]);
    assert_eq!((filter.settings.probe.poisons, filter.settings.probe.evaluate_every), (0, 5));
    assert_eq!(filter.settings.probe.epochs, study.settings.probe.epochs);
    assert_eq!(other.settings.probe, ProbeSpec::default());
    let described = filter.described();
    assert!(described.contains_key("defence.retrain") && described.contains_key("probe.epochs"));
    assert!(!described.contains_key("probe.poisons"));
    assert!(!other.described().contains_key("defence.retrain"));

    // So does an input filter that protects a probe.
    study.settings.defence.classifier = ProtectedClassifier::Probe;
    let protected = digests(&study);
    assert_eq!(protected[1], with[1], "a sample filter protects nothing");
    assert_ne!(protected[2], with[2]);
    study.settings.probe.epochs += 1;
    assert_ne!(digests(&study)[2], protected[2]);
    let graph = Graph::of(&study, &Content::default()).expect("sound axes");
    let described = graph.nodes[2].described();
    assert!(described.contains_key("defence.classifier") && described.contains_key("probe.epochs"));
    assert!(!described.contains_key("probe.poisons"));
}

#[test]
fn a_trained_decoder_is_of_its_recipe_and_of_the_decoders_sizes() {
    let mut study = sweep();
    study.runs = vec![RunKind::Defence];
    study.settings.encoder = Some("vit".into());
    study.axes = vec![Axis::of("defence.method", ["dede", "strip"])];
    let digests = |study: &StudySpec| -> Vec<Digest> {
        let graph = Graph::of(study, &Content::default()).expect("sound axes");
        graph.nodes.into_iter().map(|node| node.digest).collect()
    };
    let own = digests(&study);
    let json = |study: &StudySpec| serde_json::to_value(&study.settings.defence).expect("JSON");
    assert!(json(&study).get("decoder").is_none() && json(&study).get("decoder_lr").is_none());
    study.settings.defence.decoder_epochs = 3;
    study.settings.model.decoder.depth += 1;
    assert_eq!(digests(&study), own, "none is trained");
    study.settings.defence.decoder = DedeDecoder::Trained;
    let trained = digests(&study);
    assert!(trained[0] != own[0] && trained[1] == own[1], "only DeDe has one");
    study.settings.defence.decoded_from = crate::settings::DecodedFrom::Patches;
    assert_eq!(digests(&study), trained, "it decodes from the embedding");
    let changes: [fn(&mut Settings); 4] = [
        |settings| settings.defence.decoder_epochs = 4,
        |settings| settings.defence.decoder_lr = 1e-4,
        |settings| settings.defence.decoder_mask_ratio = 0.75,
        |settings| settings.model.decoder.depth += 1,
    ];
    for change in changes {
        let mut other = study.clone();
        change(&mut other.settings);
        assert_ne!(digests(&other)[0], trained[0]);
        assert_eq!(digests(&other)[1], trained[1]);
        let read = serde_json::to_value(&other.settings).expect("JSON");
        let read: Settings = serde_json::from_value(read).expect("settings");
        assert_eq!(read, other.settings);
    }
    let graph = Graph::of(&study, &Content::default()).expect("sound axes");
    let described = graph.nodes[0].described();
    let has = |path: &str| described.contains_key(path);
    assert!(has("defence.decoder_lr") && has("model.decoder.depth"));
    assert!(!has("defence.decoded_from"));
    assert!(!graph.nodes[1].described().contains_key("model.decoder.depth"));
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

/// BDMAE on encoders with and without poisons, restored by either autoencoder.
fn restored() -> StudySpec {
    let mut study = sweep();
    study.runs = vec![RunKind::Defence];
    study.settings.defence.method = DefenceMethod::Bdmae;
    study.axes = vec![
        Axis::of("pretrain.poisons", [0u32, 50]),
        Axis::of("defence.restorer", ["own", "clean"]),
    ];
    study
}

#[test]
fn a_clean_restorer_is_the_study_s_own_pretraining_without_poisons() {
    let of = |study: &StudySpec| Graph::of(study, &Content::default()).expect("sound axes");
    let whole = of(&restored());
    let (pretrain, defence) = (RunKind::Pretrain, RunKind::Defence);
    let kinds: Vec<RunKind> = whole.nodes.iter().map(|node| node.kind).collect();
    assert_eq!(kinds, [pretrain, defence, pretrain, defence, defence], "nothing more is trained");
    let inputs: Vec<&[usize]> = whole.nodes.iter().map(|node| &node.inputs[..]).collect();
    // On the clean encoder, the judged autoencoder is the clean one.
    assert_eq!(inputs, [&[][..], &[0], &[], &[2], &[2, 0]]);
    let restorers: Vec<Option<usize>> = whole.nodes.iter().map(|node| node.restorer).collect();
    assert_eq!(restorers, [None, None, None, None, Some(0)]);
    assert_eq!((whole.nodes[3].start(), whole.nodes[4].start()), (Some(2), Some(2)));
    // The features of linear probes are those of one encoder, whatever restores.
    assert_eq!(whole.nodes[3].encoder(), whole.nodes[4].encoder());
    assert_ne!(whole.nodes[1].encoder(), whole.nodes[3].encoder());
    let described = whole.nodes[4].described();
    assert_eq!(described["defence.restorer"], "clean".into());
    assert_eq!(described["pretrain.poisons"], 50u32.into(), "of the judged encoder");
    assert!(!whole.nodes[3].described().contains_key("defence.restorer"));

    // Alone, the poisoned encoder brings the same pre-training along.
    let mut alone = restored();
    alone.axes = Vec::new();
    alone.settings.pretrain.poisons = 50;
    alone.settings.defence.restorer = Restorer::Clean;
    let graph = of(&alone);
    let kinds: Vec<RunKind> = graph.nodes.iter().map(|node| node.kind).collect();
    assert_eq!(kinds, [pretrain, pretrain, defence]);
    assert_eq!((&graph.nodes[2].inputs[..], graph.nodes[2].restorer), (&[0, 1][..], Some(1)));
    assert_eq!(graph.nodes[1], whole.nodes[0]);
    assert_eq!(graph.nodes[2].digest, whole.nodes[4].digest);

    // Who restores with the judged autoencoder, or nothing, has the digest of before.
    for (method, blocked_by) in [
        (DefenceMethod::Dede, BlockedBy::Restored),
        (DefenceMethod::Blocking, BlockedBy::Black),
        (DefenceMethod::Strip, BlockedBy::Black),
    ] {
        let mut other = alone.clone();
        (other.settings.defence.method, other.settings.defence.blocked_by) = (method, blocked_by);
        let clean = of(&other);
        other.settings.defence.restorer = Restorer::Own;
        assert_eq!(clean, {
            let mut own = of(&other);
            own.nodes[1].settings.defence.restorer = Restorer::Clean;
            own
        });
    }
    alone.settings.defence.method = DefenceMethod::Blocking;
    alone.settings.defence.blocked_by = BlockedBy::Restored;
    assert_eq!(of(&alone).nodes[2].restorer, Some(1));
    let written = serde_json::to_string(&Settings::default()).expect("JSON");
    assert!(!written.contains("restorer"), "stored settings are as they were: {written}");
}

#[test]
fn a_clean_restorer_stands_beside_implanted_and_imported_encoders() {
    let mut study = restored();
    study.axes = Vec::new();
    (study.settings.pretrain.poisons, study.settings.defence.restorer) = (0, Restorer::Clean);
    study.settings.implant.method = ImplantMethod::BadEncoder;
    let of = |study: &StudySpec, sha: &str| {
        let content = Content {
            checkpoints: [("mae".to_owned(), sha.to_owned())].into(),
            ..Content::default()
        };
        Graph::of(study, &content).expect("sound axes")
    };
    let graph = of(&study, "1");
    let kinds: Vec<RunKind> = graph.nodes.iter().map(|node| node.kind).collect();
    assert_eq!(kinds, [RunKind::Pretrain, RunKind::Implant, RunKind::Defence]);
    // The encoder before the backdoor was implanted.
    assert_eq!((&graph.nodes[2].inputs[..], graph.nodes[2].restorer), (&[1, 0][..], Some(0)));
    let clean = graph.nodes[0].digest.clone();

    study.settings.implant.method = ImplantMethod::None;
    study.settings.encoder = Some("mae".into());
    assert_eq!(study.validate(), []);
    let graph = of(&study, "1");
    let kinds: Vec<RunKind> = graph.nodes.iter().map(|node| node.kind).collect();
    assert_eq!(kinds, [RunKind::Pretrain, RunKind::Defence]);
    let defence = &graph.nodes[1];
    assert_eq!((defence.start(), defence.restorer), (None, Some(0)));
    assert_eq!(defence.encoder(), (None, Some("mae")));
    assert_eq!(graph.nodes[0].digest, clean, "it starts from no imported encoder");
    assert_eq!(defence.settings.pretrain, study.settings.pretrain);
    let described = defence.described();
    assert!(described.contains_key("encoder") && described.contains_key("pretrain.epochs"));
    assert!(RunKind::Pretrain.is_made(&study.runs, &study.settings));
    assert_ne!(of(&study, "2").nodes[1].digest, defence.digest, "another encoder is judged");
    study.settings.pretrain.epochs += 1;
    assert_ne!(of(&study, "1").nodes[1].digest, defence.digest, "another one restores");
    study.settings.defence.restorer = Restorer::Own;
    assert!(!RunKind::Pretrain.is_made(&study.runs, &study.settings));
    assert_eq!(of(&study, "1").nodes[0].settings.pretrain, PretrainSpec::default());
}

#[test]
fn an_imported_restorer_is_known_by_its_content() {
    let mut study = restored();
    study.axes = Vec::new();
    study.settings.pretrain.poisons = 50;
    let of = |study: &StudySpec, name: &str, sha: &str| {
        let content = Content {
            checkpoints: [(name.to_owned(), sha.to_owned())].into(),
            ..Content::default()
        };
        Graph::of(study, &content).expect("sound axes")
    };
    let own = of(&study, "mae", "1").nodes[1].clone();
    study.settings.defence.restorer_checkpoint = Some("mae".into());
    assert_eq!(of(&study, "mae", "1").nodes[1], own, "a name alone means nothing");
    study.settings.defence.restorer = Restorer::Imported;
    let graph = of(&study, "mae", "1");
    assert_eq!(graph.count(RunKind::Pretrain), 1, "nothing more is trained");
    let imported = &graph.nodes[1];
    assert_eq!((imported.start(), imported.restorer), (Some(0), None));
    assert_ne!(imported.digest, own.digest);
    assert_eq!(imported.described()["defence.restorer_checkpoint"], "mae".into());
    assert_ne!(of(&study, "mae", "2").nodes[1].digest, imported.digest, "another file");
    study.settings.defence.restorer_checkpoint = Some("other".into());
    assert_eq!(of(&study, "other", "1").nodes[1].digest, imported.digest, "the same file");
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
        method in 0..DefenceMethod::ALL.len(), clusters: bool, of_pretraining: bool, retrain: bool, trained: bool, probed: bool
    ) {
        let kind = RunKind::ALL[kind];
        let mut settings = Settings::default();
        settings.attack.trigger = CATALOGUE[entry].spec(32, 4);
        (settings.pretrain.poisons, settings.knn.poisons) = (poisons, poisons);
        (settings.probe.poisons, settings.finetune.poisons) = (poisons, poisons);
        settings.defence.method = DefenceMethod::ALL[method];
        settings.defence.poisons = poisons;
        settings.defence.retrain = retrain;
        if probed {
            settings.defence.classifier = ProtectedClassifier::Probe;
        }
        if trained {
            settings.defence.decoder = DedeDecoder::Trained;
        }
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
    const LATER: [&str; 24] = [
        "attack.goal",
        "attack.further",
        "attack.replace",
        "attack.poison_unit",
        "attack.sources",
        "attack.cover_ratio",
        "attack.compose.method",
        "attack.compose.references",
        "attack.compose.support_images",
        "attack.compose.support_share",
        "defence.retrain",
        "defence.classifier",
        "defence.head_epochs",
        "defence.split_share",
        "defence.decoder",
        "defence.decoder_epochs",
        "defence.decoder_lr",
        "defence.decoder_mask_ratio",
        "defence.restorer",
        "defence.restorer_checkpoint",
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
fn composed_poisons_make_another_encoder_and_leave_the_rest() {
    let mut study = presets()[0].spec.clone();
    study.runs = vec![RunKind::Probe];
    study.settings.attack.trigger = CATALOGUE[5].spec(32, 4);
    study.axes = vec![
        Axis::of("attack.compose.method", ["none", "corrupt_encoder", "corrupt_encoder_plus"]),
        Axis::of("pretrain.poisons", [0u32, 3]),
    ];
    assert_eq!(study.validate(), []);
    let digests = |study: &StudySpec, kind: RunKind| -> Vec<Digest> {
        let graph = Graph::of(study, &Content::default()).expect("sound axes");
        graph.nodes.into_iter().filter(|node| node.kind == kind).map(|node| node.digest).collect()
    };
    // One clean encoder for all, and one for each way of poisoning; a probe of each.
    let before = digests(&study, RunKind::Pretrain);
    assert_eq!((before.len(), digests(&study, RunKind::Probe).len()), (4, 4));
    let mut plain = study.clone();
    plain.axes.remove(0);
    assert_eq!(digests(&plain, RunKind::Pretrain), before[..2], "as if there were no others");
    let changed = |change: &dyn Fn(&mut Settings)| -> Vec<usize> {
        let mut other = study.clone();
        change(&mut other.settings);
        let after = digests(&other, RunKind::Pretrain);
        (0..4).filter(|&at| before[at] != after[at]).collect()
    };
    // The clean one, the plain one, CorruptEncoder, CorruptEncoder+.
    assert_eq!(changed(&|settings| settings.attack.compose.references = 1), [2, 3]);
    assert_eq!(changed(&|settings| settings.attack.compose.support_images = 1), [3]);
    assert_eq!(changed(&|settings| settings.attack.compose.support_share = 0.5), [3]);
    let graph = Graph::of(&study, &Content::default()).expect("sound axes");
    let told: Vec<_> = graph
        .nodes
        .iter()
        .filter(|node| node.kind == RunKind::Probe)
        .map(|node| node.described().get("attack.compose.method").map(ToString::to_string))
        .collect();
    let method = |name: &str| Some(name.to_owned());
    assert_eq!(told, [None, None, method("corrupt_encoder"), method("corrupt_encoder_plus")]);
}

#[test]
fn further_backdoors_are_part_of_what_sees_them() {
    let mut settings = Settings::default();
    settings.probe.poisons = 1;
    let mut several = settings.clone();
    let trigger = TriggerSpec::Blended(BlendedSpec::new(0.2, "swirl"));
    several.attack.further = vec![BackdoorSpec { target_class: 3, trigger }];
    let mut content = Content::default();
    let of = |kind, settings: &Settings, content: &Content| digest(kind, settings, &[], content);
    for kind in [RunKind::Knn, RunKind::Probe, RunKind::Finetune, RunKind::Defence] {
        assert_ne!(of(kind, &settings, &content), of(kind, &several, &content), "{kind:?}");
    }
    // A clean pre-training has no trigger at all.
    let [one, two] =
        [&settings, &several].map(|settings| of(RunKind::Pretrain, settings, &content));
    assert_eq!(one, two);
    let probe = of(RunKind::Probe, &several, &content);
    several.attack.further[0].target_class = 4;
    assert_ne!(of(RunKind::Probe, &several, &content), probe);
    several.attack.further[0].target_class = 3;
    content.keys.insert("swirl".into(), "another image".into());
    assert_ne!(of(RunKind::Probe, &several, &content), probe, "the key's pixels count");

    // A pre-training sees no test image.
    several.pretrain.poisons = 1;
    let mut stronger = several.clone();
    if let TriggerSpec::Blended(blended) = &mut stronger.attack.further[0].trigger {
        blended.test_ratio = Some(0.6);
    }
    let differs = |kind| of(kind, &several, &content) != of(kind, &stronger, &content);
    assert_eq!([RunKind::Pretrain, RunKind::Probe].map(differs), [false, true]);
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
