//! Maskdoor's pages, compiled to WebAssembly and drawn in the browser.
//!
//! | module | holds |
//! |---|---|
//! | `app` | the routes |
//! | `base` | below which path the pages are |
//! | `api` | every request to the server |
//! | `frame` | what surrounds each page: rail, top bar, theme, running jobs |
//! | `pages` | one module per page; pages fetch, components only bind |
//! | `attack` | the attack editor's preview, drawn by `shared::trigger` in the browser |
//! | `components` | fields, icons, badges and other parts that several pages use |
//! | `run_name` | the names of runs and settings |
//! | `chart`, `curves`, `live` | figures with hover, the curves of runs, and the stream of events |
//! | `kept` | what the browser keeps |

mod api;
mod app;
mod attack;
mod base;
mod chart;
mod components;
mod curves;
#[cfg(test)]
mod fixture;
mod frame;
mod kept;
mod live;
mod pages;
mod run_name;

fn main() {
    console_error_panic_hook::set_once();
    // The frame that the page showed until now.
    if let Some(boot) = leptos::prelude::document().get_element_by_id("boot") {
        boot.remove();
    }
    leptos::mount::mount_to_body(app::App);
}
