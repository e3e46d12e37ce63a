//! Own pictures: a file is picked, or dropped anywhere on the workbench, and takes the place of an image of the data set.
//!
//! Address: `?picture=` names the picture.

use leptos::{
    ev,
    html::{Div, Input},
    prelude::*,
    task::spawn_local,
};
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::api::PictureInfo;
use wasm_bindgen::JsCast;
use web_sys::{File, Node};

use crate::{
    api,
    components::{Confirm, Fetched, FieldMessage, Glyph, Icon, fetched, picked, send_file},
};

/// The uploaded pictures, and which one is shown.
#[derive(Clone, Copy)]
pub struct Own {
    /// Whether an own picture is shown, or is to be chosen.
    pub shown: Memo<bool>,
    /// The picture that is shown, by its identifier.
    pub chosen: Memo<Option<String>>,
    set: SignalSetter<Option<String>>,
    /// Whether one is to be chosen.
    asked: RwSignal<bool>,
    /// Whether the newest one is to be shown as soon as it is known.
    newest: RwSignal<bool>,
    all: Fetched<Vec<PictureInfo>>,
    busy: RwSignal<bool>,
    failure: RwSignal<Option<String>>,
}

impl Own {
    /// The picture that the address names.
    pub fn new() -> Self {
        let options =
            NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
        let (named, set) = query_signal_with_options::<String>("picture", options);
        let chosen = Memo::new(move |_| named.get().filter(|id| !id.is_empty()));
        let asked = RwSignal::new(false);
        let shown = Memo::new(move |_| asked.get() || chosen.with(Option::is_some));
        let all: Fetched<Vec<PictureInfo>> =
            fetched(move || shown.get().then(|| "/pictures".to_owned()));
        let newest = RwSignal::new(false);
        Effect::new(move |_| {
            let first = || all.value()?.first().map(|picture| picture.id.clone());
            if newest.get()
                && chosen.with(Option::is_none)
                && let Some(id) = first()
            {
                newest.set(false);
                set.set(Some(id));
            }
        });
        Self {
            shown,
            chosen,
            set,
            asked,
            newest,
            all,
            busy: RwSignal::new(false),
            failure: RwSignal::new(None),
        }
    }

    /// Shows the newest own picture, or offers to choose one.
    pub fn open(self) {
        self.failure.set(None);
        self.asked.set(true);
        self.newest.set(true);
    }

    /// Shows an image of the data set again.
    pub fn close(self) {
        self.failure.set(None);
        self.asked.set(false);
        self.newest.set(false);
        if self.chosen.with_untracked(Option::is_some) {
            self.set.set(None);
        }
    }

    /// `Own picture: holiday`, where one is shown.
    pub fn heading(self) -> Option<String> {
        let id = self.chosen.get()?;
        Some(heading(&self.all.value().unwrap_or_default(), &id))
    }

    /// Uploads a file and shows it.
    fn send(self, file: File) {
        self.failure.set(None);
        self.asked.set(true);
        self.newest.set(false);
        self.busy.set(true);
        spawn_local(async move {
            let sent = send_file::<PictureInfo>("/pictures", &file).await;
            // The page may be gone by now.
            if self.busy.try_set(false).is_some() {
                return;
            }
            match sent {
                Ok(picture) => {
                    let id = picture.id.clone();
                    self.all.set(with(picture, self.all.value_untracked().unwrap_or_default()));
                    self.set.set(Some(id));
                }
                Err(words) => self.failure.set(Some(words)),
            }
            self.all.refetch();
        });
    }

    /// Removes the picture that is shown; the newest of the others takes its place.
    fn remove(self) {
        let Some(id) = self.chosen.get_untracked() else { return };
        self.failure.set(None);
        self.asked.set(true);
        self.busy.set(true);
        spawn_local(async move {
            let removed = api::delete(format!("/pictures/{}", api::escape(&id))).await;
            if self.busy.try_set(false).is_some() {
                return;
            }
            match removed {
                Ok(()) => {
                    let mut rest = self.all.value_untracked().unwrap_or_default();
                    rest.retain(|picture| picture.id != id);
                    self.all.set(rest);
                    self.newest.set(true);
                    self.set.set(None);
                }
                Err(problem) => self.failure.set(Some(problem.detail)),
            }
            self.all.refetch();
        });
    }
}

/// The heading of a picture, with its name where it is known.
fn heading(all: &[PictureInfo], id: &str) -> String {
    let known = all.iter().find(|picture| picture.id == id);
    known.map_or_else(|| "Own picture".into(), |picture| format!("Own picture: {}", picture.name))
}

/// The pictures with another one, first unless it was among them.
fn with(picture: PictureInfo, mut all: Vec<PictureInfo>) -> Vec<PictureInfo> {
    if all.iter().all(|known| known.id != picture.id) {
        all.insert(0, picture);
    }
    all
}

/// The choice of an own picture.
#[component]
pub fn OwnPicture(
    /// The pictures.
    own: Own,
) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    let pick = move |event: ev::Event| {
        if let Some(file) = picked(&event) {
            own.send(file);
        }
        // So that the same file can be picked again after a change.
        if let Some(input) = input.get_untracked() {
            input.set_value("");
        }
    };
    let options = move || {
        let (all, chosen) = (own.all.value().unwrap_or_default(), own.chosen.get());
        let known = all.iter().any(|picture| Some(&picture.id) == chosen.as_ref());
        let none = (!known).then(|| view! { <option value="" selected=true>"–"</option> });
        let options = all.into_iter().map(|picture| {
            let here = chosen.as_ref() == Some(&picture.id);
            let text = format!("{}, {} × {} px", picture.name, picture.width, picture.height);
            view! { <option value=picture.id selected=here>{text}</option> }
        });
        (none, options.collect_view())
    };
    let changed = move |event: ev::Event| {
        let id = event_target_value(&event);
        if !id.is_empty() {
            own.failure.set(None);
            own.set.set(Some(id));
        }
    };
    let some = move || own.all.value().is_some_and(|all| !all.is_empty());
    view! {
        <div class="own-picture">
            <Show when=some>
                <label class="bench-checkpoint">
                    <span>"Picture"</span>
                    <span class="select">
                        <select id="own-picture" on:change=changed>{options}</select>
                    </span>
                </label>
            </Show>
            <label class="button">
                <input
                    type="file"
                    class="visually-hidden"
                    id="own-picture-file"
                    accept="image/png,image/jpeg,image/webp"
                    aria-describedby="own-picture-about own-picture-error"
                    node_ref=input
                    disabled=move || own.busy.get()
                    on:change=pick
                />
                <Icon glyph=Glyph::Upload/>
                {move || if own.busy.get() { "Sending…" } else { "Choose a file" }}
            </label>
            <Show when=move || own.chosen.with(Option::is_some)>
                <Confirm
                    glyph=Glyph::Trash
                    label="Remove"
                    question="Remove this picture from the data folder?"
                    yes="Remove picture"
                    act=Callback::new(move |()| own.remove())
                    busy=own.busy
                />
            </Show>
            <p class="muted small" id="own-picture-about">
                "PNG, JPEG or WebP; a file may also be dropped on the panels. The model sees all of it as a square, like the images of the data set."
            </p>
            <FieldMessage id="own-picture-error".into() message=own.failure/>
        </div>
    }
}

/// Whether something is dragged that is a file.
fn has_file(event: &ev::DragEvent) -> bool {
    event.data_transfer().is_some_and(|carried| carried.types().includes(&"Files".into(), 0))
}

/// A part of the page on which a file may be dropped.
#[component]
pub fn DropPlace(
    /// The pictures, to which the file is added.
    own: Own,
    /// The part.
    children: Children,
) -> impl IntoView {
    let place = NodeRef::<Div>::new();
    let over = RwSignal::new(false);
    let drag = move |event: ev::DragEvent| {
        if has_file(&event) {
            // Otherwise the browser would open the file in place of the page.
            event.prevent_default();
            if !over.get_untracked() {
                over.set(true);
            }
        }
    };
    let leave = move |event: ev::DragEvent| {
        let to = event.related_target().and_then(|to| to.dyn_into::<Node>().ok());
        let inside = place.get_untracked().is_some_and(|place| place.contains(to.as_ref()));
        if !inside {
            over.set(false);
        }
    };
    let drop = move |event: ev::DragEvent| {
        over.set(false);
        if !has_file(&event) {
            return;
        }
        event.prevent_default();
        let file = event.data_transfer().and_then(|carried| carried.files()?.get(0));
        if let Some(file) = file.filter(|_| !own.busy.get_untracked()) {
            own.send(file);
        }
    };
    view! {
        <div
            class="stack drop-place"
            class:drop-over=move || over.get()
            node_ref=place
            on:dragover=drag
            on:dragleave=leave
            on:drop=drop
        >
            {children()}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(id: &str, name: &str) -> PictureInfo {
        PictureInfo { id: id.into(), name: name.into(), width: 4, height: 3, added_at: 1 }
    }

    #[test]
    fn a_picture_is_named_where_its_class_would_be() {
        let all = [picture("a", "sea"), picture("b", "hill")];
        assert_eq!(heading(&all, "b"), "Own picture: hill");
        assert_eq!(heading(&all, "c"), "Own picture", "it was removed");
    }

    #[test]
    fn a_picture_that_is_sent_again_keeps_its_place() {
        let all = with(picture("b", "hill"), vec![picture("a", "sea")]);
        assert_eq!(all, [picture("b", "hill"), picture("a", "sea")]);
        assert_eq!(with(picture("a", "other"), all.clone()), all);
    }
}
