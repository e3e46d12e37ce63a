//! Handwritten expressions.

use shared::RunState;

use super::Filter;
use crate::results::{
    Row, Table,
    samples::{probe, real, run},
    value::Types,
};

/// Probes 1 to 4 with ASR 10 to 40 %, every second flipped; run 3 failed without metrics and
/// without a ratio; run 4 is a fine-tuning with a number in a setting that is otherwise a text.
fn table() -> Table {
    let mut rows: Vec<Row> =
        (1..=4).map(|at| probe(at, 0.1 * at as f64, at as u32 - 1, at)).collect();
    rows[2].state = RunState::Failed;
    rows[2].metrics.clear();
    rows[2].settings.remove("attack.trigger.ratio");
    rows[2].settings.remove("pretrain.flip");
    rows[2].ended = None;
    rows[3].kind = "finetune".into();
    rows[3].settings.insert("dataset.name".into(), 10.0.into());
    rows[3].metrics.insert("seconds_per_image".into(), real(0.25));
    let mut table = Table::new();
    for row in &rows {
        table.insert(row).expect("fits");
    }
    table.declare_setting("probe.whiten", Types::SWITCH).expect("free");
    table
}

/// The numbers of the runs that an expression selects.
fn chosen(table: &Table, expression: &str) -> Vec<u64> {
    let filter = Filter::new(expression, table).unwrap_or_else(|error| panic!("{error}"));
    let runs = filter.select(table).runs();
    (1..=4).filter(|&at| runs.contains(&run(at))).collect()
}

#[test]
fn expressions_choose_runs() {
    let table = table();
    let digest = format!("{:064x}", 2);
    let by_digest = format!("digest == \"{digest}\"");
    let by_run = format!("run in [\"{}\", \"x\"]", run(4));
    let study = format!("\"{}\" in studies", probe(1, 0.0, 0, 0).studies[0].id);
    for (expression, runs) in [
        ("true", &[1, 2, 3, 4][..]),
        ("attack.trigger.ratio >= 0.2 && asr < 40", &[2]),
        ("attack.trigger.ratio > 0", &[1, 2, 4]),
        ("probe.poisons in [1, 3]", &[2, 4]),
        ("probe.poisons in []", &[]),
        ("asr in [10, 40.0]", &[1, 4]),
        ("asr == 10 || kind == \"finetune\"", &[1, 4]),
        ("kind != \"probe\"", &[4]),
        // A division by zero is missing, constants included.
        ("0.0 / (0.5 / 0.0) != 0.5", &[]),
        ("state == \"done\" && !(asr > 10)", &[1]),
        ("pretrain.flip", &[2, 4]),
        ("pretrain.flip == false", &[1]),
        ("dataset.name.startsWith(\"cif\")", &[1, 2, 3]),
        ("dataset.name.endsWith('10') && dataset.name.contains('far')", &[1, 2, 3]),
        ("dataset.name.matches('^CIFAR')", &[]),
        ("dataset.name.matches('(?i)^CIFAR[0-9]+$')", &[1, 2, 3]),
        ("dataset.name == 10", &[4]),
        ("dataset.name != \"cifar10\"", &[4]),
        ("dataset.name < \"d\"", &[1, 2, 3]),
        ("ca - asr > 60", &[1, 2]),
        ("seed * 10 == asr", &[1, 2, 4]),
        ("seed % 2 == 1", &[1, 3]),
        ("3 / 2 == 1.5 && -seed < -3", &[4]),
        ("1 / probe.poisons > 0", &[2, 3, 4]),
        ("seed > 2 ? has(asr) : probe.poisons == 0", &[1, 4]),
        ("created <= 2000", &[1, 2]),
        ("ended - created == 500", &[1, 2, 4]),
        ("has(seconds_per_image)", &[4]),
        (&by_digest, &[2]),
        (&by_run, &[4]),
        ("digest.startsWith(\"00\") && run == digest", &[]),
        ("\"grid\" in studies", &[1, 2, 3, 4]),
        (&study, &[1, 3]),
        ("\"none\" in studies", &[]),
        ("\"é🦀\" == kind", &[]),
    ] {
        assert_eq!(chosen(&table, expression), runs, "{expression}");
    }
}

#[test]
fn a_missing_value_makes_a_comparison_false() {
    let table = table();
    for (expression, runs) in [
        ("asr > 0", &[1, 2, 4][..]),
        ("asr <= 100", &[1, 2, 4]),
        ("asr == asr", &[1, 2, 4]),
        ("asr != 10", &[2, 4]),
        ("!(asr != 10)", &[1, 3]),
        ("asr + 1 > 0", &[1, 2, 4]),
        ("!has(asr)", &[3]),
        ("attack.trigger.ratio != 0.1", &[2, 4]),
        ("attack.trigger.ratio in [0.1]", &[1]),
        ("!(attack.trigger.ratio in [0.1])", &[2, 3, 4]),
        ("!pretrain.flip", &[1, 3]),
        ("pretrain.flip != true", &[1]),
        ("has(pretrain.flip) && !pretrain.flip", &[1]),
        ("ended > 0", &[1, 2, 4]),
        ("loss > 0 || loss <= 0", &[]),
        ("probe.whiten", &[]),
        ("!has(probe.whiten)", &[1, 2, 3, 4]),
    ] {
        assert_eq!(chosen(&table, expression), runs, "{expression}");
    }
}

#[test]
fn a_filter_outlives_its_columns() {
    let mut table = table();
    let filter = Filter::new("has(seconds_per_image) || seed == 1", &table).expect("understood");
    assert!(table.remove(run(4)));
    assert!(table.column("seconds_per_image").is_err());
    assert_eq!(filter.select(&table).runs(), [run(1)]);
}

#[test]
fn errors_name_the_place_and_what_would_be_right() {
    let table = table();
    let long = format!("seed == 1{}", " || seed == 1".repeat(2000));
    let deep = format!("seed == {}1", "1 + ".repeat(500));
    for (expression, at, message) in [
        ("", "", "the expression is empty"),
        ("asr >", "", "the expression ends where a name or a value is expected"),
        ("(asr > 1", "", "`)` is missing at the end"),
        ("asr = 3", "=", "write `==` instead of `=`"),
        ("asr > 3 and seed == 1", "and", "write `&&` instead of `and`"),
        ("not pretrain.flip", "pretrain.flip", "write `!` instead of `not`"),
        ("asr > 3 & seed == 1", "&", "write `&&` instead of `&`"),
        ("kind == \"probe", "\"probe", "this text has no closing quotation mark"),
        ("asr > 3)", ")", "`)` is not allowed here"),
        ("asr > 3 $ 2", "$", "`$` has no meaning in an expression"),
        ("\"é\" == kind kind", "kind", "`kind` is not allowed here"),
        ("asr == if", "if", "`if` is a reserved word and cannot be a name"),
        (
            "seed == 99999999999999999999",
            "99999999999999999999",
            "`99999999999999999999` is too large for a number",
        ),
        (
            "kind == \"é\" && atack.trigger.ratio > 0",
            "atack.trigger.ratio",
            "there is no setting or metric `atack.trigger.ratio`; did you mean `attack.trigger.ratio`?",
        ),
        ("optimizer == 3", "optimizer", "there is no setting or metric `optimizer`"),
        ("asr", "asr", "`asr` is a number and needs a comparison, as in `asr > 0`"),
        ("kind", "kind", "`kind` is a text and needs a comparison, as in `kind == \"...\"`"),
        ("asr + 3", "+", "a condition is expected here, as in `asr > 50`"),
        ("[1]", "[", "a condition is expected here, as in `asr > 50`"),
        (
            "asr > \"50\"",
            ">",
            "`asr` is a number and \"50\" is a text: they cannot be compared; write 50 without quotation marks",
        ),
        (
            "kind == 3",
            "==",
            "`kind` is a text and 3 is a number: they cannot be compared; write \"3\" for a text",
        ),
        (
            "seed in [1, \"two\"]",
            "in",
            "`seed` is a number and \"two\" is a text: they cannot be compared",
        ),
        ("seed in kind", "kind", "`in` needs a list after it, as in `x in [1, 3]`"),
        (
            "seed in [asr]",
            "asr",
            "a list can hold only values, not names; join comparisons with `||`",
        ),
        ("studies == \"grid\"", "studies", "`studies` is a list; write `\"name\" in studies`"),
        ("kind in studies", "kind", "`in studies` needs a study in quotation marks before it"),
        ("kind + 1 == 2", "kind", "arithmetic needs numbers; `kind` is a text"),
        ("seed.contains(\"1\")", "seed", "`contains` needs a text; `seed` is a number"),
        ("kind.contains(1)", "1", "`contains` needs a text in quotation marks"),
        ("kind.contains()", "contains", "write `x.contains(\"text\")`"),
        (
            "kind.matches(\"a(\")",
            "\"a(\"",
            "this is not a valid regular expression: unclosed group",
        ),
        (
            "kind.lowerAscii() == \"x\"",
            "lowerAscii",
            "there is no function `lowerAscii`; there are startsWith, endsWith, contains, matches and has",
        ),
        ("has(1)", "1", "the name of a setting or a metric is expected here"),
        ("probe[\"poisons\"] == 1", "[", "write the path of a setting with dots, without brackets"),
        ("asr == null", "null", "nothing equals `null`; `!has(x)` finds runs without `x`"),
        ("(asr > 3) == true", ">", "a condition cannot be compared or be an item of a list"),
        (
            "state == \"finished\"",
            "\"finished\"",
            "no run has the state \"finished\"; the states are queued, running, done, failed, interrupted, cancelled",
        ),
        (&deep, "+", "the expression is nested too deeply"),
        (
            &long,
            &long[16 * 1024..],
            "an expression may have at most 16384 bytes; this one has 26009",
        ),
    ] {
        let error = Filter::new(expression, &table).expect_err(expression);
        assert_eq!(error.message, message, "{expression}");
        assert_eq!(&expression[error.span.clone()], at, "{expression}");
        let column = expression[..error.span.start].chars().count() + 1;
        assert_eq!(error.column, column, "{expression}");
    }
    let error = Filter::new("\"é\" == kind && assr > 3", &table).expect_err("misspelt");
    assert!(error.to_string().ends_with("did you mean `asr`? (character 16)"), "{error}");
}

#[test]
fn nested_choices_are_evaluated_once_each() {
    // Copies of the conditions would be 2^40.
    let nested = format!("{}seed > 2{}", "(".repeat(40), " ? true : false)".repeat(40));
    assert_eq!(chosen(&table(), &nested), [3, 4]);
}
