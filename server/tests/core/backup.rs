//! Backups of data folders in use, and what is restored from them.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use engine::files::{EVENTS, LAST_CHECKPOINT, RESUME};
use server::{
    App, backup, clock::Clock, data_dir::DataDir, doctor, queue::ingest, run_folder::RunFolder,
    store::queue::RunningRun,
};
use sha2::Digest;
use shared::{RunEvent, RunId, RunState, Stamped, StudyId};
use sqlx::Connection;

use crate::{
    cli::{failure, success, write_study},
    support::{End, Place, as_lines, create, events, look_until, micro, probed},
};

/// Makes a backup and restores it into a new folder beside it.
async fn copied(data: &Path, place: &Path, name: &str) -> (backup::restore::Restored, PathBuf) {
    let file = place.join(format!("{name}.tar.zst"));
    let data_dir = DataDir::existing(data).unwrap();
    backup::take(&data_dir, &file, true, &Clock::system(), ()).await.unwrap();
    let root = place.join(name);
    let restored = backup::restore(&file, &root, &Clock::system(), ()).await.unwrap();
    (restored, root)
}

async fn all_events(app: &App, run: RunId) -> Vec<Stamped> {
    app.store.run_events(run, 0, 1_000_000, &[]).await.unwrap()
}

/// Names of what is in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A run that is written to as a worker and a scheduler do.
struct Written {
    run: RunningRun,
    folder: RunFolder,
    lines: Vec<u8>,
    at: usize,
}

impl Written {
    /// Writes a part of a line or several, and takes in what is whole. `true` when the run has ended.
    async fn step(&mut self, app: &App) -> bool {
        let part = 1 + self.at % 397;
        let next = &self.lines[self.at..self.lines.len().min(self.at + part)];
        let mut file =
            File::options().create(true).append(true).open(self.folder.events_file()).unwrap();
        file.write_all(next).unwrap();
        self.at += next.len();
        let state = ingest::take_in(&app.store, &self.folder, &mut self.run, 3).await.unwrap();
        state != Some(RunState::Running)
    }
}

/// Creates studies, starts and finishes runs, queues runs again and deletes studies, until it is told to stop. Returns how many runs it
/// finished.
async fn use_folder(app: App, model: PathBuf, stop: Arc<AtomicBool>, finished: Arc<AtomicUsize>) {
    let mut old: Vec<StudyId> = Vec::new();
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let study = create(&app, probed(micro(&format!("load {round}"), 5), &[0])).await;
        let ready = app.store.next_ready(&[]).await.unwrap().unwrap();
        let folder = RunFolder::new(app.data_dir.folder(&ready.folder));
        fs::create_dir_all(folder.path()).unwrap();
        folder.prepare(&order_of(&ready), None, ready.attempt).unwrap();
        assert!(app.store.start_run(ready.key, "cpu", 1).await.unwrap());
        let run = app.store.running().await.unwrap().pop().unwrap();
        let end = if round % 3 == 0 { End::None } else { End::Pretrained };
        let lines = as_lines(&events(60, end)).into_bytes();
        let mut written = Written { run, folder, lines, at: 0 };
        // What a finished run has is there before it says so.
        for name in [LAST_CHECKPOINT, "manifest.json"] {
            fs::copy(model.join(name), written.folder.path().join(name)).unwrap();
        }
        while written.at < written.lines.len() && !written.step(&app).await {
            tokio::task::yield_now().await;
        }
        if end == End::None {
            app.store
                .end_run(written.run.key, RunState::Interrupted, Some("test"), 4)
                .await
                .unwrap();
            app.retry_run(written.run.run).await.unwrap();
            written.folder.prepare(&order_of(&ready), None, ready.attempt + 1).unwrap();
        } else {
            finished.fetch_add(1, Ordering::Relaxed);
        }
        app.cancel_study(study.id).await.unwrap();
        old.push(study.id);
        if old.len() > 3 {
            app.delete_study(old.remove(0)).await.unwrap();
        }
    }
}

fn order_of(ready: &server::store::queue::ReadyRun) -> shared::RunOrder {
    shared::RunOrder {
        run: ready.run,
        kind: ready.kind,
        digest: ready.digest.clone(),
        settings: ready.settings.clone(),
        source: shared::run::DataSource::Builtin,
        encoder: None,
        restorer: None,
        program: "test".into(),
    }
}

/// What must hold for every data folder that was restored.
async fn is_whole(root: &Path) -> usize {
    let app = Place::at(root).await;
    let findings = doctor::examine(&app).await.unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
    let runs = app.store.stored_runs().await.unwrap();
    let mut folders = BTreeSet::new();
    for run in &runs {
        assert_ne!(run.state, RunState::Running, "nothing trains there");
        let folder = app.data_dir.folder(&run.folder);
        let row = app.store.get_run(run.run).await.unwrap();
        assert!(folder.is_dir() || row.started_at.is_none(), "{row:?}");
        if !folder.is_dir() {
            continue;
        }
        folders.insert(run.folder.strip_prefix("runs/").unwrap().to_owned());
        let kept = all_events(&app, run.run).await;
        assert!(kept.iter().zip(1..).all(|(event, seq)| event.seq == seq), "{run:?}");
        let Ok(text) = fs::read_to_string(folder.join(EVENTS)) else {
            assert!(kept.is_empty());
            continue;
        };
        assert!(text.is_empty() || text.ends_with('\n'), "a torn line of {run:?}");
        let lines: Vec<Stamped> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if row.started_at.is_some() {
            assert_eq!(kept, lines, "exactly once: {row:?}");
        }
    }
    assert_eq!(names(&root.join("runs")), folders, "no folder without its run");
    app.store.close().await;
    runs.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_copy_of_a_folder_in_use_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // Real checkpoints.
    let study = write_study(folder.path(), &probed(micro("real", 2), &[0]));
    success(folder.path(), &["run", &study, "--data-dir", &data.display().to_string()]);
    let app = Place::at(&data).await;
    let model = app.store.stored_runs().await.unwrap();
    let model = app.data_dir.folder(&model[0].folder);
    let stop = Arc::new(AtomicBool::new(false));
    let finished = Arc::new(AtomicUsize::new(0));
    let writer = tokio::spawn(use_folder(app.clone(), model, stop.clone(), finished.clone()));
    let mut most = 0;
    // However slow the writer is, copies are made while it works.
    for at in 0.. {
        if at >= 6 && finished.load(Ordering::Relaxed) > 3 && most > 2 {
            break;
        }
        let (_, root) = copied(&data, folder.path(), &format!("copy-{at}")).await;
        most = is_whole(&root).await.max(most);
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    // What is deleted while a copy is made goes with the next removal after it.
    app.remove_files(app.store.removals().await.unwrap()).await.unwrap();
    assert!(app.store.removals().await.unwrap().is_empty(), "what was deleted meanwhile is gone");
    is_whole(&data).await;
}

#[tokio::test]
async fn a_run_that_trained_is_interrupted_and_goes_on_elsewhere() {
    let place = Place::new().await;
    let mut spec = probed(micro("moves", 400), &[1]);
    spec.settings.pretrain.checkpoint_every = 40;
    let whole = create(&place.app, spec.clone()).await;
    let broken = create(&place.app, spec).await;
    let mut scheduler = place.real_scheduler();
    look_until(&mut scheduler, &place.app, whole.runs[0].id, |run| run.state == RunState::Done)
        .await;
    let (run, folder) = (broken.runs[0].id, place.run_folder(&broken.runs[0]));
    look_until(&mut scheduler, &place.app, run, |run| {
        assert!(!run.state.is_over(), "{run:?}");
        folder.path().join(RESUME).exists()
    })
    .await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (restored, root) = copied(place.folder.path(), elsewhere.path(), "copy").await;
    assert_eq!(restored.interrupted, 1);
    look_until(&mut scheduler, &place.app, broken.runs[1].id, |run| run.state.is_over()).await;
    let expected = fs::read(place.run_folder(&whole.runs[0]).path().join(LAST_CHECKPOINT)).unwrap();
    drop(scheduler);
    place.app.store.close().await;
    // Nothing there may need the old folder.
    fs::remove_dir_all(place.folder.path()).unwrap();
    fs::create_dir(place.folder.path()).unwrap();

    let app = Place::at(&root).await;
    let row = app.store.get_run(run).await.unwrap();
    assert_eq!(row.state, RunState::Interrupted);
    insta::assert_snapshot!(row.error.unwrap(), @"it was training when the backup was made from which this data folder was restored");
    let kept = row.progress.seq;
    app.retry_run(run).await.unwrap();
    let mut scheduler = Place::real_scheduler_of(&app);
    let last = look_until(&mut scheduler, &app, broken.runs[1].id, |run| run.state.is_over()).await;
    assert_eq!(last.state, RunState::Done, "{last:?}");
    let events = all_events(&app, run).await;
    assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    let started = events.iter().filter(|it| matches!(it.event, RunEvent::Started { .. })).count();
    assert_eq!(started, 1, "it goes on instead of beginning anew");
    assert!(events.len() as u64 > kept);
    let folder = app.data_dir.folder(&app.store.run_folder(run).await.unwrap());
    assert!(fs::read(folder.join(LAST_CHECKPOINT)).unwrap() == expected, "to the same weights");
    app.store.close().await;
    let data = root.display().to_string();
    success(elsewhere.path(), &["replay", &run.to_string(), "--data-dir", &data]);
    is_whole(&root).await;
}

#[tokio::test]
async fn what_is_deleted_while_a_backup_is_made_stays_until_its_end() {
    let place = Place::new().await;
    let study = create(&place.app, micro("deleted", 2)).await;
    place.app.cancel_study(study.id).await.unwrap();
    let folder = place.run_folder(&study.runs[0]);
    fs::create_dir_all(folder.path()).unwrap();
    let lock = place.app.data_dir.backup_lock().unwrap();
    lock.lock_shared().unwrap();
    place.app.delete_study(study.id).await.unwrap();
    assert!(folder.path().exists());
    assert!(!place.app.store.removals().await.unwrap().is_empty());
    drop(lock);
    let elsewhere = tempfile::tempdir().unwrap();
    let (_, root) = copied(place.folder.path(), elsewhere.path(), "copy").await;
    assert!(!folder.path().exists(), "the end of a backup removes it");
    assert!(place.app.store.removals().await.unwrap().is_empty());
    is_whole(&root).await;
}

/// A small data folder with a study whose first run has a folder with these files; closed.
async fn small(folder: &Path, files: &[(&str, &[u8])]) -> PathBuf {
    let data = folder.join("data");
    let app = Place::at(&data).await;
    let study = create(&app, micro("small", 2)).await;
    app.cancel_study(study.id).await.unwrap();
    let run = app.data_dir.runs().join(study.runs[0].id.to_string());
    fs::create_dir_all(&run).unwrap();
    for (name, content) in files {
        fs::write(run.join(name), content).unwrap();
    }
    app.store.close().await;
    data
}

/// Bytes that do not become smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// An archive of these entries: type, name and content.
fn archive(path: &Path, entries: &[(tar::EntryType, &str, &[u8])]) {
    let mut tar = tar::Builder::new(zstd::Encoder::new(File::create(path).unwrap(), 1).unwrap());
    for (kind, name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        // Names that the library would not write.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if *kind != tar::EntryType::Regular {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}

#[tokio::test]
async fn what_is_not_a_whole_backup_is_refused_in_words_and_leaves_nothing() {
    use tar::EntryType::{Link, Regular, Symlink};
    let folder = tempfile::tempdir().unwrap();
    let data = small(folder.path(), &[("notes.bin", &noise(300_000))]).await;
    let path = |name: &str| folder.path().join(name);
    let said = |file: &Path| {
        let (file, to) = (file.display().to_string(), path("new").display().to_string());
        let said = failure(folder.path(), &["restore", &file, "--data-dir", &to]);
        assert!(!path("new").exists(), "nothing stays after: {said}");
        said.strip_prefix("error: FOLDER/x.tar.zst cannot be restored: ")
            .map_or(said.clone(), Into::into)
    };
    let good = path("good.tar.zst");
    let arguments =
        ["backup", &good.display().to_string(), "--data-dir", &data.display().to_string()];
    success(folder.path(), &arguments);
    let whole = fs::read(&good).unwrap();
    let bad = path("x.tar.zst");
    for (length, words) in [
        (0, "it is not a backup of maskdoor"),
        (20, "it is not a backup of maskdoor"),
        (whole.len() / 2, "it is cut off"),
        (whole.len() - 600, "it is cut off"),
    ] {
        fs::write(&bad, &whole[..length]).unwrap();
        let said = said(&bad);
        assert!(said.starts_with(words), "{length} of {}: {said}", whole.len());
    }
    fs::write(&bad, "not an archive at all").unwrap();
    assert!(said(&bad).starts_with("it is not a backup of maskdoor"));

    // Every byte counts: those of the content by their hashes.
    let mut plain = zstd::decode_all(&whole[..]).unwrap();
    let at = plain.len() - 200_000;
    plain[at] ^= 1;
    fs::write(&bad, zstd::encode_all(&plain[..], 1).unwrap()).unwrap();
    assert!(said(&bad).contains("is damaged: its hash or size is not that of the manifest"));

    let header = |more: &str| {
        format!(
            r#"{{"format":1,"program":"9.8.7","tables":10,"made_at":1,"studies":0,"runs":0,"bytes":9,"without_checkpoints":false{more}}}"#
        )
    };
    let (known, manifest) = (header(""), br#"{"files":{},"names":{}}"#);
    let begin = (Regular, "backup.json", known.as_bytes());
    let end = (Regular, "manifest.json", &manifest[..]);
    let mut told = String::new();
    let newer = known.replace(r#""format":1"#, r#""format":2,"other":[]"#);
    let later = known.replace(r#""tables":10"#, r#""tables":99"#);
    let named = br#"{"files":{"maskdoor.sqlite":{"bytes":1,"sha256":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}},"names":{"../x":"maskdoor.sqlite"}}"#;
    for entries in [
        &[(Regular, "run.json", &b"{}"[..])][..],
        &[(Regular, "backup.json", newer.as_bytes())],
        &[(Regular, "backup.json", later.as_bytes()), end],
        &[begin, (Regular, "../outside", b"x"), end],
        &[begin, (Regular, "/tmp/outside", b"x"), end],
        &[begin, (Symlink, "keys/a.png", b""), end],
        &[begin, (Link, "keys/a.png", b""), end],
        &[begin, (Regular, "run.sh", b"x"), end],
        &[begin, (Regular, "keys/a.png", b"x"), end],
        &[begin, end],
        &[begin, end, (Regular, "keys/a.png", b"x")],
        &[begin, (Regular, "maskdoor.sqlite", b"x"), (Regular, "manifest.json", named)],
    ] {
        archive(&bad, entries);
        told += &said(&bad);
    }
    let known = format!("up to {}.", server::store::snapshot::TABLES);
    let told = told.replace(server::VERSION, "VERSION").replace(&known, "up to KNOWN.");
    insta::assert_snapshot!(told);
    assert_eq!(
        names(folder.path()),
        ["data", "good.tar.zst", "x.tar.zst"].map(String::from).into()
    );
}

#[tokio::test]
async fn a_database_that_names_files_elsewhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = small(folder.path(), &[]).await;
    let app = Place::at(&data).await;
    let png = [7; 4];
    let key = shared::api::KeyInfo {
        id: "a".repeat(64),
        name: "mine".into(),
        sha256: "a".repeat(64),
        width: 1,
        height: 1,
        builtin: false,
    };
    app.store.insert_key(&key, 1).await.unwrap();
    fs::write(app.data_dir.key_file(&key.sha256), png).unwrap();
    let picture = shared::api::PictureInfo {
        id: "b".repeat(64),
        name: "a photograph".into(),
        width: 1,
        height: 1,
        added_at: 1,
    };
    let file = app.data_dir.picture_file(&picture.id);
    app.store.insert_picture(&picture, &app.data_dir.below(&file)).await.unwrap();
    fs::write(file, png).unwrap();
    app.store.close().await;
    let good = fs::read(data.join("maskdoor.sqlite")).unwrap();
    let (bad, to) = (folder.path().join("x.tar.zst"), folder.path().join("new"));
    let mut told = String::new();
    for change in [
        "UPDATE runs SET folder = '../x' WHERE key = 1",
        "UPDATE runs SET folder = '/tmp/x' WHERE key = 1",
        "UPDATE keys SET sha256 = '../../x'",
        "UPDATE pictures SET sha256 = '../../x'",
        "INSERT INTO removals (path) VALUES ('../x')",
        "UPDATE runs SET study_name = 'harmless'",
    ] {
        let file = folder.path().join("changed.sqlite");
        fs::write(&file, &good).unwrap();
        let mut database =
            sqlx::SqliteConnection::connect(&file.display().to_string()).await.unwrap();
        sqlx::query(change).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
        let content = fs::read(&file).unwrap();
        let header = r#"{"format":1,"program":"9.8.7","tables":10,"made_at":1,"studies":0,"runs":0,"bytes":9,"without_checkpoints":false}"#;
        let manifest = format!(
            r#"{{"files":{{"maskdoor.sqlite":{{"bytes":{},"sha256":"{:x}"}}}},"names":{{}}}}"#,
            content.len(),
            sha2::Sha256::digest(&content)
        );
        archive(
            &bad,
            &[
                (tar::EntryType::Regular, "backup.json", header.as_bytes()),
                (tar::EntryType::Regular, "maskdoor.sqlite", &content),
                (tar::EntryType::Regular, "manifest.json", manifest.as_bytes()),
            ],
        );
        if change.contains("harmless") {
            backup::restore(&bad, &to, &Clock::system(), ()).await.unwrap();
        } else {
            let error = backup::restore(&bad, &to, &Clock::system(), ()).await.unwrap_err();
            told += &error.to_string().replace(&bad.display().to_string(), "FILE");
            told.push('\n');
            assert!(!to.exists(), "nothing stays");
        }
    }
    insta::assert_snapshot!(told, @r#"
    FILE cannot be restored: its database names "../x/run.json", which no backup has
    FILE cannot be restored: its database names "/tmp/x/run.json", which no backup has
    FILE cannot be restored: its database names "keys/../../x.png", which no backup has
    FILE cannot be restored: its database names "pictures/../../x.png", which no backup has
    FILE cannot be restored: its database names "../x", which no backup has
    "#);
}

#[tokio::test]
async fn an_own_picture_comes_back_with_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let data = small(folder.path(), &[]).await;
    let app = Place::at(&data).await;
    let file = engine::keys::builtin("glyph").unwrap().file;
    let picture = shared::api::PictureInfo {
        id: format!("{:x}", sha2::Sha256::digest(file)),
        name: "a photograph".into(),
        width: 224,
        height: 224,
        added_at: 1,
    };
    let path = app.data_dir.picture_file(&picture.id);
    fs::write(&path, file).unwrap();
    app.store.insert_picture(&picture, &app.data_dir.below(&path)).await.unwrap();
    app.store.close().await;
    let (_, copy) = copied(&data, folder.path(), "copy").await;
    let app = Place::at(&copy).await;
    assert_eq!(app.store.list_pictures().await.unwrap(), std::slice::from_ref(&picture));
    assert_eq!(fs::read(app.data_dir.picture_file(&picture.id)).unwrap(), file);
    let found = doctor::examine(&app).await.unwrap();
    assert!(found.iter().all(|one| one.subject != doctor::Subject::Picture), "{found:?}");
    app.store.close().await;
}

#[tokio::test]
async fn a_backup_is_restored_into_a_new_or_empty_folder_only() {
    let folder = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8]); 3] =
        [("checkpoint-0002.safetensors", b"weights"), ("run.json", b"{}"), ("worker.lock", b"1")];
    let data = small(folder.path(), &files).await;
    let run = fs::read_dir(data.join("runs")).unwrap().next().unwrap().unwrap().path();
    fs::hard_link(run.join(files[0].0), run.join(LAST_CHECKPOINT)).unwrap();
    fs::write(data.join("audit.log"), "{\"at\":1}\n{\"at\"").unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let backup = |more: &[&str]| {
        let (file, data) = (path("a.tar.zst"), path("data"));
        let arguments = [&["backup", &file, "--data-dir", &data], more].concat();
        success(folder.path(), &arguments)
    };
    let restore =
        |to: &str| ["restore".to_owned(), path("a.tar.zst"), "--data-dir".into(), path(to)];
    let restored = |to: &str| {
        let arguments = restore(to);
        success(folder.path(), &arguments.each_ref().map(String::as_str))
    };
    let refused = |to: &str| {
        let arguments = restore(to);
        failure(folder.path(), &arguments.each_ref().map(String::as_str))
    };
    let said = backup(&[]);
    assert!(said.contains("a.tar.zst: 1 studies, 3 runs, 5 files; "), "{said}");
    insta::assert_snapshot!(refused("data"), @"error: FOLDER/data is not empty (it has audit.log); restore into a new or an empty folder");
    fs::create_dir_all(folder.path().join("broken/restore.part")).unwrap();
    insta::assert_snapshot!(refused("broken"), @"error: FOLDER/broken holds restore.part, from a restore that goes on or was broken off: wait for it, or delete it");
    insta::assert_snapshot!(refused("a.tar.zst"), @"error: FOLDER/a.tar.zst is not a folder; choose a new or an empty one");
    fs::create_dir_all(folder.path().join("disk/lost+found")).unwrap();
    let said = restored("disk");
    assert!(said.contains("disk: 1 studies, 3 runs, 5 files"), "{said}");
    let inner = folder.path().join("disk/runs").join(run.file_name().unwrap());
    let expected = ["checkpoint-0002.safetensors", LAST_CHECKPOINT, "run.json"];
    assert_eq!(names(&inner), expected.map(String::from).into());
    assert_eq!(fs::read(inner.join(LAST_CHECKPOINT)).unwrap(), b"weights");
    assert_eq!(fs::read_to_string(folder.path().join("disk/audit.log")).unwrap(), "{\"at\":1}\n");

    backup(&["--without-checkpoints"]);
    let said = restored("small");
    assert!(said.contains("The backup has no checkpoints of runs"), "{said}");
    assert_eq!(
        names(&folder.path().join("small/runs").join(run.file_name().unwrap())),
        ["run.json".to_owned()].into()
    );

    let refused = |file: &str, data: &str| {
        failure(folder.path(), &["backup", &path(file), "--data-dir", &path(data)])
    };
    insta::assert_snapshot!(refused("b.tar.zst", "none"), @"error: FOLDER/none is not a data folder: it has no maskdoor.sqlite; name the data folder with --data-dir");
    insta::assert_snapshot!(refused("data", "data"), @"error: FOLDER/data is a folder; name a file in it, such as maskdoor.tar.zst");
    insta::assert_snapshot!(refused("none/b.tar.zst", "data"), @"error: FOLDER/none is not a folder; make it, or choose another place");
}

#[tokio::test]
async fn a_full_disk_leaves_no_part_of_a_backup_and_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let data = small(folder.path(), &[("notes.bin", &noise(3 << 20))]).await;
    let place = folder.path().join("place");
    fs::create_dir(&place).unwrap();
    let file = place.join("a.tar.zst");
    fs::write(&file, "the one before").unwrap();
    // What a backup that was killed left, and somebody else's.
    fs::create_dir(place.join("a.tar.zst.12-1.part")).unwrap();
    fs::write(place.join("a.tar.zst.12-2.part"), "").unwrap();
    fs::write(place.join("b.tar.zst.12-2.part"), "").unwrap();
    // A write beyond the limit is an error then, as on a full disk: for the copy of the database, and for the backup.
    for (blocks, words) in [(100, "the database cannot be copied"), (4096, "a.tar.zst")] {
        let script = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" backup \"$1\" --data-dir \"$2\""
        );
        let output = std::process::Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_maskdoor")])
            .args([&file, &data])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{said}");
        assert_eq!(names(&place), ["a.tar.zst", "b.tar.zst.12-2.part"].map(String::from).into());
        assert_eq!(fs::read_to_string(&file).unwrap(), "the one before");
    }
    let (from, to) = (file.display().to_string(), data.display().to_string());
    success(folder.path(), &["backup", &from, "--data-dir", &to]);

    let limited = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" restore \"$1\" --data-dir \"$2\"";
    let output = std::process::Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_maskdoor")])
        .args([&file, &folder.path().join("new")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!folder.path().join("new").exists());
}

#[tokio::test]
async fn a_removed_checkpoint_s_name_is_not_taken_while_a_backup_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let study = write_study(folder.path(), &probed(micro("import", 2), &[0]));
    success(folder.path(), &["run", &study, "--data-dir", &data.display().to_string()]);
    let app = Place::at(&data).await;
    let run = app.store.stored_runs().await.unwrap()[0].folder.clone();
    let import = || {
        let path = app.data_dir.folder(&run).join(LAST_CHECKPOINT).display().to_string();
        let request =
            shared::api::ImportCheckpoint { name: "mae".into(), path, ..Default::default() };
        app.import_checkpoint(request)
    };
    import().await.unwrap();
    let lock = app.data_dir.backup_lock().unwrap();
    lock.lock_shared().unwrap();
    app.remove_import("mae").await.unwrap();
    let refused = import().await.unwrap_err().to_string();
    assert!(
        refused.starts_with("name: a backup is being made that has the checkpoint"),
        "{refused}"
    );
    drop(lock);
    import().await.unwrap();
    let (_, root) = copied(&data, folder.path(), "copy").await;
    assert!(root.join("checkpoints/mae").join(LAST_CHECKPOINT).exists());
    is_whole(&root).await;
}
