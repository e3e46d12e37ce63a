//! A backdoor that is implanted into a clean encoder.

use std::fs;

use engine::{checkpoint, files};
use shared::{
    RunEvent, RunKind, Settings,
    settings::{ImplantMethod, ImplantSpec, TransformerSpec},
};
use tempfile::TempDir;

use super::{left, losses, machine, order, repeat::found, run, run_on, spec};

fn settings() -> Settings {
    let mut settings = spec();
    settings.pretrain.poisons = 0;
    // Long enough for features that tell classes apart.
    (settings.pretrain.epochs, settings.pretrain.base_lr) = (60, 0.01);
    settings.model.encoder = TransformerSpec { dim: 32, depth: 2, heads: 2 };
    settings.implant = ImplantSpec {
        method: ImplantMethod::BadEncoder,
        epochs: 40,
        batch_size: 24,
        base_lr: 0.05,
        references: 2,
        shadow_per_class: Some(6),
        ..ImplantSpec::default()
    };
    settings
}

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

/// The cosines that the run tells at its end: of triggered and reference images, and of triggered images with each other, after and before;
/// of reference and of clean images with themselves.
fn told(events: &[RunEvent]) -> [f64; 6] {
    let line = events.iter().find_map(|event| match event {
        RunEvent::Log { message } if message.starts_with("mean cosine") => Some(message.clone()),
        _ => None,
    });
    let line = line.expect("what was reached");
    let numbers: Vec<f64> =
        line.split([' ', ',', ')']).filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().expect("six numbers")
}

#[test]
fn triggered_images_get_the_features_of_the_target_class() {
    let (clean, implanted) = (folder(), folder());
    run(&order(settings(), RunKind::Pretrain, None), clean.path()).unwrap();
    let implant = order(settings(), RunKind::Implant, Some(clean.path()));
    let events = run(&implant, implanted.path()).unwrap();
    // Six images of ten classes, in two batches of 24.
    assert!(matches!(
        events[0],
        RunEvent::Started { epochs: 40, steps: 80, samples: 60, poisoned: 0, .. }
    ));
    let losses = losses(&events);
    assert!(losses[39] < losses[0] - 0.1, "{losses:?}");
    let [triggered, start, _, _, references, kept] = told(&events);
    assert!(start < 0.9 && triggered > 0.97, "{start} {triggered}");
    assert!(references > 0.97 && kept > 0.97, "{references} {kept}");
    assert!(matches!(events.last(), Some(RunEvent::Finished { metrics: None, .. })));

    // Decoder and positions are those of the pre-training, the blocks are not.
    let open =
        |folder: &TempDir| checkpoint::open(&folder.path().join(files::LAST_CHECKPOINT)).unwrap();
    let ((before, _), (after, info)) = (open(&clean), open(&implanted));
    assert_eq!((info.phase, info.epoch, info.has_decoder), (RunKind::Implant, 40, true));
    for param in before.iter() {
        let same = before.of(param) == after.of(after.get(&param.name).unwrap());
        let stays = param.name.contains("decoder")
            || ["pos_embed", "mask_token"].contains(&param.name.as_str());
        assert_eq!(same, stays, "{}", param.name);
    }
}

#[test]
fn drupe_spreads_triggered_features() {
    let clean = folder();
    run(&order(settings(), RunKind::Pretrain, None), clean.path()).unwrap();
    let reached = [ImplantMethod::BadEncoder, ImplantMethod::Drupe].map(|method| {
        let mut settings = settings();
        settings.implant.method = method;
        let folder = folder();
        told(&run(&order(settings, RunKind::Implant, Some(clean.path())), folder.path()).unwrap())
    });
    let [[_, _, alike, ..], [triggered, _, spread, _, references, kept]] = reached;
    assert!(triggered > 0.93, "{reached:?}");
    assert!(references > 0.85 && kept > 0.85, "{reached:?}");
    assert!(spread < alike - 0.05, "{reached:?}");
}

#[test]
fn both_are_repeated_and_resumed_to_the_last_bit() {
    for method in [ImplantMethod::BadEncoder, ImplantMethod::Drupe] {
        let (clean, first, second) = (folder(), folder(), folder());
        let mut settings = settings();
        (settings.implant.method, settings.implant.epochs) = (method, 7);
        run(&order(settings.clone(), RunKind::Pretrain, None), clean.path()).unwrap();
        let implant = order(settings, RunKind::Implant, Some(clean.path()));
        let whole = left(&run(&implant, first.path()).unwrap(), first.path());

        // Dies after a resume point and is resumed.
        let mut earlier = Vec::new();
        let died = run_on(&implant, second.path(), None, &[], &machine(), &mut (), &mut |event| {
            if matches!(event, RunEvent::Epoch { epoch: 6, .. }) {
                return Err(std::io::Error::other("killed"));
            }
            earlier.push(event);
            Ok(())
        });
        assert!(died.is_err());
        let point = found(&implant, second.path()).point.expect("a resume point");
        assert_eq!(point.epoch, 5);
        earlier.truncate(usize::try_from(point.events).unwrap());
        run_on(&implant, second.path(), Some(&point), &[], &machine(), &mut (), &mut |event| {
            earlier.push(event);
            Ok(())
        })
        .unwrap();
        assert_eq!(left(&earlier, second.path()), whole);
        let again = folder();
        assert_eq!(left(&run(&implant, again.path()).unwrap(), again.path()), whole, "{method:?}");
    }
}

#[test]
fn a_class_without_images_has_no_references() {
    let clean = folder();
    run(&order(settings(), RunKind::Pretrain, None), clean.path()).unwrap();
    let mut settings = settings();
    settings.attack.target_class = 70;
    let folder = folder();
    let error =
        run(&order(settings, RunKind::Implant, Some(clean.path())), folder.path()).unwrap_err();
    assert!(error.to_string().contains("needs a reference image of the target class"), "{error}");
    assert!(fs::metadata(folder.path().join(files::LAST_CHECKPOINT)).is_err());
}
