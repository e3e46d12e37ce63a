//! Evaluations of a classifier under a trigger.

use axum::http::StatusCode;
use serde_json::json;
use shared::{
    RunId, RunKind, RunOrder, StudySpec,
    api::{EvaluatedClassifier, PredictedImage},
    dataset::DataSource,
    metric::Evaluation,
    settings::Start,
};

use crate::{
    harness::TestApp,
    reconstructions::{micro, trained},
};

fn tuned_spec() -> StudySpec {
    let mut spec = micro();
    spec.runs.push(RunKind::Finetune);
    let recipe = &mut spec.settings.finetune;
    recipe.start = Start::Scratch;
    (recipe.poisons, recipe.epochs, recipe.warmup_epochs, recipe.batch_size) = (1, 1, 0, 20);
    spec
}

/// Runs a study's fine-tuning from scratch and returns that run with the evaluation that it wrote.
async fn tuned(app: &TestApp) -> (RunId, Evaluation) {
    let spec = tuned_spec();
    let made = app.post("/studies", &serde_json::to_value(&spec).unwrap()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let row = loop {
        let run = app.start_next().await;
        let row = app.app.store.get_run(run).await.unwrap();
        if row.point.kind == RunKind::Finetune {
            break row;
        }
    };
    let run = row.id;
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
    let mut events = Vec::new();
    let machine = engine::compute::Machine::with_threads(2);
    engine::run::run(&order, &folder, None, &[], &machine, &mut (), &mut |event| {
        events.push(event);
        Ok(())
    })
    .unwrap();
    app.take_in(run, events).await.unwrap();
    let own = std::fs::read(folder.join("evaluation.json")).unwrap();
    let mut own: Evaluation = serde_json::from_slice(&own).unwrap();
    // A run also tells how visible its trigger is.
    assert!(own.metrics.quality.take().is_some());
    (run, own)
}

#[tokio::test]
async fn a_fine_tuning_gives_its_own_evaluation_again() {
    let app = TestApp::new().await;
    let (run, own) = tuned(&app).await;
    let mut body = json!({ "checkpoint": { "kind": "run", "run": run } });
    let answer = app.post("/evaluations", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let evaluated: EvaluatedClassifier = serde_json::from_value(answer.json()).unwrap();
    assert_eq!(evaluated.evaluation, own);
    assert_eq!((evaluated.classes.len(), evaluated.dataset.as_str()), (10, "shapes"));
    assert_eq!(evaluated.trigger, tuned_spec().settings.attack.trigger);

    // The same file by its path: the request must state everything.
    let file = app.run_folder(run).join("checkpoint.safetensors");
    body["checkpoint"] = json!({ "kind": "file", "path": file });
    body["dataset"] = "shapes".into();
    body["attack"] = serde_json::to_value(tuned_spec().settings.attack).unwrap();
    body["test_per_class"] = 2.into();
    let by_path = app.post("/evaluations", &body).await;
    assert_eq!(by_path.json(), answer.json());

    body["attack"]["target_class"] = 5.into();
    let other = app.post("/evaluations", &body).await.json();
    assert_eq!(other["evaluation"]["target_class"], 5);
    assert_eq!(other["evaluation"]["clean"], answer.json()["evaluation"]["clean"]);

    // Each image is to get the class after its own: all of them count.
    body["attack"]["goal"] = "all_to_all".into();
    let all = app.post("/evaluations", &body).await.json();
    assert_eq!(all["evaluation"]["target_class"], "all_to_all");
    assert_eq!(all["evaluation"]["triggered"], answer.json()["evaluation"]["triggered"]);
    let all: Evaluation = serde_json::from_value(all["evaluation"].clone()).unwrap();
    let next = |class: usize| all.triggered.rows[class][(class + 1) % 10];
    assert_eq!(all.metrics.asr.hits, (0..10).map(next).sum::<u32>());
    assert_eq!((all.metrics.asr.total, all.metrics.ra.total), (20, 20));
}

#[tokio::test]
async fn an_evaluation_that_cannot_be_names_its_field() {
    let app = TestApp::new().await;
    let (run, _) = tuned(&app).await;
    let attack = serde_json::to_value(tuned_spec().settings.attack).unwrap();
    let with = |pointer: &str, value: serde_json::Value| {
        let mut body = json!({
            "checkpoint": { "kind": "run", "run": run },
            "dataset": "shapes",
            "attack": attack.clone(),
            "test_per_class": 1
        });
        *body.pointer_mut(pointer).expect("a field") = value;
        body
    };
    let text = app.root().join("text.safetensors");
    std::fs::write(&text, "text").unwrap();
    let file = |path: &std::path::Path| json!({ "kind": "file", "path": path });
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    for (body, status, problem) in [
        (with("/attack/target_class", 10.into()), unprocessable, "attack.target_class: shapes has"),
        (
            with(
                "/attack",
                json!({ "goal": "all_to_all", "clean_label": true, "trigger": attack["trigger"] }),
            ),
            unprocessable,
            "attack.clean_label: must be false with the goal all_to_all",
        ),
        (
            with(
                "/attack",
                json!({
                    "trigger": attack["trigger"],
                    "further": [{ "target_class": 2, "trigger": { "kind": "sig" } }]
                }),
            ),
            unprocessable,
            "attack.further: must be empty",
        ),
        (with("/attack/trigger/ratio", 2.into()), unprocessable, "attack.trigger.ratio: "),
        (
            with("/attack/trigger/key", "zebra".into()),
            unprocessable,
            "attack.trigger.key: there is no",
        ),
        (
            with("/test_per_class", 0.into()),
            unprocessable,
            "test_per_class: takes at least 1 image",
        ),
        (with("/dataset", "none".into()), StatusCode::NOT_FOUND, "there is no data set \"none\""),
        (
            with("/checkpoint/run", RunId::from_parts(1, [1; 10]).to_string().into()),
            StatusCode::NOT_FOUND,
            "there is no run",
        ),
        (with("/checkpoint", file("/no/such".as_ref())), unprocessable, "checkpoint: /no/such: "),
        (with("/checkpoint", file(&text)), unprocessable, "it is a text"),
        (
            with("/checkpoint", json!({ "kind": "cloud" })),
            unprocessable,
            "checkpoint.kind: unknown variant",
        ),
    ] {
        let answer = app.post("/evaluations", &body).await;
        assert_eq!(answer.status, status, "{problem}: {}", answer.text());
        assert!(answer.problem().contains(problem), "{}", answer.problem());
    }
    let nothing = json!({ "checkpoint": file(&text), "images": 3 });
    let answer = app.post("/evaluations", &nothing).await;
    assert!(answer.problem().contains("images"), "{}", answer.problem());
}

#[tokio::test]
async fn of_a_file_with_two_classifiers_one_is_chosen_by_its_entry() {
    let app = TestApp::new().await;
    let case = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden/cases/hf_classifier-0.safetensors");
    let case = std::fs::read(case).unwrap();
    let case = safetensors::SafeTensors::deserialize(&case).unwrap();
    let folder = app.root().join("model");
    std::fs::create_dir(&folder).unwrap();
    for name in ["config.json", "preprocessor_config.json", "checkpoint.pth"] {
        std::fs::write(folder.join(name), case.tensor(name).unwrap().data()).unwrap();
    }
    let file = folder.join("checkpoint.pth");
    let problem = async |entry: Option<&str>| {
        let body = json!({
            "checkpoint": { "kind": "file", "path": file, "entry": entry },
            "dataset": "shapes",
            "attack": tuned_spec().settings.attack,
            "test_per_class": 1
        });
        let answer = app.post("/evaluations", &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
        answer.problem()
    };
    let several = "it holds 2 classifiers: model/module, model_ema; choose one with --entry NAME";
    for entry in [None, Some(" ")] {
        let refused = problem(entry).await;
        assert!(refused.contains("checkpoint: ") && refused.contains(several), "{refused}");
    }
    let unknown = problem(Some("ema")).await;
    assert!(unknown.contains("it has no vision transformer \"ema\""), "{unknown}");
    // The chosen one was read: what is wrong now are its classes.
    let chosen = problem(Some("model_ema")).await;
    assert!(chosen.contains("classes: the classifier has 3 classes"), "{chosen}");
}

#[tokio::test]
async fn a_pretraining_has_no_classifier() {
    let app = TestApp::new().await;
    let run = trained(&app).await;
    let body = json!({ "checkpoint": { "kind": "run", "run": run } });
    let answer = app.post("/evaluations", &body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.problem().contains("checkpoint.run: is a pre-training, which has no classifier"),
        "{}",
        answer.problem()
    );
}

#[tokio::test]
async fn images_that_fall_and_resist_come_from_the_run_s_folder() {
    let app = TestApp::new().await;
    let (run, evaluation) = tuned(&app).await;
    let asked = async |outcome: &str, more: &str| {
        app.get(&format!("/runs/{run}/predictions?outcome={outcome}&limit=1000{more}")).await
    };
    let falls = asked("falls", "").await.json();
    let resists = asked("resists", "").await.json();
    let count = |page: &serde_json::Value| page["total"].as_u64().unwrap() as u32;
    assert_eq!(count(&falls), evaluation.metrics.asr.hits);
    assert_eq!(count(&falls) + count(&resists), evaluation.metrics.asr.total);
    let images: Vec<PredictedImage> =
        [falls["items"].clone(), resists["items"].clone()].into_iter().flat_map(read).collect();
    let target = evaluation.target_class.class().expect("one target class");
    assert!(images.iter().all(|image| image.class != target));
    let right = images.iter().filter(|image| image.clean.class == Some(image.class)).count();
    let of_others: u32 = (0..evaluation.clean.classes() as u32)
        .filter(|&class| class != target)
        .map(|class| evaluation.clean.rows[class as usize][class as usize])
        .sum();
    assert_eq!(right as u32, of_others, "clean predictions are those of the confusion matrix");
    let targets = |page: &serde_json::Value| -> Vec<f32> {
        read(page["items"].clone()).map(|image| image.triggered.target).collect()
    };
    assert!(targets(&resists).is_sorted());
    let told = targets(&falls);
    // Those that get the target's class without the trigger, too, come last.
    let anyway: Vec<bool> =
        read(falls["items"].clone()).map(|image| image.clean.class == Some(target)).collect();
    let first = anyway.iter().filter(|anyway| !**anyway).count();
    assert!(told.len() > 1 && anyway.is_sorted(), "{anyway:?}");
    for part in [&told[..first], &told[first..]] {
        assert!(part.is_sorted_by(|a, b| a >= b), "{told:?}");
    }
    let rest = targets(&asked("falls", "&offset=1").await.json());
    assert!(rest == told[1..], "{rest:?}");

    let path = format!("/runs/{run}/predictions");
    let many = app.get(&format!("{path}?limit=1001")).await.problem();
    assert!(many.contains("limit: takes at most 1000 images"), "{many}");
    std::fs::write(app.run_folder(run).join("predictions.safetensors"), b"no").unwrap();
    assert_eq!(app.get(&path).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    std::fs::remove_file(app.run_folder(run).join("predictions.safetensors")).unwrap();
    assert_eq!(
        app.get(&path).await.problem(),
        "404 the run has kept no predictions by image: it is no finished classifier, or an earlier version trained it"
    );
}

fn read(items: serde_json::Value) -> std::vec::IntoIter<PredictedImage> {
    serde_json::from_value::<Vec<PredictedImage>>(items).unwrap().into_iter()
}
