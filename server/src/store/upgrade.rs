//! Upgrades data folders of version 0.1: columns that did not exist then are filled in when such a folder is opened.
//!
//! It is one transaction, so that after a crash either all or nothing of it is done. An old run keeps its folder and its events. Its digest never equals that of a new run, because the
//! arithmetic had no revision then, so it is not reused.

use shared::{Digest, RunKind, StudySpec, study::described};
use sqlx::{Connection, Row, SqliteConnection};

use super::{
    StoreError,
    row::parse,
    studies::{from_json, to_json, varied},
};

/// Fills in digest, settings and inputs of the runs of version 0.1, and rewrites their studies in the current format.
pub(super) async fn fill_in(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let studies = sqlx::query("SELECT DISTINCT s.id, s.spec FROM studies s JOIN runs r ON r.study = s.id WHERE r.digest = ''")
        .fetch_all(&mut *tx)
        .await?;
    for study in &studies {
        let id: &str = study.try_get(0)?;
        let spec: StudySpec = from_json(study.try_get(1)?, "a specification")?;
        sqlx::query("UPDATE studies SET spec = ? WHERE id = ?")
            .bind(to_json(&spec)?)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        let runs = sqlx::query(
            "SELECT key, id, kind, ppr, lpr, seed, scratch FROM runs WHERE study = ? AND digest = ''",
        )
        .bind(id)
        .fetch_all(&mut *tx)
        .await?;
        for run in &runs {
            let key: i64 = run.try_get("key")?;
            let kind: RunKind = parse(run.try_get("kind")?, "a kind of run")?;
            let seed = run.try_get::<i64, _>("seed")?.cast_unsigned();
            let (ppr, own) = (run.try_get("ppr")?, run.try_get("lpr")?);
            let settings = spec.at_grid_place(kind, ppr, own, seed, run.try_get("scratch")?);
            let of_run = described(kind, &settings);
            let digest = Digest::of(&format!("0.1 {}", run.try_get::<&str, _>("id")?));
            sqlx::query("UPDATE runs SET digest = ?, settings = ?, described = ? WHERE key = ?")
                .bind(digest.as_str())
                .bind(to_json(&settings)?)
                .bind(to_json(&of_run)?)
                .bind(key)
                .execute(&mut *tx)
                .await?;
            sqlx::query("UPDATE study_runs SET varied = ? WHERE run = ?")
                .bind(to_json(&varied(&spec, &of_run))?)
                .bind(key)
                .execute(&mut *tx)
                .await?;
        }
    }
    tx.commit().await?;
    Ok(())
}
