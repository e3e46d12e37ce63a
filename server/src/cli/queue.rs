//! `maskdoor queue [move | pause | resume | hold | release]`: the runs that wait, in the order in which they start, and what changes it.

use std::process::ExitCode;

use shared::api::{QueueInfo, QueueMove};

use super::{MoveArgs, QueueArgs, QueueCommand, run_ref::RunRef};
use crate::{
    app::App,
    store::StoreError,
    terminal::{Align, say, table},
};

pub async fn run(args: QueueArgs) -> anyhow::Result<ExitCode> {
    let app = args.data.open().await?;
    let outcome = change(&app, args.command).await;
    let list = match outcome {
        Ok(()) => in_words(&app).await.map_err(Into::into),
        Err(error) => Err(error),
    };
    app.store.close().await;
    say(list?);
    Ok(ExitCode::SUCCESS)
}

/// Changes what is asked for. The program that schedules the runs reads the store before it starts one.
async fn change(app: &App, command: Option<QueueCommand>) -> anyhow::Result<()> {
    let (store, now) = (&app.store, app.clock.now_ms());
    match command {
        None => {}
        Some(QueueCommand::Move(args)) => {
            let wanted = wanted(app, &args, &store.queue_info().await?).await?;
            store.move_queued(&wanted, now).await?;
        }
        Some(QueueCommand::Pause) => store.pause_queue(true, now).await?,
        Some(QueueCommand::Resume) => store.pause_queue(false, now).await?,
        Some(QueueCommand::Hold { run }) => {
            store.hold_run(run.find(app).await?, true, now).await?;
        }
        Some(QueueCommand::Release { run }) => {
            store.hold_run(run.find(app).await?, false, now).await?;
        }
    }
    Ok(())
}

async fn wanted(app: &App, args: &MoveArgs, queue: &QueueInfo) -> anyhow::Result<QueueMove> {
    let found = async |run: &Option<RunRef>| match run {
        Some(run) => run.find(app).await.map(Some),
        None => Ok(None),
    };
    let first = queue.waiting.first().copied().filter(|_| args.to.first);
    let before = found(&args.to.before).await?.or(first);
    Ok(QueueMove { run: found(&args.run).await?, study: args.study, before })
}

async fn in_words(app: &App) -> Result<String, StoreError> {
    let queue = app.store.queue_info().await?;
    let mut rows = Vec::new();
    for (at, &id) in queue.waiting.iter().enumerate() {
        let run = app.store.get_run(id).await?;
        let held = if run.held { "held" } else { "" };
        let place = (at + 1).to_string();
        rows.push(vec![place, id.to_string(), run.study_name, run.point.label(), held.into()]);
    }
    let head = [
        ("place", Align::Right),
        ("run", Align::Left),
        ("study", Align::Left),
        ("", Align::Left),
        ("", Align::Left),
    ];
    let list = if rows.is_empty() { "Nothing waits.".into() } else { table(&head, &rows) };
    let paused = "The queue is paused; `maskdoor queue resume` starts what waits.\n";
    Ok(if queue.paused { format!("{paused}{list}") } else { list })
}
