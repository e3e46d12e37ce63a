//! A run again, and a run that died and goes on: the same to the last bit.

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

    // Dies behind a place that was kept, and goes on.
    let folder = TempDir::new().unwrap();
    let mut earlier = Vec::new();
    let died = run_on(&order, folder.path(), None, &machine(), &mut |event| {
        if matches!(event, RunEvent::Epoch { epoch: 4, .. }) {
            return Err(std::io::Error::other("killed"));
        }
        earlier.push(event);
        Ok(())
    });
    assert!(died.is_err());
    let point = resume::find(&order, &bits(), folder.path()).expect("a place to go on from");
    assert!((1..4).contains(&point.epoch));
    earlier.truncate(usize::try_from(point.events).unwrap());
    run_on(&order, folder.path(), Some(&point), &machine(), &mut |event| {
        earlier.push(event);
        Ok(())
    })
    .unwrap();
    assert_eq!(results(&earlier), results(&events));
    assert_eq!(last_metrics(&earlier), last_metrics(&events));
    assert!(model(folder.path()) == model(whole.path()), "the models differ");

    // From scratch no encoder is needed, and another model comes out.
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
        resume::find(&order, &bits(), whole.path()).is_none(),
        "a run that is over leaves no place"
    );

    // Dies in its last epoch, behind the checkpoint of the third.
    let folder = TempDir::new().unwrap();
    let mut events = Vec::new();
    let died = run_on(&order, folder.path(), None, &machine(), &mut |event| {
        if matches!(event, RunEvent::Epoch { epoch: 4, .. }) {
            return Err(std::io::Error::other("killed"));
        }
        events.push(event);
        Ok(())
    });
    assert!(died.is_err());
    let point = resume::find(&order, &bits(), folder.path()).expect("a place to go on from");
    assert_eq!(point.epoch, 3);
    let portable = "another instruction set";
    assert!(resume::find(&order, portable, folder.path()).is_none(), "other bits begin anew");
    let mut other = order.clone();
    other.settings.seed = 8;
    assert!(resume::find(&other, &bits(), folder.path()).is_none(), "another order begins anew");

    events.truncate(usize::try_from(point.events).unwrap());
    assert!(matches!(events.last(), Some(RunEvent::Checkpoint { epoch: 3, .. })));
    let mut changed = point.clone();
    changed.dataset = "other".into();
    let refused =
        run_on(&order, folder.path(), Some(&changed), &machine(), &mut |_| Ok(())).unwrap_err();
    assert!(refused.to_string().contains("the data set's files have changed"), "{refused}");
    run_on(&order, folder.path(), Some(&point), &machine(), &mut |event| {
        events.push(event);
        Ok(())
    })
    .unwrap();
    assert_eq!(left(&events, folder.path()), expected);
    assert_eq!(events.iter().filter(|event| event.kind() == "started").count(), 1);
}

#[test]
fn half_a_place_is_none() {
    let order = order(spec(), RunKind::Pretrain, None);
    let folder = TempDir::new().unwrap();
    for bytes in [&b""[..], b"1234567", &[255; 64], &[8, 0, 0, 0, 0, 0, 0, 0, b'{', b'}']] {
        fs::write(folder.path().join(files::RESUME), bytes).unwrap();
        assert!(resume::find(&order, &bits(), folder.path()).is_none());
    }
}
