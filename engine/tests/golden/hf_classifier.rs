//! Classifiers saved by transformers: read with the files beside them, they give the same scores as in transformers; so does either
//! of two in one file.

use std::fs;

use engine::{compute::Machine, interchange::OpenClassifier};
use serde::Deserialize;
use shared::Rgb8;

use crate::case::{Case, assert_close};

/// The files of `save_pretrained`.
const FILES: [&str; 3] = ["model.safetensors", "config.json", "preprocessor_config.json"];

#[derive(Deserialize)]
struct Config {
    image_size: usize,
    classes: Vec<String>,
    mean: [f32; 3],
    std: [f32; 3],
}

#[test]
fn classifiers_of_transformers_give_its_scores() {
    for case in Case::all("hf_classifier") {
        let config: Config = case.config();
        let folder = tempfile::tempdir().unwrap();
        for name in FILES {
            fs::write(folder.path().join(name), case.bytes(name)).unwrap();
        }
        let machine = Machine::with_threads(2);
        let read = OpenClassifier::read(folder.path(), None, &machine)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name()));
        assert_eq!(read.assumed, Vec::<String>::new(), "{}", case.name());
        assert_eq!(read.class_names, config.classes, "{}", case.name());
        let model = read.model;
        assert_eq!(
            (model.side(), model.classes()),
            (config.image_size, config.classes.len()),
            "{}",
            case.name()
        );
        let normalisation = model.normalisation();
        assert_close(case.name(), &normalisation.mean, &config.mean, 1e-6);
        assert_close(case.name(), &normalisation.std, &config.std, 1e-6);
        let one = 3 * config.image_size * config.image_size;
        let pictures = case.bytes("pictures");
        let mut planes = vec![0.0; pictures.len()];
        for (picture, planes) in pictures.chunks_exact(one).zip(planes.chunks_exact_mut(one)) {
            let side = config.image_size;
            let image = Rgb8::from_raw(side, side, picture.to_vec()).unwrap();
            normalisation.apply(&model.view(&image), planes);
        }
        let scores = model.scores(&planes).unwrap();
        assert_close(case.name(), &scores, &case.floats("logits"), 1e-5);
        let file = folder.path().join("checkpoint.pth");
        fs::write(&file, case.bytes("checkpoint.pth")).unwrap();
        for (entry, logits) in [("model.module", "logits"), ("model_ema", "ema_logits")] {
            let read = OpenClassifier::read(&file, Some(entry), &machine).unwrap();
            let scores = read.model.scores(&planes).unwrap();
            assert_close(case.name(), &scores, &case.floats(logits), 1e-5);
        }
        let refused = OpenClassifier::read(&file, None, &machine).err().unwrap().to_string();
        let several =
            "it holds 2 classifiers: model/module, model_ema; choose one with --entry NAME";
        assert!(refused.ends_with(several), "{}: {refused}", case.name());
    }
}
