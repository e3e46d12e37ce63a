//! A new study, using the mouse alone: from an empty data folder to a run in training, which a click cancels.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::{Browser, Dashboard, Role, travel, until};
use shared::{
    RunState,
    api::{Page, StudySummary},
};

use crate::steps::{
    choose_trigger, drawn, look, number, preview_is_drawn, redrawn, requests, study,
};

/// Changes to the study up to the last slider: the preset, five sliders, a drag and a trigger.
const CHANGES: usize = 8;

#[tokio::test]
async fn a_study_by_mouse() -> Result<()> {
    travel("new-study", async |dashboard, browser| {
        browser.visit("/").await?;
        browser.click(Role::Link, "Quick look").await?;
        preset_is_filled_in(browser).await?;
        preview_is_drawn(browser).await?;
        let (before, _) = of_pictures_and_plans(browser).await?;
        blend_ratio_redraws(browser).await?;
        grid_shows_the_touched_patches(browser).await?;
        patch_moves_by_mouse(browser).await?;
        let (after, plans) = of_pictures_and_plans(browser).await?;
        ensure!(before == after, "the sliders sent requests: {:?}", &after[before.len()..]);
        // The plan is requested when the input pauses, not while it changes.
        ensure!(plans <= 2 * CHANGES, "{plans} plans were requested for {CHANGES} changes");
        look(browser, "new-study").await?;
        choose_trigger(browser, "blended").await?;
        start_and_cancel(dashboard, browser).await
    })
    .await
}

/// The requests other than those for plans, and the number of plans.
async fn of_pictures_and_plans(browser: &Browser) -> Result<(Vec<String>, usize)> {
    let all = requests(browser).await?;
    let (plans, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|name| name.contains("/api/v1/plans"));
    Ok((others, plans.len()))
}

async fn preset_is_filled_in(browser: &Browser) -> Result<()> {
    browser.find(Role::Heading, "New study").await?;
    let name = browser.find(Role::Text, "Name").await?.prop("value").await?;
    ensure!(name.as_deref() == Some("Quick look"), "the name is {name:?}");
    let preset = browser.find(Role::Choice, "Preset").await?.prop("value").await?;
    ensure!(preset.as_deref() == Some("quick-look"), "the preset is {preset:?}");
    let field = browser.find(Role::Choice, "Data set").await?.prop("value").await?;
    ensure!(field.as_deref() == Some("shapes"), "the data set is {field:?}");
    browser.sees("pre-training").await
}

async fn blend_ratio_redraws(browser: &Browser) -> Result<()> {
    let clean = drawn(browser, "clean").await?;
    let triggered = drawn(browser, "triggered").await?;
    let difference = drawn(browser, "difference").await?;
    ensure!(clean != triggered, "the trigger shows nothing");
    let loudness = psnr(browser).await?;
    browser.slide("Blend ratio", 0.9).await?;
    redrawn(browser, "triggered", &triggered).await?;
    redrawn(browser, "difference", &difference).await?;
    ensure!(clean == drawn(browser, "clean").await?, "the clean images changed");
    let ratio = number(browser, "attack-trigger-ratio").await?;
    ensure!((0.8..=1.0).contains(&ratio), "the slider at 90 % gives {ratio}");
    // The numbers follow when the slider rests.
    until("a strong blend lowers the PSNR", Duration::from_secs(5), async || {
        Ok((psnr(browser).await? < loudness - 3.0).then_some(()))
    })
    .await
}

async fn grid_shows_the_touched_patches(browser: &Browser) -> Result<()> {
    ensure!(browser.count(".patch-grid").await? == 0, "the grid must be off at first");
    browser.press("Patch grid").await?;
    browser
        .holds(
            "the grid lies over all images",
            "return document.querySelectorAll('.patch-grid').length === 48",
        )
        .await?;
    browser.sees("16 of 16 patches").await?;
    choose_trigger(browser, "patched").await?;
    browser.sees("1 of 16 patches").await
}

async fn patch_moves_by_mouse(browser: &Browser) -> Result<()> {
    let before = drawn(browser, "triggered").await?;
    let tile = browser.css(".mosaic-triggered .tile").await?;
    let (width, height) = browser.extent(&tile).await?;
    // To pixel (4, 20) of 32: the press grabs the patch at its centre and moves it there.
    let at = |x: f64, y: f64| ((x + 0.5) / 32.0 * width, (y + 0.5) / 32.0 * height);
    browser.drag(&tile, at(16.0, 16.0), at(4.0, 20.0)).await?;
    let moved = redrawn(browser, "triggered", &before).await?;
    let place =
        (number(browser, "attack-trigger-x").await?, number(browser, "attack-trigger-y").await?);
    let inside = (0.0..=4.0).contains(&place.0) && (16.0..=20.0).contains(&place.1);
    ensure!(inside, "dragged to (4, 20), the patch begins at {place:?}");

    browser.slide("Size", 0.5).await?;
    let large = redrawn(browser, "triggered", &moved).await?;
    browser.slide("Left edge", 0.7).await?;
    let elsewhere = redrawn(browser, "triggered", &large).await?;
    browser.slide("Size", 0.1).await?;
    let small = redrawn(browser, "triggered", &elsewhere).await?;
    browser.slide("Number", 0.2).await?;
    redrawn(browser, "triggered", &small).await?;
    Ok(())
}

async fn start_and_cancel(dashboard: &Dashboard, browser: &Browser) -> Result<()> {
    browser.press("Start").await?;
    let place = until("the study's page", Duration::from_secs(20), async || {
        let place = browser.place().await?;
        Ok((!place.starts_with("/studies/new")).then_some(place))
    })
    .await?;
    let studies: Page<StudySummary> = dashboard.api.get("/api/v1/studies").await?;
    ensure!(studies.total == 1, "{} studies after one start", studies.total);
    let id = studies.items[0].id.to_string();
    ensure!(place.contains(&id), "{place} is not the page of study {id}");
    browser.sees("Quick look").await?;
    until("a run trains", Duration::from_mins(1), async || {
        let runs = study(dashboard, &id).await?.runs;
        Ok(runs.iter().any(|run| run.state == RunState::Running).then_some(()))
    })
    .await?;
    browser.sees("running").await?;
    browser.sees("queued").await?;

    browser.press("Cancel the study").await?;
    // An action that cannot be undone asks for confirmation.
    browser.css(".confirm .button-bad").await?.click().await?;
    let pressed = Instant::now();
    until("every run is cancelled", Duration::from_secs(10), async || {
        let runs = study(dashboard, &id).await?.runs;
        Ok(runs.iter().all(|run| run.state == RunState::Cancelled).then_some(()))
    })
    .await?;
    ensure!(pressed.elapsed() < Duration::from_secs(2), "cancelling took {:?}", pressed.elapsed());
    browser.sees("cancelled").await
}

async fn psnr(browser: &Browser) -> Result<f64> {
    until("a PSNR in dB", Duration::from_secs(5), async || {
        let text = browser.css("#psnr").await?.text().await?;
        Ok(text.strip_suffix(" dB").and_then(|number| number.parse().ok()))
    })
    .await
}
