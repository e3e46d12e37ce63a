//! `maskdoor evaluate`: a fine-tuned classifier of this program, and one from Hugging Face.

use std::{fs, path::Path};

use safetensors::SafeTensors;
use shared::{
    RunKind,
    api::{EvaluatedClassifier, RunResult},
    metric::{Evaluation, Target},
};

use crate::{
    cli::{failure, success, write_study},
    support::{micro, probed},
};

#[test]
fn a_fine_tuning_is_evaluated_again_and_under_another_trigger() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (data, json, again) = (place("data"), place("out.json"), place("again.json"));
    let mut spec = micro("fine-tuned", 1);
    spec.runs = vec![RunKind::Probe, RunKind::Finetune];
    let mut spec = probed(spec, &[0]);
    let recipe = &mut spec.settings.finetune;
    (recipe.poisons, recipe.epochs, recipe.warmup_epochs, recipe.batch_size) = (1, 2, 0, 16);
    let study = write_study(folder.path(), &spec);
    success(folder.path(), &["run", &study, "--data-dir", &data, "--json", &json]);
    let results: Vec<RunResult> =
        serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let of = |wanted| results.iter().find(|run| run.kind == wanted).unwrap();
    let tuned = of(RunKind::Finetune);
    let run = tuned.run.to_string();
    let at = ["--data-dir", &data];
    let evaluate = |more: &[&str]| {
        let args = [&["evaluate", &run, "--json", &again][..], &at, more].concat();
        let told = success(folder.path(), &args);
        let text = fs::read_to_string(&again).unwrap();
        (told, serde_json::from_str::<EvaluatedClassifier>(&text).unwrap())
    };
    // Without options, the study's images, trigger and target give the run's own counts.
    let (told, evaluated) = evaluate(&[]);
    let file = Path::new(&data).join(format!("runs/{run}/evaluation.json"));
    let mut own: Evaluation = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    // A run also tells how visible its trigger is.
    assert!(own.metrics.quality.take().is_some());
    assert_eq!(evaluated.evaluation, own);
    assert_eq!((evaluated.assumed.len(), evaluated.image_size), (0, 8));
    assert!(told.starts_with("fine-tuned ViT of this program, epoch 2: 8 px images"), "{told}");
    assert!(told.contains("20 validation images of shapes; trigger blended"), "{told}");
    assert!(told.contains("top-5") && told.contains("95 % intervals"), "{told}");

    let class = &evaluated.classes[3];
    let more = ["--trigger", "badnets", "--target", class, "--test-per-class", "3"];
    let (told, other) = evaluate(&[&more[..], &["--dataset", "shapes"]].concat());
    assert!(told.contains("30 validation images of shapes; trigger patched 1 px"), "{told}");
    assert_eq!(other.evaluation.target_class, Target::Class(3));
    assert_eq!(other.evaluation.metrics.asr.total, 27);
    let capitals = class.to_uppercase();
    let said =
        failure(folder.path(), &[&["evaluate", &run][..], &at, &["--target", &capitals]].concat());
    assert!(
        said.starts_with(&format!("error: shapes has no class {capitals:?}; it has ")),
        "{said}"
    );
    // The attack from a study file, with another target.
    let (_, third) = evaluate(&["--attack", &study, "--target", "4"]);
    let target = third.evaluation.target_class;
    assert_eq!((&third.trigger, target), (&evaluated.trigger, Target::Class(4)));
    assert_eq!(third.evaluation.clean, own.clean);
    // Every image to the class after its own.
    let (told, all) = evaluate(&["--target", "all_to_all"]);
    assert!(told.contains("each towards the next class (all-to-all)"), "{told}");
    assert!(told.contains("ASR and RA are over all triggered images"), "{told}");
    assert_eq!(all.evaluation.target_class, Target::ALL_TO_ALL);
    assert_eq!(all.evaluation.metrics.asr.total, 20);

    for (more, problem) in [
        (&["--target", "zebra"][..], "error: shapes has no class \"zebra\"; it has "),
        (
            &["--target", "10"],
            "error: attack.target_class: shapes has the classes 0 to 9, so there is no class 10\n",
        ),
        (&["--dataset", "cifar"], "error: there is no data set \"cifar\"; there are: shapes\n"),
        (&["--trigger", "zebra", "--target", "0"], "error: there is no trigger \"zebra\""),
        (&["--attack", &json], "error: FOLDER/out.json, line 2, no TOML"),
    ] {
        let said = failure(folder.path(), &[&["evaluate", &run][..], &at, more].concat());
        assert!(said.starts_with(problem), "{said}");
    }
    let probe = of(RunKind::Probe).run.to_string();
    let pretraining = of(RunKind::Pretrain).run.to_string();
    for (checkpoint, problem) in [
        (probe.as_str(), "error: checkpoint.run: is a linear probe, whose file holds only a head"),
        (pretraining.as_str(), "error: checkpoint.run: is a pre-training, which has no classifier"),
        (&format!("{run}@7"), "error: the run has no checkpoint of epoch 7"),
        (&format!("{run}@last"), "error: \"last\" is not an epoch"),
        (
            "nothing",
            "error: there is no file or folder nothing, and it is not the identifier of a run",
        ),
    ] {
        let said = failure(folder.path(), &[&["evaluate", checkpoint][..], &at].concat());
        assert!(said.starts_with(problem), "{said}");
    }
    let said = failure(folder.path(), &[&["evaluate", &run, "--entry", "ema"][..], &at].concat());
    assert_eq!(said, "error: --entry chooses a classifier of a file; a run has only one\n");
}

/// A model as `save_pretrained` writes it, and a training script's file of it and another one.
const FILES: [&str; 4] =
    ["model.safetensors", "config.json", "preprocessor_config.json", "checkpoint.pth"];

/// Writes a classifier of three classes, as saved by transformers, and returns its folder.
fn hugging_face(folder: &Path) -> String {
    let case = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden/cases/hf_classifier-0.safetensors");
    let case = fs::read(case).unwrap();
    let case = SafeTensors::deserialize(&case).unwrap();
    let model = folder.join("model");
    fs::create_dir(&model).unwrap();
    for name in FILES {
        fs::write(model.join(name), case.tensor(name).unwrap().data()).unwrap();
    }
    model.display().to_string()
}

#[test]
fn a_classifier_of_hugging_face_is_evaluated_on_an_added_folder() {
    let folder = tempfile::tempdir().unwrap();
    let model = hugging_face(folder.path());
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (data, json) = (place("data"), place("out.json"));
    for (set, classes) in
        [("same", ["Class_2", "Class_0", "Class_1"]), ("other", ["cat", "cow", "dog"])]
    {
        for (at, class) in classes.iter().enumerate() {
            for split in ["train", "val"] {
                let images = folder.path().join(set).join(split).join(class);
                fs::create_dir_all(&images).unwrap();
                let picture = image::RgbImage::from_fn(8, 8, |x, y| {
                    image::Rgb([(x * 30) as u8, y as u8, at as u8])
                });
                picture.save(images.join("1.png")).unwrap();
            }
        }
        success(folder.path(), &["datasets", "add", set, &place(set), "--data-dir", &data]);
    }
    let evaluate = |model: &str, set: &str, more: &[&str]| {
        let args = ["evaluate", model, "--dataset", set, "--data-dir", &data, "--json", &json];
        let attack = ["--trigger", "sig", "--target", "1"];
        let told = success(folder.path(), &[&args[..], &attack, more].concat());
        let text = fs::read_to_string(&json).unwrap();
        (told, serde_json::from_str::<EvaluatedClassifier>(&text).unwrap())
    };
    let (told, same) = evaluate(&model, "same", &[]);
    assert!(told.starts_with("Hugging Face's ViTForImageClassification: 8 px images"), "{told}");
    assert_eq!(same.assumed, Vec::<String>::new());
    assert_eq!((same.evaluation.metrics.ca.total, same.evaluation.metrics.asr.total), (3, 2));
    assert_eq!(same.evaluation.metrics.top5, None, "three classes");
    let weights = format!("{model}/model.safetensors");
    let (told, other) = evaluate(&weights, "other", &["--classes", "order"]);
    assert!(
        told.contains("assumed: the classes are in the data set's order, as asked for"),
        "{told}"
    );
    assert_eq!(other.assumed.len(), 1);
    let list = place("classes.txt");
    fs::write(&list, "dog\ncat\ncow\n").unwrap();
    let (_, listed) = evaluate(&weights, "other", &["--classes", &list]);
    assert_eq!(listed.assumed, Vec::<String>::new());
    assert_ne!(listed.evaluation.clean, other.evaluation.clean, "other classes of the same scores");

    // A training script's file of this model and another one.
    let script = format!("{model}/checkpoint.pth");
    let (_, entry) = evaluate(&script, "same", &["--entry", "model.module"]);
    assert_eq!((&entry.evaluation, &entry.classes), (&same.evaluation, &same.classes));
    let (_, ema) = evaluate(&script, "same", &["--entry", "model_ema"]);
    assert_ne!(ema.evaluation.loss, same.evaluation.loss, "another model");
    let base = ["evaluate", &script, "--dataset", "same", "--data-dir", &data];
    for (more, problem) in [
        (
            &[][..],
            "it holds 2 classifiers: model/module, model_ema; choose one with --entry NAME\n",
        ),
        (
            &["--entry", "ema"],
            "it has no vision transformer \"ema\"; it has: model/module, model_ema\n",
        ),
    ] {
        let said = failure(folder.path(), &[&base[..], more].concat());
        let file = "error: the checkpoint FOLDER/model/checkpoint.pth: ";
        assert_eq!(said.strip_prefix(file), Some(problem), "{said}");
    }

    let base = ["evaluate", &model, "--data-dir", &data];
    for (more, problem) in [
        (
            &["--dataset", "shapes", "--trigger", "sig", "--target", "1"][..],
            "error: classes: the classifier has 3 classes and the data set 10",
        ),
        (
            &["--dataset", "other", "--trigger", "sig", "--target", "1"],
            "error: classes: the classifier's classes do not have the data set's names. Classifier / data set: 0: \"Class_0\" / \"cat\"",
        ),
        (&["--trigger", "sig", "--target", "1"], "error: dataset: name a data set"),
        (&["--dataset", "same"], "error: attack: give a trigger and a target class"),
    ] {
        let said = failure(folder.path(), &[&base[..], more].concat());
        assert!(said.starts_with(problem), "{said}");
    }
    fs::write(format!("{model}/config.json"), "{").unwrap();
    let said = failure(folder.path(), &[&base[..], &["--dataset", "same"]].concat());
    assert!(
        said.starts_with("error: the checkpoint FOLDER/model/model.safetensors: the config.json beside it is no model's"),
        "{said}"
    );
}
