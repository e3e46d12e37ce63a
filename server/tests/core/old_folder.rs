//! Data folders of earlier versions are upgraded once, with a copy of the database, and their contents keep their meaning; those of later
//! versions are refused.

use std::{fs, path::Path};

use engine::compute::Machine;
use server::{
    App, app::results::ResultQuery, backup, clock::Clock, data_dir::DataDir, ids::IdSource,
    queue::ingest::take_in_rest, run_folder::RunFolder,
};
use shared::{
    RunKind, RunState,
    param::Value,
    settings::{HeadInit, ProbeOptimizer},
};
use sqlx::{
    AssertSqlSafe, Connection, Row, SqlSafeStr, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::cli::failure;

/// The time in all tests here.
const NOW: u64 = 1_760_000_000_000;

/// The first tables; version 0.1 had those up to the fifth.
const TABLES: [(i64, &str, &str); 8] = [
    (1, "studies and runs", include_str!("../../migrations/0001_studies_and_runs.sql")),
    (2, "head init", include_str!("../../migrations/0002_head_init.sql")),
    (3, "imported checkpoints", include_str!("../../migrations/0003_imported_checkpoints.sql")),
    (4, "top-5 and k-NN", include_str!("../../migrations/0004_top5_and_knn.sql")),
    (5, "fine-tuning", include_str!("../../migrations/0005_finetune.sql")),
    (6, "run graph", include_str!("../../migrations/0006_run_graph.sql")),
    (7, "executors", include_str!("../../migrations/0007_executors.sql")),
    (8, "health", include_str!("../../migrations/0008_health.sql")),
];

/// A study as version 0.1 stored it.
const SPEC: &str = r#"{"name":"old","dataset":{"name":"shapes","train_per_class":50},"attack":{"target_class":0,
    "trigger":{"kind":"blended","ratio":0.3,"key":"stripes"}},"grid":{"ppr":[0,10],"lpr":[3],"seeds":[1,2]},
    "pretrain":{"epochs":40,"knn_every":2},"probe":{"optimizer":"adamw"}}"#;

async fn connect(folder: &Path) -> SqliteConnection {
    let file = folder.join("maskdoor.sqlite");
    SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap()
}

/// Makes the first `count` tables.
async fn migrate(database: &mut SqliteConnection, count: usize) {
    let step = |(number, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let first = TABLES[..count].iter().copied().map(step).collect();
    Migrator::with_migrations(first).run(database).await.unwrap();
}

/// Creates a folder of version 0.1 with one study: an attacked pre-training of seed 2 and its probe, both done.
async fn old(folder: &Path) {
    let mut database = connect(folder).await;
    migrate(&mut database, 5).await;
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
    let clock = Clock::fixed(NOW);
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
    let Some(samples) = std::env::var_os("MASKDOOR_SAMPLE_DATA") else {
        eprintln!("skipped: MASKDOOR_SAMPLE_DATA names no folder with maskdoor-0.1-folder.tar.zst");
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let archive = fs::File::open(Path::new(&samples).join("maskdoor-0.1-folder.tar.zst")).unwrap();
    let files = zstd::Decoder::new(archive).unwrap();
    tar::Archive::new(files).unpack(place.path()).unwrap();
    let folder = place.path().join("maskdoor-0.1/data");

    // A backup by this version upgrades the copy, not the folder.
    let old = fs::read(folder.join("maskdoor.sqlite")).unwrap();
    let (file, other) = (place.path().join("old.tar.zst"), place.path().join("other"));
    let clock = Clock::fixed(NOW);
    backup::take(&DataDir::existing(&folder).unwrap(), &file, true, &clock, ()).await.unwrap();
    assert!(fs::read(folder.join("maskdoor.sqlite")).unwrap() == old);
    let restored = backup::restore(&file, &other, &clock, ()).await.unwrap();
    assert_eq!((restored.header.tables, restored.header.runs), (5, 54));
    assert!(other.join("maskdoor.0.1.sqlite").exists());

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
    // As restoring does.
    let why = "it was training when the backup was made from which this data folder was restored";
    for mut run in app.store.running().await.unwrap() {
        let files = RunFolder::new(app.data_dir.folder(&run.folder));
        take_in_rest(&app.store, &files, &mut run, why, NOW).await.unwrap();
    }
    let upgraded = content(&app).await;
    app.store.close().await;
    same(&content_of(&other).await, &upgraded);
    same(&content_of_copy(&folder, place.path()).await, &upgraded);
}

/// Everything that a data folder says: studies, runs with settings and metrics, events.
async fn content(app: &App) -> Vec<String> {
    let query = server::store::studies::StudyQuery { limit: 100, ..Default::default() };
    let studies = app.store.list_studies(&query).await.unwrap();
    let mut told = Vec::new();
    for study in &studies.items {
        let detail = app.store.get_study(study.id).await.unwrap();
        told.push(format!("{study:?} {detail:?}"));
    }
    let query = ResultQuery { limit: 1000, ..ResultQuery::default() };
    for row in app.list_results(query).await.unwrap().items {
        let events = app.store.run_events(row.run, 0, 100_000, &[]).await.unwrap();
        told.push(format!("{row:?} {events:?}"));
    }
    told.push(format!("{:?}", app.store.list_datasets().await.unwrap()));
    told.push(format!("{:?}", app.store.list_keys().await.unwrap()));
    told.push(format!("{:?}", app.store.list_tokens().await.unwrap()));
    told
}

/// Compares two contents part by part: a whole one is too long to be read.
fn same(one: &[String], other: &[String]) {
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one, other);
    }
}

async fn content_of(folder: &Path) -> Vec<String> {
    let app = open(folder).await;
    let told = content(&app).await;
    app.store.close().await;
    told
}

/// What a folder says after a backup of it was restored in another place.
async fn content_of_copy(folder: &Path, place: &Path) -> Vec<String> {
    let (file, to) = (place.join("copy.tar.zst"), place.join("copy"));
    let (data, clock) = (DataDir::existing(folder).unwrap(), Clock::fixed(NOW));
    backup::take(&data, &file, true, &clock, ()).await.unwrap();
    backup::restore(&file, &to, &clock, ()).await.unwrap();
    content_of(&to).await
}

/// Dumps of databases with every version of the tables that was released since, and of the present one, as `sqlite3 FILE .dump` writes them.
#[tokio::test]
async fn dumps_of_every_version_are_opened_and_say_the_same_after_a_backup() {
    let dumps = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/core/folders");
    let mut opened = 0;
    for dump in fs::read_dir(dumps).unwrap() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data");
        fs::create_dir(&folder).unwrap();
        let mut database = connect(&folder).await;
        let text = fs::read_to_string(dump.unwrap().path()).unwrap();
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
        let app = open(&folder).await;
        assert!(app.store.broken_references().await.unwrap().is_empty());
        let all = ResultQuery { filter: Some("ca >= 0".into()), limit: 9, ..Default::default() };
        assert!(app.list_results(all).await.unwrap().total > 0, "a result that can be filtered");
        let told = content(&app).await;
        app.store.close().await;
        assert!(told.iter().any(|part| part.contains("Finished")), "events");
        assert!(told.iter().any(|part| part.contains("robot")), "a token");
        same(&content_of_copy(&folder, place.path()).await, &told);
        opened += 1;
    }
    assert!(opened > 0);
}

#[tokio::test]
async fn every_upgrade_keeps_a_copy_and_the_oldest_go() {
    let place = tempfile::tempdir().unwrap();
    let mut database = connect(place.path()).await;
    migrate(&mut database, 8).await;
    database.close().await.unwrap();
    for version in ["0.1", "tables-6", "tables-7"] {
        fs::write(place.path().join(format!("maskdoor.{version}.sqlite")), version).unwrap();
    }
    let copies = || {
        let names = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| name.starts_with("maskdoor.") && name.ends_with(".sqlite"));
        names.retain(|name| name != "maskdoor.sqlite");
        names.sort();
        names
    };
    open(place.path()).await.store.close().await;
    let kept = ["maskdoor.tables-6.sqlite", "maskdoor.tables-7.sqlite", "maskdoor.tables-8.sqlite"];
    assert_eq!(copies(), kept);
    let copy = place.path().join(kept[2]);
    let first = fs::read(&copy).unwrap();
    open(place.path()).await.store.close().await;
    assert!(fs::read(&copy).unwrap() == first);

    // The copy is what it was before, and takes the place of the database.
    let file = place.path().join("maskdoor.sqlite");
    fs::copy(&copy, &file).unwrap();
    let mut database = connect(place.path()).await;
    let last: i64 = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(last, 8);
    database.close().await.unwrap();
    open(place.path()).await.store.close().await;
    assert_eq!(copies(), kept);
}

#[tokio::test]
async fn earlier_repairs_are_named_by_the_poisons_of_their_classifier() {
    let place = tempfile::tempdir().unwrap();
    let app = open(place.path()).await;
    let mut spec = crate::support::micro("repairs", 2);
    spec.runs = vec![RunKind::Defence];
    spec.axes = vec![shared::study::Axis::of("defence.method", ["fine_tuning", "strip"])];
    (spec.settings.finetune.poisons, spec.settings.defence.poisons) = (2, 1);
    let study = app.create_study(spec, true).await.unwrap();
    let labels = async |app: &App| -> Vec<String> {
        let runs = app.store.study_runs(study.id).await.unwrap();
        let defences = runs.iter().filter(|run| run.point.kind == RunKind::Defence);
        defences.map(|run| run.point.label()).collect()
    };
    let expected = ["defence, PPR 1, FPR 2, seed 1", "defence, PPR 1, LPR 1, seed 1"];
    assert_eq!(labels(&app).await, expected);
    app.store.close().await;

    // The tables, and the row, as they were before.
    let mut database = connect(place.path()).await;
    for sql in [
        "UPDATE runs SET lpr = 0 WHERE repairs = 1",
        "ALTER TABLE runs DROP COLUMN repairs",
        "ALTER TABLE deleted_runs DROP COLUMN repairs",
        "ALTER TABLE run_inputs DROP COLUMN role",
        "ALTER TABLE deleted_run_inputs DROP COLUMN role",
        "DROP TABLE pictures",
        "DROP INDEX runs_newest",
        "DELETE FROM _sqlx_migrations WHERE version >= 17",
    ] {
        sqlx::query(sql).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
    let app = open(place.path()).await;
    assert_eq!(labels(&app).await, expected);
    app.store.close().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_copied_is_not_upgraded() {
    let place = tempfile::tempdir().unwrap();
    let mut database = connect(place.path()).await;
    migrate(&mut database, 8).await;
    database.close().await.unwrap();
    fs::create_dir_all(place.path().join("maskdoor.tables-8.sqlite/in the way")).unwrap();
    let data = place.path().display().to_string();
    let said = failure(place.path(), &["doctor", "--data-dir", &data]);
    insta::assert_snapshot!(said, @"error: the database cannot be copied to FOLDER/maskdoor.tables-8.sqlite (Is a directory (os error 21)); it is unchanged");
    let mut database = connect(place.path()).await;
    let sql = "SELECT max(version) FROM _sqlx_migrations";
    let last: i64 = sqlx::query_scalar(sql).fetch_one(&mut database).await.unwrap();
    assert_eq!(last, 8);
    assert!(!place.path().join("maskdoor.tables-8.part").exists());
}

#[tokio::test]
async fn a_folder_of_a_later_version_is_refused_with_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let app = open(place.path()).await;
    app.store.close().await;
    let file = place.path().join("maskdoor.sqlite");
    let copy = place.path().join("maskdoor.tables-10.sqlite");
    fs::copy(&file, &copy).unwrap();
    let mut database = connect(place.path()).await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', 1, x'00', 0)";
    sqlx::query(later).execute(&mut database).await.unwrap();
    let noted: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut database).await.unwrap();
    assert!(noted > 0, "every version notes itself");
    sqlx::query("PRAGMA user_version = 2003004").execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    let before = fs::read(&file).unwrap();
    let data = place.path().display().to_string();
    let said = failure(place.path(), &["runs", "--data-dir", &data]);
    let known = format!("up to {}.", server::store::snapshot::TABLES);
    let general =
        |said: String| said.replace(server::VERSION, "VERSION").replace(&known, "up to KNOWN.");
    let said = general(said);
    insta::assert_snapshot!(said);
    let out = place.path().join("a.tar.zst").display().to_string();
    for command in [&["doctor"][..], &["backup", &out], &["serve", "--addr", "127.0.0.1:0"]] {
        let arguments = [command, &["--data-dir", &data]].concat();
        let other = general(failure(place.path(), &arguments));
        assert_eq!(other, said, "{command:?}");
    }
    assert!(fs::read(&file).unwrap() == before, "nothing is changed");
    fs::rename(&copy, &file).unwrap();
    open(place.path()).await.store.close().await;
}
