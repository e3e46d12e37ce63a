//! A headless Chromium, driven as a person would use it.

mod evidence;
mod hand;
mod session;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fantoccini::{Client, Locator, elements::Element};
use serde_json::{Value, json};

pub use evidence::ConsoleEntry;
pub use session::{FOREIGN_HOST, Session, missing_driver};

use crate::{
    find::{BY_NAME, Role},
    until,
};

/// How long a page may take to show what a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A screen size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// 1920 x 1080.
    Large,
    /// 1440 x 900.
    Wide,
    /// 820 x 1180, a tablet.
    Medium,
    /// 390 x 844, a phone.
    Narrow,
}

impl Screen {
    /// Width and height in CSS pixels.
    pub fn size(self) -> (u32, u32) {
        match self {
            Self::Large => (1920, 1080),
            Self::Wide => (1440, 900),
            Self::Medium => (820, 1180),
            Self::Narrow => (390, 844),
        }
    }
}

/// One tab of a browser on one server.
pub struct Browser {
    client: Client,
    base: String,
    session: Session,
}

impl Browser {
    /// Opens a browser with its own profile and a wide screen.
    ///
    /// # Errors
    /// When Chromium or its driver does not start.
    pub async fn open(base: impl Into<String>) -> Result<Self> {
        let (client, session) = Session::start().await?;
        let browser = Self { client, base: base.into(), session };
        browser.screen(Screen::Wide).await?;
        Ok(browser)
    }

    /// Ends the browser.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn close(self) -> Result<()> {
        self.client.clone().close().await?;
        Ok(())
    }

    /// Goes to a page of the server.
    ///
    /// # Errors
    /// When the page does not load.
    pub async fn visit(&self, path: &str) -> Result<()> {
        self.client.goto(&format!("{}{path}", self.base)).await?;
        Ok(())
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// When the page does not load.
    pub async fn reload(&self) -> Result<()> {
        Ok(self.client.refresh().await?)
    }

    /// Path and query of the page.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn place(&self) -> Result<String> {
        let address = self.client.current_url().await?;
        Ok(match address.query() {
            Some(query) => format!("{}?{query}", address.path()),
            None => address.path().to_owned(),
        })
    }

    /// Runs a script and returns its result.
    ///
    /// # Errors
    /// When the script throws.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        self.client.execute(script, arguments).await.with_context(|| format!("script {script}"))
    }

    /// Runs a script and returns what it passes to the callback that is its last argument.
    ///
    /// # Errors
    /// When the script throws or never calls it.
    pub async fn run_until_done(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        let answer = self.client.execute_async(script, arguments).await;
        answer.with_context(|| format!("script {script}"))
    }

    /// Waits for an element with this role and name. If there are several, returns the first.
    ///
    /// # Errors
    /// When none appears in time.
    pub async fn find(&self, role: Role, name: &str) -> Result<Element> {
        until(&format!("{role} {name:?}"), PATIENCE, async || {
            Ok(self.find_now(role, name).await?.into_iter().next())
        })
        .await
    }

    /// The elements with this role and name that exist now.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn find_now(&self, role: Role, name: &str) -> Result<Vec<Element>> {
        let found = self.run(BY_NAME, vec![json!(role.selector()), json!(name)]).await?;
        let Value::Array(found) = found else { bail!("expected a list of elements, not {found}") };
        found.iter().map(|reference| self.element(reference)).collect()
    }

    fn element(&self, reference: &Value) -> Result<Element> {
        let id = reference
            .as_object()
            .and_then(|object| object.values().next())
            .and_then(Value::as_str)
            .with_context(|| format!("expected an element, not {reference}"))?;
        Ok(Element::from_element_id(self.client.clone(), id.to_owned().into()))
    }

    /// Waits for the first element that matches a CSS selector.
    ///
    /// # Errors
    /// When none appears in time.
    pub async fn css(&self, selector: &str) -> Result<Element> {
        until(selector, PATIENCE, async || {
            Ok(self.client.find_all(Locator::Css(selector)).await?.into_iter().next())
        })
        .await
    }

    /// Number of elements that match a CSS selector now.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn count(&self, selector: &str) -> Result<usize> {
        Ok(self.client.find_all(Locator::Css(selector)).await?.len())
    }

    /// All text that the page shows.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn text(&self) -> Result<String> {
        let text = self.run("return document.body.innerText", vec![]).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the page shows `text`.
    ///
    /// # Errors
    /// When the text does not appear in time.
    pub async fn sees(&self, text: &str) -> Result<()> {
        self.sees_within(text, PATIENCE).await
    }

    /// Waits up to `limit` until the page shows `text`. Case is ignored, because style sheets may change it.
    ///
    /// # Errors
    /// When the text does not appear in time.
    pub async fn sees_within(&self, text: &str, limit: Duration) -> Result<()> {
        let wanted = text.to_lowercase();
        let seen = until(&format!("the page shows {text:?}"), limit, async || {
            Ok(self.text().await?.to_lowercase().contains(&wanted).then_some(()))
        })
        .await;
        if let Err(error) = seen {
            bail!("{error:#}; it shows:\n{}", self.text().await.unwrap_or_default());
        }
        Ok(())
    }

    /// Waits until a script returns true.
    ///
    /// # Errors
    /// When it does not do so in time.
    pub async fn holds(&self, what: &str, script: &str) -> Result<()> {
        until(what, PATIENCE, async || {
            Ok((self.run(script, vec![]).await? == Value::Bool(true)).then_some(()))
        })
        .await
    }
}
