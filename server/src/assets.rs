//! Serves the dashboard's files, which the build embeds in the program.

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{
            ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
            VARY,
        },
    },
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// An embedded file.
pub struct Asset {
    /// Path without a leading slash.
    pub path: &'static str,
    /// Content type.
    pub mime: &'static str,
    /// Entity tag, with its quotes.
    pub etag: &'static str,
    /// Whether the path holds a hash of the content, so that the file can be cached forever.
    pub immutable: bool,
    /// The file.
    pub raw: &'static [u8],
    /// The file compressed with brotli, if that is smaller.
    pub br: Option<&'static [u8]>,
}

/// Where the page tells its program the base path.
const BASE: &str = "<meta name=\"base-path\" content=\"\">";

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The dashboard's files, as browsers find them below a base path.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The page with the base path in its links, and its entity tag; the embedded one where there is no base path.
    page: Option<(Bytes, HeaderValue)>,
}

impl Pages {
    /// The files below a base path, which is empty or has no slash at its end.
    pub fn below(base: &str) -> Self {
        let page = find(ASSETS, "index.html").filter(|_| !base.is_empty());
        Self { page: page.map(|page| linked(page.raw, base)) }
    }

    /// Answers a path outside the API: a file, or the page if the path is one of its routes.
    pub fn serve(&self, uri: &Uri, headers: &HeaderMap) -> Response {
        serve_from(ASSETS, self.page.as_ref(), uri.path(), headers)
    }

    /// Hashes (`sha256-…`) of the page's inline scripts and styles, for its content security policy.
    pub fn policy_hashes(&self) -> PolicyHashes {
        let embedded = || find(ASSETS, "index.html").map(|page| page.raw);
        let page = self.page.as_ref().map(|(page, _)| &page[..]).or_else(embedded);
        let page = String::from_utf8_lossy(page.unwrap_or_default());
        let hashes = |element| inline(&page, element).into_iter().map(policy_hash).collect();
        PolicyHashes { scripts: hashes("script"), styles: hashes("style") }
    }
}

/// How a content security policy names what stands inline in a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyHashes {
    /// Its scripts.
    pub scripts: Vec<String>,
    /// Its styles.
    pub styles: Vec<String>,
}

/// The page with its links below a base path, which the program in it learns as well; and its entity tag.
fn linked(page: &[u8], base: &str) -> (Bytes, HeaderValue) {
    let page = String::from_utf8_lossy(page)
        .replace("=\"/", &format!("=\"{base}/"))
        .replace("url(\"/", &format!("url(\"{base}/"))
        .replace(BASE, &BASE.replace("\"\"", &format!("\"{base}\"")));
    let tag = format!("\"{}\"", STANDARD.encode(Sha256::digest(&page)));
    (page.into(), HeaderValue::try_from(tag).expect("base64 is ASCII"))
}

/// How a content security policy names an inline script or style: `sha256-…`.
pub fn policy_hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

fn find<'a>(assets: &'a [Asset], path: &str) -> Option<&'a Asset> {
    assets.iter().find(|asset| asset.path == path)
}

fn serve_from(
    assets: &'static [Asset],
    page: Option<&(Bytes, HeaderValue)>,
    path: &str,
    headers: &HeaderMap,
) -> Response {
    let path = path.trim_start_matches('/');
    // A path without a dot is a route of the dashboard, such as studies/new, which the page resolves.
    let wanted = if path.contains('.') { path } else { "index.html" };
    let Some(asset) = find(assets, wanted) else {
        return (StatusCode::NOT_FOUND, "There is no such file.").into_response();
    };
    let page = page.filter(|_| wanted == "index.html");
    let tag = page.map_or_else(|| HeaderValue::from_static(asset.etag), |(_, tag)| tag.clone());
    let cache = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let unchanged = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag);
    let compressed = asset.br.filter(|_| page.is_none() && takes_brotli(headers));
    let mut response = Response::new(Body::empty());
    let out = response.headers_mut();
    out.insert(ETAG, tag);
    out.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    out.insert(CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    if compressed.is_some() {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    *response.body_mut() = match page {
        Some((page, _)) => Body::from(page.clone()),
        None => Body::from(compressed.unwrap_or(asset.raw)),
    };
    response
}

/// Whether the request accepts brotli: it is named, with a weight other than 0.
fn takes_brotli(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next() == Some("br")
                && parts.all(|part| !matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
}

/// The bodies of the page's elements of that name, except for the empty ones of scripts with a `src`.
fn inline<'a>(html: &'a str, element: &str) -> Vec<&'a str> {
    let (begin, end) = (format!("<{element}"), format!("</{element}>"));
    let mut bodies = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find(&begin) {
        rest = &rest[start..];
        let (Some(open), Some(close)) = (rest.find('>'), rest.find(&end)) else { break };
        if open < close {
            bodies.push(&rest[open + 1..close]);
        }
        rest = &rest[close + end.len()..];
    }
    bodies.retain(|body| !body.is_empty());
    bodies
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: &[Asset] = &[
        Asset {
            path: "index.html",
            mime: "text/html; charset=utf-8",
            etag: "\"page\"",
            immutable: false,
            raw: b"<html>",
            br: None,
        },
        Asset {
            path: "app-1.js",
            mime: "text/javascript",
            etag: "\"one\"",
            immutable: true,
            raw: b"let raw;",
            br: Some(b"packed"),
        },
    ];

    async fn body(response: Response) -> Vec<u8> {
        axum::body::to_bytes(response.into_body(), 1000).await.unwrap().to_vec()
    }

    fn headers(name: axum::http::HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[tokio::test]
    async fn a_place_in_the_dashboard_is_the_page() {
        for path in ["/", "/studies/new", "/compare"] {
            let response = serve_from(TABLE, None, path, &HeaderMap::new());
            assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
            assert_eq!(body(response).await, b"<html>");
        }
        let missing = serve_from(TABLE, None, "/app-0.js", &HeaderMap::new());
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn a_browser_that_takes_brotli_gets_it() {
        for (accepts, packed) in
            [("gzip, br", true), ("br;q=0.8", true), ("gzip, br;q=0", false), ("gzip", false)]
        {
            let response = serve_from(TABLE, None, "/app-1.js", &headers(ACCEPT_ENCODING, accepts));
            assert_eq!(response.headers().get(CONTENT_ENCODING).is_some(), packed, "{accepts}");
            let expected: &[u8] = if packed { b"packed" } else { b"let raw;" };
            assert_eq!(body(response).await, expected);
        }
    }

    #[tokio::test]
    async fn a_file_that_did_not_change_is_not_sent_again() {
        let same =
            serve_from(TABLE, None, "/app-1.js", &headers(IF_NONE_MATCH, "\"x\", W/\"one\""));
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        assert!(body(same).await.is_empty());
        let other = serve_from(TABLE, None, "/app-1.js", &headers(IF_NONE_MATCH, "\"page\""));
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn scripts_with_a_source_have_no_body() {
        let html = r#"<script src="/a.js"></script><p><script type="module">go()</script>"#;
        assert_eq!(inline(html, "script"), ["go()"]);
        assert_eq!(inline("<style>a{}</style><style>b{}</style>", "style"), ["a{}", "b{}"]);
    }

    #[test]
    fn links_and_the_program_learn_the_base_path() {
        let shell = r#"<meta name="base-path" content=""><style>@font-face{src:url("/a.woff2")}</style><script src="/b.js"></script><a href="https://x/">"#;
        let (page, tag) = linked(shell.as_bytes(), "/lab");
        assert_eq!(
            std::str::from_utf8(&page).unwrap(),
            r#"<meta name="base-path" content="/lab"><style>@font-face{src:url("/lab/a.woff2")}</style><script src="/lab/b.js"></script><a href="https://x/">"#
        );
        assert_ne!(tag, linked(shell.as_bytes(), "/other").1);
        let here = Pages::below("").policy_hashes();
        let below = Pages::below("/lab").policy_hashes();
        let is_placeholder = ASSETS.len() == 1;
        assert!(is_placeholder || here.styles != below.styles, "the font has another address");
        assert_eq!((&here.scripts, here.styles.len()), (&below.scripts, below.styles.len()));
        let embedded = find(ASSETS, "index.html").unwrap();
        assert!(is_placeholder || std::str::from_utf8(embedded.raw).unwrap().contains(BASE));
    }
}
