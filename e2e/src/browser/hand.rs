//! Mouse and keyboard.

use std::time::Duration;

use anyhow::{Context as _, Result};
use fantoccini::{
    actions::{InputSource as _, MOUSE_BUTTON_LEFT, MouseActions, PointerAction},
    elements::Element,
    key::Key,
};
use serde_json::json;

use super::Browser;
use crate::{find::Role, until};

/// Steps of a drag: sliders and canvases must see intermediate positions, not only the last one.
const STEPS: u32 = 8;

impl Browser {
    /// Presses the button with this name.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn press(&self, name: &str) -> Result<()> {
        self.click(Role::Button, name).await
    }

    /// Clicks on the element with this role and name; waits until it can be clicked.
    ///
    /// # Errors
    /// When there is none in time, or something covers it.
    pub async fn click(&self, role: Role, name: &str) -> Result<()> {
        until(&format!("a click on the {role} {name:?}"), Duration::from_secs(20), async || {
            let Some(element) = self.find_now(role, name).await?.into_iter().next() else {
                return Ok(None);
            };
            if !element.is_enabled().await? {
                return Ok(None);
            }
            self.reveal(&element).await?;
            element.click().await?;
            Ok(Some(()))
        })
        .await
    }

    /// Types text into the field with this name, replacing its content.
    ///
    /// # Errors
    /// When there is no such field.
    pub async fn fill(&self, name: &str, text: &str) -> Result<()> {
        let field = self.find(Role::Text, name).await?;
        self.write(field, text).await.with_context(|| format!("text into {name:?}"))
    }

    /// Like [`fill`](Self::fill), for the field with this identifier. Use it when several fields share a name.
    ///
    /// # Errors
    /// When there is no such field.
    pub async fn fill_id(&self, id: &str, text: &str) -> Result<()> {
        let field = self.css(&format!("#{id}")).await?;
        self.write(field, text).await.with_context(|| format!("text into #{id}"))
    }

    async fn write(&self, field: Element, text: &str) -> Result<()> {
        self.reveal(&field).await?;
        field.click().await?;
        self.run("arguments[0].select()", vec![serde_json::to_value(&field)?]).await?;
        // Typing replaces the selection, but an empty text would leave it in place.
        let keys =
            if text.is_empty() { char::from(Key::Backspace).to_string() } else { text.to_owned() };
        Ok(field.send_keys(&keys).await?)
    }

    /// Chooses an option by its text.
    ///
    /// # Errors
    /// When there is no such list or option.
    pub async fn choose(&self, name: &str, option: &str) -> Result<()> {
        let list = self.find(Role::Choice, name).await?;
        list.select_by_label(option).await.with_context(|| format!("{option:?} of {name:?}"))
    }

    /// Drags a slider's thumb to a share (0 to 1) of its track.
    ///
    /// # Errors
    /// When there is no such slider.
    pub async fn slide(&self, name: &str, share: f64) -> Result<()> {
        let slider = self.find(Role::Slider, name).await?;
        self.reveal(&slider).await?;
        let (width, height) = self.extent(&slider).await?;
        let middle = height / 2.0;
        self.drag(&slider, (width / 2.0, middle), (width * share.clamp(0.01, 0.99), middle)).await
    }

    /// Drags from one point of an element to another. Points are in CSS pixels from its upper left corner.
    ///
    /// # Errors
    /// When the element is gone.
    pub async fn drag(&self, on: &Element, from: (f64, f64), to: (f64, f64)) -> Result<()> {
        self.reveal(on).await?;
        let (left, top) = self.corner(on).await?;
        let mut way = MouseActions::new("mouse".into())
            .then(at(left + from.0, top + from.1))
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT });
        for step in 1..=STEPS {
            let share = f64::from(step) / f64::from(STEPS);
            way = way.then(at(
                left + from.0 + (to.0 - from.0) * share,
                top + from.1 + (to.1 - from.1) * share,
            ));
        }
        let way = way.then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        Ok(self.client.perform_actions(way).await?)
    }

    /// Clicks at a point of an element, in CSS pixels from its upper left corner.
    ///
    /// # Errors
    /// When the element is gone.
    pub async fn click_at(&self, on: &Element, place: (f64, f64)) -> Result<()> {
        self.reveal(on).await?;
        let (left, top) = self.corner(on).await?;
        let way = MouseActions::new("mouse".into())
            .then(at(left + place.0, top + place.1))
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
            .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        Ok(self.client.perform_actions(way).await?)
    }

    /// Moves the mouse over a point of an element.
    ///
    /// # Errors
    /// When the element is gone.
    pub async fn hover(&self, on: &Element, place: (f64, f64)) -> Result<()> {
        self.reveal(on).await?;
        let (left, top) = self.corner(on).await?;
        let way = MouseActions::new("mouse".into())
            .then(at(left + place.0 + 1.0, top + place.1 + 1.0))
            .then(at(left + place.0, top + place.1));
        Ok(self.client.perform_actions(way).await?)
    }

    /// Width and height of an element in CSS pixels.
    ///
    /// # Errors
    /// When the element is gone.
    pub async fn extent(&self, element: &Element) -> Result<(f64, f64)> {
        let (_, _, width, height) = element.rectangle().await?;
        Ok((width, height))
    }

    async fn reveal(&self, element: &Element) -> Result<()> {
        let script = "arguments[0].scrollIntoView({ block: 'center', inline: 'nearest', behavior: 'instant' })";
        self.run(script, vec![serde_json::to_value(element)?]).await?;
        Ok(())
    }

    /// Upper left corner of an element within the window.
    async fn corner(&self, element: &Element) -> Result<(f64, f64)> {
        let script = "const box = arguments[0].getBoundingClientRect(); return [box.left, box.top]";
        let corner = self.run(script, vec![json!(element)]).await?;
        Ok(serde_json::from_value(corner)?)
    }
}

fn at(x: f64, y: f64) -> PointerAction {
    PointerAction::MoveTo { duration: Some(Duration::from_millis(8)), x, y }
}
