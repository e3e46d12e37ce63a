//! Measures a server with many live streams: its memory, how long other requests wait, and how many streams it takes.
//!
//! ```sh
//! cargo run --release -p server --example sse -- MASKDOOR CLIENTS OPEN_FILES...
//! ```
//!
//! Starts the program for each limit of open files, lets a micro study train, and opens the streams.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use server::{
    http::raise_open_files,
    terminal::{Align, say, table},
};
use shared::{
    RunKind, StudySpec,
    study::{DatasetSpec, ModelSpec, TransformerSpec, presets},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

/// What else is asked while streams are open.
const PATHS: [&str; 4] = ["/studies", "/runs?limit=50", "/system", "/settings"];
const REQUESTS: usize = 400;
/// How long a stream may take to begin or to be refused.
const BEGIN: Duration = Duration::from_secs(20);
/// A request that takes longer is not answered.
const ANSWER: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().context("say which program")?;
    let clients: usize = arguments.next().context("say how many clients")?.parse()?;
    let limits: Vec<u64> = arguments.map(|limit| limit.parse()).collect::<Result<_, _>>()?;
    ensure!(!limits.is_empty(), "say how many files the server may open");
    raise_open_files();
    let mut rows = Vec::new();
    for limit in limits {
        rows.push(measure(&program, clients, limit).await?);
    }
    let head = [
        "open files",
        "streams",
        "refused",
        "waiting",
        "events each",
        "MB before",
        "MB with",
        "MB after",
        "p50 ms",
        "p99 ms",
        "p50 ms alone",
        "p99 ms alone",
    ];
    say(table(&head.map(|title| (title, Align::Right)), &rows));
    Ok(())
}

/// A running server, ended with its workers when it is dropped.
struct Server {
    process: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Server {
    async fn start(program: &str, open_files: u64) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let script = "ulimit -n \"$1\"; exec \"$0\" serve --without-token --addr 127.0.0.1:0 --data-dir \"$2\"";
        let mut process = Command::new("sh")
            .args(["-c", script, program, &open_files.to_string()])
            .arg(data.path())
            .env("MASKDOOR_THREADS", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut line).await?;
        let address = line.trim().rsplit_once("http://").context("the server does not start")?.1;
        Ok(Self { address: address.to_owned(), process, _data: data })
    }

    /// Resident memory in megabytes.
    fn memory(&self) -> anyhow::Result<u64> {
        let pid = self.process.id().context("the server has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kilobytes: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kilobytes / 1000)
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, body.to_owned()))
    }

    /// The times of requests in milliseconds, sorted; those without an answer count as [`ANSWER`].
    async fn times(&self) -> Vec<f64> {
        let mut times = Vec::new();
        for number in 0..REQUESTS {
            let began = Instant::now();
            let path = PATHS[number % PATHS.len()];
            let answer = tokio::time::timeout(ANSWER, self.ask("GET", path, "")).await;
            let answered = matches!(answer, Ok(Ok((200, _))));
            let took = if answered { began.elapsed() } else { ANSWER };
            times.push(took.as_secs_f64() * 1e3);
            // A server that answers nobody is not asked for an hour.
            if times.iter().filter(|&&time| time >= ANSWER.as_secs_f64() * 1e3).count() > 3 {
                break;
            }
        }
        times.sort_by(f64::total_cmp);
        times
    }
}

/// A study that trains for a while and tells much.
fn study(name: &str) -> StudySpec {
    let part = TransformerSpec { dim: 8, depth: 1, heads: 1 };
    let mut spec = presets()[0].spec.clone();
    spec.name = name.into();
    spec.runs = vec![RunKind::Pretrain];
    spec.axes = Vec::new();
    let settings = &mut spec.settings;
    settings.dataset =
        DatasetSpec { name: "shapes".into(), train_per_class: Some(4), test_per_class: Some(2) };
    settings.model = ModelSpec { image_size: 8, patch_size: 4, encoder: part, decoder: part };
    settings.pretrain.poisons = 1;
    settings.pretrain.epochs = 10_000;
    settings.pretrain.batch_size = 16;
    settings.pretrain.checkpoint_every = 10_000;
    spec
}

/// What the streams have come to.
#[derive(Default)]
struct Streams {
    open: AtomicUsize,
    refused: AtomicUsize,
    events: AtomicU64,
}

async fn measure(program: &str, clients: usize, open_files: u64) -> anyhow::Result<Vec<String>> {
    let server = Server::start(program, open_files).await?;
    let (status, body) =
        server.ask("POST", "/studies", &serde_json::to_string(&study("live"))?).await?;
    ensure!(status == 201, "no study: {body}");
    let created: Value = serde_json::from_str(&body)?;
    let run = created["runs"][0]["id"].as_str().context("no run")?.to_owned();
    let began = Instant::now();
    loop {
        let (_, row) = server.ask("GET", &format!("/runs/{run}"), "").await?;
        let row: Value = serde_json::from_str(&row)?;
        match row["state"].as_str() {
            Some("running") if row["progress"]["seq"].as_u64() > Some(3) => break,
            Some("queued" | "running") if began.elapsed() < BEGIN => {}
            state => bail!("the run is {state:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let alone = server.times().await;
    let before = server.memory()?;

    let streams = Arc::new(Streams::default());
    let tasks: Vec<_> = (0..clients)
        .map(|_| tokio::spawn(follow(server.address.clone(), streams.clone())))
        .collect();
    let began = Instant::now();
    let settled = || {
        streams.open.load(Ordering::Relaxed) + streams.refused.load(Ordering::Relaxed) == clients
    };
    while !settled() && began.elapsed() < BEGIN {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let open = streams.open.load(Ordering::Relaxed);
    let refused = streams.refused.load(Ordering::Relaxed);
    let events = streams.events.load(Ordering::Relaxed);
    let times = server.times().await;
    let events = streams.events.load(Ordering::Relaxed) - events;
    let with = server.memory()?;
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        let _ = task.await;
    }
    let cancel = format!("/runs/{run}/cancel");
    let answer = tokio::time::timeout(ANSWER, server.ask("POST", &cancel, ""));
    ensure!(matches!(answer.await, Ok(Ok((200, _)))), "the server answers nobody");
    let after = server.memory()?;
    let part = |times: &[f64], share: f64| {
        format!("{:.1}", times[((times.len() - 1) as f64 * share) as usize])
    };
    Ok(vec![
        open_files.to_string(),
        open.to_string(),
        refused.to_string(),
        (clients - open - refused).to_string(),
        (events / open.max(1) as u64).to_string(),
        before.to_string(),
        with.to_string(),
        after.to_string(),
        part(&times, 0.5),
        part(&times, 0.99),
        part(&alone, 0.5),
        part(&alone, 0.99),
    ])
}

/// Follows the stream until it ends.
async fn follow(address: String, streams: Arc<Streams>) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(&address).await?;
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut lines = BufReader::with_capacity(4096, stream).lines();
    let head = lines.next_line().await?.context("no answer")?;
    if !head.contains(" 200 ") {
        streams.refused.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    }
    streams.open.fetch_add(1, Ordering::Relaxed);
    while let Some(line) = lines.next_line().await? {
        if line.starts_with("data: {") {
            streams.events.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
