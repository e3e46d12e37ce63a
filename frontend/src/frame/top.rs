//! The top bar: the location, the running jobs, the theme, who is signed in.

use leptos::prelude::*;

use super::{account::Account, jobs::JobsIndicator, palette::Palette, place, theme::ThemeButton};

use crate::base::to;

/// The top bar.
#[component]
pub fn Top() -> impl IntoView {
    let crumbs = place::crumbs();
    let trail = move || {
        crumbs
            .get()
            .into_iter()
            .map(|crumb| match crumb.href {
                Some(href) => view! { <li><a href=to(href)>{crumb.label}</a></li> }.into_any(),
                None => {
                    view! { <li><span aria-current="page">{crumb.label}</span></li> }.into_any()
                }
            })
            .collect_view()
    };
    view! {
        <header class="top">
            <nav class="crumbs" aria-label="Breadcrumb"><ol>{trail}</ol></nav>
            <div class="top-right">
                <Palette/>
                <JobsIndicator/>
                <ThemeButton/>
                <Account/>
            </div>
        </header>
    }
}
