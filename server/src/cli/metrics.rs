//! `maskdoor metrics`: the metrics by which runs are filtered, sorted and averaged.

use serde_json::json;

use super::MetricsArgs;
use crate::{
    results::metric::{Direction, KNOWN, Known, MeasureKind},
    terminal::{Align, say, table},
};

pub fn run(args: &MetricsArgs) -> anyhow::Result<()> {
    let wanted = args.search.as_deref().unwrap_or_default().to_lowercase();
    let found = |metric: &&Known| {
        metric.name.contains(&wanted) || metric.title.to_lowercase().contains(&wanted)
    };
    let all: Vec<&Known> = KNOWN.iter().filter(found).collect();
    anyhow::ensure!(!all.is_empty(), "no metric has {wanted:?} in its name or its title");
    if args.json {
        let all: Vec<_> = all.into_iter().map(as_json).collect();
        say(serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    let head = [
        ("metric", Align::Left),
        ("is", Align::Left),
        ("unit", Align::Left),
        ("better", Align::Left),
    ];
    say(table(&head, &all.into_iter().map(row).collect::<Vec<_>>()));
    Ok(())
}

fn better(direction: Direction) -> Option<&'static str> {
    match direction {
        Direction::Higher => Some("higher"),
        Direction::Lower => Some("lower"),
        Direction::Neither => None,
    }
}

fn row(metric: &Known) -> Vec<String> {
    let better = better(metric.direction).unwrap_or_default();
    [metric.name, metric.title, metric.unit, better].map(str::to_owned).into()
}

fn as_json(metric: &Known) -> serde_json::Value {
    json!({
        "name": metric.name,
        "title": metric.title,
        "unit": metric.unit,
        "better": better(metric.direction),
        "ratio": metric.measure == MeasureKind::Ratio,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_told_with_what_is_better() {
        let of = |name: &str| KNOWN.iter().find(|metric| metric.name == name).expect("a metric");
        assert_eq!(row(of("asr")), ["asr", "Attack success rate", "%", "lower"]);
        assert_eq!(row(of("psnr")), ["psnr", "PSNR of the trigger", "dB", ""]);
        let ca = json!({ "name": "ca", "title": "Clean accuracy", "unit": "%", "better": "higher", "ratio": true });
        assert_eq!(as_json(of("ca")), ca);
    }

    #[test]
    fn no_metric_is_an_error() {
        let args = MetricsArgs { search: Some("nothing like it".into()), json: false };
        let error = run(&args).unwrap_err().to_string();
        assert_eq!(error, "no metric has \"nothing like it\" in its name or its title");
    }
}
