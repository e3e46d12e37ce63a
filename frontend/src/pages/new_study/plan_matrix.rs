//! The runs of a plan as a matrix: a row for each encoder and setting, a column for each classifier.

use std::collections::BTreeMap;

use leptos::prelude::*;
use shared::{
    Digest, RunKind,
    api::{PlannedRun, StudyPlan},
    param::Value,
};

use crate::{
    components::format,
    run_name::{Varied, label, value},
};

/// Most columns; a study with more is listed.
const WIDEST: usize = 24;

/// The classifiers and defences of a plan by what they vary.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// The kind of each column's runs, and its value of the setting that varies most.
    columns: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    /// The other settings that vary.
    name: String,
    /// The pre-training that its runs start from; none if they start from nothing or an imported encoder.
    encoder: Option<Cell>,
    /// One for each column; none where the study has no such run.
    cells: Vec<Option<Cell>>,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
struct Cell {
    /// How long it takes, or where it comes from.
    told: String,
    /// Whether it need not run.
    is_reused: bool,
    /// Whether a row above shows it, too.
    is_shared: bool,
}

impl Cell {
    fn of(run: &PlannedRun) -> Self {
        let told = match &run.reused {
            Some(known) if !run.is_to_run() => known.state.to_string(),
            _ => format::duration(run.seconds),
        };
        Self { told, is_reused: !run.is_to_run(), is_shared: false }
    }
}

/// How a column names its kind of run.
fn kind_name(run: &PlannedRun) -> &'static str {
    match run.kind {
        RunKind::Pretrain => "Pre-training",
        RunKind::Implant => "Implanting",
        RunKind::Knn => "k-NN",
        RunKind::Probe => "Probe",
        RunKind::Finetune if run.point.scratch => "From scratch",
        RunKind::Finetune => "Fine-tuning",
        RunKind::Defence => "Defence",
    }
}

impl Matrix {
    /// The matrix of a plan; none for one that would have a single row or column, or more columns than fit.
    pub fn of(plan: &StudyPlan) -> Option<Self> {
        let leaves: Vec<&PlannedRun> =
            plan.runs.iter().filter(|run| !run.kind.makes_encoder()).collect();
        let varied: Vec<Varied> = leaves.iter().map(|run| varied(run, plan)).collect();
        let across = across(&leaves, &varied);
        let (mut columns, mut rows) = (Vec::new(), Vec::<(String, Vec<usize>)>::new());
        let mut places = Vec::new();
        for (run, varied) in leaves.iter().zip(&varied) {
            let of_column = across.get(&run.kind).and_then(|path| varied.get_key_value(path));
            let column = match of_column {
                Some((path, its)) => format!("{}, {}", kind_name(run), told(path, its)),
                None => kind_name(run).to_owned(),
            };
            let others = varied.iter().filter(|(path, _)| Some(*path) != across.get(&run.kind));
            // Settings of one kind of run do not tell encoders apart.
            let row = others.map(|(path, its)| told(path, its)).collect::<Vec<_>>().join(", ");
            let at = |names: &mut Vec<String>, name: String| {
                names.iter().position(|known| *known == name).unwrap_or_else(|| {
                    names.push(name);
                    names.len() - 1
                })
            };
            let column = at(&mut columns, column);
            let line = rows.iter().position(|(name, _)| *name == row).unwrap_or_else(|| {
                rows.push((row, Vec::new()));
                rows.len() - 1
            });
            rows[line].1.push(places.len());
            places.push(column);
        }
        if rows.len() < 2 || columns.len() < 2 || columns.len() > WIDEST {
            return None;
        }
        let mut seen: Vec<&Digest> = Vec::new();
        let rows = rows.into_iter().map(|(name, runs)| {
            let mut cells = vec![None; columns.len()];
            for &run in &runs {
                cells[places[run]] = Some(Cell::of(leaves[run]));
            }
            let encoder = runs.iter().find_map(|&run| root(leaves[run], plan)).map(|root| {
                let is_shared = seen.contains(&&root.digest);
                seen.push(&root.digest);
                Cell { is_shared, ..Cell::of(root) }
            });
            let name = if name.is_empty() { "as set".to_owned() } else { name };
            Row { name, encoder, cells }
        });
        Some(Self { rows: rows.collect(), columns })
    }
}

/// The run that a run starts from.
fn root<'a>(run: &PlannedRun, plan: &'a StudyPlan) -> Option<&'a PlannedRun> {
    plan.runs.iter().find(|other| Some(&other.digest) == run.start())
}

/// What a run and its encoder vary.
fn varied(run: &PlannedRun, plan: &StudyPlan) -> Varied {
    let mut varied = run.varied.clone();
    if let Some(root) = root(run, plan) {
        varied.extend(root.varied.clone());
    }
    varied
}

/// The setting of each kind's columns: the one of that kind of run with most values.
fn across(leaves: &[&PlannedRun], varied: &[Varied]) -> BTreeMap<RunKind, String> {
    let mut values: BTreeMap<(RunKind, &str), Vec<&Value>> = BTreeMap::new();
    for (run, varied) in leaves.iter().zip(varied) {
        for (path, its) in varied.iter().filter(|(path, _)| path.starts_with(run.kind.as_str())) {
            let known = values.entry((run.kind, path)).or_default();
            if !known.contains(&its) {
                known.push(its);
            }
        }
    }
    let mut across: BTreeMap<RunKind, (usize, &str)> = BTreeMap::new();
    for ((kind, path), values) in values {
        let most = across.entry(kind).or_insert((0, path));
        if values.len() > most.0 {
            *most = (values.len(), path);
        }
    }
    across.into_iter().map(|(kind, (_, path))| (kind, path.to_owned())).collect()
}

/// A setting and its value: `PPR 10`, `blend ratio 0.3`.
fn told(path: &str, its: &Value) -> String {
    let name = match path {
        "pretrain.poisons" => "PPR".to_owned(),
        "probe.poisons" | "knn.poisons" | "defence.poisons" => "LPR".to_owned(),
        "finetune.poisons" => "FPR".to_owned(),
        path => shared::param::lower(&label(path)),
    };
    format!("{name} {}", value(path, its))
}

/// The matrix of a plan.
#[component]
pub fn PlanMatrix(matrix: Matrix) -> impl IntoView {
    let Matrix { columns, rows } = matrix;
    let heads = columns.iter().cloned().map(|name| view! { <th scope="col">{name}</th> });
    let has_encoders = rows.iter().any(|row| row.encoder.is_some());
    let cell = |cell: Option<Cell>, name: &str| {
        let name = name.to_owned();
        match cell {
            None => view! { <td data-label=name class="matrix-none">"–"</td> }.into_any(),
            Some(Cell { told, is_reused, is_shared }) => view! {
                <td
                    data-label=name
                    class="number"
                    class:matrix-reused=is_reused
                    class:matrix-shared=is_shared
                >
                    {if is_shared { "same".to_owned() } else { told }}
                </td>
            }
            .into_any(),
        }
    };
    let rows = rows.into_iter().map(|row| {
        let cells = row.cells.into_iter().zip(&columns);
        let encoder = has_encoders.then(|| cell(row.encoder, "Pre-training"));
        view! {
            <tr>
                <th scope="row">{row.name}</th>
                {encoder}
                {cells.map(|(its, name)| cell(its, name)).collect_view()}
            </tr>
        }
    });
    let rows = rows.collect_view();
    view! {
        <div class="table-box plan-matrix" tabindex="0" role="region" aria-label="The runs as a matrix">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Varied"</th>
                        {has_encoders.then(|| view! { <th scope="col">"Pre-training"</th> })}
                        {heads.collect_view()}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            <p class="muted small">
                "Times of the runs to be made; shaded runs exist and are reused; \u{201c}same\u{201d} is the pre-training of a row above."
            </p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        RunId, RunState, StudyId,
        api::ReusedRun,
        run::RunPoint,
        study::{Content, Graph, presets},
    };

    use super::*;

    fn plan(preset: &str) -> StudyPlan {
        let presets = presets();
        let spec = &presets.iter().find(|known| known.id == preset).expect("a preset").spec;
        let graph = Graph::of(spec, &Content::default()).expect("sound");
        let paths: Vec<&str> =
            spec.axes.iter().flat_map(|axis| &axis.paths).map(String::as_str).collect();
        let runs = graph.nodes.iter().map(|node| {
            let described = node.described();
            let mut varied = described.clone();
            varied.retain(|path, _| paths.contains(&path.as_str()));
            PlannedRun {
                kind: node.kind,
                digest: node.digest.clone(),
                point: RunPoint::of(node.kind, &node.settings),
                settings: described,
                varied,
                inputs: node.inputs.iter().map(|&at| graph.nodes[at].digest.clone()).collect(),
                restorer: node.restorer.map(|at| graph.nodes[at].digest.clone()),
                reused: None,
                poisoned: 0,
                seconds: 60.0,
                bytes: 0.0,
                memory: 0.0,
            }
        });
        StudyPlan { runs: runs.collect(), ..StudyPlan::default() }
    }

    #[test]
    fn the_second_figure_is_six_rows_of_five_probes() {
        let mut plan = plan("figure-2");
        let reused = ReusedRun {
            run: RunId::from_parts(1, [1; 10]),
            state: RunState::Done,
            study: StudyId::from_parts(1, [1; 10]),
            study_name: "before".into(),
        };
        plan.runs[0].reused = Some(reused);
        let matrix = Matrix::of(&plan).expect("a matrix");
        assert_eq!(
            matrix.columns,
            ["Probe, LPR 0", "Probe, LPR 1", "Probe, LPR 3", "Probe, LPR 5", "Probe, LPR 10"]
        );
        let names: Vec<&str> = matrix.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names.len(), 6, "{names:?}");
        assert!(names.contains(&"blend ratio 0.2, PPR 0"), "{names:?}");
        assert!(names.contains(&"blend ratio 0.4, PPR 10"), "{names:?}");
        assert!(matrix.rows.iter().all(|row| row.cells.iter().all(Option::is_some)));
        // The clean encoder serves every ratio; each attacked one is a run of its own.
        let shared = matrix.rows.iter().filter(|row| row.encoder.as_ref().unwrap().is_shared);
        assert_eq!(shared.count(), 2);
        let first = matrix.rows[0].encoder.as_ref().unwrap();
        assert_eq!((first.told.as_str(), first.is_reused), ("done", true));
        // One that was cancelled continues.
        plan.runs[0].reused.as_mut().unwrap().state = RunState::Cancelled;
        let matrix = Matrix::of(&plan).expect("a matrix");
        let first = matrix.rows[0].encoder.as_ref().unwrap();
        assert_eq!((first.told.as_str(), first.is_reused), ("1 min", false));
    }

    #[test]
    fn a_plan_of_one_row_is_no_matrix() {
        let mut plan = plan("figure-2");
        plan.runs.truncate(6);
        assert_eq!(Matrix::of(&plan), None);
    }
}
