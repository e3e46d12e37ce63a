//! `maskdoor evaluate RUN[@EPOCH]|PATH [--entry NAME] [--dataset NAME] [--attack FILE | --trigger TRIGGER] [--target CLASS]`.

use std::{fs, path::Path, process::ExitCode, str::FromStr as _};

use anyhow::{Context, bail};
use engine::data::composed;
use shared::{
    Ratio,
    api::{ClassMatching, ClassifierSource, EvaluateRequest, EvaluatedClassifier},
    metric::{Metrics, Target},
    study::AttackSpec,
};

use super::{
    EvaluateArgs, bar_watch::BarWatch, results::with_interval, run_ref::RunRef,
    spec_file::load_attack, triggers::published,
};
use crate::{
    app::App,
    app::evaluations::Opened,
    terminal::{Align, say, table},
};

pub async fn run(args: EvaluateArgs) -> anyhow::Result<ExitCode> {
    let attack = args.attack.as_deref().map(load_attack).transpose()?;
    let app = args.data.open().await?;
    let mut request = EvaluateRequest {
        checkpoint: source(&app, &args.checkpoint, args.entry).await?,
        dataset: args.dataset,
        attack,
        test_per_class: args.test_per_class,
        classes: class_matching(&args.classes)?,
    };
    let opened = app.open_classifier(&request.checkpoint).await?;
    if let Some(name) = &args.trigger {
        let trigger = published(name, opened.classifier.model.side() as u32)?;
        request.attack = Some(AttackSpec { trigger, ..AttackSpec::default() });
    }
    if let Some(class) = &args.target {
        let target = target(&app, &opened, &request, class).await?;
        let of_run = || opened.settings.as_ref().map(|settings| settings.attack.main_backdoor());
        request.attack = request.attack.take().or_else(of_run);
        if let Some(attack) = &mut request.attack {
            attack.set_target(target);
        }
    }
    let evaluated = app.evaluate(opened, &request, BarWatch::default()).await?;
    describe(&evaluated);
    if let Some(path) = args.json {
        let text = serde_json::to_vec_pretty(&evaluated)
            .context("the result cannot be written as JSON")?;
        fs::write(&path, text)
            .with_context(|| format!("the result cannot be written to {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A run's checkpoint by its identifier, or a file.
async fn source(
    app: &App,
    checkpoint: &str,
    entry: Option<String>,
) -> anyhow::Result<ClassifierSource> {
    let (run, epoch) = checkpoint.split_once('@').unwrap_or((checkpoint, ""));
    let named = RunRef::from_str(run).ok().filter(RunRef::may_be);
    if let Some(run) = named.filter(|_| !Path::new(checkpoint).exists()) {
        let run = run.find(app).await?;
        if entry.is_some() {
            bail!("--entry chooses a classifier of a file; a run has only one");
        }
        let number =
            |epoch: &str| epoch.parse().with_context(|| format!("{epoch:?} is not an epoch"));
        let epoch = if epoch.is_empty() { None } else { Some(number(epoch)?) };
        return Ok(ClassifierSource::Run { run, epoch });
    }
    if Path::new(checkpoint).exists() {
        return Ok(ClassifierSource::File { path: checkpoint.to_owned(), entry });
    }
    if app.store.get_import(checkpoint).await.is_ok() {
        bail!(
            "{checkpoint} is an imported encoder without a classifier; evaluate a fine-tuning of it, or the file it was imported from"
        );
    }
    bail!("there is no file or folder {checkpoint}, and it is not the identifier of a run")
}

/// What `--classes` says.
fn class_matching(choice: &str) -> anyhow::Result<ClassMatching> {
    match choice {
        "names" => Ok(ClassMatching::Names),
        "order" => Ok(ClassMatching::Order),
        path => {
            let text = fs::read_to_string(path).with_context(|| {
                format!("--classes takes `names`, `order` or a file of class names; {path} cannot be read")
            })?;
            let lines = text.trim_end_matches(['\r', '\n']).lines();
            Ok(ClassMatching::List { names: lines.map(str::to_owned).collect() })
        }
    }
}

/// What `--target` says: a class of the data set by its name or its index, or `all_to_all`. Names that differ in case only are different.
async fn target(
    app: &App,
    opened: &Opened,
    request: &EvaluateRequest,
    class: &str,
) -> anyhow::Result<Target> {
    let dataset = app.get_dataset(&opened.dataset(request)?.name).await?;
    let classes = &dataset.classes;
    let named = classes.iter().position(|name| composed(name) == composed(class));
    match (named, class.parse::<Target>()) {
        (Some(number), _) => Ok(Target::Class(number as u32)),
        (None, Ok(target)) => Ok(target),
        (None, Err(_)) => {
            bail!("{} has no class {class:?}; it has {}", dataset.name, dataset.classes.join(", "))
        }
    }
}

fn describe(evaluated: &EvaluatedClassifier) {
    let EvaluatedClassifier { classifier, image_size, parameters, evaluation, .. } = evaluated;
    let (target, counted) = match evaluation.target_class.class() {
        Some(class) => {
            let name = evaluated.classes.get(class as usize).map_or("", String::as_str);
            (
                format!("target class {class} ({name})"),
                "the triggered images whose true class is not the target",
            )
        }
        None => ("each towards the next class (all-to-all)".into(), "all triggered images"),
    };
    say(format_args!("{classifier}: {image_size} px images, {parameters} parameters"));
    say(format_args!(
        "{} validation images of {}; trigger {}, {target}",
        evaluation.metrics.ca.total,
        evaluated.dataset,
        evaluated.trigger.label()
    ));
    for assumed in &evaluated.assumed {
        say(format_args!("assumed: {assumed}"));
    }
    say(format_args!("\n{}", metrics_table(&evaluation.metrics)));
    say(format_args!("\n{}", class_table(evaluated)));
    say(format_args!("with 95 % intervals; ASR and RA are over {counted}"));
}

fn metrics_table(metrics: &Metrics) -> String {
    let head = [("share", Align::Left), ("%", Align::Right), ("images", Align::Right)];
    let row = |name: &str, ratio: Ratio| {
        let counted = format!("{} of {}", ratio.hits, ratio.total);
        vec![name.to_owned(), with_interval(ratio), counted]
    };
    let mut rows = vec![row("CA", metrics.ca)];
    rows.extend(metrics.other_asr.map(|asr| row("non-source ASR", asr)));
    rows.extend(metrics.top5.map(|top5| row("top-5", top5)));
    rows.extend([row("ASR", metrics.asr), row("RA", metrics.ra)]);
    table(&head, &rows)
}

fn class_table(evaluated: &EvaluatedClassifier) -> String {
    let head = [
        ("class", Align::Left),
        ("images", Align::Right),
        ("CA %", Align::Right),
        ("ASR %", Align::Right),
    ];
    let evaluation = &evaluated.evaluation;
    let row = |(class, (name, asr)): (usize, (&String, Option<Ratio>))| {
        vec![
            name.clone(),
            evaluation.clean.images(class).to_string(),
            with_interval(evaluation.clean.taken_for(class, class)),
            asr.map_or_else(|| "target".into(), with_interval),
        ]
    };
    let classes = evaluated.classes.iter().zip(evaluation.class_asr());
    table(&head, &classes.enumerate().map(row).collect::<Vec<_>>())
}
