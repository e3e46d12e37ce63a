//! One journey from an empty data folder.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use tokio::sync::Mutex;

use crate::{Browser, Dashboard, browser::missing_driver};

/// Journeys need the whole machine to train and to render, so they run one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Runs a journey with its own browser and its own server on an empty data folder. Afterwards the console must be free
/// of errors. On failure, the page, the console and the server's log are saved in `target/e2e`.
///
/// # Errors
/// The error of a step, with the location of the evidence, or the errors in the console.
pub async fn travel(
    name: &str,
    steps: impl AsyncFnOnce(&mut Dashboard, &Browser) -> Result<()>,
) -> Result<()> {
    travel_past(name, &[], steps).await
}

/// Like [`travel`], for journeys in which the browser itself logs errors to the console, such as a refused request or a
/// lost server. Lines that contain one of `expected` are ignored.
///
/// # Errors
/// As [`travel`].
pub async fn travel_past(
    name: &str,
    expected: &[&str],
    steps: impl AsyncFnOnce(&mut Dashboard, &Browser) -> Result<()>,
) -> Result<()> {
    if missing_driver() {
        eprintln!("{name}: skipped, there is no chromedriver and MASKDOOR_E2E is skip");
        return Ok(());
    }
    let _turn = ONE_AT_A_TIME.lock().await;
    let mut dashboard = Dashboard::start().await?;
    let browser = Browser::open(dashboard.address("")).await?;
    let walked = match steps(&mut dashboard, &browser).await {
        Ok(()) => quiet_console(&browser, expected).await,
        failed => failed,
    };
    if let Err(error) = walked {
        let evidence = keep_evidence(name, &dashboard, &browser).await;
        return Err(error.context(format!("journey {name:?}; {evidence}")));
    }
    browser.close().await
}

/// The folder for screenshots of pages in their expected state.
pub fn shots() -> PathBuf {
    folder().join("shots")
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/e2e")
}

async fn quiet_console(browser: &Browser, expected: &[&str]) -> Result<()> {
    let errors: Vec<String> = browser
        .console()
        .await?
        .into_iter()
        .filter(|entry| entry.level == "SEVERE")
        .map(|entry| entry.message)
        .filter(|message| !expected.iter().any(|known| message.contains(known)))
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    bail!("errors in the console:\n{}", errors.join("\n"))
}

async fn keep_evidence(name: &str, dashboard: &Dashboard, browser: &Browser) -> String {
    let picture = folder().join(format!("{name}.png"));
    let notes = folder().join(format!("{name}.log"));
    let shot = browser.shoot(&picture).await;
    let place = browser.place().await.unwrap_or_default();
    let console = browser.console().await.unwrap_or_default();
    let lines: Vec<String> =
        console.iter().map(|entry| format!("{} {}", entry.level, entry.message)).collect();
    let written = fs::create_dir_all(folder()).and_then(|()| {
        let text =
            format!("at {place}\n\nconsole\n{}\n\nserver\n{}", lines.join("\n"), dashboard.log());
        fs::write(&notes, text)
    });
    match shot.and(written.context("notes")) {
        Ok(()) => format!("see {} and {}", picture.display(), notes.display()),
        Err(error) => format!("and no evidence could be saved: {error:#}"),
    }
}
