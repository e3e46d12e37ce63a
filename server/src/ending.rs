//! The end of the program: streams close when it begins.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells whoever would go on for ever that the program is about to end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ending(Arc<watch::Sender<bool>>);

impl Default for Ending {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Ending {
    /// Begins the end.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Waits until the end begins.
    pub async fn begun(&self) {
        // The sender lives as long as this value.
        let _ = self.0.subscribe().wait_for(|&begun| begun).await;
    }
}
