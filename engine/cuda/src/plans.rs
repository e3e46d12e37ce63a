//! Passes over batches of the same kind, recorded once and then repeated: what a small model costs is mostly the calls that start kernels.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use crate::{
    Result,
    flat::Sums,
    gpu::{Gpu, Kernels, Recorded},
};

/// Recorded passes by the kind of their batch.
pub(crate) struct Plans<K> {
    gpu: Arc<dyn Gpu>,
    sums: Kernels,
    made: HashMap<K, Plan>,
}

struct Plan {
    sums: Sums,
    recorded: Option<Recorded>,
}

impl<K: Eq + Hash> Plans<K> {
    pub fn new(gpu: &Arc<dyn Gpu>) -> Result<Self> {
        Ok(Self { gpu: Arc::clone(gpu), sums: Sums::load(gpu)?, made: HashMap::new() })
    }

    /// Does the work of a batch of this kind. The first time it is issued as it is, which plans all products and loads all kernels, and
    /// then recorded, if it is `recordable`.
    pub fn run(
        &mut self,
        kind: K,
        recordable: bool,
        work: impl Fn(&Sums) -> Result<()>,
    ) -> Result<()> {
        if let Some(plan) = self.made.get(&kind) {
            if let Some(recorded) = plan.recorded {
                return self.gpu.replay(recorded);
            }
            plan.sums.begin();
            return work(&plan.sums);
        }
        let sums = Sums::new(self.sums);
        work(&sums)?;
        sums.complete();
        sums.begin();
        let recorded = if recordable { self.gpu.record(&mut || work(&sums))? } else { None };
        self.made.insert(kind, Plan { sums, recorded });
        Ok(())
    }
}

impl<K> Drop for Plans<K> {
    fn drop(&mut self) {
        for recorded in self.made.values().filter_map(|plan| plan.recorded) {
            self.gpu.forget(recorded);
        }
    }
}
