//! What the selected run recorded: its log, which can be followed, and its manifest.

use gloo_timers::future::TimeoutFuture;
use leptos::{ev, html::Pre, prelude::*, task::spawn_local};
use shared::{RunId, RunState, api::RunRow};
use wasm_bindgen::{JsCast, JsValue};

use crate::{
    api,
    components::{Fetched, Glyph, Icon, fetched},
};

/// Time between two polls of the log of a running run, in milliseconds.
const PERIOD: u32 = 2000;

/// The worker's log, which is followed while the run is in progress.
#[component]
pub fn Log(
    /// The selected run, without its progress.
    run: Memo<Option<RunRow>>,
) -> impl IntoView {
    let text = RwSignal::new(None::<Result<String, String>>);
    let follow = RwSignal::new(true);
    let place = NodeRef::<Pre>::new();
    let wanted = Memo::new(move |_| {
        run.with(|run| run.as_ref().map(|run| (run.id, run.state, run.started_at)))
    });
    let look = move |id: RunId| async move {
        let answer = api::get_text(format!("/runs/{id}/log?tail=400")).await;
        let still = wanted.try_get_untracked().flatten().is_some_and(|(now, ..)| now == id);
        if still {
            text.try_set(Some(answer.map_err(|problem| problem.detail)));
        }
    };
    Effect::new(move |before: Option<Option<RunId>>| {
        let id = wanted.get().map(|(id, ..)| id);
        if before.flatten() != id {
            text.set(None);
        }
        if let Some(id) = id {
            spawn_local(look(id));
        }
        id
    });
    spawn_local(async move {
        loop {
            TimeoutFuture::new(PERIOD).await;
            match wanted.try_get_untracked() {
                None => break,
                Some(Some((id, RunState::Running, _))) if !document().hidden() => look(id).await,
                Some(_) => {}
            }
        }
    });
    Effect::new(move |_| {
        text.track();
        if let (true, Some(element)) = (follow.get(), place.get()) {
            element.set_scroll_top(element.scroll_height());
        }
    });
    let shown = move || match text.get() {
        None => "Loading the log…".to_owned(),
        Some(Ok(text)) if text.trim().is_empty() => "The worker has written nothing.".to_owned(),
        Some(Ok(text) | Err(text)) => text,
    };
    view! {
        <label class="switch">
            <input
                type="checkbox"
                id="log-follow"
                prop:checked=move || follow.get()
                on:change=move |event: ev::Event| follow.set(event_target_checked(&event))
            />
            "Follow the log"
        </label>
        <pre class="log" id="log" tabindex="0" role="log" aria-label="Log of the run" node_ref=place>
            {shown}
        </pre>
    }
}

/// The manifest: all that is needed to repeat the run.
#[component]
pub fn Manifest(
    /// The selected run, once it has stored its manifest.
    run: Memo<Option<RunId>>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let copied = RwSignal::new(false);
    let manifest: Fetched<serde_json::Value> = fetched(move || {
        let run = run.get().filter(|_| open.get())?;
        Some(format!("/runs/{run}/manifest"))
    });
    let text = Memo::new(move |_| match (run.get(), manifest.get()) {
        (None, _) => "The manifest is written when the run starts.".to_owned(),
        (_, None) => "Loading the manifest…".to_owned(),
        (_, Some(Ok(value))) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        (_, Some(Err(problem))) => problem.detail,
    });
    let opened = move |event: ev::Event| {
        let details = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        open.set(details.is_some_and(|details| details.has_attribute("open")));
    };
    let copy = move |_| {
        copied.set(copy_text(&text.get_untracked()));
        spawn_local(async move {
            TimeoutFuture::new(PERIOD).await;
            copied.try_set(false);
        });
    };
    view! {
        <details class="panel" id="manifest" on:toggle=opened>
            <summary class="panel-head">
                <h2>"Manifest"</h2>
                <span class="muted">"specification, seed, plan, hashes, version: all that is needed to repeat this run"</span>
            </summary>
            <div class="panel-body stack">
                <div>
                    <button type="button" class="button" on:click=copy>
                        <Icon glyph=Glyph::Check/>
                        {move || if copied.get() { "Copied" } else { "Copy" }}
                    </button>
                </div>
                <pre class="log" tabindex="0" aria-label="Manifest of the run">{text}</pre>
            </div>
        </details>
    }
}

/// Copies the text to the clipboard; `false` if the browser offers none (at an address that is neither https nor local).
fn copy_text(text: &str) -> bool {
    let member = |of: &JsValue, name: &str| js_sys::Reflect::get(of, &JsValue::from_str(name)).ok();
    let clipboard = member(&window(), "navigator").and_then(|it| member(&it, "clipboard"));
    let Some(clipboard) = clipboard.filter(|clipboard| !clipboard.is_undefined()) else {
        return false;
    };
    let write =
        member(&clipboard, "writeText").and_then(|it| it.dyn_into::<js_sys::Function>().ok());
    let Some(write) = write else { return false };
    let Ok(promise) = write.call1(&clipboard, &JsValue::from_str(text)) else { return false };
    if let Ok(promise) = promise.dyn_into::<js_sys::Promise>() {
        // It is not an error of the page if the browser refuses.
        spawn_local(async move {
            let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
        });
    }
    true
}
