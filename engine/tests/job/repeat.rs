//! Repeated runs and resumed runs are equal to the last bit.

use engine::{
    checkpoint::resume::{Found, ResumePoint},
    tensors::NamedTensor,
};

use super::*;

#[test]
fn a_fine_tuning_is_repeatable_and_goes_on_to_the_same_end() {
    let encoder = TempDir::new().unwrap();
    run(&order(spec(), RunKind::Pretrain, None), encoder.path()).unwrap();
    let order = order(spec(), RunKind::Finetune, Some(encoder.path()));
    let whole = TempDir::new().unwrap();
    let events = run(&order, whole.path()).unwrap();
    let RunEvent::Started { steps, samples, poisoned, .. } = &events[0] else {
        panic!("{:?}", events[0])
    };
    // 120 images and 3 poisons of each of 9 classes, in batches of 24
    assert_eq!((*samples, *poisoned, *steps), (147, 27, 24));
    let evaluated: Vec<u32> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Evaluated { epoch, .. } => Some(*epoch),
            _ => None,
        })
        .collect();
    assert_eq!(evaluated, [3, 4]);
    assert_eq!(last_metrics(&events).ca.total, 40);
    let model = |folder: &Path| fs::read(folder.join(files::LAST_CHECKPOINT)).unwrap();

    // Dies after a resume point and is resumed.
    let folder = TempDir::new().unwrap();
    let mut earlier = Vec::new();
    let died = run_on(&order, folder.path(), None, &[], &machine(), &mut (), &mut |event| {
        if matches!(event, RunEvent::Epoch { epoch: 4, .. }) {
            return Err(std::io::Error::other("killed"));
        }
        earlier.push(event);
        Ok(())
    });
    assert!(died.is_err());
    let point = found(&order, folder.path()).point.expect("a resume point");
    assert!((1..4).contains(&point.epoch));
    earlier.truncate(usize::try_from(point.events).unwrap());
    run_on(&order, folder.path(), Some(&point), &[], &machine(), &mut (), &mut |event| {
        earlier.push(event);
        Ok(())
    })
    .unwrap();
    assert_eq!(results(&earlier), results(&events));
    assert_eq!(last_metrics(&earlier), last_metrics(&events));
    assert!(model(folder.path()) == model(whole.path()), "the models differ");

    // From scratch, no encoder is needed and another model results.
    let mut scratch = order;
    scratch.encoder = None;
    scratch.settings.finetune.start = shared::settings::Start::Scratch;
    let folder = TempDir::new().unwrap();
    let events_from_scratch = run(&scratch, folder.path()).unwrap();
    assert_ne!(results(&events_from_scratch), results(&events));
}

#[test]
fn two_runs_of_one_order_are_equal_to_the_last_bit() {
    let [first, second] = [0, 1].map(|_| {
        let folder = TempDir::new().unwrap();
        let events = run(&order(spec(), RunKind::Pretrain, None), folder.path()).unwrap();
        left(&events, folder.path())
    });
    assert_eq!(first, second);
    let folder = TempDir::new().unwrap();
    let mut other = order(spec(), RunKind::Pretrain, None);
    other.settings.seed = 8;
    assert_ne!(results(&run(&other, folder.path()).unwrap()), first.0, "another seed, another run");
}

#[test]
fn a_run_that_died_goes_on_to_the_same_end() {
    let order = order(spec(), RunKind::Pretrain, None);
    let whole = TempDir::new().unwrap();
    let expected = left(&run(&order, whole.path()).unwrap(), whole.path());
    assert!(
        found(&order, whole.path()) == Found::default(),
        "a finished run leaves no resume point"
    );

    // Dies in its last epoch, after the checkpoint of the third.
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
    assert_eq!(point.epoch, 3);
    let portable = "another instruction set";
    let of_other_bits = resume::find(&order, portable, folder.path()).unwrap();
    assert_eq!(of_other_bits, Found::default(), "other bits start over");
    let mut other = order.clone();
    other.settings.seed = 8;
    assert_eq!(found(&other, folder.path()), Found::default(), "another order starts over");

    events.truncate(usize::try_from(point.events).unwrap());
    assert!(matches!(events.last(), Some(RunEvent::Checkpoint { epoch: 3, .. })));
    let mut changed = point.clone();
    changed.dataset = "other".into();
    let refused =
        run_on(&order, folder.path(), Some(&changed), &[], &machine(), &mut (), &mut |_| Ok(()))
            .unwrap_err();
    assert!(refused.to_string().contains("the data set's files have changed"), "{refused}");
    run_on(&order, folder.path(), Some(&point), &[], &machine(), &mut (), &mut |event| {
        events.push(event);
        Ok(())
    })
    .unwrap();
    assert_eq!(left(&events, folder.path()), expected);
    assert_eq!(events.iter().filter(|event| event.kind() == "started").count(), 1);
}

/// What is found in a folder on this device.
pub fn found(order: &RunOrder, folder: &Path) -> Found {
    resume::find(order, &bits(), folder).expect("a readable folder")
}

#[test]
fn half_a_place_is_none() {
    let order = order(spec(), RunKind::Pretrain, None);
    let folder = TempDir::new().unwrap();
    for bytes in [&b""[..], b"1234567", &[255; 64], &[8, 0, 0, 0, 0, 0, 0, 0, b'{', b'}']] {
        fs::write(folder.path().join(files::RESUME), bytes).unwrap();
        let found = found(&order, folder.path());
        assert_eq!((found.point, found.damaged.len()), (None, 1));
    }
}

#[test]
fn a_damaged_place_is_told_and_the_one_before_taken() {
    let order = order(spec(), RunKind::Pretrain, None);
    let folder = TempDir::new().unwrap();
    let tensor = NamedTensor { name: "x".into(), shape: vec![3], values: vec![1.0, 2.0, 3.0] };
    let point = |epoch| ResumePoint::new(&order, &bits(), "data", epoch, 0, 0.0);
    let file = folder.path().join(files::RESUME);
    for damage in ["cut", "a flipped bit of a number", "a flipped bit of the header"] {
        for epoch in [1, 2] {
            resume::save(folder.path(), std::slice::from_ref(&tensor), &point(epoch)).unwrap();
        }
        assert_eq!(found(&order, folder.path()).point, Some(point(2)));
        let mut bytes = fs::read(&file).unwrap();
        match damage {
            "cut" => bytes.truncate(bytes.len() - 1),
            "a flipped bit of a number" => *bytes.last_mut().unwrap() ^= 1,
            _ => {
                // Another epoch: a header as good as the one that was written.
                let place = bytes.windows(10).position(|text| text == b"epoch\\\":2,").unwrap();
                bytes[place + 8] = b'3';
            }
        }
        fs::write(&file, bytes).unwrap();
        let found = found(&order, folder.path());
        assert_eq!(found.point, Some(point(1)), "{damage}");
        assert_eq!(found.damaged.len(), 1, "{damage}");
        assert!(
            found.damaged[0].starts_with("resume.safetensors cannot be resumed from: it"),
            "{found:?}"
        );
        resume::remove(folder.path()).unwrap();
    }
}

#[test]
fn a_checkpoint_with_a_flipped_bit_is_refused() {
    let folder = TempDir::new().unwrap();
    run(&order(spec(), RunKind::Pretrain, None), folder.path()).unwrap();
    let path = folder.path().join(files::LAST_CHECKPOINT);
    let mut bytes = fs::read(&path).unwrap();
    assert!(checkpoint::open(&path).is_ok());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let error = checkpoint::open(&path).unwrap_err().to_string();
    assert!(error.contains("its content is damaged"), "{error}");
}
