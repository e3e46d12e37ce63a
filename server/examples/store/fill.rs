//! Many realistic rows for measurements: studies of the small CIFAR-10 grid, most of them finished, with the events that
//! such runs write. The rows are the same every time.

use server::{app::App, store::studies::NewStudy};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, sqlite::SqliteConnectOptions};

/// Number of runs whose events are inserted in one transaction.
const RUNS_AT_ONCE: i64 = 200;

/// The metrics in the `n`th event of run `r`: an evaluation of 2,000 images.
const METRICS: &str = "json_object('ca', json_object('hits', 600 + (r.key * 7 + n) % 400, 'total', 2000), \
     'asr', json_object('hits', (r.key * 131 + n) % 1801, 'total', 1800), \
     'ra', json_object('hits', (r.key * 17 + n) % 900, 'total', 1800), \
     'top5', json_object('hits', 1500 + (r.key * 7 + n) % 400, 'total', 2000))";

/// Copies the counts of finished classifiers from their progress.
const RESULTS: &str = "UPDATE runs SET ca_hits = progress ->> '$.metrics.ca.hits', \
     ca_total = progress ->> '$.metrics.ca.total', asr_hits = progress ->> '$.metrics.asr.hits', \
     asr_total = progress ->> '$.metrics.asr.total', ra_hits = progress ->> '$.metrics.ra.hits', \
     ra_total = progress ->> '$.metrics.ra.total', top5_hits = progress ->> '$.metrics.top5.hits', \
     top5_total = progress ->> '$.metrics.top5.total' WHERE key BETWEEN ?1 AND ?2 AND state = 'done' AND ?3 > 0";

/// Inserts the studies and generates `points` events for each of their runs.
///
/// # Errors
/// When a query fails.
pub async fn fill(
    app: &App,
    studies: &[NewStudy],
    points: u32,
    mut told: impl FnMut(u64),
) -> anyhow::Result<()> {
    for study in studies {
        app.store.insert_study(study, &|_, _| true).await?;
    }
    let file = app.data_dir.store_file();
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
    let (first, last): (i64, i64) =
        sqlx::query_as("SELECT min(key), max(key) FROM runs").fetch_one(&mut connection).await?;
    let (events, end) = (events_of_runs(), end_of_runs());
    for from in (first..=last).step_by(RUNS_AT_ONCE as usize) {
        let to = (from + RUNS_AT_ONCE - 1).min(last);
        let mut tx = connection.begin().await?;
        // The SQL contains only this file's constants, nothing from outside.
        for sql in [events.as_str(), &end, RESULTS] {
            sqlx::query(AssertSqlSafe(sql))
                .bind(from)
                .bind(to)
                .bind(i64::from(points))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        told((to - first + 1) as u64);
    }
    // SQLite chooses its indexes by these statistics, as it does in a data folder that grew through use.
    sqlx::query("ANALYZE").execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Cancels the runs that wait: none of them would mean anything, and a server on this folder would train them.
///
/// # Errors
/// When a query fails.
pub async fn cancel_queued(app: &App) -> anyhow::Result<()> {
    let file = app.data_dir.store_file();
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
    sqlx::query("UPDATE runs SET state = 'cancelled' WHERE state = 'queued'")
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}

fn events_of_runs() -> String {
    format!(
        "WITH RECURSIVE points(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM points WHERE n < ?3), \
         told AS (SELECT r.key, n, r.created_at + n * 700 AS at, CASE \
            WHEN n = 1 THEN 'started' WHEN n = ?3 THEN 'finished' WHEN n % 50 <> 0 THEN 'step' \
            WHEN r.kind = 'pretrain' THEN 'checkpoint' ELSE 'evaluated' END AS kind \
            FROM runs r CROSS JOIN points WHERE r.key BETWEEN ?1 AND ?2) \
         INSERT INTO events (run, seq, at, kind, state, body) \
         SELECT told.key, n, at, told.kind, CASE told.kind WHEN 'finished' THEN 'done' ELSE 'running' END, CASE told.kind \
            WHEN 'started' THEN json_object('type', told.kind, 'device', 'cpu', 'threads', 2, 'program', '0.1.0', \
                'epochs', 60, 'steps', 2400, 'samples', 5090, 'poisoned', 90) \
            WHEN 'step' THEN json_object('type', told.kind, 'step', n * 2, 'epoch', n / 17.0, \
                'loss', 0.4 + 1.0 / (n + told.key % 7), 'lr', 0.00075, 'images_per_second', 900.5 + told.key % 50) \
            WHEN 'checkpoint' THEN json_object('type', told.kind, 'epoch', n / 17, \
                'file', printf('checkpoint-%d.safetensors', n / 17)) \
            WHEN 'evaluated' THEN json_object('type', told.kind, 'epoch', n / 17, 'metrics', {METRICS}) \
            ELSE json_object('type', told.kind, 'metrics', CASE r.kind WHEN 'pretrain' THEN NULL ELSE {METRICS} END, \
                'images_per_second', 900.5, 'seconds', n * 0.7) END \
         FROM told JOIN runs r ON r.key = told.key"
    )
}

/// One run in twenty has failed, was cancelled or interrupted, or still waits; the others are done.
fn end_of_runs() -> String {
    format!(
        "UPDATE runs AS r SET state = CASE key % 80 WHEN 3 THEN 'failed' WHEN 23 THEN 'cancelled' \
            WHEN 43 THEN 'interrupted' WHEN 63 THEN 'queued' ELSE 'done' END, \
         started_at = created_at, ended_at = created_at + ?3 * 700, taken_seq = ?3, taken_bytes = ?3 * 150, \
         images_per_second = 900.5 + key % 50, \
         progress = json_object('seq', ?3, 'started_at', created_at, 'updated_at', created_at + ?3 * 700, \
            'first_step', json_array(1, created_at), 'epochs', epochs, 'epoch', epochs, 'steps', 2400, 'step', 2400, \
            'loss', 0.41 + (key % 100) / 1000.0, 'lr', 0.0, 'images_per_second', 900.5 + key % 50, \
            'metrics', CASE r.kind WHEN 'pretrain' THEN NULL ELSE (SELECT {METRICS} FROM (SELECT ?3 AS n)) END, \
            'checkpoint', 'checkpoint.safetensors', 'finished', json('true')) \
         WHERE key BETWEEN ?1 AND ?2"
    )
}
