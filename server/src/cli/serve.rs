//! `maskdoor serve`: the dashboard and the queue.

use std::{io, process::ExitCode, time::Duration};

use anyhow::{Context, anyhow};
use engine::compute::Machine;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::ServeArgs;
use crate::{
    VERSION,
    api::{self, Hosts},
    http,
    queue::{Scheduler, Settings},
    terminal::{note, say},
};

/// How long requests in progress may take to be answered when the program is asked to end.
const GRACE: Duration = Duration::from_secs(10);
/// How long writes in progress may take then.
const CLOSING: Duration = Duration::from_millis(500);

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
    let mut asked = stop_signals()?;
    let address = listener.local_addr().context("the socket has no address")?;
    say(format_args!("Maskdoor {VERSION} on http://{address}"));
    say(format_args!("Data folder: {}", app.data_dir.root().display()));

    if !address.ip().is_loopback() {
        note(
            "Warning: this address can be reached from outside this machine, and there is no login. Whoever reaches it can see all studies, \
             images and checkpoints, start runs that keep this machine busy, have any folder of images or checkpoint on this machine read, \
             and delete studies. Requests are not encrypted. Serve on 127.0.0.1, let a firewall keep others out, or put a reverse proxy with \
             a login and TLS in front. A container's port is published for this machine alone by -p 127.0.0.1:8787:8787.",
        );
    }
    let router = api::router(app.clone(), Hosts::named(args.host));
    let server = http::serve(listener, router, app.ending.clone());
    tokio::pin!(server);
    tokio::select! {
        () = &mut server => {}
        _ = asked.recv() => {}
    }
    tracing::info!(
        "stopping: requests in progress are finished, which takes {} s at most; Ctrl-C again stops at once. Running workers continue \
         to train, and the next maskdoor on this data folder follows them",
        GRACE.as_secs()
    );
    app.ending.begin();
    let finished = async {
        if tokio::time::timeout(GRACE, server).await.is_err() {
            tracing::warn!("some requests were not finished");
        }
        scheduler.stop().await;
        // Writes in progress are finished.
        let _ = tokio::time::timeout(CLOSING, app.store.close()).await;
    };
    tokio::select! {
        () = finished => {}
        _ = asked.recv() => tracing::warn!("stopped at once"),
    }
    Ok(ExitCode::SUCCESS)
}

/// A channel that receives each Ctrl-C and each of the signals that service managers send.
fn stop_signals() -> anyhow::Result<mpsc::Receiver<()>> {
    let (tell, asked) = mpsc::channel(2);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if tell.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(asked)
}
