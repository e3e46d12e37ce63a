//! Every trigger of the catalogue, using the mouse alone: chosen, previewed, trained with and evaluated in a quick study.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{Browser, Dashboard, Role, travel, until};
use shared::{
    PoisonPlan, RunKind, StudyId,
    api::{Page, StudyDetail, StudySummary},
    trigger::CATALOGUE,
};

use crate::steps::{choose_trigger, done, drawn, look, poison_ten, preview_is_drawn};

/// Poisoned images per class in every study.
const POISONS: u32 = 10;

#[tokio::test]
async fn every_trigger_through_a_quick_study() -> Result<()> {
    travel("triggers", async |dashboard, browser| {
        let mut studies = Vec::new();
        for entry in &CATALOGUE {
            browser.visit("/studies/new").await?;
            choose_trigger(browser, entry.id).await?;
            let id = start(dashboard, browser, entry.name, studies.len()).await;
            studies.push((entry.id, id.with_context(|| entry.name)?));
        }
        browser.visit("/studies/new").await?;
        browser.click(Role::Checkbox, "Clean label").await?;
        let id = start(dashboard, browser, "Clean label", studies.len()).await?;
        studies.push(("clean-label", id));

        for (name, id) in &studies {
            let study = done(dashboard, &id.to_string()).await.with_context(|| *name)?;
            proper(dashboard, &study, *name == "clean-label").await.with_context(|| *name)?;
        }
        // The one with cover samples says so beside its images.
        let (_, wanet) = studies.iter().find(|(name, _)| *name == "wanet").context("no WaNet")?;
        shows_its_poisons(dashboard, browser, wanet).await
    })
    .await
}

/// Shrinks the study on the page, checks its preview and starts it.
async fn start(
    dashboard: &Dashboard,
    browser: &Browser,
    name: &str,
    before: usize,
) -> Result<StudyId> {
    browser.fill("Name", name).await?;
    // Enough for ten poisons and twenty cover samples of each class.
    browser.fill("Training images", "40").await?;
    browser.fill("Validation images", "10").await?;
    poison_ten(browser).await?;
    browser.press("Training").await?;
    // As many epochs as the preset warms up for.
    browser.fill_id("pretrain-epochs", "4").await?;
    browser.fill_id("probe-epochs", "12").await?;
    preview_is_drawn(browser).await?;
    let clean = drawn(browser, "clean").await?;
    until("the trigger is seen", Duration::from_secs(10), async || {
        Ok((drawn(browser, "triggered").await? != clean).then_some(()))
    })
    .await?;
    browser.press("Start").await?;
    until("the study is there", Duration::from_secs(20), async || {
        let studies: Page<StudySummary> = dashboard.api.get("/api/v1/studies").await?;
        let newest = studies.items.iter().find(|study| study.name == name);
        Ok(newest.filter(|_| studies.total as usize == before + 1).map(|study| study.id))
    })
    .await
}

/// Every run poisoned as many images as its point says and none of the target class (with clean label: no others), and
/// every probe was evaluated on all images.
async fn proper(dashboard: &Dashboard, study: &StudyDetail, clean_label: bool) -> Result<()> {
    ensure!(study.runs.len() == 8, "{} runs", study.runs.len());
    let target = study.spec.settings.attack.target_class;
    for run in &study.runs {
        let plan: PoisonPlan =
            dashboard.api.get(&format!("/api/v1/runs/{}/poison", run.id)).await?;
        let label = run.point.label();
        let classes = if clean_label { 1 } else { 9 };
        let each = match run.point.kind {
            RunKind::Pretrain => run.point.ppr,
            // The bank of the nearest neighbours has its own poison count, for the clean encoder as well.
            RunKind::Knn => study.spec.settings.knn.poisons,
            _ => run.point.lpr,
        };
        let known = run.point.kind == RunKind::Knn || [0, POISONS].contains(&each);
        ensure!(known, "{label}: {each} poisons per class");
        let found = plan.samples.len() as u32;
        ensure!(found == classes * each, "{label}: {found} poisons, {each} per class requested");
        let stray = plan.samples.iter().find(|sample| (sample.class == target) != clean_label);
        ensure!(stray.is_none(), "{label}: {stray:?}");
        if run.point.kind == RunKind::Probe {
            let metrics = run.metrics.with_context(|| format!("{label}: no result"))?;
            ensure!((metrics.ca.total, metrics.asr.total) == (100, 90), "{label}: {metrics:?}");
        }
    }
    Ok(())
}

/// The page of the study shows the images that its last pre-training poisons.
async fn shows_its_poisons(dashboard: &Dashboard, browser: &Browser, id: &StudyId) -> Result<()> {
    let study: StudyDetail = dashboard.api.get(&format!("/api/v1/studies/{id}")).await?;
    let attacked = study
        .runs
        .iter()
        .find(|run| run.point.kind == RunKind::Pretrain && run.point.ppr > 0)
        .context("no attacked pre-training")?;
    browser.visit(&format!("/studies/{id}?run={}", attacked.id)).await?;
    browser.sees("90 images in all").await?;
    browser.sees("cover samples").await?;
    browser.find(Role::Heading, "WaNet").await?;
    look(browser, "study-wanet").await
}
