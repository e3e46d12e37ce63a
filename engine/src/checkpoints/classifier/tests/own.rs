use super::*;
use crate::train::checkpoint;

/// A checkpoint of ours of this phase in a folder.
fn checkpoint_of(vit: &Vit, phase: Phase, more: &[(&'static str, String)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (model, epoch) = (*vit.spec(), 5);
    let info = CheckpointInfo { model, phase, epoch, norm_pix_loss: false, has_decoder: false };
    checkpoint::save(folder.path(), vit.params(), &info, more).unwrap();
    folder
}

#[test]
fn a_fine_tuning_of_ours_comes_back() {
    for (seed, pooling) in [(3, Pooling::Mean), (4, Pooling::Cls)] {
        let vit = drawn(seed, pooling);
        let said = [("pooling", pooling.as_str().to_owned())];
        let folder = checkpoint_of(&vit, Phase::Finetune, &said);
        let names: Vec<String> = (0..CLASSES).map(|class| format!("class {class}")).collect();
        let file = folder.path().join(checkpoint::LAST);
        assert_eq!(OpenClassifier::read(&file).unwrap().class_names, Vec::<String>::new());
        let manifest = json!({ "classes": names }).to_string();
        fs::write(folder.path().join("manifest.json"), manifest).unwrap();
        let read = OpenClassifier::read(&file).unwrap();
        assert_eq!((&read.class_names, read.description.as_str()), {
            (&names, "fine-tuned ViT of this program, epoch 5")
        });
        let images = vec![0.25; 2 * vit.grid().image_len()];
        assert_eq!(read.model.scores(&images).unwrap(), vit.scores(&images).unwrap());
    }
}

#[test]
fn checkpoints_of_ours_without_a_classifier_say_so() {
    let vit = drawn(5, Pooling::Mean);
    let mean = [("pooling", "mean".to_owned())];
    for (phase, more, problem) in [
        (Phase::Probe, &[][..], "it is a linear probe's head, which sees nothing"),
        (Phase::Pretrain, &[][..], "it is an encoder without a classifier's head"),
        (Phase::Finetune, &[][..], "its header says the pooling None"),
        (Phase::Finetune, &[("pooling", "cls".to_owned())][..], "it has no tensor norm.weight"),
        (
            Phase::Finetune,
            &[mean[0].clone(), ("model", serde_json::to_string(&impossible(vit.spec())).unwrap())],
            "which it does not hold",
        ),
    ] {
        let folder = checkpoint_of(&vit, phase, more);
        let read = OpenClassifier::read(&folder.path().join(checkpoint::LAST));
        let reason = read.err().expect("no classifier").to_string();
        assert!(reason.contains(problem), "{phase:?}: {reason}");
    }
}

fn impossible(model: &ModelSpec) -> ModelSpec {
    let encoder = TransformerSpec { depth: u32::MAX, ..model.encoder };
    ModelSpec { encoder, ..*model }
}
