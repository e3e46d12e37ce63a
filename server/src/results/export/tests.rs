use insta::assert_snapshot;
use read_back::rows;
use serde_json::Value as Json;

use super::*;
use crate::results::{
    Column, Filter, Measure, Metric, Row, Table, Types,
    samples::{percent, probe, real},
};

/// A Parquet file read by the crate's reader.
mod read_back {
    use parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::Field,
    };

    /// The rows as JSON objects, and the names of the physical and logical types.
    pub fn rows(file: Vec<u8>) -> (Vec<serde_json::Value>, String) {
        let reader = SerializedFileReader::new(bytes::Bytes::from(file)).expect("a Parquet file");
        let mut schema = Vec::new();
        let described = reader.metadata().file_metadata().schema();
        parquet::schema::printer::print_schema(&mut schema, described);
        let rows = reader.get_row_iter(None).expect("rows").map(|row| {
            let row = row.expect("a row");
            let columns = row.get_column_iter().map(|(name, field)| {
                let value = match field {
                    Field::Null => serde_json::Value::Null,
                    Field::TimestampMillis(whole) | Field::Long(whole) => (*whole).into(),
                    Field::Double(number) => (*number).into(),
                    Field::Bool(on) => (*on).into(),
                    Field::Str(text) => text.clone().into(),
                    other => panic!("no such column is written: {other:?}"),
                };
                (name.clone(), value)
            });
            columns.collect::<serde_json::Map<_, _>>().into()
        });
        (rows.collect(), String::from_utf8(schema).expect("text"))
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    for row in rows {
        table.insert(row).expect("fits");
    }
    table
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn runs(table: &Table, columns: &[&str], format: Format) -> Vec<u8> {
    let all = table.all();
    let export = Export::runs(&all, &names(columns), None, format.is_for_readers());
    export.expect("known names").file(format).expect("small")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_ratio_brings_its_counts_and_interval() {
    // Wilson's intervals of 10 and 20 of 100: 5.52 to 17.44 and 13.34 to 28.88 %.
    let table = table(&[probe(1, 0.3, 10, 1), probe(2, 0.25, 10, 1)]);
    let csv = text(runs(&table, &["attack.trigger.ratio", "asr"], Format::Csv));
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let head = ["attack.trigger.ratio", "asr", "asr.hits", "asr.total", "asr.low", "asr.high"];
    assert_eq!(lines[0], head);
    assert_eq!(lines[1][..4], ["0.3", "10", "10", "100"]);
    assert_eq!(lines[2][..4], ["0.25", "20", "20", "100"]);
    for (line, [low, high]) in lines[1..].iter().zip([[5.52, 17.44], [13.34, 28.88]]) {
        let at = |column: usize| line[column].parse::<f64>().expect("a number");
        assert!((at(4) - low).abs() < 5.1e-3 && (at(5) - high).abs() < 5.1e-3, "{line:?}");
    }
    assert_eq!(lines.len(), 3);
}

#[test]
fn without_names_there_is_what_differs_and_what_was_measured() {
    let mut second = probe(2, 0.25, 10, 1);
    second.metrics.insert("loss".into(), Metric::known("loss", Measure::Real(0.5)).expect("known"));
    let table = table(&[probe(1, 0.3, 10, 1), second]);
    let head =
        |format| text(runs(&table, &[], format)).lines().next().unwrap_or_default().to_owned();
    let of = |name: &str| {
        ["", ".hits", ".total", ".low", ".high"].map(|part| format!(",{name}{part}")).concat()
    };
    assert_eq!(
        head(Format::Csv),
        format!("run,kind,state,attack.trigger.ratio,pretrain.flip{}{},loss", of("ca"), of("asr"))
    );
    assert_eq!(
        head(Format::Text).split_whitespace().next(),
        Some("Blend"),
        "a reader does not want identifiers"
    );
    let lone = Filter::new("asr == 10", &table).expect("valid").select(&table);
    let export = Export::runs(&lone, &[], Some("asr == 10"), true).expect("known names");
    assert_eq!((export.rows(), export.heads.len()), (1, 2), "nothing differs: CA and ASR");
}

#[test]
fn what_is_missing_is_empty_and_null() {
    let mut none = probe(2, 0.3, 10, 1);
    none.settings.remove("seed");
    none.metrics.clear();
    none.ended = None;
    let mut table = table(&[none]);
    table.declare_setting("seed", Types::NUMBER).expect("free");
    let columns = ["seed", "asr", "ended", "studies"];
    assert_eq!(text(runs(&table, &columns, Format::Csv)).lines().nth(1), Some(",,,,,,,grid"),);
    let json: Json = serde_json::from_slice(&runs(&table, &columns, Format::Json)).expect("JSON");
    assert_eq!(json[0]["asr.low"], Json::Null);
    assert_eq!(json[0].as_object().map(serde_json::Map::len), Some(8));
    let (rows, _) = rows(runs(&table, &columns, Format::Parquet));
    assert_eq!(rows[0], json[0]);
}

#[test]
fn formulas_stay_data() {
    let texts = ["=1+1", "+1", "-x", "@a", "a,b", "\"q\""];
    let rows: Vec<_> = texts
        .iter()
        .zip(1..)
        .map(|(&name, at)| {
            let mut row = probe(at, 0.3, 0, 1);
            row.settings.insert("dataset.name".into(), name.into());
            row
        })
        .collect();
    let table = table(&rows);
    let csv = text(runs(&table, &["dataset.name"], Format::Csv));
    let cells: Vec<_> = csv.lines().skip(1).collect();
    assert_eq!(cells, ["'=1+1", "'+1", "'-x", "'@a", "\"a,b\"", "\"\"\"q\"\"\""]);
    let json: Json =
        serde_json::from_slice(&runs(&table, &["dataset.name"], Format::Json)).expect("JSON");
    let names: Vec<_> =
        json.as_array().expect("rows").iter().map(|row| &row["dataset.name"]).collect();
    assert_eq!(names, texts);
}

#[test]
fn parquet_has_the_values_of_json_in_typed_columns() {
    let mut mixed = probe(3, 0.35, 3, 2);
    mixed.settings.insert("dataset.train_per_class".into(), "all".into());
    mixed.metrics.insert("odd".into(), real(-0.25));
    let mut limited = probe(4, 0.4, 3, 2);
    limited.settings.insert("dataset.train_per_class".into(), 500.0.into());
    let table = table(&[probe(1, 0.3, 10, 1), mixed, limited]);
    let columns = [
        "run",
        "probe.poisons",
        "attack.trigger.ratio",
        "pretrain.flip",
        "dataset.train_per_class",
        "created",
        "asr",
        "odd",
    ];
    let file = runs(&table, &columns, Format::Parquet);
    assert_eq!(file, runs(&table, &columns, Format::Parquet), "the same bytes twice");
    let (rows, schema) = rows(file);
    let json: Json = serde_json::from_slice(&runs(&table, &columns, Format::Json)).expect("JSON");
    assert_eq!(Json::from(rows), json);
    assert_eq!(json[1]["dataset.train_per_class"], "all");
    assert_eq!(json[2]["dataset.train_per_class"], "500", "a text where one value is a text");
    assert_eq!((&json[0]["probe.poisons"], &json[1]["odd"]), (&10.into(), &(-0.25).into()));
    assert_eq!(json[0]["created"], 1000);
    assert_snapshot!(schema, @r"
    message results {
      OPTIONAL BYTE_ARRAY run (STRING);
      OPTIONAL INT64 probe.poisons;
      OPTIONAL DOUBLE attack.trigger.ratio;
      OPTIONAL BOOLEAN pretrain.flip;
      OPTIONAL BYTE_ARRAY dataset.train_per_class (STRING);
      OPTIONAL INT64 created (TIMESTAMP(MILLIS,true));
      OPTIONAL DOUBLE asr;
      OPTIONAL INT64 asr.hits;
      OPTIONAL INT64 asr.total;
      OPTIONAL DOUBLE asr.low;
      OPTIONAL DOUBLE asr.high;
      OPTIONAL DOUBLE odd;
    }
    ");
}

#[test]
fn parquet_of_no_runs_still_has_its_columns() {
    let table = table(&[probe(1, 0.3, 10, 1)]);
    let none = Filter::new("asr > 50", &table).expect("valid").select(&table);
    let export = Export::runs(&none, &names(&["asr"]), Some("asr > 50"), false).expect("known");
    let (rows, schema) = rows(export.file(Format::Parquet).expect("small"));
    assert!(rows.is_empty() && schema.contains("OPTIONAL DOUBLE asr.high"), "{schema}");
    assert_eq!(export.file(Format::Json).expect("small"), b"[\n]\n");
}

/// Two seeds at a ratio, one at another; ASR 10, 30 and 20 %.
fn grid() -> Table {
    table(&[probe(1, 0.3, 10, 1), probe(3, 0.3, 10, 2), probe(2, 0.25, 10, 1)])
}

fn groups(table: &Table, filter: Option<&str>, format: Format) -> Vec<u8> {
    let by = [Column::Setting("attack.trigger.ratio".into()), Column::Kind];
    let of = ["ca", "asr"].map(|name| Column::Metric(name.into()));
    let all = table.all();
    Export::groups(&all, &by, &of, filter).expect("metrics").file(format).expect("small")
}

#[test]
fn groups_have_mean_deviation_interval_and_number() {
    let json: Json = serde_json::from_slice(&groups(&grid(), None, Format::Json)).expect("JSON");
    // Of 10 and 30: mean 20, deviation 14.142; 20 ± 12.7062 * 14.142 / sqrt(2) = 20 ± 127.062.
    let found = |row: &Json, name: &str| row[name].as_f64().expect("a number");
    for (name, value) in [
        ("attack.trigger.ratio", 0.3),
        ("runs", 2.0),
        ("asr", 20.0),
        ("asr.deviation", 14.142),
        ("asr.low", -107.062),
        ("asr.high", 147.062),
        ("asr.n", 2.0),
    ] {
        assert!((found(&json[0], name) - value).abs() < 1e-3, "{name}: {json}");
    }
    let lone = &json[1];
    assert_eq!((&lone["asr"], &lone["kind"]), (&20.0.into(), &"probe".into()));
    assert_eq!((&lone["asr.low"], &lone["asr.n"]), (&Json::Null, &1.into()), "one run");
}

#[test]
fn latex_of_groups() {
    let filter = "dataset.name == \"cifar10\" &&\n seed < 3";
    assert_snapshot!(text(groups(&grid(), Some(filter), Format::Latex)));
}

#[test]
fn latex_of_runs() {
    let mut rows = vec![probe(1, 0.3, 10, 1), probe(2, 0.25, 3, 1)];
    rows[1].settings.insert("dataset.name".into(), "[50%] a&b_c \\input{x}".into());
    rows[1].metrics.remove("asr");
    rows[1].metrics.insert("odd".into(), real(-1.25));
    rows[0].metrics.insert("top5".into(), percent(1, 1));
    let columns = ["dataset.name", "probe.poisons", "pretrain.flip", "created", "ca", "asr", "odd"];
    assert_snapshot!(text(runs(&table(&rows), &columns, Format::Latex)));
}

#[test]
fn terminals_show_intervals_beside_the_numbers() {
    assert_snapshot!(text(groups(&grid(), None, Format::Text)));
    assert_snapshot!(text(runs(&grid(), &["seed", "asr"], Format::Text)));
}

#[test]
fn unknown_names_suggest_the_nearest() {
    let table = grid();
    let all = table.all();
    for (name, nearest) in
        [("aser", "asr"), ("studis", "studies"), ("ratio", "attack.trigger.ratio")]
    {
        let error = Export::runs(&all, &names(&["ca", name]), None, false).expect_err("unknown");
        assert_eq!(error.nearest.as_deref(), Some(nearest), "{error}");
    }
}
