//! One run on several nodes, each a thread here, that talk by this machine's network.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use engine::{
    nodes::{Meeting, Nodes},
    run::assist,
    stop::Patience,
};

use safetensors::SafeTensors;

use super::*;

/// This node of two, with a number of threads of its own.
fn node(folder: &Path, node: usize) -> Machine {
    let meeting = Meeting {
        folder: folder.join("meetings").join("1"),
        node,
        nodes: 2,
        host: format!("host{}", node + 1),
        patience: Duration::from_mins(1),
        silence: Duration::from_mins(1),
    };
    Machine::with_threads(1 + node).beside(Nodes::new(meeting))
}

/// Trains on two nodes; asks the first to leave once `leaves` is true of an event. Gives the first one's events and how both ended.
fn on_two(
    order: &RunOrder,
    folder: &Path,
    leaves: impl Fn(&RunEvent) -> bool + Send,
) -> (Vec<RunEvent>, [Result<(), EngineError>; 2]) {
    let machine = node(folder, 0);
    let bits = machine.device(Precision::F32).unwrap().bits();
    let found = resume::find(order, &bits, folder).unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    thread::scope(|scope| {
        let other = scope.spawn(|| assist(order, folder, &node(folder, 1)));
        let mut events = Vec::new();
        let mut emit = |event: RunEvent| {
            if leaves(&event) {
                asked.store(true, Ordering::Relaxed);
            }
            events.push(event);
            Ok(())
        };
        let mut patience = Leaving(Arc::clone(&asked));
        let point = found.point.as_ref();
        let own = run_on(order, folder, point, &[], &machine, &mut patience, &mut emit);
        (events, [own, other.join().unwrap()])
    })
}

struct Leaving(Arc<AtomicBool>);

impl Patience for Leaving {
    fn wait(&mut self, _: &std::io::Error) -> bool {
        false
    }

    fn over(&mut self) {}

    fn is_to_leave(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn never(_: &RunEvent) -> bool {
    false
}

/// The numbers of a run's last checkpoint, by tensor.
fn numbers(folder: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(folder.join(files::LAST_CHECKPOINT)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read =
        |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|it| f32::from_le_bytes(*it)).collect();
    file.iter().map(|(name, tensor)| (name.to_owned(), read(tensor.data()))).collect()
}

fn same_up_to_rounding(one: &Path, other: &Path) {
    let (one, other) = (numbers(one), numbers(other));
    assert!(one.keys().eq(other.keys()));
    for (name, values) in one {
        let apart = values.iter().zip(&other[&name]).map(|(a, b)| (a - b).abs());
        let apart = apart.fold(0.0, f32::max);
        assert!(apart < 2e-4, "{name}: {apart}");
    }
}

#[test]
fn two_nodes_train_as_one_up_to_rounding_and_resume_to_the_same_bits() {
    let place = TempDir::new().unwrap();
    let folder = |name: &str| {
        let folder = place.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    };
    let pretraining = order(spec(), RunKind::Pretrain, None);
    let alone = folder("alone");
    let want = run(&pretraining, &alone).unwrap();

    let together = folder("together");
    let (events, ends) = on_two(&pretraining, &together, never);
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    assert_eq!(results(&events).len(), results(&want).len());
    for (a, b) in losses(&events).iter().zip(losses(&want)) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    same_up_to_rounding(&alone, &together);
    let hosts = |event: &RunEvent| matches!(event, RunEvent::Log { message } if message == "trains on host1, host2");
    assert!(events.iter().any(hosts), "{events:?}");
    assert!(!together.join("meetings").join("1").exists());

    let broken = folder("broken");
    let ends_epoch = |event: &RunEvent| matches!(event, RunEvent::Epoch { epoch: 1, .. });
    let (before, ends) = on_two(&pretraining, &broken, ends_epoch);
    assert!(matches!(ends[0], Err(EngineError::Left)), "{ends:?}");
    let told = ends[1].as_ref().unwrap_err().to_string();
    assert_eq!(told, "node 1 of 2 (host1): the run was asked to leave, and has kept its place");
    let (after, ends) = on_two(&pretraining, &broken, never);
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    let kept = results(&before).len();
    assert!(kept < results(&events).len());
    assert_eq!([results(&before), results(&after)].concat(), results(&events));
    let digest =
        |folder: &Path| checkpoint::open(&folder.join(files::LAST_CHECKPOINT)).unwrap().0.digest();
    assert_eq!(digest(&broken), digest(&together));

    // Mixed images, accumulated batches, clipped gradients.
    let finetuning = order(spec(), RunKind::Finetune, Some(&alone));
    let (one, two) = (folder("one"), folder("two"));
    let want = run(&finetuning, &one).unwrap();
    let (events, ends) = on_two(&finetuning, &two, never);
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    for (a, b) in losses(&events).iter().zip(losses(&want)) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    same_up_to_rounding(&one, &two);
    assert_eq!(last_metrics(&events).ca.total, last_metrics(&want).ca.total);
}

#[test]
fn what_several_nodes_cannot_do_is_refused_in_words() {
    let place = TempDir::new().unwrap();
    let probe = order(spec(), RunKind::Probe, Some(place.path()));
    let error =
        run_on(&probe, place.path(), None, &[], &node(place.path(), 0), &mut (), &mut |_| Ok(()))
            .unwrap_err()
            .to_string();
    assert_eq!(error, "only a pre-training and a fine-tuning run on several nodes");

    let mut settings = spec();
    settings.pretrain.batch_size = 1;
    let tiny = order(settings, RunKind::Pretrain, None);
    let (_, ends) = on_two(&tiny, place.path(), never);
    let words =
        "a batch has 1 images, too few for 2 nodes: take fewer nodes or a larger batch_size";
    // Either may find it first, and tell the other.
    let told = ends.map(|end| end.unwrap_err().to_string());
    for (at, told) in told.iter().enumerate() {
        let other = 2 - at;
        let by_other = format!("node {other} of 2 (host{other}): {words}");
        assert!(*told == words || *told == by_other, "{told}");
    }
    assert!(told.iter().any(|told| told == words), "{told:?}");
}
