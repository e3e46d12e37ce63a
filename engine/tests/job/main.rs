//! Whole runs of a micro study on the built-in pictures.

use std::{fs, path::Path};

use engine::{
    EngineError, checkpoint,
    checkpoint::resume,
    compute::Machine,
    eval::{Predicted, Reconstructor},
    files,
    run::run as run_on,
};
use shared::{
    Digest, PoisonPlan, Rgb8, RunEvent, RunId, RunKind, RunOrder, Settings,
    dataset::DataSource,
    metric::{Evaluation, Metrics, Target},
    settings::{
        AttackGoal, AttackSpec, BUILTIN_DATASET, DatasetSpec, DefenceMethod, DefenceSpec,
        FinetuneSpec, ImplantMethod, ImplantSpec, KnnSpec, ModelSpec, PoisonUnit, Precision,
        PretrainSpec, ProbeFeatures, ProbeOptimizer, ProbeSpec, TransformerSpec,
    },
    trigger::{BlendedSpec, TriggerSpec},
};
use tempfile::TempDir;

mod backdoors;
mod compose;
mod defence;
mod implant;
mod judged;
mod nodes;
mod repeat;

fn spec() -> Settings {
    Settings {
        seed: 7,
        encoder: None,
        dataset: DatasetSpec {
            name: BUILTIN_DATASET.into(),
            train_per_class: Some(12),
            test_per_class: Some(4),
        },
        attack: AttackSpec {
            target_class: 1,
            trigger: TriggerSpec::Blended(BlendedSpec::new(0.4, "stripes")),
            ..AttackSpec::default()
        },
        model: ModelSpec {
            image_size: 16,
            patch_size: 4,
            encoder: TransformerSpec { dim: 16, depth: 1, heads: 2 },
            decoder: TransformerSpec { dim: 8, depth: 1, heads: 2 },
        },
        precision: Precision::F32,
        device: shared::DeviceWish::default(),
        pretrain: PretrainSpec {
            poisons: 2,
            epochs: 4,
            warmup_epochs: 1,
            batch_size: 32,
            base_lr: 0.05,
            checkpoint_every: 3,
            ..PretrainSpec::default()
        },
        implant: ImplantSpec::default(),
        knn: KnnSpec { poisons: 2 },
        probe: ProbeSpec {
            poisons: 3,
            epochs: 6,
            warmup_epochs: 1,
            batch_size: 32,
            evaluate_every: 4,
            ..ProbeSpec::default()
        },
        finetune: FinetuneSpec {
            poisons: 3,
            epochs: 4,
            warmup_epochs: 1,
            batch_size: 24,
            accumulate: 2,
            base_lr: 0.02,
            clip_norm: 5.0,
            mixup: 0.8,
            cutmix: 1.0,
            mix_probability: 0.5,
            evaluate_every: 3,
            ..FinetuneSpec::default()
        },
        defence: DefenceSpec { poisons: 3, dimensions: 4, clusters: 5, ..DefenceSpec::default() },
    }
}

/// What the bits of these runs depend on, besides their orders.
fn bits() -> String {
    machine().device(Precision::F32).expect("the processor").bits()
}

fn order(settings: Settings, kind: RunKind, encoder: Option<&Path>) -> RunOrder {
    RunOrder {
        run: RunId::from_parts(1, [1; 10]),
        kind,
        digest: Digest::stored("digest"),
        settings,
        source: DataSource::Builtin,
        encoder: encoder.map(|folder| folder.display().to_string()),
        restorer: None,
        program: "test".into(),
    }
}

fn machine() -> Machine {
    Machine::with_threads(2)
}

fn run(order: &RunOrder, folder: &Path) -> Result<Vec<RunEvent>, EngineError> {
    let mut events = Vec::new();
    run_on(order, folder, None, &[], &machine(), &mut (), &mut |event| {
        events.push(event);
        Ok(())
    })?;
    Ok(events)
}

/// What must be equal in two runs of one order: each epoch's loss and learning rate, to the last bit.
fn results(events: &[RunEvent]) -> Vec<(u32, u64, u64)> {
    let epochs = events.iter().filter_map(|event| match event {
        RunEvent::Epoch { epoch, loss, lr, .. } => Some((*epoch, loss.to_bits(), lr.to_bits())),
        _ => None,
    });
    epochs.collect()
}

fn last_metrics(events: &[RunEvent]) -> Metrics {
    match events.last() {
        Some(RunEvent::Finished { metrics: Some(metrics), .. }) => *metrics,
        other => panic!("the run ended with {other:?}"),
    }
}

fn losses(events: &[RunEvent]) -> Vec<f64> {
    results(events).iter().map(|&(_, loss, _)| f64::from_bits(loss)).collect()
}

/// What a run leaves: its losses and the digest of its model.
fn left(events: &[RunEvent], folder: &Path) -> (Vec<(u32, u64, u64)>, String) {
    let (params, _) =
        checkpoint::open(&folder.join(files::LAST_CHECKPOINT)).expect("a run leaves a checkpoint");
    (results(events), params.digest())
}

#[test]
fn a_study_from_pretraining_to_probe() {
    let encoder = TempDir::new().unwrap();
    let events = run(&order(spec(), RunKind::Pretrain, None), encoder.path()).unwrap();
    let RunEvent::Started { steps, samples, poisoned, epochs, .. } = &events[0] else {
        panic!("{:?}", events[0])
    };
    // 10 classes of 12, and 2 poisons of each class except the target
    assert_eq!((*samples, *poisoned, *epochs, *steps), (138, 18, 4, 16));
    let losses = losses(&events);
    assert!(losses.len() == 4 && losses[3] < losses[0], "{losses:?}");
    let plan: PoisonPlan =
        serde_json::from_slice(&fs::read(encoder.path().join(files::POISON_PLAN)).unwrap())
            .unwrap();
    assert_eq!((plan.kind, plan.samples.len()), (RunKind::Pretrain, 18));
    let list = fs::read_to_string(encoder.path().join(files::POISON_LIST)).unwrap();
    assert_eq!(list.lines().count(), 18);
    assert!(
        list.lines().all(|name| name.starts_with("train/") && !name.starts_with("train/circle/"))
    );
    let manifest = fs::read(encoder.path().join(files::MANIFEST)).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["key_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(manifest["poison"]["samples"], 18);
    let saved: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Checkpoint { epoch, file } => Some((*epoch, file.as_str())),
            _ => None,
        })
        .collect();
    let (third, fourth) = ("checkpoint-0003.safetensors", "checkpoint-0004.safetensors");
    assert_eq!(saved, [(3, third), (4, fourth)]);

    // The probe, twice: the second run uses the features that the first one cached.
    let order = order(spec(), RunKind::Probe, Some(encoder.path()));
    let [first, second] = [0, 1].map(|_| {
        let folder = TempDir::new().unwrap();
        let events = run(&order, folder.path()).unwrap();
        assert!(folder.path().join(files::HEAD).exists());
        let evaluation = fs::read(folder.path().join(files::EVALUATION)).unwrap();
        let evaluation: Evaluation = serde_json::from_slice(&evaluation).unwrap();
        assert_eq!(evaluation.metrics, last_metrics(&events));
        let predicted = Predicted::read(&folder.path().join(files::PREDICTIONS)).unwrap().unwrap();
        let count = |of: &dyn Fn(usize) -> bool| {
            (0..predicted.labels.len()).filter(|&i| of(i)).count() as u32
        };
        assert_eq!(count(&|i| predicted.is_right(i)), evaluation.metrics.ca.hits);
        assert_eq!(count(&|i| predicted.falls(i)), evaluation.metrics.asr.hits);
        events
    });
    let evaluated: Vec<u32> = first
        .iter()
        .filter_map(|event| match event {
            RunEvent::Evaluated { epoch, .. } => Some(*epoch),
            _ => None,
        })
        .collect();
    assert_eq!(evaluated, [4, 6]);
    let metrics = last_metrics(&first);
    assert_eq!((metrics.ca.total, metrics.asr.total, metrics.ra.total), (40, 36, 36));
    assert_eq!((results(&first), metrics), (results(&second), last_metrics(&second)));
    let kept = fs::read_dir(encoder.path()).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("features-")
    });
    assert_eq!(kept.count(), 4, "clean and mirrored training, clean and triggered test images");

    // The other features and the other optimiser.
    let mut other = order;
    other.settings.probe.features = ProbeFeatures::Augmented;
    other.settings.probe.optimizer = ProbeOptimizer::AdamW;
    other.settings.probe.base_lr = 0.01;
    let folder = TempDir::new().unwrap();
    let augmented = run(&other, folder.path()).unwrap();
    assert_ne!(results(&augmented), results(&first));

    // A reconstruction from the last checkpoint.
    let reconstructor =
        Reconstructor::open(&encoder.path().join(files::LAST_CHECKPOINT), &machine()).unwrap();
    let image = Rgb8::from_fn(16, 16, |x, y| [(x * 16) as u8, (y * 16) as u8, 128]);
    let mut hidden = vec![true; 16];
    hidden[5] = false;
    let seen = reconstructor.reconstruct(&image, &hidden).unwrap();
    for (x, y) in (0..16).flat_map(|y| (0..16).map(move |x| (x, y))) {
        let visible = (x / 4, y / 4) == (1, 1);
        let source = if visible { &image } else { &seen.prediction };
        assert_eq!(seen.pasted.pixel(x, y), source.pixel(x, y), "({x}, {y})");
    }
    let hidden_errors: f32 =
        seen.patch_error.iter().zip(&hidden).filter(|(_, hidden)| **hidden).map(|(e, _)| e).sum();
    assert!((hidden_errors / 15.0 - seen.hidden_error).abs() < 1e-6 && seen.hidden_error > 0.0);
    // A restoration uses nothing of what is hidden.
    let other = Rgb8::from_fn(16, 16, |x, y| {
        if hidden[y / 4 * 4 + x / 4] { [0, 255, 0] } else { image.pixel(x, y) }
    });
    let restored = reconstructor.restore(&image, &hidden).unwrap();
    assert_eq!(reconstructor.restore(&other, &hidden).unwrap(), restored);
    assert_eq!(restored.pixel(5, 5), image.pixel(5, 5));
    assert!(reconstructor.restore(&image, &[true; 16]).is_ok());
    assert!(reconstructor.reconstruct(&image, &[true; 16]).is_ok(), "nothing visible");
    assert!(reconstructor.reconstruct(&image, &[false; 16]).unwrap().hidden_error.abs() < 1e-9);
    let wrong = reconstructor.reconstruct(&image, &[true; 15]).unwrap_err().to_string();
    assert_eq!(wrong, "the mask has 16 patches, not 15");
}

#[test]
fn an_attack_that_replaces_keeps_the_size_of_every_set() {
    let mut settings = spec();
    let attack = &mut settings.attack;
    (attack.replace, attack.poison_unit) = (true, PoisonUnit::ClassPermille);
    (attack.sources, attack.cover_ratio) = (vec![0, 2], 0.5);
    // A quarter of the 12 images of two classes, and half as many covers of the other seven.
    settings.pretrain.poisons = 250;
    (settings.probe.poisons, settings.knn.poisons) = (250, 250);
    settings.defence.poisons = 250;
    let encoder = TempDir::new().unwrap();
    let events = run(&order(settings.clone(), RunKind::Pretrain, None), encoder.path()).unwrap();
    let started = |events: &[RunEvent]| match &events[0] {
        RunEvent::Started { samples, poisoned, .. } => (*samples, *poisoned),
        other => panic!("{other:?}"),
    };
    assert_eq!(started(&events), (120, 6));
    for features in [ProbeFeatures::Cached, ProbeFeatures::Augmented] {
        settings.probe.features = features;
        let folder = TempDir::new().unwrap();
        let probe = order(settings.clone(), RunKind::Probe, Some(encoder.path()));
        let events = run(&probe, folder.path()).unwrap();
        assert_eq!(started(&events), (120, 6));
        // Four validation images of each class: two sources, and seven that are neither a source nor the target.
        let metrics = last_metrics(&events);
        let others = metrics.other_asr.expect("classes besides the sources");
        assert_eq!((metrics.asr.total, metrics.ra.total, others.total), (8, 8, 28));
        let quality = metrics.quality.expect("a trigger in validation images");
        let (psnr, ssim) = (quality.psnr.unwrap(), quality.ssim.unwrap());
        // A blend of 0.4 changes much, and leaves most of the structure.
        assert!((5.0..30.0).contains(&psnr) && (0.1..0.99).contains(&ssim), "{quality:?}");
        // It covers the image: three quarters of it are hidden, and some of it is seen in every view.
        let seen = quality.survival.expect("the study's own pre-training");
        assert!(seen.visible < 0.35 * seen.cropped && seen.unseen < 0.01, "{seen:?}");
        assert!(metrics.redrawn.is_some_and(f64::is_finite), "the encoder has a decoder");
    }
    for kind in [RunKind::Knn, RunKind::Defence] {
        let folder = TempDir::new().unwrap();
        run(&order(settings.clone(), kind, Some(encoder.path())), folder.path()).unwrap();
        if kind == RunKind::Defence {
            let said = fs::read(folder.path().join(files::DEFENCE)).unwrap();
            let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
            let samples = said["samples"].as_array().unwrap();
            let poisoned = samples.iter().filter(|sample| sample["poisoned"] == true).count();
            assert_eq!((samples.len(), poisoned), (120, 6));
            let images = samples.iter().map(|sample| sample["image"].as_u64().unwrap());
            assert!(images.eq(0..120), "each image is in the set once");
        }
    }
}

#[test]
fn an_all_to_all_study_from_pretraining_to_its_evaluations() {
    let mut settings = spec();
    settings.attack.goal = AttackGoal::AllToAll;
    let encoder = TempDir::new().unwrap();
    let events = run(&order(settings.clone(), RunKind::Pretrain, None), encoder.path()).unwrap();
    // Two of each of ten classes: also of class 1, the target of the setting.
    assert!(
        matches!(events[0], RunEvent::Started { samples: 140, poisoned: 20, .. }),
        "{:?}",
        events[0]
    );
    for kind in [RunKind::Probe, RunKind::Finetune] {
        let folder = TempDir::new().unwrap();
        let events =
            run(&order(settings.clone(), kind, Some(encoder.path())), folder.path()).unwrap();
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        let plan: PoisonPlan = serde_json::from_slice(&read(files::POISON_PLAN)).unwrap();
        assert_eq!((plan.target_class, plan.samples.len()), (Target::ALL_TO_ALL, 30));
        assert!(plan.samples.iter().all(|s| plan.label_of(s) == (s.class + 1) % 10));
        let manifest: serde_json::Value = serde_json::from_slice(&read(files::MANIFEST)).unwrap();
        assert_eq!(manifest["poison"]["target_class"], "all_to_all");
        let evaluation: Evaluation = serde_json::from_slice(&read(files::EVALUATION)).unwrap();
        let Evaluation { metrics, triggered, .. } = &evaluation;
        assert_eq!(
            (evaluation.target_class, *metrics),
            (Target::ALL_TO_ALL, last_metrics(&events))
        );
        // Four images of each of ten classes: none is left out.
        let hits = |shift: usize| (0..10).map(|y| triggered.rows[y][(y + shift) % 10]).sum::<u32>();
        assert_eq!((metrics.asr.hits, metrics.asr.total), (hits(1), 40));
        assert_eq!((metrics.ra.hits, metrics.ra.total), (hits(0), 40));
        assert!(evaluation.class_asr().iter().all(Option::is_some));
        let predicted = Predicted::read(&folder.path().join(files::PREDICTIONS)).unwrap().unwrap();
        let falls = (0..predicted.labels.len()).filter(|&i| predicted.falls(i)).count();
        assert_eq!(falls as u32, metrics.asr.hits);
    }
    settings.defence.method = DefenceMethod::Strip;
    let folder = TempDir::new().unwrap();
    run(&order(settings.clone(), RunKind::Defence, Some(encoder.path())), folder.path()).unwrap();
    let said = fs::read(folder.path().join(files::DEFENCE)).unwrap();
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    let poisoned = |sample: &&serde_json::Value| sample["poisoned"] == true;
    let samples = said["samples"].as_array().unwrap();
    assert_eq!(2 * samples.iter().filter(poisoned).count(), samples.len(), "each image twice");

    // A trigger too weak to change a byte, in all training images: neighbours say the next class as often as their own without poisons.
    settings.attack.trigger = TriggerSpec::Blended(BlendedSpec::new(1e-10, "stripes"));
    settings.attack.replace = true;
    settings.attack.poison_unit = PoisonUnit::ClassPermille;
    let [clean, poisoned] = [0, 1000].map(|poisons| {
        settings.knn.poisons = poisons;
        let folder = TempDir::new().unwrap();
        let knn = order(settings.clone(), RunKind::Knn, Some(encoder.path()));
        last_metrics(&run(&knn, folder.path()).unwrap())
    });
    assert!(clean.ca.hits > 0 && clean.ca == clean.ra, "{clean:?}");
    assert_eq!((poisoned.asr, poisoned.asr.total), (clean.ca, 40));

    settings.implant.method = ImplantMethod::BadEncoder;
    let implant = order(settings, RunKind::Implant, Some(encoder.path()));
    let error = run(&implant, folder.path()).unwrap_err().to_string();
    assert!(error.contains("attack.goal must be single_target"), "{error}");
}

#[test]
fn neighbours_are_asked_of_every_kept_checkpoint() {
    let encoder = TempDir::new().unwrap();
    run(&order(spec(), RunKind::Pretrain, None), encoder.path()).unwrap();
    let found = |settings: Settings| {
        let folder = TempDir::new().unwrap();
        let knn = order(settings, RunKind::Knn, Some(encoder.path()));
        let events = run(&knn, folder.path()).unwrap();
        let asked = events.iter().filter_map(|event| match event {
            RunEvent::Knn { epoch, metrics } => Some((*epoch, *metrics)),
            _ => None,
        });
        let asked: Vec<_> = asked.collect();
        // The result also tells how visible the trigger is.
        let result = last_metrics(&events);
        assert!(result.quality.is_some());
        let result = Metrics { quality: None, redrawn: None, ..result };
        assert_eq!(result, asked[asked.len() - 1].1, "the last one is the result");
        asked
    };
    let asked = found(spec());
    assert_eq!(asked.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [3, 4]);
    // All four test images of ten classes: fewer than the bound.
    let metrics = asked[1].1;
    assert_eq!((metrics.ca.total, metrics.asr.total, metrics.top5), (40, 36, None));
    assert_eq!(found(spec()), asked, "the same images each time");
    let mut clean = spec();
    clean.knn.poisons = 0;
    let other = found(clean);
    assert_ne!(other, asked, "without poisons among the neighbours");
}

#[test]
fn a_diverging_run_says_what_to_try() {
    let folder = TempDir::new().unwrap();
    let mut wild = spec();
    wild.pretrain.base_lr = 1e30;
    let error = run(&order(wild, RunKind::Pretrain, None), folder.path()).unwrap_err();
    assert!(matches!(error, EngineError::Diverged { .. }), "{error}");
    assert!(error.to_string().contains("try a smaller pretrain.base_lr, or more"), "{error}");

    run(&order(spec(), RunKind::Pretrain, None), folder.path()).unwrap();
    let mut wild = spec();
    wild.probe.optimizer = ProbeOptimizer::AdamW;
    wild.probe.base_lr = 1e42;
    let probe = TempDir::new().unwrap();
    let error = run(&order(wild, RunKind::Probe, Some(folder.path())), probe.path()).unwrap_err();
    assert!(error.to_string().contains("try a smaller probe.base_lr ("), "{error}");
}

#[test]
fn orders_that_cannot_be_followed() {
    let folder = TempDir::new().unwrap();
    let message = |order: &RunOrder| run(order, folder.path()).unwrap_err().to_string();
    let mut many = order(spec(), RunKind::Pretrain, None);
    many.settings.pretrain.poisons = 13;
    assert!(message(&many).contains("fewer than the 13 to poison"));
    assert!(message(&order(spec(), RunKind::Probe, None)).contains("folder of its pre-training"));
    let missing = order(spec(), RunKind::Probe, Some(folder.path()));
    assert!(message(&missing).contains("checkpoint.safetensors"));
    assert!(
        message(&order(spec(), RunKind::Finetune, None)).contains("a fine-tuning needs the folder")
    );
    let mut few = order(spec(), RunKind::Pretrain, None);
    few.settings.pretrain.accumulate = 5;
    assert!(message(&few).contains("an epoch has 4 batches, too few for a step of 5"));
    let mut key = order(spec(), RunKind::Pretrain, None);
    let uploaded = BlendedSpec::new(0.4, "0".repeat(64));
    key.settings.attack.trigger = TriggerSpec::Blended(uploaded);
    assert!(message(&key).contains("key.png"));
}
