//! The autoencoder that restores what a filter hides of an image: the judged one, one that was trained without poisons, or an imported one.

use std::path::PathBuf;

use crate::{EngineError, eval::Reconstructor, files, run::defence::Defence};

impl Defence<'_> {
    /// Opens it, on the processor in single precision.
    ///
    /// # Errors
    /// When the order names none where the settings ask for another one than the judged one, or its checkpoint cannot be read, has no decoder, or has
    /// other patches than the judged images.
    pub(super) fn restorer(&self) -> Result<Reconstructor, EngineError> {
        let (order, settings) = (self.run.order, &self.run.order.settings);
        let folder = if settings.takes_clean_restorer() || settings.takes_imported_restorer() {
            order.restorer.as_ref().map(PathBuf::from).ok_or_else(|| {
                EngineError::Order(
                    "defence.restorer asks for an autoencoder other than the judged one, but the order does not say in which folder it is"
                        .into(),
                )
            })?
        } else {
            self.run.encoder()?.0
        };
        let path = folder.join(files::LAST_CHECKPOINT);
        let restorer = Reconstructor::open(&path, self.run.machine)?;
        let (own, wanted) = (restorer.model(), &settings.model);
        if (own.image_size, own.patch_size) == (wanted.image_size, wanted.patch_size) {
            return Ok(restorer);
        }
        let reason = format!(
            "it has image_size {} and patch_size {}, but the images that it is to restore have {} and {}",
            own.image_size, own.patch_size, wanted.image_size, wanted.patch_size
        );
        Err(EngineError::Checkpoint { path, reason })
    }
}
