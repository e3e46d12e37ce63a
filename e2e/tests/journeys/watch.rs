//! The page "Watch": the curves of what runs, how they are drawn, and what needs attention.

use std::{process::Command, time::Duration};

use anyhow::{Result, ensure};
use e2e::{Browser, Role, travel, until};
use shared::RunState;

use crate::steps::{look, micro, start, study, vary};

#[tokio::test]
async fn what_runs_is_watched_and_a_lost_worker_is_told() -> Result<()> {
    travel("watch", async |dashboard, browser| {
        let mut spec = micro("Watched")?;
        // Long enough to be watched.
        spec.settings.pretrain.epochs = 400;
        vary(&mut spec, "pretrain.poisons", [0])?;
        vary(&mut spec, "probe.poisons", [4])?;
        let id = start(dashboard, &spec).await?.id.to_string();
        browser.visit("/watch").await?;
        browser.find(Role::Heading, "What runs now").await?;
        browser.sees("Training loss").await?;
        lines(browser, 1).await?;
        the_running_mean_lies_over_the_values(browser).await?;
        a_drag_shows_some_epochs(browser).await?;
        look(browser, "watch").await?;

        let workers = e2e::dashboard::workers(dashboard.data());
        ensure!(workers.len() == 1, "one worker: {workers:?}");
        let killed = Command::new("kill").arg("-9").arg(workers[0].to_string()).status()?;
        ensure!(killed.success(), "the worker is killed");
        until("the run is interrupted", Duration::from_secs(30), async || {
            let runs = study(dashboard, &id).await?.runs;
            Ok(runs.iter().any(|run| run.state == RunState::Interrupted).then_some(()))
        })
        .await?;
        browser.find(Role::Heading, "Needs attention").await?;
        browser.sees("the worker was killed (signal 9)").await?;
        browser.press("Last lines").await?;
        browser
            .holds(
                "the log's end",
                "return (document.querySelector('.alert pre')?.innerText ?? '').includes('epoch')",
            )
            .await?;
        look(browser, "watch-alert").await?;
        browser.press("Run again").await?;
        lines(browser, 2).await
    })
    .await
}

/// Waits until the chart has this many lines.
async fn lines(browser: &Browser, count: usize) -> Result<()> {
    browser
        .holds(
            "the chart's lines",
            &format!(
                "return document.querySelectorAll('.curves .chart-box > div polyline').length >= {count}"
            ),
        )
        .await
}

async fn the_running_mean_lies_over_the_values(browser: &Browser) -> Result<()> {
    let slide = "const slider = document.querySelector('.curve-smoothing input'); slider.value = '0.9'; \
        slider.dispatchEvent(new Event('input', { bubbles: true }))";
    browser.run(slide, vec![]).await?;
    browser.sees("Running mean with weight 0.9").await?;
    lines(browser, 2).await?;
    browser.press("Log").await?;
    browser
        .holds("the address has both", "return location.search.includes('smoothing=0.9') && location.search.includes('log=true')")
        .await?;
    browser
        .holds(
            "the downloads ask for the same drawing",
            "const link = document.querySelector('.figure-links a').href; \
             return link.includes('smoothing=0.9') && link.includes('y_scale=log')",
        )
        .await
}

async fn a_drag_shows_some_epochs(browser: &Browser) -> Result<()> {
    let chart = browser.css(".curves .chart-box").await?;
    let (width, height) = browser.extent(&chart).await?;
    browser.drag(&chart, (width * 0.4, height * 0.4), (width * 0.8, height * 0.6)).await?;
    browser.find(Role::Button, "All epochs").await?;
    browser.press("All epochs").await?;
    browser.holds("all epochs again", "return !location.search.includes('epochs=')").await
}
