//! Filters of a training set: spectral signatures, activation clustering, SCAn, `PatchSearch`, DBD's split by loss.

use shared::{
    Rgb8,
    metric::{Detection, Judgement},
    settings::{ClusterDecision, DefenceGroups, DefenceMethod, DefenceSpec},
};

use super::{Defence, GroupSaid, HighestSaid, Said};
use crate::{
    EngineError,
    compute::Params,
    data::{DataError, Sample, augment::eval_transform},
    defence::{
        Features, Filtered, Groups,
        activation::{ActivationClustering, Decision},
        loss_split::LossSplit,
        scan::{self, Variation},
        spectral::Spectral,
    },
    run::judged::JudgedSample,
    train::{neighbours::clean_set, poisons::Origin, report::Reporter},
};

/// Change of SCAn's covariances at which they are settled (the authors' value).
const SETTLED: f64 = 1e-2;
/// Numbers of images of `PatchSearch`'s search among which poisons are counted, as its authors' program prints them.
const HIGHEST: [usize; 6] = [5, 10, 20, 50, 100, 500];

/// Clean images that a defender has.
struct Clean {
    features: Vec<f32>,
    labels: Vec<u32>,
}

impl Defence<'_> {
    /// Judges the clean training images and what the attacker adds, then once more with the copies as they were before the trigger.
    pub(super) fn sample_filter(
        &self,
        params: Params,
        report: &mut Reporter<'_>,
    ) -> Result<Said, EngineError> {
        let settings = &self.run.order.settings;
        let (train, width) = (&self.pixels.train, self.encoder.width());
        let untouched = self.kept.get("training", width, train.len(), report, |report| {
            let image = |i: usize| self.plain(train, i);
            self.features(train.len(), &image, "features (training)", report)
        })?;
        let poison = |i: usize| Ok(eval_transform(&self.poisons.image(i)?, self.pixels.side));
        let added = self.poisons.len();
        let poisoned = self.features(added, &poison, "features (poisoned)", report)?;
        let clean = self.clean(report)?;
        let origins: Vec<Origin> = self.poisons.members().origins().collect();
        let labels: Vec<u32> = origins.iter().map(|&of| self.poisons.label_of(of)).collect();

        let row = |rows: &[f32], i: usize| rows[i * width..][..width].to_vec();
        let attacked = origins.iter().flat_map(|&of| match of {
            Origin::Clean(i) => row(&untouched, i),
            Origin::Made(i) => row(&poisoned, i),
        });
        let attacked: Vec<f32> = attacked.collect();
        if settings.defence.method == DefenceMethod::PatchSearch {
            let image = |i: usize| match origins[i] {
                Origin::Clean(i) => self.plain(train, i),
                Origin::Made(i) => poison(i),
            };
            let found = self.patch_search(&attacked, &image, params, report)?;
            let truth = self.truth(&origins);
            let most = found.searched.images.len();
            let among = |&images: &usize| HighestSaid {
                images,
                poisoned: found.searched.highest(images).iter().filter(|&&i| truth[i]).count(),
            };
            let highest = HIGHEST.iter().filter(|&&images| images <= most).map(among).collect();
            // It looks at no label, so nothing is found by a wrong one.
            let said = (found.filtered, found.groups);
            return Ok(Said { highest, ..self.compared(said, None, &labels, &origins, 0)? });
        }
        let said = judge(&settings.defence, attacked, width, &labels, &clean, settings.seed)?;
        // Features of a copy without the trigger are those of its original.
        let is_control = !settings.attack.clean_label && !settings.judges_pretraining();
        let control = if is_control && added > 0 {
            let copied = self.images(&origins).flat_map(|i| row(&untouched, i as usize));
            let copied = copied.collect();
            Some(judge(&settings.defence, copied, width, &labels, &clean, settings.seed)?.0)
        } else {
            None
        };
        self.compared(said, control.as_ref(), &labels, &origins, clean.labels.len())
    }

    /// An image as the encoder sees it.
    fn plain(&self, split: &[Sample], i: usize) -> Result<Rgb8, DataError> {
        Ok(eval_transform(&*split[i].image()?, self.pixels.side))
    }

    /// The training image that each sample is, or was before the attacker changed it.
    fn images(&self, origins: &[Origin]) -> impl Iterator<Item = u32> {
        let made: Vec<u32> = self.poisons.plan.made().map(|sample| sample.index).collect();
        origins.iter().map(move |&of| match of {
            Origin::Clean(i) => i as u32,
            Origin::Made(i) => made[i],
        })
    }

    /// Whether each sample is a poison; only the comparison with the truth uses it.
    fn truth(&self, origins: &[Origin]) -> Vec<bool> {
        let poisons = self.poisons.plan.samples.len();
        origins.iter().map(|of| matches!(of, Origin::Made(i) if *i < poisons)).collect()
    }

    /// The places of the validation images that the defender has: those of SCAn; none for other methods.
    pub(super) fn defenders(&self) -> Vec<usize> {
        let settings = &self.run.order.settings;
        if settings.defence.method == DefenceMethod::Scan {
            clean_set(self.pixels, settings.defence.clean_per_class, settings.seed)
        } else {
            Vec::new()
        }
    }

    /// The clean images of SCAn; none for other methods.
    fn clean(&self, report: &mut Reporter<'_>) -> Result<Clean, EngineError> {
        let chosen = self.defenders();
        let image = |i: usize| self.plain(&self.pixels.test, chosen[i]);
        Ok(Clean {
            features: self.features(chosen.len(), &image, "features (clean)", report)?,
            labels: chosen.iter().map(|&i| self.pixels.test[i].class).collect(),
        })
    }

    /// Compares what the method said with the truth.
    fn compared(
        &self,
        (said, groups): (Filtered, Groups),
        control: Option<&Filtered>,
        labels: &[u32],
        origins: &[Origin],
        clean_images: usize,
    ) -> Result<Said, EngineError> {
        let truth = self.truth(origins);
        let images: Vec<u32> = self.images(origins).collect();
        let detection = |said: &Filtered| {
            Detection::of(&said.scores, &said.flagged, &truth)
                .ok_or_else(|| EngineError::Order("the defence's scores are not numbers".into()))
        };
        let judgement = Judgement {
            detection: Some(detection(&said)?),
            control: control.map(detection).transpose()?,
            ..Judgement::default()
        };
        let samples = |said: &Filtered| -> Vec<JudgedSample> {
            let sample = |i: usize| JudgedSample {
                image: images[i],
                label: labels[i],
                score: said.scores[i],
                flagged: said.flagged[i],
                poisoned: truth[i],
            };
            (0..labels.len()).map(sample).collect()
        };
        let group = |(group, (members, &index)): (usize, (&[usize], &Option<f64>))| {
            // The defender's clean images come behind those of the set.
            let own = members.iter().filter(|&&i| i < labels.len());
            let count = |values: &[bool]| own.clone().filter(|&&i| values[i]).count();
            GroupSaid {
                group,
                images: own.clone().count(),
                flagged: count(&said.flagged),
                poisoned: count(&truth),
                index,
            }
        };
        Ok(Said {
            method: self.run.order.settings.defence.method,
            judgement,
            clean_images,
            groups: groups.iter().zip(&said.indices).enumerate().map(group).collect(),
            samples: samples(&said),
            control: control.map(samples).unwrap_or_default(),
            ..Said::default()
        })
    }
}

/// What the method says of the images of a set with these features and labels. It is not told which ones are poisoned.
fn judge(
    spec: &DefenceSpec,
    set: Vec<f32>,
    width: usize,
    labels: &[u32],
    clean: &Clean,
    seed: u64,
) -> Result<(Filtered, Groups), EngineError> {
    let n = labels.len();
    // Clean images of the defender are grouped with those of the set, to tell which half of a group is theirs.
    let features = Features::of_encoder(&[set, clean.features.clone()].concat(), width)?;
    let labels = [labels, &clean.labels].concat();
    let groups = match spec.groups {
        _ if spec.method == DefenceMethod::LossSplit => Groups::by_label(&features, &labels),
        DefenceGroups::Label => Groups::by_label(&features, &labels),
        DefenceGroups::Clusters => Groups::by_cluster(&features, spec.clusters as usize, seed),
        DefenceGroups::All => Groups::all(&features),
    };
    let mut said = match spec.method {
        DefenceMethod::ActivationClustering => ActivationClustering {
            dimensions: spec.dimensions as usize,
            decision: match spec.decision {
                ClusterDecision::Smaller => Decision::Smaller,
                ClusterDecision::RelativeSize => Decision::RelativeSize,
                ClusterDecision::Silhouette => Decision::Silhouette,
            },
            seed,
        }
        .filter(&features, &groups),
        DefenceMethod::Scan => {
            let known = Features::of_encoder(&clean.features, width)?;
            let variation = Variation::of(&known, &clean.labels, SETTLED, spec.shrinkage)?;
            let is_clean: Vec<bool> = (0..labels.len()).map(|i| i >= n).collect();
            scan::filter(&variation, &features, &groups, &is_clean, seed)
        }
        DefenceMethod::LossSplit => {
            LossSplit { epochs: spec.head_epochs, share: spec.split_share, seed }
                .filter(&features, &labels, &groups)
        }
        // The other methods judge no training set.
        _ => Spectral { assumed_share: spec.assumed_share, centre: spec.centre }
            .filter(&features, &groups),
    };
    said.scores.truncate(n);
    said.flagged.truncate(n);
    Ok((said, groups))
}
