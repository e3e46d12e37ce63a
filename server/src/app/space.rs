//! Whether this machine has the memory and the disk that a study needs.

use shared::{
    FieldError, RunKind, Settings,
    study::{RunCost, RunMemory},
};

use crate::terminal::bytes;

/// What the machine has, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    /// Memory of the machine, or of the container that the program runs in; 0 where the system does not say it.
    pub memory: u64,
    /// Free space on the disk of the data folder, where the system says it.
    pub disk: Option<u64>,
}

/// What the runs that a study creates need.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// The run that takes the most memory: its kind, its settings and its memory.
    largest: Option<(RunKind, Settings, RunMemory)>,
    /// Bytes on the disk, of each kind of run.
    disk: [f64; RunKind::ALL.len()],
}

impl Needs {
    /// Adds a run.
    pub fn add(&mut self, kind: RunKind, settings: &Settings, cost: RunCost, memory: RunMemory) {
        if self.memory() < memory.total() {
            self.largest = Some((kind, settings.clone(), memory));
        }
        let place = RunKind::ALL.iter().position(|known| *known == kind);
        self.disk[place.expect("every kind is one of all")] += cost.bytes;
    }

    /// Bytes of memory of the largest run.
    pub fn memory(&self) -> f64 {
        self.largest.as_ref().map_or(0.0, |(_, _, memory)| memory.total())
    }

    /// Why the machine cannot run them: the setting to change, what is needed, and what there is.
    pub fn refused(&self, space: Space) -> Vec<FieldError> {
        self.beyond_memory(space.memory).into_iter().chain(self.beyond_disk(space.disk)).collect()
    }

    fn beyond_memory(&self, most: u64) -> Option<FieldError> {
        let (kind, settings, memory) = self.largest.as_ref()?;
        if most == 0 || memory.total() <= most as f64 {
            return None;
        }
        let RunMemory { model, batch, data } = *memory;
        let (field, part, what) = if model >= batch.max(data) {
            let widest = if encoder_is_larger(settings) { "encoder" } else { "decoder" };
            let what = "the model, its gradients and moments, and the copies that a checkpoint is written from";
            (format!("model.{widest}.dim"), model, what)
        } else if batch >= data {
            let what = "the activations of a batch and their gradients";
            (format!("{}.batch_size", kind.as_str()), batch, what)
        } else {
            ("dataset.train_per_class".to_owned(), data, "the images and their features")
        };
        let message = format!(
            "makes a run of {} that needs about {} of memory, {} of it for {what}; this machine has {}",
            kind.title().to_lowercase(),
            bytes(memory.total() as u64),
            bytes(part as u64),
            bytes(most),
        );
        Some(FieldError::new(field, message))
    }

    fn beyond_disk(&self, free: Option<u64>) -> Option<FieldError> {
        let (free, needed) = (free?, self.disk.iter().sum::<f64>());
        if needed <= free as f64 {
            return None;
        }
        let largest = RunKind::ALL.iter().zip(self.disk).max_by(|a, b| a.1.total_cmp(&b.1));
        let (kind, part) = largest.map_or((RunKind::Pretrain, 0.0), |(kind, part)| (*kind, part));
        let (field, what) = match kind {
            RunKind::Pretrain => {
                ("pretrain.checkpoint_every", "the checkpoints of its pre-trainings")
            }
            RunKind::Implant => ("runs", "the encoders with implanted backdoors"),
            RunKind::Probe => ("dataset.train_per_class", "the features that its probes keep"),
            RunKind::Defence => {
                ("dataset.train_per_class", "the scores and features that its defences keep")
            }
            RunKind::Knn | RunKind::Finetune => ("runs", "the files of its classifiers"),
        };
        let message = format!(
            "makes a study that needs about {} on the disk, {} of it for {what}; {} are free in the data folder",
            bytes(needed as u64),
            bytes(part as u64),
            bytes(free),
        );
        Some(FieldError::new(field, message))
    }
}

/// Which of the two has more parameters, roughly.
fn encoder_is_larger(settings: &Settings) -> bool {
    let size = |part: &shared::settings::TransformerSpec| {
        u64::from(part.depth) * u64::from(part.dim).pow(2)
    };
    size(&settings.model.encoder) >= size(&settings.model.decoder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(memory: RunMemory, disk: f64) -> Needs {
        let mut needs = Needs::default();
        let cost = |bytes| RunCost { seconds: 1.0, bytes };
        needs.add(RunKind::Pretrain, &Settings::default(), cost(disk), memory);
        needs.add(RunKind::Probe, &Settings::default(), cost(disk / 2.0), RunMemory::default());
        needs
    }

    #[test]
    fn the_setting_and_the_numbers_are_named() {
        let memory = RunMemory { model: 9e9, batch: 1e9, data: 1e9 };
        let told = |needs: &Needs, memory, disk: Option<u64>| {
            let refused = needs.refused(Space { memory, disk });
            refused.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let needs_much = needs(memory, 4e9);
        assert_eq!(told(&needs_much, 12_000_000_000, Some(6_000_000_000)), [""; 0]);
        assert_eq!(told(&needs_much, 0, None), [""; 0], "nothing is known");
        assert_eq!(
            told(&needs_much, 8_000_000_000, Some(5_000_000_000)),
            [
                "model.encoder.dim: makes a run of pre-training that needs about 11.0 GB of memory, 9.0 GB of it for the model, \
                 its gradients and moments, and the copies that a checkpoint is written from; this machine has 8.0 GB",
                "pretrain.checkpoint_every: makes a study that needs about 6.0 GB on the disk, 4.0 GB of it for the \
                 checkpoints of its pre-trainings; 5.0 GB are free in the data folder",
            ]
        );
        assert!(told(&needs_much, 0, Some(0))[0].contains("0 B are free"), "a full disk");
        let batch = needs(RunMemory { model: 1e9, batch: 9e9, data: 1e9 }, 0.0);
        assert!(told(&batch, 1, Some(1))[0].starts_with("pretrain.batch_size: makes a run"));
        let data = needs(RunMemory { model: 1e9, batch: 1e9, data: 9e9 }, 0.0);
        assert!(told(&data, 1, Some(1))[0].starts_with("dataset.train_per_class: makes a run"));
    }
}
