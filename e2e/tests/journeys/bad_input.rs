//! Invalid input on the new-study page: the message appears at its field, and nothing is started.

use anyhow::{Result, ensure};
use e2e::{Browser, Role, travel};
use shared::api::{Page, StudySummary};

use crate::steps::{choose_trigger, preview_is_drawn};

#[tokio::test]
async fn wrong_numbers_are_told_at_their_fields() -> Result<()> {
    travel("bad-input", async |dashboard, browser| {
        browser.visit("/studies/new").await?;
        preview_is_drawn(browser).await?;

        browser.fill("Blend ratio", "1.5").await?;
        told(browser, "attack.trigger.ratio", "1.5").await?;
        browser.press("Start").await?;
        awaits_words(browser, "attack.trigger.ratio").await?;
        browser.fill("Blend ratio", "0.3").await?;
        untold(browser, "attack.trigger.ratio").await?;

        choose_trigger(browser, "patched").await?;
        browser.fill("Left edge", "31").await?;
        told(browser, "attack.trigger.x", "outside").await?;
        browser.fill("Left edge", "3").await?;
        untold(browser, "attack.trigger.x").await?;

        // The built-in set has 500 training images per class.
        browser.fill("Linear probe, LPR, another number", "501\n").await?;
        told(browser, "probe.poisons", "500").await?;
        browser.press("Linear probe, LPR: 501").await?;
        untold(browser, "probe.poisons").await?;

        browser.fill("Name", "").await?;
        told(browser, "name", "name").await?;
        browser.press("Start").await?;
        let place = browser.place().await?;
        ensure!(place.starts_with("/studies/new"), "started with a wrong field: {place}");
        let studies: Page<StudySummary> = dashboard.api.get("/api/v1/studies").await?;
        ensure!(studies.total == 0, "{} studies", studies.total);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_mask_ratio_of_one_is_refused_in_the_details() -> Result<()> {
    travel("bad-details", async |_, browser| {
        browser.visit("/studies/new").await?;
        preview_is_drawn(browser).await?;
        browser.click(Role::Button, "Training").await?;
        browser.fill("Mask ratio", "1").await?;
        told(browser, "pretrain.mask_ratio", "below 1").await?;
        browser.fill("Mask ratio", "0.5").await?;
        untold(browser, "pretrain.mask_ratio").await
    })
    .await
}

/// Waits until the field's own message contains `words`.
async fn told(browser: &Browser, field: &str, words: &str) -> Result<()> {
    let id = field.replace('.', "-");
    let script = format!(
        "return document.getElementById('{id}-error')?.innerText.includes('{words}') === true"
    );
    browser.holds(&format!("{field} says {words:?}"), &script).await
}

/// Waits until the cursor is in the field and nothing covers it.
async fn awaits_words(browser: &Browser, field: &str) -> Result<()> {
    let id = field.replace('.', "-");
    let script = format!(
        "const field = document.getElementById('{id}'); const box = field.getBoundingClientRect();
         const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
         return document.activeElement === field && top === field"
    );
    browser.holds(&format!("the cursor is in {field}, in view"), &script).await
}

/// Waits until the field shows no error.
async fn untold(browser: &Browser, field: &str) -> Result<()> {
    let id = field.replace('.', "-");
    let script =
        format!("return (document.getElementById('{id}-error')?.innerText ?? '').trim() === ''");
    browser.holds(&format!("{field} shows no error"), &script).await
}
