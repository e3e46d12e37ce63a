//! Runs: their states and legal transitions, and the settings that usually distinguish them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::settings::{Settings, Start};

pub use crate::{
    dataset::DataSource,
    run_kind::{ARITHMETIC, Digest, RunKind},
};

/// The state of a run.
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
    /// Its worker disappeared.
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

    /// Whether the run has ended and will not continue by itself.
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
            .ok_or_else(|| format!("{text:?} is not a state of a run"))
    }
}

/// What distinguishes the runs of most studies: kind, poisons and seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunPoint {
    /// Its kind.
    pub kind: RunKind,
    /// Poisoned images per poisoned class in pre-training.
    pub ppr: u32,
    /// Poisoned images per poisoned class in the classifier's training: the LPR of a linear probe, the FPR of a fine-tuning, and of
    /// the fine-tuning that a defence repairs; 0 for a pre-training, and for a defence of its training set.
    pub lpr: u32,
    /// Seed of weights, order, augmentation, masks and poisons.
    pub seed: u64,
    /// Whether a fine-tuning starts from a model that was not pre-trained.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scratch: bool,
    /// Whether it implants a backdoor into its encoder, or starts from such an encoder.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub implanted: bool,
    /// Whether it repairs a fine-tuned classifier.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repairs: bool,
}

impl RunPoint {
    /// The point of a run of this kind with these settings.
    pub fn of(kind: RunKind, settings: &Settings) -> Self {
        let scratch = kind == RunKind::Finetune && settings.finetune.start == Start::Scratch;
        let of_pretraining =
            kind == RunKind::Pretrain || kind == RunKind::Defence && settings.judges_pretraining();
        let repairs = kind == RunKind::Defence && settings.defence.method.repairs();
        let implanted = kind.line(settings).any(|kind| kind == RunKind::Implant);
        Self {
            kind,
            ppr: if scratch { 0 } else { settings.pretrain.poisons },
            lpr: match kind {
                _ if of_pretraining => 0,
                _ if repairs => settings.finetune.poisons,
                kind => settings.poisons(kind),
            },
            seed: settings.seed,
            scratch,
            implanted,
            repairs,
        }
    }

    /// Whether its encoder was attacked: by poisons in pre-training, or by a backdoor that was implanted into it.
    pub fn attacks_encoder(self) -> bool {
        self.ppr > 0 || self.implanted
    }

    /// The same point on an encoder that was not attacked.
    pub fn on_clean_encoder(self) -> Self {
        Self { ppr: 0, implanted: false, ..self }
    }

    /// Its kind, as a title.
    pub fn title(self) -> &'static str {
        if self.scratch { "From scratch" } else { self.kind.title() }
    }

    /// The name of the number of poisons in the training of this run, or of the classifier that it repairs: PPR, LPR or FPR.
    pub fn rate_name(self) -> &'static str {
        match self.kind {
            RunKind::Defence if self.repairs => "FPR",
            RunKind::Pretrain | RunKind::Implant => "PPR",
            RunKind::Knn | RunKind::Probe | RunKind::Defence => "LPR",
            RunKind::Finetune => "FPR",
        }
    }

    /// A short label of the point: `pre-training, PPR 10, seed 1`.
    pub fn label(self) -> String {
        let Self { ppr, lpr, seed, .. } = self;
        match self.kind {
            RunKind::Pretrain => format!("pre-training, PPR {ppr}, seed {seed}"),
            RunKind::Finetune if self.scratch => {
                format!("training from scratch, FPR {lpr}, seed {seed}")
            }
            RunKind::Implant => format!("implanting, PPR {ppr}, seed {seed}"),
            kind => {
                let (title, rate) = (kind.title().to_lowercase(), self.rate_name());
                let implanted = if self.implanted { ", implanted backdoor" } else { "" };
                format!("{title}, PPR {ppr}{implanted}, {rate} {lpr}, seed {seed}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::DefenceMethod;

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
    fn a_repair_is_named_by_the_poisons_of_what_it_repairs() {
        let mut settings = Settings::default();
        (settings.pretrain.poisons, settings.finetune.poisons) = (10, 3);
        settings.defence.poisons = 5;
        let label = |method: DefenceMethod| {
            let mut settings = settings.clone();
            settings.defence.method = method;
            RunPoint::of(RunKind::Defence, &settings).label()
        };
        for method in DefenceMethod::ALL.into_iter().filter(|method| method.repairs()) {
            assert_eq!(label(method), "defence, PPR 10, FPR 3, seed 1", "{method:?}");
        }
        assert_eq!(label(DefenceMethod::Strip), "defence, PPR 10, LPR 5, seed 1");
        // It judges an encoder, which has no poisons of a classifier.
        assert_eq!(label(DefenceMethod::Decree), "defence, PPR 10, LPR 0, seed 1");
    }

    #[test]
    fn names_survive_text() {
        for state in RunState::ALL {
            assert_eq!(state.as_str().parse::<RunState>(), Ok(state));
        }
        assert!("finished".parse::<RunState>().is_err());
    }
}
