//! Data sets: adding image folders and serving their images.

use std::fs;

use axum::http::{Request, StatusCode, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use image::ImageFormat;
use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp, spec_with},
    pictures::{image_folder, picture},
};

/// Breaks an image folder in some way.
type Spoil = fn(&std::path::Path);

async fn add(app: &TestApp, name: &str, folder: &std::path::Path) -> Answer {
    app.post("/datasets", &json!({ "name": name, "path": folder })).await
}

/// The problem's text with the folder's path, which differs from run to run, replaced by `FOLDER`.
fn problem(answer: &Answer, folder: &std::path::Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    answer.problem().replace(&folder.display().to_string(), "FOLDER")
}

#[tokio::test]
async fn the_builtin_pictures_are_there_from_the_start() {
    let app = TestApp::new().await;
    let all = app.get("/datasets").await.json();
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!((&all[0]["name"], &all[0]["builtin"]), (&json!("shapes"), &json!(true)));
    assert_eq!(all[0]["classes"].as_array().unwrap().len(), 10);
    assert_eq!(app.get("/datasets/shapes").await.json(), all[0]);
    let drawn = app.get("/datasets/shapes/samples?count=20&side=16&seed=5").await.json();
    let items = drawn["items"].as_array().unwrap();
    let classes: std::collections::HashSet<_> =
        items.iter().map(|item| item["class"].as_u64().unwrap()).collect();
    assert_eq!((items.len(), classes.len()), (20, 10), "two of each class");
    let bytes = STANDARD.decode(items[0]["rgb"].as_str().unwrap()).unwrap();
    assert_eq!(bytes.len(), 16 * 16 * 3);
    let references =
        app.get("/datasets/shapes/samples?references_of=3&count=8&seed=5").await.json();
    let items = references["items"].as_array().unwrap();
    let ordered = shared::poison::reference_order((1500..2000).collect(), 3, 5);
    let indices = items.iter().map(|item| item["index"].as_u64().unwrap());
    assert!(indices.eq(ordered[..8].iter().map(|&index| u64::from(index))), "{ordered:?}");
    assert!(items.iter().all(|item| item["class"] == 3));
    assert_eq!(
        app.delete("/datasets/shapes").await.status,
        StatusCode::CONFLICT,
        "a built-in data set cannot be removed"
    );
}

#[tokio::test]
async fn an_added_folder_is_listed_with_its_classes() {
    let app = TestApp::new().await;
    let folder = tempfile::tempdir().unwrap();
    image_folder(folder.path());
    let added = add(&app, "pets", folder.path()).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text());
    let mut info = added.json();
    assert!(info["path"].as_str().unwrap().starts_with('/'));
    info["path"] = Value::Null;
    assert_eq!(info["fingerprint"].as_str().unwrap().len(), 64);
    info["fingerprint"] = Value::Null;
    assert_json_snapshot!(info);
    assert_eq!(app.get("/datasets").await.json()[1]["name"], "pets");

    let samples = app.get("/datasets/pets/samples?split=test&indices=0,3&side=8").await.json();
    assert_eq!(samples["items"][0]["name"], "val/cat/0.png");
    assert_eq!(samples["items"][1]["name"], "val/dog/1.png");
    let rgb = STANDARD.decode(samples["items"][1]["rgb"].as_str().unwrap()).unwrap();
    assert_eq!(rgb[rgb.len() - 3..], [200, 20, 50]);

    let limited = app.get("/datasets/pets/samples?count=16&train_per_class=1&side=8").await.json();
    assert_eq!(limited["items"].as_array().unwrap().len(), 2);

    assert_eq!(app.delete("/datasets/pets").await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.get("/datasets/pets").await.status, StatusCode::NOT_FOUND);
    assert!(folder.path().join("train/cat/0.png").exists(), "the image files are kept");
}

#[tokio::test]
async fn an_image_is_sent_once() {
    let app = TestApp::new().await;
    let path = "/datasets/shapes/images/train/3.png?side=16";
    let first = app.get(path).await;
    assert_eq!(first.header("content-type"), "image/png");
    let decoded = image::load_from_memory_with_format(&first.body, ImageFormat::Png).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (16, 16));
    let again = Request::get(format!("/api/v1{path}"))
        .header(header::IF_NONE_MATCH, first.header("etag"))
        .body(axum::body::Body::empty())
        .unwrap();
    let again = app.send(again).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn images_that_are_not_there_are_problems() {
    let app = TestApp::new().await;
    let mut problems = Vec::new();
    for path in [
        "/datasets/none/samples",
        "/datasets/shapes/images/train/5000.png",
        "/datasets/shapes/images/test/one.png",
        "/datasets/shapes/samples?side=0",
        "/datasets/shapes/samples?side=513",
        "/datasets/shapes/samples?count=257",
        "/datasets/shapes/samples?side=512&count=65",
        "/datasets/shapes/samples?indices=1,x",
        "/datasets/shapes/samples?indices=70000",
        "/datasets/shapes/samples?indices=1&references_of=0",
    ] {
        problems.push(format!("{path}\n{}", app.get(path).await.problem()));
    }
    assert_snapshot!(problems.join("\n"));
}

#[tokio::test]
async fn a_folder_that_is_no_data_set_is_refused() {
    let app = TestApp::new().await;
    let mut problems = Vec::new();
    let cases: [(&str, Spoil); 5] = [
        ("no train", |root| fs::remove_dir_all(root.join("train")).unwrap()),
        ("no val", |root| fs::remove_dir_all(root.join("val")).unwrap()),
        ("one class", |root| {
            fs::remove_dir_all(root.join("train/dog")).unwrap();
            fs::remove_dir_all(root.join("val/dog")).unwrap();
        }),
        ("an empty class", |root| {
            for i in 0..4 {
                fs::remove_file(root.join(format!("train/dog/{i}.png"))).unwrap();
            }
        }),
        ("another class in val", |root| {
            fs::rename(root.join("val/dog"), root.join("val/fox")).unwrap();
        }),
    ];
    for (what, spoil) in cases {
        let folder = tempfile::tempdir().unwrap();
        image_folder(folder.path());
        spoil(folder.path());
        let answer = add(&app, "bad", folder.path()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{what}");
        problems.push(format!("{what}\n{}", problem(&answer, folder.path())));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    for (what, path) in [("a file", file.path()), ("nothing", "/no/such/folder".as_ref())] {
        problems.push(format!("{what}\n{}", problem(&add(&app, "bad", path).await, path)));
    }
    for name in ["", "shapes", "two words", "../up", &"x".repeat(65)] {
        let answer = add(&app, name, "/".as_ref()).await;
        problems.push(format!("name {name:?}\n{}", answer.problem()));
    }
    assert_snapshot!(problems.join("\n"));
    assert_eq!(app.get("/datasets").await.json().as_array().unwrap().len(), 1, "nothing was added");
}

#[tokio::test]
async fn a_broken_file_is_left_out_and_named() {
    let app = TestApp::new().await;
    let folder = tempfile::tempdir().unwrap();
    image_folder(folder.path());
    let jpeg = picture(64, [9, 9, 200], ImageFormat::Jpeg);
    fs::write(folder.path().join("train/cat/broken.jpg"), &jpeg[..jpeg.len() / 2]).unwrap();
    fs::write(folder.path().join("train/cat/text.png"), "not a picture").unwrap();
    let info = add(&app, "pets", folder.path()).await.json();
    assert_eq!(info["train_counts"], json!([4, 4]));
    assert_eq!(info["skipped_total"], 2);
    assert_json_snapshot!(info["skipped"]);
}

#[tokio::test]
async fn a_changed_folder_stops_a_study_and_becomes_a_new_version() {
    let app = TestApp::new().await;
    let folder = tempfile::tempdir().unwrap();
    image_folder(folder.path());
    assert_eq!(add(&app, "pets", folder.path()).await.status, StatusCode::CREATED);
    let update = || app.post("/datasets/pets/versions", &json!(null));
    let same = update().await;
    assert_eq!(same.status, StatusCode::CONFLICT);
    assert_snapshot!(same.problem());
    fs::write(folder.path().join("train/cat/new.png"), picture(8, [1, 2, 3], ImageFormat::Png))
        .unwrap();
    let mut spec = spec_with("/dataset/name", "pets");
    spec["axes"] = json!({ "probe.poisons": [0, 2] });
    spec["knn"]["poisons"] = 0.into();
    let study = app.post("/studies", &spec).await;
    assert_eq!(study.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_snapshot!(problem(&study, folder.path()));
    let updated = update().await;
    assert_eq!(updated.status, StatusCode::CREATED);
    assert_eq!(updated.json()["name"], "pets@2");
    assert_eq!(updated.json()["train_counts"], json!([5, 4]));
    spec["dataset"]["name"] = "pets@2".into();
    let study = app.post("/studies", &spec).await;
    assert_eq!(study.status, StatusCode::CREATED, "{}", study.text());
    assert_eq!(app.get("/datasets/pets@2").await.json()["transparency"], "drop");
    let builtin = app.post("/datasets/shapes/versions", &json!(null)).await;
    assert_eq!(builtin.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_name_is_taken_once_and_kept_while_a_study_needs_it() {
    let app = TestApp::new().await;
    let folder = tempfile::tempdir().unwrap();
    image_folder(folder.path());
    assert_eq!(add(&app, "pets", folder.path()).await.status, StatusCode::CREATED);
    assert_snapshot!(add(&app, "pets", folder.path()).await.problem());

    let mut spec = spec_with("/dataset/name", "pets");
    spec["axes"] = json!({ "probe.poisons": [0, 2] });
    spec["knn"]["poisons"] = 0.into();
    let study = app.post("/studies", &spec).await;
    assert_eq!(study.status, StatusCode::CREATED, "{}", study.text());
    assert_snapshot!(app.delete("/datasets/pets").await.problem());
}
