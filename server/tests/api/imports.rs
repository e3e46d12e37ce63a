//! Imported checkpoints: import, export, studies that start from them, and reconstructions.

use std::{fs, path::PathBuf};

use axum::http::StatusCode;
use serde_json::{Value, json};
use server::doctor;
use shared::{RunId, api::ImportedCheckpoint, study::Axis};

use crate::{
    harness::{Answer, TestApp},
    pictures::png,
    reconstructions::{micro, trained},
};

/// A finished pre-training and the file to which its checkpoint was exported.
async fn exported(app: &TestApp, format: &str) -> (RunId, PathBuf) {
    let run = trained(app).await;
    let answer = app.get(&format!("/runs/{run}/export?format={format}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let path = app.root().join(format!("{format}.safetensors"));
    fs::write(&path, &answer.body).unwrap();
    (run, path)
}

async fn import(app: &TestApp, name: &str, path: &std::path::Path, more: Value) -> Answer {
    let mut body = json!({ "name": name, "path": path });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.post("/checkpoints/imported", &body).await
}

#[tokio::test]
async fn an_exported_checkpoint_comes_back_and_reconstructs_the_same() {
    let app = TestApp::new().await;
    let (run, path) = exported(&app, "mae").await;
    let added = import(&app, "mae", &path, json!({})).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text());
    let info: ImportedCheckpoint = serde_json::from_value(added.json()).unwrap();
    assert_eq!((info.model, info.has_decoder), (micro().settings.model, true));
    assert_eq!((info.source.as_str(), info.assumed.len()), ("mae.safetensors", 0));
    assert!(info.sha256.len() == 64 && info.parameters > 1000 && info.bytes > 4000);
    assert_eq!(app.get("/checkpoints/imported").await.json(), json!([added.json()]));
    assert_eq!(app.get("/checkpoints/imported/mae").await.json(), added.json());

    let mask = json!({ "kind": "random", "ratio": 0.5, "seed": 3 });
    let mut body = json!({ "run": run, "split": "test", "index": 7, "mask": mask });
    let of_run = app.post("/reconstructions", &body).await;
    body["imported"] = "mae".into();
    // Any run of the study determines the images and the trigger.
    let study = app.app.store.get_run(run).await.unwrap().study;
    body["run"] = json!(app.runs(study).await[1]);
    let of_import = app.post("/reconstructions", &body).await;
    assert_eq!(of_run.status, StatusCode::OK, "{}", of_run.text());
    assert_eq!(of_import.json(), of_run.json());
}

#[tokio::test]
async fn an_encoder_alone_says_that_it_cannot_reconstruct() {
    let app = TestApp::new().await;
    let (run, path) = exported(&app, "timm").await;
    let without_heads = import(&app, "timm", &path, json!({})).await;
    assert!(
        without_heads.problem().contains("give it with --heads"),
        "{}",
        without_heads.problem()
    );
    let added = import(&app, "timm", &path, json!({ "heads": 2, "image_size": 64 })).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text());
    assert_eq!(
        (&added.json()["has_decoder"], &added.json()["model"]["image_size"]),
        (&json!(false), &json!(64))
    );
    let body = json!({
        "run": run, "imported": "timm", "split": "test", "index": 7,
        "mask": { "kind": "random", "ratio": 0.5, "seed": 3 },
    });
    assert_eq!(
        app.post("/reconstructions", &body).await.problem(),
        "422 imported: timm has an encoder but no decoder, so it cannot reconstruct; linear probes can start from it\n  \
         imported: timm has an encoder but no decoder, so it cannot reconstruct; linear probes can start from it"
    );
}

#[tokio::test]
async fn hugging_faces_two_files_come_one_by_one() {
    let app = TestApp::new().await;
    let (_, path) = exported(&app, "mae").await;
    import(&app, "mae", &path, json!({})).await;
    let at = "/checkpoints/imported/mae/export?format=huggingface";
    let config = app.get(&format!("{at}&file=config.json")).await;
    assert_eq!(config.header("content-disposition"), "attachment; filename=\"config.json\"");
    assert_eq!(config.json()["hidden_size"], micro().settings.model.encoder.dim);
    let folder = app.root().join("hf");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("config.json"), &config.body).unwrap();
    fs::write(folder.join("model.safetensors"), &app.get(at).await.body).unwrap();
    let again = import(&app, "again", &folder.join("model.safetensors"), json!({})).await;
    assert_eq!(again.json()["model"], json!(micro().settings.model), "{}", again.text());
    for (query, problem) in [
        ("format=onnx", "a format is mae, huggingface or timm"),
        ("format=mae&file=config.json", "is one of checkpoint.safetensors"),
        ("format=mae&epoch=3", "applies only to the checkpoints of a run"),
    ] {
        let answer = app.get(&format!("/checkpoints/imported/mae/export?{query}")).await;
        assert!(answer.problem().contains(problem), "{query}: {}", answer.problem());
    }
}

#[tokio::test]
async fn what_cannot_be_imported_says_why_and_leaves_nothing() {
    let app = TestApp::new().await;
    let (_, path) = exported(&app, "mae").await;
    assert_eq!(import(&app, "mae", &path, json!({})).await.status, StatusCode::CREATED);
    let text = app.root().join("text.pth");
    fs::write(&text, "text").unwrap();
    for (what, answer, problem) in [
        (
            "a taken name",
            import(&app, "MAE", &path, json!({})).await,
            "there already is an imported checkpoint MAE",
        ),
        ("no name", import(&app, "../up", &path, json!({})).await, "takes 1 to 64 letters"),
        ("no file", import(&app, "x", "/no/such/file".as_ref(), json!({})).await, "/no/such/file"),
        ("a text", import(&app, "x", &text, json!({})).await, "it is a text"),
        (
            "odd heads",
            import(&app, "x", &path, json!({ "heads": 3 })).await,
            "cannot be divided into 3 heads",
        ),
        (
            "odd size",
            import(&app, "x", &path, json!({ "image_size": 30 })).await,
            "a multiple of the patch size 8",
        ),
    ] {
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{what}");
        assert!(answer.problem().contains(problem), "{what}: {}", answer.problem());
    }
    assert_eq!(app.get("/checkpoints/imported").await.json().as_array().unwrap().len(), 1);
    let kept: Vec<_> = fs::read_dir(app.root().join("checkpoints")).unwrap().collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
}

#[tokio::test]
async fn a_study_on_an_imported_encoder_only_probes_and_keeps_it() {
    let app = TestApp::new().await;
    let (_, path) = exported(&app, "mae").await;
    import(&app, "mae", &path, json!({})).await;
    let mut spec = micro();
    spec.settings.encoder = Some("MAE".into());
    spec.axes = vec![Axis::of("probe.poisons", [0u32, 2])];
    let made = app.post("/studies", &serde_json::to_value(&spec).unwrap()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let made = made.json();
    assert_eq!(made["spec"]["encoder"], "mae", "the name as it was imported");
    let phases: Vec<_> =
        made["runs"].as_array().unwrap().iter().map(|run| &run["point"]["kind"]).collect();
    assert_eq!(phases, ["probe", "probe"]);

    let refused = app.delete("/checkpoints/imported/mae").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.problem().contains("starts from mae"), "{}", refused.problem());

    for (encoder, depth, ppr, problem) in [
        ("none", 1, 0, "encoder: there is no imported checkpoint none"),
        ("mae", 2, 0, "encoder: mae has image_size 32"),
        ("mae", 1, 5, "pretrain.poisons: must be 0: an imported"),
    ] {
        let mut wrong = spec.clone();
        wrong.settings.encoder = Some(encoder.into());
        wrong.settings.model.encoder.depth = depth;
        wrong.settings.pretrain.poisons = ppr;
        let answer = app.post("/studies", &serde_json::to_value(&wrong).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.problem().contains(problem), "{}", answer.problem());
    }

    let id = made["id"].as_str().unwrap();
    app.post_empty(&format!("/studies/{id}/cancel")).await;
    assert_eq!(app.delete(&format!("/studies/{id}")).await.status, StatusCode::OK);
    assert_eq!(app.delete("/checkpoints/imported/mae").await.status, StatusCode::NO_CONTENT);
    assert!(!app.root().join("checkpoints/mae").exists() && path.exists());
}

#[tokio::test]
async fn only_written_checkpoints_of_pretrainings_are_exported() {
    let app = TestApp::new().await;
    let run = trained(&app).await;
    let study = app.app.store.get_run(run).await.unwrap().study;
    let probe = app.runs(study).await[1];
    for (path, problem) in [
        (
            format!("/runs/{probe}/export?format=mae"),
            "only the checkpoint of a pre-training can be exported",
        ),
        (format!("/runs/{run}/export?format=mae&epoch=7"), "the run has no checkpoint of epoch 7"),
    ] {
        let answer = app.get(&path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(answer.problem().contains(problem), "{}", answer.problem());
    }
    let one = app.get(&format!("/runs/{run}/export?format=mae&epoch=1")).await;
    assert_eq!(one.body, app.get(&format!("/runs/{run}/export?format=mae")).await.body);
}

#[tokio::test]
async fn an_import_that_was_broken_off_blocks_no_name() {
    let app = TestApp::new().await;
    let (_, path) = exported(&app, "mae").await;
    let folder = app.root().join("checkpoints/mae");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::File::create(folder.join("import.lock")).unwrap();
    lock.lock().unwrap();
    let refused = import(&app, "mae", &path, json!({})).await;
    assert!(refused.problem().contains("is being imported"), "{}", refused.problem());
    // Its program is killed.
    drop(lock);
    fs::write(folder.join("checkpoint.safetensors"), "half").unwrap();
    let answer = import(&app, "mae", &path, json!({})).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let names: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["checkpoint.safetensors"]);
    assert_eq!(app.delete("/checkpoints/imported/mae").await.status, StatusCode::NO_CONTENT);
    assert!(!folder.exists());
    assert!(app.app.store.removals().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_the_database_lost_is_taken_in_again() {
    let app = TestApp::new().await;
    let (_, path) = exported(&app, "mae").await;
    let before = import(&app, "mae", &path, json!({})).await.json();
    let upload = app.upload("/keys", "a.png", &png(8), "a").await;
    assert_eq!(upload.status, StatusCode::CREATED);
    let key = upload.json()["sha256"].as_str().unwrap().to_owned();
    let name = "checkpoints/mae".to_owned();
    app.app.store.delete_import("mae", &name).await.unwrap();
    app.app.store.removed(&[name]).await.unwrap();
    let file = app.app.data_dir.key_file(&key);
    fs::write(&file, "damaged").unwrap();
    let mut findings = doctor::examine(&app.app).await.unwrap();
    let told: Vec<_> = findings.iter().map(|one| (one.what.as_str(), one.mend.is_some())).collect();
    let of_key = format!("a (keys/{key}.png)");
    assert_eq!(told, [(of_key.as_str(), false), ("checkpoints/mae", true)]);
    let mut all: Vec<_> = findings.iter_mut().collect();
    doctor::mend(&app.app, &mut all).await.unwrap();
    let after = app.get("/checkpoints/imported/mae").await.json();
    assert_eq!(after, before);
}
