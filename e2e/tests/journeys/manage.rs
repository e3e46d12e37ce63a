//! A study as a whole: its answer, its star, name and notes, a copy, the archive, the end. And what is not lost meanwhile: a draft, a
//! painted mask, a question in a list that renews itself.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Browser, Dashboard, Role, travel, travel_past, until};
use shared::api::{Page, StudySummary};

use crate::steps::{done, look, micro, start, study, vary};

#[tokio::test]
async fn a_study_is_named_kept_copied_and_deleted() -> Result<()> {
    // The browser logs that the deleted study is not found.
    travel_past("manage", &["404 (Not Found)", "422 (Unprocessable"], async |dashboard, browser| {
        let mut spec = micro("A first name")?;
        vary(&mut spec, "pretrain.poisons", [0, 4])?;
        vary(&mut spec, "probe.poisons", [4])?;
        let id = start(dashboard, &spec).await?.id.to_string();
        let path = format!("/studies/{id}");
        browser.visit(&path).await?;
        done(dashboard, &id).await?;
        browser.sees("in pre-training").await?;
        browser.sees("Strongest attack").await?;

        browser.press("Star").await?;
        browser
            .holds(
                "the star is on",
                "return document.getElementById('star')?.ariaPressed === 'true'",
            )
            .await?;
        browser.press("Edit").await?;
        look(browser, "study-edit").await?;
        browser.fill_id("study-name", "A second name").await?;
        browser.fill_id("study-tags", "paper, keep").await?;
        browser.fill_id("study-notes", "Odd at LPR 4.").await?;
        browser.press("Save").await?;
        browser.find(Role::Heading, "A second name").await?;
        browser.sees("Odd at LPR 4.").await?;
        let kept = study(dashboard, &id).await?;
        ensure!(kept.starred && kept.spec.tags == ["paper", "keep"], "{kept:?}");

        // The list shows it where it belongs.
        browser.visit("/?show=starred").await?;
        browser.find(Role::Link, "A second name").await?;
        look(browser, "studies-starred").await?;

        // Sorted by a head, and filtered by what its runs found.
        browser.press("Best ASR").await?;
        browser
            .holds(
                "the strongest comes first",
                "return location.search.includes('sort=-asr') && \
                 document.querySelector('[data-sort=asr]')?.closest('th').ariaSort === 'descending'",
            )
            .await?;
        filter(browser, "asr > 100").await?;
        browser.sees("No study matches.").await?;
        filter(browser, "asr >").await?;
        browser.sees("The filter above cannot be read.").await?;
        filter(browser, "asr >= 0 && probe.poisons == 4").await?;
        browser.find(Role::Link, "A second name").await?;
        look(browser, "studies-filtered").await?;
        browser.visit(&path).await?;
        browser.press("Edit").await?;
        browser.press("Archive").await?;
        browser.find(Role::Button, "Take out of the archive").await?;
        browser.visit("/?show=archived").await?;
        browser.find(Role::Link, "A second name").await?;
        ensure!(listed(dashboard).await?.is_empty(), "the archived study is in the list");

        browser.visit(&path).await?;
        browser.click(Role::Link, "Copy as new").await?;
        browser.find(Role::Heading, "New study").await?;
        let named = "return document.getElementById('name')?.value === 'A second name (copy)'";
        browser.holds("the copy has the study's name", named).await?;

        browser.visit(&path).await?;
        browser.press("Edit").await?;
        browser.press("Delete").await?;
        browser.sees("This can be undone for 10 minutes").await?;
        browser.press("Delete the study").await?;
        browser.find(Role::Heading, "Studies").await?;
        browser.sees("“A second name” was deleted").await?;
        look(browser, "study-deleted").await?;
        browser.press("Undo").await?;
        browser.find(Role::Heading, "A second name").await?;
        browser.sees("Strongest attack").await?;
        let back = study(dashboard, &id).await?;
        ensure!(back.runs == kept.runs && back.notes == kept.notes, "{back:?} is not {kept:?}");

        // Deleted for good, on the page that says what is kept.
        browser.press("Edit").await?;
        browser.press("Delete").await?;
        browser.press("Delete the study").await?;
        browser.find(Role::Heading, "Studies").await?;
        browser.visit("/system").await?;
        browser.find(Role::Heading, "Deleted studies").await?;
        look(browser, "system-deleted").await?;
        browser.press("Remove now").await?;
        browser.press("Remove").await?;
        let gone = "return document.getElementById('deleted') === null";
        browser.holds("nothing is kept", gone).await?;
        let runs = dashboard.data().join("runs");
        ensure!(std::fs::read_dir(&runs)?.next().is_none(), "files are left in {runs:?}");
        browser.visit(&path).await?;
        browser.sees("No such study").await
    })
    .await
}

async fn listed(dashboard: &Dashboard) -> Result<Vec<String>> {
    let page: Page<StudySummary> = dashboard.api.get("/api/v1/studies").await?;
    Ok(page.items.into_iter().map(|study| study.name).collect())
}

#[tokio::test]
async fn a_draft_survives_a_reload_and_a_preset() -> Result<()> {
    travel("draft", async |_, browser| {
        browser.visit("/studies/new").await?;
        browser.fill_id("name", "Half done").await?;
        browser.reload().await?;
        browser.sees("This is what you last edited and did not start").await?;
        named(browser, "Half done").await?;
        look(browser, "new-study-draft").await?;
        browser.choose("Preset", "CIFAR-10, quick").await?;
        named(browser, "CIFAR-10, quick").await?;
        browser.press("Take it back").await?;
        named(browser, "Half done").await
    })
    .await
}

async fn named(browser: &Browser, name: &str) -> Result<()> {
    let script = format!("return document.getElementById('name')?.value === '{name}'");
    browser.holds(&format!("the study is called {name:?}"), &script).await
}

#[tokio::test]
async fn a_question_stays_while_the_queue_renews_itself() -> Result<()> {
    travel("queue", async |dashboard, browser| {
        let mut spec = micro("Long")?;
        spec.settings.pretrain.epochs = 400;
        vary(&mut spec, "pretrain.poisons", [4])?;
        vary(&mut spec, "probe.poisons", [4])?;
        let id = start(dashboard, &spec).await?.id.to_string();
        browser.visit("/watch").await?;
        browser.find(Role::Button, "Cancel").await?;
        browser.press("Cancel").await?;
        browser.sees("Cancel this run?").await?;
        // The page asks for the queue every two seconds; the progress shows that it has.
        let before = progress(browser).await?;
        until("the queue is renewed", Duration::from_secs(20), async || {
            Ok((progress(browser).await? != before).then_some(()))
        })
        .await?;
        browser.sees("Cancel this run?").await?;
        browser.press("Cancel the run").await?;
        browser.sees("Nothing is running or queued.").await?;
        ensure!(study(dashboard, &id).await?.runs.iter().all(|run| run.state.is_over()));
        Ok(())
    })
    .await
}

async fn progress(browser: &Browser) -> Result<String> {
    let script = "return document.querySelector('.job-progress .small')?.innerText ?? ''";
    Ok(browser.run(script, Vec::new()).await?.as_str().unwrap_or_default().to_owned())
}

/// Enters an expression into the filter of the list of studies.
async fn filter(browser: &Browser, expression: &str) -> Result<()> {
    let enter = "const field = document.getElementById('filter'); field.value = arguments[0]; \
        field.dispatchEvent(new Event('change', { bubbles: true }))";
    browser.run(enter, vec![serde_json::json!(expression)]).await?;
    Ok(())
}
