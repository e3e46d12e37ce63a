//! Without a token there is the login page; the printed address signs a browser in.

use anyhow::{Result, ensure};
use e2e::travel_past;

use crate::steps::look;

/// The browser logs each refused request to the console.
const REFUSED: [&str; 1] = ["status of 401"];

#[tokio::test]
async fn the_printed_address_signs_in() -> Result<()> {
    travel_past("access", &REFUSED, async |dashboard, browser| {
        let printed = dashboard.restart_guarded().await?;
        browser.visit("/data").await?;
        browser.sees("Token or password").await?;
        look(browser, "login").await?;
        browser.fill_id("token", "a guess").await?;
        browser.press("Sign in").await?;
        browser.sees("This is no token of this server").await?;
        browser.visit(&printed).await?;
        browser.sees("New study").await?;
        ensure!(!browser.place().await?.contains("token"), "the token stays in the address");
        browser.visit("/data").await?;
        browser.sees("Add a folder").await?;

        // Who signs out sees the login page, which leads back.
        look(browser, "signed-in").await?;
        browser.press("Sign out").await?;
        browser.sees("Token or password").await?;
        browser.visit("/data").await?;
        let token = printed.trim_start_matches("/?token=");
        browser.fill_id("token", token).await?;
        browser.press("Sign in").await?;
        browser.sees("Add a folder").await
    })
    .await
}
