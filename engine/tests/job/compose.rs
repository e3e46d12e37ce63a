//! Pre-trainings whose poisons are composed of several images (`CorruptEncoder`), and what follows them.

use std::borrow::Cow;

use engine::{
    data::{Index, augment::eval_transform},
    run::judged::{Judged, JudgedError},
};
use shared::{
    Stage, Trigger,
    api::Split,
    composition::Composition,
    settings::{ComposeMethod, ComposeSpec, DefenceGroups, DefendedSet},
    trigger::RandomPatchSpec,
};

use super::{repeat::found, *};

/// Half of the poisons are pairs.
fn composed() -> Settings {
    let mut settings = spec();
    settings.attack.trigger = TriggerSpec::RandomPatch(RandomPatchSpec::for_side(16));
    settings.attack.compose = ComposeSpec {
        method: ComposeMethod::CorruptEncoderPlus,
        references: 2,
        support_images: 3,
        support_share: 0.5,
    };
    settings
}

fn plan(folder: &Path) -> PoisonPlan {
    let plan = fs::read(folder.join(files::POISON_PLAN)).expect("the plan");
    serde_json::from_slice(&plan).expect("a plan")
}

#[test]
fn composed_poisons_are_in_the_pretraining_alone() {
    let encoder = TempDir::new().unwrap();
    let events = run(&order(composed(), RunKind::Pretrain, None), encoder.path()).unwrap();
    assert!(
        matches!(events[0], RunEvent::Started { samples: 138, poisoned: 18, .. }),
        "{:?}",
        events[0]
    );
    let made = plan(encoder.path());
    assert_eq!((made.samples.len(), made.compositions.len()), (18, 18));
    let pairs = made.compositions.iter().filter(|composition| {
        // Twelve images of each class: those of class 1, the target, are 12 to 23.
        assert!(composition.parts().all(|index| (12..24).contains(&index)), "{composition:?}");
        matches!(composition, Composition::SupportPair { .. })
    });
    assert!((3..16).contains(&pairs.count()), "{:?}", made.compositions);
    let list = fs::read_to_string(encoder.path().join(files::POISON_LIST)).unwrap();
    assert_eq!(list.lines().count(), 18, "the backgrounds");
    let manifest = fs::read(encoder.path().join(files::MANIFEST)).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(
        (&manifest["poison"]["samples"], &manifest["poison"]["composed"]),
        (&18.into(), &18.into())
    );

    // The same images with the trigger alone make another encoder.
    let mut plain = composed();
    plain.attack.compose = ComposeSpec::default();
    let folder = TempDir::new().unwrap();
    let others = run(&order(plain, RunKind::Pretrain, None), folder.path()).unwrap();
    assert_eq!(plan(folder.path()).samples, made.samples);
    assert_ne!(results(&others), results(&events));
    let manifest = fs::read_to_string(folder.path().join(files::MANIFEST)).unwrap();
    assert!(!manifest.contains("composed") && !manifest.contains("compose"), "{manifest}");

    for kind in [RunKind::Probe, RunKind::Finetune, RunKind::Knn] {
        let folder = TempDir::new().unwrap();
        let events = run(&order(composed(), kind, Some(encoder.path())), folder.path()).unwrap();
        assert_eq!(last_metrics(&events).asr.total, 36);
        let made = plan(folder.path());
        assert!(!made.samples.is_empty() && made.compositions.is_empty(), "{kind:?}");
    }
}

#[test]
fn a_composed_pretraining_goes_on_to_the_same_end_on_any_number_of_threads() {
    let order = order(composed(), RunKind::Pretrain, None);
    let whole = TempDir::new().unwrap();
    let expected = left(&run(&order, whole.path()).unwrap(), whole.path());

    let folder = TempDir::new().unwrap();
    let mut events = Vec::new();
    let died = run_on(&order, folder.path(), None, &[], &machine(), &mut (), &mut |event| {
        if matches!(event, RunEvent::Epoch { epoch: 4, .. }) {
            return Err(std::io::Error::other("killed"));
        }
        events.push(event);
        Ok(())
    });
    assert!(died.is_err());
    let point = found(&order, folder.path()).point.expect("a resume point");
    events.truncate(usize::try_from(point.events).unwrap());
    let one = Machine::with_threads(1);
    run_on(&order, folder.path(), Some(&point), &[], &one, &mut (), &mut |event| {
        events.push(event);
        Ok(())
    })
    .unwrap();
    assert_eq!(left(&events, folder.path()), expected);
    assert_eq!(plan(folder.path()), plan(whole.path()));
}

#[test]
fn a_defence_of_the_pretraining_judges_the_composed_poisons() {
    let encoder = TempDir::new().unwrap();
    run(&order(composed(), RunKind::Pretrain, None), encoder.path()).unwrap();
    let mut settings = composed();
    settings.defence.method = DefenceMethod::Spectral;
    settings.defence.groups = DefenceGroups::All;
    settings.defence.set = DefendedSet::Pretrain;
    let folder = TempDir::new().unwrap();
    let order = order(settings.clone(), RunKind::Defence, Some(encoder.path()));
    run(&order, folder.path()).unwrap();
    let made = plan(folder.path());
    assert_eq!(made, plan(encoder.path()), "the poisons of the pre-training");

    let index = Index::open(&DataSource::Builtin).unwrap().limited(&settings.dataset);
    let judged = Judged::open(folder.path(), order.clone()).unwrap().expect("judged images");
    assert_eq!(judged.samples().len(), 138);
    let trigger = Trigger::prepare(&settings.attack.trigger, None, 16, Stage::Train).unwrap();
    let image = |i: u32| index.load(Split::Train, i as usize, 16).map(Cow::Owned);
    for (i, (sample, composition)) in made.samples.iter().zip(&made.compositions).enumerate() {
        let picture = composition.picture(sample.index, &trigger, image).unwrap();
        assert_eq!((picture.width(), picture.height()), (32, 16));
        let shown = judged.picture(&index, 120 + i).unwrap();
        assert_eq!(shown, eval_transform(&picture, 16), "as the encoder sees it");
        assert!(judged.samples()[120 + i].poisoned);
    }

    // A plan that was changed is not drawn.
    let cut = PoisonPlan { compositions: made.compositions[..17].to_vec(), ..made };
    let text = serde_json::to_vec(&cut).unwrap();
    fs::write(folder.path().join(files::POISON_PLAN), text).unwrap();
    let refused = Judged::open(folder.path(), order);
    assert!(matches!(refused, Err(JudgedError::Plan)));
}

#[test]
fn an_attack_that_cannot_be_composed_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let message = |settings: Settings| {
        run(&order(settings, RunKind::Pretrain, None), folder.path()).unwrap_err().to_string()
    };
    let mut blended = composed();
    blended.attack.trigger = TriggerSpec::Blended(BlendedSpec::new(0.4, "stripes"));
    assert!(message(blended).starts_with("attack.trigger.kind: must be a patch"));
    let mut many = composed();
    many.attack.compose.support_images = 11;
    assert_eq!(
        message(many),
        "attack.compose.references: the target class has 12 training images, and composed poisons need 13 of them"
    );
}
