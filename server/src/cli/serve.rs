//! `maskdoor serve`: the dashboard and the queue.

use std::{io, net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{Context, anyhow, bail};
use engine::compute::Machine;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{ServeArgs, args::ExecutorChoice};
use crate::{
    App, VERSION,
    access::{self, Access, Roots},
    api::{self, Hosts, Serving},
    audit::Audit,
    http,
    queue::{
        Scheduler, Settings,
        executor::{
            local::own_program,
            slurm::{Slurm, SlurmSettings},
        },
    },
    terminal::{note, say},
    tokens::Secret,
};

/// How long requests in progress may take to be answered when the program is asked to end.
const GRACE: Duration = Duration::from_secs(10);
/// How long writes in progress may take then.
const CLOSING: Duration = Duration::from_millis(500);

pub async fn run(args: ServeArgs, machine: Machine) -> anyhow::Result<ExitCode> {
    let machine = args.jobs.machine(machine)?;
    // Bind the port first: if it is taken, nothing else must start.
    let listener = TcpListener::bind(args.addr).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "{} is in use, perhaps by another maskdoor; give another address, such as --addr {}:0 for any free port",
            args.addr,
            args.addr.ip()
        ),
        _ => anyhow!("cannot serve on {}: {error}", args.addr),
    })?;
    let address = listener.local_addr().context("the socket has no address")?;
    let app = App { machine: machine.clone(), ..args.data.clone().open().await? };
    let (access, start) = access(&args, &app, address).await?;
    let roots = match (args.data_root.as_slice(), address.ip().is_loopback()) {
        ([], true) => Roots::any(),
        (folders, _) => Roots::only(folders).context("a folder of --data-root is not there")?,
    };
    let scheduler = match args.executor {
        ExecutorChoice::Local => {
            Scheduler::new(app.clone(), Settings::of(&machine, args.jobs.jobs))
        }
        ExecutorChoice::Slurm => {
            let file = args.config.clone().unwrap_or_else(|| app.data_dir.settings_file());
            if args.config.is_some() && !file.is_file() {
                bail!("--config: there is no file {}", file.display());
            }
            let root = app.data_dir.slurm();
            let settings = SlurmSettings::read(&file)?;
            let cluster = Slurm::open(root, settings, &own_program(), app.ids.clone())?;
            let here = Settings::of(&machine, args.jobs.jobs);
            Scheduler::for_cluster(app.clone(), cluster, here)
        }
    };
    let scheduler = scheduler.in_background();
    let mut asked = stop_signals()?;
    let token = start.map(|token| format!("/?token={token}")).unwrap_or_default();
    say(format_args!("Maskdoor {VERSION} on http://{address}{}{token}", args.base_path));
    say(format_args!("Data folder: {}", app.data_dir.root().display()));
    if !address.ip().is_loopback() {
        note(
            "This address can be reached from outside this machine. Requests are not encrypted: put a reverse proxy with TLS in front \
             where others share the network (docs/security.md).",
        );
    }
    tokio::spawn(app.clone().keep_deletions());
    let retention = args.keep.policy();
    if let Some(policy) = retention {
        let audit = Audit::of(app.data_dir.root(), app.clock.clone());
        tokio::spawn(app.clone().keep_tidy(policy, audit));
    }
    let serving = Serving {
        hosts: Hosts::named(args.host),
        base: args.base_path.clone(),
        access,
        roots,
        retention,
        streams: http::streams(),
    };
    let router = api::router(app.clone(), serving);
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

/// Who is let in, and the token of the printed address, if that is to let somebody in.
async fn access(
    args: &ServeArgs,
    app: &App,
    address: SocketAddr,
) -> anyhow::Result<(Access, Option<String>)> {
    let is_local = address.ip().is_loopback();
    if args.without_token {
        if !is_local {
            bail!(
                "--without-token is for 127.0.0.1 alone: at {} anyone could do everything",
                args.addr
            );
        }
        return Ok((Access::open(app.store.clone(), app.clock.clone()), None));
    }
    let password = args.password_file.as_deref().map(access::password).transpose()?;
    if !is_local && password.is_none() && app.store.list_tokens().await?.is_empty() {
        bail!(
            "{} can be reached from outside this machine, and nobody has a token: make one with `maskdoor token add NAME`, or give \
             --password-file FILE",
            args.addr
        );
    }
    let start = is_local.then(Secret::draw);
    let secret = start.as_deref().map(Secret::of);
    let access =
        Access::guarded(app.store.clone(), app.clock.clone(), address.port(), secret, password);
    Ok((access, start))
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
