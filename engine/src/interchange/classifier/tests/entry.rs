//! Files with several models.

use super::*;
use crate::files;

/// Models of one shape with other numbers.
fn alike<const N: usize>() -> [Vit; N] {
    let spec = *drawn(6, Pooling::Cls).spec();
    std::array::from_fn(|seed| {
        let mut vit = Vit::drawn(&spec, CLASSES, Pooling::Cls, seed as u64);
        let mut rng = stream(seed as u64, Purpose::Init, 0, 1);
        for value in vit.params_mut().values_mut() {
            *value += 0.3 * normal(&mut rng) as f32;
        }
        vit
    })
}

/// The model's tensors with transformers' names behind a prefix, without its head where only the encoder was kept.
fn wrapped(prefix: &str, vit: &Vit, has_head: bool) -> Vec<NamedTensor> {
    let order: Vec<usize> = (0..CLASSES).collect();
    let mut tensors = theirs(vit, &order);
    tensors.retain(|tensor| has_head || !tensor.name.starts_with("classifier."));
    for tensor in &mut tensors {
        tensor.name.insert_str(0, prefix);
    }
    tensors
}

fn read(folder: &TempDir, entry: Option<&str>) -> Result<OpenClassifier, String> {
    OpenClassifier::read(folder.path(), entry, &machine()).map_err(|error| error.to_string())
}

#[test]
fn of_several_classifiers_the_entry_chooses_one() {
    let models: [Vit; 3] = alike();
    let prefixes = ["state_dict.module.", "state_dict_ema.module.", "teacher.backbone."];
    let parts = prefixes.iter().zip(&models).flat_map(|(of, vit)| wrapped(of, vit, true));
    let folder = folder(&parts.collect::<Vec<_>>(), &config(&models[0]), Some(&imagenet()));
    let mut rng = stream(0, Purpose::Augment, 0, 0);
    let images: Vec<f32> =
        (0..3 * models[0].grid().image_len()).map(|_| normal(&mut rng) as f32).collect();
    let own: Vec<Vec<f32>> = models.iter().map(|vit| scores(vit, &images)).collect();
    assert!(own[0] != own[1] && own[1] != own[2], "the models differ");
    for (prefix, own) in prefixes.iter().zip(&own) {
        let read = read(&folder, Some(prefix.trim_end_matches('.'))).unwrap();
        let largest = own.iter().fold(0f32, |most, score| most.max(score.abs()));
        for (own, other) in own.iter().zip(read.model.scores(&images).unwrap()) {
            assert!((own - other).abs() <= 1e-5 * largest, "{prefix} {own} {other}");
        }
    }
    let refused = |entry| read(&folder, entry).err().expect("no choice");
    let all = "state_dict.module, state_dict_ema.module, teacher.backbone";
    let several = format!("it holds 3 classifiers: {all}; choose one with --entry NAME");
    assert!(refused(None).ends_with(&several), "{}", refused(None));
    let unknown = format!("it has no vision transformer \"student\"; it has: {all}");
    assert!(refused(Some("student")).ends_with(&unknown), "{}", refused(Some("student")));
}

#[test]
fn encoders_beside_the_only_classifier_need_no_entry() {
    let [tuned, encoder, momentum] = alike();
    let parts = |has_head| {
        [
            wrapped("model.", &tuned, has_head),
            wrapped("base_encoder.", &encoder, false),
            wrapped("momentum_encoder.", &momentum, false),
        ]
        .concat()
    };
    let with_head = folder(&parts(true), &config(&tuned), Some(&imagenet()));
    let images = vec![0.25; tuned.grid().image_len()];
    let found = read(&with_head, None).unwrap().model.scores(&images).unwrap();
    let chosen = read(&with_head, Some("model")).unwrap().model.scores(&images).unwrap();
    assert_eq!(found, chosen);
    for (own, other) in scores(&tuned, &images).iter().zip(&found) {
        assert!((own - other).abs() <= 1e-5 * own.abs().max(1.0), "{own} {other}");
    }
    let headless = "it is an encoder without a classifier's head";
    let refused = read(&with_head, Some("base_encoder")).err().expect("an encoder");
    assert!(refused.ends_with(headless), "{refused}");
    let without = folder(&parts(false), &config(&tuned), Some(&imagenet()));
    let refused = read(&without, None).err().expect("encoders");
    assert!(refused.ends_with(headless), "{refused}");
}

#[test]
fn an_entry_of_our_own_file_is_its_only_model() {
    let vit = drawn(7, Pooling::Mean);
    let said = [("pooling", "mean".to_owned())];
    let folder = own::checkpoint_of(&vit, RunKind::Finetune, &said);
    let file = folder.path().join(files::LAST_CHECKPOINT);
    let read = |entry| OpenClassifier::read(&file, Some(entry), &machine());
    let images = vec![0.25; vit.grid().image_len()];
    assert_eq!(read(".").unwrap().model.scores(&images).unwrap(), scores(&vit, &images));
    let refused = read("ema").err().expect("no such model").to_string();
    assert!(refused.ends_with("it has no vision transformer \"ema\"; it has: ."), "{refused}");
}
