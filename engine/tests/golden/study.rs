//! A whole micro study against PyTorch, timm and transformers: the engine's own loops, 200 steps a phase.

use engine::{
    data::{Pixels, Sample},
    model::{Classifier, Mae, Vit},
    nn::{
        Params,
        tensor_file::{NamedTensor, serialize},
    },
    train::{
        features::{Encoder, Kept},
        finetune::Finetuning,
        linprobe::LinearProbe,
        poisons::{AttackedSet, Poisons},
        pretrain::Pretraining,
        report::Reporter,
    },
};
use kernel::Kernels;
use safetensors::SafeTensors;
use serde::Deserialize;
use shared::{
    Phase, PoisonPlan, Rgb8, RunEvent, Stage, Trigger,
    metric::Metrics,
    study::{AttackSpec, FinetuneSpec, HeadInit, ModelSpec, PretrainSpec, ProbeSpec},
    trigger::{BlendedSpec, TriggerSpec},
};

use crate::case::Case;

#[derive(Deserialize)]
struct Config {
    seed: u64,
    classes: usize,
    target: u32,
    ratio: f32,
    poisons: u32,
    batch: u32,
    model: ModelSpec,
    norm_pix: bool,
    smoothing: f64,
    mask_ratio: f64,
    layer_decay: f64,
    rates: Rates,
    epochs: u32,
}

#[derive(Deserialize)]
struct Rates {
    pretrain: f64,
    probe: f64,
    finetune: f64,
}

/// A case, ready to train on.
struct Study {
    case: Case,
    config: Config,
    attack: AttackSpec,
    pixels: Pixels,
    triggers: [Trigger; 2],
}

impl Study {
    fn read(case: Case) -> Self {
        let config: Config = case.config();
        let side = config.model.image_size as usize;
        let split = |name: &str| -> Vec<Sample> {
            let bytes = case.bytes(&format!("{name}.images"));
            let images = bytes.chunks_exact(3 * side * side);
            let labels = case.indices(&format!("{name}.labels"));
            let image = |data: &[u8]| Rgb8::from_raw(side, side, data.to_vec()).unwrap();
            images.zip(labels).map(|(data, label)| Sample::kept(image(data), label)).collect()
        };
        let trigger =
            TriggerSpec::Blended(BlendedSpec { ratio: config.ratio, key: "given".into() });
        let key = case.image("key");
        let triggers = [Stage::Train, Stage::Test]
            .map(|stage| Trigger::prepare(&trigger, Some(&key), side, stage).unwrap());
        let attack =
            AttackSpec { target_class: config.target, clean_label: false, poisons: None, trigger };
        let pixels = Pixels {
            side,
            classes: (0..config.classes).map(|class| class.to_string()).collect(),
            train: split("train"),
            train_kept: true,
            test: split("test"),
            fingerprint: String::new(),
        };
        Self { case, config, attack, pixels, triggers }
    }

    fn plan(&self, phase: Phase) -> PoisonPlan {
        let labels: Vec<u32> = self.pixels.train.iter().map(|sample| sample.class).collect();
        let Config { poisons, seed, .. } = self.config;
        PoisonPlan::draw(phase, &labels, &self.attack, poisons, seed).unwrap()
    }

    fn poisons<'a>(&'a self, plan: &'a PoisonPlan) -> Poisons<'a> {
        Poisons { plan, trigger: &self.triggers[0], train: &self.pixels.train }
    }

    /// Fails unless every step's loss is within 1e-4 of PyTorch's.
    fn compare_losses(&self, phase: &str, events: &[RunEvent]) {
        let expected = self.case.floats(&format!("losses.{phase}"));
        let losses: Vec<f64> = events
            .iter()
            .filter_map(|event| match event {
                RunEvent::Step { loss, .. } => Some(*loss),
                _ => None,
            })
            .collect();
        assert_eq!((losses.len(), expected.len()), (200, 200), "{}: {phase}", self.case.name());
        for (step, (loss, expected)) in losses.iter().zip(expected).enumerate() {
            let off = (loss - f64::from(expected)).abs();
            assert!(off < 1e-4, "{}: {phase}, step {step}: off by {off:e}", self.case.name());
        }
    }

    fn compare_counts(&self, phase: &str, metrics: Metrics) {
        let expected = self.case.indices(&format!("counts.{phase}"));
        let told = [metrics.ca.hits, metrics.asr.hits];
        assert_eq!(told, expected[..], "{}: hits of CA and ASR, {phase}", self.case.name());
    }

    fn set(&self, params: &mut Params, name: &str, tensor: &str) {
        params.set(name, &self.case.floats(tensor)).unwrap();
    }

    fn pretrained(&self) -> Mae {
        let Config { model, norm_pix, mask_ratio, batch, epochs, seed, .. } = self.config;
        let mut mae = Mae::new(&model, 1);
        let weight = |name: String| {
            let full = format!("weight.{name}");
            NamedTensor { shape: self.case.shape(&full), values: self.case.floats(&full), name }
        };
        let weights: Vec<_> = self.case.names("weight.").into_iter().map(weight).collect();
        mae.load(&SafeTensors::deserialize(&serialize(&weights, &[]).unwrap()).unwrap()).unwrap();
        let recipe = PretrainSpec {
            epochs,
            warmup_epochs: epochs / 10,
            batch_size: batch,
            base_lr: self.config.rates.pretrain,
            mask_ratio,
            norm_pix_loss: norm_pix,
            crop_min_scale: 1.0,
            flip: false,
            knn_every: 0,
            ..PretrainSpec::default()
        };
        let plan = self.plan(Phase::Pretrain);
        let images = AttackedSet::new(&self.pixels, self.poisons(&plan)).unwrap();
        let kernels = Kernels::single();
        let training = Pretraining { recipe: &recipe, images: &images, seed, threads: 2, kernels };
        let mut adamw = training.optimizer(&mae);
        let events = told(|report| {
            training.train(&mut mae, &mut adamw, 0, report, |_, _| Ok(())).unwrap();
        });
        self.compare_losses("pretrain", &events);
        mae
    }

    fn probe(&self, mae: &Mae) {
        let Config { classes, target, batch, epochs, seed, .. } = self.config;
        let recipe = ProbeSpec {
            epochs,
            warmup_epochs: epochs / 10,
            batch_size: batch,
            base_lr: self.config.rates.probe,
            ..ProbeSpec::default()
        };
        let encoder = Encoder { mae, threads: 2, kernels: Kernels::single() };
        let mut classifier = Classifier::new(encoder.width(), classes, HeadInit::Normal, 1);
        for name in ["weight", "bias"] {
            self.set(classifier.params_mut(), &format!("head.1.{name}"), &format!("probe.{name}"));
        }
        let plan = self.plan(Phase::Probe);
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path(), &encoder, "golden");
        let probe = LinearProbe {
            recipe: &recipe,
            encoder,
            pixels: &self.pixels,
            poisons: self.poisons(&plan),
            trigger: &self.triggers[1],
            trigger_name: "blended",
            target_class: target,
            seed,
        };
        let mut metrics = None;
        let events = told(|report| {
            metrics = Some(probe.train(&mut classifier, &kept, report).unwrap().metrics);
        });
        self.compare_losses("probe", &events);
        self.compare_counts("probe", metrics.unwrap());
    }

    fn finetune(&self, mae: &Mae) {
        let Config { model, classes, target, batch, epochs, seed, .. } = self.config;
        let recipe = FinetuneSpec {
            epochs,
            warmup_epochs: epochs / 10,
            batch_size: batch,
            base_lr: self.config.rates.finetune,
            min_lr: 0.0,
            layer_decay: self.config.layer_decay,
            drop_path: 0.0,
            label_smoothing: self.config.smoothing,
            rand_augment: 0.0,
            erase_probability: 0.0,
            crop_min_scale: 1.0,
            flip: false,
            ..FinetuneSpec::default()
        };
        let mut vit = Vit::new(&model, classes, recipe.pooling, 1);
        vit.take_encoder(mae).unwrap();
        for name in ["weight", "bias"] {
            self.set(vit.params_mut(), &format!("head.{name}"), &format!("finetune.{name}"));
        }
        let plan = self.plan(Phase::Finetune);
        let training = Finetuning {
            recipe: &recipe,
            pixels: &self.pixels,
            images: &AttackedSet::new(&self.pixels, self.poisons(&plan)).unwrap(),
            trigger: &self.triggers[1],
            target_class: target,
            seed,
            threads: 2,
            kernels: Kernels::single(),
        };
        let mut adamw = training.optimizer(&vit);
        let mut metrics = None;
        let events = told(|report| {
            let evaluation =
                training.train(&mut vit, &mut adamw, 0, report, |_, _| Ok(())).unwrap();
            metrics = Some(evaluation.metrics);
        });
        self.compare_losses("finetune", &events);
        self.compare_counts("finetune", metrics.unwrap());
    }
}

/// What a training reports.
fn told(train: impl FnOnce(&mut Reporter<'_>)) -> Vec<RunEvent> {
    let mut events = Vec::new();
    let mut emit = |event| {
        events.push(event);
        Ok(())
    };
    train(&mut Reporter::new(&mut emit));
    events
}

#[test]
fn a_study_has_the_losses_and_the_results_of_pytorch() {
    for case in Case::all("study") {
        let study = Study::read(case);
        let mae = study.pretrained();
        study.probe(&mae);
        study.finetune(&mae);
    }
}
