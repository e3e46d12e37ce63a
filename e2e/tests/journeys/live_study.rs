//! A study in training: its page updates by itself, survives a reload and the loss of its server, and ends with results.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{Browser, Dashboard, Role, travel, travel_past, until};
use shared::{RunKind, RunState, Stamped, api::StudyDetail};

use crate::steps::{done, look, micro, start, study, vary};

/// How long an encoder that is looked into may take on a busy machine.
const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_study_from_the_first_step_to_the_results() -> Result<()> {
    travel("live-study", async |dashboard, browser| {
        let mut spec = micro("A micro study")?;
        // Long enough to be watched.
        spec.settings.pretrain.epochs = 100;
        let begun = start(dashboard, &spec).await?;
        let id = begun.id.to_string();
        browser.visit(&format!("/studies/{id}")).await?;
        browser.find(Role::Heading, "A micro study").await?;
        browser.sees("running").await?;
        browser.sees("queued").await?;
        curve_grows_by_itself(browser).await?;

        browser.reload().await?;
        browser.find(Role::Heading, "A micro study").await?;
        curve_grows_by_itself(browser).await?;
        look(browser, "study-running").await?;

        let ended = done(dashboard, &id).await?;
        browser.sees("6 of 6 runs done").await?;
        results_are_told(browser, &ended).await?;
        log_and_manifest_are_there(browser).await?;
        look(browser, "study-done").await?;
        an_evaluation_is_shown(browser, &ended).await?;
        look(browser, "study-evaluation").await?;
        an_encoder_is_looked_into(browser, &ended).await?;
        look(browser, "study-inside").await
    })
    .await
}

#[tokio::test]
async fn a_study_outlives_its_server_and_the_page_follows_on() -> Result<()> {
    let gone = [
        "ERR_CONNECTION_REFUSED",
        "ERR_CONNECTION_RESET",
        "ERR_INCOMPLETE_CHUNKED_ENCODING",
        "ERR_EMPTY_RESPONSE",
        "ERR_NETWORK_IO_SUSPENDED",
    ];
    travel_past("server-killed", &gone, async |dashboard, browser| {
        let mut spec = micro("Power cut")?;
        vary(&mut spec, "pretrain.poisons", [0])?;
        vary(&mut spec, "probe.poisons", [4])?;
        spec.settings.pretrain.epochs = 200;
        let id = start(dashboard, &spec).await?.id.to_string();
        browser.visit(&format!("/studies/{id}")).await?;
        curve_grows_by_itself(browser).await?;

        dashboard.kill().await?;
        let worker = e2e::dashboard::workers(dashboard.data());
        ensure!(worker.len() == 1, "one worker trains on: {worker:?}");
        browser
            .holds(
                "the page says that it is not live",
                "return document.getElementById('live').innerText !== 'live'",
            )
            .await?;
        dashboard.restart().await?;

        done(dashboard, &id).await?;
        // Without a reload: the stream resumes after the last event's number.
        browser.sees("2 of 2 runs done").await?;
        no_event_is_missing_or_doubled(dashboard, &id).await
    })
    .await
}

/// Waits until the curve of the selected run has more points than before, twice.
async fn curve_grows_by_itself(browser: &Browser) -> Result<()> {
    let mut seen = curve(browser).await.unwrap_or_default();
    for _ in 0..2 {
        seen = until("the curve grows", Duration::from_secs(90), async || {
            let now = curve(browser).await?;
            Ok((!now.is_empty() && now != seen).then_some(now))
        })
        .await?;
    }
    Ok(())
}

async fn curve(browser: &Browser) -> Result<String> {
    let drawing = browser
        .run("return document.querySelector('.curves .chart-box > div')?.innerHTML ?? ''", vec![])
        .await?;
    let drawing = drawing.as_str().context("a drawing")?.to_owned();
    Ok(if drawing.contains("<path") || drawing.contains("<polyline") {
        drawing
    } else {
        String::new()
    })
}

async fn results_are_told(browser: &Browser, study: &StudyDetail) -> Result<()> {
    let probes = study.runs.iter().filter(|run| run.point.kind == RunKind::Probe);
    for run in probes {
        let metrics =
            run.metrics.with_context(|| format!("{} has no result", run.point.label()))?;
        ensure!(metrics.ca.total == 200, "{} clean images", metrics.ca.total);
        ensure!(
            metrics.asr.total == 180,
            "{} triggered images of other classes",
            metrics.asr.total
        );
    }
    browser
        .holds(
            "four rows of results",
            "return document.querySelectorAll('.results tbody tr').length === 4",
        )
        .await?;
    browser
        .holds(
            "each with CA, top-5, ASR, RA and their intervals",
            "return document.querySelectorAll('.results .interval').length === 16",
        )
        .await?;
    browser.sees("200 clean and 180 triggered images").await?;
    browser.find(Role::Heading, "What the study found").await?;
    browser.sees("Strongest attack").await
}

/// A probe's confusion matrices, which show their counts, and the attack success of each class but the target.
async fn an_evaluation_is_shown(browser: &Browser, study: &StudyDetail) -> Result<()> {
    let last = study.runs.last().context("a run")?;
    browser.visit(&format!("/studies/{}?run={}", study.id, last.id)).await?;
    browser.find(Role::Heading, "Attack success by class").await?;
    browser.sees("poisoned images tie the trigger to the target").await?;
    browser.sees("Pre-training sees").await?;
    browser
        .holds(
            "two matrices and nine rates",
            "return document.querySelectorAll('.heat-map').length === 2 \
             && document.querySelectorAll('.class-rates li').length === 9",
        )
        .await?;
    let map = browser.css(".heat-of-clean .heat-box").await?;
    let (width, height) = browser.extent(&map).await?;
    browser.hover(&map, (width * 0.5, height * 0.5)).await?;
    browser.sees("predicted: 4").await?;
    browser.sees("of 20 images").await?;
    browser.find(Role::Heading, "Images that fall for the attack").await?;
    browser
        .holds(
            "images that fall or resist are drawn, clean and triggered, with their confidence",
            "const tiles = [...document.querySelectorAll('.fallen li')];
             return tiles.length >= 12 && tiles.every((tile) => tile.innerText.includes(' %')
             && [...tile.querySelectorAll('canvas')].every((canvas) => canvas.width === 32));",
        )
        .await
}

/// The encoder of a pre-training: the map of its features with the image that is pointed at, and its attention.
async fn an_encoder_is_looked_into(browser: &Browser, study: &StudyDetail) -> Result<()> {
    let attacked = study.runs.iter().find(|run| run.point.ppr > 0).context("a pre-training")?;
    ensure!(attacked.point.kind == RunKind::Pretrain, "{}", attacked.point.label());
    browser.visit(&format!("/studies/{}?run={}", study.id, attacked.id)).await?;
    browser.press("Show features and attention").await?;
    browser.sees_within("Mean cosine to the mean of the target class", MINUTE).await?;
    browser.sees_within("Attention on the trigger's pixels, mean of", MINUTE).await?;
    browser.sees("of the variance)").await?;
    browser.press("t-SNE").await?;
    browser.sees_within("t-SNE (perplexity 30)", MINUTE).await?;
    let map = browser.css("#inside .chart-box").await?;
    let (width, height) = browser.extent(&map).await?;
    browser.hover(&map, (width * 0.5, height * 0.5)).await?;
    browser
        .holds(
            "the image of the mark is drawn, and both attended images",
            "return document.querySelector('.inside-image canvas').width === 32
             && [...document.querySelectorAll('.inside-tiles canvas')].length === 2
             && [...document.querySelectorAll('.inside-tiles canvas')].every((it) => it.width === 32)",
        )
        .await
}

async fn log_and_manifest_are_there(browser: &Browser) -> Result<()> {
    browser
        .holds(
            "the log has lines",
            "return document.getElementById('log').innerText.trim().length > 0",
        )
        .await?;
    browser.click(Role::Button, "Manifest").await?;
    for part in ["dataset_fingerprint", "key_sha256", "\"seed\"", "0.1.0"] {
        browser.sees(part).await?;
    }
    Ok(())
}

async fn no_event_is_missing_or_doubled(dashboard: &Dashboard, id: &str) -> Result<()> {
    for run in study(dashboard, id).await?.runs {
        ensure!(run.state == RunState::Done, "{} is {}", run.point.label(), run.state);
        let events: Vec<Stamped> =
            dashboard.api.get(&format!("/api/v1/runs/{}/events?limit=5000", run.id)).await?;
        for (place, event) in (1..).zip(&events) {
            ensure!(
                event.seq == place,
                "event {place} of {} has number {}",
                run.point.label(),
                event.seq
            );
        }
        let path = dashboard.data().join(format!("runs/{}/events.jsonl", run.id));
        let written = std::fs::read_to_string(path)?.lines().count();
        ensure!(written == events.len(), "{written} events written, {} kept", events.len());
    }
    Ok(())
}
