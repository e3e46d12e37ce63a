use super::*;
use crate::{checkpoint, files};

/// A checkpoint of ours of this phase in a folder.
pub(super) fn checkpoint_of(vit: &Vit, phase: RunKind, more: &[(&'static str, String)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (model, epoch) = (*vit.spec(), 5);
    let info = CheckpointInfo {
        model,
        phase,
        epoch,
        norm_pix_loss: false,
        mask_ratio: 0.75,
        has_decoder: false,
    };
    checkpoint::save(folder.path(), &vit.params().tensors(), &info, more).unwrap();
    folder
}

#[test]
fn a_fine_tuning_of_ours_comes_back() {
    for (seed, pooling) in [(3, Pooling::Mean), (4, Pooling::Cls)] {
        let vit = drawn(seed, pooling);
        let said = [("pooling", pooling.as_str().to_owned())];
        let folder = checkpoint_of(&vit, RunKind::Finetune, &said);
        let names: Vec<String> = (0..CLASSES).map(|class| format!("class {class}")).collect();
        let file = folder.path().join(files::LAST_CHECKPOINT);
        assert_eq!(
            OpenClassifier::read(&file, None, &machine()).unwrap().class_names,
            Vec::<String>::new()
        );
        let manifest = json!({ "classes": names }).to_string();
        fs::write(folder.path().join(MANIFEST), manifest).unwrap();
        let read = OpenClassifier::read(&file, None, &machine()).unwrap();
        assert_eq!((&read.class_names, read.description.as_str()), {
            (&names, "fine-tuned ViT of this program, epoch 5")
        });
        let images = vec![0.25; 2 * vit.grid().image_len()];
        assert_eq!(read.model.scores(&images).unwrap(), scores(&vit, &images));
    }
}

#[test]
fn checkpoints_of_ours_without_a_classifier_say_so() {
    let vit = drawn(5, Pooling::Mean);
    let mean = [("pooling", "mean".to_owned())];
    for (phase, more, problem) in [
        (RunKind::Probe, &[][..], "it is a linear probe's head, which sees nothing"),
        (RunKind::Pretrain, &[][..], "it is an encoder without a classifier's head"),
        (RunKind::Finetune, &[][..], "its header says the pooling None"),
        (RunKind::Finetune, &[("pooling", "cls".to_owned())][..], "it has no tensor norm.weight"),
        (
            RunKind::Finetune,
            &[mean[0].clone(), ("model", serde_json::to_string(&impossible(vit.spec())).unwrap())],
            "which it does not hold",
        ),
    ] {
        let folder = checkpoint_of(&vit, phase, more);
        let file = folder.path().join(files::LAST_CHECKPOINT);
        let read = OpenClassifier::read(&file, None, &machine());
        let reason = read.err().expect("no classifier").to_string();
        assert!(reason.contains(problem), "{phase:?}: {reason}");
    }
}

fn impossible(model: &ModelSpec) -> ModelSpec {
    let encoder = TransformerSpec { depth: u32::MAX, ..model.encoder };
    ModelSpec { encoder, ..*model }
}
