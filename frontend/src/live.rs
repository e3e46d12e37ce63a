//! The stream of live events: one connection per tab, closed when the page that follows it is left or hidden.
//!
//! A browser opens at most six connections to a server. Those of background tabs, or of pages that it keeps for *Back*,
//! would leave none for the visible page.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use shared::api::LiveEvent;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent};

use crate::components::{Glyph, Icon};

/// Time before a connection that the browser gave up is opened again, in milliseconds.
const AGAIN: u32 = 3000;

/// The state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Not open yet.
    Connecting,
    /// Events arrive as they happen.
    Live,
    /// Lost; the browser reconnects and requests the events that it missed.
    Reconnecting,
}

impl Link {
    /// The state as a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Reconnecting => "reconnecting",
        }
    }
}

type Listener = Closure<dyn FnMut(MessageEvent)>;

/// A connection with its listeners.
struct Connection {
    source: EventSource,
    /// Kept as long as the connection, because the browser calls them.
    _listeners: [Listener; 3],
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.source.set_onmessage(None);
        self.source.set_onerror(None);
        self.source.set_onopen(None);
        self.source.close();
    }
}

/// Follows the stream at `address` while the caller's page is open and visible. `each` is called with every event, `begun`
/// whenever a connection opens, so that the caller can fetch what it may have missed. After a lost connection, the browser
/// itself requests the events that followed the last one.
pub fn follow(
    address: String,
    begun: impl Fn() + Clone + 'static,
    each: impl Fn(LiveEvent) + Clone + 'static,
) -> Signal<Link> {
    let link = RwSignal::new(Link::Connecting);
    let kept = StoredValue::new_local(None::<Connection>);
    let connect = move || {
        if !document().hidden() {
            connect(&address, link, kept, begun.clone(), each.clone());
        }
    };
    connect();
    let turned = window_event_listener_untyped("visibilitychange", {
        let connect = connect.clone();
        move |_| {
            kept.try_update_value(|kept| *kept = None);
            link.try_set(Link::Connecting);
            connect();
        }
    });
    spawn_local(async move {
        // The browser reconnects after an interruption, but gives up if the answer is not a stream (a proxy's error page).
        loop {
            TimeoutFuture::new(AGAIN).await;
            let given_up = kept.try_with_value(|kept| {
                kept.as_ref().is_none_or(|kept| kept.source.ready_state() == EventSource::CLOSED)
            });
            match given_up {
                None => break,
                Some(true) => connect(),
                Some(false) => {}
            }
        }
    });
    on_cleanup(move || {
        turned.remove();
        kept.try_update_value(|kept| *kept = None);
    });
    link.into()
}

fn connect(
    address: &str,
    link: RwSignal<Link>,
    kept: StoredValue<Option<Connection>, LocalStorage>,
    begun: impl Fn() + 'static,
    each: impl Fn(LiveEvent) + 'static,
) {
    let Ok(source) = EventSource::new(address) else { return };
    let open = Listener::new(move |_| {
        link.try_set(Link::Live);
        begun();
    });
    let message = Listener::new(move |event: MessageEvent| {
        let text = event.data().as_string();
        if let Some(live) = text.and_then(|text| serde_json::from_str(&text).ok()) {
            each(live);
        }
    });
    let error = Listener::new(move |_| {
        link.try_set(Link::Reconnecting);
    });
    source.set_onopen(Some(open.as_ref().unchecked_ref()));
    source.set_onmessage(Some(message.as_ref().unchecked_ref()));
    source.set_onerror(Some(error.as_ref().unchecked_ref()));
    kept.try_update_value(|kept| {
        *kept = Some(Connection { source, _listeners: [open, message, error] });
    });
}

/// The state of the connection, as an icon and a word.
#[component]
pub fn LinkBadge(
    /// The connection.
    link: Signal<Link>,
) -> impl IntoView {
    view! {
        <span class="live" class:live-on=move || link.get() == Link::Live role="status" id="live">
            {move || match link.get() {
                Link::Live => view! { <span class="live-dot" aria-hidden="true"></span> }.into_any(),
                Link::Connecting => view! { <Icon glyph=Glyph::Clock/> }.into_any(),
                Link::Reconnecting => view! { <Icon glyph=Glyph::Retry/> }.into_any(),
            }}
            {move || link.get().word()}
        </span>
    }
}
