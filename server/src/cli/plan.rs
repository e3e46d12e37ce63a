//! `maskdoor plan STUDY`: what a study would run.

use std::{collections::BTreeMap, process::ExitCode};

use shared::{
    Digest,
    api::{PlannedRun, StudyPlan},
};

use super::{PlanArgs, spec_file};
use crate::terminal::{Align, bytes, duration, say, table};

pub async fn run(args: PlanArgs) -> anyhow::Result<ExitCode> {
    let spec = spec_file::load_changed(&args.study)?;
    let app = args.data.open().await?;
    let plan = app.plan(spec, args.study.fresh).await;
    app.store.close().await;
    let plan = plan.map_err(|error| error.of_study(&args.study.study))?;
    if args.json {
        say(serde_json::to_string_pretty(&plan.runs)?);
    } else {
        say(as_table(&plan));
    }
    Ok(ExitCode::SUCCESS)
}

fn as_table(plan: &StudyPlan) -> String {
    let head = [
        ("run", Align::Left),
        ("digest", Align::Left),
        ("from", Align::Left),
        ("varied", Align::Left),
        ("poisoned", Align::Right),
        ("time", Align::Right),
        ("disk", Align::Right),
        ("memory", Align::Right),
        ("", Align::Left),
    ];
    let rows: Vec<_> = plan.runs.iter().map(row).collect();
    let made = plan.runs.iter().filter(|run| run.is_to_run()).count();
    let mut kinds: BTreeMap<_, usize> = BTreeMap::new();
    for run in &plan.runs {
        *kinds.entry(run.kind).or_default() += 1;
    }
    let kinds: Vec<_> =
        kinds.iter().map(|(kind, n)| format!("{n} x {}", kind.title().to_lowercase())).collect();
    let refused = match plan.refused.as_slice() {
        [] => String::new(),
        errors => {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            format!("\nthis machine cannot run them: {}", errors.join("; "))
        }
    };
    let on_gpus = plan.gpu_memory.map_or_else(String::new, |needed| {
        format!(", and {} of a GPU's where they get one", bytes(needed as u64))
    });
    format!(
        "{}\n{} runs ({}), {} of them reused; the other {made} take about {}{}, {} on the disk and at most {} of \
         memory{on_gpus}{refused}",
        table(&head, &rows),
        plan.runs.len(),
        kinds.join(", "),
        plan.runs.len() - made,
        duration(plan.seconds),
        if plan.is_paced { " at the pace of earlier runs" } else { " on an idle machine" },
        bytes(plan.bytes as u64),
        bytes(plan.memory as u64),
    )
}

fn row(run: &PlannedRun) -> Vec<String> {
    let varied: Vec<_> = run.varied.iter().map(|(path, value)| format!("{path} {value}")).collect();
    let inputs: Vec<_> = run.inputs.iter().map(Digest::short).collect();
    vec![
        run.point.title().to_owned(),
        run.digest.short().to_owned(),
        inputs.join(" "),
        varied.join(", "),
        run.poisoned.to_string(),
        duration(run.seconds),
        bytes(run.bytes as u64),
        bytes(run.memory as u64),
        run.reused.as_ref().map_or_else(String::new, |known| {
            let then = if run.is_to_run() { "continues" } else { "reused" };
            format!("{} in \"{}\": {then}", known.state, known.study_name)
        }),
    ]
}
