//! What a page leaves behind: screenshots, console entries, requests, downloads.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::{Browser, PATIENCE, Screen};
use crate::until;

/// An entry in the browser's console.
#[derive(Clone, Debug, Deserialize)]
pub struct ConsoleEntry {
    /// `SEVERE`, `WARNING`, `INFO` or `DEBUG`.
    pub level: String,
    /// Its text.
    pub message: String,
}

/// A driver command that the `WebDriver` standard does not define.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// The console's entries since the last call.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn console(&self) -> Result<Vec<ConsoleEntry>> {
        let command = Vendor { path: "se/log", body: json!({ "type": "browser" }) };
        Ok(serde_json::from_value(self.client.issue_cmd(command).await?)?)
    }

    /// Sends a command of the `DevTools` protocol.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        let body = json!({ "cmd": command, "params": parameters });
        self.client
            .issue_cmd(Vendor { path: "goog/cdp/execute", body })
            .await
            .with_context(|| command.to_owned())
    }

    /// Changes the screen size.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub async fn screen(&self, screen: Screen) -> Result<()> {
        let (width, height) = screen.size();
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        Ok(())
    }

    /// Sets whether the system prefers dark pages.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub async fn prefers_dark(&self, dark: bool) -> Result<()> {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        Ok(())
    }

    /// Cuts or restores the network connection.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub async fn offline(&self, offline: bool) -> Result<()> {
        self.devtools("Network.enable", json!({})).await?;
        let conditions = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        });
        self.devtools("Network.emulateNetworkConditions", conditions).await?;
        Ok(())
    }

    /// Saves the whole page as a PNG.
    ///
    /// # Errors
    /// When the screenshot cannot be taken or written.
    pub async fn shoot(&self, path: &Path) -> Result<()> {
        let shot = self
            .devtools(
                "Page.captureScreenshot",
                json!({ "format": "png", "captureBeyondViewport": true }),
            )
            .await?;
        let png = BASE64_STANDARD.decode(shot["data"].as_str().unwrap_or_default())?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, png).with_context(|| path.display().to_string())
    }

    /// The addresses that the page has requested so far.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn requests(&self) -> Result<Vec<String>> {
        let names = self
            .run(
                "return performance.getEntriesByType('resource').map((entry) => entry.name)",
                vec![],
            )
            .await?;
        Ok(serde_json::from_value(names)?)
    }

    /// Waits for a finished download whose name ends with `ending`, reads it and deletes the file.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn downloaded(&self, ending: &str) -> Result<Vec<u8>> {
        let folder = self.session.downloads();
        let path: PathBuf = until(&format!("a download of {ending}"), PATIENCE, async || {
            let entries = fs::read_dir(&folder)?;
            let mut paths = entries.flatten().map(|entry| entry.path());
            // Chromium reserves the name with an empty file before the download replaces it.
            let is_whole = |path: &PathBuf| fs::metadata(path).is_ok_and(|it| it.len() > 0);
            Ok(paths.find(|path| path.to_string_lossy().ends_with(ending) && is_whole(path)))
        })
        .await?;
        let content = fs::read(&path)?;
        fs::remove_file(&path)?;
        Ok(content)
    }

    /// The elements that make the page wider than the screen; empty if the page fits.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn wider_than_the_screen(&self) -> Result<Vec<String>> {
        let script = "
            const page = document.scrollingElement;
            if (page.scrollWidth <= page.clientWidth) return [];
            return [...document.querySelectorAll('body *')]
              .filter((element) => element.getBoundingClientRect().right > page.clientWidth + 0.5)
              .slice(0, 8)
              .map((element) => `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''}`);";
        Ok(serde_json::from_value(self.run(script, vec![]).await?)?)
    }

    /// Labels of fields whose texts lie over each other, in pairs.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn overlapping_labels(&self) -> Result<Vec<String>> {
        let script = "
            const box = (element) => {
              const range = document.createRange();
              range.selectNodeContents(element);
              const { left, right, top, bottom } = range.getBoundingClientRect();
              const own = element.getBoundingClientRect();
              // What does not fit a box that cuts it off is not seen.
              const cut = getComputedStyle(element).overflowX !== 'visible';
              return { element, left, top, bottom, right: cut ? Math.min(right, own.right) : right };
            };
            const labels = [...document.querySelectorAll('main label, main legend, main .field-label')]
              .filter((element) => element.checkVisibility() && element.offsetWidth > 1)
              .map(box);
            const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
              && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1
              && !a.element.contains(b.element) && !b.element.contains(a.element);
            const told = ({ element }) => element.textContent.trim().slice(0, 40);
            return labels.flatMap((a, at) => labels.slice(at + 1).filter((b) => over(a, b))
              .map((b) => `${told(a)} / ${told(b)}`)).slice(0, 8);";
        Ok(serde_json::from_value(self.run(script, vec![]).await?)?)
    }

    /// Visible controls without an accessible name.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn nameless_controls(&self) -> Result<Vec<String>> {
        let script = "
            return [...document.querySelectorAll('button, a[href], input, select, textarea, [role=button]')]
              .filter((element) => element.getClientRects().length > 0)
              .filter((element) => !(element.getAttribute('aria-label') || element.getAttribute('aria-labelledby')
                || element.labels?.length || element.textContent.trim() || element.title))
              .map((element) => element.outerHTML.slice(0, 120));";
        Ok(serde_json::from_value(self.run(script, vec![]).await?)?)
    }
}
