//! Defences: what a filter found and missed, what BDMAE made of some images, and the way from a run to a defence of it.

use anyhow::{Context as _, Result, ensure};
use e2e::{Browser, Role, travel};
use shared::{RunKind, api::RunRow};

use crate::steps::{done, look, micro, start, vary};

#[tokio::test]
async fn judged_images_and_strips_are_seen_and_a_run_is_defended() -> Result<()> {
    travel("defence", async |dashboard, browser| {
        let mut spec = micro("Defended")?;
        spec.runs = vec![RunKind::Defence];
        vary(&mut spec, "pretrain.poisons", [4])?;
        vary(&mut spec, "probe.poisons", [4])?;
        spec.vary("defence.method", vec!["spectral".into(), "bdmae".into(), "decree".into()])?;
        spec.settings.defence.poisons = 4;
        (spec.settings.defence.shadow_images, spec.settings.defence.search_epochs) = (40, 20);
        let id = start(dashboard, &spec).await?.id.to_string();
        let study = done(dashboard, &id).await?;
        let of = |method: &str| {
            let is = |run: &&RunRow| {
                run.varied.get("defence.method").is_some_and(|varied| varied.to_string() == method)
            };
            study.runs.iter().find(is).with_context(|| format!("no run of {method}"))
        };
        let (filter, purifier) = (of("spectral")?, of("bdmae")?);

        browser.visit(&format!("/studies/{id}?run={}", filter.id)).await?;
        browser.find(Role::Heading, "Judged images of the selected run").await?;
        // Four copies of each of the nine classes that are not the target.
        let found = filter.progress.judgement.and_then(|judgement| judgement.detection);
        let found = found.context("what it found")?.found;
        browser.sees(&format!("Found poisons: {} of 36", found.hits)).await?;
        browser.sees(&format!("Missed poisons: {} of 36", 36 - found.hits)).await?;
        pictures(browser, "#judged").await?;
        browser.sees("Scores of the judged images").await?;
        browser.sees("poisons without the trigger (36)").await?;
        ensure!(browser.count("#strips").await? == 0, "a sample filter keeps no strips");
        let most = found.hits.max(36 - found.hits);
        // One of the two lists has 18 or more.
        browser.press(&format!("Show more ({} left)", most - 12)).await?;
        let group = "return [...document.querySelectorAll('#judged .judged')]";
        let shown = format!("{group}.some(list => list.children.length === {most})");
        browser.holds("the rest of the images", &shown).await?;
        let focus = "return document.activeElement.matches('#judged .judged-group > button')";
        browser.holds("the focus where it was", focus).await?;
        look(browser, "defence-judged").await?;

        browser.visit(&format!("/studies/{id}?run={}", purifier.id)).await?;
        browser.find(Role::Heading, "What the defence made of some images").await?;
        browser.sees("Triggered images whose class stays").await?;
        browser
            .holds(
                "strips",
                "return document.querySelectorAll('#strips .strips > li').length === 16",
            )
            .await?;
        pictures(browser, "#strips").await?;
        // Image, structure, label and refined score, mask, restored image.
        let first = "document.querySelector('#strips .strips > li').querySelectorAll('figure')";
        browser.holds("its maps", &format!("return {first}.length === 6")).await?;
        look(browser, "defence-strips").await?;
        encoders_and_arrows(browser, &id, of("decree")?).await?;

        let encoder = study.runs.iter().find(|run| run.point.kind == RunKind::Pretrain);
        two_presses(browser, &id, encoder.context("no pre-training")?).await
    })
    .await
}

/// What was said of the encoder, and the arrows from before to after the defences, on the study's page and in *Compare*.
async fn encoders_and_arrows(browser: &Browser, study: &str, detector: &RunRow) -> Result<()> {
    browser.visit(&format!("/studies/{study}?run={}&shows=arrows", detector.id)).await?;
    browser.sees("CA and ASR before and after by").await?;
    browser.sees("An arrow leads from the classifier before the defence").await?;
    browser.sees("The smallest trigger of each encoder").await?;
    let encoder = detector.progress.judgement.and_then(|judgement| judgement.encoder);
    let encoder = encoder.context("what was said of the encoder")?;
    if encoder.pl1.is_some() {
        browser.sees("The search for a trigger").await?;
    }
    look(browser, "defence-encoders").await?;
    let filter = format!("%22{study}%22%20in%20studies");
    browser.visit(&format!("/compare?filter={filter}&figure=before-after")).await?;
    browser.sees("An arrow leads from the classifier before the defence").await?;
    look(browser, "compare-before-after").await?;
    browser.press("Encoders").await?;
    browser.sees("The smallest trigger of each encoder").await?;
    browser.holds("the address", "return location.search.includes('figure=encoders')").await
}

/// From a run to a defence of it.
async fn two_presses(browser: &Browser, study: &str, encoder: &RunRow) -> Result<()> {
    browser.visit(&format!("/studies/{study}?run={}", encoder.id)).await?;
    browser.click(Role::Link, "Defend").await?;
    browser.sees("1 of 2 runs already exist").await?;
    look(browser, "new-study-defence").await?;
    browser.press("Start").await?;
    browser.holds("its page", "return !location.pathname.endsWith('/new')").await?;
    browser.sees("Defence of pre-training, PPR 4, seed 1").await
}

/// The first picture of a part of the page has the pixels that were judged, and so has every other one that was loaded.
async fn pictures(browser: &Browser, part: &str) -> Result<()> {
    let scroll = format!("document.querySelector('{part} img').scrollIntoView()");
    browser.run(&scroll, vec![]).await?;
    let script = format!(
        "const sides = [...document.querySelectorAll('{part} img')].map(image => image.naturalWidth); \
         return sides[0] === 32 && sides.every(side => side === 0 || side === 32)"
    );
    browser.holds("pictures are drawn", &script).await
}
