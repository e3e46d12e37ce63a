use super::*;
use crate::results::samples::{percent, probe, real, run};

#[test]
fn rows_come_out_as_they_went_in() {
    let rows = [probe(2, 0.3, 3, 1), probe(1, 0.2, 0, 1), probe(3, 0.3, 3, 2)];
    let mut table = Table::new();
    for row in &rows {
        table.insert(row).expect("fits");
    }
    for row in &rows {
        assert_eq!(table.get(row.run).as_ref(), Some(row));
    }
    assert_eq!(table.all().runs(), [run(1), run(2), run(3)], "in the order of creation");
    assert_eq!(table.insert(&rows[0]), Err(RowError::Twice(run(2))));
    assert_eq!(table.len(), 3);
    assert_eq!(table.get(run(4)), None);
}

#[test]
fn a_row_is_replaced_and_removed() {
    let mut table = Table::new();
    for at in 1..=4 {
        table.insert(&probe(at, 0.1 * at as f64, 0, at)).expect("fits");
    }
    let mut row = probe(2, 0.9, 7, 2);
    row.created = 100_000;
    row.settings.insert("probe.schedule".into(), "cosine".into());
    row.metrics.insert("knn".into(), real(1.5));
    assert_eq!(table.replace(&row), Ok(true));
    assert_eq!(table.get(run(2)), Some(row.clone()));
    assert_eq!(table.all().runs(), [run(1), run(3), run(4), run(2)]);
    assert!(table.column("probe.schedule").is_ok() && table.column("knn").is_ok());

    assert!(table.remove(run(1)));
    assert!(!table.remove(run(1)));
    assert_eq!(table.all().runs(), [run(3), run(4), run(2)]);
    assert_eq!(table.get(run(4)), Some(probe(4, 0.4, 0, 4)));
    assert_eq!(table.replace(&probe(2, 0.9, 7, 2)), Ok(true));
    assert!(table.column("knn").is_err(), "no row has it any more");
    assert_eq!(table.replace(&probe(9, 0.9, 7, 2)), Ok(false));
    assert_eq!(table.len(), 4);
}

#[test]
fn a_name_stands_for_one_column() {
    let mut table = Table::new();
    table.insert(&probe(1, 0.3, 3, 1)).expect("fits");
    let mut row = probe(2, 0.3, 3, 1);
    row.settings.insert("asr".into(), true.into());
    let error = table.insert(&row).expect_err("a metric's name");
    assert_eq!(error.to_string(), "the setting `asr` cannot have the name of a metric");
    let mut row = probe(2, 0.3, 3, 1);
    row.metrics.insert("seed".into(), real(1.0));
    let error = table.insert(&row).expect_err("a setting's name");
    assert_eq!(error.to_string(), "the metric `seed` cannot have the name of a setting");
    let mut row = probe(2, 0.3, 3, 1);
    row.settings.insert("studies".into(), true.into());
    let error = table.insert(&row).expect_err("taken");
    assert_eq!(
        error.to_string(),
        "the setting `studies` cannot have the name of what every run has"
    );
    let mut row = probe(2, 0.3, 3, 1);
    row.metrics.insert("asr".into(), real(1.0));
    assert_eq!(table.insert(&row), Err(RowError::OtherMeasure("asr".into())));
    assert_eq!(table.len(), 1);
}

#[test]
fn names_are_known_before_a_row_has_them() {
    let mut table = Table::new();
    assert_eq!(table.column("asr"), Ok(Column::Metric("asr".into())));
    assert!(table.column("seed").is_err());
    table.declare_setting("seed", Types::NUMBER).expect("free");
    assert_eq!(table.column("seed"), Ok(Column::Setting("seed".into())));
    assert!(table.declare_setting("loss", Types::NUMBER).is_err());
    table.insert(&probe(1, 0.3, 3, 1)).expect("fits");
    assert!(table.remove(run(1)));
    assert!(table.column("seed").is_ok() && table.column("dataset.name").is_err());
}

#[test]
fn a_wrong_name_names_the_nearest() {
    let mut table = Table::new();
    table.insert(&probe(1, 0.3, 3, 1)).expect("fits");
    let error = table.column("atack.trigger.ratio").expect_err("misspelt");
    assert_eq!(
        error.to_string(),
        "there is no setting or metric `atack.trigger.ratio`; did you mean `attack.trigger.ratio`?"
    );
    let error = table.column("optimizer").expect_err("unknown");
    assert_eq!(error.to_string(), "there is no setting or metric `optimizer`");
}

#[test]
fn what_is_missing_has_no_column() {
    let mut row = probe(1, f64::NAN, 3, 1);
    row.metrics.insert("knn".into(), percent(0, 0));
    let mut table = Table::new();
    table.insert(&row).expect("fits");
    assert!(table.column("attack.trigger.ratio").is_err() && table.column("knn").is_err());
    assert!(table.column("dataset.name").is_ok());
}
