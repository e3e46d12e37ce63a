//! How fast finished runs trained.

use std::collections::BTreeMap;

use shared::{RunKind, param::Value};
use sqlx::Row;

use super::{Store, StoreError, row::parse, studies::from_json};

/// How many runs are looked at.
const LOOKED_AT: i64 = 64;

/// What a finished run measured.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredSpeed {
    /// Name of the device that trained it.
    pub device: String,
    /// Pre-training or fine-tuning.
    pub kind: RunKind,
    /// The settings that it depends on, by path.
    pub settings: BTreeMap<String, Value>,
    /// Images per second in training.
    pub images_per_second: f64,
}

impl Store {
    /// The last finished pre-trainings and fine-tunings, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn measured_speeds(&self) -> Result<Vec<MeasuredSpeed>, StoreError> {
        let rows = sqlx::query(
            "SELECT device, kind, described, images_per_second FROM runs \
             WHERE kind IN ('pretrain', 'finetune') AND state = 'done' AND images_per_second > 0 AND device IS NOT NULL \
             ORDER BY key DESC LIMIT ?",
        )
        .bind(LOOKED_AT)
        .fetch_all(self.readers())
        .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok(MeasuredSpeed {
                device: row.try_get("device")?,
                kind: parse(row.try_get("kind")?, "a kind of run")?,
                settings: from_json(row.try_get("described")?, "a run's settings")?,
                images_per_second: row.try_get("images_per_second")?,
            })
        };
        rows.iter().map(read).collect()
    }
}
