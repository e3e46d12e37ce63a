//! The processors of several machines as one device: each trains on its part of a batch, and the gradients are added up over the network.

use std::sync::Arc;

use shared::settings::{ModelSpec, Pooling, ProbeSpec};

use super::{Cpu, Mae, Vit, trainer::CpuTrainer};
use crate::{
    EngineError,
    compute::{
        Classify, Descend, Device, Encode, FinetuningTrainer, HeadTrainer, Params,
        PretrainingTrainer, Similar,
    },
    nodes::Nodes,
};

/// A processor beside those of other nodes. Everything but training is done by this one alone.
#[derive(Clone, Debug)]
pub struct BesideOthers {
    /// This machine's.
    pub cpu: Cpu,
    /// The machines that take the same steps.
    pub nodes: Arc<Nodes>,
}

impl Device for BesideOthers {
    fn arithmetic(&self) -> String {
        format!("{}, added up over {} nodes", self.cpu.arithmetic(), self.nodes.count())
    }

    fn pretrainer(
        &self,
        spec: &ModelSpec,
        params: Params,
        descend: &Descend,
    ) -> Result<Box<PretrainingTrainer>, EngineError> {
        let trainer = CpuTrainer::new(self.cpu, Mae::new(spec, params), descend)?;
        Ok(Box::new(trainer.beside(&self.nodes)))
    }

    fn finetuner(
        &self,
        spec: &ModelSpec,
        pooling: Pooling,
        params: Params,
        descend: &Descend,
    ) -> Result<Box<FinetuningTrainer>, EngineError> {
        let trainer = CpuTrainer::new(self.cpu, Vit::new(spec, pooling, params), descend)?;
        Ok(Box::new(trainer.beside(&self.nodes)))
    }

    fn head_trainer(
        &self,
        params: Params,
        recipe: &ProbeSpec,
    ) -> Result<Box<HeadTrainer>, EngineError> {
        self.cpu.head_trainer(params, recipe)
    }

    fn encoder(&self, spec: &ModelSpec, params: Params) -> Result<Box<dyn Encode>, EngineError> {
        self.cpu.encoder(spec, params)
    }

    fn classifier(
        &self,
        spec: &ModelSpec,
        pooling: Pooling,
        params: Params,
    ) -> Result<Box<dyn Classify>, EngineError> {
        self.cpu.classifier(spec, pooling, params)
    }

    fn similar(&self, rows: &[f32], width: usize) -> Box<dyn Similar> {
        self.cpu.similar(rows, width)
    }
}
