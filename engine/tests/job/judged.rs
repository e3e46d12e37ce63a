//! The images that a defence judged are drawn again as it judged them.

use std::path::Path;

use engine::{
    compute::Machine,
    data::{
        Index,
        augment::{eval_transform, normalise},
        load_within,
    },
    defence::{Features, Groups, spectral::Spectral},
    eval::predictions,
    files,
    run::{
        judged::{Judged, JudgedError, JudgedSample},
        strips::{EACH, Strips},
    },
    train::{neighbours::Neighbours, poisons::Poisons},
};
use shared::{
    PoisonPlan, Rgb8, RunKind, Settings, Stage, Trigger,
    api::Split,
    dataset::DataSource,
    settings::{AttackGoal, DecodedFrom, DedeDecoder, DefenceGroups, DefenceMethod},
    trigger::{BlendedSpec, TriggerSpec, WaNetSpec},
};
use tempfile::TempDir;

use super::{order, run, spec};

/// An encoder to judge by.
fn encoder() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    run(&order(spec(), RunKind::Pretrain, None), folder.path()).expect("a run that finishes");
    folder
}

/// The folder of a defence, and its images.
fn judged(settings: Settings, encoder: &Path) -> (TempDir, Judged, Index) {
    let folder = TempDir::new().expect("a folder");
    let index = Index::open(&DataSource::Builtin).expect("a data set").limited(&settings.dataset);
    let order = order(settings, RunKind::Defence, Some(encoder));
    run(&order, folder.path()).expect("a run that finishes");
    let judged = Judged::open(folder.path(), order).expect("whole files").expect("judged images");
    (folder, judged, index)
}

/// The trigger of these settings.
fn trigger(settings: &Settings, stage: Stage) -> Trigger {
    let spec = &settings.attack.trigger;
    let key = spec.key().map(|key| {
        engine::keys::image(engine::keys::builtin(key).expect("a built-in key").file).expect("it")
    });
    let side = settings.model.image_size as usize;
    Trigger::prepare(spec, key.as_ref(), side, stage).expect("a trigger")
}

#[test]
fn the_features_of_drawn_images_have_the_scores_of_the_judged_ones() {
    let encoder = encoder();
    for replace in [false, true] {
        let mut settings = spec();
        settings.attack.trigger =
            TriggerSpec::WaNet(WaNetSpec { cover_ratio: 1.0, ..WaNetSpec::default() });
        settings.attack.replace = replace;
        settings.defence.method = DefenceMethod::Spectral;
        settings.defence.groups = DefenceGroups::All;
        let defence = settings.defence.clone();
        let (folder, judged, index) = judged(settings.clone(), encoder.path());
        let n = judged.samples().len();
        assert_eq!(n, if replace { 120 } else { 120 + 27 + 27 });
        let pictures: Vec<Rgb8> =
            (0..n).map(|at| judged.picture(&index, at).expect("a picture")).collect();
        let (params, info) =
            engine::checkpoint::open(&encoder.path().join(files::LAST_CHECKPOINT)).expect("it");
        let machine = Machine::with_threads(2);
        let device = machine.device(settings.precision).expect("the processor");
        let model = device.encoder(&info.model, params).expect("an encoder");
        let image = |i: usize| Ok(pictures[i].clone());
        let rows = model.features(0..n, &image).expect("features");
        let features = Features::of_encoder(&rows, model.width()).expect("numbers");
        let spectral = Spectral { assumed_share: defence.assumed_share, centre: defence.centre };
        let said = spectral.filter(&features, &Groups::all(&features));
        for (sample, score) in judged.samples().iter().zip(said.scores) {
            assert!((sample.score - score).abs() <= 1e-9 * score.abs().max(1.0), "{sample:?}");
        }

        let plan = std::fs::read(folder.path().join(files::POISON_PLAN)).expect("the plan");
        let plan: PoisonPlan = serde_json::from_slice(&plan).expect("a plan");
        let of_plan = trigger(&settings, Stage::Train);
        let place = |i: usize, sample: u32| if replace { sample as usize } else { 120 + i };
        for (i, made) in plan.made().enumerate() {
            let at = place(i, made.index);
            let original = index.load(Split::Train, made.index as usize, 16).expect("an image");
            let is_poison = i < plan.samples.len();
            let expected =
                if is_poison { of_plan.applied(&original) } else { of_plan.cover(&original) };
            assert_eq!(pictures[at], eval_transform(&expected, 16), "{i}");
            assert!(judged.is_changed(at).expect("an image"));
            assert_eq!(judged.samples()[at].poisoned, is_poison);
            assert_eq!(judged.entry(&index, at).expect("an image").class, made.class);
        }
        let changed = (0..n).filter(|&at| judged.is_changed(at).expect("an image")).count();
        assert_eq!(changed, 54, "the rest is as it was");
        assert!(judged.has_labels());
    }
}

#[test]
fn triggered_images_are_drawn_with_the_trigger_of_tests() {
    let encoder = encoder();
    let mut settings = spec();
    settings.attack.trigger = TriggerSpec::Blended(BlendedSpec {
        test_ratio: Some(0.8),
        ..BlendedSpec::new(0.4, "stripes")
    });
    settings.defence.method = DefenceMethod::Strip;
    let (folder, judged, index) = judged(settings.clone(), encoder.path());
    assert!(!judged.has_labels(), "a classifier is asked about them");
    let of_tests = trigger(&settings, Stage::Test);
    for (at, sample) in judged.samples().iter().enumerate() {
        let JudgedSample { image, poisoned, .. } = *sample;
        let clean = index.load(Split::Test, image as usize, 16).expect("an image");
        let expected = if poisoned { of_tests.applied(&clean) } else { clean };
        assert_eq!(judged.picture(&index, at).expect("a picture"), eval_transform(&expected, 16));
        assert_eq!(judged.is_changed(at).expect("an image"), poisoned);
        assert_eq!(judged.entry(&index, at).expect("an image").class, sample.label);
    }
    let count = judged.samples().len();
    let Err(beyond) = judged.picture(&index, count) else { panic!("there is no such image") };
    assert_eq!(
        beyond.to_string(),
        format!("there is no image {count}: the defence judged {count} images, counted from 0")
    );

    // A list of another data set is not drawn as if it were this one's.
    let few = shared::settings::DatasetSpec { test_per_class: Some(1), ..settings.dataset.clone() };
    let fewer = Index::open(&DataSource::Builtin).expect("a data set").limited(&few);
    let strange = (0..count).find_map(|at| judged.picture(&fewer, at).err());
    assert!(matches!(strange, Some(JudgedError::Strange { .. })));
    std::fs::write(folder.path().join(files::DEFENCE), b"{\"samples\":").expect("a file");
    let order = order(settings, RunKind::Defence, None);
    assert!(matches!(Judged::open(folder.path(), order.clone()), Err(JudgedError::Said(_))));
    let said = b"{\"method\":\"decree\",\"samples\":[]}";
    std::fs::write(folder.path().join(files::DEFENCE), said).expect("a file");
    assert!(Judged::open(folder.path(), order.clone()).expect("whole files").is_none());
    std::fs::remove_file(folder.path().join(files::DEFENCE)).expect("a file");
    assert!(Judged::open(folder.path(), order).expect("no file").is_none());
    assert_eq!(Strips::read(folder.path()).expect("no file"), None, "STRIP keeps none");
}

/// The strips of a defence, checked as far as they are alike.
fn strips(folder: &Path, judged: &Judged, index: &Index) -> Strips {
    let strips = Strips::read(folder).expect("whole files").expect("strips");
    assert_eq!((strips.side, strips.columns, strips.strips.len()), (16, 4, 2 * EACH));
    for (n, strip) in strips.strips.iter().enumerate() {
        let sample = judged.samples()[strip.at];
        assert_eq!(sample.poisoned, n >= EACH, "clean images, then triggered ones");
        let clean = judged.samples()[strips.strips[n % EACH].at];
        assert_eq!(sample.image, clean.image, "of the same images");
        assert_ne!(sample.label, 1, "an image of the target's class is not triggered");
        assert_eq!(strip.map.len(), 16);
        let picture = strips.picture(folder, n).expect("a whole file").expect("a picture");
        assert_eq!((picture.width(), picture.height()), (16, 16));
        assert!(judged.picture(index, strip.at).is_ok());
    }
    strips
}

/// The classes of images by the vote of neighbours, as the run had it.
fn classes(
    settings: &Settings,
    folder: &Path,
    encoder: &Path,
    index: &Index,
    images: &[Rgb8],
) -> Vec<Option<u32>> {
    let plan = std::fs::read(folder.join(files::POISON_PLAN)).expect("the plan");
    let plan: PoisonPlan = serde_json::from_slice(&plan).expect("a plan");
    let pixels = load_within(index, 16, u64::MAX, &mut ()).expect("pixels");
    let [of_training, of_tests] = [Stage::Train, Stage::Test].map(|stage| trigger(settings, stage));
    let (params, info) =
        engine::checkpoint::open(&encoder.join(files::LAST_CHECKPOINT)).expect("a checkpoint");
    let machine = Machine::with_threads(2);
    let device = machine.device(settings.precision).expect("the processor");
    let model = device.encoder(&info.model, params).expect("an encoder");
    let neighbours = Neighbours {
        pixels: &pixels,
        poisons: Poisons {
            plan: &plan,
            triggers: std::slice::from_ref(&of_training),
            train: &pixels.train,
        },
        trigger: &of_tests,
        goal: &settings.attack.goal_among(pixels.classes.len() as u32),
        further: &[],
        seed: settings.seed,
        device: &*device,
    };
    let bank = neighbours.bank(&*model, &mut ()).expect("a bank");
    let rows = model.features(0..images.len(), &|i| Ok(images[i].clone())).expect("features");
    predictions(&bank.votes(&rows, 10), 10)
}

#[test]
fn strips_of_bdmae_hold_the_images_that_the_classifier_was_asked_about() {
    let encoder = encoder();
    let mut settings = spec();
    settings.defence.method = DefenceMethod::Bdmae;
    let (folder, judged, index) = judged(settings.clone(), encoder.path());
    let strips = strips(folder.path(), &judged, &index);
    let picture = |n: usize| strips.picture(folder.path(), n).unwrap().unwrap();
    let restored: Vec<Rgb8> = (0..2 * EACH).map(picture).collect();
    let originals: Vec<Rgb8> = strips
        .strips
        .iter()
        .map(|strip| judged.picture(&index, strip.at).expect("a picture"))
        .collect();
    let of = |images: &[Rgb8]| classes(&settings, folder.path(), encoder.path(), &index, images);
    let (before, after) = (of(&originals), of(&restored));
    for (n, strip) in strips.strips.iter().enumerate() {
        assert_eq!((strip.before, strip.after), (before[n], after[n]), "strip {n}");
        let sample = judged.samples()[strip.at];
        assert_eq!(sample.flagged, strip.before != strip.after);
        let most = strip.map.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!((most - sample.score).abs() < 1e-12, "the score is that of the worst patch");
        for (at, (a, b)) in
            originals[n].data().chunks_exact(3).zip(restored[n].data().chunks_exact(3)).enumerate()
        {
            let patch = at / 16 / 4 * 4 + at % 16 / 4;
            assert!(strip.restored[patch] || a == b, "strip {n}: patch {patch} stays");
        }
        let least = strip
            .map
            .iter()
            .zip(&strip.restored)
            .filter(|of| *of.1)
            .map(|of| *of.0)
            .fold(1.0, f64::min);
        let others = strip.map.iter().zip(&strip.restored).filter(|of| !*of.1);
        assert!(others.map(|of| *of.0).all(|score| score < least), "the worst are restored");
    }
    assert!(strips.strips.iter().any(|strip| strip.restored.contains(&true)));
}

#[test]
fn strips_of_dede_hold_the_errors_of_the_scores() {
    let encoder = encoder();
    let mut settings = spec();
    settings.defence.method = DefenceMethod::Dede;
    settings.defence.refused = 0.3;
    settings.defence.masks = 1;
    let mut sheets = Vec::new();
    for from in [DecodedFrom::Embedding, DecodedFrom::Patches, DecodedFrom::Embedding] {
        settings.defence.decoded_from = from;
        let (folder, judged, index) = judged(settings.clone(), encoder.path());
        let strips = strips(folder.path(), &judged, &index);
        for strip in &strips.strips {
            let sample = judged.samples()[strip.at];
            assert!(strip.restored.is_empty(), "nothing is restored");
            assert_eq!(strip.after.is_none(), sample.flagged, "refused");
            assert!(strip.after.is_none() || strip.after == strip.before);
            let mean = strip.map.iter().sum::<f64>() / 16.0;
            if from == DecodedFrom::Embedding {
                assert!((mean - sample.score).abs() < 1e-9 * mean, "{mean} {}", sample.score);
            } else {
                // One mask, which hides twelve of the sixteen patches.
                let mean = strip.map.iter().sum::<f64>() / 12.0;
                assert!((mean - sample.score).abs() < 1e-9 * mean, "{mean} {}", sample.score);
            }
        }
        sheets.push(std::fs::read(folder.path().join(files::STRIPS)).expect("a file"));
    }
    assert_eq!(sheets[0], sheets[2], "again");
    assert_ne!(sheets[0], sheets[1]);
}

#[test]
fn strips_of_a_trained_decoder_show_what_it_redraws() {
    let encoder = encoder();
    let mut settings = spec();
    settings.defence.method = DefenceMethod::Dede;
    settings.defence.decoder = DedeDecoder::Trained;
    settings.defence.decoder_epochs = 40;
    settings.defence.decoder_lr = 0.01;
    settings.defence.refused = 0.3;
    let [first, again] = [0, 1].map(|_| {
        let (folder, judged, index) = judged(settings.clone(), encoder.path());
        let strips = strips(folder.path(), &judged, &index);
        for (n, strip) in strips.strips.iter().enumerate() {
            let sample = judged.samples()[strip.at];
            assert!(strip.restored.is_empty(), "nothing is restored");
            assert_eq!(strip.after.is_none(), sample.flagged, "refused");
            let mean = strip.map.iter().sum::<f64>() / 16.0;
            assert!((mean - sample.score).abs() < 1e-9 * mean, "{mean} {}", sample.score);
            // The map is of the picture, in the space that the model sees: values are rounded, and cut off at black and white.
            let (picture, original) = (
                strips.picture(folder.path(), n).expect("a whole file").expect("a picture"),
                judged.picture(&index, strip.at).expect("a picture"),
            );
            let (mut one, mut other) = ([0.0; 768], [0.0; 768]);
            normalise(&picture, &mut one);
            normalise(&original, &mut other);
            let squares = one.iter().zip(&other).map(|(a, b)| f64::from(a - b).powi(2));
            let seen = squares.sum::<f64>() / 768.0;
            assert!(seen < 1.02 * mean && seen > 0.5 * mean, "{seen} {mean}");
        }
        std::fs::read(folder.path().join(files::STRIPS)).expect("a file")
    });
    assert_eq!(first, again);
}

#[test]
fn strips_have_their_places_where_each_class_has_its_own_target() {
    let encoder = encoder();
    let mut settings = spec();
    settings.attack.goal = AttackGoal::AllToAll;
    // One target class would leave its triggered images out, and the places of those behind them would be others.
    settings.attack.target_class = 0;
    settings.defence.method = DefenceMethod::Dede;
    let (folder, judged, _) = judged(settings, encoder.path());
    let strips = Strips::read(folder.path()).expect("a whole file").expect("strips");
    let triggered = strips.strips.iter().filter(|strip| judged.samples()[strip.at].poisoned);
    assert_eq!(triggered.count(), strips.strips.len() / 2);
    for strip in &strips.strips {
        let (mean, score) =
            (strip.map.iter().sum::<f64>() / 16.0, judged.samples()[strip.at].score);
        assert!((mean - score).abs() < 1e-9 * mean, "{mean} {score}");
    }
}
