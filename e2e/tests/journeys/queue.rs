//! The queue on the page "Watch": runs that wait are moved by keys and by a drag, held, and paused all at once; a restart keeps it.

use anyhow::{Context as _, Result, ensure};
use e2e::{Browser, Dashboard, travel_past};
use fantoccini::key::Key;
use serde_json::json;
use shared::{RunKind, RunState, api::QueueInfo};

use crate::steps::{done, look, micro, start, study, vary};

#[tokio::test]
async fn what_waits_is_moved_held_and_paused() -> Result<()> {
    // The server is stopped for a moment.
    let lost =
        ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET"];
    travel_past("queue-order", &lost, async |dashboard, browser| {
        let _: QueueInfo = dashboard.api.post("/api/v1/queue/pause", &json!({})).await?;
        let mut spec = micro("Ordered")?;
        vary(&mut spec, "pretrain.poisons", [0, 4])?;
        vary(&mut spec, "probe.poisons", [4])?;
        let made = start(dashboard, &spec).await?;
        let kind = |kind: RunKind| made.runs.iter().filter(move |run| run.point.kind == kind);
        let (clean, attacked) = {
            let mut found = kind(RunKind::Pretrain).map(|run| run.id.to_string());
            (found.next().context("a run")?, found.next().context("a run")?)
        };
        ensure!(kind(RunKind::Probe).count() == 2, "two probes: {:?}", made.runs);

        browser.visit("/watch").await?;
        browser.sees("The queue is paused").await?;
        top(browser, &clean).await?;
        look(browser, "queue-paused").await?;

        // The attacked pre-training to the top by a key; the focus stays with it, and a screen reader announces the place.
        let button = browser.css(&format!("#queue-up-{attacked}")).await?;
        button.send_keys(&char::from(Key::Home).to_string()).await?;
        top(browser, &attacked).await?;
        said(browser, "Place 1 of 4").await?;
        let focused = format!(
            "return document.activeElement?.closest('tr')?.querySelector('a')?.href.endsWith('run={attacked}') === true"
        );
        browser.holds("the focus stays with the run", &focused).await?;
        ensure!(first(dashboard).await? == attacked, "the server has the page's order");
        // Down it takes its probe along, which starts from it.
        browser
            .css(&format!("#queue-first-{attacked}"))
            .await?
            .send_keys(&char::from(Key::End).to_string())
            .await?;
        top(browser, &clean).await?;
        said(browser, "Place 3 of 4").await?;
        // The last cannot go further.
        browser
            .css(&format!("#queue-last-{attacked}"))
            .await?
            .send_keys(&char::from(Key::Down).to_string())
            .await?;
        said(browser, "Stays at place 3 of 4").await?;

        // Somebody else's change is seen without a reload.
        let moved = json!({ "run": attacked, "before": clean });
        let _: QueueInfo = dashboard.api.post("/api/v1/queue/move", &moved).await?;
        top(browser, &attacked).await?;
        drag(browser, &clean, &attacked).await?;
        top(browser, &clean).await?;

        browser.css(&format!("#queue-hold-{clean}")).await?.click().await?;
        browser.sees("Release").await?;
        let kept = queue(dashboard).await?;
        dashboard.kill().await?;
        dashboard.restart().await?;
        ensure!(queue(dashboard).await? == kept && kept.paused, "a restart changes it: {kept:?}");
        browser.visit("/watch").await?;
        browser.press("Resume the queue").await?;
        let id = made.id.to_string();
        // The held one and its probe stay, the others are done.
        browser
            .holds(
                "only the held run and its probe are left",
                "return document.querySelectorAll('.job-progress').length === 2 \
                 && document.querySelectorAll('tr[draggable=true]').length === 2",
            )
            .await?;
        let runs = study(dashboard, &id).await?.runs;
        let waiting = runs.iter().filter(|run| run.state == RunState::Queued).count();
        ensure!(waiting == 2, "{runs:?}");
        browser.press("Release").await?;
        done(dashboard, &id).await?;
        browser.sees("Nothing is running or queued.").await
    })
    .await
}

async fn queue(dashboard: &Dashboard) -> Result<QueueInfo> {
    dashboard.api.get("/api/v1/queue").await
}

async fn first(dashboard: &Dashboard) -> Result<String> {
    Ok(queue(dashboard).await?.waiting.first().context("a run that waits")?.to_string())
}

/// Waits until this run is the first that waits on the page.
async fn top(browser: &Browser, run: &str) -> Result<()> {
    let script = format!(
        "return document.querySelector('tr[draggable=true] a')?.href.endsWith('run={run}') === true"
    );
    browser.holds(&format!("{run} is the first that waits"), &script).await
}

async fn said(browser: &Browser, text: &str) -> Result<()> {
    let script = format!(
        "return (document.getElementById('queue-said')?.innerText ?? '').startsWith('{text}')"
    );
    browser.holds(&format!("a screen reader is told {text:?}"), &script).await
}

/// Drags one row onto another, by the events that a browser sends.
async fn drag(browser: &Browser, from: &str, to: &str) -> Result<()> {
    let script = "
        const row = (run) => document.getElementById(`queue-up-${run}`).closest('tr');
        const [from, to] = [row(arguments[0]), row(arguments[1])];
        const carried = new DataTransfer();
        const send = (on, kind) => on.dispatchEvent(
            new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: carried }));
        send(from, 'dragstart');
        send(to, 'dragover');
        send(to, 'drop');
        send(from, 'dragend');";
    browser.run(script, vec![from.into(), to.into()]).await?;
    Ok(())
}
