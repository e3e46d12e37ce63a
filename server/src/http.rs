//! Connections: how many there may be, and how long they may be silent.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{access::Peer, ending::Ending};

/// How long a client may take to send the headers of a request, the first one and any later one on the same connection.
const HEADERS: Duration = Duration::from_secs(15);
/// How long to wait after the system could not give another connection.
const PAUSE: Duration = Duration::from_millis(200);
/// Files that are not for connections: the database, run folders, images, workers.
const OTHER_FILES: u64 = 192;
/// Connections where the system sets no limit.
const MOST: u64 = 65_536;

/// Answers the connections of a listener with the router until the program ends. Connections beyond the limit wait until others end.
///
/// An error of one connection is no error of the others. When the end begins, no connection is accepted any more, requests in progress
/// are answered, and this returns when the last connection is closed.
pub async fn serve(listener: TcpListener, router: Router, ending: Ending) {
    let most = connections();
    let places = Arc::new(Semaphore::new(most as usize));
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.expect("the places are never closed");
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = ending.begun() => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, address)) => (stream, Peer(address.ip().to_canonical())),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Events are short messages that should not wait for each other.
        let _ = stream.set_nodelay(true);
        tokio::spawn(answer(stream, peer, router.clone(), ending.clone(), place));
    }
    drop(listener);
    let _ = places.acquire_many(most).await;
}

/// Answers the requests of a connection. When the end begins, the one in progress is the last.
async fn answer(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    ending: Ending,
    _place: OwnedSemaphorePermit,
) {
    let service = TowerToHyperService::new(router);
    // Not as a layer of the router: that would copy every route for every connection, several hundred kilobytes.
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = ending.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// How many of the connections may be live streams, which last for hours: the others stay free for requests.
pub fn streams() -> usize {
    connections() as usize / 4 * 3
}

/// As many connections as the process may open files, less those that it needs.
fn connections() -> u32 {
    let files = raise_open_files().unwrap_or(MOST + OTHER_FILES);
    let most = files.saturating_sub(OTHER_FILES).clamp(16, MOST);
    u32::try_from(most).unwrap_or(u32::MAX)
}

/// Raises the number of files that this process may have open to the most that it may set, and returns it; `None` without a limit.
/// Connections and the shards of data sets need more than the usual 1,024.
pub fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}
