//! Clean accuracy against attack success rate, from before a defence to after it.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape},
    role::Role,
    table::{Table, number},
    tradeoff::fitted,
};
use crate::{
    api::{MatrixCell, MatrixData, Mean},
    param::lower,
};

/// The means of a row and a column in CA and in ASR.
struct Moved<'a> {
    row: u32,
    column: u32,
    ca: &'a MatrixCell,
    asr: &'a MatrixCell,
}

impl Moved<'_> {
    /// The place before the defence, where it is known.
    fn before(&self) -> Option<(f64, f64)> {
        Some((self.ca.beside?.mean, self.asr.beside?.mean))
    }

    fn after(&self) -> (f64, f64) {
        (self.ca.value.mean, self.asr.value.mean)
    }
}

/// An arrow for each defence, in a panel for each attack: from CA and ASR of the classifier before it to those after it. Both matrices are of
/// the same runs, rows and columns.
pub fn before_after(ca: &MatrixData, asr: &MatrixData) -> Figure {
    let moved = moved(ca, asr);
    let drawn: Vec<_> = moved.iter().filter(|one| one.before().is_some()).collect();
    let look = |column: u32| Look {
        role: Role::series(column as usize),
        opacity: 100,
        shape: Shape::Arrow,
    };
    let arrow = |one: &Moved<'_>| {
        let (before, after) = (one.before()?, one.after());
        let text = told(ca, one, before, after);
        let point = |(x, y): (f64, f64), text: &str| Point {
            x,
            y,
            text: text.to_owned(),
            ..Point::default()
        };
        let points = vec![point(before, &text), point(after, &text)];
        Some(Series { panel: one.row as usize, ..Series::new(look(one.column), points) })
    };
    let series: Vec<Series> = drawn.iter().copied().filter_map(arrow).collect();
    let name = |column: u32| ca.columns.slots.get(column as usize).cloned().unwrap_or_default();
    let columns = (0..ca.columns.slots.len() as u32)
        .filter(|column| drawn.iter().any(|one| one.column == *column));
    let legend = columns.map(|column| Entry::new(look(column), name(column))).collect();
    let title = format!(
        "CA and ASR before and after by {} and {}",
        lower(&ca.rows.title),
        lower(&ca.columns.title)
    );
    Figure {
        kind: FigureKind::BeforeAfter,
        summary: format!("{title}: {} arrows.", drawn.len()),
        title,
        empty: "No defence has changed a classifier here: sample filters do with defence.retrain, input filters and repairs always.",
        x: Axis { label: "clean accuracy, CA (%)".into(), scale: fitted(&series) },
        y: Axis { label: "attack success rate, ASR (%)".into(), scale: Scale::Percent },
        panels: ca.rows.slots.clone(),
        series,
        legend,
        note: note(ca),
        table: table(ca, &moved),
    }
}

/// The cells that both matrices have.
fn moved<'a>(ca: &'a MatrixData, asr: &'a MatrixData) -> Vec<Moved<'a>> {
    let pair = |ca: &'a MatrixCell| {
        let same = |asr: &&MatrixCell| (asr.row, asr.column) == (ca.row, ca.column);
        let asr = asr.cells.iter().find(same)?;
        Some(Moved { row: ca.row, column: ca.column, ca, asr })
    };
    ca.cells.iter().filter_map(pair).collect()
}

/// What an arrow tells on hover.
fn told(data: &MatrixData, one: &Moved<'_>, before: (f64, f64), after: (f64, f64)) -> String {
    let slot = |slots: &[String], at: u32| slots.get(at as usize).cloned().unwrap_or_default();
    let runs = if one.asr.value.n == 1 { "run" } else { "runs" };
    [
        format!("{}: {}", data.rows.title, slot(&data.rows.slots, one.row)),
        format!("{}: {}", data.columns.title, slot(&data.columns.slots, one.column)),
        format!("CA {:.1} → {:.1} %", before.0, after.0),
        format!("ASR {:.1} → {:.1} %", before.1, after.1),
        format!("{} {runs}", one.asr.value.n),
    ]
    .join("\n")
}

fn note(data: &MatrixData) -> String {
    let over: Vec<String> = data.over.iter().map(|name| lower(name)).collect();
    let over = if over.is_empty() { "runs".to_owned() } else { over.join(", ") };
    format!(
        "An arrow leads from the classifier before the defence to the same one after it, of the same images. Means over {over}. \
         The axis of CA is cut to the data."
    )
}

fn table(data: &MatrixData, moved: &[Moved<'_>]) -> Table {
    let mut table = Table::new(&[]);
    let heads = [&data.rows.name, &data.columns.name];
    table.header.extend(heads.map(|name| name.clone().into()));
    let measured = ["ca_before (%)", "ca_after (%)", "asr_before (%)", "asr_after (%)", "runs"];
    table.header.extend(measured.map(Into::into));
    for one in moved {
        let slot = |slots: &[String], at: u32| slots.get(at as usize).cloned().unwrap_or_default();
        let mean = |mean: Option<Mean>| number(mean.map(|mean| mean.mean), 6);
        table.rows.push(vec![
            slot(&data.rows.slots, one.row),
            slot(&data.columns.slots, one.column),
            mean(one.ca.beside),
            mean(Some(one.ca.value)),
            mean(one.asr.beside),
            mean(Some(one.asr.value)),
            one.asr.value.n.to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{MatrixShows, PlotAxis, PlotScale},
        chart::{Size, Style, Theme},
    };

    fn data(shows: MatrixShows, cells: &[(u32, u32, f64, Option<f64>)]) -> MatrixData {
        let axis = |name: &str, title: &str, slots: [&str; 2]| PlotAxis {
            name: name.into(),
            title: title.into(),
            unit: String::new(),
            scale: PlotScale::Even,
            slots: slots.map(str::to_owned).into(),
        };
        let mean = |mean| Mean { n: 3, mean, deviation: 0.0, low: None, high: None };
        let cell = |&(row, column, value, beside): &(u32, u32, f64, Option<f64>)| MatrixCell {
            row,
            column,
            value: mean(value),
            beside: beside.map(mean),
        };
        MatrixData {
            shows,
            rows: axis("attack.trigger.kind", "Trigger", ["Blended", "SIG"]),
            columns: axis("defence.method", "Defence", ["STRIP", "Beatrix"]),
            runs: 12,
            drawn: 12,
            over: vec!["Seed".into()],
            cells: cells.iter().map(cell).collect(),
        }
    }

    #[test]
    fn arrows_by_hand() {
        let ca = data(
            MatrixShows::Ca,
            &[(0, 0, 41.0, Some(46.0)), (0, 1, 46.0, Some(46.5)), (1, 1, 40.0, None)],
        );
        let asr = data(
            MatrixShows::Asr,
            &[(0, 0, 12.0, Some(100.0)), (0, 1, 0.0, Some(100.0)), (1, 1, 50.0, None)],
        );
        let figure = before_after(&ca, &asr);
        assert_eq!(figure.panels, ["Blended", "SIG"]);
        let places: Vec<_> = figure
            .series
            .iter()
            .map(|one| (one.panel, one.points.iter().map(|at| (at.x, at.y)).collect::<Vec<_>>()))
            .collect();
        let expected =
            [(0, vec![(46.0, 100.0), (41.0, 12.0)]), (0, vec![(46.5, 100.0), (46.0, 0.0)])];
        assert_eq!(places, expected, "without a place before there is no arrow");
        let Scale::Linear { low, high } = figure.x.scale else { panic!("{:?}", figure.x) };
        assert!((low - 38.75).abs() < 1e-9 && (high - 48.75).abs() < 1e-9, "{low} {high}");
        let csv = figure.csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[1], "Blended,STRIP,46,41,100,12,3");
        assert_eq!(lines[3], "SIG,Beatrix,,40,,50,3");
        let drawn = figure.draw(Size::FILE, Style::File(Theme::Light));
        assert!(drawn.svg.contains("<polygon"), "the heads of the arrows");
        assert!(drawn.marks[0].text.contains("ASR 100.0 → 12.0 %\n3 runs"), "{:?}", drawn.marks[0]);
        assert!(before_after(&data(MatrixShows::Ca, &[]), &asr).is_empty());
    }
}
