//! Every page before there is anything to show: it says what to do next, fits a phone and logs no console error.

use anyhow::{Result, ensure};
use e2e::{Browser, Role, travel};

use crate::steps::look;

#[tokio::test]
async fn empty_pages_say_what_to_do_next() -> Result<()> {
    travel("empty-pages", async |_, browser| {
        for (path, heading, next) in [
            ("/", "Studies", "Quick look"),
            ("/compare", "Compare", "study"),
            ("/reconstruct", "Reconstruct", "study"),
            ("/data", "Data", "shapes"),
            ("/checkpoints", "Checkpoints", "study"),
            ("/system", "System", "0.1.0"),
            ("/studies/new", "New study", "Start"),
            ("/watch", "Watch", "Nothing is running or queued."),
            ("/nowhere", "There is no page at this address", "Studies"),
        ] {
            browser.visit(path).await?;
            browser.find(Role::Heading, heading).await?;
            browser.sees(next).await?;
            let name = path.trim_matches('/').replace('/', "-");
            look(browser, &format!("empty-{}", if name.is_empty() { "home" } else { &name }))
                .await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn every_control_has_a_name() -> Result<()> {
    travel("names", async |_, browser| {
        for path in [
            "/",
            "/studies/new",
            "/watch",
            "/compare",
            "/reconstruct",
            "/data",
            "/checkpoints",
            "/system",
        ] {
            browser.visit(path).await?;
            browser.find(Role::Heading, "").await?;
            let nameless = browser.nameless_controls().await?;
            ensure!(nameless.is_empty(), "{path}: controls without a name: {nameless:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_rail_leads_everywhere_and_back() -> Result<()> {
    travel("rail", async |_, browser| {
        browser.visit("/").await?;
        for (link, path) in [
            ("Watch", "/watch"),
            ("Compare", "/compare"),
            ("Reconstruct", "/reconstruct"),
            ("Data", "/data"),
            ("Checkpoints", "/checkpoints"),
            ("System", "/system"),
            ("Studies", "/"),
        ] {
            browser.click(Role::Link, link).await?;
            browser.find(Role::Heading, link).await?;
            let place = browser.place().await?;
            ensure!(place.split('?').next() == Some(path), "{link} leads to {place}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_few_letters_lead_to_a_page() -> Result<()> {
    travel("palette", async |_, browser| {
        browser.visit("/").await?;
        browser.find(Role::Heading, "Studies").await?;
        pressed(browser, "window", "k", true).await?;
        let field = "Page, preset or study";
        browser.fill(field, "preset quick look").await?;
        look(browser, "palette").await?;
        pressed(browser, "document.activeElement", "Enter", false).await?;
        browser.find(Role::Heading, "New study").await?;
        let place = browser.place().await?;
        ensure!(place == "/studies/new?preset=quick-look", "it leads to {place}");
        pressed(browser, "window", "/", true).await?;
        browser.find(Role::Heading, "Keys").await?;
        look(browser, "keys").await
    })
    .await
}

async fn pressed(browser: &Browser, on: &str, key: &str, control: bool) -> Result<()> {
    let script = format!(
        "{on}.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', ctrlKey: {control}, bubbles: true }}))"
    );
    browser.run(&script, vec![]).await.map(drop)
}
