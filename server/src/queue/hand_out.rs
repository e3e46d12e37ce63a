//! Hands a queued run to a worker: writes its order, prepares its folder, starts its process.

use engine::files::is_full;
use shared::{RunOrder, RunState};

use super::{
    executor::{Handle, Life, Resources, Start, slurm},
    scheduler::{Scheduler, StepError},
};
use crate::{
    app::{datasets::DatasetError, keys::key_file},
    run_folder::RunFolder,
    store::{StoreError, queue::ReadyRun},
};

impl Scheduler {
    /// Starts a worker for a queued run on the devices of these names; a run that cannot be started fails. `false` if no worker trains it now.
    pub(super) async fn hand_out(
        &mut self,
        ready: ReadyRun,
        device: &str,
    ) -> Result<bool, StepError> {
        let folder = RunFolder::new(self.app.data_dir.folder(&ready.folder));
        let started = match self.order(&ready).await {
            Ok((order, key)) => {
                self.start_worker(&ready, &folder, &order, key.as_deref(), device).await?
            }
            Err(error) => Err(error),
        };
        match started {
            Ok(trains) => Ok(trains),
            Err(reason) => {
                let error = format!("the run could not be started: {reason}");
                let now = self.app.clock.now_ms();
                self.app.store.end_run(ready.key, RunState::Failed, Some(&error), now).await?;
                tracing::error!(run = %ready.run, reason, "not started");
                Ok(false)
            }
        }
    }

    /// The order and the key image of a run, or the reason why they are not available.
    async fn order(&self, ready: &ReadyRun) -> Result<(RunOrder, Option<Vec<u8>>), String> {
        let dataset = self
            .app
            .get_dataset(&ready.settings.dataset.name)
            .await
            .map_err(|error: DatasetError| error.to_string())?;
        let key = match ready.settings.attack.trigger.key() {
            Some(id) => Some(
                key_file(&self.app.data_dir, id)
                    .map_err(|error| format!("the key image {id} cannot be read ({error})"))?,
            ),
            None => None,
        };
        let data_dir = &self.app.data_dir;
        let encoder = match (&ready.start, &ready.settings.encoder) {
            (Some(input), _) => Some(data_dir.folder(input)),
            (None, Some(name)) => Some(data_dir.checkpoint_folder(name)),
            (None, None) => None,
        };
        let imported = ready.settings.defence.restorer_checkpoint.as_ref();
        let imported = imported.filter(|_| ready.settings.takes_imported_restorer());
        let restorer = match (&ready.restorer, imported) {
            (Some(run), _) => Some(data_dir.folder(run)),
            (None, Some(name)) => Some(data_dir.checkpoint_folder(name)),
            (None, None) => None,
        };
        let order = RunOrder {
            run: ready.run,
            kind: ready.kind,
            digest: ready.digest.clone(),
            settings: ready.settings.clone(),
            source: self.app.source(&dataset),
            encoder: encoder.map(|folder| folder.display().to_string()),
            restorer: restorer.map(|folder| folder.display().to_string()),
            program: crate::VERSION.to_owned(),
        };
        Ok((order, key))
    }

    /// Puts a run whose worker could not be started back into the queue. `false` if it is to be cancelled.
    pub(super) async fn put_back(&mut self, key: i64) -> Result<bool, StoreError> {
        // If this cannot be stored on the same full disk, the next pass tries again.
        let is_queued = self.app.store.put_back(key, self.app.clock.now_ms()).await?;
        self.unstarted.remove(&key);
        Ok(is_queued)
    }

    /// Marks the run as running on a device, then starts its worker. If this program is killed between the two, there is no worker and
    /// the next scheduler marks the run as interrupted.
    async fn start_worker(
        &mut self,
        ready: &ReadyRun,
        folder: &RunFolder,
        order: &RunOrder,
        key: Option<&[u8]>,
        device: &str,
    ) -> Result<Result<bool, String>, StoreError> {
        // The job of an earlier attempt in a cluster may take a moment to end; it writes to another event file.
        if device != slurm::DEVICE {
            match self.executor.state(folder, None) {
                Life::Gone(_) | Life::Lost(_) | Life::Unstarted(_) => {}
                Life::Alive | Life::Paused(_) | Life::Waits => {
                    return Ok(Err("a worker of an earlier attempt is still running".into()));
                }
                Life::Unknown(why) => return Ok(Err(why)),
            }
        }
        if let Err(error) = folder.prepare(order, key, ready.attempt) {
            if is_full(&error) {
                // The run stays queued until there is room.
                return Err(StoreError::Disk { path: folder.path().to_owned(), source: error });
            }
            return Ok(Err(format!("{}: {error}", folder.path().display())));
        }
        if !self.app.store.start_run(ready.key, device, self.app.clock.now_ms()).await? {
            return Ok(Ok(false));
        }
        let devices = self.list.clone();
        let start = Start {
            resources: Resources { device: device.to_owned(), devices },
            kind: ready.kind,
            wish: ready.wish,
            attempt: ready.attempt,
            after: ready.after.iter().map(Handle::new).collect(),
        };
        Ok(match self.executor.start(folder, &start) {
            Ok(handle) => {
                let named = handle.as_str();
                tracing::info!(run = %ready.run, device, named, "{}", order.point().label());
                self.app.store.note_handle(ready.key, handle.as_str()).await?;
                Ok(true)
            }
            // Since it was prepared, the disk has become full: the run waits in the queue, where it goes on by itself.
            Err(error) if is_full(&error) => {
                self.unstarted.insert(ready.key);
                self.put_back(ready.key).await?;
                return Err(StoreError::Disk { path: folder.path().to_owned(), source: error });
            }
            Err(error) => Err(error.to_string()),
        })
    }
}
