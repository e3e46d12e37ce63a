//! The trigger in the browser gives the same bits as the trigger that poisons the training set: the SHA-256 of every
//! image that the attack editor draws is compared with the one computed natively from the same image and key.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use e2e::{Browser, Dashboard, travel, until};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use shared::{
    Rgb8, Stage, Trigger, TriggerSpec,
    api::Samples,
    image::{difference, gain, largest_difference},
    trigger::{BlendedSpec, CATALOGUE, Fill, PatchedSpec},
};

use crate::steps::{choose_trigger, number, preview_is_drawn};

#[tokio::test]
async fn triggers_give_the_same_bits_natively_and_in_the_browser() -> Result<()> {
    travel("same-bits", async |dashboard, browser| {
        browser.visit("/studies/new").await?;
        preview_is_drawn(browser).await?;
        let images = images_on_the_page(dashboard, browser).await?;
        for key in ["Stripes", "Swirl", "Noise", "Glyph"] {
            browser.css(&format!("input[name=key][value={}]", key.to_lowercase())).await?;
            browser
                .run(
                    "document.querySelector(`input[name=key][value=${arguments[0]}]`).click()",
                    vec![key.to_lowercase().into()],
                )
                .await?;
            for share in [0.05, 0.3, 0.62, 0.98] {
                browser.slide("Blend ratio", share).await?;
                let ratio = number(browser, "attack-trigger-ratio").await? as f32;
                let spec = TriggerSpec::Blended(BlendedSpec::new(ratio, key.to_lowercase()));
                let picture = key_image(dashboard, &key.to_lowercase()).await?;
                same(browser, &images, &spec, Some(&picture)).await?;
            }
        }
        choose_trigger(browser, "patched").await?;
        for (size, count) in [(0.1, 0.02), (0.3, 0.02), (0.1, 0.2)] {
            browser.slide("Size", size).await?;
            browser.slide("Number", count).await?;
            same(browser, &images, &patch_on_the_page(browser).await?, None).await?;
        }
        // The patches that were just moved are kept; every other card starts with the catalogue's parameters.
        for entry in CATALOGUE.iter().filter(|entry| !["blended", "patched"].contains(&entry.id)) {
            choose_trigger(browser, entry.id).await?;
            let spec = entry.spec(32, 8);
            let key = match spec.key() {
                Some(key) => Some(key_image(dashboard, key).await?),
                None => None,
            };
            same(browser, &images, &spec, key.as_ref()).await?;
        }
        Ok(())
    })
    .await
}

/// The images as the API returns them, from the address that the page requested.
async fn images_on_the_page(dashboard: &Dashboard, browser: &Browser) -> Result<Vec<Rgb8>> {
    let requests = browser.requests().await?;
    let asked = requests.iter().rfind(|name| name.contains("/samples?")).context("no samples")?;
    let path = asked.strip_prefix(&dashboard.address("")).context("another server")?;
    let samples: Samples = dashboard.api.get(path).await?;
    let side = samples.side as usize;
    ensure!(samples.items.len() == 16, "{} samples", samples.items.len());
    let image = |rgb: &String| Ok(Rgb8::from_raw(side, side, BASE64_STANDARD.decode(rgb)?)?);
    samples.items.iter().map(|item| image(&item.rgb)).collect()
}

/// A built-in key image in full size, from its file.
async fn key_image(dashboard: &Dashboard, key: &str) -> Result<Rgb8> {
    let path = format!("/api/v1/keys/{key}/image.png");
    let (status, png) = dashboard.api.send(http::Method::GET, &path, None).await?;
    ensure!(status.is_success(), "{path}: {status}");
    let image = image::load_from_memory(&png)?.into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(Rgb8::from_raw(width, height, image.into_raw())?)
}

/// The patch that the fields of the page describe.
async fn patch_on_the_page(browser: &Browser) -> Result<TriggerSpec> {
    let count = number(browser, "attack-trigger-count").await? as u32;
    let size = number(browser, "attack-trigger-size").await? as u32;
    // The distance has a field only if there are several squares.
    let step = if count > 1 { number(browser, "attack-trigger-step").await? as u32 } else { size };
    Ok(TriggerSpec::Patched(PatchedSpec {
        size,
        x: number(browser, "attack-trigger-x").await? as u32,
        y: number(browser, "attack-trigger-y").await? as u32,
        count,
        step,
        fill: Fill::default(),
        ..PatchedSpec::default()
    }))
}

/// Compares all triggered images and differences on the page with those computed here.
async fn same(
    browser: &Browser,
    images: &[Rgb8],
    spec: &TriggerSpec,
    key: Option<&Rgb8>,
) -> Result<()> {
    let trigger = Trigger::prepare(spec, key, 32, Stage::Train)?;
    let triggered: Vec<Rgb8> = images.iter().map(|image| trigger.applied(image)).collect();
    let pairs = || images.iter().zip(&triggered);
    let gain = gain(largest_difference(pairs()));
    let differences: Vec<Rgb8> = pairs().map(|(a, b)| difference(a, b, gain)).collect();
    for (side, expected) in [("triggered", triggered), ("difference", differences)] {
        let expected: Vec<String> = expected.iter().map(hash).collect();
        let mut seen = Vec::new();
        let equal = until("equal hashes", Duration::from_secs(3), async || {
            seen = hashes_on_the_page(browser, side).await?;
            Ok((seen == expected).then_some(()))
        })
        .await;
        let other = seen.iter().zip(&expected).filter(|(a, b)| a != b).count();
        equal.with_context(|| {
            format!("{other} of {} {side} images differ for {spec:?}", seen.len())
        })?;
    }
    Ok(())
}

fn hash(image: &Rgb8) -> String {
    format!("{:x}", Sha256::digest(image.data()))
}

/// SHA-256 of the RGB bytes of every canvas of one column.
async fn hashes_on_the_page(browser: &Browser, side: &str) -> Result<Vec<String>> {
    let script = "
        const [side, done] = arguments;
        const hash = async (canvas) => {
          const rgba = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          const rgb = new Uint8Array(rgba.length / 4 * 3);
          for (let i = 0, j = 0; i < rgba.length; i += 4) { rgb[j++] = rgba[i]; rgb[j++] = rgba[i + 1]; rgb[j++] = rgba[i + 2]; }
          const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', rgb));
          return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
        };
        Promise.all([...document.querySelectorAll(`.mosaic-${side} canvas`)].map(hash)).then(done);";
    let hashes: Value = browser.run_until_done(script, vec![side.into()]).await?;
    Ok(serde_json::from_value(hashes)?)
}
