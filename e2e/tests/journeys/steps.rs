//! Steps that several journeys share.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use e2e::{Browser, Dashboard, Screen, axe, journey::shots, until};
use shared::{
    RunKind, StudySpec,
    api::StudyDetail,
    param::Value,
    settings::{ModelSpec, TransformerSpec},
    study::presets,
};

/// Everything drawn in one part of the attack editor, as one string.
pub async fn drawn(browser: &Browser, side: &str) -> Result<String> {
    let script = "
        const canvases = document.querySelectorAll(`.mosaic-${arguments[0]} canvas`);
        return [...canvases].map((canvas) => canvas.toDataURL()).join(' ');";
    let text = browser.run(script, vec![side.into()]).await?;
    Ok(text.as_str().unwrap_or_default().to_owned())
}

/// Waits until the attack editor has drawn all of its images in all three columns.
pub async fn preview_is_drawn(browser: &Browser) -> Result<()> {
    let script = "
        const canvases = [...document.querySelectorAll('.mosaic canvas')];
        return canvases.length === 48 && canvases.every((canvas) => canvas.width > 1);";
    browser.holds("the attack editor shows 16 images in three columns", script).await
}

/// Presses the card of a trigger.
pub async fn choose_trigger(browser: &Browser, id: &str) -> Result<()> {
    browser.css(&format!("input[name=trigger][value={id}]")).await?;
    let press = "document.querySelector(`input[name=trigger][value=${arguments[0]}]`).click()";
    browser.run(press, vec![id.into()]).await?;
    Ok(())
}

/// Sets the quick preset's poison counts to ten per class, so that it needs few images.
pub async fn poison_ten(browser: &Browser) -> Result<()> {
    for count in [
        "Pre-training, PPR: 100",
        "Pre-training, PPR: 10",
        "Linear probe, LPR: 3",
        "Linear probe, LPR: 10",
    ] {
        browser.press(count).await?;
    }
    Ok(())
}

/// Waits until one part of the attack editor shows something other than `before`.
pub async fn redrawn(browser: &Browser, side: &str, before: &str) -> Result<String> {
    until(&format!("{side} is redrawn"), Duration::from_secs(5), async || {
        let now = drawn(browser, side).await?;
        Ok((now != before).then_some(now))
    })
    .await
}

/// The page's requests so far, without what the frame asks for every few seconds.
pub async fn requests(browser: &Browser) -> Result<Vec<String>> {
    let all = browser.requests().await?;
    Ok(all.into_iter().filter(|name| !name.ends_with("/api/v1/overview")).collect())
}

/// The value of the field with this identifier, as a number.
pub async fn number(browser: &Browser, id: &str) -> Result<f64> {
    let value =
        browser.run("return document.getElementById(arguments[0])?.value", vec![id.into()]).await?;
    let text = value.as_str().with_context(|| format!("no field {id}"))?;
    text.parse().with_context(|| format!("{id} holds {text:?}"))
}

/// A study that trains in seconds: 10 classes of 40 drawn images, a transformer of two blocks, two epochs.
pub fn micro(name: &str) -> Result<StudySpec> {
    let mut spec = presets().into_iter().next().context("a preset")?.spec;
    spec.name = name.into();
    spec.runs = vec![RunKind::Probe];
    vary(&mut spec, "pretrain.poisons", [0, 4])?;
    vary(&mut spec, "probe.poisons", [0, 4])?;
    let settings = &mut spec.settings;
    settings.dataset.train_per_class = Some(40);
    settings.dataset.test_per_class = Some(20);
    settings.model = ModelSpec {
        image_size: 32,
        patch_size: 8,
        encoder: TransformerSpec { dim: 32, depth: 1, heads: 2 },
        decoder: TransformerSpec { dim: 32, depth: 1, heads: 2 },
    };
    settings.pretrain.epochs = 3;
    settings.pretrain.warmup_epochs = 1;
    settings.pretrain.batch_size = 64;
    settings.pretrain.checkpoint_every = 1;
    settings.probe.epochs = 6;
    settings.probe.warmup_epochs = 1;
    settings.probe.batch_size = 64;
    settings.probe.evaluate_every = 2;
    let errors = spec.validate();
    ensure!(errors.is_empty(), "the micro study is invalid: {errors:?}");
    Ok(spec)
}

/// Varies a setting over some numbers, or sets it to one.
pub fn vary<const N: usize>(spec: &mut StudySpec, path: &str, values: [u32; N]) -> Result<()> {
    Ok(spec.vary(path, values.map(Value::from).into())?)
}

/// Starts a study through the API.
pub async fn start(dashboard: &Dashboard, spec: &StudySpec) -> Result<StudyDetail> {
    dashboard.api.post("/api/v1/studies", spec).await
}

/// The study as the API returns it.
pub async fn study(dashboard: &Dashboard, id: &str) -> Result<StudyDetail> {
    dashboard.api.get(&format!("/api/v1/studies/{id}")).await
}

/// Waits until every run of the study is done.
pub async fn done(dashboard: &Dashboard, id: &str) -> Result<StudyDetail> {
    until("every run is done", Duration::from_mins(5), async || {
        let study = study(dashboard, id).await?;
        for run in &study.runs {
            ensure!(run.error.is_none(), "{}: {:?}", run.point.label(), run.error);
        }
        let all = study.runs.iter().all(|run| run.state == shared::RunState::Done);
        Ok(all.then_some(study))
    })
    .await
}

/// Checks the page by axe on a wide and a narrow screen, light and dark, with a screenshot of each; and on four screens that it does not
/// scroll sideways and that no label lies over another one.
pub async fn look(browser: &Browser, name: &str) -> Result<()> {
    for (screen, size) in [(Screen::Wide, "1440"), (Screen::Narrow, "390")] {
        browser.screen(screen).await?;
        for (dark, ground) in [(false, "light"), (true, "dark")] {
            browser.prefers_dark(dark).await?;
            browser.shoot(&shots().join(Path::new(&format!("{name}-{size}-{ground}.png")))).await?;
            let wrong = axe::violations(browser).await?;
            ensure!(wrong.is_empty(), "{name} at {size} px, {ground}: {wrong:#?}");
        }
        laid_out(browser, name, size).await?;
    }
    for (screen, size) in [(Screen::Medium, "820"), (Screen::Large, "1920")] {
        browser.screen(screen).await?;
        laid_out(browser, name, size).await?;
    }
    browser.prefers_dark(false).await?;
    browser.screen(Screen::Wide).await
}

/// Nothing reaches beyond the screen, and no label lies over another one.
async fn laid_out(browser: &Browser, name: &str, size: &str) -> Result<()> {
    let wide = browser.wider_than_the_screen().await?;
    ensure!(wide.is_empty(), "{name} scrolls sideways at {size} px because of {wide:?}");
    let labels = browser.overlapping_labels().await?;
    ensure!(labels.is_empty(), "{name} at {size} px has labels over each other: {labels:?}");
    Ok(())
}
