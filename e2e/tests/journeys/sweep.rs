//! A setting varied with the mouse and the keyboard: the plan counts its runs before they start, and the next study reuses them.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Browser, Dashboard, travel, until};
use shared::{
    RunKind, StudyId,
    api::{Page, StudySummary},
};

use crate::steps::{done, look, poison_ten, preview_is_drawn};

#[tokio::test]
async fn a_setting_is_varied_and_its_runs_are_reused() -> Result<()> {
    travel("sweep", async |dashboard, browser| {
        small_study(browser, "Three ratios").await?;
        browser.choose("Vary another setting", "Blend ratio").await?;
        browser.fill_id("axis-attack-trigger-ratio", "0.2, 0.3, 1.4").await?;
        browser.sees("takes a number above 0 and at most 1, not 1.4").await?;
        browser.press("Start").await?;
        let place = browser.place().await?;
        ensure!(place.starts_with("/studies/new"), "started with a wrong axis: {place}");
        let focused = "return document.activeElement?.id === 'axis-attack-trigger-ratio'";
        browser.holds("the cursor is in the field that is wrong", focused).await?;
        browser.fill_id("axis-attack-trigger-ratio", "0.2, 0.3, 0.4").await?;
        // There is one clean encoder; each ratio has its own attacked encoder and four probes.
        plan_says(browser, "plan-runs", "4 pre-trainings").await?;
        plan_says(browser, "plan-runs", "12 linear probes").await?;
        plan_says(browser, "plan-time", "22 runs: about").await?;
        look(browser, "new-study-sweep").await?;
        let first = start(dashboard, browser, "Three ratios").await?;
        let study = done(dashboard, &first.to_string()).await?;
        let count = |kind| study.runs.iter().filter(|run| run.point.kind == kind).count();
        ensure!((count(RunKind::Pretrain), count(RunKind::Probe)) == (4, 12), "{:?}", study.spec);
        browser.visit(&format!("/studies/{first}")).await?;
        the_ratio_has_a_column(browser).await?;
        look(browser, "study-sweep").await?;

        small_study(browser, "One ratio").await?;
        plan_says(browser, "plan-time", "all 8 runs already exist and are reused").await?;
        let second = start(dashboard, browser, "One ratio").await?;
        let study = done(dashboard, &second.to_string()).await?;
        ensure!(study.runs.iter().all(|run| run.reused), "a run was made twice");
        Ok(())
    })
    .await
}

/// Waits until a part of the plan contains `words`.
async fn plan_says(browser: &Browser, id: &str, words: &str) -> Result<()> {
    let script =
        format!("return document.getElementById('{id}')?.innerText.includes('{words}') === true");
    browser.holds(&format!("{id} says {words:?}"), &script).await
}

/// The results have four probes of each ratio, with the ratio in a column.
async fn the_ratio_has_a_column(browser: &Browser) -> Result<()> {
    let script = "
        const probes = [...document.querySelectorAll('.results tbody tr')]
          .filter((row) => row.querySelector('th').innerText.trim() === 'Linear probe');
        const ratios = probes.map((row) => row.querySelector('td[data-label=\"Blend ratio\"]')?.innerText.trim());
        return ratios.sort().join() === '0.2,0.2,0.2,0.2,0.3,0.3,0.3,0.3,0.4,0.4,0.4,0.4'";
    browser.holds("four probes of each ratio, with the ratio in a column", script).await
}

/// The quick preset, small enough for many runs.
async fn small_study(browser: &Browser, name: &str) -> Result<()> {
    browser.visit("/studies/new").await?;
    preview_is_drawn(browser).await?;
    browser.fill("Name", name).await?;
    browser.fill("Training images", "20").await?;
    browser.fill("Validation images", "10").await?;
    poison_ten(browser).await?;
    browser.press("Training").await?;
    // As many epochs as the preset warms up for.
    browser.fill_id("pretrain-epochs", "4").await?;
    browser.fill_id("probe-epochs", "12").await?;
    Ok(())
}

async fn start(dashboard: &Dashboard, browser: &Browser, name: &str) -> Result<StudyId> {
    browser.press("Start").await?;
    until("the study is there", Duration::from_secs(20), async || {
        let studies: Page<StudySummary> = dashboard.api.get("/api/v1/studies").await?;
        Ok(studies.items.iter().find(|study| study.name == name).map(|study| study.id))
    })
    .await
}
