//! Every error of a study, each with the path of its field. The page, the API and the command line call this.
//!
//! The values that a single setting takes are in the table of settings ([`crate::param`]); this module checks several together.

use std::collections::HashSet;

use super::{FieldError, Settings, StudySpec, TransformerSpec};
use crate::{
    dataset::DatasetInfo,
    param,
    patches::visible_count,
    poison::named_twice,
    run_kind::RunKind,
    settings::{AttackSpec, DefenceGroups, DefenceMethod},
};

/// Maximum number of runs of a study.
const MOST_RUNS: usize = 2_000;
/// Maximum number of axes, far more than a study of so many runs varies.
const MOST_AXES: usize = 64;
/// Maximum number of errors: who has so many does not read on.
const MOST_ERRORS: usize = 100;

/// Collects the first error of each field.
#[derive(Default)]
struct Check(Vec<FieldError>);

impl Check {
    fn that(&mut self, holds: bool, field: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.add([FieldError::new(field, message())]);
        }
    }

    fn add(&mut self, errors: impl IntoIterator<Item = FieldError>) {
        for error in errors {
            if self.0.len() == MOST_ERRORS {
                return;
            }
            if !self.0.iter().any(|known| known.field == error.field) {
                self.0.push(error);
            }
        }
    }
}

impl StudySpec {
    /// Every error that can be detected without the data set; empty if the study is valid.
    pub fn validate(&self) -> Vec<FieldError> {
        let mut check = Check::default();
        self.check_study(&mut check);
        if let Some(points) = self.checked_points(&mut check) {
            for point in points {
                check_point(&mut check, &point, &self.runs);
            }
        } else {
            // No point can be created; report the errors besides the axes nevertheless.
            let mut rest = Check::default();
            check_point(&mut rest, &self.settings, &self.runs);
            let varied = |field: &String| {
                self.axes.iter().flat_map(|axis| &axis.paths).any(|path| path == field)
            };
            check.add(rest.0.into_iter().filter(|error| !varied(&error.field)));
        }
        check.0
    }

    /// Every error, including those that depend on the data sets; `datasets` are all existing ones.
    pub fn validate_with(&self, datasets: &[DatasetInfo]) -> Vec<FieldError> {
        let mut check = Check(self.validate());
        let mut points = Vec::new();
        if self.point_count() <= MOST_RUNS {
            points = self.points().unwrap_or_default();
        }
        for point in points {
            let name = &point.dataset.name;
            match datasets.iter().find(|dataset| dataset.name == *name) {
                Some(dataset) => check_images(&mut check, &point, &self.runs, dataset),
                None => check.that(name.is_empty(), "dataset.name", || {
                    let known: Vec<_> = datasets.iter().map(|known| known.name.as_str()).collect();
                    format!("there is no data set {name:?}; there are: {}", known.join(", "))
                }),
            }
        }
        check.0
    }

    /// The errors of what may be changed afterwards: name and tags.
    pub fn validate_labels(&self) -> Vec<FieldError> {
        let mut check = Check::default();
        self.check_labels(&mut check);
        check.0
    }

    fn check_labels(&self, check: &mut Check) {
        check.that(!self.name.trim().is_empty(), "name", || "give the study a name".into());
        check.that(self.name.chars().count() <= 120, "name", || {
            "takes at most 120 characters".into()
        });
        check.that(self.tags.len() <= 8, "tags", || "takes at most eight tags".into());
        let sound = |tag: &String| {
            (1..=40).contains(&tag.chars().count()) && tag.trim() == tag && !tag.contains(',')
        };
        check.that(self.tags.iter().all(sound), "tags", || {
            "takes tags of 1 to 40 characters, without commas".into()
        });
    }

    fn check_study(&self, check: &mut Check) {
        self.check_labels(check);
        check.that(!self.runs.is_empty(), "runs", || {
            let names = RunKind::ALL.map(RunKind::as_str).join(", ");
            format!("must name at least one kind of run: {names}")
        });
        check.that(self.axes.len() <= MOST_AXES, "axes", || {
            format!("are {}; a study can have at most {MOST_AXES}", self.axes.len())
        });
        if self.axes.len() > MOST_AXES {
            return;
        }
        check.add(self.axes.iter().filter_map(|axis| axis.check(2 * MOST_RUNS)));
        let mut seen = HashSet::new();
        for path in self.axes.iter().flat_map(|axis| &axis.paths) {
            check.that(seen.insert(path), &format!("axes.{path}"), || {
                "is also varied by another axis".into()
            });
        }
    }

    /// The points, unless there are too many or one of them cannot be created.
    fn checked_points(&self, check: &mut Check) -> Option<Vec<Settings>> {
        // Every point has a copy of the names.
        let names = param::check_names(&self.settings);
        if !names.is_empty() {
            check.add(names);
            return None;
        }
        let most = MOST_RUNS.saturating_mul(2);
        check.that(self.point_count() <= most, "axes", || {
            format!("make {} points; a study can have at most {most}: split it", self.point_count())
        });
        if !check.0.iter().all(|error| !error.field.starts_with("axes")) {
            return None;
        }
        let points = match self.points() {
            Ok(points) => points,
            Err(errors) => {
                check.add(errors);
                return None;
            }
        };
        // Count exactly only above this number: counting costs one hash per run.
        if points.len() * self.runs.len() > MOST_RUNS / 2 {
            let runs = super::Graph::of(self, &super::Content::default())
                .map_or(usize::MAX, |graph| graph.nodes.len());
            check.that(runs <= MOST_RUNS, "axes", || {
                format!("make {runs} runs; a study can have at most {MOST_RUNS}: split it")
            });
        }
        Some(points)
    }
}

/// Checks the settings of a point against each other.
fn check_point(check: &mut Check, settings: &Settings, runs: &[RunKind]) {
    check.add(param::check(settings));
    let Settings { encoder, dataset, attack, model, pretrain, probe, finetune, .. } = settings;
    check.that(encoder.as_deref() != Some(""), "encoder", || {
        "must name an imported checkpoint".into()
    });
    check.that(!dataset.name.is_empty(), "dataset.name", || "choose a data set".into());
    let (side, patch) = (model.image_size, model.patch_size);
    check.that(patch > 0 && side.is_multiple_of(patch) && patch < side, "model.patch_size", || {
        format!("must divide the image size of {side} and be smaller than it, not {patch}")
    });
    for (name, part) in [("encoder", &model.encoder), ("decoder", &model.decoder)] {
        check_transformer(check, &format!("model.{name}"), part);
    }
    for (kind, warmup, epochs) in [
        ("pretrain", pretrain.warmup_epochs, pretrain.epochs),
        ("probe", probe.warmup_epochs, probe.epochs),
        ("finetune", finetune.warmup_epochs, finetune.epochs),
    ] {
        check.that(warmup <= epochs, &format!("{kind}.warmup_epochs"), || {
            format!("takes at most the {epochs} epochs of the training, not {warmup}")
        });
    }
    let patches = model.patches() as usize;
    let hidden = patches.saturating_sub(visible_count(patches, pretrain.mask_ratio));
    check.that(patches < 2 || (1..patches).contains(&hidden), "pretrain.mask_ratio", || {
        format!(
            "hides {hidden} of {patches} patches; it must hide at least one and show at least one"
        )
    });
    if let Some(list) = &attack.poisons {
        check.that(!list.is_empty(), "attack.poisons", || "must name at least one image".into());
        let twice = named_twice(list);
        check.that(twice.is_none(), "attack.poisons", || {
            twice.map(|error| error.to_string()).unwrap_or_default()
        });
    }
    if encoder.is_some() {
        check.that(pretrain.poisons == 0, "pretrain.poisons", || {
            "must be 0: an imported encoder is already trained, and its poisons are unknown".into()
        });
        let unmade = runs.iter().find(|kind| matches!(kind, RunKind::Pretrain | RunKind::Knn));
        check.that(unmade.is_none(), "runs", || {
            "cannot contain pretrain or knn with an imported encoder, whose training is over".into()
        });
    }
    if runs.contains(&RunKind::Defence) {
        check_defence(check, settings);
    }
    check.that(settings.implants() || !runs.contains(&RunKind::Implant), "implant.method", || {
        "must name a method, because the study's runs contain implant".into()
    });
    let implants = RunKind::Implant.is_made(runs, settings);
    check.that(!(implants && attack.is_all_to_all()), "attack.goal", || {
        "must be single_target with an implanted backdoor, whose reference images are of one class"
            .into()
    });
    check.that(!implants || attack.further.is_empty(), "attack.further", || {
        "must be empty with an implanted backdoor, which has one trigger and reference images of one class"
            .into()
    });
    check.add(attack.check_together());
    check.add(attack.check_composed(side));
    check.add(attack.trigger.validate(side, "attack.trigger"));
    check.add(param::check_further(settings));
}

fn check_defence(check: &mut Check, settings: &Settings) {
    let lacks_name = settings.defence.restorer_checkpoint.as_deref().is_none_or(str::is_empty);
    let lacks_restorer = settings.takes_imported_restorer() && lacks_name;
    check.that(!lacks_restorer, "defence.restorer_checkpoint", || {
        "must name an imported checkpoint, because defence.restorer is imported".into()
    });
    let of_pretraining = settings.judges_pretraining();
    let split = settings.defence.method == DefenceMethod::LossSplit;
    check.that(!(of_pretraining && split), "defence.set", || {
        "takes probe with defence.method = \"loss_split\": the images of a pre-training have no labels to learn".into()
    });
    let by_label = settings.defence.groups == DefenceGroups::Label
        && settings.defence.method != DefenceMethod::PatchSearch
        && !split;
    check.that(!(of_pretraining && by_label), "defence.groups", || {
        "takes clusters or all: the images of a pre-training have no labels".into()
    });
    check.that(!(of_pretraining && settings.encoder.is_some()), "defence.set", || {
        "takes probe with an imported encoder, whose training images are unknown".into()
    });
    check.that(!(of_pretraining && settings.defence.retrain), "defence.retrain", || {
        "takes false with defence.set = \"pretrain\": the pre-training would have to be repeated on what is kept; only a linear \
         probe is trained again, with defence.set = \"probe\""
            .into()
    });
    if settings.defence.trains_decoder() {
        let patches = settings.model.patches() as usize;
        let ratio = settings.defence.decoder_mask_ratio;
        let hidden = patches.saturating_sub(visible_count(patches, ratio));
        check.that(patches < 2 || hidden > 0, "defence.decoder_mask_ratio", || {
            format!(
                "hides none of {patches} patches, so that the decoder learns nothing; it must hide at least one"
            )
        });
    }
}

fn check_transformer(check: &mut Check, path: &str, part: &TransformerSpec) {
    check.that(part.dim.is_multiple_of(4), &format!("{path}.dim"), || {
        format!("must be a multiple of 4, not {}", part.dim)
    });
    check.that(
        part.heads > 0 && part.dim.is_multiple_of(part.heads),
        &format!("{path}.heads"),
        || format!("must divide the width {}, not {}", part.dim, part.heads),
    );
}

/// Checks against the images: the target class exists, enough images to poison, enough batches for a step.
fn check_images(check: &mut Check, settings: &Settings, runs: &[RunKind], dataset: &DatasetInfo) {
    let Settings { attack, pretrain, probe, finetune, .. } = settings;
    let classes = dataset.classes.len() as u32;
    check.add(attack.check_target(&dataset.name, classes));
    check.add(attack.check_sources(&dataset.name, classes));
    let images = settings.dataset.train_images(&dataset.train_counts);
    // A defence of the pre-training judges the poisons of the pre-training, which is made, too.
    let poisons = |kind: &RunKind| *kind != RunKind::Defence || !settings.judges_pretraining();
    let made = RunKind::ALL.into_iter().filter(|kind| kind.is_made(runs, settings));
    for kind in made.filter(poisons).filter(|kind| *kind != RunKind::Implant) {
        let field = format!("{}.poisons", kind.as_str());
        check_poisons(check, &field, settings.poisons(kind), attack, &images, dataset);
    }
    if RunKind::Implant.is_made(runs, settings) && !attack.is_all_to_all() {
        let of_target = images.get(attack.target_class as usize).copied().unwrap_or(u32::MAX);
        let references = settings.implant.references;
        check.that(references <= of_target, "implant.references", || {
            format!("takes at most the {of_target} images of the target class, not {references}")
        });
    }
    let composes = RunKind::ALL
        .into_iter()
        .any(|kind| settings.composes(kind) && kind.is_made(runs, settings));
    if composes && !attack.is_all_to_all() {
        let of_target = images.get(attack.target_class as usize).copied().unwrap_or(u32::MAX);
        let compose = &attack.compose;
        check.that(compose.images() <= of_target, "attack.compose.references", || {
            let support = if compose.pairs() {
                format!(" beside {} support images", compose.support_images)
            } else {
                String::new()
            };
            format!(
                "takes fewer{support}: the target class has {of_target} images, and composed poisons need {} of them",
                compose.images()
            )
        });
    }
    // Leftover batches at the end of an epoch make no step, so an epoch needs at least as many batches as a step.
    let images = images.iter().fold(0u32, |sum, &count| sum.saturating_add(count));
    for (kind, size, accumulate) in [
        (RunKind::Pretrain, pretrain.batch_size, pretrain.accumulate),
        (RunKind::Probe, probe.batch_size, probe.accumulate),
        (RunKind::Finetune, finetune.batch_size, finetune.accumulate),
    ] {
        let trains_again = kind == RunKind::Probe
            && runs.iter().any(|&kind| kind != RunKind::Probe && settings.trains_probe(kind));
        if !kind.is_made(runs, settings) && !trains_again {
            continue;
        }
        let batches = (images / size.max(1)).max(1);
        check.that(accumulate <= batches, &format!("{}.accumulate", kind.as_str()), || {
            format!("takes at most the {batches} batches of an epoch, not {accumulate}")
        });
    }
}

/// Checks a number of poisons against the images of each class.
fn check_poisons(
    check: &mut Check,
    field: &str,
    poisons: u32,
    attack: &AttackSpec,
    images: &[u32],
    dataset: &DatasetInfo,
) {
    let (mut counts, mut covers) = (vec![0u32; images.len()], vec![0u32; images.len()]);
    for alone in attack.backdoors() {
        let own = alone.poisons_of(images, poisons);
        for (total, more) in [(&mut counts, &own), (&mut covers, &alone.covers_of(&own))] {
            total
                .iter_mut()
                .zip(more)
                .for_each(|(total, more)| *total = total.saturating_add(*more));
        }
    }
    let wanted = counts.iter().copied().zip(covers);
    let lacking = images
        .iter()
        .zip(wanted)
        .enumerate()
        .filter(|(_, (available, (poisons, covers)))| poisons.saturating_add(*covers) > **available)
        .min_by_key(|(_, (available, _))| **available);
    let Some((class, (available, (poisons, covers)))) = lacking else { return };
    let whose = match (attack.clean_label, attack.sources.is_empty()) {
        (true, _) => "the target class",
        (false, true) => "each class",
        (false, false) => "each source class",
    };
    let several = !attack.further.is_empty();
    let poisons =
        if poisons > 0 || several { poisons } else { counts.into_iter().max().unwrap_or(0) };
    let class = dataset.classes.get(class).map_or_else(|| class.to_string(), Clone::clone);
    let covers = match covers {
        0 => String::new(),
        covers => format!(" and {covers} to be cover samples"),
    };
    check.that(false, field, || {
        if several {
            format!("all backdoors together take {poisons} images of class {class} to be poisoned{covers}, which has only {available}")
        } else {
            format!("{poisons} images of {whose} are to be poisoned{covers}, but class {class} has only {available}")
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        settings::{AttackGoal, BackdoorSpec, DedeDecoder, DefendedSet, ImplantMethod},
        study::{Axis, presets},
        trigger::{BlendedSpec, BppSpec, PatchedSpec, SigSpec, TriggerSpec},
    };

    fn spec() -> StudySpec {
        presets()[0].spec.clone()
    }

    fn dataset() -> DatasetInfo {
        DatasetInfo {
            name: "shapes".into(),
            classes: vec!["a".into(), "b".into()],
            train_counts: vec![500, 500],
            test_counts: vec![100, 100],
            ..DatasetInfo::default()
        }
    }

    #[test]
    fn a_defence_of_the_pretraining_takes_no_labels_and_no_import() {
        let mut bad = spec();
        bad.axes = Vec::new();
        bad.runs = vec![RunKind::Defence];
        bad.settings.defence.set = DefendedSet::Pretrain;
        let fields = |bad: &StudySpec| -> Vec<String> {
            bad.validate().into_iter().map(|error| error.field).collect()
        };
        assert_eq!(fields(&bad), ["defence.groups"]);
        bad.settings.defence.method = DefenceMethod::PatchSearch;
        assert_eq!(fields(&bad), [""; 0], "it always takes clusters");
        bad.settings.defence.method = DefenceMethod::LossSplit;
        assert_eq!(fields(&bad), ["defence.set"], "it learns labels");
        bad.settings.defence.method = DefenceMethod::Spectral;
        bad.settings.defence.groups = DefenceGroups::All;
        assert_eq!(fields(&bad), [""; 0]);
        bad.settings.encoder = Some("mae".into());
        assert_eq!(fields(&bad), ["defence.set"]);
        // An input filter judges a classifier, whatever the set.
        bad.settings.defence.method = DefenceMethod::Strip;
        assert_eq!(fields(&bad), [""; 0]);
        bad.settings.defence.poisons = 501;
        let errors = bad.validate_with(&[dataset()]);
        assert_eq!(errors[0].field, "defence.poisons", "{errors:?}");
    }

    #[test]
    fn a_backdoor_is_implanted_towards_one_class_alone() {
        let mut bad = spec();
        bad.axes = Vec::new();
        bad.runs = vec![RunKind::Pretrain];
        bad.settings.attack.goal = AttackGoal::AllToAll;
        bad.settings.implant.method = ImplantMethod::BadEncoder;
        assert_eq!(bad.validate(), [], "no run starts from the implanted encoder");
        bad.runs = vec![RunKind::Probe];
        let told = |errors: Vec<FieldError>| -> Vec<String> {
            errors.iter().map(ToString::to_string).collect()
        };
        let wrong = "attack.goal: must be single_target with an implanted backdoor, whose reference images are of one class";
        assert_eq!(told(bad.validate()), [wrong]);
        bad.settings.implant.method = ImplantMethod::None;
        // The class of the setting has no effect, so it may be one that the data set does not have.
        bad.settings.attack.target_class = 7;
        assert_eq!(told(bad.validate_with(&[dataset()])), [""; 0]);
        let one = DatasetInfo {
            classes: vec!["a".into()],
            train_counts: vec![500],
            test_counts: vec![100],
            ..dataset()
        };
        let errors = told(bad.validate_with(&[one]));
        assert!(
            errors[0].starts_with("attack.goal: must be single_target: shapes has"),
            "{errors:?}"
        );
    }

    #[test]
    fn composed_poisons_need_a_patch_and_images_of_the_target() {
        let mut spec = spec();
        spec.axes = vec![Axis::of("attack.compose.method", ["none", "corrupt_encoder_plus"])];
        spec.settings.pretrain.poisons = 1;
        let fields = |errors: Vec<FieldError>| -> Vec<String> {
            errors.into_iter().map(|error| error.field).collect()
        };
        assert_eq!(fields(spec.validate()), ["attack.trigger.kind"], "a blended trigger");
        let patch = crate::trigger::RandomPatchSpec::for_side(32);
        spec.settings.attack.trigger = crate::trigger::TriggerSpec::RandomPatch(patch);
        assert_eq!(spec.validate(), []);
        spec.settings.dataset.train_per_class = Some(7);
        spec.settings.knn.poisons = 1;
        assert_eq!(
            spec.validate_with(&[dataset()]).iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "attack.compose.references: takes fewer beside 5 support images: the target class has 7 images, and composed poisons \
                 need 8 of them"
            ]
        );
        spec.settings.dataset.train_per_class = Some(8);
        assert_eq!(spec.validate_with(&[dataset()]), []);
        // A clean pre-training shows none of them.
        spec.settings.dataset.train_per_class = Some(7);
        spec.settings.pretrain.poisons = 0;
        assert_eq!(spec.validate_with(&[dataset()]), []);
        spec.settings.attack.clean_label = true;
        assert_eq!(fields(spec.validate()), ["attack.clean_label"]);
    }

    #[test]
    fn further_backdoors_are_checked_with_their_place() {
        let mut spec = spec();
        spec.axes = Vec::new();
        spec.runs = vec![RunKind::Probe];
        (spec.settings.pretrain.poisons, spec.settings.probe.poisons) = (0, 250);
        let backdoor = |target_class, trigger| BackdoorSpec { target_class, trigger };
        spec.settings.attack.further = vec![
            backdoor(1, TriggerSpec::Sig(SigSpec::default())),
            backdoor(0, TriggerSpec::Bpp(BppSpec::default())),
        ];
        let told = |spec: &StudySpec| -> Vec<String> {
            spec.validate_with(&[dataset()]).iter().map(ToString::to_string).collect()
        };
        assert_eq!(told(&spec), [""; 0]);
        // The main backdoor and the last one poison class b.
        spec.settings.probe.poisons = 251;
        assert_eq!(
            told(&spec),
            [
                "probe.poisons: all backdoors together take 502 images of class b to be poisoned, which has only 500"
            ]
        );
        spec.settings.probe.poisons = 1;
        let patched = PatchedSpec { size: 0, ..PatchedSpec::default() };
        spec.settings.attack.further[1].trigger = TriggerSpec::Patched(patched);
        let errors = told(&spec);
        assert!(errors[0].starts_with("attack.further[1].trigger.size: takes "), "{errors:?}");
        let key = "x".repeat(900_000);
        spec.settings.attack.further[1].trigger = TriggerSpec::Blended(BlendedSpec::new(0.4, &key));
        assert_eq!(
            told(&spec),
            ["attack.further[1].trigger.key: takes a name of at most 200 characters"]
        );
        spec.settings.attack.further = vec![backdoor(1, TriggerSpec::Sig(SigSpec::default()))];
        spec.settings.implant.method = ImplantMethod::BadEncoder;
        let errors = told(&spec);
        assert!(
            errors[0].starts_with("attack.further: must be empty with an implanted"),
            "{errors:?}"
        );
    }

    #[test]
    fn only_a_probe_is_trained_again() {
        let mut spec = spec();
        spec.axes = Vec::new();
        spec.runs = vec![RunKind::Defence];
        spec.settings.defence.retrain = true;
        assert_eq!(spec.validate(), []);
        // 1,000 images make 10 batches of 100, more with poisons.
        (spec.settings.probe.batch_size, spec.settings.probe.accumulate) = (100, 11);
        spec.settings.dataset.train_per_class = None;
        let errors = spec.validate_with(&[dataset()]);
        assert_eq!(errors[0].field, "probe.accumulate", "{errors:?}");
        spec.settings.defence.retrain = false;
        assert_eq!(spec.validate_with(&[dataset()]), []);
        spec.settings.defence.retrain = true;
        spec.settings.defence.set = DefendedSet::Pretrain;
        spec.settings.defence.groups = DefenceGroups::All;
        let errors: Vec<_> = spec.validate().iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "defence.retrain: takes false with defence.set = \"pretrain\": the pre-training would have to be repeated on what is \
              kept; only a linear probe is trained again, with defence.set = \"probe\""
            ]
        );
        // An input filter has no set.
        spec.settings.defence.method = DefenceMethod::Strip;
        assert_eq!(spec.validate(), []);
    }

    #[test]
    fn a_trained_decoder_has_something_to_learn() {
        let mut spec = spec();
        spec.axes = Vec::new();
        spec.runs = vec![RunKind::Defence];
        spec.settings.model.patch_size = 4;
        spec.settings.defence.method = DefenceMethod::Dede;
        // So little that 1 less it is 1 again.
        spec.settings.defence.decoder_mask_ratio = 1e-20;
        assert_eq!(spec.validate(), [], "the encoder's own decoder is not trained");
        spec.settings.defence.decoder = DedeDecoder::Trained;
        let errors: Vec<_> = spec.validate().iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "defence.decoder_mask_ratio: hides none of 64 patches, so that the decoder learns nothing; it must hide at least one"
            ]
        );
        spec.settings.defence.decoder_mask_ratio = 0.9;
        assert_eq!(spec.validate(), []);
    }

    #[test]
    fn every_error_is_found_at_once() {
        let mut bad = spec();
        bad.name = " ".into();
        bad.tags = vec!["a,b".into()];
        bad.settings.pretrain.mask_ratio = 1.0;
        bad.settings.model.patch_size = 5;
        bad.axes = Vec::new();
        let fields: Vec<_> = bad.validate().into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["name", "tags", "pretrain.mask_ratio", "model.patch_size"]);
        bad.axes = vec![Axis::of("seed", [1u32, 1])];
        let fields: Vec<_> = bad.validate().into_iter().map(|error| error.field).collect();
        assert_eq!(
            fields,
            ["name", "tags", "axes.seed", "pretrain.mask_ratio", "model.patch_size"]
        );
    }

    #[test]
    fn the_data_set_shows_more() {
        let mut bad = spec();
        bad.runs = vec![RunKind::Probe, RunKind::Finetune];
        bad.settings.attack.target_class = 7;
        bad.axes = vec![Axis::of("probe.poisons", [0u32, 501])];
        // 1,000 images make 7 batches of 128.
        bad.settings.finetune.accumulate = 8;
        bad.settings.dataset.train_per_class = None;
        let errors: Vec<_> =
            bad.validate_with(&[dataset()]).iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "attack.target_class: shapes has the classes 0 to 1, so there is no class 7",
                "finetune.accumulate: takes at most the 7 batches of an epoch, not 8",
                "probe.poisons: 501 images of each class are to be poisoned, but class a has only 500",
            ]
        );
        // Kinds that are not run poison nothing.
        bad.settings.knn.poisons = 501;
        assert_eq!(bad.validate_with(&[dataset()]).len(), errors.len());
        bad.settings.dataset.name = "other".into();
        assert_eq!(
            bad.validate_with(&[dataset()])[0].to_string(),
            "dataset.name: there is no data set \"other\"; there are: shapes"
        );
    }

    #[test]
    fn axes_are_checked_value_by_value() {
        let mut bad = spec();
        bad.axes =
            vec![Axis::of("attack.trigger.ratio", [0.2, 1.5]), Axis::of("probe.epoch", [1u32, 2])];
        let errors: Vec<_> = bad.validate().iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "attack.trigger.ratio: takes a number above 0 and at most 1, not 1.5",
                "probe.epoch: is not a setting; did you mean probe.epochs?",
            ]
        );
        // 2^40 points are refused before any of them is created.
        let many = |path: &str| Axis::of(path, 0u32..1024);
        bad.axes = ["seed", "pretrain.epochs", "probe.epochs", "finetune.epochs"].map(many).into();
        assert_eq!(bad.validate()[0].field, "axes");
        bad.axes = vec![Axis::of("seed", 0u32..1500)];
        assert!(bad.validate()[0].message.starts_with("make 4500 runs"), "{:?}", bad.validate());
    }

    #[test]
    fn a_study_of_a_megabyte_is_refused_in_few_words() {
        let many = |count: u32| Axis::of("seed", 0..count);
        let mut bad = spec();
        bad.axes = vec![many(300_000)];
        let told = |bad: &StudySpec| {
            let errors = bad.validate();
            assert!((1..=MOST_ERRORS).contains(&errors.len()), "{} errors", errors.len());
            errors[0].to_string()
        };
        assert_eq!(told(&bad), "axes.seed: takes at most 4000 values, not 300000");
        bad.axes = (0..100_000).map(|i| Axis::of(&format!("a.{i}"), [1u32])).collect();
        assert_eq!(told(&bad), "axes: are 100000; a study can have at most 64");
        bad.axes = vec![Axis { paths: vec!["seed".into(); 100_000], values: vec![] }];
        bad.axes[0].values = vec![vec![1u32.into(); 100_000]];
        assert!(told(&bad).ends_with("varies at most 32 settings together, not 100000"));
        bad.axes = vec![Axis::of(&"x".repeat(900_000), [1u32])];
        assert!(told(&bad).ends_with("x: is not a setting; `maskdoor settings` lists them"));
        bad.axes = vec![Axis::of("probe.epochs", (0..4_000).map(|i| f64::from(i) + 0.5))];
        assert_eq!(bad.points().expect_err("no whole numbers").len(), MOST_ERRORS);
        // Each of 1,000 points would have a copy of the name.
        bad.axes = vec![many(1_000)];
        bad.settings.dataset.name = "x".repeat(900_000);
        assert_eq!(told(&bad), "dataset.name: takes a name of at most 200 characters");
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let mut value = serde_json::to_value(spec()).expect("JSON");
        value["probe"]["learning_rate"] = 3.into();
        let error =
            serde_json::from_value::<StudySpec>(value).expect_err("no such field").to_string();
        assert!(error.contains("learning_rate"), "{error}");
    }
}
