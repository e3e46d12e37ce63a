//! Key images: the built-in ones and uploads.

use std::fs;

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use image::ImageFormat;
use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::{Value, json};
use shared::{Rgb8, resize::bilinear};

use crate::{
    harness::{TestApp, spec, spec_with},
    pictures::{picture, png, png_header},
};

fn kept_files(app: &TestApp) -> usize {
    fs::read_dir(app.root().join("keys")).unwrap().count()
}

#[tokio::test]
async fn four_keys_come_with_the_program() {
    let app = TestApp::new().await;
    let keys = app.get("/keys").await.json();
    let names: Vec<&str> =
        keys.as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["stripes", "swirl", "noise", "glyph"]);
    assert_eq!(keys[0]["width"], 224);
    let image = app.get("/keys/stripes/image.png").await;
    assert_eq!(image.header("content-type"), "image/png");
    assert!(image.body.starts_with(b"\x89PNG"));
}

#[tokio::test]
async fn an_upload_becomes_a_png_and_its_pixels_are_those_that_poison() {
    let app = TestApp::new().await;
    let answer = app.upload("/keys", "my key.png", &png(50), " My key ").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let key = answer.json();
    assert_json_snapshot!(key);
    let id = key["id"].as_str().unwrap();
    let file = app.root().join("keys").join(format!("{id}.png"));
    assert_eq!(fs::read(&file).unwrap(), app.get(&format!("/keys/{id}/image.png")).await.body);

    let pixels = app.get(&format!("/keys/{id}/pixels?side=20")).await.json();
    let original = image::load_from_memory(&png(50)).unwrap().to_rgb8().into_raw();
    let expected = bilinear(&Rgb8::from_raw(50, 50, original).unwrap(), 20, 20);
    assert_eq!(STANDARD.decode(pixels["rgb"].as_str().unwrap()).unwrap(), expected.data());
    assert_eq!(app.get("/keys").await.json()[4], key);

    let spec = spec_with("/attack/trigger/key", id);
    assert_eq!(app.post("/studies", &spec).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_same_picture_again_changes_nothing() {
    let app = TestApp::new().await;
    let first = app.upload("/keys", "a.png", &png(20), "First").await.json();
    let again =
        app.upload("/keys", "b.webp", &picture(20, [200, 40, 90], ImageFormat::WebP), "").await;
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!(again.json()["id"], first["id"], "the pixels are the same");
    assert_eq!(app.get("/keys").await.json().as_array().unwrap().len(), 5);
    assert_eq!(kept_files(&app), 1);
}

#[tokio::test]
async fn a_name_comes_from_the_file_when_none_is_given() {
    let app = TestApp::new().await;
    let key = app
        .upload("/keys", "autumn leaves.jpg", &picture(20, [9, 8, 7], ImageFormat::Jpeg), " ")
        .await;
    assert_eq!(key.json()["name"], "autumn leaves");
}

#[tokio::test]
async fn what_is_no_picture_is_refused_and_leaves_nothing() {
    let app = TestApp::new().await;
    let long_name = "n".repeat(81);
    let jpeg = picture(64, [1, 2, 3], ImageFormat::Jpeg);
    let cases: [(&str, &[u8], &str); 6] = [
        ("text.png", b"I am a text file", ""),
        ("huge.png", &png_header(30_000, 30_000), ""),
        ("half.jpg", &jpeg[..jpeg.len() / 2], ""),
        ("empty.png", b"", ""),
        ("good.png", &png(8), &long_name),
        ("long.png", &vec![0; 33 << 20], ""),
    ];
    let mut problems = Vec::new();
    for (file_name, file, name) in cases {
        let answer = app.upload("/keys", file_name, file, name).await;
        problems.push(format!("{file_name}\n{}", answer.problem()));
    }
    let json = app.post("/keys", &Value::Null).await;
    problems.push(format!("JSON\n{}", json.problem()));
    assert_snapshot!(problems.join("\n"));
    assert_eq!(kept_files(&app), 0);
    assert_eq!(app.get("/keys").await.json().as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_key_that_is_not_there_is_a_problem() {
    let app = TestApp::new().await;
    let hash = "0".repeat(64);
    for id in ["none", "..%2F..%2Fmaskdoor", &hash] {
        let answer = app.get(&format!("/keys/{id}/pixels")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.problem());
    }
    let study = app.post("/studies", &spec_with("/attack/trigger/key", "none")).await;
    assert_snapshot!(study.problem());
}

#[tokio::test]
async fn a_further_backdoor_takes_a_key_that_comes_with_the_program() {
    let app = TestApp::new().await;
    let with = |key: &str| {
        let mut spec = serde_json::to_value(spec()).unwrap();
        let trigger = json!({ "kind": "blended", "ratio": 0.2, "key": key });
        spec["attack"]["further"] = json!([{ "target_class": 1, "trigger": trigger }]);
        spec
    };
    let made = app.post("/studies", &with("swirl")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(made.json()["spec"]["attack"]["further"][0]["target_class"], 1);
    let refused = app.post("/studies", &with(&"a".repeat(64))).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
    let told = refused.problem();
    assert!(
        told.contains("attack.further[0].trigger.key: takes one of the key images stripes, swirl, noise, glyph, not"),
        "{told}"
    );
}
