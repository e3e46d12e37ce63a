//! States of runs: only legal transitions, counted in the study and reported as events.

use server::store::{StoreError, studies::StudyQuery};
use shared::{RunEvent, RunId, RunState, Stamped, api::StateCounts};

use crate::support::{End, Place, create, events, finish, metrics, micro};

/// Brings a fresh run into a state through regular transitions.
async fn bring(place: &Place, run: RunId, state: RunState) -> i64 {
    let running = place.started(run).await;
    match state {
        RunState::Running => {}
        RunState::Queued => panic!("a fresh run is already queued"),
        RunState::Done => {
            place.app.store.take_in(&running, &events(3, End::Pretrained), 9, 7).await.unwrap();
        }
        over => assert!(place.app.store.end_run(running.key, over, Some("why"), 8).await.unwrap()),
    }
    running.key
}

#[tokio::test]
async fn only_legal_changes_happen() {
    for from in RunState::ALL.into_iter().filter(|state| *state != RunState::Queued) {
        for to in [RunState::Failed, RunState::Interrupted, RunState::Cancelled] {
            let place = Place::new().await;
            let run = create(&place.app, micro("legal", 5)).await.runs[0].id;
            let key = bring(&place, run, from).await;
            let moved = place.app.store.end_run(key, to, None, 9).await.unwrap();
            assert_eq!(moved, from.may_become(to), "{from} -> {to}");
            let expected = if moved { to } else { from };
            assert_eq!(place.app.store.get_run(run).await.unwrap().state, expected);
        }
    }
}

#[tokio::test]
async fn only_a_queued_run_starts_and_only_once() {
    let place = Place::new().await;
    create(&place.app, micro("start", 5)).await;
    let ready = place.app.store.next_ready(&[]).await.unwrap().unwrap();
    assert!(place.app.store.start_run(ready.key, "cpu", 5).await.unwrap());
    assert!(!place.app.store.start_run(ready.key, "cpu", 6).await.unwrap());
    assert!(place.app.store.next_ready(&[]).await.unwrap().is_none(), "the probes wait");
}

#[tokio::test]
async fn a_study_counts_its_runs_and_knows_its_best() {
    let place = Place::new().await;
    let study = create(&place.app, micro("counts", 5)).await;
    finish(&place, study.runs[0].id, None).await;
    finish(&place, study.runs[1].id, Some(metrics(60, 5, 70))).await;
    finish(&place, study.runs[2].id, Some(metrics(58, 81, 9))).await;
    create(&place.app, micro("other", 5)).await;
    let page = place
        .app
        .store
        .list_studies(&StudyQuery { limit: 10, ..StudyQuery::default() })
        .await
        .unwrap();
    assert_eq!(page.total, 2);
    assert_eq!(page.items[0].name, "other", "the newest comes first");
    assert_eq!(
        (page.items[0].states, page.items[0].best),
        (StateCounts { queued: 3, ..StateCounts::default() }, None)
    );
    assert_eq!(page.items[1].states, StateCounts { done: 3, ..StateCounts::default() });
    assert_eq!(page.items[1].best, Some(metrics(58, 81, 9)));
}

#[tokio::test]
async fn a_classifier_that_guesses_is_not_the_best_attack() {
    let place = Place::new().await;
    let study = create(&place.app, micro("guesses", 5)).await;
    let best = async || {
        let query = StudyQuery { limit: 1, ..StudyQuery::default() };
        place.app.store.list_studies(&query).await.unwrap().items[0].best
    };
    finish(&place, study.runs[0].id, None).await;
    // 14 of 100 right in ten classes, everything taken for the target.
    finish(&place, study.runs[1].id, Some(metrics(14, 90, 0))).await;
    assert_eq!(best().await, Some(metrics(14, 90, 0)), "there is no other");
    finish(&place, study.runs[2].id, Some(metrics(58, 3, 50))).await;
    assert_eq!(best().await, Some(metrics(58, 3, 50)));
}

#[tokio::test]
async fn a_classifier_above_chance_by_wilson_s_interval_has_learned() {
    let place = Place::new().await;
    let study = create(&place.app, micro("hardly", 5)).await;
    finish(&place, study.runs[0].id, None).await;
    // 17 of 100 in ten classes: Wilson's interval begins at 10.9 %, the normal approximation's at 9.6 %.
    finish(&place, study.runs[1].id, Some(metrics(17, 90, 0))).await;
    finish(&place, study.runs[2].id, Some(metrics(58, 3, 50))).await;
    let query = StudyQuery { limit: 1, ..StudyQuery::default() };
    let listed = place.app.store.list_studies(&query).await.unwrap();
    assert_eq!(listed.items[0].best, Some(metrics(17, 90, 0)));
}

#[tokio::test]
async fn what_waits_for_a_failed_pretraining_fails_with_a_reason() {
    let place = Place::new().await;
    let study = create(&place.app, micro("family", 5)).await;
    bring(&place, study.runs[0].id, RunState::Interrupted).await;
    for probe in &study.runs[1..] {
        let row = place.app.store.get_run(probe.id).await.unwrap();
        assert_eq!(row.state, RunState::Failed);
        assert_eq!(
            row.error.unwrap(),
            "not started, because the pre-training, PPR 1, seed 1 that it needs is interrupted; retry that one"
        );
    }
    // Retrying the pre-training queues its probes again.
    place.app.retry_run(study.runs[0].id).await.unwrap();
    for run in &study.runs {
        let row = place.app.store.get_run(run.id).await.unwrap();
        assert_eq!((row.state, row.error), (RunState::Queued, None));
    }
}

#[tokio::test]
async fn a_probe_takes_the_pretraining_along_that_it_waits_for() {
    let place = Place::new().await;
    let study = create(&place.app, micro("probe", 5)).await;
    place.app.cancel_study(study.id).await.unwrap();
    place.app.retry_run(study.runs[2].id).await.unwrap();
    let states: Vec<_> =
        place.app.store.study_runs(study.id).await.unwrap().iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Queued, RunState::Cancelled, RunState::Queued]);
}

#[tokio::test]
async fn a_retry_begins_from_nothing() {
    let place = Place::new().await;
    let study = create(&place.app, micro("retry", 5)).await;
    let run = study.runs[0].id;
    let running = place.started(run).await;
    place.app.store.take_in(&running, &events(5, End::None), 500, 7).await.unwrap();
    place.app.store.end_run(running.key, RunState::Interrupted, Some("gone"), 8).await.unwrap();
    let kept = place.app.store.run_events(run, 0, 100, &[]).await.unwrap();
    assert_eq!(kept.len(), 5, "stored events are kept until then");
    place.app.retry_run(run).await.unwrap();
    assert_eq!(place.app.store.run_events(run, 0, 100, &[]).await.unwrap(), []);
    let again = place.started(run).await;
    assert_eq!((again.attempt, again.taken_bytes, again.progress.seq), (2, 0, 0));
    // Events of the old attempt come too late.
    let late = place.app.store.take_in(&running, &events(6, End::None), 600, 9).await.unwrap();
    assert_eq!(late, None);
}

#[tokio::test]
async fn a_failure_carries_its_message() {
    let place = Place::new().await;
    let study = create(&place.app, micro("fails", 5)).await;
    let running = place.started(study.runs[0].id).await;
    let mut told = events(2, End::None);
    let event = RunEvent::Failed { message: "the loss is no number".into() };
    told.push(Stamped { seq: 3, at: 9, event });
    let state = place.app.store.take_in(&running, &told, 300, 9).await.unwrap();
    assert_eq!(state, Some(RunState::Failed));
    let row = place.app.store.get_run(study.runs[0].id).await.unwrap();
    assert_eq!(row.error.as_deref(), Some("the loss is no number"));
}

#[tokio::test]
async fn the_stream_tells_every_change_in_order() {
    let place = Place::new().await;
    let study = create(&place.app, micro("stream", 5)).await;
    let other = create(&place.app, micro("not this one", 5)).await;
    finish(&place, study.runs[0].id, None).await;

    let mut after = 0;
    let mut seen = Vec::new();
    let newest = place.app.store.look_for_news().await.unwrap();
    while after < newest {
        let page = place.app.store.events_after(after, Some(study.id), 2).await.unwrap();
        assert!(page.last > after && page.events.len() <= 2);
        seen.extend(page.events);
        after = page.last;
    }
    assert!(seen.is_sorted_by_key(|(id, _)| *id));
    let queued = seen.iter().filter(|(_, live)| live.state == RunState::Queued).count();
    assert_eq!(queued, 3);
    let told: Vec<_> = seen.iter().filter_map(|(_, live)| live.stamped.clone()).collect();
    assert_eq!(told, events(6, End::Pretrained));
    assert_eq!(seen.last().unwrap().1.state, RunState::Done);
    assert!(seen.iter().all(|(_, live)| other.runs.iter().all(|run| run.id != live.run)));
}

#[tokio::test]
async fn a_study_that_is_going_on_is_not_deleted() {
    let place = Place::new().await;
    let study = create(&place.app, micro("delete", 5)).await;
    let refused = place.app.store.delete_study(study.id).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "3 runs of the study are queued or running; cancel the study first"
    );
    place.app.cancel_study(study.id).await.unwrap();
    place.app.delete_study(study.id).await.unwrap();
    let gone = place.app.store.get_study(study.id).await.unwrap_err();
    assert!(matches!(gone, StoreError::NotFound { .. }), "{gone}");
    assert_eq!(place.app.store.events_after(0, None, 10).await.unwrap().events, []);
}
