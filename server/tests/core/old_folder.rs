//! A data folder of version 0.1 is converted once, and its contents keep their meaning.

use std::{fs, path::Path};

use engine::compute::Machine;
use server::{App, app::results::ResultQuery, clock::Clock, ids::IdSource};
use shared::{
    RunKind, RunState,
    param::Value,
    settings::{HeadInit, ProbeOptimizer},
};
use sqlx::{
    Connection, Row, SqlSafeStr, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
};

/// The tables of version 0.1.
const TABLES: [(i64, &str, &str); 5] = [
    (1, "studies and runs", include_str!("../../migrations/0001_studies_and_runs.sql")),
    (2, "head init", include_str!("../../migrations/0002_head_init.sql")),
    (3, "imported checkpoints", include_str!("../../migrations/0003_imported_checkpoints.sql")),
    (4, "top-5 and k-NN", include_str!("../../migrations/0004_top5_and_knn.sql")),
    (5, "fine-tuning", include_str!("../../migrations/0005_finetune.sql")),
];

/// A study as version 0.1 stored it.
const SPEC: &str = r#"{"name":"old","dataset":{"name":"shapes","train_per_class":50},"attack":{"target_class":0,
    "trigger":{"kind":"blended","ratio":0.3,"key":"stripes"}},"grid":{"ppr":[0,10],"lpr":[3],"seeds":[1,2]},
    "pretrain":{"epochs":40,"knn_every":2},"probe":{"optimizer":"adamw"}}"#;

async fn connect(folder: &Path) -> SqliteConnection {
    let file = folder.join("maskdoor.sqlite");
    SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap()
}

/// Creates a folder of version 0.1 with one study: an attacked pre-training of seed 2 and its probe, both done.
async fn old(folder: &Path) {
    let mut database = connect(folder).await;
    let step = |(number, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(TABLES.map(step).to_vec()).run(&mut database).await.unwrap();
    let study = "01890000-0000-7000-8000-000000000001";
    sqlx::query("INSERT INTO studies (id, created_at, name, dataset, trigger_label, spec, classes) VALUES (?, 5, 'old', 'shapes', 'blended stripes 0.30', ?, '[\"a\",\"b\"]')")
        .bind(study)
        .bind(SPEC)
        .execute(&mut database)
        .await
        .unwrap();
    let encoder = "01890000-0000-7000-8000-00000000000a";
    for (id, parent, phase, lpr, ca) in [
        (encoder, None, "pretrain", 0, None),
        ("01890000-0000-7000-8000-00000000000b", Some(encoder), "probe", 3, Some(81)),
    ] {
        sqlx::query(
            "INSERT INTO runs (id, study, parent, study_name, dataset, trigger_kind, trigger_label, strength, optimizer, \
             phase, ppr, lpr, seed, epochs, created_at, queued_at, state, ca_hits, ca_total, asr_hits, asr_total, ra_hits, ra_total) \
             VALUES (?, ?, ?, 'old', 'shapes', 'blended', 'blended stripes 0.30', 0.3, 'adamw', ?, 10, ?, 2, 4, 5, 5, 'done', \
             ?6, CASE WHEN ?6 THEN 100 END, ?6, CASE WHEN ?6 THEN 100 END, ?6, CASE WHEN ?6 THEN 100 END)",
        )
        .bind(id)
        .bind(study)
        .bind(parent)
        .bind(phase)
        .bind(lpr)
        .bind(ca)
        .execute(&mut database)
        .await
        .unwrap();
    }
    sqlx::query("INSERT INTO events (run, seq, at, kind, state, body) VALUES (1, 1, 6, 'knn', 'running', ?)")
        .bind(r#"{"type":"knn","epoch":2,"metrics":{"ca":{"hits":1,"total":2},"asr":{"hits":1,"total":2},"ra":{"hits":1,"total":2}}}"#)
        .execute(&mut database)
        .await
        .unwrap();
    database.close().await.unwrap();
}

async fn open(folder: &Path) -> App {
    let clock = Clock::fixed(1_760_000_000_000);
    App::open(folder, Machine::with_threads(1), clock.clone(), IdSource::seeded(clock, 1))
        .await
        .unwrap()
}

#[tokio::test]
async fn runs_get_names_settings_and_inputs_and_keep_their_folders() {
    let place = tempfile::tempdir().unwrap();
    old(place.path()).await;
    let app = open(place.path()).await;
    let study = shared::StudyId::clone(
        &app.store
            .list_studies(&server::store::studies::StudyQuery { limit: 5, ..Default::default() })
            .await
            .unwrap()
            .items[0]
            .id,
    );
    let detail = app.store.get_study(study).await.unwrap();
    assert_eq!(detail.spec.runs, [RunKind::Knn, RunKind::Probe]);
    assert_eq!(detail.spec.values_of("pretrain.poisons"), [Value::from(0u32), 10u32.into()]);
    let [encoder, probe] = &detail.runs[..] else { panic!("{:?}", detail.runs) };
    assert_eq!((probe.parent, probe.state), (Some(encoder.id), RunState::Done));
    assert_eq!(
        (encoder.optimizer.map(ProbeOptimizer::as_str), encoder.head_init),
        (Some("adamw"), None)
    );
    assert_eq!(probe.head_init.map(HeadInit::as_str), Some("normal"), "the only kind in 0.1");
    assert_eq!(probe.varied["seed"], 2.0.into());
    let settings = app.store.run_settings(probe.id).await.unwrap();
    assert_eq!((settings.seed, settings.pretrain.poisons, settings.probe.poisons), (2, 10, 3));
    assert_eq!(
        app.store.run_folder(probe.id).await.unwrap(),
        format!("runs/{study}/{}", probe.id),
        "the files stay where they are"
    );
    assert_eq!(app.store.evaluations(&[encoder.id]).await.unwrap().len(), 1, "the events are kept");
    let query = ResultQuery {
        filter: Some("kind == \"probe\" && attack.trigger.ratio < 0.35 && ca > 80".into()),
        limit: 9,
        ..ResultQuery::default()
    };
    assert_eq!(app.list_results(query).await.unwrap().items[0].run, probe.id);

    // Runs of version 0.1 are not reused for runs of this version.
    let plan = app.plan(detail.spec, false).await.unwrap();
    assert!(plan.runs.iter().all(|run| run.reused.is_none()));
    app.store.close().await;

    // Converted once: the copy is the old database, and opening the folder again does not change it.
    let copy = place.path().join("maskdoor.0.1.sqlite");
    let first = fs::read(&copy).unwrap();
    let mut database =
        SqliteConnection::connect(&format!("sqlite://{}", copy.display())).await.unwrap();
    let phases = sqlx::query("SELECT phase FROM runs ORDER BY key").fetch_all(&mut database).await;
    let phases: Vec<String> = phases.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(phases, ["pretrain", "probe"]);
    database.close().await.unwrap();
    open(place.path()).await.store.close().await;
    assert!(fs::read(&copy).unwrap() == first);
}

#[tokio::test]
async fn a_new_folder_has_no_copy() {
    let place = tempfile::tempdir().unwrap();
    open(place.path()).await.store.close().await;
    open(place.path()).await.store.close().await;
    let names = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().contains("0.1")));
}

#[tokio::test]
async fn a_whole_folder_of_version_0_1_keeps_all_runs_curves_and_figures() {
    let archive =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/maskdoor-0.1-folder.tar.zst");
    if !archive.exists() {
        eprintln!("skipped: {} does not exist", archive.display());
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let unpacked = std::process::Command::new("tar")
        .args(["--zstd", "-xf"])
        .arg(&archive)
        .arg("-C")
        .arg(place.path())
        .status();
    if !unpacked.is_ok_and(|status| status.success()) {
        eprintln!("skipped: tar cannot unpack {}", archive.display());
        return;
    }
    let folder = place.path().join("maskdoor-0.1/data");
    let app = open(&folder).await;
    let all =
        app.list_results(ResultQuery { limit: 1000, ..ResultQuery::default() }).await.unwrap();
    assert_eq!((all.total, all.items.len()), (54, 54));
    let mut digests: Vec<_> = all.items.iter().map(|row| row.digest.clone()).collect();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 54, "each run has a distinct digest");
    let classifiers = app.store.compare(&[], 1000).await.unwrap();
    assert_eq!(classifiers.len(), 28 + 4, "those that had finished");
    for row in &all.items {
        let events = app.store.run_events(row.run, 0, 10_000, &[]).await.unwrap();
        assert_eq!(events.is_empty(), row.state == RunState::Queued, "{:?}", row.run);
        let run = app.data_dir.folder(&app.store.run_folder(row.run).await.unwrap());
        assert!(row.state != RunState::Done || run.join("manifest.json").exists());
    }
    app.store.close().await;
}
