//! Runs that studies share: reuse by digest, cancelling, retrying, deleting.

use proptest::prelude::*;
use server::store::queue::Cancelled;
use shared::{
    RunId, RunKind, RunState, StudyId, StudySpec,
    api::{Retention, StudyDetail},
    settings::{DefenceMethod, Restorer},
    study::Axis,
};

use crate::support::{Place, create, finish, metrics, micro, probed};

async fn make(place: &Place, spec: StudySpec) -> StudyDetail {
    place.app.create_study(spec, false).await.unwrap()
}

/// Writes the files that a finished run leaves.
fn leave(place: &Place, run: RunId) {
    let folder = place.app.data_dir.runs().join(run.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    for file in [engine::files::MANIFEST, engine::files::LAST_CHECKPOINT] {
        std::fs::write(folder.join(file), "{}").unwrap();
    }
}

async fn states(place: &Place, study: StudyId) -> Vec<RunState> {
    place.app.store.study_runs(study).await.unwrap().iter().map(|run| run.state).collect()
}

#[tokio::test]
async fn a_study_takes_the_runs_that_are_there() {
    let place = Place::new().await;
    let first = make(&place, micro("first", 5)).await;
    finish(&place, first.runs[0].id, None).await;
    leave(&place, first.runs[0].id);
    let second = make(&place, probed(micro("second", 5), &[0, 2])).await;
    let ids = |study: &StudyDetail| study.runs.iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(ids(&second)[..2], ids(&first)[..2], "the pre-training and the queued probe");
    assert_ne!(second.runs[2].id, first.runs[2].id);
    let reused: Vec<_> = second.runs.iter().map(|run| run.reused).collect();
    assert_eq!(reused, [true, true, false]);
    assert_eq!(second.runs[0].study, second.id, "listed under the requested study");

    // The plan announces the reuse. Runs that must be fresh, or whose files are lost, are computed again.
    let plan = place.app.plan(micro("third", 5), false).await.unwrap();
    let told: Vec<_> =
        plan.runs.iter().map(|run| run.reused.as_ref().map(|known| known.run)).collect();
    assert_eq!(told, ids(&first).into_iter().map(Some).collect::<Vec<_>>());
    assert!(plan.seconds < f64::EPSILON);
    let plan = place.app.plan(micro("third", 5), true).await.unwrap();
    assert!(plan.runs.iter().all(|run| run.reused.is_none()) && plan.seconds > 0.0);
    let folder = place.app.data_dir.runs().join(first.runs[0].id.to_string());
    std::fs::remove_dir_all(folder).unwrap();
    let third = make(&place, micro("third", 5)).await;
    assert_ne!(third.runs[0].id, first.runs[0].id, "its files are gone");
}

#[tokio::test]
async fn a_run_that_did_not_end_well_is_queued_again_for_the_next_study() {
    let place = Place::new().await;
    let first = make(&place, micro("first", 5)).await;
    // The plan counts what another study has in the queue as its work, and cancelled runs as this one's.
    let plan = async || place.app.plan(micro("second", 5), false).await.unwrap();
    assert!(plan().await.seconds < f64::EPSILON);
    place.app.cancel_study(first.id).await.unwrap();
    let whole = place.app.plan(micro("second", 5), true).await.unwrap();
    let again = plan().await;
    assert!(again.runs.iter().all(|run| run.reused.is_some() && run.is_to_run()));
    assert_eq!((again.seconds, again.bytes), (whole.seconds, whole.bytes));

    let second = make(&place, micro("second", 5)).await;
    assert_eq!(second.runs[0].id, first.runs[0].id);
    assert_eq!(states(&place, second.id).await, [RunState::Queued; 3]);
}

#[tokio::test]
async fn a_study_that_takes_a_cancelled_run_leaves_what_else_starts_from_it() {
    let place = Place::new().await;
    let first = make(&place, probed(micro("first", 5), &[0, 2])).await;
    place.app.cancel_study(first.id).await.unwrap();
    let second = make(&place, probed(micro("second", 5), &[2, 4])).await;
    assert_eq!(second.runs[0].id, first.runs[0].id);
    let (queued, over) = (RunState::Queued, RunState::Cancelled);
    assert_eq!(states(&place, second.id).await, [queued; 3]);
    assert_eq!(states(&place, first.id).await, [queued, over, queued], "nobody asks for LPR 0");
}

#[tokio::test]
async fn cancelling_and_deleting_leave_what_another_study_wants() {
    let place = Place::new().await;
    let first = make(&place, micro("first", 5)).await;
    let second = make(&place, probed(micro("second", 5), &[1, 2])).await;
    let cancelled = place.app.store.cancel_study(first.id, 9).await.unwrap();
    assert_eq!(cancelled, Cancelled { queued: 1, running: 0, wanted_elsewhere: 2 });
    let (queued, over) = (RunState::Queued, RunState::Cancelled);
    assert_eq!(states(&place, first.id).await, [queued, over, queued]);
    assert_eq!(states(&place, second.id).await, [queued; 3]);

    let refused = place.app.delete_study(second.id).await.unwrap_err();
    assert!(refused.to_string().starts_with("1 runs of the study are queued"), "{refused}");
    place.app.delete_study(first.id).await.unwrap();
    let left = place.app.store.study_runs(second.id).await.unwrap();
    assert_eq!(left.len(), 3);
    assert!(place.app.store.get_run(first.runs[1].id).await.is_err(), "its own run is gone");
    let row = place.app.store.get_run(first.runs[0].id).await.unwrap();
    assert_eq!((row.study, row.study_name.as_str()), (second.id, "second"));

    // No other study needs them any more.
    let cancelled = place.app.store.cancel_study(second.id, 9).await.unwrap();
    assert_eq!(cancelled, Cancelled { queued: 3, running: 0, wanted_elsewhere: 0 });
    place.app.delete_study(second.id).await.unwrap();
    assert!(place.app.store.get_run(first.runs[0].id).await.is_err());
}

#[tokio::test]
async fn a_finished_run_counts_in_every_study_that_has_it() {
    let place = Place::new().await;
    let first = make(&place, micro("first", 5)).await;
    let second = make(&place, micro("second", 5)).await;
    finish(&place, first.runs[0].id, None).await;
    finish(&place, first.runs[1].id, Some(metrics(60, 5, 70))).await;
    for study in [first.id, second.id] {
        let row = place.app.store.compare(&[study], 10).await.unwrap();
        assert_eq!((row.len(), row[0].study), (1, study));
    }
    assert_eq!(place.app.store.compare(&[], 10).await.unwrap().len(), 1);
}

/// BDMAE on an encoder with poisons in its pre-training, restored by an autoencoder without.
fn restored(name: &str) -> StudySpec {
    let mut spec = micro(name, 5);
    spec.runs = vec![RunKind::Defence];
    spec.axes = Vec::new();
    spec.settings.defence.method = DefenceMethod::Bdmae;
    spec.settings.defence.restorer = Restorer::Clean;
    spec
}

#[tokio::test]
async fn a_study_s_own_clean_encoder_restores_and_is_kept() {
    let place = Place::new().await;
    let mut clean = micro("clean", 5);
    clean.settings.pretrain.poisons = 0;
    let first = make(&place, clean).await;
    let clean = first.runs[0].id;
    finish(&place, clean, None).await;
    leave(&place, clean);
    let mut both = restored("both");
    both.axes = vec![
        Axis::of("pretrain.poisons", [0u32, 1]),
        Axis::of("defence.restorer", ["own", "clean"]),
    ];
    let plan = place.app.plan(both.clone(), false).await.unwrap();
    let [twin, _, poisoned, own, other] = &plan.runs[..] else { panic!("{:?}", plan.runs) };
    assert_eq!(twin.reused.as_ref().map(|known| known.run), Some(clean));
    assert!(plan.runs[1..].iter().all(|run| run.reused.is_none()));
    assert_eq!((&own.inputs[..], &own.restorer), (&[poisoned.digest.clone()][..], &None));
    assert_eq!(other.inputs, [poisoned.digest.clone(), twin.digest.clone()]);
    assert_eq!(
        (other.start(), &other.restorer),
        (Some(&poisoned.digest), &Some(twin.digest.clone()))
    );

    let second = make(&place, both.clone()).await;
    let last = &second.runs[4];
    assert_eq!((last.parent, last.restorer), (Some(second.runs[2].id), Some(clean)));
    assert_eq!(second.runs[3].restorer, None);
    // Whoever made it may go: the other study needs it.
    place.app.cancel_study(first.id).await.unwrap();
    place.app.delete_study(first.id).await.unwrap();
    assert_eq!(place.app.store.get_run(clean).await.unwrap().study, second.id);
    // Nor does retention take it while a run has to read it.
    let policy = Retention { days: 1, keep_last: false };
    let is_removable = async || {
        let found = place.app.removable(Some(policy)).await.unwrap();
        found.iter().any(|one| one.run.run == clean && one.unneeded.is_some())
    };
    for run in [1, 2, 3] {
        finish(&place, second.runs[run].id, None).await;
        assert!(!is_removable().await, "the last defence is queued");
    }
    let ready = place.app.store.next_ready(&[]).await.unwrap().expect("the last defence");
    let folder = |run: RunId| Some(format!("runs/{run}"));
    assert_eq!(
        (ready.run, ready.restorer),
        (last.id, folder(clean)),
        "the older of its two inputs"
    );
    assert_eq!(ready.start, folder(second.runs[2].id));
    finish(&place, last.id, None).await;
    assert!(is_removable().await);

    // Its files are gone: a new study makes it again.
    std::fs::remove_dir_all(place.app.data_dir.runs().join(clean.to_string())).unwrap();
    let plan = place.app.plan(both, false).await.unwrap();
    let reused: Vec<bool> = plan.runs.iter().map(|run| run.reused.is_some()).collect();
    assert!(!reused[0] && !reused[2], "no checkpoint is left: {reused:?}");
}

#[tokio::test]
async fn a_defence_waits_for_its_restorer_and_ends_with_it() {
    let place = Place::new().await;
    let study = make(&place, restored("waits")).await;
    let [poisoned, twin, defence] = &study.runs[..] else { panic!("{:?}", study.runs) };
    assert_eq!((poisoned.point.ppr, twin.point.ppr), (1, 0));
    assert_eq!((defence.parent, defence.restorer), (Some(poisoned.id), Some(twin.id)));
    finish(&place, poisoned.id, None).await;
    let next = || async { place.app.store.next_ready(&[]).await.unwrap() };
    let ready = next().await.expect("the restorer");
    assert_eq!(ready.run, twin.id);
    let store = &place.app.store;
    store.start_run(ready.key, "cpu", 3).await.unwrap();
    assert!(next().await.is_none(), "the restorer is not done yet");
    store.end_run(ready.key, RunState::Failed, Some("no disk"), 4).await.unwrap();
    let row = store.get_run(defence.id).await.unwrap();
    assert_eq!(row.state, RunState::Failed);
    assert_eq!(
        row.error.as_deref(),
        Some(
            "not started, because the pre-training, PPR 0, seed 1 that it needs is failed; retry that one"
        )
    );

    store.retry_run(defence.id, 5).await.unwrap();
    finish(&place, twin.id, None).await;
    let ready = next().await.expect("the defence");
    assert_eq!(ready.run, defence.id);
    let folder = |run: RunId| Some(format!("runs/{run}"));
    assert_eq!((ready.start, ready.restorer), (folder(poisoned.id), folder(twin.id)));
}

/// An operation on the data folder.
#[derive(Clone, Copy, Debug)]
enum Step {
    Make(usize),
    Cancel(usize),
    Delete(usize),
    DeleteForNow(usize),
    Undo(usize),
    EndDeletion(usize),
    Retry(usize),
    Fail,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0usize..3).prop_map(Step::Make),
        (0usize..6).prop_map(Step::Cancel),
        (0usize..6).prop_map(Step::Delete),
        (0usize..6).prop_map(Step::DeleteForNow),
        (0usize..6).prop_map(Step::Undo),
        (0usize..6).prop_map(Step::EndDeletion),
        (0usize..20).prop_map(Step::Retry),
        Just(Step::Fail),
    ]
}

/// Checks after every operation that no queued run has an input that will never be done, that a study's counters match its runs,
/// that every run of a study exists together with its input, and that every run belongs to a study.
async fn follows_the_rules(steps: &[Step]) {
    let place = Place::new().await;
    let (mut studies, mut deleted): (Vec<StudyId>, Vec<StudyId>) = (Vec::new(), Vec::new());
    for (at, &step) in steps.iter().enumerate() {
        let nth = |n: usize| studies.get(n % studies.len().max(1)).copied();
        match step {
            Step::Make(which) => {
                let spec =
                    [micro("a", 5), probed(micro("b", 5), &[1, 2]), probed(micro("c", 6), &[0])]
                        [which]
                        .clone();
                studies.push(make(&place, spec).await.id);
            }
            Step::Cancel(n) => {
                if let Some(study) = nth(n) {
                    place.app.store.cancel_study(study, at as u64).await.unwrap();
                }
            }
            Step::Delete(n) => {
                if let Some(study) = nth(n)
                    && place.app.delete_study(study).await.is_ok()
                {
                    studies.retain(|&other| other != study);
                }
            }
            Step::DeleteForNow(n) => {
                if let Some(study) = nth(n)
                    && place.app.delete_study_for_now(study).await.is_ok()
                {
                    studies.retain(|&other| other != study);
                    deleted.push(study);
                }
            }
            Step::Undo(n) if !deleted.is_empty() => {
                let study = deleted.remove(n % deleted.len());
                place.app.store.restore_study(study, at as u64).await.unwrap();
                studies.push(study);
            }
            Step::EndDeletion(n) if !deleted.is_empty() => {
                let study = deleted.remove(n % deleted.len());
                place.app.end_deletion(study).await.unwrap();
            }
            Step::Undo(_) | Step::EndDeletion(_) => {}
            Step::Retry(n) => {
                if let Some(study) = nth(n) {
                    let runs = place.app.store.study_runs(study).await.unwrap();
                    // Fails unless the run failed, was cancelled or was interrupted.
                    let _ = place.app.store.retry_run(runs[n % runs.len()].id, at as u64).await;
                }
            }
            Step::Fail => {
                if let Some(ready) = place.app.store.next_ready(&[]).await.unwrap() {
                    let (store, at) = (&place.app.store, at as u64);
                    store.start_run(ready.key, "cpu", at).await.unwrap();
                    store.end_run(ready.key, RunState::Failed, Some("why"), at).await.unwrap();
                }
            }
        }
        let query = server::store::studies::StudyQuery { limit: 100, ..Default::default() };
        let listed = place.app.store.list_studies(&query).await.unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for summary in &listed.items {
            let runs = place.app.store.study_runs(summary.id).await.unwrap();
            for state in RunState::ALL {
                let count = runs.iter().filter(|run| run.state == state).count();
                assert_eq!(summary.states.of(state), count as u32, "{steps:?}");
            }
            for run in &runs {
                seen.insert(run.id);
                if let Some(input) = run.parent {
                    let input = runs.iter().find(|other| other.id == input).expect("in the study");
                    let waits = matches!(input.state, RunState::Queued | RunState::Running);
                    assert!(run.state != RunState::Queued || waits, "{steps:?}");
                }
            }
        }
        let all = place
            .app
            .list_results(server::app::results::ResultQuery { limit: 1000, ..Default::default() })
            .await
            .unwrap();
        let kept: std::collections::BTreeSet<_> = all.items.iter().map(|row| row.run).collect();
        assert_eq!(kept, seen, "{steps:?}");
    }
}

#[test]
fn random_graphs_follow_the_rules() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config =
        ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&prop::collection::vec(step(), 1..14), |steps| {
            runtime.block_on(follows_the_rules(&steps));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn two_studies_at_once_do_not_upset_each_other() {
    let place = Place::new().await;
    let (one, two) = tokio::join!(make(&place, micro("one", 5)), make(&place, micro("two", 5)));
    assert_eq!(one.runs.len(), two.runs.len());
    let fresh = create(&place.app, micro("fresh", 5)).await;
    assert!(fresh.runs.iter().all(|run| !run.reused));
}
