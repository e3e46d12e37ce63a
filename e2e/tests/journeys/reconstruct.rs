//! Looking inside an encoder: a checkpoint of a finished study, a mask by slider and by hand, tiles for the clean and the
//! triggered image.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use e2e::{Browser, Role, travel, travel_past, until};
use image::{Rgb, RgbImage};
use serde_json::Value;
use shared::{
    TriggerSpec,
    trigger::{Fill, Layout},
};

use crate::steps::{done, look, micro, start, vary};

const TITLES: [&str; 5] = ["Original", "Masked", "Reconstruction", "Raw prediction", "Error"];

#[tokio::test]
async fn masks_by_slider_and_by_hand() -> Result<()> {
    travel("reconstruct", async |dashboard, browser| {
        let mut spec = micro("To look inside")?;
        // A patch, because a trigger that covers the whole image cannot be hidden.
        spec.settings.attack.trigger =
            TriggerSpec::Patched(Layout::Aligned.place(32, 8, 6, Fill::default()));
        vary(&mut spec, "pretrain.poisons", [4])?;
        vary(&mut spec, "probe.poisons", [4])?;
        let id = start(dashboard, &spec).await?.id.to_string();
        done(dashboard, &id).await?;

        browser.visit("/reconstruct").await?;
        browser.find(Role::Heading, "Reconstruct").await?;
        all_tiles_are_drawn(browser).await?;
        browser.sees("12 of 16 patches hidden").await?;

        mask_ratio_and_seed_redraw(browser).await?;
        a_click_shows_a_patch_and_another_hides_it(browser).await?;
        the_trigger_is_hidden_and_shown_alone(browser).await?;
        a_painted_mask_is_in_the_address(browser).await?;
        a_second_checkpoint_answers_below(browser).await?;
        another_image_and_checkpoint(browser).await?;
        look(browser, "reconstruct").await?;
        the_answer_is_quick(browser).await
    })
    .await
}

#[tokio::test]
async fn a_run_in_training_is_followed() -> Result<()> {
    travel("reconstruct-live", async |dashboard, browser| {
        let mut spec = micro("In training")?;
        vary(&mut spec, "pretrain.poisons", [4])?;
        vary(&mut spec, "probe.poisons", [4])?;
        (spec.settings.pretrain.epochs, spec.settings.pretrain.checkpoint_every) = (200, 2);
        start(dashboard, &spec).await?;
        browser.visit("/reconstruct").await?;
        // The page waits for the first checkpoint by itself.
        browser.sees_within("Follow the newest", Duration::from_mins(1)).await?;
        all_tiles_are_drawn(browser).await?;
        let place = browser.place().await?;
        ensure!(place.contains("file=newest"), "{place} does not follow");
        let told = "return document.querySelector('.epoch-slider output')?.innerText ?? ''";
        let mut seen = browser.run(told, Vec::new()).await?;
        for _ in 0..2 {
            seen = until("the slider grows", Duration::from_mins(1), async || {
                let now = browser.run(told, Vec::new()).await?;
                Ok((now != seen && now != "").then_some(now))
            })
            .await?;
        }
        let seen = seen.as_str().unwrap_or_default();
        let (at, last) = seen.split_once(" of ").unwrap_or_default();
        ensure!(at == last, "{seen} is not the newest");
        look(browser, "reconstruct-live").await
    })
    .await
}

#[tokio::test]
async fn own_pictures_are_picked_and_dropped() -> Result<()> {
    travel_past("reconstruct-own", &["status of 422"], async |dashboard, browser| {
        let mut spec = micro("Own pictures")?;
        vary(&mut spec, "pretrain.poisons", [4])?;
        vary(&mut spec, "probe.poisons", [4])?;
        let id = start(dashboard, &spec).await?.id.to_string();
        done(dashboard, &id).await?;
        let place = tempfile::tempdir()?;
        let (letter, sea) = (place.path().join("letter.png"), place.path().join("sea.png"));
        fs::write(&letter, "Dear Sir, this is no picture.")?;
        RgbImage::from_fn(60, 30, |x, y| Rgb([x as u8 * 4, y as u8 * 8, 90])).save(&sea)?;

        browser.visit("/reconstruct").await?;
        all_tiles_are_drawn(browser).await?;
        let of_dataset = settled(browser, &[]).await?;
        browser.press("Own picture").await?;
        browser.sees("Choose a file").await?;
        let pick = async |file: &Path| -> Result<()> {
            let input = browser.css("#own-picture-file:enabled").await?;
            Ok(input.send_keys(&file.to_string_lossy()).await?)
        };
        pick(&letter).await?;
        browser.sees("The file letter.png: the file's content is text").await?;
        pick(&sea).await?;
        browser.sees("Own picture: sea").await?;
        let own = settled(browser, &of_dataset).await?;
        ensure!(own[0] != of_dataset[0], "the original is still that of the data set");
        all_tiles_are_drawn(browser).await?;
        look(browser, "reconstruct-own").await?;

        // A copied address shows the same picture.
        let copied = browser.place().await?;
        ensure!(copied.contains("picture="), "{copied} names no picture");
        browser.visit(&copied).await?;
        browser.sees("Own picture: sea").await?;
        all_tiles_are_drawn(browser).await?;
        ensure!(settled(browser, &[]).await?[0] == own[0], "another picture");

        browser.press("Validation").await?;
        let back = settled(browser, &own).await?;
        ensure!(back[0] == of_dataset[0], "another image of the data set");
        ensure!(!browser.place().await?.contains("picture="), "the address keeps the picture");

        // A file that is dropped on the tiles, as the browser passes it on.
        let drop = "
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [40, 40];
            canvas.getContext('2d').fillRect(8, 8, 16, 24);
            canvas.toBlob((blob) => {
              const carried = new DataTransfer();
              carried.items.add(new File([blob], 'square.png', { type: 'image/png' }));
              const on = document.querySelector('.tiles-row .pane-image');
              for (const name of ['dragover', 'drop']) {
                on.dispatchEvent(new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer: carried }));
              }
            });";
        browser.run(drop, Vec::new()).await?;
        browser.sees("Own picture: square").await?;
        let square = settled(browser, &back).await?;
        ensure!(square[0] != own[0], "the dropped picture is not shown");

        // Without it, the other one is shown.
        browser.press("Remove").await?;
        browser.press("Remove picture").await?;
        browser.sees("Own picture: sea").await?;
        let again = settled(browser, &square).await?;
        ensure!(again[0] == own[0], "another picture");
        Ok(())
    })
    .await
}

/// A copied address shows the same checkpoint under the same painted mask.
async fn a_painted_mask_is_in_the_address(browser: &Browser) -> Result<()> {
    let place = until("the mask is in the address", Duration::from_secs(10), async || {
        let place = browser.place().await?;
        Ok(place.contains("mask=").then_some(place))
    })
    .await?;
    ensure!(place.contains("run=") && place.contains("file="), "{place} names no checkpoint");
    let counted =
        "return document.querySelector('.mask-controls [role=status]').innerText.split(',')[0]";
    let before = browser.run(counted, Vec::new()).await?;
    browser.visit(&place).await?;
    all_tiles_are_drawn(browser).await?;
    browser.sees("painted by hand").await?;
    let after = browser.run(counted, Vec::new()).await?;
    ensure!(before == after, "{before} became {after}");
    Ok(())
}

async fn all_tiles_are_drawn(browser: &Browser) -> Result<()> {
    let script = "
        const canvases = [...document.querySelectorAll('.tiles-row .pane canvas')];
        return canvases.length === 14 && canvases.every((canvas) => canvas.width > 1);";
    browser
        .holds("five tiles for the clean and the triggered image, four for what differs", script)
        .await?;
    let rows = (tiles(browser, "clean").await?, tiles(browser, "triggered").await?);
    ensure!(rows.0[0] != rows.1[0], "the triggered original shows no trigger");
    for (row, tiles) in [("clean", rows.0), ("triggered", rows.1)] {
        ensure!(tiles[0] != tiles[1], "the {row} image is not masked");
        ensure!(tiles[2] != tiles[0], "the {row} image is not reconstructed");
        ensure!(tiles[3] != tiles[2], "the {row} image's raw prediction is the pasted one");
    }
    Ok(())
}

async fn mask_ratio_and_seed_redraw(browser: &Browser) -> Result<()> {
    let before = settled(browser, &[]).await?;
    browser.slide("Mask ratio", 0.5).await?;
    browser.sees("8 of 16 patches hidden").await?;
    let half = settled(browser, &before).await?;
    ensure!(half[0] == before[0], "a mask must not change the original");
    browser.slide("Mask seed", 0.6).await?;
    let other = settled(browser, &half).await?;
    ensure!(other[1] != half[1] && other[2] != half[2], "another seed must hide other patches");
    Ok(())
}

async fn a_click_shows_a_patch_and_another_hides_it(browser: &Browser) -> Result<()> {
    let easel = browser.css(".tiles-row .pane-easel").await?;
    let (width, height) = browser.extent(&easel).await?;
    let middle_of_the_first = (width / 8.0, height / 8.0);
    let counts = [hidden(browser).await?];
    browser.click_at(&easel, middle_of_the_first).await?;
    let once = until("a click changes the mask", Duration::from_secs(5), async || {
        let now = hidden(browser).await?;
        Ok((now != counts[0]).then_some(now))
    })
    .await?;
    ensure!(once.abs_diff(counts[0]) == 1, "one click changed {} to {once}", counts[0]);
    browser.sees("painted by hand").await?;
    browser.click_at(&easel, middle_of_the_first).await?;
    until("a second click changes it back", Duration::from_secs(5), async || {
        Ok((hidden(browser).await? == counts[0]).then_some(()))
    })
    .await?;

    // Painting: every patch along the first row takes the state of the first one.
    browser.drag(&easel, middle_of_the_first, (width * 0.97, height / 8.0)).await?;
    let script =
        "return [...document.querySelectorAll('.tiles-row .pane-easel canvas')].length > 0";
    browser.holds("the easel is still there", script).await
}

async fn the_trigger_is_hidden_and_shown_alone(browser: &Browser) -> Result<()> {
    browser.press("Show only trigger").await?;
    // The trigger's patch is aligned and lies within one ViT patch.
    browser.sees("15 of 16 patches hidden").await?;
    browser.press("New random mask").await?;
    browser.press("Hide trigger").await?;
    browser.sees("painted by hand").await
}

async fn a_second_checkpoint_answers_below(browser: &Browser) -> Result<()> {
    browser.choose("Compare with", "PPR 4, seed 1, epoch 1").await?;
    let drawn = "
        const canvases = [...document.querySelectorAll('.tiles-row .pane canvas')];
        return canvases.length === 29 && canvases.every((canvas) => canvas.width > 1);";
    browser.holds("the second checkpoint's tiles, two of them in the wipe", drawn).await?;
    browser.slide("Wipe, clean image: the first checkpoint left of the line", 0.9).await?;
    let wiped = r"return /(8|9)\d/.test(document.querySelector('.wipe-second').style.clipPath)";
    browser.holds("the line follows the slider", wiped).await?;
    let [first, second] = ["#error-clean", "#error-clean-b"];
    let (first, second) =
        (browser.css(first).await?.text().await?, browser.css(second).await?.text().await?);
    ensure!(first != second, "both checkpoints have the error {first}");
    look(browser, "reconstruct-two").await?;
    browser.choose("Compare with", "nothing").await?;
    browser
        .holds(
            "one checkpoint again",
            "return document.querySelectorAll('.tiles-row .pane canvas').length === 14",
        )
        .await
}

async fn another_image_and_checkpoint(browser: &Browser) -> Result<()> {
    let before = settled(browser, &[]).await?;
    browser.press("Next image").await?;
    let next = settled(browser, &before).await?;
    ensure!(next[0] != before[0], "the next image must be another one");
    browser.choose("Checkpoint", "PPR 4, seed 1, epoch 1").await?;
    let first = settled(browser, &next).await?;
    ensure!(first[0] == next[0] && first[2] != next[2], "an earlier checkpoint predicts otherwise");
    let place = browser.place().await?;
    ensure!(place.contains("file=") && place.contains("index="), "address incomplete: {place}");
    Ok(())
}

async fn the_answer_is_quick(browser: &Browser) -> Result<()> {
    let before = settled(browser, &[]).await?;
    let asked = Instant::now();
    browser.press("Previous image").await?;
    settled(browser, &before).await?;
    ensure!(asked.elapsed() < Duration::from_secs(2), "an answer took {:?}", asked.elapsed());
    Ok(())
}

/// The clean row's tiles, once no answer is pending and they differ from `before`.
async fn settled(browser: &Browser, before: &[String]) -> Result<Vec<String>> {
    until("the tiles are redrawn", Duration::from_secs(15), async || {
        let busy = browser.count("section[aria-label=Reconstructions][aria-busy=true]").await? > 0;
        let now = tiles(browser, "clean").await?;
        Ok((!busy && now != before).then_some(now))
    })
    .await
}

/// The five tiles of a row, each as text.
async fn tiles(browser: &Browser, row: &str) -> Result<Vec<String>> {
    let script = "
        return [...document.querySelectorAll(`section[aria-label='${arguments[0]} image'] .pane canvas`)]
          .map((canvas) => canvas.toDataURL());";
    let tiles: Value = browser.run(script, vec![row.into()]).await?;
    let tiles: Vec<String> = serde_json::from_value(tiles)?;
    ensure!(tiles.len() == TITLES.len(), "{} tiles in the {row} row", tiles.len());
    Ok(tiles)
}

/// Number of hidden patches, as the page shows it.
async fn hidden(browser: &Browser) -> Result<u32> {
    let text = browser.text().await?;
    let before = text.split(" patches hidden").next().unwrap_or_default();
    let count = before.rsplit(char::is_whitespace).nth(2).unwrap_or_default();
    Ok(count.parse()?)
}
