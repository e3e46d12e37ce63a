//! Studies: creating them, rejecting wrong specifications, cancelling and deleting.

use axum::http::StatusCode;
use engine::eval::{Predicted, Prediction};
use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::{Value, json};

use shared::RunId;

use crate::harness::{TestApp, metrics, spec, spec_with};

#[tokio::test]
async fn a_study_is_made_with_its_runs_queued() {
    let app = TestApp::new().await;
    let made = app.post("/studies", &serde_json::to_value(spec()).unwrap()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_json_snapshot!(made.json());
    assert_eq!(app.get(&format!("/studies/{id}")).await.json(), made.json());
}

#[tokio::test]
async fn the_list_tells_states_and_the_best_attack() {
    let app = TestApp::new().await;
    app.study().await;
    app.finish_next(None).await;
    app.finish_next(Some(metrics(61, 2))).await;
    app.finish_next(Some(metrics(60, 44))).await;
    let list = app.get("/studies?search=STUD").await.json();
    assert_json_snapshot!(list);
    let none = app.get("/studies?search=other").await.json();
    assert_eq!(none, json!({ "items": [], "total": 0, "offset": 0 }));
    let beyond = app.get("/studies?offset=1&limit=5").await.json();
    assert_eq!(beyond, json!({ "items": [], "total": 1, "offset": 1 }));
}

/// Creates a study whose runs are its own.
async fn create(app: &TestApp, name: &str) -> String {
    let made = app.post("/studies?fresh=true", &spec_with("/name", name)).await;
    assert_eq!(made.status, StatusCode::CREATED);
    made.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_list_is_sorted_and_filtered_by_results() {
    let app = TestApp::new().await;
    // The first two end with results, and the second one has the stronger attack; nothing of the third has started.
    for (name, results) in [("b", [(61, 2), (60, 44)]), ("C", [(50, 70), (51, 80)])] {
        let id = create(&app, name).await;
        app.finish_next(None).await;
        for (ca, asr) in results {
            app.finish_next(Some(metrics(ca, asr))).await;
        }
        app.post(&format!("/studies/{id}/cancel"), &json!({})).await;
    }
    create(&app, "a").await;
    let names = async |query: &str| {
        let list = app.get(&format!("/studies?{query}")).await.json();
        let items = list["items"].as_array().unwrap().clone();
        let names = items.iter().map(|study| study["name"].as_str().unwrap()).collect::<Vec<_>>();
        names.join(" ")
    };
    for (sort, expected) in [
        ("-created", "a C b"),
        ("created", "b C a"),
        ("name", "a b C"),
        ("-name", "C b a"),
        // Those without a value come last, and equal ones are sorted by creation.
        ("-asr", "C b a"),
        ("asr", "b C a"),
        ("-ca", "b C a"),
        ("ca", "C b a"),
        ("-done", "C b a"),
        ("dataset", "a C b"),
    ] {
        assert_eq!(names(&format!("sort={sort}")).await, expected, "{sort}");
    }
    assert_eq!(names("").await, "a C b");
    assert_eq!(names("sort=-asr&offset=1&limit=1").await, "b");
    assert_eq!(names("filter=asr%20%3E%2070").await, "C");
    assert_eq!(names("filter=asr%20%3E%201%20%26%26%20asr%20%3C%2050").await, "b");
    assert_eq!(names("filter=asr%20%3E%2099").await, "");
    assert_eq!(names("filter=kind%20%3D%3D%20%22pretrain%22&sort=name").await, "a b C");
    assert_eq!(names("filter=%20").await, "a C b");
    for (query, field) in [("filter=asr%20%3E", "filter"), ("sort=size", "sort")] {
        let answer = app.get(&format!("/studies?{query}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert_eq!(answer.json()["errors"][0]["field"], field);
    }
}

#[tokio::test]
async fn a_study_is_found_by_its_tags() {
    let app = TestApp::new().await;
    app.study().await;
    let mut spec = spec_with("/name", "tagged");
    spec["tags"] = json!(["icassp", "low strength"]);
    assert_eq!(app.post("/studies", &spec).await.status, 201);
    let list = app.get("/studies?search=low%20str").await.json();
    assert_eq!(list["total"], 1);
    assert_eq!(list["items"][0]["tags"], json!(["icassp", "low strength"]));
    let all = app.get("/studies").await.json();
    assert_eq!((&all["total"], &all["items"][1]["tags"]), (&json!(2), &json!([])));
}

#[tokio::test]
async fn a_wrong_specification_names_each_field_and_makes_nothing() {
    let app = TestApp::new().await;
    let patch = |x: u32, size: u32| json!({ "kind": "patched", "x": x, "y": 0, "size": size });
    let cases: [(&str, Value); 15] = [
        ("blend ratio 1.5", spec_with("/attack/trigger/ratio", 1.5)),
        ("no such key", spec_with("/attack/trigger/key", "ghost")),
        ("a target that does not exist", spec_with("/attack/target_class", 10)),
        ("more poisons than images", spec_with("/axes/probe.poisons", json!([0, 501]))),
        ("more poisons than are used", {
            let mut spec = spec_with("/axes/pretrain.poisons", json!([0, 21]));
            spec["dataset"]["train_per_class"] = 20.into();
            spec
        }),
        ("a mask ratio of 1", spec_with("/pretrain/mask_ratio", 1)),
        ("no such data set", spec_with("/dataset/name", "pets")),
        ("no seed", {
            let mut spec = spec_with("/name", "x");
            spec["axes"]["seed"] = json!([]);
            spec
        }),
        ("no name", spec_with("/name", "  ")),
        ("a patch size that does not divide", spec_with("/model/patch_size", 5)),
        ("text for a number", spec_with("/pretrain/epochs", "ten")),
        ("a field that is not there", {
            let mut spec = spec_with("/name", "x");
            spec["probe"]["learning_rate"] = 3.into();
            spec
        }),
        ("an unknown trigger", spec_with("/attack/trigger/kind", "smudged")),
        ("a patch of nothing", spec_with("/attack/trigger", patch(0, 0))),
        ("a patch outside the image", spec_with("/attack/trigger", patch(30, 4))),
    ];
    let mut problems = Vec::new();
    for (what, spec) in cases {
        let answer = app.post("/studies", &spec).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {}", answer.text());
        problems.push(format!("{what}\n{}", answer.problem()));
    }
    assert_snapshot!(problems.join("\n"));
    assert_eq!(app.get("/studies").await.json()["total"], 0);
    assert_eq!(app.get("/runs").await.json()["total"], 0);
}

#[tokio::test]
async fn a_study_beyond_the_machine_is_planned_and_not_queued() {
    let app = TestApp::new().await;
    // 12.9 billion parameters, in 620 GB with all that a training holds of them.
    let mut large = spec_with("/model/encoder", json!({ "dim": 4096, "depth": 64, "heads": 64 }));
    let plan = app.post("/plans", &large).await.json();
    assert!(plan["memory"].as_f64().unwrap() > 600e9, "{}", plan["memory"]);
    assert_eq!(plan["runs"][0]["memory"], plan["memory"]);
    assert_eq!(plan["refused"][0]["field"], "model.encoder.dim");
    let answer = app.post("/studies", &large).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problem = answer.problem();
    let words = "model.encoder.dim: makes a run of pre-training that needs about 6";
    assert!(problem.contains(words) && problem.contains("this machine has"), "{problem}");

    // 10,000 checkpoints of a gigabyte in each of a hundred pre-trainings.
    large = spec_with("/model/encoder", json!({ "dim": 512, "depth": 64, "heads": 8 }));
    large["pretrain"]["batch_size"] = 1.into();
    large["pretrain"]["epochs"] = 10_000.into();
    large["pretrain"]["checkpoint_every"] = 1.into();
    large["axes"] = json!({ "seed": (0..100).collect::<Vec<u32>>() });
    let answer = app.post("/studies", &large).await;
    let problem = answer.problem();
    assert!(
        problem.contains("pretrain.checkpoint_every: makes a study that needs about"),
        "{problem}"
    );
    assert!(problem.contains("are free in the data folder"), "{problem}");
    assert_eq!(app.get("/runs").await.json()["total"], 0);

    let plan = app.post("/plans", &serde_json::to_value(spec()).unwrap()).await.json();
    assert_eq!(plan["refused"], json!([]));
    let most = plan["memory"].as_f64().unwrap();
    assert!((60e6..500e6).contains(&most), "{most} bytes");
}

#[tokio::test]
async fn a_body_of_many_errors_gets_a_short_answer() {
    let app = TestApp::new().await;
    let wrong: serde_json::Map<String, Value> =
        (0..30_000).map(|i| (format!("no.such.setting.{i}"), json!([1]))).collect();
    let values = |value: Value| spec_with("/axes", value);
    let mut tagged = serde_json::to_value(spec()).unwrap();
    tagged["tags"] = json!(vec!["a,b"; 100_000]);
    for body in [
        tagged,
        values(wrong.into()),
        values(json!({ "seed": (0..130_000).collect::<Vec<u32>>() })),
        values(
            json!({ "probe.epochs": (0..4_000).map(|i| f64::from(i) + 0.5).collect::<Vec<_>>() }),
        ),
        values(json!({ "x".repeat(900_000): [1] })),
        values(json!({ "attack.trigger.key": ["x".repeat(900_000), "y"] })),
        spec_with("/attack/trigger/key", "x".repeat(900_000)),
        spec_with("/dataset/name", "x".repeat(900_000)),
        spec_with("/pretrain/epochs", "x".repeat(900_000)),
        spec_with("/attack/trigger/kind", "x".repeat(900_000)),
    ] {
        let answer = app.post("/studies", &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.len() < 60_000, "{} bytes: {:.300}", answer.body.len(), answer.text());
    }
}

#[tokio::test]
async fn a_poison_list_is_held_against_the_data_set() {
    let app = TestApp::new().await;
    let classes = app.get("/datasets/shapes").await.json()["classes"].clone();
    let classes: Vec<&str> =
        classes.as_array().unwrap().iter().map(|class| class.as_str().unwrap()).collect();
    let named = |class: &str, n: u32| format!("train/{class}/{n:04}");
    let mut list: Vec<String> =
        (0..3).flat_map(|n| classes[1..].iter().map(move |class| named(class, n))).collect();
    let post = async |list: &[String]| {
        let mut spec = spec_with("/axes", json!({ "pretrain.poisons": [0, 2] }));
        spec["probe"]["poisons"] = 3.into();
        spec["knn"]["poisons"] = 0.into();
        spec["dataset"]["train_per_class"] = 20.into();
        spec["attack"]["poisons"] = json!(list);
        app.post("/studies", &spec).await
    };
    let made = post(&list).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(made.json()["spec"]["attack"]["poisons"], json!(list));

    let last = list.pop().unwrap();
    let mut problems = vec![post(&list).await.problem()];
    for wrong in [named(classes[0], 0), named(classes[1], 20), list[0].clone()] {
        problems.push(post(&[&list[..], &[last.clone(), wrong]].concat()).await.problem());
    }
    assert_snapshot!(problems.join("\n"), @r"
    422 attack.poisons: names 2 images of class 9, fewer than the 3 to poison
      attack.poisons: names 2 images of class 9, fewer than the 3 to poison
    422 attack.poisons: names images of the target class: train/arrow/0000
      attack.poisons: names images of the target class: train/arrow/0000
    422 attack.poisons: names images that are not among the study's training images: train/circle/0020
      attack.poisons: names images that are not among the study's training images: train/circle/0020
    422 attack.poisons: names images twice: train/circle/0000
      attack.poisons: names images twice: train/circle/0000
    ");
}

#[tokio::test]
async fn cancelling_a_study_ends_what_is_queued() {
    let app = TestApp::new().await;
    let study = app.study().await;
    app.finish_next(None).await;
    let detail = app.post_empty(&format!("/studies/{study}/cancel")).await.json();
    let states: Vec<&str> = detail["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["done", "cancelled", "cancelled", "cancelled", "cancelled", "cancelled"]);
    let none = app.post_empty("/studies/018bcfe5-6800-7000-8000-000000000000/cancel").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_study_is_deleted_once_it_is_over() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let path = format!("/studies/{study}");
    assert_snapshot!(app.delete(&path).await.problem());
    app.post_empty(&format!("{path}/cancel")).await;
    let folder = app.app.data_dir.runs().join(app.runs(study).await[0].to_string());
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(app.delete(&path).await.status, StatusCode::OK);
    assert!(folder.exists(), "the deletion can be undone");
    let end = app.delete(&format!("/deletions/{study}")).await;
    assert_eq!(end.status, StatusCode::NO_CONTENT);
    assert!(!folder.exists(), "the runs' folders are deleted with the study");
    assert_snapshot!(app.get(&path).await.problem().replace(&study.to_string(), "ID"));
    assert_eq!(app.delete(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_study_is_renamed_and_found_by_its_new_name() {
    let app = TestApp::new().await;
    let study = app.study().await;
    app.finish_next(None).await;
    app.finish_next(Some(metrics(61, 2))).await;
    let path = format!("/studies/{study}");
    // What is kept in memory knows the old name.
    assert_eq!(app.get("/results").await.json()["items"][0]["studies"][0]["name"], "A study");
    assert_eq!(app.get("/compare").await.json()[0]["study_name"], "A study");

    let change =
        json!({ "name": "renamed", "tags": ["keep"], "notes": "Seed 2 is odd.\nLook again." });
    let changed = app.patch(&path, &change).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let changed = changed.json();
    assert_eq!(
        (&changed["spec"]["name"], &changed["spec"]["tags"]),
        (&json!("renamed"), &json!(["keep"]))
    );
    assert_eq!(changed["notes"], "Seed 2 is odd.\nLook again.");
    assert_eq!(changed["runs"][0]["study_name"], "renamed");
    assert_eq!(app.get("/studies?search=renamed").await.json()["total"], 1);
    assert_eq!(app.get("/studies?search=A%20study").await.json()["total"], 0);
    assert_eq!(app.get("/runs?search=renamed").await.json()["total"], 6);
    assert_eq!(app.get("/results").await.json()["items"][0]["studies"][0]["name"], "renamed");
    assert_eq!(app.get("/compare").await.json()[0]["study_name"], "renamed");

    // What is not named stays.
    let starred = app.patch(&path, &json!({ "starred": true })).await.json();
    assert_eq!((&starred["starred"], &starred["notes"]), (&json!(true), &changed["notes"]));
}

#[tokio::test]
async fn archived_studies_are_listed_apart() {
    let app = TestApp::new().await;
    let study = app.study().await;
    app.post("/studies?fresh=true", &spec_with("/name", "other")).await;
    let path = format!("/studies/{study}");
    app.patch(&path, &json!({ "archived": true, "starred": true })).await;
    let names = async |query: &str| {
        let list = app.get(&format!("/studies{query}")).await.json();
        let names = list["items"].as_array().unwrap().iter().map(|item| item["name"].clone());
        assert_eq!(list["total"], names.len());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["other"]);
    assert_eq!(names("?archived=true").await, ["A study"]);
    assert_eq!(names("?starred=true").await, Vec::<Value>::new());
    app.patch(&path, &json!({ "archived": false })).await;
    assert_eq!(names("").await, ["other", "A study"]);
    assert_eq!(names("?starred=true").await, ["A study"]);
}

#[tokio::test]
async fn a_wrong_change_names_its_field_and_changes_nothing() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let path = format!("/studies/{study}");
    let wrong =
        json!({ "name": " ", "tags": ["a,b"], "notes": "n".repeat(20_001), "starred": true });
    assert_snapshot!(app.patch(&path, &wrong).await.problem(), @r"
    422 name: give the study a name; tags: takes tags of 1 to 40 characters, without commas; notes: take at most 20000 characters
      name: give the study a name
      tags: takes tags of 1 to 40 characters, without commas
      notes: take at most 20000 characters
    ");
    assert_eq!(
        app.patch(&path, &json!({ "seed": 2 })).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let kept = app.get(&path).await.json();
    assert_eq!((&kept["spec"]["name"], &kept["starred"]), (&json!("A study"), &json!(false)));
    let none = app.patch("/studies/018bcfe5-6800-7000-8000-000000000000", &json!({})).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_study_is_told_in_sentences() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let path = format!("/studies/{study}/verdict");
    assert_eq!(app.get(&path).await.json(), Value::Null);
    app.finish_next(None).await;
    app.finish_next(Some(metrics(61, 2))).await;
    app.finish_next(Some(metrics(60, 44))).await;
    let found = app.get(&path).await.json();
    let text = |sentence: &Value| {
        let parts = sentence["parts"].as_array().unwrap().iter();
        parts.map(|part| part["text"].as_str().unwrap().to_owned()).collect::<String>()
    };
    assert_snapshot!(text(&found["headline"]), @"Strongest attack (PPR 0, LPR 3): ASR 44.0 %, CA 60.0 %, 1.0 points below the clean classifier (no proven difference, p = .647).");
    assert_eq!(found["strongest"]["lpr"], 3);

    // The same counts by image: 10 clean images that only the first one classifies correctly, 378 that only the second one takes for the
    // target. A coin gives 10 of 10 twice with p = 2 / 1,024.
    let pairs = format!("/studies/{study}/pairs");
    assert_eq!(app.get(&pairs).await.json(), serde_json::json!([]));
    let runs = app.runs(study).await;
    keep_predictions(&app, runs[1], 610, 18);
    keep_predictions(&app, runs[2], 600, 396);
    assert_eq!(
        app.get(&pairs).await.json(),
        serde_json::json!([{
            "first": runs[1],
            "second": runs[2],
            "ca": { "first": 10, "second": 0, "total": 1000 },
            "asr": { "first": 0, "second": 378, "total": 900 },
        }])
    );
    let found = app.get(&path).await.json();
    assert_snapshot!(text(&found["headline"]), @"Strongest attack (PPR 0, LPR 3): ASR 44.0 %, CA 60.0 %, 1.0 points below the clean classifier (p = .002).");
    // A damaged file is as none.
    std::fs::write(app.run_folder(runs[1]).join("predictions.safetensors"), b"no").unwrap();
    assert_eq!(app.get(&pairs).await.json(), serde_json::json!([]));
}

/// Writes predictions of 1,000 images into a run's folder, the first 100 of the target class 0: the first `right` are classified correctly
/// without the trigger, and the first `fallen` of the other 900 fall with it.
fn keep_predictions(app: &TestApp, run: RunId, right: usize, fallen: usize) {
    let label = |image: usize| u32::from(image >= 100);
    let one = |class: u32| Prediction { class: Some(class), confidence: 0.9, target: 0.5 };
    let clean = |image: usize| one(if image < right { label(image) } else { 2 });
    let triggered = |image: usize| one(u32::from(image >= 100 + fallen));
    let predicted = Predicted {
        goal: shared::metric::Goal::from(0),
        labels: (0..1000).map(label).collect(),
        clean: (0..1000).map(clean).collect(),
        triggered: (0..1000).map(triggered).collect(),
    };
    let folder = app.run_folder(run);
    std::fs::create_dir_all(&folder).unwrap();
    predicted.write(&folder.join("predictions.safetensors")).unwrap();
}

#[tokio::test]
async fn the_run_that_restores_is_planned_and_told_of() {
    let app = TestApp::new().await;
    let mut study = spec_with("/runs", json!(["defence"]));
    study["axes"] = json!({ "pretrain.poisons": [0, 10], "defence.restorer": ["own", "clean"] });
    study["defence"]["method"] = "bdmae".into();
    let plan = app.post("/plans", &study).await.json();
    let runs = plan["runs"].as_array().unwrap();
    let kinds: Vec<&str> = runs.iter().map(|run| run["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["pretrain", "defence", "pretrain", "defence", "defence"]);
    let digest = |at: usize| runs[at]["digest"].clone();
    assert_eq!(runs[3]["inputs"], json!([digest(2)]));
    assert!(runs[3].get("restorer").is_none(), "the judged autoencoder");
    assert_eq!(runs[4]["inputs"], json!([digest(2), digest(0)]));
    assert_eq!(runs[4]["restorer"], digest(0));

    let made = app.post("/studies", &study).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let made = made.json();
    let [clean, _, poisoned, own, other] = &made["runs"].as_array().unwrap()[..] else {
        panic!("{made}")
    };
    assert_eq!((&other["parent"], &other["restorer"]), (&poisoned["id"], &clean["id"]));
    assert!(own["parent"] == poisoned["id"] && own.get("restorer").is_none());

    study["axes"] = json!({ "defence.restorer": ["own", "borrowed"] });
    let refused = app.post("/plans", &study).await.problem();
    let expected = "defence.restorer: takes own, clean, imported, not borrowed";
    assert!(refused.contains(expected), "{refused}");
    study["axes"] = json!({});
    study["defence"]["restorer"] = "borrowed".into();
    let refused = app.post("/plans", &study).await.problem();
    assert!(refused.contains("defence.restorer: unknown variant `borrowed`"), "{refused}");
}
