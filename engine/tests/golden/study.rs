//! A whole micro study against PyTorch, timm and transformers: the engine's own loops, 200 steps per phase.

use engine::{
    compute::{Device, Machine, Params},
    data::{Pixels, Sample},
    model::{PatchGrid, head, mae, vit},
    tensors::serialize,
    train::{
        batches::Batches,
        features::Kept,
        finetune::Finetuning,
        linprobe::LinearProbe,
        poisons::{AttackedSet, Poisons},
        pretrain::Pretraining,
        report::Reporter,
    },
};
use safetensors::SafeTensors;
use serde::Deserialize;
use shared::{
    PoisonPlan, Rgb8, RunEvent, RunKind, Stage, Trigger,
    metric::Metrics,
    settings::{AttackSpec, FinetuneSpec, HeadInit, ModelSpec, Precision, PretrainSpec, ProbeSpec},
    trigger::{BlendedSpec, TriggerSpec},
};

use crate::case::Case;

/// How many times as large as `PyTorch`'s error ours may be: both are random samples of rounding.
const LEEWAY: f64 = 16.0;

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
    single: Single,
}

/// The largest difference between `PyTorch`'s own losses in single and in double precision, in each phase.
#[derive(Deserialize)]
struct Single {
    pretrain: f64,
    probe: f64,
    finetune: f64,
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
        let trigger = TriggerSpec::Blended(BlendedSpec::new(config.ratio, "given"));
        let key = case.image("key");
        let triggers = [Stage::Train, Stage::Test]
            .map(|stage| Trigger::prepare(&trigger, Some(&key), side, stage).unwrap());
        let attack = AttackSpec { target_class: config.target, trigger, ..AttackSpec::default() };
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

    fn plan(&self, phase: RunKind) -> PoisonPlan {
        let labels: Vec<u32> = self.pixels.train.iter().map(|sample| sample.class).collect();
        let Config { poisons, seed, .. } = self.config;
        PoisonPlan::draw(phase, &labels, self.config.classes as u32, &self.attack, poisons, seed)
            .unwrap()
    }

    fn poisons<'a>(&'a self, plan: &'a PoisonPlan) -> Poisons<'a> {
        Poisons { plan, triggers: &self.triggers[..1], train: &self.pixels.train }
    }

    /// Fails unless every step's loss is as close to the double-precision loss as single precision can be expected to come: within
    /// `LEEWAY` times `PyTorch`'s own single-precision error.
    fn compare_losses(&self, phase: &str, single: f64, events: &[RunEvent]) {
        let expected = self.case.doubles(&format!("losses.{phase}"));
        let losses: Vec<f64> = events
            .iter()
            .filter_map(|event| match event {
                RunEvent::Step { loss, .. } => Some(*loss),
                _ => None,
            })
            .collect();
        assert_eq!((losses.len(), expected.len()), (200, 200), "{}: {phase}", self.case.name());
        for (step, (loss, expected)) in losses.iter().zip(expected).enumerate() {
            let off = (loss - expected).abs();
            assert!(
                off <= LEEWAY * single,
                "{}: {phase}, step {step}: off by {off:e}, PyTorch by at most {single:e}",
                self.case.name()
            );
        }
    }

    /// Fails unless the hits of CA and of ASR are within the bounds, which allow for images whose two best scores are almost equal.
    fn compare_counts(&self, phase: &str, metrics: Metrics) {
        let bounds = self.case.indices(&format!("counts.{phase}"));
        for (told, bounds) in [metrics.ca.hits, metrics.asr.hits].iter().zip(bounds.chunks_exact(2))
        {
            let name = self.case.name();
            assert!(
                (bounds[0]..=bounds[1]).contains(told),
                "{name}: {phase}: {told} hits instead of {bounds:?}"
            );
        }
    }

    fn set(&self, params: &mut Params, name: &str, tensor: &str) {
        params.set(name, &self.case.floats(tensor)).unwrap();
    }

    /// The GPU that `MASKDOOR_TEST_GPU` names by its number, or the processor.
    fn device() -> Box<dyn Device> {
        let machine = Machine::with_threads(2);
        let machine = match std::env::var("MASKDOOR_TEST_GPU") {
            Ok(ordinal) => machine.with_devices(&format!("cuda:{ordinal}")).unwrap(),
            Err(_) => machine,
        };
        machine.device(Precision::F32).unwrap()
    }

    /// The batches of the training images and the poisons that a plan adds.
    fn batches(&self, plan: &PoisonPlan) -> Batches {
        let Config { batch, epochs, seed, .. } = self.config;
        let samples = self.pixels.train.len() + plan.added();
        Batches { samples, size: batch as usize, epochs, seed }
    }

    fn pretrained(&self) -> Params {
        let Config { model, norm_pix, mask_ratio, batch, epochs, .. } = self.config;
        let mut params = Params::draw(mae(&model), 1);
        self.case.load(&mut params);
        let recipe = PretrainSpec {
            epochs,
            warmup_epochs: epochs / 10,
            batch_size: batch,
            base_lr: self.config.rates.pretrain,
            mask_ratio,
            norm_pix_loss: norm_pix,
            crop_min_scale: 1.0,
            flip: false,
            ..PretrainSpec::default()
        };
        let plan = self.plan(RunKind::Pretrain);
        let images = AttackedSet::new(&self.pixels, self.poisons(&plan)).unwrap();
        let batches = self.batches(&plan);
        let training = Pretraining { recipe: &recipe, images: &images, batches };
        let descend = training.descend(params.layout());
        let mut trainer = Self::device().pretrainer(&model, params, &descend).unwrap();
        let grid = PatchGrid::of(&model);
        let events = told(|report| {
            training.train(&mut *trainer, grid, 0, report, |_, _, _| Ok(())).unwrap();
        });
        self.compare_losses("pretrain", self.config.single.pretrain, &events);
        let file = serialize(&trainer.tensors().unwrap(), &[]).unwrap();
        let mut trained = Params::draw(mae(&model), 1);
        trained.load(&SafeTensors::deserialize(&file).unwrap()).unwrap();
        trained
    }

    fn probe(&self, mae: &Params) {
        let Config { model, classes, target, batch, epochs, .. } = self.config;
        let recipe = ProbeSpec {
            epochs,
            warmup_epochs: epochs / 10,
            batch_size: batch,
            base_lr: self.config.rates.probe,
            ..ProbeSpec::default()
        };
        let device = Self::device();
        let encoder = device.encoder(&model, mae.clone()).unwrap();
        let mut params = Params::draw(head(encoder.width(), classes, HeadInit::Normal), 1);
        for name in ["weight", "bias"] {
            self.set(&mut params, &format!("head.1.{name}"), &format!("probe.{name}"));
        }
        let plan = self.plan(RunKind::Probe);
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path(), mae, &*device, "golden");
        let poisons = self.poisons(&plan);
        let samples: Vec<usize> = (0..poisons.members().len()).collect();
        let probe = LinearProbe {
            recipe: &recipe,
            encoder: &*encoder,
            pixels: &self.pixels,
            batches: self.batches(&plan),
            poisons,
            samples: &samples,
            trigger: &self.triggers[1],
            trigger_name: "blended",
            goal: &target.into(),
            further: &[],
        };
        let start = params.clone();
        let mut trainer = device.head_trainer(params, &recipe).unwrap();
        let mut metrics = None;
        let mut nothing = |_| Ok(());
        let mut quiet = Reporter::new(&mut nothing);
        let events = told(|report| {
            let prepared = probe.prepare(&kept, report).unwrap();
            let evaluated = probe.train(&mut *trainer, &prepared, report).unwrap();
            let mut silent = device.head_trainer(start.clone(), &recipe).unwrap();
            let beside = probe.train_beside(&mut *silent, &prepared, "beside", &mut quiet);
            assert_eq!(beside.unwrap(), evaluated, "the same classifier, told of or not");
            metrics = Some(evaluated.counts.metrics);
        });
        self.compare_losses("probe", self.config.single.probe, &events);
        self.compare_counts("probe", metrics.unwrap());
    }

    fn finetune(&self, mae: &Params) {
        let Config { model, classes, target, batch, epochs, .. } = self.config;
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
        let mut params = Params::draw(vit(&model, classes, recipe.pooling), 1);
        params.take(mae).unwrap();
        for name in ["weight", "bias"] {
            self.set(&mut params, &format!("head.{name}"), &format!("finetune.{name}"));
        }
        let plan = self.plan(RunKind::Finetune);
        let training = Finetuning {
            recipe: &recipe,
            pixels: &self.pixels,
            images: &AttackedSet::new(&self.pixels, self.poisons(&plan)).unwrap(),
            batches: self.batches(&plan),
            depth: model.encoder.depth as usize,
            trigger: &self.triggers[1],
            goal: &target.into(),
            further: &[],
            threads: 2,
            evaluates: true,
        };
        let descend = training.descend(params.layout());
        let device = Self::device();
        let mut trainer = device.finetuner(&model, recipe.pooling, params, &descend).unwrap();
        let mut metrics = None;
        let events = told(|report| {
            let evaluation = training.train(&mut *trainer, 0, report, |_, _, _| Ok(())).unwrap();
            metrics = evaluation.map(|evaluation| evaluation.counts.metrics);
        });
        self.compare_losses("finetune", self.config.single.finetune, &events);
        self.compare_counts("finetune", metrics.unwrap());
    }
}

/// The events that a training run reports.
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
