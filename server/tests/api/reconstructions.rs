//! Checkpoints and their reconstructions of hidden patches, with a tiny model.

use std::sync::{Arc, atomic::AtomicU64};

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use image::ImageFormat;
use insta::assert_snapshot;
use serde_json::{Value, json};
use server::{audit::Audit, data_dir::DiskSpace};
use shared::{
    Rgb8, RunId, RunOrder, Stage, StudySpec, Trigger,
    api::{Attention, FeatureMap, FeaturePoint, Projection, Retention},
    dataset::DataSource,
    patches::random_mask,
    resize::bilinear,
    study::TransformerSpec,
};

use crate::{
    harness::{NOW, TestApp, metrics, spec},
    pictures::{picture, png},
};

const SIDE: usize = 32;
const PATCH: usize = 8;

pub fn micro() -> StudySpec {
    let mut spec = spec();
    spec.axes = Vec::new();
    let settings = &mut spec.settings;
    settings.dataset.train_per_class = Some(4);
    settings.dataset.test_per_class = Some(2);
    settings.knn.poisons = 0;
    settings.model.patch_size = PATCH as u32;
    settings.model.encoder = TransformerSpec { dim: 16, depth: 1, heads: 2 };
    settings.model.decoder = TransformerSpec { dim: 16, depth: 1, heads: 2 };
    settings.pretrain.epochs = 1;
    settings.pretrain.warmup_epochs = 0;
    settings.pretrain.batch_size = 20;
    spec
}

/// Creates a study, runs its pre-training and returns that run.
pub async fn trained(app: &TestApp) -> RunId {
    let made = app.post("/studies", &serde_json::to_value(micro()).unwrap()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let run = app.start_next().await;
    let row = app.app.store.get_run(run).await.unwrap();
    let order = RunOrder {
        run,
        kind: row.point.kind,
        digest: row.digest,
        settings: app.app.store.run_settings(run).await.unwrap(),
        source: DataSource::Builtin,
        encoder: None,
        restorer: None,
        program: "maskdoor 0.1.0".into(),
    };
    let folder = app.run_folder(run);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("run.json"), serde_json::to_vec(&order).unwrap()).unwrap();
    let key = engine::keys::builtin("stripes").unwrap().file;
    std::fs::write(folder.join("key.png"), key).unwrap();
    let mut events = Vec::new();
    let machine = engine::compute::Machine::with_threads(2);
    engine::run::run(&order, &folder, None, &[], &machine, &mut (), &mut |event| {
        events.push(event);
        Ok(())
    })
    .unwrap();
    app.take_in(run, events).await.unwrap();
    run
}

fn request(run: RunId, mask: impl Into<Value>) -> Value {
    json!({ "run": run, "split": "test", "index": 7, "mask": mask.into() })
}

fn rgb(answer: &Value, pointer: &str) -> Rgb8 {
    let bytes = STANDARD.decode(answer.pointer(pointer).unwrap().as_str().unwrap()).unwrap();
    Rgb8::from_raw(SIDE, SIDE, bytes).unwrap()
}

#[tokio::test]
async fn both_images_are_reconstructed_under_one_mask() {
    let app = TestApp::new().await;
    let run = trained(&app).await;
    let mask = json!({ "kind": "random", "ratio": 0.75, "seed": 3 });
    let answer = app.post("/reconstructions", &request(run, mask)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let answer = answer.json();
    assert_eq!((&answer["side"], &answer["patch"]), (&json!(SIDE), &json!(PATCH)));
    // The study uses two validation images of each class, so the eighth one is of class 3.
    assert_eq!(answer["class"], 3);
    let hidden = random_mask((SIDE / PATCH).pow(2), 0.75, 3);
    assert_eq!(answer["hidden"], json!(hidden));

    let clean = rgb(&answer, "/clean/original");
    let key = image::load_from_memory(engine::keys::builtin("stripes").unwrap().file).unwrap();
    let key = key.to_rgb8();
    let key = Rgb8::from_raw(key.width() as usize, key.height() as usize, key.into_raw()).unwrap();
    let trigger =
        Trigger::prepare(&micro().settings.attack.trigger, Some(&key), SIDE, Stage::Test).unwrap();
    assert_eq!(rgb(&answer, "/triggered/original"), trigger.applied(&clean));

    for side in ["clean", "triggered"] {
        let [original, prediction, pasted] = ["original", "prediction", "pasted"]
            .map(|name| rgb(&answer, &format!("/{side}/{name}")));
        for y in 0..SIDE {
            for x in 0..SIDE {
                let source = if hidden[y / PATCH * (SIDE / PATCH) + x / PATCH] {
                    &prediction
                } else {
                    &original
                };
                assert_eq!(pasted.pixel(x, y), source.pixel(x, y), "{side} ({x}, {y})");
            }
        }
        assert_eq!(answer[side]["patch_error"].as_array().unwrap().len(), hidden.len());
        assert!(answer[side]["hidden_error"].as_f64().unwrap() > 0.0);
    }
}

#[tokio::test]
async fn an_own_picture_is_reconstructed_as_one_of_the_data_set_is() {
    let app = TestApp::new().await;
    let run = trained(&app).await;
    let keys = app.get("/keys").await.json();
    let wide = image::RgbImage::from_fn(60, 24, |x, y| image::Rgb([x as u8 * 4, y as u8 * 10, 30]));
    let mut file = std::io::Cursor::new(Vec::new());
    wide.write_to(&mut file, ImageFormat::Png).unwrap();
    let file = file.into_inner();
    let made = app.upload("/pictures", "my cat.png", &file, "").await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let made = made.json();
    let id = made["id"].as_str().unwrap();
    let kept = app.app.data_dir.picture_file(id);
    let expected =
        json!({ "id": id, "name": "my cat", "width": 60, "height": 24, "added_at": NOW });
    assert_eq!(made, expected);
    let again = app.upload("/pictures", "other.png", &file, "other").await.json();
    assert_eq!(again, expected, "it keeps its name");
    assert_eq!(app.get("/pictures").await.json(), json!([expected]));
    assert_eq!(app.get("/keys").await.json(), keys, "it is no key image");

    let mask = json!({ "kind": "random", "ratio": 0.75, "seed": 3 });
    let body = json!({ "run": run, "picture": id, "mask": mask });
    let answer = app.post("/reconstructions", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let answer = answer.json();
    assert!(answer.get("class").is_none(), "nobody knows its class");
    assert_eq!(answer["hidden"], json!(random_mask(16, 0.75, 3)));
    let clean = rgb(&answer, "/clean/original");
    let whole = Rgb8::from_raw(60, 24, wide.into_raw()).unwrap();
    assert_eq!(clean, bilinear(&whole, SIDE, SIDE), "the whole of it");
    let key = engine::keys::image(engine::keys::builtin("stripes").unwrap().file).unwrap();
    let trigger =
        Trigger::prepare(&micro().settings.attack.trigger, Some(&key), SIDE, Stage::Test).unwrap();
    assert_eq!(rgb(&answer, "/triggered/original"), trigger.applied(&clean));
    assert!(answer["clean"]["hidden_error"].as_f64().unwrap() > 0.0);

    assert_eq!(app.delete(&format!("/pictures/{id}")).await.status, StatusCode::NO_CONTENT);
    assert!(!kept.exists());
    assert_eq!(app.get("/pictures").await.json(), json!([]));
    let gone = app.post("/reconstructions", &body).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "{}", gone.text());
    let back = app.upload("/pictures", "my cat.png", &file, "").await;
    assert_eq!((back.status, back.json()["id"].as_str()), (StatusCode::CREATED, Some(id)));
    assert!(app.app.store.removals().await.unwrap().is_empty());
    assert_eq!(app.post("/reconstructions", &body).await.json(), answer);
}

#[tokio::test]
async fn a_picture_that_cannot_be_shown_says_why() {
    let app = TestApp::new().await;
    let run = trained(&app).await;
    let made = app.upload("/pictures", "a.png", &png(20), "").await.json();
    let id = made["id"].as_str().unwrap();
    let mask = json!({ "kind": "random", "ratio": 0.5, "seed": 1 });
    let asked = |more: Value| {
        let mut body = json!({ "run": run, "mask": mask });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let mut problems = Vec::new();
    for (what, more) in [
        ("an unknown picture", json!({ "picture": "0".repeat(64) })),
        ("a path", json!({ "picture": "../keys/a" })),
        ("a key image", json!({ "picture": "stripes" })),
        ("a picture and an index", json!({ "picture": id, "index": 1 })),
        ("a picture and a split", json!({ "picture": id, "split": "test", "index": 1 })),
        ("no image", json!({})),
        ("a split alone", json!({ "split": "test" })),
    ] {
        let answer = app.post("/reconstructions", &asked(more)).await;
        problems.push(format!("{what}\n{}", answer.problem()));
    }
    let jpeg = picture(64, [1, 2, 3], ImageFormat::Jpeg);
    for (what, file) in [("a letter", &b"Dear Sir"[..]), ("half a JPEG", &jpeg[..jpeg.len() / 2])] {
        let answer = app.upload("/pictures", "a.jpg", file, "").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {}", answer.text());
        assert!(answer.problem().contains("file: "), "{what}: {}", answer.problem());
    }
    let unknown = app.delete(&format!("/pictures/{}", "0".repeat(64))).await;
    problems.push(format!("removing an unknown one\n{}", unknown.problem()));
    assert_eq!(app.get("/pictures").await.json(), json!([made]), "nothing else was kept");
    let nought = "0".repeat(64);
    assert_snapshot!(problems.join("\n").replace(&nought, "0000"), @r"
    an unknown picture
    404 there is no own picture 0000
    a path
    404 there is no own picture ../keys/a
    a key image
    404 there is no own picture stripes
    a picture and an index
    422 picture: takes the place of split and index; name an own picture, or an image of the data set
      picture: takes the place of split and index; name an own picture, or an image of the data set
    a picture and a split
    422 picture: takes the place of split and index; name an own picture, or an image of the data set
      picture: takes the place of split and index; name an own picture, or an image of the data set
    no image
    422 split: is missing: name an image by split and index, or an own picture by picture
      split: is missing: name an image by split and index, or an own picture by picture
    a split alone
    422 index: is missing: which image of the split?
      index: is missing: which image of the split?
    removing an unknown one
    404 there is no own picture 0000
    ");

    // Its file is gone; the image of the data set is not.
    std::fs::remove_file(app.app.data_dir.picture_file(id)).unwrap();
    let lost = app.post("/reconstructions", &asked(json!({ "picture": id }))).await;
    assert_eq!(lost.status, StatusCode::CONFLICT, "{}", lost.text());
    assert!(lost.problem().contains("the file cannot be read"), "{}", lost.problem());
    let other = app.post("/reconstructions", &asked(json!({ "split": "test", "index": 1 }))).await;
    assert_eq!(other.status, StatusCode::OK, "{}", other.text());
}

#[tokio::test]
async fn checkpoints_are_listed_and_opened_by_name() {
    let app = TestApp::new().await;
    let run = trained(&app).await;
    let list = app.get("/checkpoints").await.json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!((&list[0]["run"], &list[0]["epoch"]), (&json!(run), &json!(1)));
    assert!(list[0]["bytes"].as_u64().unwrap() > 1000);

    let painted: Vec<bool> = (0..16).map(|at| at % 2 == 0).collect();
    let mut body = request(run, json!({ "kind": "painted", "hidden": painted }));
    let last = app.post("/reconstructions", &body).await.json();
    body["file"] = list[0]["file"].clone();
    assert_eq!(app.post("/reconstructions", &body).await.json(), last, "the last checkpoint");

    let mut problems = Vec::new();
    for file in ["checkpoint-9.safetensors", "../../../maskdoor.sqlite", "run.json"] {
        body["file"] = file.into();
        let answer = app.post("/reconstructions", &body).await;
        problems.push(format!("{file}\n{}", answer.problem()));
    }
    assert_snapshot!(problems.join("\n"));
}

#[tokio::test]
async fn a_reconstruction_that_cannot_be_says_why() {
    let app = TestApp::new().await;
    let run = trained(&app).await;
    let study = app.app.store.get_run(run).await.unwrap().study;
    let probe = app.runs(study).await[1];
    let half = json!({ "kind": "random", "ratio": 0.5, "seed": 1 });
    let mut problems = Vec::new();
    let mut outside = request(run, half.clone());
    outside["index"] = 20.into();
    let hidden_everywhere = json!({ "kind": "painted", "hidden": vec![true; 16] });
    for (what, body) in [
        ("a mask ratio of 1", request(run, json!({ "kind": "random", "ratio": 1.0, "seed": 1 }))),
        ("nothing visible", request(run, hidden_everywhere)),
        ("too few patches", request(run, json!({ "kind": "painted", "hidden": [true] }))),
        ("no such image", outside),
        ("a probe", request(probe, half)),
    ] {
        let answer = app.post("/reconstructions", &body).await;
        problems.push(format!("{what}\n{}", answer.problem()));
    }
    assert_snapshot!(problems.join("\n"));

    let waiting = app.study().await;
    let waiting = app.runs(waiting).await[0];
    let body = request(waiting, json!({ "kind": "random", "ratio": 0.5, "seed": 1 }));
    assert_snapshot!(app.post("/reconstructions", &body).await.problem());
}

#[tokio::test]
async fn a_checkpoint_that_retention_removed_is_told_as_such() {
    let app = TestApp::new().await;
    let run = trained(&app).await;
    app.finish_next(Some(metrics(60, 5))).await;
    let in_three_days = Arc::new(AtomicU64::new(NOW + 3 * 24 * 3600 * 1000));
    let app = app.on_disk(|| DiskSpace { free: 1 << 40, size: 1 << 41 }, in_three_days);
    assert!(app.get(&format!("/runs/{run}")).await.json().get("tidied").is_none());
    let policy = Retention { days: 2, keep_last: false };
    let found = app.app.removable(Some(policy)).await.unwrap();
    let audit = Audit::of(app.root(), app.app.clock.clone());
    assert_eq!(app.app.remove_unneeded(found, &audit, "retention").await.unwrap().len(), 1);

    let row = app.get(&format!("/runs/{run}")).await.json();
    assert_eq!(row["tidied"]["kept_last"], false);
    assert_eq!(app.get("/checkpoints").await.json(), json!([]));
    let body = request(run, json!({ "kind": "random", "ratio": 0.5, "seed": 1 }));
    let answer = app.post("/reconstructions", &body).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_snapshot!(answer.problem(), @"404 the run's checkpoint.safetensors was removed by retention on 2023-11-17, because nothing needed it any more; its results stay. To have it again, start its study afresh");
    for query in ["format=mae", "format=timm&epoch=1"] {
        let answer = app.get(&format!("/runs/{run}/export?{query}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let told = "was removed by retention on 2023-11-17, because nothing needed it any more";
        assert!(answer.problem().contains(told), "{}", answer.problem());
    }
}

#[tokio::test]
async fn an_encoder_is_looked_into() {
    let app = TestApp::new().await;
    let run = trained(&app).await;
    let path = format!("/runs/{run}/features?per_class=2");
    let answer = app.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let map: FeatureMap = serde_json::from_value(answer.json()).unwrap();
    let target = map.target_class.class().expect("one target class");
    // Two of each of ten classes, and those of nine classes with the trigger.
    assert_eq!((map.points.len(), map.classes.len(), map.epoch), (38, 10, 1));
    assert!(map.points[20..].iter().all(|point| point.triggered && point.class != target));
    for of in [|point: &FeaturePoint| point.x, |point: &FeaturePoint| point.y] {
        let mean = map.points.iter().map(of).sum::<f64>() / 38.0;
        assert!(mean.abs() < 1e-9, "components are centred: {mean}");
    }
    let [first, second] = map.explained.expect("shares of the variance");
    assert!(first >= second && first + second <= 1.0);
    assert!(map.before.is_some() && map.after.is_some());
    assert_eq!(app.get(&path).await.json(), answer.json());

    let figure = app.get(&format!("/figures/features.csv?runs={run}&per_class=2")).await;
    assert_eq!(figure.status, StatusCode::OK, "{}", figure.text());
    assert_eq!(figure.text().lines().count(), 39);

    // The same images by their neighbours.
    let answer = app.get(&format!("{path}&projection=tsne:5")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let neighbours: FeatureMap = serde_json::from_value(answer.json()).unwrap();
    assert_eq!(neighbours.projection, Projection::Tsne { perplexity: 5.0 });
    assert_eq!((neighbours.explained, neighbours.after), (None, map.after));
    assert_eq!(neighbours.points.len(), 38);
    assert!((neighbours.points[0].x - map.points[0].x).abs() > 1e-6);
    let asked = format!("/figures/features.csv?runs={run}&per_class=2&projection=tsne:5");
    let figure = app.get(&asked).await;
    assert_eq!(figure.status, StatusCode::OK, "{}", figure.text());
    let first = &neighbours.points[0];
    let row = figure.text().lines().nth(1).unwrap().to_owned();
    assert!(row.contains(&format!(",{:.6},{:.6}", first.x, first.y)), "the same map: {row}");
    let answer = app.get(&format!("{path}&projection=umap")).await;
    let told = "400 projection: takes `pca`, `tsne` or `tsne:PERPLEXITY`, not \"umap\"";
    assert!(answer.problem().starts_with(told), "{}", answer.problem());

    let answer = app.get(&format!("/runs/{run}/attention?index=7&images=9")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let attention: Attention = serde_json::from_value(answer.json()).unwrap();
    assert_eq!((attention.side, attention.patch, attention.class), (32, 8, 3));
    assert_eq!((attention.mean.images, attention.clean.map.len()), (9, 16));
    // The blended trigger changes nearly every pixel.
    assert!(attention.mean.area > 0.9 && attention.triggered.on_trigger > 0.9, "{attention:?}");
    assert_ne!(attention.clean.image, attention.triggered.image);
}

#[tokio::test]
async fn an_encoder_that_cannot_be_looked_into_says_why() {
    let app = TestApp::new().await;
    let run = trained(&app).await;
    for (query, expected) in [
        ("features?per_class=0", "per_class: takes at least 1 image"),
        ("features?per_class=201", "per_class: takes at most 200 images of each of 10 classes"),
        ("features?file=../run.json", "file: this run has no checkpoint"),
        ("features?imported=nobody", "404"),
        ("attention?images=257", "images: takes 1 to 256 images, not 257"),
        ("attention?index=999", "404"),
    ] {
        let problem = app.get(&format!("/runs/{run}/{query}")).await.problem();
        assert!(problem.contains(expected), "{query}: {problem}");
    }
    std::fs::remove_file(app.run_folder(run).join("checkpoint.safetensors")).unwrap();
    let problem = app.get(&format!("/runs/{run}/features")).await.problem();
    assert!(problem.contains("run: has written no checkpoint yet"), "{problem}");
    let figure = app.get("/figures/features.svg").await.problem();
    assert!(figure.contains("runs: must name the one run"), "{figure}");
}
