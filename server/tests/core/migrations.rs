//! A data folder of an earlier version opens, and what it holds means what it meant.

use shared::study::HeadInit;
use sqlx::{Connection, SqliteConnection};

use crate::support::{Place, create, micro};

#[tokio::test]
async fn runs_from_before_initial_weights_were_a_choice_began_normal() {
    let place = Place::new().await;
    let mut spec = micro("old", 5);
    spec.probe.head_init = HeadInit::Uniform;
    let run = create(&place.app, spec).await.runs[0].id;
    assert_eq!(place.app.store.get_run(run).await.unwrap().head_init, HeadInit::Uniform);
    place.app.store.close().await;

    let file = place.folder.path().join("maskdoor.sqlite");
    let mut database =
        SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    for back in [
        "ALTER TABLE runs DROP COLUMN head_init",
        "DROP TABLE imported_checkpoints",
        "DELETE FROM _sqlx_migrations WHERE version > 1",
    ] {
        sqlx::query(back).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();

    let app = place.reopened().await;
    assert_eq!(app.store.get_run(run).await.unwrap().head_init, HeadInit::Normal);
}
