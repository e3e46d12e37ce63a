//! The real program with its own data folder and port.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use http::Method;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{api::Api, until};

/// A running server. Dropping it ends the server, its workers and its data folder.
pub struct Dashboard {
    /// Its API.
    pub api: Api,
    base: String,
    port: u16,
    data: TempDir,
    server: Child,
}

impl Dashboard {
    /// Starts a server on an empty data folder and waits until it answers.
    ///
    /// # Errors
    /// When the program is missing or does not answer within half a minute.
    pub async fn start() -> Result<Self> {
        let data = tempfile::Builder::new().prefix("maskdoor-e2e-").tempdir()?;
        let port = free_port()?;
        let server = serve(data.path(), port, &["--without-token"])?;
        let base = format!("http://127.0.0.1:{port}");
        let mut dashboard = Self { api: Api::new(&base), base, port, data, server };
        dashboard.wait_until_up().await?;
        let (_, page) = dashboard.api.send(Method::GET, "/", None).await?;
        if String::from_utf8_lossy(&page).contains("MASKDOOR_SKIP_FRONTEND") {
            bail!(
                "the program was built without its pages: build it without MASKDOOR_SKIP_FRONTEND"
            );
        }
        Ok(dashboard)
    }

    /// Kills the server as a power cut would and leaves its workers alone.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub async fn kill(&mut self) -> Result<()> {
        self.server.kill().await.context("kill the server")
    }

    /// Restarts the server on the same data folder and port.
    ///
    /// # Errors
    /// When it does not answer within half a minute.
    pub async fn restart(&mut self) -> Result<()> {
        self.server = serve(self.data.path(), self.port, &["--without-token"])?;
        self.wait_until_up().await
    }

    /// Restarts the server with further arguments.
    ///
    /// # Errors
    /// When it does not answer within half a minute.
    pub async fn restart_with(&mut self, more: &[&str]) -> Result<()> {
        self.kill().await?;
        let arguments = [&["--without-token"], more].concat();
        self.server = serve(self.data.path(), self.port, &arguments)?;
        self.wait_until_up().await
    }

    /// Restarts the server so that it asks for a token. Returns the path and the token that it prints.
    ///
    /// # Errors
    /// When it does not answer within half a minute.
    pub async fn restart_guarded(&mut self) -> Result<String> {
        self.kill().await?;
        let before = self.log().len();
        self.server = serve(self.data.path(), self.port, &[])?;
        let printed = format!("{}/?token=", self.base);
        until("the server prints its address", Duration::from_secs(30), async || {
            let log = self.log();
            let rest = log[before..].split(&printed).nth(1);
            Ok(rest
                .and_then(|rest| rest.split_once('\n'))
                .map(|(token, _)| format!("/?token={token}")))
        })
        .await
    }

    /// The address of a page.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// What the server wrote to its terminal.
    pub fn log(&self) -> String {
        fs::read_to_string(log_path(self.data.path())).unwrap_or_default()
    }

    async fn wait_until_up(&mut self) -> Result<()> {
        let (api, server) = (self.api.clone(), &mut self.server);
        let mut ended = None;
        let up = until("the server answers", Duration::from_secs(30), async || {
            if let Some(status) = server.try_wait()? {
                ended = Some(status);
                return Ok(Some(()));
            }
            let health: serde_json::Value = api.get("/api/v1/health").await?;
            Ok((health["status"] == "ok").then_some(()))
        })
        .await;
        if let Some(status) = ended {
            bail!("the server exited at once ({status}):\n{}", self.log());
        }
        up
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        // The server is killed first, so that it starts no more workers. Workers outlive their server by design.
        let _ = self.server.start_kill();
        for worker in workers(self.data.path()) {
            let _ = std::process::Command::new("kill").args(["-9", &worker.to_string()]).status();
        }
    }
}

fn serve(data: &Path, port: u16, more: &[&str]) -> Result<Child> {
    let program = program()?;
    let log = fs::OpenOptions::new().create(true).append(true).open(log_path(data))?;
    Command::new(&program)
        .args(["serve", "--addr", &format!("127.0.0.1:{port}"), "--data-dir"])
        .arg(data)
        .args(more)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {}", program.display()))
}

fn log_path(data: &Path) -> PathBuf {
    data.join("server-under-test.log")
}

/// The program to test: `MASKDOOR_BIN`, or the one that cargo built in the same profile.
fn program() -> Result<PathBuf> {
    if let Some(path) = env::var_os("MASKDOOR_BIN") {
        return Ok(path.into());
    }
    let test = env::current_exe()?;
    let path =
        test.ancestors().nth(2).context("a test is in target/PROFILE/deps")?.join("maskdoor");
    if !path.is_file() {
        bail!("{} is missing: run `cargo build`", path.display());
    }
    Ok(path)
}

/// A port that was free a moment ago.
///
/// # Errors
/// When no port is free.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The worker processes of runs in `data`, found by their command lines.
pub fn workers(data: &Path) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let data = data.to_string_lossy();
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
        .filter(|process: &u32| {
            let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command);
            let mut words = command.split('\0').skip(1);
            words.next() == Some("worker") && words.any(|word| word.starts_with(&*data))
        })
        .collect()
}
