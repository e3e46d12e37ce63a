//! A defence of a training set, or of a classifier, by the features of an encoder; or a repair of a fine-tuned classifier.

mod classifier;
mod encoder_detector;
mod input_filter;
mod patch_search;
mod repair;
mod retrain;
mod sample_filter;

pub(super) use repair::{batches, clean_images};
use serde::Serialize;
use shared::{
    RunEvent, Trigger,
    metric::{Changed, Judgement},
    settings::{DecoderNeed, DefenceKind, DefenceMethod},
};

use super::{Run, judged::JudgedSample, key::Key, write_json};
use crate::{
    EngineError,
    compute::{Encode, Load},
    data::Pixels,
    eval::Evaluated,
    files,
    train::{
        features::{Kept, features},
        poisons::Poisons,
        report::Reporter,
    },
};

/// What a defence judges, and with what.
struct Defence<'a> {
    run: &'a Run<'a>,
    encoder: &'a dyn Encode,
    kept: &'a Kept<'a>,
    pixels: &'a Pixels,
    poisons: Poisons<'a>,
    /// Ready for test images.
    trigger: &'a Trigger,
    key: &'a Key,
}

/// The result, as it is kept beside the run's events.
#[derive(Default, Serialize)]
struct Said {
    method: DefenceMethod,
    judgement: Judgement,
    /// Clean validation images that the method had.
    clean_images: usize,
    /// The score above which an image is refused; for STRIP, the entropy below which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupSaid>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    samples: Vec<JudgedSample>,
    /// The same images under the same labels without the trigger.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    control: Vec<JudgedSample>,
    /// The classes of which a sample filter keeps nothing, where a probe is trained again on what it keeps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    emptied: Vec<String>,
    /// The search for a trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<SearchSaid>,
    /// How many poisons are among the images with the highest scores of `PatchSearch`'s search.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    highest: Vec<HighestSaid>,
}

/// Some images with the highest scores.
#[derive(Serialize)]
struct HighestSaid {
    images: usize,
    /// The truth.
    poisoned: usize,
}

/// A search for the smallest trigger.
#[derive(Serialize)]
struct SearchSaid {
    /// Share of the image below which a trigger means a backdoor.
    limit: f64,
    /// Mean cosine of features under the smallest trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    cosine: Option<f64>,
    /// SHA-256 of the image file with mask and pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<String>,
    epochs: Vec<EpochSaid>,
}

/// An epoch of the search: mean cosine, the mask's share of the image and the weight of its norm.
#[derive(Serialize)]
struct EpochSaid {
    cosine: f64,
    pl1: f64,
    weight: f64,
}

/// A group of images.
#[derive(Serialize)]
struct GroupSaid {
    group: usize,
    images: usize,
    flagged: usize,
    /// The truth.
    poisoned: usize,
    index: Option<f64>,
}

/// By which images the classifier after a defence differs from the one before.
fn changed(before: &Evaluated, after: &Evaluated) -> Result<Changed, EngineError> {
    let differ = before.predicted.discordant(&after.predicted);
    differ.map(Changed::of).ok_or_else(|| {
        EngineError::Order("the two classifiers were evaluated on different images".into())
    })
}

impl Defence<'_> {
    /// Features of `n` images, all of them.
    fn features(
        &self,
        n: usize,
        image: Load<'_>,
        what: &str,
        report: &mut Reporter<'_>,
    ) -> Result<Vec<f32>, EngineError> {
        let rows = features(self.encoder, n, image, what, report)?;
        report.intact()?;
        Ok(rows)
    }
}

impl Run<'_> {
    /// Judges the images that the settings name; `trigger` is for test images.
    pub(super) fn defence(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        trigger: &Trigger,
        key: &Key,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let (epoch, said) = if self.order.settings.defence.method.repairs() {
            self.repair(pixels, poisons, trigger, report)?
        } else {
            self.judge(pixels, poisons, trigger, key, report)?
        };
        report.written(|| write_json(&self.folder.join(files::DEFENCE), &said))?;
        report.send(RunEvent::Judged { epoch, judgement: Box::new(said.judgement) })?;
        report.finish(None)
    }

    /// What the method says of the images, or of the encoder, and the epoch of that encoder.
    fn judge(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        trigger: &Trigger,
        key: &Key,
        report: &mut Reporter<'_>,
    ) -> Result<(u32, Said), EngineError> {
        let (folder, params, info) = self.encoder()?;
        let need = self.order.settings.defence.decoder_need().filter(|_| !info.has_decoder);
        if let Some(DecoderNeed { why, instead, .. }) = need {
            let path = folder.join(files::LAST_CHECKPOINT);
            let reason = format!(
                "it holds only an encoder, and {why}: import a whole MAE, or take {instead}"
            );
            return Err(EngineError::Checkpoint { path, reason });
        }
        let dataset =
            format!("{} {}", pixels.fingerprint, super::json(&self.order.settings.dataset));
        let kept = Kept::new(&folder, &params, self.device, &dataset);
        let encoder = self.device.encoder(&info.model, params.clone())?;
        let (encoder, kept) = (&*encoder, &kept);
        let defence = Defence { run: self, encoder, kept, pixels, poisons, trigger, key };
        let mut said = match self.order.settings.defence.method.kind() {
            DefenceKind::SampleFilter => defence.sample_filter(params, report)?,
            DefenceKind::InputFilter => defence.input_filter(params, report)?,
            DefenceKind::EncoderDetector | DefenceKind::Repair => {
                defence.encoder_detector(params, report)?
            }
        };
        if self.order.settings.retrains() {
            defence.retrain(&mut said, report)?;
        }
        Ok((info.epoch, said))
    }
}
