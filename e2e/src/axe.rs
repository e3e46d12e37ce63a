//! Every page is held against axe-core, which finds what keeps people with assistive technology out.

use std::{fs, path::PathBuf, sync::LazyLock};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::Browser;

/// `scripts/axe.sh` fetches it.
static SOURCE: LazyLock<Option<String>> = LazyLock::new(|| {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/axe-4.10.3.min.js");
    fs::read_to_string(file).ok()
});

/// Runs the rules and gives each violation as a line of text. A page that fades in or moves would be judged half-way, so transitions
/// are finished first. A bar that stays covers whatever is scrolled beneath it, which is no fault of that: bars are judged in their place
/// in the text.
const JUDGE: &str = "
    const done = arguments[arguments.length - 1];
    for (const one of document.getAnimations()) { try { one.finish(); } catch { one.cancel(); } }
    const bars = [...document.querySelectorAll('.rail, .top')];
    for (const bar of bars) { bar.style.position = 'static'; }
    axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
        .then((found) => done(found.violations.flatMap((rule) => rule.nodes.map((node) =>
            ({ rule: rule.id, target: node.target.join(' '), summary: node.failureSummary })))))
        .catch((error) => done([{ rule: 'axe', target: '', summary: String(error) }]))
        .finally(() => { for (const bar of bars) { bar.style.position = ''; } });
";

#[derive(Deserialize)]
struct Violation {
    rule: String,
    target: String,
    summary: String,
}

/// The violations on the page as it is, as lines of text; none where axe-core is not there.
///
/// # Errors
/// When a script fails.
pub async fn violations(browser: &Browser) -> Result<Vec<String>> {
    let Some(source) = &*SOURCE else {
        eprintln!("axe-core is not there (scripts/axe.sh fetches it): skipped");
        return Ok(Vec::new());
    };
    let there = browser.run("return typeof axe === 'object'", Vec::new()).await?;
    if there != true {
        // A global of the page, which a function's own variable is not.
        browser.run(&format!("{source}; window.axe = axe;"), Vec::new()).await?;
    }
    let found = browser.run_until_done(JUDGE, Vec::new()).await?;
    let found: Vec<Violation> = serde_json::from_value(found).context("axe's answer")?;
    let line =
        |it: Violation| format!("{} at {}: {}", it.rule, it.target, it.summary.replace('\n', " "));
    Ok(found.into_iter().map(line).collect())
}
