//! Defences of a micro study: what they judge, against what truth, and that they say the same each time.

use std::path::Path;

use engine::{
    EngineError,
    checkpoint::{self, CheckpointInfo},
    compute::{Machine, Params},
    eval::Predicted,
    files,
    model::is_of_decoder,
    run::run as run_on,
};
use serde_json::Value;
use shared::{
    Ratio, RunEvent, RunKind, RunOrder, Settings,
    metric::{Changed, Detection, Judgement, Metrics},
    settings::{
        BlockedBy, DecodedFrom, DedeDecoder, DefenceGroups, DefenceKind, DefenceMethod,
        DefendedSet, ProbeFeatures, ProtectedClassifier, Restorer,
    },
    trigger::{BlendedSpec, Fill, PatchedSpec, TriggerSpec},
};
use tempfile::TempDir;

use super::{last_metrics, machine, order, run, spec};

/// An encoder to judge by, with poisons in its pre-training.
fn encoder() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    run(&order(spec(), RunKind::Pretrain, None), folder.path()).expect("a run that finishes");
    folder
}

/// What the defence found, and the file in which it says so of every image.
fn judged(settings: Settings, encoder: &TempDir) -> (Judgement, Value) {
    said(&order(settings, RunKind::Defence, Some(encoder.path())))
}

/// What the defence of this order found, and the file in which it says so.
fn said(defence: &RunOrder) -> (Judgement, Value) {
    let folder = TempDir::new().expect("a folder");
    let events = run(defence, folder.path()).expect("a run that finishes");
    let mut found = events.iter().filter_map(|event| match event {
        RunEvent::Judged { epoch: 4, judgement } => Some(**judgement),
        _ => None,
    });
    let judgement = found.next().expect("what was found, of the encoder's last epoch");
    assert!(found.next().is_none());
    assert!(matches!(events.last(), Some(RunEvent::Finished { metrics: None, .. })));
    let text = std::fs::read(folder.path().join(files::DEFENCE)).expect("the file");
    (judgement, serde_json::from_slice(&text).expect("JSON"))
}

/// How it tells poisoned from clean images.
fn of_images(judgement: &Judgement) -> Detection {
    judgement.detection.expect("images are judged")
}

fn with(method: DefenceMethod) -> Settings {
    let mut settings = spec();
    settings.defence.method = method;
    settings
}

#[test]
fn sample_filters_judge_the_probes_set_and_the_same_without_the_trigger() {
    let encoder = encoder();
    // PatchSearch looks at no label.
    let by_label = |method: &DefenceMethod| *method != DefenceMethod::PatchSearch;
    let filters = DefenceMethod::ALL.into_iter().filter(|method| method.filters_samples());
    for method in filters.filter(by_label) {
        let (judgement, said) = judged(with(method), &encoder);
        // Twelve images of ten classes, and three copies of each of the other nine.
        assert_eq!(of_images(&judgement).found.total, 27, "{method:?}");
        assert_eq!(of_images(&judgement).false_alarms.total, 120, "{method:?}");
        let control = judgement.control.expect("labels are wrong");
        assert_eq!(control.found.total, 27, "{method:?}");
        assert_ne!(of_images(&judgement).auroc, control.auroc, "{method:?}: the trigger counts");
        assert_eq!((judgement.before, judgement.after), (None, None));
        let samples = said["samples"].as_array().unwrap();
        assert_eq!((samples.len(), said["control"].as_array().unwrap().len()), (147, 147));
        let poisons = &samples[120..];
        assert!(poisons.iter().all(|s| s["label"] == 1 && s["poisoned"] == true));
        assert!(samples.iter().all(|s| s["score"].as_f64().is_some_and(f64::is_finite)));
        let groups = said["groups"].as_array().unwrap();
        assert_eq!(groups[1]["images"], 39, "{method:?}: twelve images and all poisons");
        assert_eq!(groups[1]["poisoned"], 27);
        let clean = if method == DefenceMethod::Scan { 20 } else { 0 };
        assert_eq!(said["clean_images"], clean, "half of four validation images of each class");
        assert_eq!(judged(with(method), &encoder), (judgement, said), "{method:?}: again");
    }
}

/// An attack that changes no byte of any image and no label: poisons of the target class take the place of their originals.
fn unseen(method: DefenceMethod, target: u32) -> Settings {
    let mut settings = with(method);
    let attack = &mut settings.attack;
    // No number of a byte is changed by as little; a blend is cut off, so a larger one could make pixels darker.
    attack.trigger = TriggerSpec::Blended(BlendedSpec::new(1e-10, "stripes"));
    (attack.target_class, attack.clean_label, attack.replace) = (target, true, true);
    settings
}

#[test]
fn which_images_are_poisoned_changes_metrics_and_nothing_that_a_defence_says() {
    let encoder = encoder();
    // Other filters get their images in the same two ways, and take longer.
    let methods = [
        DefenceMethod::Spectral,
        DefenceMethod::ActivationClustering,
        DefenceMethod::Scan,
        DefenceMethod::LossSplit,
        DefenceMethod::Strip,
        DefenceMethod::Blocking,
        DefenceMethod::Beatrix,
    ];
    for method in methods {
        let [(first, of_first), (second, of_second)] =
            [1, 2].map(|target| judged(unseen(method, target), &encoder));
        let [one, other] = [&of_first, &of_second].map(|said| said["samples"].as_array().unwrap());
        assert_eq!(one.len(), other.len(), "{method:?}");
        let (a, b) = (of_images(&first), of_images(&second));
        assert_eq!((a.found.total, a.false_alarms.total), (b.found.total, b.false_alarms.total));
        assert_ne!((a, first.before), (b, second.before), "{method:?}: another truth");
        assert_eq!(of_first["limit"], of_second["limit"], "{method:?}");
        // A set of training images is judged once; of images that a classifier is asked about, the clean and the triggered ones are.
        let set = |sample: &Value| {
            (!method.filters_samples() && sample["poisoned"] == true, sample["image"].as_u64())
        };
        let mut both = 0;
        for sample in one {
            let Some(same) = other.iter().find(|other| set(other) == set(sample)) else { continue };
            both += 1;
            for key in ["label", "score", "flagged"] {
                assert_eq!(sample[key], same[key], "{method:?}: {key} of {sample}");
            }
        }
        let expected =
            if method.filters_samples() { 120 } else { one.len() - a.found.total as usize / 9 };
        assert_eq!(both, expected, "{method:?}");
        let poisoned = |samples: &[Value]| {
            samples.iter().map(|sample| sample["poisoned"] == true).collect::<Vec<_>>()
        };
        assert!(!method.filters_samples() || poisoned(one) != poisoned(other), "{method:?}");
    }
}

#[test]
fn threads_change_no_bit_of_what_a_defence_says() {
    let encoder = encoder();
    let methods =
        [DefenceMethod::Scan, DefenceMethod::Strip, DefenceMethod::Beatrix, DefenceMethod::Bdmae];
    for method in methods {
        // A thread has a batch of its own, and as many batches are asked for together as there are threads.
        let [one, three] = [1, 3].map(|threads| {
            let stored = std::fs::read_dir(encoder.path()).expect("a folder");
            for file in stored.map(|entry| entry.expect("a file").path()) {
                let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
                if name.starts_with("features-") {
                    std::fs::remove_file(&file).expect("a file");
                }
            }
            let folder = TempDir::new().expect("a folder");
            let defence = order(with(method), RunKind::Defence, Some(encoder.path()));
            let machine = Machine::with_threads(threads);
            let mut ignore = |_| Ok(());
            run_on(&defence, folder.path(), None, &[], &machine, &mut (), &mut ignore)
                .expect("a run that finishes");
            std::fs::read(folder.path().join(files::DEFENCE)).expect("the file")
        });
        assert!(one == three, "{method:?}");
    }
}

#[test]
fn a_sample_filter_judges_the_set_of_the_pretraining_without_labels() {
    let encoder = encoder();
    let mut settings = with(DefenceMethod::Spectral);
    settings.defence.set = DefendedSet::Pretrain;
    settings.defence.groups = DefenceGroups::Clusters;
    let (judgement, said) = judged(settings.clone(), &encoder);
    assert_eq!(
        of_images(&judgement).found.total,
        18,
        "two copies of each of the other nine classes"
    );
    assert_eq!(judgement.control, None, "there are no labels that could be wrong");
    assert_eq!(said["groups"].as_array().unwrap().len(), 5);
    settings.defence.groups = DefenceGroups::All;
    let (_, said) = judged(settings, &encoder);
    assert_eq!(said["groups"][0]["images"], 138);
}

/// What a probe with `poisons` of each class says of each image, and its counts.
fn probed(settings: &Settings, poisons: u32, encoder: &TempDir) -> (Predicted, Metrics) {
    let mut settings = settings.clone();
    settings.probe.poisons = poisons;
    let folder = TempDir::new().expect("a folder");
    let probe = order(settings, RunKind::Probe, Some(encoder.path()));
    let events = run(&probe, folder.path()).expect("a run that finishes");
    let predicted = Predicted::read(&folder.path().join(files::PREDICTIONS)).expect("a file");
    // How visible the trigger is and how it is redrawn, no defence tells.
    let metrics = Metrics { quality: None, redrawn: None, ..last_metrics(&events) };
    (predicted.expect("predictions"), metrics)
}

/// A filter that flags the poisons and nothing else, by a clean encoder: all of an image is the trigger, in a colour that no drawn image has, so
/// that the poisons are far from all others.
fn planted() -> (Settings, TempDir) {
    let mut settings = with(DefenceMethod::Spectral);
    let fill = Fill::Colour { rgb: [255, 0, 255] };
    let patch =
        PatchedSpec { size: 16, x: 0, y: 0, count: 1, step: 0, fill, ..PatchedSpec::default() };
    settings.attack.trigger = TriggerSpec::Patched(patch);
    settings.pretrain.poisons = 0;
    settings.defence.poisons = 2;
    settings.defence.groups = DefenceGroups::All;
    // 1.5 x 0.0869 x 138 = 17.99: as many as there are poisons.
    settings.defence.assumed_share = 0.0869;
    settings.defence.retrain = true;
    settings.probe.epochs = 40;
    let folder = TempDir::new().expect("a folder");
    let pretraining = order(settings.clone(), RunKind::Pretrain, None);
    run(&pretraining, folder.path()).expect("a run that finishes");
    (settings, folder)
}

#[test]
fn what_a_filter_keeps_trains_the_studys_probe_again() {
    let (planted, encoder) = planted();
    for features in [ProbeFeatures::Cached, ProbeFeatures::Augmented] {
        let mut settings = planted.clone();
        settings.probe.features = features;
        let (judgement, said) = judged(settings.clone(), &encoder);
        let detection = of_images(&judgement);
        assert_eq!(detection.found, Ratio { hits: 18, total: 18 });
        assert_eq!(detection.false_alarms, Ratio { hits: 0, total: 120 });
        // The poisons stand behind the clean images, so what is kept is the clean set.
        let (with, before) = probed(&settings, 2, &encoder);
        let (without, after) = probed(&settings, 0, &encoder);
        assert_eq!((judgement.before, judgement.after), (Some(before), Some(after)));
        // All triggered images are alike, and get the target's class or another one.
        assert_eq!((before.asr.hits, after.asr.hits), (36, 0), "{before:?}, {after:?}");
        let retrained = judgement.retrained.expect("two probes");
        assert_eq!(retrained.kept, Ratio { hits: 120, total: 138 });
        let changed = with.discordant(&without).map(Changed::of);
        assert!(changed.is_some() && retrained.changed == changed, "{retrained:?}");
        assert_eq!((retrained.emptied, &said["emptied"]), (0, &Value::Null));
        assert_eq!(judged(settings.clone(), &encoder), (judgement, said), "again");
        // Without training again, the filter says the same.
        settings.defence.retrain = false;
        let (alone, _) = judged(settings, &encoder);
        let nothing = Judgement { before: None, after: None, retrained: None, ..judgement };
        assert_eq!(alone, nothing);
    }
}

#[test]
fn a_replaced_set_is_trained_on_as_by_the_probe() {
    let (mut settings, encoder) = planted();
    settings.attack.replace = true;
    // 1.5 x 0.0999 x 120 = 17.98.
    settings.defence.assumed_share = 0.0999;
    let (judgement, _) = judged(settings.clone(), &encoder);
    let detection = of_images(&judgement);
    assert_eq!((detection.found.hits, detection.false_alarms.hits), (18, 0));
    assert_eq!(judgement.before, Some(probed(&settings, 2, &encoder).1));
    let retrained = judgement.retrained.expect("two probes");
    assert_eq!(retrained.kept, Ratio { hits: 102, total: 120 });
    // No original comes back: what is kept is a set of its own, of which the study has no probe to compare with.
    assert_eq!(judgement.after.expect("a second probe").asr.total, 36);
}

#[test]
fn a_filter_that_flags_nothing_changes_no_probe() {
    let encoder = encoder();
    let mut settings = with(DefenceMethod::Scan);
    // SCAn compares groups, and one alone is like all.
    settings.defence.groups = DefenceGroups::All;
    settings.defence.retrain = true;
    let (judgement, said) = judged(settings, &encoder);
    assert_eq!(of_images(&judgement).found.hits + of_images(&judgement).false_alarms.hits, 0);
    assert_eq!(judgement.before, judgement.after);
    let retrained = judgement.retrained.expect("two probes");
    assert_eq!(retrained.kept, Ratio { hits: 147, total: 147 });
    let Changed { ca, asr, ra } = retrained.changed.expect("two probes");
    // The defender has two of four validation images of each class; nine of ten classes are attacked.
    assert_eq!((ca.total, asr.total, ra.total), (20, 18, 18));
    assert!([ca, asr, ra].iter().all(|by| (by.first, by.second) == (0, 0)));
    assert_eq!(said["clean_images"], 20);
}

#[test]
fn a_filter_that_keeps_nothing_of_a_class_says_so() {
    let encoder = encoder();
    let mut settings = with(DefenceMethod::Spectral);
    settings.dataset.train_per_class = Some(1);
    settings.defence.assumed_share = 0.5;
    settings.defence.poisons = 1;
    settings.defence.retrain = true;
    // Of each class one image, which is flagged; of the target's, which also has nine poisons, 7.5.
    let (judgement, said) = judged(settings.clone(), &encoder);
    let retrained = judgement.retrained.expect("a second probe");
    assert_eq!((retrained.kept, retrained.emptied), (Ratio { hits: 2, total: 19 }, 9));
    assert!(retrained.changed.is_some() && judgement.after.is_some());
    let emptied: Vec<&str> =
        said["emptied"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(emptied.len() == 9 && !emptied.contains(&"circle"), "{emptied:?}");
    assert!(judgement.in_words().ends_with("; nothing is kept of 9 classes"));

    settings.defence.poisons = 0;
    let (judgement, said) = judged(settings.clone(), &encoder);
    let retrained = judgement.retrained.expect("one probe");
    assert_eq!((retrained.kept, retrained.emptied), (Ratio { hits: 0, total: 10 }, 10));
    assert_eq!((retrained.changed, judgement.after), (None, None));
    assert!(judgement.before.is_some() && said["emptied"].as_array().unwrap().len() == 10);

    // Two images make no step of two batches.
    settings.defence.poisons = 1;
    (settings.probe.batch_size, settings.probe.accumulate) = (2, 2);
    let (judgement, _) = judged(settings, &encoder);
    let retrained = judgement.retrained.expect("one probe");
    assert_eq!((retrained.kept, retrained.emptied), (Ratio { hits: 2, total: 19 }, 9));
    assert_eq!((retrained.changed, judgement.after), (None, None));
    assert!(judgement.before.is_some() && judgement.detection.is_some());
}

#[test]
fn patch_search_needs_no_labels() {
    let encoder = encoder();
    let mut settings = with(DefenceMethod::PatchSearch);
    (settings.defence.pasted_on, settings.defence.patch_steps) = (10, 20);
    let (judgement, said) = judged(settings.clone(), &encoder);
    assert_eq!(judgement.control, None, "no label can be wrong");
    assert_eq!(of_images(&judgement).found.total, 27);
    assert_eq!(said["groups"].as_array().unwrap().len(), settings.defence.clusters as usize);
    for sample in said["samples"].as_array().unwrap() {
        assert_eq!(sample["flagged"], sample["score"].as_f64().unwrap() > 0.0);
    }
    let highest = said["highest"].as_array().unwrap();
    assert_eq!(highest[0]["images"], 5);
    assert!(highest.iter().all(|of| of["poisoned"].as_u64() <= of["images"].as_u64()));
    assert_eq!(judged(settings.clone(), &encoder), (judgement, said.clone()), "again");
    settings.defence.patch_steps = 40;
    let (_, longer) = judged(settings.clone(), &encoder);
    assert_eq!(longer["highest"], said["highest"], "the same search");
    assert_ne!(longer["samples"], said["samples"], "another classifier");
    settings.defence.set = DefendedSet::Pretrain;
    let (judgement, _) = judged(settings, &encoder);
    assert_eq!(of_images(&judgement).found.total, 18);
}

#[test]
fn without_poisons_there_is_no_detection_but_false_alarms() {
    let encoder = encoder();
    let mut settings = with(DefenceMethod::Spectral);
    settings.defence.poisons = 0;
    let (judgement, _) = judged(settings, &encoder);
    assert_eq!((of_images(&judgement).auroc, judgement.control), (None, None));
    // 1.5 x 0.1 x 12 = 1.8: two images of each class.
    assert_eq!(of_images(&judgement).false_alarms, Ratio { hits: 20, total: 120 });
}

#[test]
fn strip_refuses_images_by_the_entropy_of_clean_ones() {
    let encoder = encoder();
    let mut settings = with(DefenceMethod::Strip);
    settings.defence.refused = 0.2;
    let (judgement, said) = judged(settings.clone(), &encoder);
    // Two of four validation images of each class are the defender's; nine of ten classes are attacked.
    assert_eq!(of_images(&judgement).false_alarms.total, 20);
    assert_eq!(of_images(&judgement).found.total, 18);
    assert_eq!(said["clean_images"], 20);
    let limit = said["limit"].as_f64().unwrap();
    for sample in said["samples"].as_array().unwrap() {
        let refused = -sample["score"].as_f64().unwrap() < limit;
        assert_eq!(sample["flagged"], refused);
    }
    let (before, after) = (judgement.before.unwrap(), judgement.after.unwrap());
    assert_eq!((before.ca.total, after.ca.total, after.asr.total), (20, 20, 18));
    let refused = of_images(&judgement).false_alarms.hits;
    assert!(after.ca.hits <= before.ca.hits && before.ca.hits - after.ca.hits <= refused);
    assert!(after.asr.hits <= before.asr.hits);
    let filtered = judgement.filtered.expect("the same images before and after");
    assert_accounts_for(filtered, &before, &after);
    // A refused image has no class: nothing gets right by it.
    assert_eq!((filtered.ca.second, filtered.asr.second, filtered.ra.second), (0, 0, 0));
    assert_eq!(judged(settings.clone(), &encoder), (judgement, said), "again");
    settings.seed = 8;
    assert_ne!(judged(settings, &encoder).0, judgement, "other images");
}

/// The images by which two classifiers differ are as many more or fewer hits.
fn assert_accounts_for(changed: Changed, before: &Metrics, after: &Metrics) {
    for (by, [from, to]) in [
        (changed.ca, [before.ca, after.ca]),
        (changed.asr, [before.asr, after.asr]),
        (changed.ra, [before.ra, after.ra]),
    ] {
        assert_eq!((by.total, by.total), (from.total, to.total));
        let difference = i64::from(to.hits) - i64::from(from.hits);
        assert_eq!(i64::from(by.second) - i64::from(by.first), difference);
    }
}

#[test]
fn bdmae_purifies_with_the_judged_autoencoder() {
    let encoder = encoder();
    let settings = with(DefenceMethod::Bdmae);
    let (judgement, said) = judged(settings.clone(), &encoder);
    // It needs no clean images: all four validation images of each class are judged.
    assert_eq!(
        (of_images(&judgement).false_alarms.total, of_images(&judgement).found.total),
        (40, 36)
    );
    assert_eq!(said["clean_images"], 0);
    let (before, after) = (judgement.before.unwrap(), judgement.after.unwrap());
    assert_eq!((before.asr.total, after.asr.total), (36, 36));
    assert_accounts_for(judgement.filtered.expect("the same images"), &before, &after);
    assert_eq!(judged(settings, &encoder), (judgement, said), "again");
}

#[test]
fn decree_judges_the_encoder_by_clean_images_alone() {
    let encoder = encoder();
    let mut settings = with(DefenceMethod::Decree);
    settings.defence.search_epochs = 30;
    settings.defence.subtract_mean = true;
    let (judgement, said) = judged(settings.clone(), &encoder);
    assert_eq!((judgement.detection, judgement.control), (None, None));
    let found = judgement.encoder.unwrap();
    assert!(found.clean_cosine.abs() < 0.5, "features less their mean: {}", found.clean_cosine);
    assert_eq!(said["clean_images"], 40, "all four validation images of each class");
    assert!(said["search"]["epochs"].as_array().is_some_and(|epochs| epochs.len() <= 30));
    assert!(said["samples"].is_null());
    assert_eq!(judged(settings.clone(), &encoder), (judgement, said), "again");
    // No poison is its business, so a setting of them changes nothing.
    settings.defence.poisons = 0;
    assert_eq!(judged(settings.clone(), &encoder).0, judgement);
    settings.defence.subtract_mean = false;
    let plain = judged(settings, &encoder).0.encoder.unwrap();
    assert!(plain.clean_cosine > 0.5, "of one autoencoder's features: {}", plain.clean_cosine);
}

/// The judgement of an input filter with two of four validation images of each class as the defender's, and what its file says.
fn filtered(settings: &Settings, encoder: &TempDir) -> (Judgement, Value) {
    let (judgement, said) = judged(settings.clone(), encoder);
    let detection = of_images(&judgement);
    assert_eq!((detection.false_alarms.total, detection.found.total), (20, 18));
    assert_eq!(said["clean_images"], 20);
    let (before, after) = (judgement.before.expect("CA"), judgement.after.expect("CA"));
    assert_eq!((before.ca.total, after.ca.total, after.asr.total), (20, 20, 18));
    assert!(after.ca.hits <= before.ca.hits && after.asr.hits <= before.asr.hits);
    let samples = said["samples"].as_array().expect("a list");
    assert!(samples.iter().all(|s| s["score"].as_f64().is_some_and(f64::is_finite)));
    assert_eq!(judged(settings.clone(), encoder), (judgement, said.clone()), "again");
    (judgement, said)
}

#[test]
fn filters_with_a_limit_refuse_what_is_above_it() {
    let encoder = encoder();
    for method in [DefenceMethod::Dede, DefenceMethod::Frequency, DefenceMethod::Beatrix] {
        let mut settings = with(method);
        settings.defence.refused = 0.2;
        let (judgement, said) = filtered(&settings, &encoder);
        let limit = said["limit"].as_f64().unwrap();
        for sample in said["samples"].as_array().unwrap() {
            assert_eq!(sample["flagged"], sample["score"].as_f64().unwrap() > limit, "{method:?}");
        }
        settings.seed = 8;
        assert_ne!(judged(settings, &encoder).0, judgement, "{method:?}: other images");
    }
}

#[test]
fn dede_decodes_from_the_embedding_or_from_patches() {
    let encoder = encoder();
    let mut settings = with(DefenceMethod::Dede);
    let scores = |settings: &Settings| {
        let samples = judged(settings.clone(), &encoder).1["samples"].clone();
        samples.as_array().unwrap().iter().map(|s| s["score"].as_f64().unwrap()).sum::<f64>()
    };
    let embedding = scores(&settings);
    settings.defence.decoded_from = DecodedFrom::Patches;
    settings.defence.masks = 3;
    let (patches, _) = (scores(&settings), filtered(&settings, &encoder));
    // Targets are normalised: an error of 1 is that of no prediction at all.
    assert!((0.3..1.5).contains(&(embedding / 38.0)) && (0.3..1.5).contains(&(patches / 38.0)));
    assert!((embedding - patches).abs() > 1e-6);
}

/// `DeDe` with a decoder that is trained for as many steps as epochs: all 147 images of the set make one batch.
fn with_trained_decoder(epochs: u32) -> Settings {
    let mut settings = with(DefenceMethod::Dede);
    settings.defence.decoder = DedeDecoder::Trained;
    settings.defence.decoder_epochs = epochs;
    settings.defence.decoder_lr = 0.01;
    settings.defence.refused = 0.2;
    settings
}

/// The mean of the scores.
fn mean_score(said: &Value) -> f64 {
    let scores = said["samples"].as_array().expect("a list").iter();
    let scores: Vec<f64> = scores.map(|s| s["score"].as_f64().expect("a number")).collect();
    scores.iter().sum::<f64>() / scores.len() as f64
}

#[test]
fn dede_trains_a_decoder_on_the_encoders_embeddings() {
    let encoder = encoder();
    let mut settings = with_trained_decoder(3);
    let (judgement, said) = filtered(&settings, &encoder);
    let limit = said["limit"].as_f64().unwrap();
    for sample in said["samples"].as_array().unwrap() {
        assert_eq!(sample["flagged"], sample["score"].as_f64().unwrap() > limit);
    }
    let (own, of_own) = judged(with(DefenceMethod::Dede), &encoder);
    assert_eq!(own.before, judgement.before, "the same classifier on the same images");
    assert_ne!(of_own["samples"], said["samples"]);
    // It decodes from the embedding, whatever the own decoder would.
    settings.defence.decoded_from = DecodedFrom::Patches;
    assert_eq!(judged(settings, &encoder), (judgement, said.clone()));
    let (_, longer) = judged(with_trained_decoder(80), &encoder);
    let (short, long) = (mean_score(&said), mean_score(&longer));
    assert!(long < 0.8 * short, "it learns to redraw: {short} {long}");
    let changes: [fn(&mut Settings); 4] = [
        |settings| settings.defence.decoder_mask_ratio = 0.5,
        |settings| settings.defence.decoder_lr = 0.02,
        |settings| settings.model.decoder.dim = 16,
        |settings| settings.defence.poisons = 0,
    ];
    for change in changes {
        let mut other = with_trained_decoder(3);
        change(&mut other);
        assert_ne!(judged(other, &encoder).1["samples"], said["samples"]);
    }
}

#[test]
fn a_trained_decoder_needs_none_of_the_encoder() {
    let whole = encoder();
    let path = whole.path().join(files::LAST_CHECKPOINT);
    let (params, info) = checkpoint::open(&path).expect("a checkpoint");
    let alone = TempDir::new().expect("a folder");
    let mut tensors = params.tensors();
    tensors.retain(|tensor| !is_of_decoder(&tensor.name));
    let info = CheckpointInfo { has_decoder: false, ..info };
    checkpoint::save(alone.path(), &tensors, &info, &[]).expect("a file");
    let settings = with_trained_decoder(3);
    assert_eq!(judged(settings.clone(), &alone), judged(settings, &whole));
    let folder = TempDir::new().expect("a folder");
    let own = order(with(DefenceMethod::Dede), RunKind::Defence, Some(alone.path()));
    let error = run(&own, folder.path()).expect_err("no decoder").to_string();
    assert!(
        error.ends_with(
            "it holds only an encoder, and DeDe decodes with the encoder's own decoder: import a whole MAE, or take \
             defence.decoder = \"trained\""
        ),
        "{error}"
    );
}

#[test]
fn a_run_that_nobody_wants_ends_while_its_decoder_trains() {
    let encoder = encoder();
    // More epochs than anybody waits for.
    let defence = order(with_trained_decoder(1_000_000), RunKind::Defence, Some(encoder.path()));
    let folder = TempDir::new().expect("a folder");
    let mut reached = None;
    let mut emit = |event: RunEvent| match event {
        RunEvent::Preparing { what, done, total } if what == "training the decoder" => {
            reached = Some((done, total));
            Err(std::io::Error::other("nobody listens"))
        }
        _ => Ok(()),
    };
    let ended = run_on(&defence, folder.path(), None, &[], &machine(), &mut (), &mut emit);
    assert!(matches!(ended, Err(EngineError::Emit(_))), "{ended:?}");
    let (done, total) = reached.expect("progress");
    assert!(total == 1_000_000 && done < total, "{done} of {total}");
    assert!(!folder.path().join(files::DEFENCE).exists());
}

#[test]
fn a_decoder_that_diverges_says_what_to_try() {
    let encoder = encoder();
    let mut settings = with_trained_decoder(50);
    settings.defence.decoder_lr = 1e30;
    let folder = TempDir::new().expect("a folder");
    let defence = order(settings, RunKind::Defence, Some(encoder.path()));
    let error = run(&defence, folder.path()).expect_err("no number").to_string();
    assert!(error.contains("try a smaller defence.decoder_lr"), "{error}");
}

#[test]
fn patch_processing_counts_changed_predictions() {
    let encoder = encoder();
    let mut settings = with(DefenceMethod::PatchProcessing);
    settings.defence.trials = 4;
    let (judgement, said) = filtered(&settings, &encoder);
    assert!(said["limit"].is_null(), "there are two limits");
    let samples = said["samples"].as_array().unwrap();
    assert!(samples.iter().all(|s| (0.0..=1.0).contains(&s["score"].as_f64().unwrap())));
    settings.defence.dropped = 0.75;
    assert_ne!(judged(settings, &encoder).0, judgement, "fewer patches, other predictions");
}

#[test]
fn what_is_attended_to_most_is_blocked() {
    let encoder = encoder();
    let mut settings = with(DefenceMethod::Blocking);
    let (black, said) = judged(settings.clone(), &encoder);
    // It needs no clean images: all four validation images of each class are judged.
    assert_eq!((of_images(&black).false_alarms.total, of_images(&black).found.total), (40, 36));
    assert_eq!(said["clean_images"], 0);
    for sample in said["samples"].as_array().unwrap() {
        assert!((-1.0..=1.0).contains(&sample["score"].as_f64().unwrap()));
    }
    assert_eq!(judged(settings.clone(), &encoder), (black, said), "again");
    settings.defence.blocked_by = BlockedBy::Restored;
    let (restored, _) = judged(settings.clone(), &encoder);
    assert_ne!(restored, black);
    assert_eq!(restored.before, black.before, "the same classifier on the same images");
    settings.defence.block = 4;
    // Nothing of the image is left for the classifier, whatever the trigger.
    settings.defence.blocked_by = BlockedBy::Black;
    let (nothing, _) = judged(settings.clone(), &encoder);
    let ca = nothing.after.unwrap().ca;
    assert!(ca.hits == 0 || ca.hits == 4, "all images are of one class: {ca:?}");
}

#[test]
fn an_input_filter_protects_the_probe_that_the_study_makes() {
    let encoder = encoder();
    let input_filter = |method: &DefenceMethod| method.kind() == DefenceKind::InputFilter;
    for method in DefenceMethod::ALL.into_iter().filter(input_filter) {
        let mut settings = with(method);
        settings.defence.trials = 2;
        let (by_neighbours, _) = judged(settings.clone(), &encoder);
        settings.defence.classifier = ProtectedClassifier::Probe;
        let (by_probe, said) = judged(settings.clone(), &encoder);
        assert_ne!(by_probe.before, by_neighbours.before, "{method:?}: another classifier");
        assert_eq!(judged(settings.clone(), &encoder), (by_probe, said), "{method:?}: again");
        // Whoever needs no clean images judges all validation images: those that the probe is evaluated on.
        if [DefenceMethod::Bdmae, DefenceMethod::Blocking].contains(&method) {
            let (_, probe) = probed(&settings, settings.defence.poisons, &encoder);
            let before = by_probe.before.expect("what the classifier says");
            assert_eq!(before, Metrics { top5: None, ..probe }, "{method:?}");
        }
    }
}

#[test]
fn a_protected_probe_may_have_more_poisons_than_there_are_neighbours() {
    let encoder = encoder();
    let started = |classifier| {
        let mut settings = with(DefenceMethod::Blocking);
        settings.dataset.train_per_class = Some(120);
        (settings.defence.poisons, settings.defence.classifier) = (101, classifier);
        let folder = TempDir::new().expect("a folder");
        let defence = order(settings, RunKind::Defence, Some(encoder.path()));
        let events = run(&defence, folder.path()).expect("a run that finishes");
        events.iter().find_map(|event| match event {
            RunEvent::Started { poisoned, .. } => Some(*poisoned),
            _ => None,
        })
    };
    assert_eq!(started(ProtectedClassifier::Knn), Some(900), "as many as 100 neighbours a class");
    assert_eq!(started(ProtectedClassifier::Probe), Some(909));
}

/// A defence of the encoder with an autoencoder of its own that restores.
fn restored_by(settings: &Settings, encoder: &TempDir, restorer: &TempDir) -> RunOrder {
    let order = order(settings.clone(), RunKind::Defence, Some(encoder.path()));
    RunOrder { restorer: Some(restorer.path().display().to_string()), ..order }
}

#[test]
fn a_clean_autoencoder_restores_in_the_place_of_a_poisoned_one() {
    let (encoder, clean) = (encoder(), TempDir::new().expect("a folder"));
    let mut unpoisoned = spec();
    unpoisoned.pretrain.poisons = 0;
    run(&order(unpoisoned, RunKind::Pretrain, None), clean.path()).expect("a run that finishes");
    for method in [DefenceMethod::Bdmae, DefenceMethod::Blocking] {
        let mut settings = with(method);
        settings.defence.blocked_by = BlockedBy::Restored;
        let (own, said_of_own) = judged(settings.clone(), &encoder);
        // An order without a wish for it has no use for a restorer.
        assert_eq!(said(&restored_by(&settings, &encoder, &clean)), (own, said_of_own.clone()));
        settings.defence.restorer = Restorer::Clean;
        let (other, said_of_other) = said(&restored_by(&settings, &encoder, &clean));
        assert_eq!(other.before, own.before, "{method:?}: the same classifier of the same images");
        let [of_own, of_other] = [&said_of_own, &said_of_other].map(|said| &said["samples"]);
        assert_ne!(of_own, of_other, "{method:?}: another autoencoder restores");
        let again = said(&restored_by(&settings, &encoder, &clean));
        assert_eq!(again, (other, said_of_other.clone()), "{method:?}: again");
        // Whatever restores, it is asked in the same way.
        let (_, said_of_same) = said(&restored_by(&settings, &encoder, &encoder));
        assert_eq!(&said_of_same["samples"], of_own, "{method:?}");
        // A clean encoder's own autoencoder is the clean one.
        settings.pretrain.poisons = 0;
        let (_, said_of_clean) = judged(settings.clone(), &encoder);
        assert_eq!(&said_of_clean["samples"], of_own, "{method:?}");
    }
}

#[test]
fn a_restorer_that_cannot_restore_is_named() {
    let (encoder, other) = (encoder(), TempDir::new().expect("a folder"));
    let mut settings = with(DefenceMethod::Bdmae);
    settings.defence.restorer = Restorer::Clean;
    let message = |order: &RunOrder| {
        let folder = TempDir::new().expect("a folder");
        run(order, folder.path()).expect_err("nothing restores").to_string()
    };
    let without = order(settings.clone(), RunKind::Defence, Some(encoder.path()));
    let expected = "defence.restorer asks for an autoencoder other than the judged one, but the order does not say in which folder it is";
    assert!(message(&without).contains(expected), "{}", message(&without));
    // A pre-training whose checkpoint was removed.
    let gone = message(&restored_by(&settings, &encoder, &other));
    let file = other.path().join(files::LAST_CHECKPOINT).display().to_string();
    assert!(gone.contains(&file), "{gone}");
    let mut coarse = spec();
    coarse.model.patch_size = 8;
    run(&order(coarse, RunKind::Pretrain, None), other.path()).expect("a run that finishes");
    let unfit = message(&restored_by(&settings, &encoder, &other));
    let sizes =
        "it has image_size 16 and patch_size 8, but the images that it is to restore have 16 and 4";
    assert!(unfit.contains(&file) && unfit.ends_with(sizes), "{unfit}");
}

/// What a repair of a fine-tuned classifier changed, and what its file says.
fn repaired(settings: Settings, classifier: &TempDir) -> (Judgement, Value) {
    let folder = TempDir::new().expect("a folder");
    let (epochs, classes) = (settings.defence.repair_epochs, 10);
    let repair = order(settings, RunKind::Defence, Some(classifier.path()));
    let events = run(&repair, folder.path()).expect("a run that finishes");
    // What it keeps is a classifier that can be repaired again.
    let written = events.iter().filter_map(|event| match event {
        RunEvent::Checkpoint { epoch, file } => Some((*epoch, file.clone())),
        _ => None,
    });
    let [(epoch, file)] = &written.collect::<Vec<_>>()[..] else { panic!("one checkpoint") };
    assert_eq!(*epoch, epochs);
    let open = |path: &Path| checkpoint::open_classifier(path, classes).expect("a classifier");
    let (params, info, pooling) = open(&folder.path().join(file));
    let (before, original, same) = open(&classifier.path().join(files::LAST_CHECKPOINT));
    assert_eq!((info.model, info.epoch, pooling), (original.model, epochs, same));
    let values =
        |of: &Params| of.iter().flat_map(|param| of.of(param)).copied().collect::<Vec<_>>();
    assert_ne!(values(&params), values(&before), "it is trained");
    let started = events.first();
    assert!(
        matches!(started, Some(RunEvent::Started { epochs: 3, samples: 20, poisoned: 0, .. })),
        "two of four validation images of each class: {started:?}"
    );
    let mut found = events.iter().filter_map(|event| match event {
        RunEvent::Judged { judgement, .. } => Some(**judgement),
        _ => None,
    });
    let judgement = found.next().expect("what was changed");
    let text = std::fs::read(folder.path().join(files::DEFENCE)).expect("the file");
    (judgement, serde_json::from_slice(&text).expect("JSON"))
}

#[test]
fn repairs_change_a_fine_tuned_classifier_by_clean_images() {
    let encoder = encoder();
    let classifier = TempDir::new().expect("a folder");
    let events = run(&order(spec(), RunKind::Finetune, Some(encoder.path())), classifier.path());
    let events = events.expect("a run that finishes");
    assert!(matches!(events.last(), Some(RunEvent::Finished { metrics: Some(_), .. })));
    let mut settings = with(DefenceMethod::FineTuning);
    settings.defence.repair_epochs = 3;
    settings.defence.repair_lr = 0.05;
    let (judgement, said) = repaired(settings.clone(), &classifier);
    assert_eq!((judgement.detection, judgement.control, judgement.encoder), (None, None, None));
    assert_eq!(said["clean_images"], 20);
    let (before, after) = (judgement.before.expect("CA"), judgement.after.expect("CA"));
    // The other two validation images of each class; nine of ten classes are attacked.
    assert_eq!((before.ca.total, after.ca.total, before.asr.total), (20, 20, 18));
    let repaired_by = judgement.repaired.expect("a repair");
    assert_eq!((repaired_by.pruned, repaired_by.channels), (0, 16));
    assert_accounts_for(repaired_by.changed, &before, &after);
    assert_eq!(repaired(settings.clone(), &classifier), (judgement, said), "again");

    // Without its maps, NAD is fine-tuning.
    settings.defence.method = DefenceMethod::Nad;
    settings.defence.distill_weight = 0.0;
    assert_eq!(repaired(settings.clone(), &classifier).0, judgement);
    settings.defence.distill_weight = 1e5;
    let (distilled, said) = repaired(settings.clone(), &classifier);
    assert_ne!(distilled.after, judgement.after, "the teacher counts");
    assert_eq!(repaired(settings.clone(), &classifier), (distilled, said), "again");

    // Anything may be lost: all channels but one go, and what is left of them knows one class.
    settings.defence.method = DefenceMethod::FinePruning;
    settings.defence.most_lost = 1.0;
    settings.defence.repair_lr = 1e-9;
    let (all, _) = repaired(settings.clone(), &classifier);
    assert_eq!(all.repaired.expect("a repair").pruned, 15);
    assert_eq!(all.before, judgement.before, "the same classifier on the same images");
    // Nothing may be lost, and nothing is learnt: accuracy on the defender's images stays.
    settings.defence.most_lost = 0.0;
    let (none, _) = repaired(settings, &classifier);
    assert!(none.repaired.expect("a repair").pruned < 15);

    let message = |from: Option<&TempDir>| {
        let folder = TempDir::new().expect("a folder");
        let from = from.map(TempDir::path);
        let repair = order(with(DefenceMethod::FineTuning), RunKind::Defence, from);
        run(&repair, folder.path()).expect_err("nothing to repair").to_string()
    };
    assert!(message(None).contains("needs the folder of the fine-tuning"));
    assert!(message(Some(&encoder)).contains("no fine-tuned classifier"), "an encoder");
}
