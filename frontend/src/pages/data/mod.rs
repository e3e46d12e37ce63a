//! The page "Data": the data sets, their images by class, and a form to add a folder.
//!
//! Address: `?name=` shows a data set's images.

mod add;
mod detail;
mod list;

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::api::{AddDataset, DatasetInfo, Problem};

use self::{add::AddForm, detail::Detail, list::DatasetTable};
use crate::{
    api,
    components::{Fetched, Glyph, Icon, ProblemBox, fetched},
    frame::{Crumb, set_place},
};

/// The data set to show: the named one, or the first.
fn shown(all: &[DatasetInfo], name: Option<&str>) -> Option<DatasetInfo> {
    let named = all.iter().find(|set| Some(set.name.as_str()) == name);
    named.or_else(|| all.first().filter(|_| name.is_none())).cloned()
}

/// The page.
#[component]
pub fn DataPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Data")]);
    let options = NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
    let (name, set_name) = query_signal_with_options::<String>("name", options);
    let datasets: Fetched<Vec<DatasetInfo>> = fetched(|| Some("/datasets".into()));
    let all = Memo::new(move |_| datasets.value().unwrap_or_default());
    let detail = Memo::new(move |_| all.with(|all| shown(all, name.get().as_deref())));
    let removed = RwSignal::new(None::<DatasetInfo>);
    // The data set that was put back with another content.
    let other_content = RwSignal::new(None::<String>);
    let problem = RwSignal::new(None::<Problem>);

    let added = Callback::new(move |set: DatasetInfo| {
        removed.set(None);
        set_name.set(Some(set.name.clone()));
        datasets.refetch();
    });
    let remove = Callback::new(move |set: DatasetInfo| {
        problem.set(None);
        other_content.set(None);
        spawn_local(async move {
            match api::delete(format!("/datasets/{}", api::escape(&set.name))).await {
                Ok(()) => {
                    set_name.set(None);
                    removed.try_set(Some(set));
                    datasets.refetch();
                }
                Err(refused) => drop(problem.try_set(Some(refused))),
            }
        });
    });
    let restore = move |set: DatasetInfo| {
        let body = AddDataset {
            name: set.name,
            path: set.path.unwrap_or_default(),
            transparency: set.transparency,
            hold_out: set.hold_out,
        };
        let before = set.fingerprint;
        spawn_local(async move {
            match api::post::<DatasetInfo>("/datasets", &body).await {
                Ok(set) => {
                    other_content.try_set((set.fingerprint != before).then(|| set.name.clone()));
                    added.try_run(set);
                }
                Err(refused) => drop(problem.try_set(Some(refused))),
            }
        });
    };
    let undo = move || {
        removed.get().map(|set| {
            let name = set.name.clone();
            view! {
                <p class="notice" role="status">
                    <Icon glyph=Glyph::Info/>
                    <span>{format!("The entry {name:?} was removed; its files are unchanged.")}</span>
                    // A version cannot be added by its name: only the folder's present state gets a new one.
                    {(!set.name.contains('@'))
                        .then(|| {
                            view! { <button type="button" class="button" on:click=move |_| restore(set.clone())>"Undo"</button> }
                        })}
                </p>
            }
        })
    };
    let put_back = move || {
        other_content.get().map(|name| {
            let text = format!("{name:?} is back with the present content of its folder, which has changed since it was first added.");
            view! {
                <p class="notice" role="status">
                    <Icon glyph=Glyph::Info/>
                    <span>{text}</span>
                </p>
            }
        })
    };
    let body = move || match datasets.get() {
        None => view! { <p class="loading" role="status">"Loading the data sets…"</p> }.into_any(),
        Some(Err(problem)) => {
            let retry = Callback::new(move |()| datasets.refetch());
            view! { <ProblemBox problem retry/> }.into_any()
        }
        Some(Ok(_)) => view! {
            <DatasetTable datasets=all shown=detail remove/>
        }
        .into_any(),
    };
    view! {
        <header class="page-head">
            <div>
                <h1>"Data"</h1>
                <p>"The built-in images, and folders of images or records on the server's machine."</p>
            </div>
        </header>
        {undo}
        {put_back}
        {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
        {body}
        {move || detail.get().map(|set| view! { <Detail set updated=added/> })}
        <AddForm added/>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_data_set_is_shown_unless_one_is_named() {
        let set = |name: &str| DatasetInfo { name: name.into(), ..DatasetInfo::default() };
        let all = [set("shapes"), set("cifar10")];
        let name = |wanted| shown(&all, wanted).map(|set| set.name);
        assert_eq!(name(None).as_deref(), Some("shapes"));
        assert_eq!(name(Some("cifar10")).as_deref(), Some("cifar10"));
        assert_eq!(name(Some("gone")), None);
    }
}
