//! The images that a defence judged, listed and drawn from a real run's folder.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use engine::data::Index;
use serde_json::{Value, json};
use shared::{
    Rgb8, RunId, RunKind, RunOrder, Stage, Trigger,
    api::{DefenceStrips, JudgedImage, RunRow, Split},
    dataset::DataSource,
    study::Axis,
};

use crate::{harness::TestApp, reconstructions::micro};

/// Trains a study of the two defences, and returns their runs.
async fn defended(app: &TestApp, methods: [&str; 2]) -> [RowOf; 2] {
    let mut spec = micro();
    spec.runs = vec![RunKind::Defence];
    spec.axes = vec![Axis::of("defence.method", methods)];
    spec.settings.pretrain.poisons = 1;
    spec.settings.defence.poisons = 1;
    spec.settings.defence.search_epochs = 20;
    let made = app.post("/studies", &serde_json::to_value(&spec).unwrap()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let mut defences = Vec::new();
    for _ in 0..3 {
        let run = app.start_next().await;
        let row = app.app.store.get_run(run).await.unwrap();
        let order = RunOrder {
            run,
            kind: row.point.kind,
            digest: row.digest.clone(),
            settings: app.app.store.run_settings(run).await.unwrap(),
            source: DataSource::Builtin,
            encoder: row.parent.map(|encoder| app.run_folder(encoder).display().to_string()),
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
        if order.kind == RunKind::Defence {
            defences.push(RowOf { row: app.app.store.get_run(run).await.unwrap(), order });
        }
    }
    let [first, second] = defences.try_into().ok().unwrap();
    if first.order.settings.defence.method == serde_json::from_value(json!(methods[0])).unwrap() {
        [first, second]
    } else {
        [second, first]
    }
}

struct RowOf {
    row: RunRow,
    order: RunOrder,
}

impl RowOf {
    fn run(&self) -> RunId {
        self.row.id
    }

    /// An image of the run's data set, with the trigger where one is asked for.
    fn expected(&self, split: Split, index: u32, triggered: bool) -> Rgb8 {
        let settings = &self.order.settings;
        let side = settings.model.image_size as usize;
        let images = Index::open(&DataSource::Builtin).unwrap().limited(&settings.dataset);
        let image = images.load(split, index as usize, side).unwrap();
        let key = engine::keys::image(engine::keys::builtin("stripes").unwrap().file).unwrap();
        let stage = if split == Split::Train { Stage::Train } else { Stage::Test };
        let trigger = Trigger::prepare(&settings.attack.trigger, Some(&key), side, stage).unwrap();
        if triggered { trigger.applied(&image) } else { image }
    }
}

async fn group(app: &TestApp, run: RunId, group: &str) -> (u64, Vec<JudgedImage>) {
    let page = app.get(&format!("/runs/{run}/judged?group={group}&limit=1000")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let page = page.json();
    (page["total"].as_u64().unwrap(), serde_json::from_value(page["items"].clone()).unwrap())
}

async fn drawn(app: &TestApp, run: RunId, at: u32) -> Rgb8 {
    picture(app, &format!("/runs/{run}/judged/{at}.png")).await
}

async fn picture(app: &TestApp, path: &str) -> Rgb8 {
    let answer = app.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "image/png");
    let image = image::load_from_memory(&answer.body).unwrap().to_rgb8();
    Rgb8::from_raw(image.width() as usize, image.height() as usize, image.into_raw()).unwrap()
}

#[tokio::test]
async fn judged_images_are_listed_by_group_and_drawn_as_they_were_judged() {
    let app = TestApp::new().await;
    let [filter, input] = defended(&app, ["spectral", "strip"]).await;
    for (of, split) in [(&filter, Split::Train), (&input, Split::Test)] {
        let detection = of.row.progress.judgement.unwrap().detection.unwrap();
        let said = std::fs::read(app.run_folder(of.run()).join("defence.json")).unwrap();
        let said: Value = serde_json::from_slice(&said).unwrap();
        for (name, flagged, poisoned, count) in [
            ("found", true, true, detection.found.hits),
            ("missed", false, true, detection.found.total - detection.found.hits),
            ("false-alarms", true, false, detection.false_alarms.hits),
        ] {
            let (total, images) = group(&app, of.run(), name).await;
            assert_eq!((total, images.len()), (count.into(), count as usize), "{name}");
            assert!(images.is_sorted_by(|a, b| a.score >= b.score), "{name}: highest first");
            for image in images {
                let sample = &said["samples"][image.at as usize];
                assert_eq!(
                    (&sample["flagged"], &sample["poisoned"]),
                    (&json!(flagged), &json!(poisoned))
                );
                assert_eq!(sample["image"], image.index);
                assert_eq!(image.changed, poisoned);
                let label = image.label.map_or(json!(image.class), |label| json!(label));
                assert_eq!(sample["label"], label);
                assert_eq!(
                    drawn(&app, of.run(), image.at).await,
                    of.expected(split, image.index, poisoned),
                    "{name}, {image:?}"
                );
            }
        }
    }
    let (_, poisons) = group(&app, filter.run(), "missed").await;
    let (_, found) = group(&app, filter.run(), "found").await;
    let target = filter.order.settings.attack.target_class;
    let of_target = |image: &JudgedImage| image.label == Some(target) && image.class != target;
    assert_eq!(poisons.iter().chain(&found).filter(|image| of_target(image)).count(), 9);
    let (_, asked) = group(&app, input.run(), "missed").await;
    assert!(asked.iter().all(|image| image.label.is_none()), "nobody labels these images");
}

#[tokio::test]
async fn pages_and_pictures_that_are_not_there_are_problems() {
    let app = TestApp::new().await;
    let [filter, _] = defended(&app, ["spectral", "strip"]).await;
    let (run, path) = (filter.run(), format!("/runs/{}/judged", filter.run()));
    let (_, all) = group(&app, run, "missed").await;
    let rest = app.get(&format!("{path}?group=missed&offset=1&limit=2")).await.json();
    let rest: Vec<JudgedImage> = serde_json::from_value(rest["items"].clone()).unwrap();
    assert_eq!(rest, all[1..3]);
    let many = app.get(&format!("{path}?limit=1001")).await.problem();
    assert!(many.contains("limit: takes at most 1000 images"), "{many}");

    let first = app.get(&format!("{path}/0.png")).await;
    let tag = first.header("etag").to_owned();
    assert_eq!(first.header("cache-control"), "private, no-cache");
    let again = Request::get(format!("/api/v1{path}/0.png"))
        .header(header::IF_NONE_MATCH, &tag)
        .body(Body::empty())
        .unwrap();
    assert_eq!(app.send(again).await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(
        app.get(&format!("{path}/49.png")).await.problem(),
        "404 there is no image 49: the defence judged 49 images, counted from 0"
    );
    for name in ["0", "0.jpg", "-1.png", "x.png"] {
        let problem = app.get(&format!("{path}/{name}")).await.problem();
        assert_eq!(problem, format!("404 an image is called like 12.png, not {name:?}"));
    }
    let encoder = filter.row.parent.unwrap();
    for end in ["", "/0.png"] {
        assert_eq!(
            app.get(&format!("/runs/{encoder}/judged{end}")).await.problem(),
            "404 the run has judged no images: only a finished sample or input filter has"
        );
    }
    std::fs::write(app.run_folder(run).join("defence.json"), b"{").unwrap();
    assert_eq!(app.get(&path).await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn strips_are_listed_with_their_images_and_pictures() {
    let app = TestApp::new().await;
    let [bdmae, dede] = defended(&app, ["bdmae", "dede"]).await;
    for of in [&bdmae, &dede] {
        let run = of.run();
        let strips = app.get(&format!("/runs/{run}/strips")).await;
        assert_eq!(strips.status, StatusCode::OK, "{}", strips.text());
        let strips: DefenceStrips = serde_json::from_value(strips.json()).unwrap();
        assert_eq!(strips.method, of.order.settings.defence.method);
        // 32 pixels in patches of 8.
        assert_eq!((strips.columns, strips.strips.len()), (4, 16));
        for (n, strip) in strips.strips.iter().enumerate() {
            assert_eq!(strip.image.changed, n >= 8);
            assert_eq!(strip.image.index, strips.strips[n % 8].image.index);
            let original = of.expected(Split::Test, strip.image.index, n >= 8);
            assert_eq!(drawn(&app, run, strip.image.at).await, original);
            let redrawn = picture(&app, &format!("/runs/{run}/strips/{n}.png")).await;
            assert_eq!((redrawn.width(), redrawn.height()), (32, 32));
            let restores = strip.restored.contains(&true) || strip.restored.is_empty();
            assert!(restores || redrawn == original, "nothing of strip {n} was restored");
        }
        assert_eq!(
            app.get(&format!("/runs/{run}/strips/16.png")).await.problem(),
            "404 there is no strip 16: the run has kept 16, counted from 0"
        );
        let problem = app.get(&format!("/runs/{run}/strips/first.png")).await.problem();
        assert_eq!(problem, "404 an image is called like 12.png, not \"first.png\"");
    }
    let first = format!("/runs/{}/strips/0.png", bdmae.run());
    let tag = app.get(&first).await.header("etag").to_owned();
    let again = Request::get(format!("/api/v1{first}"))
        .header(header::IF_NONE_MATCH, &tag)
        .body(Body::empty())
        .unwrap();
    assert_eq!(app.send(again).await.status, StatusCode::NOT_MODIFIED);
    std::fs::write(app.run_folder(dede.run()).join("strips.png"), b"no").unwrap();
    let damaged = app.get(&format!("/runs/{}/strips/0.png", dede.run())).await;
    assert_eq!(damaged.status, StatusCode::INTERNAL_SERVER_ERROR);
    std::fs::remove_file(app.run_folder(dede.run()).join("strips.json")).unwrap();
    for end in ["", "/0.png"] {
        assert_eq!(
            app.get(&format!("/runs/{}/strips{end}", dede.run())).await.problem(),
            "404 the run has kept no strips: only finished runs of BDMAE and DeDe have, and those of earlier versions have none"
        );
    }
}

#[tokio::test]
async fn a_trigger_that_was_found_is_shown_on_images_of_its_search() {
    let app = TestApp::new().await;
    let [of, _] = defended(&app, ["decree", "strip"]).await;
    let (run, side) = (of.run(), 32);
    // Mask: nothing, all of the second pixel, half of the third. The trigger on black.
    let found = Rgb8::from_fn(2 * side, side, |x, y| match (x, y) {
        (1, 0) => [255; 3],
        (2, 0) => [128; 3],
        (x, 0) if x == side + 1 => [200, 0, 7],
        (x, 0) if x == side + 2 => [100, 0, 50],
        _ => [0; 3],
    });
    let file = app.run_folder(run).join("inverted.png");
    std::fs::write(&file, engine::decode::encode_png(&found)).unwrap();
    let mut shown = Vec::new();
    for n in 0..4 {
        let pair = picture(&app, &format!("/runs/{run}/inverted/{n}.png")).await;
        assert_eq!((pair.width(), pair.height()), (2 * side, side));
        let clean = Rgb8::from_fn(side, side, |x, y| pair.pixel(x, y));
        for (x, y) in (0..side).flat_map(|y| (0..side).map(move |x| (x, y))) {
            let [r, g, b] = clean.pixel(x, y);
            let half = |value: u8| (f64::from(value) * 127.0 / 255.0).round() as u8;
            let expected = match (x, y) {
                (1, 0) => [200, 0, 7],
                (2, 0) => [half(r).saturating_add(100), half(g), half(b).saturating_add(50)],
                _ => [r, g, b],
            };
            assert_eq!(pair.pixel(side + x, y), expected, "image {n}, {x}, {y}");
        }
        shown.push(clean);
    }
    let images: Vec<Rgb8> = (0..20).map(|i| of.expected(Split::Test, i, false)).collect();
    assert!(shown.iter().all(|image| images.contains(image)), "validation images");
    assert!(shown.windows(2).all(|pair| pair[0] != pair[1]), "others each time");
    let none = "the run has found no trigger, or no image {n} to show it on: there are 4 at most";
    let problem =
        async |n: usize| app.get(&format!("/runs/{run}/inverted/{n}.png")).await.problem();
    assert_eq!(problem(4).await, format!("404 {}", none.replace("{n}", "4")));
    std::fs::write(&file, engine::decode::encode_png(&images[0])).unwrap();
    let damaged = app.get(&format!("/runs/{run}/inverted/0.png")).await;
    assert_eq!(damaged.status, StatusCode::INTERNAL_SERVER_ERROR);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(problem(0).await, format!("404 {}", none.replace("{n}", "0")));
}
