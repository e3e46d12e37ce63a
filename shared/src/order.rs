//! [`RunOrder`]: everything that a run needs. Orders and manifests of version 0.1, which contain the whole study and a place in its
//! grid, can also be read.

use serde::{Deserialize, Serialize};

use crate::{
    id::RunId,
    run::{DataSource, RunPoint},
    run_kind::{Digest, RunKind},
    settings::Settings,
    study::StudySpec,
};

/// Everything that a run needs: written to `run.json` in the run's folder before the run starts, and never changed.
/// With the plan and the fingerprint that the run adds to its manifest, it suffices to repeat the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "OrderFile")]
pub struct RunOrder {
    /// The run.
    pub run: RunId,
    /// What it does.
    pub kind: RunKind,
    /// Digest of everything that determines the run's result.
    pub digest: Digest,
    /// Its settings.
    pub settings: Settings,
    /// The images.
    pub source: DataSource,
    /// Folder of the run or of the imported checkpoint that it starts from.
    pub encoder: Option<String>,
    /// Folder of the run whose autoencoder restores what a defence hides, where that is not the judged one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restorer: Option<String>,
    /// Version of the program that wrote the order.
    pub program: String,
}

impl RunOrder {
    /// What distinguishes the run from the others of its study.
    pub fn point(&self) -> RunPoint {
        RunPoint::of(self.kind, &self.settings)
    }
}

/// The place in a grid of version 0.1.
#[derive(Deserialize)]
struct GridPoint {
    phase: RunKind,
    ppr: u32,
    lpr: u32,
    seed: u64,
    #[serde(default)]
    scratch: bool,
}

/// An order as stored, in either version.
#[derive(Deserialize)]
struct OrderFile {
    run: RunId,
    kind: Option<RunKind>,
    digest: Option<Digest>,
    settings: Option<Settings>,
    spec: Option<StudySpec>,
    point: Option<GridPoint>,
    source: DataSource,
    encoder: Option<String>,
    restorer: Option<String>,
    program: String,
}

impl TryFrom<OrderFile> for RunOrder {
    type Error = &'static str;

    fn try_from(file: OrderFile) -> Result<Self, Self::Error> {
        let (kind, settings) = match (file.kind, file.settings, file.spec, file.point) {
            (Some(kind), Some(settings), _, _) => (kind, settings),
            (_, _, Some(study), Some(point)) => {
                let GridPoint { phase, ppr, lpr, seed, scratch } = point;
                (phase, study.at_grid_place(phase, ppr, lpr, seed, scratch))
            }
            _ => {
                return Err(
                    "it has neither kind and settings, nor the study and point of version 0.1",
                );
            }
        };
        let digest = file.digest.unwrap_or_else(|| Digest::stored(file.run.to_string()));
        let OrderFile { run, source, encoder, restorer, program, .. } = file;
        Ok(Self { run, kind, digest, settings, source, encoder, restorer, program })
    }
}
