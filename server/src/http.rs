//! Connections: how many there may be, and how long they may be silent.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{net::TcpListener, sync::Semaphore};

/// How long a client may take to send the headers of a request, the first one and any later one on the same connection.
const HEADERS: Duration = Duration::from_secs(15);
/// How long to wait after the system could not give another connection.
const PAUSE: Duration = Duration::from_millis(200);
/// Files that are not for connections: the database, run folders, images, workers.
const OTHER_FILES: u64 = 192;
/// Connections where the system sets no limit.
const MOST: u64 = 65_536;

/// Answers the connections of a listener with the router. Connections beyond the limit wait until others end.
///
/// Never ends: an error of one connection is no error of the others.
pub async fn serve(listener: TcpListener, router: Router) -> Infallible {
    let places = Arc::new(Semaphore::new(connections()));
    loop {
        let place = places.clone().acquire_owned().await.expect("the places are never closed");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Events are short messages that should not wait for each other.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
            drop(place);
        });
    }
}

/// As many connections as the process may open files, less those that it needs. The soft limit is raised to the hard one first.
fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let files = files.unwrap_or(MOST + OTHER_FILES);
    let most = files.saturating_sub(OTHER_FILES).clamp(16, MOST);
    usize::try_from(most).unwrap_or(usize::MAX)
}
