//! Attacks against defences: a cell is the mean of a metric over seeds.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape, Tag},
    role::Role,
    table::{Table, number},
};
use crate::{
    api::{Beside, MatrixCell, MatrixData, MatrixShows, Mean, PlotAxis},
    latex::escape,
    param::lower,
};

/// Opacity in percent of a cell with the lowest and with the highest possible value: text stays readable on both.
const CELLS: (f64, f64) = (4.0, 64.0);

/// The matrix of these numbers. Colours are of the whole range of the metric, so that two matrices can be compared; that of AUROC begins at
/// 0.5, where a defence tells nothing apart, and that of PL1 ends at 0.2, twice the usual limit.
pub fn defence_matrix(data: &MatrixData) -> Figure {
    let rows = data.rows.slots.len();
    let cell = |opacity| Look { role: role(data.shows), opacity, shape: Shape::Cells };
    let point = |one: &MatrixCell| Point {
        x: f64::from(one.column),
        // The first row is on top.
        y: rows as f64 - 1.0 - f64::from(one.row),
        text: told(data, one),
        tag: Some(Tag { text: lines(data.shows, one).join("\n"), left: false }),
        strength: strength(data.shows, one.value.mean),
        ..Point::default()
    };
    let points = data.cells.iter().map(point).collect();
    let (low, high) = range(data.shows);
    let steps = (0..5).map(|step| low + (high - low) * f64::from(step) / 4.0);
    let step = |value| {
        let beyond = match data.shows {
            MatrixShows::Auroc if value <= low => " or less",
            MatrixShows::Pl1 if value >= high => " or more",
            _ => "",
        };
        let text = format!("{}{beyond}", with_unit(data.shows, value));
        Entry::new(cell(strength(data.shows, value)), text)
    };
    let title = title(data);
    Figure {
        kind: FigureKind::DefenceMatrix,
        summary: format!(
            "{title}: {} cells of {} runs.",
            data.cells.len(),
            crate::chart::thousands(&data.drawn.to_string())
        ),
        title,
        empty: "No run has this metric: choose another one, or another filter.",
        x: Axis { label: data.columns.label(), scale: Scale::Places(data.columns.slots.clone()) },
        y: Axis {
            label: data.rows.label(),
            scale: Scale::Places(data.rows.slots.iter().rev().cloned().collect()),
        },
        panels: Vec::new(),
        series: vec![Series::new(cell(100), points)],
        legend: if data.cells.is_empty() { Vec::new() } else { steps.map(step).collect() },
        note: note(data),
        table: table(data),
    }
}

fn title(data: &MatrixData) -> String {
    let (rows, columns) = (lower(&data.rows.title), lower(&data.columns.title));
    format!("{} by {rows} and {columns}", data.shows.title())
}

/// ASR has its own colour; what is better the higher it is has that of CA.
fn role(shows: MatrixShows) -> Role {
    if shows == MatrixShows::Asr { Role::Triggered } else { Role::Clean }
}

/// The values with the faintest and the strongest colour.
fn range(shows: MatrixShows) -> (f64, f64) {
    match shows {
        MatrixShows::Auroc => (0.5, 1.0),
        MatrixShows::Pl1 => (0.0, 0.2),
        _ => (0.0, 100.0),
    }
}

fn strength(shows: MatrixShows, value: f64) -> u8 {
    let (low, high) = range(shows);
    let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
    (CELLS.0 + share * (CELLS.1 - CELLS.0)).round() as u8
}

/// A value with as many digits as the metric needs, without its unit.
fn digits(shows: MatrixShows, value: f64) -> String {
    let decimals = if shows.unit().is_empty() { 3 } else { 1 };
    format!("{value:.decimals$}")
}

fn with_unit(shows: MatrixShows, value: f64) -> String {
    let unit = shows.unit();
    let space = if unit.is_empty() { "" } else { " " };
    format!("{}{space}{unit}", digits(shows, value))
}

/// Half of the mean's interval.
fn half(mean: &Mean) -> Option<f64> {
    mean.low.zip(mean.high).map(|(low, high)| (high - low) / 2.0)
}

/// What a cell says, line by line: the value, half of its interval, the control.
fn lines(shows: MatrixShows, cell: &MatrixCell) -> Vec<String> {
    let value = digits(shows, cell.value.mean);
    let beside = cell.beside.map(|beside| digits(shows, beside.mean));
    let spread = half(&cell.value).map(|half| format!("± {}", digits(shows, half)));
    match (shows.beside(), beside) {
        (Beside::Before, Some(before)) => {
            [Some(format!("{before} → {value}")), spread].into_iter().flatten().collect()
        }
        (_, control) => {
            let control = control.map(|control| format!("({control})"));
            [Some(value), spread, control].into_iter().flatten().collect()
        }
    }
}

/// What a cell tells on hover.
fn told(data: &MatrixData, cell: &MatrixCell) -> String {
    let shows = data.shows;
    let name = |axis: &PlotAxis, at: u32| {
        let slot = axis.slots.get(at as usize).cloned().unwrap_or_default();
        format!("{}: {slot}", axis.title)
    };
    let mean = |mean: &Mean| {
        let range = mean.low.zip(mean.high).map(|(low, high)| {
            format!(" (95 % {} to {})", digits(shows, low), digits(shows, high))
        });
        format!("{}{}", with_unit(shows, mean.mean), range.unwrap_or_default())
    };
    let (value, beside) = match shows.beside() {
        Beside::Control => (shows.title().to_owned(), "without the trigger"),
        Beside::Cosine => ("PL1".to_owned(), "mean cosine of clean features"),
        Beside::Before => ("after".to_owned(), "before"),
    };
    let runs = if cell.value.n == 1 { "run" } else { "runs" };
    let mut told = vec![name(&data.rows, cell.row), name(&data.columns, cell.column)];
    told.push(format!("{value}: {}", mean(&cell.value)));
    told.extend(cell.beside.as_ref().map(|of| format!("{beside}: {}", mean(of))));
    told.push(format!("{} {runs}", cell.value.n));
    told.join("\n")
}

fn note(data: &MatrixData) -> String {
    let over: Vec<String> = data.over.iter().map(|name| lower(name)).collect();
    let over = if over.is_empty() { "runs".to_owned() } else { over.join(", ") };
    let mut parts = vec![format!("Means over {over}.")];
    if data.cells.iter().any(|cell| half(&cell.value).is_some()) {
        let of = if data.shows.beside() == Beside::Before { " after the defence" } else { "" };
        parts.push(format!("±: half of the mean's 95 % interval{of} (Student's t)."));
    }
    if data.cells.iter().any(|cell| cell.beside.is_some()) {
        parts.push(match data.shows.beside() {
            Beside::Control => {
                "In brackets: the same images and labels without the trigger.".into()
            }
            Beside::Cosine => "In brackets: the mean cosine of clean features.".into(),
            Beside::Before => "Before the defence → after it, of the same images.".into(),
        });
    }
    let without = data.runs.saturating_sub(data.drawn);
    if without > 0 {
        parts.push(format!("{without} of the defences' runs do not have this metric."));
    }
    parts.join(" ")
}

fn table(data: &MatrixData) -> Table {
    let [metric, beside] = data.shows.metrics();
    let unit = if data.shows.unit().is_empty() { "" } else { " (%)" };
    let mut header = vec![data.rows.name.clone(), data.columns.name.clone()];
    for name in [metric, beside] {
        header.extend([
            format!("{name}{unit}"),
            format!("{name} low 95"),
            format!("{name} high 95"),
        ]);
    }
    header.push("runs".into());
    let row = |cell: &MatrixCell| {
        let slot =
            |axis: &PlotAxis, at: u32| axis.slots.get(at as usize).cloned().unwrap_or_default();
        let of = |mean: Option<&Mean>| {
            let value = |of: fn(&Mean) -> Option<f64>| number(mean.and_then(of), 6);
            [value(|mean| Some(mean.mean)), value(|mean| mean.low), value(|mean| mean.high)]
        };
        let mut row = vec![slot(&data.rows, cell.row), slot(&data.columns, cell.column)];
        row.extend(of(Some(&cell.value)));
        row.extend(of(cell.beside.as_ref()));
        row.push(cell.value.n.to_string());
        row
    };
    Table {
        header: header.into_iter().map(Into::into).collect(),
        rows: data.cells.iter().map(row).collect(),
        latex: Some(latex(data)),
    }
}

/// A `tabular` of LaTeX in the style of the package `booktabs`, as the figure has its cells.
fn latex(data: &MatrixData) -> String {
    let columns = data.columns.slots.len();
    let heads: Vec<String> = data.columns.slots.iter().map(|slot| escape(slot)).collect();
    let mut lines = vec![
        format!("% {}", escape(&title(data))),
        format!("% {}", escape(&note(data))),
        "% Needs \\usepackage{booktabs}.".to_owned(),
        format!("\\begin{{tabular}}{{l{}}}", "c".repeat(columns)),
        "\\toprule".to_owned(),
        format!("{} & {} \\\\", escape(&data.rows.title), heads.join(" & ")),
        "\\midrule".to_owned(),
    ];
    for (row, name) in data.rows.slots.iter().enumerate() {
        let cell = |column: usize| {
            let at = |one: &&MatrixCell| (one.row as usize, one.column as usize) == (row, column);
            data.cells.iter().find(at).map_or_else(|| "--".into(), |one| in_latex(data.shows, one))
        };
        let cells: Vec<String> = (0..columns).map(cell).collect();
        lines.push(format!("{} & {} \\\\", escape(name), cells.join(" & ")));
    }
    lines.extend(["\\bottomrule", "\\end{tabular}", ""].map(str::to_owned));
    lines.join("\n")
}

/// `$0.934 \pm 0.021$ ($0.912$)`, or `$98.1 \to 3.2 \pm 1.4$`.
fn in_latex(shows: MatrixShows, cell: &MatrixCell) -> String {
    let value = digits(shows, cell.value.mean);
    let spread = half(&cell.value).map(|half| format!(" \\pm {}", digits(shows, half)));
    let spread = spread.unwrap_or_default();
    match (shows.beside(), cell.beside.map(|beside| digits(shows, beside.mean))) {
        (Beside::Before, Some(before)) => format!("${before} \\to {value}{spread}$"),
        (_, Some(control)) => format!("${value}{spread}$ (${control}$)"),
        (_, None) => format!("${value}{spread}$"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::PlotScale,
        chart::{Size, Style, Theme},
        metric::Spread,
    };

    fn mean(values: &[f64]) -> Mean {
        let spread = Spread::of(values).expect("values");
        let interval = spread.interval95();
        Mean {
            n: spread.n,
            mean: spread.mean,
            deviation: spread.deviation,
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
        }
    }

    fn axis(name: &str, title: &str, slots: &[&str]) -> PlotAxis {
        PlotAxis {
            name: name.into(),
            title: title.into(),
            unit: String::new(),
            scale: PlotScale::Even,
            slots: slots.iter().map(ToString::to_string).collect(),
        }
    }

    fn data(shows: MatrixShows, cells: Vec<MatrixCell>) -> MatrixData {
        MatrixData {
            shows,
            rows: axis("attack.trigger.kind", "Trigger", &["Blended", "White square"]),
            columns: axis("defence.method", "Defence", &["SCAn", "STRIP", "Beatrix_2"]),
            runs: 9,
            drawn: 7,
            over: vec!["Seed".into()],
            cells,
        }
    }

    #[test]
    fn areas_with_their_control_by_hand() {
        let cells = vec![
            // 0.9 ± 4.302653 x 0.1 / sqrt(3) = 0.248.
            MatrixCell {
                row: 0,
                column: 0,
                value: mean(&[0.8, 0.9, 1.0]),
                beside: Some(mean(&[0.5, 0.6, 0.7])),
            },
            MatrixCell { row: 1, column: 1, value: mean(&[0.25]), beside: None },
        ];
        let figure = defence_matrix(&data(MatrixShows::Auroc, cells));
        assert_eq!(figure.title(), "AUROC by trigger and defence");
        let csv = figure.csv();
        let told: Vec<&str> = csv.lines().collect();
        assert_eq!(
            told[0],
            "attack.trigger.kind,defence.method,auroc,auroc low 95,auroc high 95,control_auroc,control_auroc low 95,\
             control_auroc high 95,runs"
        );
        assert_eq!(told[1], "Blended,SCAn,0.9,0.651586,1.148414,0.6,0.351586,0.848414,3");
        assert_eq!(told[2], "White square,STRIP,0.25,,,,,,1");
        let tags: Vec<&str> = figure.series[0]
            .points
            .iter()
            .filter_map(|point| Some(point.tag.as_ref()?.text.as_str()))
            .collect();
        assert_eq!(tags, ["0.900\n± 0.248\n(0.600)", "0.250"]);
        // 4 + (0.9 - 0.5) / 0.5 x 60; an area below 0.5 tells nothing, either.
        let strengths: Vec<u8> = figure.series[0].points.iter().map(|at| at.strength).collect();
        assert_eq!(strengths, [52, 4]);
        let legend: Vec<&str> = figure.legend.iter().map(|entry| entry.label.as_str()).collect();
        assert_eq!(legend, ["0.500 or less", "0.625", "0.750", "0.875", "1.000"]);
        let latex = figure.latex().expect("a table");
        assert!(latex.contains("Trigger & SCAn & STRIP & Beatrix\\_2 \\\\"), "{latex}");
        assert!(latex.contains("Blended & $0.900 \\pm 0.248$ ($0.600$) & -- & -- \\\\"), "{latex}");
        assert!(latex.contains("White square & -- & $0.250$ & -- \\\\"), "{latex}");
        assert!(
            figure.note.contains("In brackets") && figure.note.contains("2 of the defences' runs")
        );
        let drawn = figure.draw(Size::FILE, Style::File(Theme::Light));
        for text in ["0.900", "± 0.248", "(0.600)", "Beatrix_2"] {
            assert!(drawn.svg.contains(&format!(">{text}</text>")), "{text}: {}", drawn.svg);
        }
        let first = &drawn.marks[0];
        assert!(first.y < drawn.marks[1].y, "the first row is on top");
        assert!(first.text.contains("without the trigger: 0.600 (95 % 0.352 to 0.848)\n3 runs"));
    }

    #[test]
    fn shares_before_and_after_by_hand() {
        let cells = vec![MatrixCell {
            row: 0,
            column: 2,
            value: mean(&[2.0, 4.0]),
            beside: Some(mean(&[90.0, 100.0])),
        }];
        let figure = defence_matrix(&data(MatrixShows::Asr, cells));
        let point = &figure.series[0].points[0];
        // 3 ± 12.706205 x 1.414214 / sqrt(2) = 12.7.
        assert_eq!(point.tag.as_ref().expect("text").text, "95.0 → 3.0\n± 12.7");
        assert_eq!(figure.series[0].look.role, Role::Triggered);
        let latex = figure.latex().expect("a table");
        assert!(latex.contains("Blended & -- & -- & $95.0 \\to 3.0 \\pm 12.7$ \\\\"), "{latex}");
        assert!(figure.csv().starts_with("attack.trigger.kind,defence.method,asr_after (%),"));
    }

    #[test]
    fn without_numbers_it_says_so() {
        let figure = defence_matrix(&data(MatrixShows::Ca, Vec::new()));
        assert!(figure.is_empty());
        let drawn = figure.draw(Size::FILE, Style::File(Theme::Dark));
        assert!(drawn.svg.contains("No run has this metric"), "{}", drawn.svg);
    }

    #[test]
    fn long_names_of_columns_stand_in_several_lines() {
        let mut data = data(MatrixShows::Auroc, Vec::new());
        data.columns.slots = (0..9).map(|at| format!("Activation clustering {at}")).collect();
        data.cells = vec![MatrixCell { row: 0, column: 0, value: mean(&[0.5]), beside: None }];
        let figure = defence_matrix(&data);
        let drawn = figure.draw(Size { width: 900, height: 400 }, Style::File(Theme::Light));
        assert_eq!(drawn.svg.matches(">Activation</text>").count(), 9, "none is left out");
        // A narrow page scrolls instead of losing them, and a file is as wide as they need.
        assert!(figure.least_width() > 700);
        let methods = [
            "Spectral signatures",
            "Activation clustering",
            "SCAn",
            "PatchSearch",
            "STRIP",
            "BDMAE",
            "Patch processing",
            "Attention blocking",
            "DeDe",
            "Frequency detector, linear",
            "Beatrix",
        ];
        data.columns.slots = methods.map(str::to_owned).into();
        let figure = defence_matrix(&data);
        let drawn = figure.draw(figure.file_size(), Style::File(Theme::Light));
        for name in methods {
            let first = name.split(' ').next().expect("a word");
            assert!(drawn.svg.contains(&format!(">{first}")), "{name}: {}", drawn.width);
        }
    }
}
