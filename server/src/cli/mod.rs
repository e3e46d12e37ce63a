//! The command line, one file per command.

mod args;
mod backup;
mod bar_watch;
mod checkpoints;
mod datasets;
mod deletions;
mod devices;
mod disk;
mod doctor;
mod evaluate;
mod figure;
mod log;
mod metrics;
mod nodes;
mod plan;
mod poisons;
mod presets;
mod queue;
mod reconstruct;
mod replay;
mod report;
mod restore;
mod result_table;
mod results;
mod run;
mod run_ref;
mod runs;
mod serve;
mod settings;
pub mod spec_file;
mod tidy;
mod token;
mod triggers;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use engine::compute::Machine;

use self::args::{
    AssumeArgs, BackupArgs, CheckpointArgs, CheckpointCommand, Cli, Command, DatasetArgs,
    DatasetCommand, DevicesArgs, DiskArgs, DoctorArgs, EvaluateArgs, FigureArgs, MetricsArgs,
    MoveArgs, PlanArgs, PoisonArgs, PoisonCommand, PresetCommand, QueueArgs, QueueCommand,
    ReconstructArgs, ReplayArgs, RestoreArgs, RunArgs, RunsArgs, ServeArgs, SettingsArgs,
    SheetArgs, StudyArgs, TidyArgs, TokenArgs, TokenCommand, TriggerCommand,
};
use crate::{
    clock::Clock,
    queue::executor::slurm::job::{LEFT, NODE_LOST, TOO_EARLY},
    terminal::note,
    worker::{self, Started},
};

/// Runs the program. Errors go to standard error in one format, with exit code 1; incorrect usage exits with code 2.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    crate::http::raise_open_files();
    match log::watch(&cli.command).and_then(|()| dispatch(cli.command)) {
        Ok(code) => code,
        Err(error) => {
            note(format_args!("error: {}", in_words(&error)));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, without those whose text is already part of the text before them.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    let machine = Machine::from_environment()?;
    match command {
        Command::Worker(args) => {
            let machine = match &args.devices {
                Some(list) => machine.with_devices(list)?,
                None => machine,
            };
            let machine = match nodes::of(&args)? {
                Some(nodes) => machine.beside(nodes),
                None => machine,
            };
            let started = match (args.locked, args.job) {
                (true, _) => Started::Locked,
                (_, true) => Started::Job,
                _ => Started::Alone,
            };
            let device = args.device.as_deref();
            match worker::run(&args.folder, started, device, machine, &Clock::system()) {
                Ok(()) => Ok(ExitCode::SUCCESS),
                // A controller that was killed may start a job again that it had started before.
                Err(error) if error.is_left() || (args.job && error.is_second()) => {
                    note(&error);
                    Ok(ExitCode::from(LEFT))
                }
                Err(error) if error.is_node_lost() => {
                    note(&error);
                    Ok(ExitCode::from(NODE_LOST))
                }
                Err(error) if error.is_too_early() => {
                    note(&error);
                    Ok(ExitCode::from(TOO_EARLY))
                }
                Err(error) => Err(error.into()),
            }
        }
        Command::Presets { command } => presets::run(command).map(|()| ExitCode::SUCCESS),
        Command::Devices(args) => devices::run(&args, &machine).map(|()| ExitCode::SUCCESS),
        Command::Triggers { command } => triggers::run(command).map(|()| ExitCode::SUCCESS),
        Command::Serve(args) => wait_for(serve::run(args, machine)),
        Command::Run(args) => wait_for(run::run(args, machine)),
        Command::Plan(args) => wait_for(plan::run(args)),
        Command::Settings(args) => settings::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Metrics(args) => metrics::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Runs(args) => wait_for(runs::run(args)),
        Command::Queue(args) => wait_for(queue::run(args)),
        Command::Results(args) => wait_for(result_table::run(args)),
        Command::Replay(args) => wait_for(replay::run(args)),
        Command::Token(args) => wait_for(token::run(args)),
        Command::Disk(args) => wait_for(disk::run(args)),
        Command::Tidy(args) => wait_for(tidy::run(args)),
        Command::Backup(args) => wait_for(backup::run(args)),
        Command::Restore(args) => wait_for(restore::run(args)),
        Command::Doctor(args) => wait_for(doctor::run(args)),
        Command::Datasets(args) => wait_for(datasets::run(args)),
        Command::Poisons(args) => wait_for(poisons::run(args)),
        Command::Figure(args) => wait_for(figure::run(args)),
        Command::Report(args) => wait_for(report::run(args)),
        Command::Checkpoints(args) => wait_for(checkpoints::run(args)),
        Command::Evaluate(args) => wait_for(evaluate::run(args)),
        Command::Reconstruct(args) => wait_for(reconstruct::run(args)),
    }
}

fn wait_for(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the program could not start its threads")?;
    let done = runtime.block_on(work);
    // Work that nobody waits for any more, such as a long import, must not hold up the end.
    runtime.shutdown_background();
    done
}
