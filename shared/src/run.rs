//! Runs: their phase, their state and its legal transitions, and the order that lies in a run's folder.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    api::Layout,
    id::{RunId, StudyId},
    study::StudySpec,
};

/// What a run trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The MAE, without labels.
    Pretrain,
    /// A linear classifier on the frozen encoder.
    Probe,
    /// Encoder and classifier together.
    Finetune,
}

impl Phase {
    /// All of them, in the order of a study.
    pub const ALL: [Self; 3] = [Self::Pretrain, Self::Probe, Self::Finetune];

    /// The name in files and addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pretrain => "pretrain",
            Self::Probe => "probe",
            Self::Finetune => "finetune",
        }
    }

    /// The name in the pages.
    pub fn title(self) -> &'static str {
        match self {
            Self::Pretrain => "Pre-training",
            Self::Probe => "Linear probe",
            Self::Finetune => "Fine-tuning",
        }
    }
}

impl std::str::FromStr for Phase {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or_else(|| format!("a phase is pretrain, probe or finetune, not {text:?}"))
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for its turn, or for the run that it starts from.
    Queued,
    /// A worker trains it.
    Running,
    /// Finished with a result.
    Done,
    /// Stopped with an error.
    Failed,
    /// Its worker vanished.
    Interrupted,
    /// Stopped by the user.
    Cancelled,
}

impl RunState {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Interrupted, Self::Cancelled];

    /// The state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the run will not go on by itself.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Whether a run in this state may go to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use RunState::{Cancelled, Done, Failed, Interrupted, Queued, Running};
        matches!(
            (self, next),
            (Queued, Running | Cancelled | Failed)
                | (Running, Done | Failed | Interrupted | Cancelled)
                | (Interrupted | Failed | Cancelled, Queued)
        )
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for RunState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no state of a run"))
    }
}

/// A run's place in the study's grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunPoint {
    /// What is trained.
    pub phase: Phase,
    /// Poisoned images per non-target class in pre-training.
    pub ppr: u32,
    /// Poisoned images per non-target class in the classifier's training: the LPR of a linear probe, the FPR of a fine-tuning; 0
    /// for a pre-training.
    pub lpr: u32,
    /// Seed of weights, order, augmentation, masks and poisons.
    pub seed: u64,
    /// Whether a fine-tuning starts from a model that was not pre-trained.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scratch: bool,
}

impl RunPoint {
    /// The pre-training that a run at this point starts from; none for a pre-training, and without one.
    pub fn encoder(self) -> Option<Self> {
        let starts = self.phase != Phase::Pretrain && !self.scratch;
        starts.then_some(Self { phase: Phase::Pretrain, lpr: 0, ..self })
    }

    /// Poisoned images per non-target class in this run's own phase.
    pub fn poisons_per_class(self) -> u32 {
        if self.phase == Phase::Pretrain { self.ppr } else { self.lpr }
    }

    /// What is trained, as a title.
    pub fn title(self) -> &'static str {
        if self.scratch { "From scratch" } else { self.phase.title() }
    }

    /// What the number of poisons in this run's own phase is called: PPR, LPR or FPR.
    pub fn rate_name(self) -> &'static str {
        match self.phase {
            Phase::Pretrain => "PPR",
            Phase::Probe => "LPR",
            Phase::Finetune => "FPR",
        }
    }

    /// The point in a few words: `pre-training, PPR 10, seed 1`.
    pub fn label(self) -> String {
        match self.phase {
            Phase::Pretrain => format!("pre-training, PPR {}, seed {}", self.ppr, self.seed),
            Phase::Probe => {
                format!("linear probe, PPR {}, LPR {}, seed {}", self.ppr, self.lpr, self.seed)
            }
            Phase::Finetune if self.scratch => {
                format!("training from scratch, FPR {}, seed {}", self.lpr, self.seed)
            }
            Phase::Finetune => {
                format!("fine-tuning, PPR {}, FPR {}, seed {}", self.ppr, self.lpr, self.seed)
            }
        }
    }
}

/// Where a data set's images come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DataSource {
    /// The data set that the program draws itself.
    Builtin,
    /// A folder of images or of files of many images.
    Folder {
        /// The folder.
        path: String,
        /// How the images lie in it. Kept here like what is skipped, and for the same reason.
        #[serde(default)]
        layout: Layout,
        /// Files that are left out, as paths below the folder: what was unreadable when the data set was added. Kept
        /// here, not found anew by each run, so that an index means the same image in every plan and page.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skipped: Vec<String>,
    },
}

/// All that a worker needs: lies as `run.json` in the run's folder before the worker starts, and is never changed.
/// With the plan and the fingerprint that the worker adds to its manifest it is enough to repeat the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunOrder {
    /// The run.
    pub run: RunId,
    /// Its study.
    pub study: StudyId,
    /// The whole study.
    pub spec: StudySpec,
    /// This run's place in the grid.
    pub point: RunPoint,
    /// The images.
    pub source: DataSource,
    /// Folder of the pre-training that this run starts from; its `checkpoint.safetensors` is read.
    pub encoder: Option<String>,
    /// Version of the program that made the order.
    pub program: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_run_stays_finished() {
        for next in RunState::ALL {
            assert!(!RunState::Done.may_become(next), "done -> {next}");
        }
    }

    #[test]
    fn only_a_queued_run_starts() {
        for state in RunState::ALL {
            assert_eq!(
                state.may_become(RunState::Running),
                state == RunState::Queued,
                "{state} -> running"
            );
        }
    }

    #[test]
    fn names_survive_text() {
        for state in RunState::ALL {
            assert_eq!(state.as_str().parse::<RunState>(), Ok(state));
        }
        assert!("finished".parse::<RunState>().is_err());
    }
}
