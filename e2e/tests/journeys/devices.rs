//! Devices: a study asks for a GPU, its runs train there, and the pages say so. The GPU is a pretended one.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{Browser, Dashboard, Role, travel, until};
use shared::{
    DeviceWish,
    api::{Page, StudySummary},
};

use crate::steps::{done, look, micro, start};

#[tokio::test]
async fn a_study_trains_on_the_device_that_it_asks_for() -> Result<()> {
    travel("devices", async |dashboard, browser| {
        dashboard.restart_with(&["--devices", "cpu,pretend:80GiB"]).await?;
        browser.visit("/system").await?;
        browser.sees("pretended GPU").await?;
        look(browser, "system-devices").await?;
        the_readings_end_with_the_page(browser).await?;

        let spec = micro("On a GPU")?;
        let first = start(dashboard, &spec).await?;
        let study = done(dashboard, &first.id.to_string()).await?;
        let any = study.runs.iter().all(|run| run.device.as_deref() == Some("cuda:0"));
        ensure!(any, "a run that asks for any device gets a GPU: {:?}", study.runs);

        the_processor_is_asked_for(dashboard, browser, &first.id.to_string()).await
    })
    .await
}

/// Requests for the load of the devices, and polls of the frame.
async fn polls(browser: &Browser) -> Result<(usize, usize)> {
    let all = browser.requests().await?;
    let count = |end: &str| all.iter().filter(|name| name.contains(end)).count();
    Ok((count("/api/v1/devices"), count("/api/v1/overview")))
}

/// The page reads the load again and again, and no more when it has been left.
async fn the_readings_end_with_the_page(browser: &Browser) -> Result<()> {
    let patience = Duration::from_secs(30);
    until("two readings", patience, async || Ok((polls(browser).await?.0 >= 2).then_some(())))
        .await?;
    browser.click(Role::Link, "Studies").await?;
    browser.sees("Quick look").await?;
    let (readings, frame) = polls(browser).await?;
    // Two polls of the frame take longer than a reading's period.
    until("two polls of the frame", patience, async || {
        Ok((polls(browser).await?.1 >= frame + 2).then_some(()))
    })
    .await?;
    let now = polls(browser).await?.0;
    ensure!(now <= readings + 1, "{now} readings instead of {readings}");
    Ok(())
}

async fn the_processor_is_asked_for(
    dashboard: &Dashboard,
    browser: &Browser,
    first: &str,
) -> Result<()> {
    browser.visit(&format!("/studies/new?from={first}")).await?;
    let no_preset = "return document.getElementById('preset').value === ''";
    browser.holds("a copy is no preset", no_preset).await?;
    browser.choose("Device", "the processor").await?;
    // No result depends on a device, so everything is there already.
    browser.sees("runs already exist and are reused").await?;
    browser.run("document.getElementById('plan-fresh').click()", vec![]).await?;
    browser.press("Start").await?;
    let second = until("the second study", Duration::from_secs(20), async || {
        let studies: Page<StudySummary> = dashboard.api.get("/api/v1/studies").await?;
        Ok((studies.total == 2).then(|| studies.items[0].id.to_string()))
    })
    .await?;
    let study = done(dashboard, &second).await?;
    let run = study.runs.first().context("a run")?;
    ensure!(run.wish == DeviceWish::Cpu && run.device.as_deref() == Some("cpu"), "{run:?}");
    browser.visit(&format!("/studies/{second}?run={}", run.id)).await?;
    browser.sees("It was on cpu.").await
}
