//! The images that a defence judged, drawn once more from what its run has kept: its order, its poison plan, its key image and what it said.

use std::{borrow::Cow, path::Path};

use serde::{Deserialize, Serialize};
use shared::{
    PoisonPlan, Rgb8, Stage, Trigger,
    api::Split,
    order::RunOrder,
    settings::{DefenceKind, DefenceMethod},
};

use super::key::Key;
use crate::{
    EngineError,
    data::{Entry, Index, augment::eval_transform},
    eval::{ScoresError, read_said},
    files,
    train::poisons::{Members, Origin, made},
};

/// An image, as `defence.json` lists it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedSample {
    /// Its place in the training or the validation images; that of its original, for what the attacker adds.
    pub image: u32,
    /// Its label in the judged set.
    pub label: u32,
    /// Higher ones are more suspicious.
    pub score: f64,
    /// Whether the method's own decision is against it.
    pub flagged: bool,
    /// The truth.
    pub poisoned: bool,
}

/// What of `defence.json` is needed to draw its images.
#[derive(Deserialize)]
struct Said {
    method: DefenceMethod,
    #[serde(default)]
    samples: Vec<JudgedSample>,
}

/// The images that a run has judged.
pub struct Judged {
    order: RunOrder,
    said: Said,
    plan: PoisonPlan,
    /// The samples of a judged training set.
    members: Members,
    /// The trigger of each backdoor, the main one first, ready for the images that are judged.
    triggers: Vec<Trigger>,
}

/// Why a run's judged images cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum JudgedError {
    /// A file of the run is damaged.
    #[error(transparent)]
    Said(#[from] ScoresError),
    /// The list has no such image.
    #[error("there is no image {at}: the defence judged {count} images, counted from 0")]
    NoImage {
        /// The place that was asked for.
        at: usize,
        /// Images in the list.
        count: usize,
    },
    /// The plan is not that of the list or of the run's order.
    #[error(
        "poison.json does not fit defence.json and the run's order: a file of the run was changed"
    )]
    Plan,
    /// The list is not of the run's plan, or not of the data set as it is.
    #[error(
        "image {at} of defence.json is not in the run's poison plan and data set: a file of the run was changed"
    )]
    Strange {
        /// Its place in the list.
        at: usize,
    },
    /// Key image, trigger or data set.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Judged {
    /// Reads the folder of a defence run; `None` where it has judged no images, or not yet.
    ///
    /// # Errors
    /// When a file is damaged, or the trigger cannot be prepared.
    pub fn open(folder: &Path, order: RunOrder) -> Result<Option<Self>, JudgedError> {
        let Some(said) = read_said::<Said>(&folder.join(files::DEFENCE))? else { return Ok(None) };
        let plan = read_said::<PoisonPlan>(&folder.join(files::POISON_PLAN))?;
        let Some(plan) = plan else { return Ok(None) };
        let stage = match said.method.kind() {
            DefenceKind::SampleFilter => Stage::Train,
            DefenceKind::InputFilter => Stage::Test,
            DefenceKind::EncoderDetector | DefenceKind::Repair => return Ok(None),
        };
        let clean = said.samples.len().checked_sub(plan.added());
        let members = match (stage, clean) {
            (Stage::Train, Some(clean)) => Members::of(clean, &plan),
            (Stage::Train, None) => return Err(JudgedError::Plan),
            (Stage::Test, _) => Members::of(0, &plan),
        };
        if !plan.fits(&order.settings.attack, order.settings.model.image_size) {
            return Err(JudgedError::Plan);
        }
        let key = Key::read(&order, folder)?;
        let side = order.settings.model.image_size as usize;
        let triggers = key.triggers(&order.settings.attack, side, stage)?;
        let known = triggers.len();
        if plan.made().any(|sample| sample.backdoor as usize >= known) {
            return Err(JudgedError::Plan);
        }
        Ok(Some(Self { order, said, plan, members, triggers }))
    }

    /// What judged them.
    pub fn method(&self) -> DefenceMethod {
        self.said.method
    }

    /// The images, in the order of `defence.json`.
    pub fn samples(&self) -> &[JudgedSample] {
        &self.said.samples
    }

    /// What the run was ordered to do.
    pub fn order(&self) -> &RunOrder {
        &self.order
    }

    /// Whether the judged set has labels that the attacker may have changed.
    pub fn has_labels(&self) -> bool {
        self.said.method.filters_samples() && !self.order.settings.judges_pretraining()
    }

    /// The entry of the image at a place of the list, or of its original. `index` has the run's data set with the run's limits.
    ///
    /// # Errors
    /// When the list has no such image, or the data set lacks it.
    pub fn entry<'a>(&self, index: &'a Index, at: usize) -> Result<&'a Entry, JudgedError> {
        let sample = self.sample(at)?;
        let entries = index.entries(self.split());
        entries.get(sample.image as usize).ok_or(JudgedError::Strange { at })
    }

    /// Whether the attacker changed the image at a place of the list: a poison, a triggered image or a cover sample.
    ///
    /// # Errors
    /// When the list has no such image.
    pub fn is_changed(&self, at: usize) -> Result<bool, JudgedError> {
        let sample = self.sample(at)?;
        Ok(match self.split() {
            Split::Train => matches!(self.members.origin(at), Origin::Made(_)),
            Split::Test => sample.poisoned,
        })
    }

    /// The image at a place of the list as the method judged it, with the trigger where it had one. `index` as for [`entry`](Self::entry).
    ///
    /// # Errors
    /// When the list has no such image, the data set lacks it, or its file cannot be read.
    pub fn picture(&self, index: &Index, at: usize) -> Result<Rgb8, JudgedError> {
        let sample = self.sample(at)?;
        self.entry(index, at)?;
        let side = self.order.settings.model.image_size as usize;
        let split = self.split();
        let plain = |i: usize| index.load(split, i, side).map_err(EngineError::Data);
        let image = match split {
            Split::Train => match self.members.origin(at) {
                Origin::Clean(i) if i == sample.image as usize => plain(i)?,
                Origin::Made(i) => {
                    let own = self.plan.made().nth(i).map(|made| made.index);
                    if own != Some(sample.image) {
                        return Err(JudgedError::Strange { at });
                    }
                    let original = |i| index.load(split, i as usize, side).map(Cow::Owned);
                    made(&self.plan, &self.triggers, i, original).map_err(EngineError::Data)?
                }
                Origin::Clean(_) => return Err(JudgedError::Strange { at }),
            },
            Split::Test => {
                let image = plain(sample.image as usize)?;
                if sample.poisoned { self.triggers[0].applied(&image) } else { image }
            }
        };
        // BDMAE restores the image before the classifier sees its middle.
        let whole = self.said.method == DefenceMethod::Bdmae;
        Ok(if whole { image } else { eval_transform(&image, side) })
    }

    fn sample(&self, at: usize) -> Result<&JudgedSample, JudgedError> {
        let count = self.said.samples.len();
        self.said.samples.get(at).ok_or(JudgedError::NoImage { at, count })
    }

    fn split(&self) -> Split {
        if self.said.method.filters_samples() { Split::Train } else { Split::Test }
    }
}
