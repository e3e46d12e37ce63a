//! The key images of a run's triggers, and the triggers that they make.

use std::{fs, io, path::Path};

use sha2::{Digest, Sha256};
use shared::{Rgb8, Stage, Trigger, TriggerSpec, order::RunOrder, settings::AttackSpec};

use super::json;
use crate::{EngineError, eval::Backdoor, files::KEY, hash::hex, keys};

/// The key image of the run's trigger.
pub(super) struct Key {
    pub(super) image: Option<Rgb8>,
    /// SHA-256 of the file in hex.
    pub(super) sha256: Option<String>,
}

impl Key {
    /// Reads `key.png`; a built-in key needs no file.
    pub(super) fn read(order: &RunOrder, folder: &Path) -> Result<Self, EngineError> {
        let Some(id) = order.settings.attack.trigger.key() else {
            return Ok(Self { image: None, sha256: None });
        };
        let path = folder.join(KEY);
        let bytes = match (fs::read(&path), keys::builtin(id)) {
            (Ok(bytes), _) => bytes,
            (Err(error), Some(key)) if error.kind() == io::ErrorKind::NotFound => key.file.to_vec(),
            (Err(error), _) => return Err(EngineError::file(path)(error)),
        };
        let image = keys::image(&bytes);
        let image = image.map_err(|source| EngineError::Key { path, source })?;
        Ok(Self { image: Some(image), sha256: Some(hex(&Sha256::digest(&bytes))) })
    }

    /// The key image of a further backdoor's trigger: a built-in one, so it needs no file.
    fn built_in(trigger: &TriggerSpec) -> Result<Self, EngineError> {
        let Some(id) = trigger.key() else { return Ok(Self { image: None, sha256: None }) };
        let key = keys::builtin(id).ok_or_else(|| {
            EngineError::Order(format!(
                "the trigger of a further backdoor takes a built-in key image, not {id}"
            ))
        })?;
        let image = keys::image(key.file);
        let image = image.map_err(|source| EngineError::Key { path: id.into(), source })?;
        Ok(Self { image: Some(image), sha256: Some(hex(&Sha256::digest(key.file))) })
    }

    /// The trigger of each backdoor of an attack, the main one first, ready for images of `side` x `side` pixels. This is the main one's key.
    ///
    /// # Errors
    /// When a trigger does not fit the images, or a further one's key image is not built in.
    pub(super) fn triggers(
        &self,
        attack: &AttackSpec,
        side: usize,
        stage: Stage,
    ) -> Result<Vec<Trigger>, EngineError> {
        let mut triggers =
            vec![Trigger::prepare(&attack.trigger, self.image.as_ref(), side, stage)?];
        for backdoor in &attack.further {
            let key = Self::built_in(&backdoor.trigger)?;
            triggers.push(Trigger::prepare(&backdoor.trigger, key.image.as_ref(), side, stage)?);
        }
        Ok(triggers)
    }

    /// A text that identifies the run's trigger, for stored features of triggered images.
    pub(super) fn trigger_name(&self, trigger: &TriggerSpec) -> String {
        format!("{} {}", json(trigger), self.sha256.as_deref().unwrap_or_default())
    }
}

/// The further backdoors of an attack on a data set of `classes` classes, with their triggers for test images.
///
/// # Errors
/// When a key image is not built in.
pub(super) fn further(
    attack: &AttackSpec,
    triggers: &[Trigger],
    classes: u32,
) -> Result<Vec<Backdoor>, EngineError> {
    let backdoors = attack.backdoors();
    let further = backdoors.iter().zip(triggers).skip(1).map(|(alone, trigger)| {
        Ok(Backdoor {
            label: alone.trigger.label(),
            name: Key::built_in(&alone.trigger)?.trigger_name(&alone.trigger),
            trigger: trigger.clone(),
            goal: alone.goal_among(classes),
        })
    });
    further.collect()
}
