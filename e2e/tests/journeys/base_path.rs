//! Behind a reverse proxy that has other things beside Maskdoor: everything stays below the path that the server was told.

use anyhow::{Result, ensure};
use e2e::{Browser, Role, travel};

use crate::steps::{done, micro, start, vary};

const BASE: &str = "/lab/maskdoor";

#[tokio::test]
async fn everything_stays_below_a_base_path() -> Result<()> {
    travel("base-path", async |dashboard, browser| {
        let mut spec = micro("Behind a proxy")?;
        vary(&mut spec, "pretrain.poisons", [0])?;
        vary(&mut spec, "probe.poisons", [4])?;
        let id = start(dashboard, &spec).await?.id.to_string();
        done(dashboard, &id).await?;
        dashboard.restart_with(&["--base-path", BASE]).await?;

        browser.visit(BASE).await?;
        browser.find(Role::Link, "Behind a proxy").await?;
        stays(browser, "").await?;
        browser.click(Role::Link, "Behind a proxy").await?;
        browser.find(Role::Heading, "Behind a proxy").await?;
        stays(browser, &format!("/studies/{id}")).await?;
        browser.click(Role::Link, "Copy as new").await?;
        browser.find(Role::Heading, "New study").await?;
        stays(browser, "/studies/new").await?;
        for page in ["Watch", "Compare", "Reconstruct", "Data", "Checkpoints", "System"] {
            browser.click(Role::Link, page).await?;
            browser.find(Role::Heading, page).await?;
            stays(browser, &format!("/{}", page.to_lowercase())).await?;
        }
        // A reload asks the server for the same address.
        browser.reload().await?;
        browser.find(Role::Heading, "System").await?;
        browser.click(Role::Link, "Maskdoor, home").await?;
        browser.find(Role::Link, "Behind a proxy").await?;
        stays(browser, "/").await
    })
    .await
}

/// The page has this address below the base path, and so has all that it names.
async fn stays(browser: &Browser, path: &str) -> Result<()> {
    let place = browser.place().await?;
    let place = place.split('?').next().unwrap_or_default();
    ensure!(place == format!("{BASE}{path}"), "the page is at {place}");
    let script = "
        const named = [...document.querySelectorAll('[href], [src], [action]')].flatMap((element) =>
            ['href', 'src', 'action'].map((name) => element.getAttribute(name)).filter(Boolean));
        const asked = performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname);
        return [...named, ...asked].filter((address) =>
            address.startsWith('/') && !address.startsWith(`${arguments[0]}/`) && address !== arguments[0]);";
    let outside = browser.run(script, vec![BASE.into()]).await?;
    ensure!(outside.as_array().is_some_and(Vec::is_empty), "{place} leads outside: {outside}");
    Ok(())
}
