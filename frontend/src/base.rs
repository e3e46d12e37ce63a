//! Below which path browsers find the pages: a reverse proxy may serve other things beside them.

use std::sync::LazyLock;

use leptos_router::{PartialPathMatch, PathSegment, PossibleRouteMatch};

/// Empty, or such as `/maskdoor`; the server writes it into the page.
static BASE: LazyLock<String> = LazyLock::new(|| {
    if cfg!(not(target_arch = "wasm32")) {
        return String::new();
    }
    let page = leptos::prelude::document();
    let named = page.query_selector("meta[name=base-path]").ok().flatten();
    named.and_then(|meta| meta.get_attribute("content")).unwrap_or_default()
});

/// The address of a path of the server, such as `/studies/new`, for a link or an image.
pub fn to(path: impl AsRef<str>) -> String {
    format!("{}{}", *BASE, path.as_ref())
}

/// A path of the server in an address of the browser.
pub fn without(address: &str) -> &str {
    below(&BASE, address).unwrap_or(address)
}

/// The beginning of each route.
#[derive(Clone, Copy, Debug)]
pub struct Base;

impl PossibleRouteMatch for Base {
    fn optional(&self) -> bool {
        false
    }

    fn test<'a>(&self, path: &'a str) -> Option<PartialPathMatch<'a>> {
        let rest = below(&BASE, path)?;
        Some(PartialPathMatch::new(rest, Vec::new(), &path[..path.len() - rest.len()]))
    }

    fn generate_path(&self, path: &mut Vec<PathSegment>) {
        path.push(PathSegment::Static(BASE.trim_start_matches('/').to_owned().into()));
    }
}

/// What follows a base path in an address: nothing, or a path with a slash at its beginning.
fn below<'a>(base: &str, address: &'a str) -> Option<&'a str> {
    address.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn a_base_path_ends_at_a_slash() {
        assert_eq!(below("/lab", "/lab/studies"), Some("/studies"));
        assert_eq!(below("/lab", "/lab"), Some(""));
        assert_eq!(below("/lab", "/laboratory"), None);
        assert_eq!(below("", "/studies"), Some("/studies"));
    }
}
