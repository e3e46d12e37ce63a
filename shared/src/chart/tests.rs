//! The figures of one small study, as complete pictures and as numbers.

use proptest::prelude::*;

use super::{
    CurveKind, CurveLook, CurvePoint, CurveSeries, EpochPoint, EpochSeries, Figure, FigureKind,
    Size, Style, Theme, accuracy_by_epoch, asr_by_poison, curve, layout::Layout, tradeoff,
};
use crate::{
    RunId, StudyId,
    api::{RunRow, finished_probe},
    metric::{Metrics, Ratio},
    run::{RunPoint, RunState},
    run_kind::RunKind,
};

fn metrics(ca: f64, asr: f64) -> Metrics {
    let of = |percent: f64, total: u32| Ratio {
        hits: (percent / 100.0 * f64::from(total)).round() as u32,
        total,
    };
    let ra = of(ca * (1.0 - asr / 100.0), 1800);
    Metrics { ca: of(ca, 2000), asr: of(asr, 1800), ra, ..Metrics::default() }
}

fn row(study: u8, ppr: u32, lpr: u32, seed: u64, result: Metrics) -> RunRow {
    let strength = if study == 1 { 0.4 } else { 0.2 };
    let random = [study, ppr as u8, lpr as u8, seed as u8, 0, 0, 0, 0, 0, 0];
    let id = RunId::from_parts(1_700_000_000_000, random);
    let of = StudyId::from_parts(1_700_000_000_000, [study; 10]);
    let point = RunPoint {
        kind: RunKind::Probe,
        ppr,
        lpr,
        seed,
        scratch: false,
        implanted: false,
        repairs: false,
    };
    RunRow {
        study_name: format!("CIFAR-10, quick <{study}>"),
        dataset: "cifar10".into(),
        trigger: format!("blended stripes {strength:.2}"),
        strength,
        ..finished_probe(id, of, point, result)
    }
}

/// CA and ASR in percent by LPR of a clean and of an attacked encoder.
fn one_study() -> Vec<RunRow> {
    let clean =
        [(0, 43.1, 0.0), (1, 43.0, 0.4), (3, 43.5, 28.8), (10, 43.5, 93.0), (50, 43.8, 100.0)];
    let attacked =
        [(0, 44.4, 0.0), (1, 44.2, 1.2), (3, 44.3, 80.1), (10, 44.1, 99.1), (50, 44.4, 100.0)];
    let rows = |ppr, list: [(u32, f64, f64); 5]| {
        list.into_iter().map(move |(lpr, ca, asr)| row(1, ppr, lpr, 1, metrics(ca, asr)))
    };
    rows(0, clean).chain(rows(10, attacked)).collect()
}

fn two_studies() -> Vec<RunRow> {
    let mut rows = one_study();
    for (seed, asr) in [(1, 10.0), (2, 20.0), (3, 30.0)] {
        rows.push(row(2, 10, 3, seed, metrics(50.0, asr)));
    }
    rows
}

fn evaluations(label: &str, top: f64) -> EpochSeries {
    let points = (1..=9).map(|i| EpochPoint {
        epoch: i * 10,
        metrics: metrics(
            44.0 * f64::from(i) / f64::from(i + 2),
            top * f64::from(i * i) / f64::from(i * i + 9),
        ),
    });
    let run = RunId::from_parts(1, [7; 10]);
    EpochSeries { run, label: label.into(), knn: false, points: points.collect() }
}

fn loss() -> CurveSeries {
    let points = (0..240).map(|i| CurvePoint {
        epoch: f64::from(i) / 4.0,
        value: 0.41 + 0.6 / (1.0 + f64::from(i) / 12.0) + f64::from(i * 37 % 11) / 600.0,
    });
    let run = RunId::from_parts(1, [7; 10]);
    CurveSeries { run, label: "pre-training, PPR 10, seed 1".into(), points: points.collect() }
}

fn svg(figure: &Figure, width: u32, style: Style) -> String {
    figure.draw(Size { width, height: 420 }, style).svg.replace("/><", "/>\n<")
}

#[test]
fn tradeoff_of_one_study() {
    let figure = tradeoff(&one_study());
    insta::assert_snapshot!(svg(&figure, 760, Style::File(Theme::Light)));
}

#[test]
fn a_varied_setting_has_a_colour_and_an_entry_for_each_value() {
    let mut rows = one_study();
    for (at, row) in rows.iter_mut().enumerate() {
        let ratio = if at % 2 == 0 { 0.2 } else { 0.4 };
        row.varied.insert("attack.trigger.ratio".into(), ratio.into());
        row.varied.insert("seed".into(), f64::from(at as u32).into());
        row.trigger = format!("blended stripes {ratio:.2}");
    }
    let figure = tradeoff(&rows);
    let labels: Vec<_> = figure.legend.iter().map(|entry| entry.label.as_str()).collect();
    let encoders = ["clean encoder", "attacked encoder"];
    assert_eq!(labels[..2], ["blended stripes 0.20", "blended stripes 0.40"]);
    assert_eq!(labels[2..], encoders);
    assert_ne!(figure.legend[0].look.role, figure.legend[1].look.role);
    for row in &mut rows {
        let mask = row.varied.remove("attack.trigger.ratio").expect("a ratio");
        row.varied.insert("pretrain.mask_ratio".into(), mask);
        row.trigger = "SIG".into();
    }
    let figure = tradeoff(&rows);
    assert_eq!(figure.legend[1].label, "SIG, mask ratio 0.4");
}

#[test]
fn tradeoff_of_two_studies_in_the_dark() {
    insta::assert_snapshot!(svg(&tradeoff(&two_studies()), 760, Style::File(Theme::Dark)));
}

#[test]
fn asr_by_poison_beside_the_published_series() {
    let figure = asr_by_poison(&one_study(), true);
    insta::assert_snapshot!(svg(&figure, 760, Style::File(Theme::Light)));
}

#[test]
fn asr_by_poison_on_a_narrow_page() {
    insta::assert_snapshot!(svg(&asr_by_poison(&two_studies(), false), 340, Style::Page));
}

#[test]
fn accuracy_of_two_runs() {
    let runs = [evaluations("PPR 0, LPR 10", 60.0), evaluations("PPR 10, LPR 10", 99.0)];
    insta::assert_snapshot!(svg(&accuracy_by_epoch(&runs), 760, Style::File(Theme::Light)));
}

#[test]
fn loss_of_one_run() {
    let figure = curve(CurveKind::Loss, &[loss()], CurveLook::default());
    insta::assert_snapshot!(svg(&figure, 760, Style::File(Theme::Dark)));
}

#[test]
fn nothing_yet_says_what_will_come() {
    let figure = tradeoff(&[]);
    assert!(figure.is_empty());
    let drawing = figure.draw(Size::FILE, Style::Page);
    assert!(drawing.marks.is_empty());
    insta::assert_snapshot!(svg(&figure, 400, Style::Page));
}

#[test]
fn bars_average_over_seeds_of_one_study_only() {
    let csv = asr_by_poison(&two_studies(), false).csv();
    let line = csv.lines().find(|line| line.contains("<2>")).expect("the second study");
    // Mean 20, deviation 10 over three seeds.
    assert!(line.ends_with(",10,3,3,20,10,30,deviation over seeds"), "{line}");
    insta::assert_snapshot!(csv.replace("\r\n", "\n"));
}

#[test]
fn the_overlay_follows_the_trigger_and_tells_its_setting() {
    let mut rows = one_study();
    assert!(asr_by_poison(&rows, true).csv().contains("blended 0.3"));
    assert!(!asr_by_poison(&rows, false).csv().contains("published"));
    for row in &mut rows {
        row.trigger_kind = "patched".into();
    }
    let figure = asr_by_poison(&rows, true);
    assert!(figure.csv().contains("patched 16 px") && !figure.csv().contains("blended 0.3"));
    assert!(svg(&figure, 760, Style::Page).contains("measured by fine-tuning"));
}

#[test]
fn poisons_of_pretraining_are_counted_where_only_they_vary() {
    let fine_tuned = |ppr, seed, asr| {
        let mut row = row(1, ppr, 10, seed, metrics(50.0, asr));
        row.point.kind = RunKind::Finetune;
        row.trigger_kind = "patched".into();
        row.trigger = "patch 8 px".into();
        row
    };
    let mut rows = vec![fine_tuned(0, 1, 30.0), fine_tuned(0, 2, 40.0), fine_tuned(10, 1, 50.0)];
    let figure = asr_by_poison(&rows, true);
    assert_eq!(figure.x.label, "poisons per poisoned class in pre-training, PPR");
    assert_eq!(figure.legend[0].label, "patch 8 px, FPR 10, fine-tuned");
    let csv = figure.csv();
    let line = |text| csv.lines().find(|line: &&str| line.contains(text)).expect("a line");
    assert!(line(",0,10,2,35,").starts_with("measured,"), "{csv}");
    assert!(line(",10,10,1,50,").starts_with("measured,"), "{csv}");
    // The published points stand at the same places.
    assert!(line("patched 32 px").contains(",,0,,,89.87,"), "{csv}");
    // As soon as the classifier's poisons vary too, they are counted.
    rows[2].point.lpr = 3;
    assert_eq!(asr_by_poison(&rows, true).x.label, "poisons per poisoned class, LPR or FPR");
}

#[test]
fn only_finished_classifiers_count() {
    let mut rows = one_study();
    rows.truncate(3);
    rows[0].state = RunState::Running;
    (rows[1].point.kind, rows[1].optimizer) = (RunKind::Knn, None);
    assert_eq!(tradeoff(&rows).draw(Size::FILE, Style::Page).marks.len(), 1);
    rows[2].metrics = None;
    assert!(tradeoff(&rows).is_empty() && asr_by_poison(&rows, false).is_empty());
}

#[test]
fn a_loss_that_blew_up_is_not_drawn_but_listed() {
    let mut run = loss();
    run.points[100].value = f64::NAN;
    run.points[101].value = f64::INFINITY;
    let figure = curve(CurveKind::Loss, &[run], CurveLook::default());
    let drawing = figure.draw(Size::FILE, Style::Page);
    assert_eq!(drawing.marks.len(), 238);
    assert!(!drawing.svg.contains("NaN") && !drawing.svg.contains("inf"));
    assert_eq!(figure.csv().lines().count(), 241);
}

#[test]
fn names_are_text_and_nothing_else() {
    let drawing = tradeoff(&two_studies()).draw(Size::FILE, Style::File(Theme::Light));
    assert!(drawing.svg.contains("CIFAR-10, quick &lt;2&gt;"));
    assert!(!drawing.svg.contains("<2>"));
}

#[test]
fn clean_and_triggered_keep_their_colours() {
    let svg = accuracy_by_epoch(&[evaluations("one", 99.0)]).draw(Size::FILE, Style::Page).svg;
    let lines: Vec<_> =
        svg.split("<polyline").filter(|part| part.contains(r#"stroke-width="1.8""#)).collect();
    let clean = lines.iter().filter(|line| line.contains("l-clean")).count();
    let triggered = lines.iter().filter(|line| line.contains("l-triggered")).count();
    // The line itself, and its sample in the legend.
    assert_eq!((clean, triggered), (2, 2));
    assert!(lines.iter().all(|line| line.contains("l-triggered") == line.contains("dasharray")));
}

#[test]
fn a_page_takes_its_colours_from_the_sheet() {
    let figure = tradeoff(&one_study());
    let page = figure.draw(Size::FILE, Style::Page).svg;
    assert!(!page.contains('#') && !page.contains("<style"), "no colour of its own");
    let sheet =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../style/chart.scss"))
            .expect("the sheet of the figures");
    for role in super::role::Role::ALL {
        let known = crate::palette::colours().iter().any(|one| one.name == role.colour());
        assert!(known, "the palette has no {}", role.colour());
        let pair = format!("{}: {}", role.name(), role.colour());
        assert!(sheet.contains(&pair), "the sheet lacks {pair}");
    }
}

#[test]
fn names_of_figures_survive_text() {
    for kind in FigureKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
    assert!("pie".parse::<FigureKind>().is_err());
}

proptest! {
    #[test]
    fn the_legend_never_covers_the_data(width in 280u32..1400, height in 200u32..900, page: bool) {
        let style = if page { Style::Page } else { Style::File(Theme::Light) };
        let size = Size { width, height };
        let figure = asr_by_poison(&two_studies(), true);
        let layout = Layout::of(&figure, size, style);
        for (x, y, label) in &layout.legend {
            prop_assert!(*y + 8.0 <= layout.top, "{label}");
            prop_assert!(*x >= 0.0 && *x < f64::from(width));
        }
        prop_assert!(layout.left + 40.0 < layout.right && layout.top + 219.0 < layout.bottom);
        for mark in figure.draw(size, style).marks {
            prop_assert!(f64::from(mark.x) >= layout.left && f64::from(mark.x) <= layout.right);
            prop_assert!(f64::from(mark.y) >= layout.top - 0.1 && f64::from(mark.y) <= layout.bottom + 0.1);
        }
    }
}
