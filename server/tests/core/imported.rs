//! Defences on encoders of other programs: each method judges them, or the program says before anything starts what they lack.

use std::{collections::BTreeMap, fs, path::Path};

use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::Value;
use shared::{
    RunKind, StudySpec,
    settings::{BlockedBy, DedeDecoder, DefenceMethod, Restorer},
    study::{Axis, ModelSpec, TransformerSpec},
};

use crate::{
    cli::{failure, success, write_study},
    support::micro,
};

#[derive(Deserialize)]
struct Written {
    from: String,
    file: String,
    hf_config: Option<String>,
}

/// Writes a checkpoint that another program made into the folder, and imports it as `name`.
fn import(folder: &Path, from: &str, name: &str, more: &[&str]) {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases");
    let mut found = None;
    for entry in fs::read_dir(cases).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("checkpoints-") {
            let bytes = fs::read(path).unwrap();
            let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
            let config = &header.metadata().as_ref().unwrap()["config"];
            let config: Written = serde_json::from_str(config).unwrap();
            if config.from == from {
                let case = SafeTensors::deserialize(&bytes).unwrap();
                found = Some((config, case.tensor("file").unwrap().data().to_vec()));
            }
        }
    }
    let (config, bytes) = found.unwrap_or_else(|| panic!("no checkpoint {from}"));
    let place = folder.join(name);
    fs::create_dir(&place).unwrap();
    fs::write(place.join(&config.file), bytes).unwrap();
    if let Some(text) = config.hf_config {
        fs::write(place.join("config.json"), text).unwrap();
    }
    let file = place.join(config.file).display().to_string();
    let data = folder.join("data").display().to_string();
    let import = ["checkpoints", "import", &file, "--name", name, "--data-dir", &data];
    success(folder, &[&import[..], more].concat());
}

/// A study that judges an imported encoder by these methods.
fn study(encoder: &str, methods: &[&str]) -> StudySpec {
    let mut spec = micro(encoder, 1);
    let settings = &mut spec.settings;
    settings.encoder = Some(encoder.into());
    settings.pretrain.poisons = 0;
    settings.model = ModelSpec {
        image_size: 8,
        patch_size: 4,
        encoder: TransformerSpec { dim: 8, depth: 1, heads: 2 },
        decoder: TransformerSpec { dim: 4, depth: 1, heads: 1 },
    };
    (settings.dataset.train_per_class, settings.dataset.test_per_class) = (Some(6), Some(4));
    settings.finetune.poisons = 1;
    settings.finetune.epochs = 1;
    settings.finetune.warmup_epochs = 0;
    settings.finetune.batch_size = 16;
    let defence = &mut settings.defence;
    (defence.poisons, defence.refused) = (1, 0.2);
    (defence.clusters, defence.dimensions) = (3, 3);
    (defence.pasted_on, defence.patch_steps) = (5, 5);
    (defence.overlays, defence.trials, defence.masks) = (3, 3, 3);
    (defence.search_epochs, defence.repair_epochs, defence.decoder_epochs) = (5, 1, 3);
    spec.runs = vec![RunKind::Defence];
    spec.axes = vec![Axis::of("defence.method", methods.iter().copied())];
    spec
}

/// What each method said of the imported encoder.
fn said(folder: &Path, spec: &StudySpec) -> BTreeMap<String, Value> {
    let data = folder.join("data");
    let study = write_study(folder, spec);
    success(folder, &["run", &study, "--data-dir", &data.display().to_string()]);
    let mut said = BTreeMap::new();
    for run in fs::read_dir(data.join("runs")).unwrap() {
        let run = run.unwrap().path();
        let json = |name: &str| -> Option<Value> {
            serde_json::from_slice(&fs::read(run.join(name)).ok()?).unwrap()
        };
        let order = json("run.json").unwrap();
        let defence = serde_json::to_value(&spec.settings.defence).unwrap();
        let is_own = |field: &str| order["settings"]["defence"][field] == defence[field];
        if ["blocked_by", "decoder"].into_iter().all(is_own)
            && let Some(judged) = json("defence.json")
        {
            said.insert(judged["method"].as_str().unwrap().to_owned(), judged);
        }
    }
    said
}

/// Every number is finite: JSON has no others, and writes them as `null`.
fn assert_sound(method: &str, said: &Value) {
    let judgement = &said["judgement"];
    let kind = DefenceMethod::ALL.into_iter().find(|known| name(*known) == method).unwrap();
    if kind == DefenceMethod::Decree {
        assert!(judgement["encoder"]["clean_cosine"].is_f64(), "{judgement}");
        return;
    }
    if !kind.filters_samples() {
        for when in ["before", "after"] {
            assert!(judgement[when]["asr"]["total"].as_u64() > Some(0), "{method}: {judgement}");
        }
    }
    if !kind.repairs() {
        let samples = said["samples"].as_array().unwrap();
        let sound = |sample: &Value| sample["score"].as_f64().is_some_and(f64::is_finite);
        assert!(!samples.is_empty() && samples.iter().all(sound), "{method}: {samples:?}");
        assert!(judgement["detection"]["auroc"].is_f64(), "{method}: {judgement}");
    }
}

/// The name of a method in a study's file.
fn name(method: DefenceMethod) -> String {
    serde_json::to_value(method).unwrap().as_str().unwrap().to_owned()
}

/// All methods.
fn methods() -> Vec<String> {
    DefenceMethod::ALL.map(name).into()
}

#[test]
fn every_defence_judges_an_autoencoder_of_transformers() {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path(), "transformers_mae", "mae", &[]);
    let all = methods();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut spec = study("mae", &all);
    let mut said_of_all = said(folder.path(), &spec);
    assert_eq!(said_of_all.len(), DefenceMethod::ALL.len(), "{:?}", said_of_all.keys());
    // The other forms of those that decode.
    spec.axes = vec![Axis::of("defence.method", ["blocking"])];
    spec.settings.defence.blocked_by = BlockedBy::Restored;
    let restored = said(folder.path(), &spec)["blocking"].clone();
    assert_ne!(restored["samples"], said_of_all["blocking"]["samples"]);
    said_of_all.insert("blocking".into(), restored);
    spec.axes = vec![Axis::of("defence.method", ["dede"])];
    spec.settings.defence.blocked_by = BlockedBy::Black;
    spec.settings.defence.decoder = DedeDecoder::Trained;
    let trained = said(folder.path(), &spec)["dede"].clone();
    assert_ne!(trained["samples"], said_of_all["dede"]["samples"]);
    assert_sound("dede", &said_of_all["dede"]);
    said_of_all.insert("dede".into(), trained);
    for (method, said) in &said_of_all {
        assert_sound(method, said);
    }
}

#[test]
fn an_encoder_of_timm_without_a_decoder_is_told_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--heads", "2", "--entry", "state_dict_ema"];
    import(folder.path(), "saved_by_timm", "vit", &more);
    let lacking = ["bdmae", "dede"];
    let able = methods();
    let able: Vec<&str> =
        able.iter().map(String::as_str).filter(|method| !lacking.contains(method)).collect();
    let spec = study("vit", &able);
    let said_of_able = said(folder.path(), &spec);
    assert_eq!(said_of_able.len(), able.len(), "{:?}", said_of_able.keys());
    for (method, said) in &said_of_able {
        assert_sound(method, said);
    }
    // A decoder that is trained on its embeddings is one.
    let mut trained = study("vit", &["dede"]);
    trained.settings.defence.decoder = DedeDecoder::Trained;
    let said_of_trained = said(folder.path(), &trained);
    assert_eq!(said_of_trained.keys().collect::<Vec<_>>(), ["dede"]);
    assert_sound("dede", &said_of_trained["dede"]);

    let data = folder.path().join("data").display().to_string();
    let refused = |spec: &StudySpec| {
        let study = write_study(folder.path(), spec);
        ["plan", "run"]
            .map(|command| failure(folder.path(), &[command, &study, "--data-dir", &data]))
    };
    let lacks = "and vit is an encoder without a decoder: import a whole MAE, or take";
    let mut restored = study("vit", &["spectral", "blocking"]);
    restored.settings.defence.blocked_by = BlockedBy::Restored;
    for (spec, sentence) in [
        (
            study("vit", &["spectral", "bdmae"]),
            format!(
                "defence.method: BDMAE restores images with the encoder's own decoder, {lacks} another defence.method or defence.restorer\n"
            ),
        ),
        (
            study("vit", &["strip", "dede"]),
            format!(
                "defence.decoder: DeDe decodes with the encoder's own decoder, {lacks} defence.decoder = \"trained\"\n"
            ),
        ),
        (
            restored,
            format!(
                "defence.blocked_by: attention blocking restores the square with the encoder's own decoder, {lacks} black or another defence.restorer\n"
            ),
        ),
    ] {
        for told in refused(&spec) {
            assert!(told.ends_with(&sentence), "{told}");
        }
    }
}

#[test]
fn an_autoencoder_of_the_study_restores_for_an_encoder_without_a_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--heads", "2", "--entry", "state_dict_ema"];
    import(folder.path(), "saved_by_timm", "vit", &more);
    let mut spec = study("vit", &["bdmae", "blocking"]);
    spec.settings.defence.blocked_by = BlockedBy::Restored;
    spec.settings.defence.restorer = Restorer::Clean;
    let said = said(folder.path(), &spec);
    assert_eq!(said.len(), 2, "{:?}", said.keys());
    for (method, said) in &said {
        assert_sound(method, said);
    }
    // One pre-training restores for both, and starts from no imported encoder.
    let orders = fs::read_dir(folder.path().join("data/runs")).unwrap().map(|run| {
        let file = run.unwrap().path().join("run.json");
        serde_json::from_slice::<Value>(&fs::read(file).unwrap()).unwrap()
    });
    let (pretraining, defences): (Vec<_>, Vec<_>) =
        orders.partition(|order| order["kind"] == "pretrain");
    let [pretraining] = &pretraining[..] else { panic!("{pretraining:?}") };
    assert!(pretraining["encoder"].is_null());
    let restorer = pretraining["run"].as_str().unwrap();
    assert_eq!(defences.len(), 2);
    for order in defences {
        assert!(order["restorer"].as_str().unwrap().ends_with(restorer), "{order}");
        assert!(order["encoder"].as_str().unwrap().ends_with("checkpoints/vit"), "{order}");
    }
}

#[test]
fn an_imported_autoencoder_restores_and_is_kept_while_a_study_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    import(folder.path(), "transformers_mae", "mae", &[]);
    let more = ["--heads", "2", "--entry", "state_dict_ema"];
    import(folder.path(), "saved_by_timm", "vit", &more);
    let restoring = |restorer: Option<&str>| {
        let mut spec = study("vit", &["bdmae"]);
        spec.settings.defence.restorer = Restorer::Imported;
        spec.settings.defence.restorer_checkpoint = restorer.map(str::to_owned);
        spec
    };
    let refused = |spec: &StudySpec| {
        let study = write_study(folder.path(), spec);
        failure(folder.path(), &["plan", &study, "--data-dir", &data])
    };
    for (restorer, sentence) in [
        (
            None,
            "defence.restorer_checkpoint: must name an imported checkpoint, because defence.restorer is imported\n",
        ),
        (Some("nothing"), "defence.restorer_checkpoint: there is no imported checkpoint nothing\n"),
        (
            Some("vit"),
            "defence.restorer_checkpoint: vit is an encoder without a decoder, which restores nothing: import a whole MAE, or take \
             another defence.restorer\n",
        ),
    ] {
        let told = refused(&restoring(restorer));
        assert!(told.ends_with(sentence), "{told}");
    }
    // The name may be spelled otherwise.
    let told = said(folder.path(), &restoring(Some("MAE")));
    assert_eq!(told.len(), 1);
    assert_sound("bdmae", &told["bdmae"]);
    let runs: Vec<_> = fs::read_dir(folder.path().join("data/runs")).unwrap().collect();
    assert_eq!(runs.len(), 1, "nothing is trained");
    // Also on an axis.
    let mut varied = restoring(None);
    varied.settings.seed = 7;
    varied.axes.push(Axis::of("defence.restorer_checkpoint", ["MAE"]));
    assert_sound("bdmae", &said(folder.path(), &varied)["bdmae"]);
    let kept = failure(folder.path(), &["checkpoints", "remove", "mae", "--data-dir", &data]);
    assert!(kept.contains("restores images with mae; delete it first"), "{kept}");
}
