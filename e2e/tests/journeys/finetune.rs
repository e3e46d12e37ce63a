//! Fine-tuning, using the mouse alone: in addition to the probes of the quick preset, and from scratch.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{Browser, Dashboard, Role, travel, until};
use shared::{
    RunKind,
    api::{Page, StudySummary},
};

use crate::steps::{done, look, poison_ten};

#[tokio::test]
async fn a_study_with_fine_tuning() -> Result<()> {
    travel("finetune", async |dashboard, browser| {
        browser.visit("/").await?;
        browser.click(Role::Link, "Quick look").await?;
        browser.fill("Training images", "20").await?;
        browser.fill("Validation images", "10").await?;
        poison_ten(browser).await?;
        browser.press("Fine-tuning, FPR: 10").await?;
        browser.sees("2 fine-tunings").await?;
        browser.click(Role::Checkbox, "Also from scratch").await?;
        browser.sees("1 training from scratch").await?;
        browser.press("Training").await?;
        browser.find(Role::Text, "Layer decay").await?;
        look(browser, "new-study-finetune").await?;
        browser.press("Start").await?;
        let id = id_of_the_study(dashboard).await?;
        let study = done(dashboard, &id).await?;
        let classifiers = study.runs.iter().filter(|run| run.point.kind == RunKind::Finetune);
        let mut from: Vec<_> =
            classifiers.clone().map(|run| (run.point.scratch, run.parent.is_some())).collect();
        from.sort_unstable();
        ensure!(from == [(false, true), (false, true), (true, false)], "they start from {from:?}");
        for run in classifiers {
            let metrics = run.metrics.context("a result")?;
            ensure!((metrics.ca.total, metrics.asr.total) == (100, 90), "{metrics:?}");
        }
        results_are_told(browser, &id).await?;
        look(browser, "study-finetune").await?;
        evaluated_under_another_trigger(browser).await
    })
    .await
}

async fn id_of_the_study(dashboard: &Dashboard) -> Result<String> {
    until("the study is there", Duration::from_secs(20), async || {
        let studies: Page<StudySummary> = dashboard.api.get("/api/v1/studies").await?;
        Ok(studies.items.first().map(|study| study.id.to_string()))
    })
    .await
}

async fn results_are_told(browser: &Browser, id: &str) -> Result<()> {
    browser.visit(&format!("/studies/{id}")).await?;
    browser
        .holds(
            "four probes, two fine-tunings and one training from scratch",
            "const names = [...document.querySelectorAll('.results tbody th')].map((it) => it.innerText.trim());
             const count = (name) => names.filter((it) => it === name).length;
             return count('Linear probe') === 4 && count('Fine-tuning') === 2 && count('From scratch') === 1",
        )
        .await
}

/// Evaluates a checkpoint of the study again, on fewer images and with a trigger that it was not trained with.
async fn evaluated_under_another_trigger(browser: &Browser) -> Result<()> {
    browser.visit("/checkpoints").await?;
    browser.press("Evaluate fine-tuning").await?;
    browser.choose("Trigger", "SIG").await?;
    browser.fill("Images per class", "none").await?;
    browser.press("Evaluate").await?;
    browser.sees("takes a whole number, or nothing").await?;
    browser.fill("Images per class", "5").await?;
    browser.press("Evaluate").await?;
    browser.sees("50 validation images of shapes, trigger SIG").await?;
    browser.sees("Attack success by class").await?;
    // Another data set has other classes, so the chosen target is reset, and the page shows that.
    browser.choose("Target class", "1 circle").await?;
    browser.choose("Data set", "shapes").await?;
    let shown = "return document.getElementById('attack-target_class').value === ''";
    browser.holds("the target is the study's again", shown).await?;
    look(browser, "checkpoints-evaluate").await
}
