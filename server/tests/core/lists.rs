//! Lists of runs, results and checkpoints: filters, sort orders, pages.

use server::store::{
    runs::{RunFilter, RunQuery, RunSort},
    studies::StudyQuery,
};
use shared::{RunKind, RunState, api::RunRow};

use crate::support::{End, Place, create, events, finish, metrics, micro, probed};

/// Three studies; the first one's runs are done.
async fn filled() -> Place {
    let place = Place::new().await;
    let first = create(&place.app, micro("100 % first", 5)).await;
    finish(&place, first.runs[0].id, None).await;
    finish(&place, first.runs[1].id, Some(metrics(61, 0, 80))).await;
    finish(&place, first.runs[2].id, Some(metrics(60, 85, 5))).await;
    let mut second = probed(micro("second", 5), &[2]);
    second.settings.seed = 7;
    create(&place.app, second).await;
    let mut third = micro("third", 5);
    third.settings.pretrain.poisons = 0;
    create(&place.app, third).await;
    place
}

async fn all(place: &Place, query: RunQuery) -> Vec<RunRow> {
    let page = place.app.store.list_runs(&RunQuery { limit: 100, ..query }).await.unwrap();
    assert_eq!(page.total, page.items.len() as u64);
    page.items
}

fn key(sort: RunSort, run: &RunRow) -> (bool, f64, String) {
    let share = |share: Option<f64>| (share.is_none(), share.unwrap_or(0.0), String::new());
    let number = |number: f64| (false, number, String::new());
    let text = |text: &str| (false, 0.0, text.to_owned());
    match sort {
        RunSort::Created => number(0.0),
        RunSort::Study => text(&run.study_name),
        RunSort::Kind => text(run.point.kind.as_str()),
        RunSort::Ppr => number(f64::from(run.point.ppr)),
        RunSort::Lpr => number(f64::from(run.point.lpr)),
        RunSort::Seed => number(run.point.seed as f64),
        RunSort::Ca => share(run.metrics.and_then(|m| m.ca.share())),
        RunSort::Asr => share(run.metrics.and_then(|m| m.asr.share())),
        RunSort::Ra => share(run.metrics.and_then(|m| m.ra.share())),
        RunSort::State => text(run.state.as_str()),
        RunSort::Strength => number(run.strength),
    }
}

#[tokio::test]
async fn every_order_is_an_order() {
    let place = filled().await;
    let made: Vec<_> = all(&place, RunQuery::default()).await;
    assert_eq!(made.len(), 8);
    for sort in RunSort::ALL {
        for descending in [false, true] {
            let mut expected = made.clone();
            if descending {
                expected.reverse();
            }
            expected.sort_by(|a, b| {
                let (a, b) = (key(sort, a), key(sort, b));
                let order = a.1.total_cmp(&b.1).then(a.2.cmp(&b.2));
                // Runs without a value come last in both directions.
                a.0.cmp(&b.0).then(if descending { order.reverse() } else { order })
            });
            let got = all(&place, RunQuery { sort, descending, ..RunQuery::default() }).await;
            let ids = |runs: &[RunRow]| runs.iter().map(|run| run.id).collect::<Vec<_>>();
            assert_eq!(ids(&got), ids(&expected), "{sort:?}, descending: {descending}");
        }
    }
}

#[tokio::test]
async fn filters_leave_what_was_asked_for() {
    let place = filled().await;
    let study = all(&place, RunQuery::default()).await[0].study;
    let text = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (RunFilter { study: Some(study), ..RunFilter::default() }, 3),
        (RunFilter { kind: Some(RunKind::Pretrain), ..RunFilter::default() }, 3),
        (RunFilter { state: Some(RunState::Done), ..RunFilter::default() }, 3),
        (RunFilter { state: Some(RunState::Failed), ..RunFilter::default() }, 0),
        (RunFilter { dataset: text("shapes"), ..RunFilter::default() }, 8),
        (RunFilter { dataset: text("cifar10"), ..RunFilter::default() }, 0),
        (RunFilter { trigger: text("blended"), ..RunFilter::default() }, 8),
        (RunFilter { trigger: text("blended stripes 0.40"), ..RunFilter::default() }, 8),
        (RunFilter { trigger: text("patched"), ..RunFilter::default() }, 0),
        (RunFilter { search: text("SECOND"), ..RunFilter::default() }, 2),
        // A percent sign is literal, not a wildcard.
        (RunFilter { search: text("0 % f"), ..RunFilter::default() }, 3),
        (RunFilter { search: text("%"), ..RunFilter::default() }, 3),
        (RunFilter { search: text("_"), ..RunFilter::default() }, 0),
        (
            RunFilter {
                kind: Some(RunKind::Probe),
                state: Some(RunState::Queued),
                ..RunFilter::default()
            },
            3,
        ),
    ] {
        let query = RunQuery { filter: filter.clone(), ..RunQuery::default() };
        assert_eq!(all(&place, query).await.len(), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn parts_make_the_whole() {
    let place = filled().await;
    let whole = all(&place, RunQuery { sort: RunSort::Asr, ..RunQuery::default() }).await;
    let mut parts = Vec::new();
    for offset in [0, 3, 6, 9] {
        let query = RunQuery { sort: RunSort::Asr, offset, limit: 3, ..RunQuery::default() };
        let page = place.app.store.list_runs(&query).await.unwrap();
        assert_eq!((page.total, page.offset), (8, offset));
        parts.extend(page.items);
    }
    assert_eq!(parts, whole);
}

#[tokio::test]
async fn studies_are_found_by_their_words() {
    let place = filled().await;
    let find = async |text: &str| {
        let query = StudyQuery { search: Some(text.into()), limit: 10, ..StudyQuery::default() };
        let page = place.app.store.list_studies(&query).await.unwrap();
        page.items.into_iter().map(|study| study.name).collect::<Vec<_>>()
    };
    assert_eq!(find("third").await, ["third"]);
    assert_eq!(find("stripes").await, ["third", "second", "100 % first"]);
    assert_eq!(find(" ").await.len(), 3);
    assert_eq!(find("nothing").await, [""; 0]);
}

#[tokio::test]
async fn figures_get_finished_classifiers_and_their_epochs() {
    let place = filled().await;
    let rows = place.app.store.compare(&[], 100).await.unwrap();
    let results: Vec<_> = rows.iter().map(|row| row.metrics.unwrap()).collect();
    assert_eq!(results, [metrics(61, 0, 80), metrics(60, 85, 5)]);
    assert!(
        rows.iter()
            .all(|row| row.progress.finished && row.progress.images_per_second == Some(20.5))
    );
    assert_eq!(place.app.store.compare(&[], 1).await.unwrap(), rows[1..]);
    let other =
        all(&place, RunQuery { sort: RunSort::Study, descending: true, ..RunQuery::default() })
            .await;
    assert_eq!(place.app.store.compare(&[other[0].study], 100).await.unwrap(), []);

    let epochs = place.app.store.evaluations(&[rows[0].id]).await.unwrap();
    let found: Vec<_> = epochs.iter().map(|at| (at.run, at.epoch)).collect();
    assert_eq!(found, [(rows[0].id, 2)]);
}

#[tokio::test]
async fn figures_see_what_finishes_and_what_goes() {
    let place = filled().await;
    assert_eq!(place.app.store.compare(&[], 100).await.unwrap().len(), 2);
    let late = create(&place.app, micro("late", 5)).await;
    let order = RunQuery { sort: RunSort::Created, ..RunQuery::default() };
    for run in all(&place, order).await {
        if run.study != late.id && !run.state.is_over() {
            place.app.store.cancel_run(run.id, 9).await.ok();
        }
    }
    finish(&place, late.runs[0].id, None).await;
    finish(&place, late.runs[1].id, Some(metrics(70, 7, 7))).await;
    assert_eq!(place.app.store.compare(&[], 100).await.unwrap().len(), 3);
    place.app.cancel_study(late.id).await.unwrap();
    place.app.delete_study(late.id).await.unwrap();
    assert_eq!(place.app.store.compare(&[], 100).await.unwrap().len(), 2);
}

#[tokio::test]
async fn checkpoints_come_newest_first() {
    let place = Place::new().await;
    let study = create(&place.app, micro("checkpoints", 5)).await;
    let running = place.started(study.runs[0].id).await;
    place.app.store.take_in(&running, &events(9, End::None), 900, 7).await.unwrap();
    let found = place.app.store.checkpoints(Some(study.id), 10).await.unwrap();
    let files: Vec<_> = found.iter().map(|at| at.file.as_str()).collect();
    assert_eq!(files, ["checkpoint-8.safetensors", "checkpoint-4.safetensors"]);
    assert_eq!(place.app.store.checkpoints(None, 1).await.unwrap(), found[..1]);
}
