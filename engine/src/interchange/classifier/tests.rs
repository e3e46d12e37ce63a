mod entry;
mod own;

use std::fs;

use serde_json::{Value, json};
use shared::{
    api::ClassMatching,
    run::DataSource,
    settings::{DatasetSpec, TransformerSpec},
    stream::{Purpose, below, shuffle, stream},
    trigger::{Fill, PatchedSpec, TriggerSpec},
};
use tempfile::TempDir;

use super::*;
use crate::{
    compute::cpu::Vit,
    data::{
        Index,
        augment::{MEAN, Normalisation, STD},
    },
    eval::UnderTrigger,
    interchange::export::renamed,
    random::normal,
    tensors::{NamedTensor, serialize},
};

/// This machine with two threads.
fn machine() -> Machine {
    Machine::with_threads(2)
}

/// The model's scores of normalised images.
fn scores(vit: &Vit, images: &[f32]) -> Vec<f32> {
    let device = machine().cpu(Precision::F32);
    let classifier = device.classifier(vit.spec(), vit.pooling(), vit.params().clone());
    classifier.unwrap().scores(images).unwrap()
}

/// Classes of the built-in data set.
const CLASSES: usize = 10;

/// A model of a drawn shape, every number moved: a new one's biases, norms and head would hide mistakes.
fn drawn(seed: u64, pooling: Pooling) -> Vit {
    let mut rng = stream(seed, Purpose::Init, 0, 1);
    let mut of = |most| 1 + below(&mut rng, most);
    let (heads, patch) = (of(3), 2 * of(4));
    let spec = ModelSpec {
        image_size: patch * of(4),
        patch_size: patch,
        encoder: TransformerSpec { dim: 4 * heads * of(4), depth: of(3), heads },
        decoder: TransformerSpec { dim: 4, depth: 1, heads: 1 },
    };
    let mut vit = Vit::drawn(&spec, CLASSES, pooling, seed);
    for value in vit.params_mut().values_mut() {
        *value += 0.3 * normal(&mut rng) as f32;
    }
    vit
}

/// The model's tensors as transformers calls them, its class `i` at the place `order[i]`.
fn theirs(vit: &Vit, order: &[usize]) -> Vec<NamedTensor> {
    let mut tensors = Vec::new();
    for mut tensor in vit.params().tensors() {
        if let Some(end) = tensor.name.strip_prefix("head.") {
            tensor.name = format!("classifier.{end}");
            let row = tensor.values.len() / CLASSES;
            let rows = tensor.values.clone();
            for (from, &to) in rows.chunks_exact(row).zip(order) {
                tensor.values[to * row..(to + 1) * row].copy_from_slice(from);
            }
            tensors.push(tensor);
        } else {
            tensors.extend(renamed(Naming::HuggingFace { prefix: "vit." }, tensor));
        }
    }
    tensors
}

fn config(vit: &Vit) -> Value {
    let ModelSpec { image_size, patch_size, encoder, .. } = *vit.spec();
    json!({
        "model_type": "vit",
        "hidden_size": encoder.dim,
        "num_hidden_layers": encoder.depth,
        "num_attention_heads": encoder.heads,
        "intermediate_size": 4 * encoder.dim,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-6,
        "image_size": image_size,
        "patch_size": patch_size,
    })
}

/// A folder as `save_pretrained` writes it.
fn folder(tensors: &[NamedTensor], config: &Value, processor: Option<&Value>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("model.safetensors", &serialize(tensors, &[("format", "pt".into())]).unwrap());
    write("config.json", config.to_string().as_bytes());
    if let Some(processor) = processor {
        write("preprocessor_config.json", processor.to_string().as_bytes());
    }
    folder
}

fn imagenet() -> Value {
    json!({ "do_normalize": true, "image_mean": MEAN, "image_std": STD, "resample": 2 })
}

#[test]
fn our_forward_and_candle_transformers_agree() {
    let few =
        DatasetSpec { name: String::new(), train_per_class: Some(1), test_per_class: Some(4) };
    let index = Index::open(&DataSource::Builtin).unwrap().limited(&few);
    for seed in 0..8 {
        let vit = drawn(seed, Pooling::Cls);
        let mut order: Vec<usize> = (0..CLASSES).collect();
        shuffle(&mut stream(seed, Purpose::Order, 0, 0), &mut order);
        let labels: serde_json::Map<String, Value> = order
            .iter()
            .zip(&index.classes)
            .map(|(place, name)| (place.to_string(), name.as_str().into()))
            .collect();
        let mut config = config(&vit);
        config["id2label"] = labels.into();
        let side = vit.spec().image_size;
        config["image_size"] = json!([side, side]);
        let folder = folder(&theirs(&vit, &order), &config, Some(&imagenet()));
        let read = OpenClassifier::read(folder.path(), None, &machine()).unwrap();
        assert_eq!(read.parameters, vit.params().values().len() as u64);

        let mut rng = stream(seed, Purpose::Augment, 0, 0);
        let images: Vec<f32> =
            (0..11 * vit.grid().image_len()).map(|_| normal(&mut rng) as f32).collect();
        let (own, other) = (scores(&vit, &images), read.model.scores(&images).unwrap());
        let largest = own.iter().fold(0f32, |most, score| most.max(score.abs()));
        for (image, (own, other)) in
            own.chunks_exact(CLASSES).zip(other.chunks_exact(CLASSES)).enumerate()
        {
            for (class, &place) in order.iter().enumerate() {
                let difference = (own[class] - other[place]).abs();
                assert!(difference <= 1e-5 * largest, "{:?}: {image} {difference}", vit.spec());
            }
        }

        let patch = PatchedSpec {
            size: 1,
            x: 1,
            y: 0,
            count: 1,
            step: 1,
            fill: Fill::default(),
            ..PatchedSpec::default()
        };
        let trigger = TriggerSpec::Patched(patch);
        let under = UnderTrigger {
            index: &index,
            trigger: &trigger,
            key: None,
            goal: &3.into(),
            matching: &ClassMatching::Names,
            threads: 2,
        };
        let (other, assumed) = under.evaluate(&read, &mut ()).unwrap();
        assert_eq!(assumed, Vec::<String>::new());
        let own = OpenClassifier {
            model: machine()
                .cpu(Precision::F32)
                .classifier(vit.spec(), vit.pooling(), vit.params().clone())
                .unwrap(),
            class_names: index.classes.clone(),
            description: String::new(),
            parameters: 0,
            assumed: Vec::new(),
        };
        let (own, _) = under.evaluate(&own, &mut ()).unwrap();
        assert_eq!((own.metrics, own.clean, own.triggered), {
            (other.metrics, other.clean, other.triggered)
        });
        assert!((own.loss.unwrap() - other.loss.unwrap()).abs() < 1e-4);
    }
}

#[test]
fn what_the_files_do_not_say_is_told() {
    let vit = drawn(1, Pooling::Cls);
    let order: Vec<usize> = (0..CLASSES).collect();
    let tensors = theirs(&vit, &order);
    let read = |processor: Option<Value>| {
        let folder = folder(&tensors, &config(&vit), processor.as_ref());
        OpenClassifier::read(&folder.path().join("model.safetensors"), None, &machine()).unwrap()
    };
    let plain = read(None);
    let half = Normalisation { mean: [0.5; 3], std: [0.5; 3] };
    assert_eq!(plain.model.normalisation(), half);
    assert_eq!(
        plain.assumed,
        [
            "images are normalised by mean 0.5 and deviation 0.5, as there is no preprocessor_config.json"
        ]
    );
    assert_eq!(plain.class_names, Vec::<String>::new());
    let odd = read(Some(json!({
        "do_normalize": false, "size": { "height": 999, "width": 999 }, "resample": 3, "do_center_crop": true
    })));
    let none = Normalisation { mean: [0.0; 3], std: [1.0; 3] };
    assert_eq!(odd.model.normalisation(), none);
    let side = vit.spec().image_size;
    assert_eq!(
        odd.assumed,
        [
            format!(
                "images are resized to the model's {side} px, where preprocessor_config.json says 999"
            ),
            "images are resized bilinearly, where preprocessor_config.json says resample 3".into(),
            "images are seen whole, where preprocessor_config.json crops them".into(),
        ]
    );
}

#[test]
fn a_classifier_that_cannot_be_says_why() {
    let vit = drawn(2, Pooling::Cls);
    let tensors = theirs(&vit, &(0..CLASSES).collect::<Vec<_>>());
    let reason = |tensors: &[NamedTensor], config: &Value, processor: Option<&Value>| {
        let folder = folder(tensors, config, processor);
        OpenClassifier::read(folder.path(), None, &machine())
            .err()
            .expect("no classifier")
            .to_string()
    };
    let encoder = vit.spec().encoder;
    for (key, value, problem) in [
        ("model_type", json!("deit"), "describes a deit; only a vit"),
        ("hidden_size", json!(-1), "the config.json beside it is no model's: invalid value"),
        ("hidden_size", json!(7919), "7919"),
        ("hidden_size", json!(encoder.dim * 2), "its config.json asks for [1, 1,"),
        ("num_attention_heads", json!(0), "which 0 heads cannot share"),
        ("num_hidden_layers", json!(encoder.depth + 1), "layer_"),
        ("num_hidden_layers", json!(u32::MAX), "blocks, more than it has tensors"),
        ("num_hidden_layers", json!(encoder.depth - 1), "which a plain vision transformer has not"),
        ("intermediate_size", json!(0), "says intermediate_size 0"),
        ("intermediate_size", json!(u32::MAX), "its config.json asks for [4294967295,"),
        ("image_size", json!(0), "says image_size 0"),
        ("image_size", json!(u32::MAX), "says image_size 4294967295"),
        ("patch_size", json!(0), "and patch_size 0"),
        ("num_channels", json!(1), "says num_channels 1; images here have 3"),
        ("hidden_act", json!("quick_gelu"), "says hidden_act \"quick_gelu\"; known are gelu"),
        ("layer_norm_eps", json!(0), "says layer_norm_eps 0"),
        ("qkv_bias", json!(false), "which a plain vision transformer has not"),
        ("id2label", json!({ "0": "cat" }), "names 1 classes, but classifier.weight has 10"),
        ("id2label", json!(["cat"]), "the config.json beside it is no model's"),
        ("image_size", json!([8, 16]), "[8, 16] for a square's side; equal numbers are needed"),
    ] {
        let mut config = config(&vit);
        config[key] = value.clone();
        let reason = reason(&tensors, &config, None);
        let named = problem == "layer_" && reason.contains("it has no tensor vit.encoder.layer.");
        assert!(named || reason.contains(problem), "{key} {value}: {reason}");
    }
    for (processor, problem) in [
        (json!({ "image_std": [0.5, 0, 0.5] }), "image_std that is not above 0"),
        (json!({ "image_mean": [0.5] }), "is none of a ViT"),
        (json!({ "do_rescale": false }), "does not bring bytes to intensities"),
    ] {
        let reason = reason(&tensors, &config(&vit), Some(&processor));
        assert!(reason.contains(problem), "{processor}: {reason}");
    }
    let without = |part: &str| -> Vec<NamedTensor> {
        tensors.iter().filter(|tensor| !tensor.name.contains(part)).cloned().collect()
    };
    for (part, problem) in [
        ("classifier", "it is an encoder without a classifier's head"),
        ("classifier.bias", "it has no tensor classifier.bias"),
        ("layernorm_after.weight", "it has no tensor vit.encoder.layer.0.layernorm_after.weight"),
        ("vit.", "it holds no vision transformer"),
    ] {
        let reason = reason(&without(part), &config(&vit), None);
        assert!(reason.contains(problem), "{part}: {reason}");
    }
    let folder = folder(&tensors, &config(&vit), None);
    fs::remove_file(folder.path().join("config.json")).unwrap();
    let read = |path: &Path| {
        OpenClassifier::read(path, None, &machine()).err().expect("no classifier").to_string()
    };
    assert!(read(folder.path()).contains("no config.json lies beside it"));
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert!(read(folder.path()).contains("the folder has no checkpoint"));
    assert!(read(&folder.path().join("none")).contains("none: No such file"));
}
