//! The navigation rail; on a narrow screen, a bar at the bottom.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::{
    base::{to, without},
    components::{Glyph, Icon},
};

/// The program's mark, within the page: a file of its own would be one more request.
const MARK: &str = include_str!("../../../assets/icons/maskdoor.svg");

/// The pages: address, name, icon.
pub(super) const PLACES: [(&str, &str, Glyph); 7] = [
    ("/", "Studies", Glyph::Studies),
    ("/watch", "Watch", Glyph::Watch),
    ("/compare", "Compare", Glyph::Compare),
    ("/reconstruct", "Reconstruct", Glyph::Reconstruct),
    ("/data", "Data", Glyph::Data),
    ("/checkpoints", "Checkpoints", Glyph::Checkpoints),
    ("/system", "System", Glyph::System),
];

/// The entry of the rail to which an address belongs.
fn section(pathname: &str) -> &'static str {
    let first = pathname.trim_start_matches('/').split('/').next().unwrap_or_default();
    PLACES
        .iter()
        .map(|place| place.0)
        .find(|href| href.trim_start_matches('/') == first)
        .unwrap_or(if first == "studies" { "/" } else { "" })
}

/// The rail.
#[component]
pub fn Rail() -> impl IntoView {
    let pathname = use_location().pathname;
    let here = Memo::new(move |_| section(without(&pathname.read())));
    let links = PLACES.map(|(href, label, glyph)| {
        view! {
            <li>
                <a
                    class="rail-link"
                    href=to(href)
                    aria-current=move || (here.get() == href).then_some("page")
                >
                    <Icon glyph/>
                    <span>{label}</span>
                </a>
            </li>
        }
    });
    view! {
        <nav class="rail" aria-label="Main">
            <a class="rail-mark" href=to("/") aria-label="Maskdoor, home" inner_html=MARK></a>
            <ul>{links.into_iter().collect_view()}</ul>
        </nav>
    }
}

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn every_address_belongs_to_its_place() {
        assert_eq!(section("/"), "/");
        assert_eq!(section("/studies/new"), "/");
        assert_eq!(section("/compare"), "/compare");
        assert_eq!(section("/nowhere"), "");
    }
}
