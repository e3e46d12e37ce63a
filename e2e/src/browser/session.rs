//! Chromium and its driver as processes.

use std::{env, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{dashboard::free_port, until};

/// What must outlive the tab. Dropping it ends the driver and the browser.
pub struct Session {
    /// Profile and downloads of this browser; a profile can be used by one browser only.
    folder: TempDir,
    _driver: Child,
}

impl Session {
    /// Starts a driver on a free port, and a browser that it controls.
    ///
    /// # Errors
    /// When either does not start within half a minute.
    pub async fn start() -> Result<(Client, Self)> {
        let port = free_port()?;
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("chromedriver is missing: scripts/browser.sh installs it")?;
        let folder = tempfile::Builder::new().prefix("maskdoor-browser-").tempdir()?;
        std::fs::create_dir(folder.path().join("downloads"))?;
        let wanted = capabilities(folder.path());
        let client = until("the browser starts", Duration::from_secs(30), async || {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(wanted.as_object().cloned().unwrap_or_default());
            Ok(Some(builder.connect(&format!("http://127.0.0.1:{port}")).await?))
        })
        .await?;
        Ok((client, Self { folder, _driver: driver }))
    }

    /// The folder for downloads.
    pub fn downloads(&self) -> std::path::PathBuf {
        self.folder.path().join("downloads")
    }
}

/// A name of somebody else that points to this machine, in the browser alone.
pub const FOREIGN_HOST: &str = "elsewhere.example";

fn capabilities(folder: &Path) -> Value {
    json!({
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", "--mute-audio", "--lang=en-GB", "--window-size=1440,900",
                "--hide-scrollbars", "--force-color-profile=srgb",
                format!("--user-data-dir={}", folder.join("profile").display()),
                format!("--host-resolver-rules=MAP {FOREIGN_HOST} 127.0.0.1"),
            ],
            "prefs": {
                "download.default_directory": folder.join("downloads"),
                "download.prompt_for_download": false,
            },
        },
    })
}

/// Whether there is no driver and the environment allows journeys to be skipped in that case.
pub fn missing_driver() -> bool {
    let on_path = env::var_os("PATH").is_some_and(|path| {
        env::split_paths(&path).any(|folder| folder.join("chromedriver").is_file())
    });
    !on_path && env::var("MASKDOOR_E2E").is_ok_and(|value| value == "skip")
}
