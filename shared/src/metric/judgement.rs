//! What a defence found, compared with the truth.

use serde::{Deserialize, Serialize};

use super::{Detection, Discordant, Metrics, Ratio};

/// What a defence found, compared with the truth, which it was not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Judgement {
    /// How it tells poisoned from clean images: those of a training set, or triggered from clean validation images. `None` for a detector of
    /// encoders, which judges no images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
    /// How it tells the same images under the same labels *without* the trigger: what it finds only because labels are wrong. `None` where no
    /// label is wrong: under a clean-label attack, without labels, and for images that a classifier is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Detection>,
    /// The classifier that an input filter protects or a repair changes, before it; the probe of the whole set that a sample filter judges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Metrics>,
    /// The same classifier on the same images with the filter: a refused image has no class, so that it counts as wrong in CA and RA, and as no
    /// success in ASR. Or the probe of what a sample filter keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Metrics>,
    /// What a detector of encoders says of the encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<OfEncoder>,
    /// What an input filter changed in what the classifier says. Runs of earlier versions do not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtered: Option<Changed>,
    /// What a repair changed; it judges nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Repaired>,
    /// What training again on the images that a sample filter keeps changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrained: Option<Retrained>,
}

/// The images on which two classifiers differ: the first is the one before a defence, the second the one after.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Changed {
    /// By the clean images that are classified rightly.
    pub ca: Discordant,
    /// By the triggered images that are taken for the attacker's class.
    pub asr: Discordant,
    /// By the triggered images that are classified rightly.
    pub ra: Discordant,
}

impl Changed {
    /// From what differs in CA, in ASR and in RA.
    pub fn of([ca, asr, ra]: [Discordant; 3]) -> Self {
        Self { ca, asr, ra }
    }

    /// `CA 88.0 % → 87.2 % (p 0.21), ASR 99.1 % → 3.4 % (p < 0.001), RA …`.
    fn in_words(&self, before: &Metrics, after: &Metrics) -> String {
        let share = |of: Ratio| of.percent().map_or("none".into(), |at| format!("{at:.1} %"));
        let pair = |name: &str, [from, to]: [Ratio; 2], by: Discordant| {
            let p = by.difference().map_or("no test".to_owned(), |difference| {
                if difference.p < 0.001 {
                    "p < 0.001".into()
                } else {
                    format!("p {:.3}", difference.p)
                }
            });
            format!("{name} {} → {} ({p})", share(from), share(to))
        };
        [
            pair("CA", [before.ca, after.ca], self.ca),
            pair("ASR", [before.asr, after.asr], self.asr),
            pair("RA", [before.ra, after.ra], self.ra),
        ]
        .join(", ")
    }
}

/// What a repair changed in a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Repaired {
    /// Channels that were pruned.
    pub pruned: u32,
    /// Channels that there are.
    pub channels: u32,
    /// What differs between the classifier before and after.
    #[serde(flatten)]
    pub changed: Changed,
}

impl Repaired {
    /// `CA 88.0 % → 87.2 % (p 0.21), ASR 99.1 % → 3.4 % (p < 0.001), RA …; 12 of 128 channels pruned`.
    fn in_words(&self, before: &Metrics, after: &Metrics) -> String {
        let told = self.changed.in_words(before, after);
        match self.pruned {
            0 => told,
            pruned => format!("{told}; {pruned} of {} channels pruned", self.channels),
        }
    }
}

/// What a linear probe that is trained again on the images that a sample filter keeps has in place of one trained on all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Retrained {
    /// Images that the filter keeps, of those of the set.
    pub kept: Ratio,
    /// Labels of the set of which nothing is kept: the second probe never sees such a class.
    pub emptied: u32,
    /// What differs between the two probes; `None` where nothing at all is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
}

impl Retrained {
    /// `trained again on 120 of 147 images: CA 40.0 % → 42.5 % (p 0.625), ASR …, RA …; nothing is kept of 1 class`.
    fn in_words(&self, metrics: Option<&(Metrics, Metrics)>) -> String {
        let Ratio { hits, total } = self.kept;
        let Some((changed, (before, after))) = self.changed.zip(metrics) else {
            return format!(
                "{hits} of {total} images are kept, so that no probe can be trained again"
            );
        };
        let told = changed.in_words(before, after);
        let emptied = match self.emptied {
            0 => String::new(),
            1 => "; nothing is kept of 1 class".to_owned(),
            classes => format!("; nothing is kept of {classes} classes"),
        };
        format!("trained again on {hits} of {total} images: {told}{emptied}")
    }
}

/// What a detector says of an encoder that it searched for a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OfEncoder {
    /// Mean cosine of all pairs of clean images' features. Where it is above 0.99, features are alike without any trigger, and the method says
    /// nothing.
    pub clean_cosine: f64,
    /// Norm of the smallest trigger's mask over the number of pixels and channels (PL1): the share of the image that it replaces. `None`
    /// without a trigger that makes features alike.
    pub pl1: Option<f64>,
    /// Whether the encoder counts as backdoored; `None` where the method says nothing.
    pub flagged: Option<bool>,
}

impl OfEncoder {
    /// `clean features have a mean cosine of 0.412; the smallest trigger takes 1.6 % of the image: backdoored`.
    fn in_words(&self) -> String {
        let clean = format!("clean features have a mean cosine of {:.3}", self.clean_cosine);
        let trigger = self.pl1.map_or("no trigger makes them alike".into(), |pl1| {
            format!("the smallest trigger takes {:.1} % of the image", 100.0 * pl1)
        });
        match self.flagged {
            None => format!("{clean}, so that the method says nothing"),
            Some(true) => format!("{clean}; {trigger}: backdoored"),
            Some(false) => format!("{clean}; {trigger}: not backdoored"),
        }
    }
}

impl Judgement {
    /// `AUROC 0.934 (without the trigger 0.912), 80 of 90 poisoned and 12 of 500 clean images flagged`.
    pub fn in_words(&self) -> String {
        let of_encoder = self.encoder.as_ref().map(OfEncoder::in_words);
        let of_images = self.detection.as_ref().map(|detection| self.of_images(detection));
        let metrics = self.before.zip(self.after);
        let of_filter = self.filtered.zip(metrics);
        let of_filter =
            of_filter.map(|(filtered, (before, after))| filtered.in_words(&before, &after));
        let of_repair = self.repaired.zip(metrics);
        let of_repair =
            of_repair.map(|(repaired, (before, after))| repaired.in_words(&before, &after));
        let of_probes = self.retrained.map(|retrained| retrained.in_words(metrics.as_ref()));
        let told = of_encoder.into_iter().chain(of_images).chain(of_filter);
        let told = told.chain(of_repair).chain(of_probes);
        told.collect::<Vec<_>>().join("; ")
    }

    fn of_images(&self, detection: &Detection) -> String {
        let area = |of: &Detection| of.auroc.map_or("none".into(), |area| format!("{area:.3}"));
        let control = self.control.as_ref();
        let control = control.map(|of| format!(" (without the trigger {})", area(of)));
        let Detection { found, false_alarms, .. } = detection;
        format!(
            "AUROC {}{}, {} of {} poisoned and {} of {} clean images flagged",
            area(detection),
            control.unwrap_or_default(),
            found.hits,
            found.total,
            false_alarms.hits,
            false_alarms.total
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_words_by_hand() {
        let poisoned = [true, false, false];
        let detection = Detection::of(&[3.0, 2.0, 1.0], &poisoned, &poisoned).unwrap();
        let control = Detection::of(&[1.0, 2.0, 3.0], &[false; 3], &poisoned);
        let mut judgement =
            Judgement { detection: Some(detection), control, ..Judgement::default() };
        assert_eq!(
            judgement.in_words(),
            "AUROC 1.000 (without the trigger 0.000), 1 of 1 poisoned and 0 of 2 clean images flagged"
        );
        judgement.control = None;
        judgement.detection = Some(Detection { auroc: None, ..detection });
        assert_eq!(
            judgement.in_words(),
            "AUROC none, 1 of 1 poisoned and 0 of 2 clean images flagged"
        );
    }

    #[test]
    fn an_encoder_in_words_by_hand() {
        let words = |clean_cosine, pl1, flagged| {
            let encoder = Some(OfEncoder { clean_cosine, pl1, flagged });
            Judgement { encoder, ..Judgement::default() }.in_words()
        };
        assert_eq!(
            words(0.412, Some(0.016), Some(true)),
            "clean features have a mean cosine of 0.412; the smallest trigger takes 1.6 % of the image: backdoored"
        );
        assert_eq!(
            words(0.412, None, Some(false)),
            "clean features have a mean cosine of 0.412; no trigger makes them alike: not backdoored"
        );
        assert_eq!(
            words(0.995, None, None),
            "clean features have a mean cosine of 0.995, so that the method says nothing"
        );
    }

    #[test]
    fn a_filter_in_words_by_hand() {
        let share = |hits| Ratio { hits, total: 100 };
        let metrics = |ca, asr| Metrics { ca: share(ca), asr: share(asr), ..Metrics::default() };
        let by = |first, second| Discordant { first, second, total: 100 };
        let judgement = Judgement {
            detection: Detection::of(&[2.0, 1.0], &[true, false], &[true, false]),
            before: Some(metrics(88, 99)),
            after: Some(metrics(82, 90)),
            // None of 6 discordant images on the other side: 2 / 64; of 9, none: 2 / 512.
            filtered: Some(Changed { ca: by(6, 0), asr: by(9, 0), ra: by(0, 0) }),
            ..Judgement::default()
        };
        assert_eq!(
            judgement.in_words(),
            "AUROC 1.000, 1 of 1 poisoned and 0 of 1 clean images flagged; \
             CA 88.0 % → 82.0 % (p 0.031), ASR 99.0 % → 90.0 % (p 0.004), RA none → none (p 1.000)"
        );
    }

    #[test]
    fn a_repair_in_words_by_hand() {
        let share = |hits| Ratio { hits, total: 100 };
        let metrics = |ca, asr, ra| Metrics {
            ca: share(ca),
            asr: share(asr),
            ra: share(ra),
            ..Metrics::default()
        };
        let by = |first, second| Discordant { first, second, total: 100 };
        let judgement = Judgement {
            before: Some(metrics(88, 99, 1)),
            after: Some(metrics(87, 3, 80)),
            // 2 of 3 discordant images: 2 x 4 / 8 = 1. Of 8, one: 2 x 9 / 256 = 0.070.
            repaired: Some(Repaired {
                pruned: 12,
                channels: 128,
                changed: Changed { ca: by(2, 1), asr: by(96, 0), ra: by(1, 7) },
            }),
            ..Judgement::default()
        };
        assert_eq!(
            judgement.in_words(),
            "CA 88.0 % → 87.0 % (p 1.000), ASR 99.0 % → 3.0 % (p < 0.001), RA 1.0 % → 80.0 % (p 0.070); 12 of 128 channels pruned"
        );
    }

    #[test]
    fn training_again_in_words_by_hand() {
        let share = |hits| Ratio { hits, total: 100 };
        let metrics = |ca, asr, ra| Metrics {
            ca: share(ca),
            asr: share(asr),
            ra: share(ra),
            ..Metrics::default()
        };
        let by = |first, second| Discordant { first, second, total: 100 };
        // None of 0 discordant images: p is 1. Of 8, one: 2 x 9 / 256 = 0.070.
        let changed = Some(Changed { ca: by(0, 0), asr: by(60, 0), ra: by(1, 7) });
        let mut retrained =
            Retrained { kept: Ratio { hits: 120, total: 147 }, emptied: 0, changed };
        let words = |retrained, after| {
            let (before, retrained) = (Some(metrics(40, 70, 2)), Some(retrained));
            Judgement { before, after, retrained, ..Judgement::default() }.in_words()
        };
        let after = Some(metrics(40, 10, 8));
        let told = "trained again on 120 of 147 images: CA 40.0 % → 40.0 % (p 1.000), ASR 70.0 % → 10.0 % (p < 0.001), RA 2.0 % → 8.0 % (p 0.070)";
        assert_eq!(words(retrained, after), told);
        retrained.emptied = 1;
        assert_eq!(words(retrained, after), format!("{told}; nothing is kept of 1 class"));
        retrained = Retrained { kept: Ratio { hits: 0, total: 147 }, emptied: 10, changed: None };
        assert_eq!(
            words(retrained, None),
            "0 of 147 images are kept, so that no probe can be trained again"
        );
    }

    #[test]
    fn judgements_of_images_are_written_as_ever() {
        let poisoned = [true, false];
        let detection = Detection::of(&[2.0, 1.0], &poisoned, &poisoned);
        let judgement = Judgement { detection, ..Judgement::default() };
        let text = serde_json::to_string(&judgement).unwrap();
        let expected = "{\"detection\":{\"auroc\":1.0,\"tpr_at_1\":{\"hits\":1,\"total\":1},\"tpr_at_5\":{\"hits\":1,\"total\":1},\"found\":{\"hits\":1,\"total\":1},\"false_alarms\":{\"hits\":0,\"total\":1}}}";
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Judgement>(&text).unwrap(), judgement);
    }
}
