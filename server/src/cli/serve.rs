//! `maskdoor serve`: the dashboard and the queue.

use std::{io, process::ExitCode, time::Duration};

use anyhow::{Context, anyhow};
use engine::compute::Machine;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::ServeArgs;
use crate::{
    VERSION,
    api::{self, Hosts},
    http,
    queue::{Scheduler, Settings},
    terminal::say,
};

/// How long writes in progress may take to end.
const GRACE: Duration = Duration::from_millis(500);

pub async fn run(args: ServeArgs, machine: Machine) -> anyhow::Result<ExitCode> {
    // Bind the port first: if it is taken, nothing else must start.
    let listener = TcpListener::bind(args.addr).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "{} is in use, perhaps by another maskdoor; give another address, such as --addr {}:0 for any free port",
            args.addr,
            args.addr.ip()
        ),
        _ => anyhow!("cannot serve on {}: {error}", args.addr),
    })?;
    let app = args.data.open().await?;
    let scheduler = Scheduler::start(app.clone(), Settings::of(&machine, args.jobs.jobs));
    let address = listener.local_addr().context("the socket has no address")?;
    say(format_args!("Maskdoor {VERSION} on http://{address}"));
    say(format_args!("Data folder: {}", app.data_dir.root().display()));

    if !address.ip().is_loopback() {
        say(
            "Anyone who can reach this address can read, start and delete everything: there is no login. Keep it behind a firewall.",
        );
    }
    let router = api::router(app.clone(), Hosts::named(args.host));
    let server = http::serve(listener, router);
    let mut asked = stop_signals()?;
    tokio::select! {
        never = server => match never {},
        _ = asked.recv() => {}
    }
    tracing::info!(
        "stopping; running workers continue to train, and the next maskdoor on this data folder follows them"
    );
    scheduler.stop().await;
    // Writes in progress are finished; requests in progress may lose their response.
    tokio::time::timeout(GRACE, app.store.close()).await.ok();
    Ok(ExitCode::SUCCESS)
}

/// A channel that receives Ctrl-C and the signal that service managers send.
fn stop_signals() -> anyhow::Result<tokio::sync::mpsc::Receiver<()>> {
    let (tell, asked) = tokio::sync::mpsc::channel(1);
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        let _ = tell.send(()).await;
    });
    Ok(asked)
}
