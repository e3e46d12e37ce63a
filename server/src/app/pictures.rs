//! Own pictures, of which *Reconstruct* shows what a model makes.

use crate::{app::App, store::StoreError};

impl App {
    /// Removes an own picture. What of it cannot be removed now goes when the program starts again.
    ///
    /// # Errors
    /// When there is none of that SHA-256, or the store fails.
    pub async fn remove_picture(&self, sha256: &str) -> Result<(), StoreError> {
        // Only a name that the store has becomes part of a path.
        let sha256 = self.store.get_picture(sha256).await?.id;
        let file = self.data_dir.below(&self.data_dir.picture_file(&sha256));
        self.store.delete_picture(&sha256, &file).await?;
        if let Err(error) = self.remove_files(vec![file.clone()]).await {
            tracing::warn!(%error, "{file} is left over; the next maskdoor serve removes it");
        }
        Ok(())
    }
}
