//! Middleware for every handler: who may ask, and the security headers.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::error::ApiError;
use crate::assets::PolicyHashes;

/// Names under which this server may be addressed, besides `localhost` and IP addresses.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<[String]>);

impl Hosts {
    /// These names; ports and schemes do not count.
    pub fn named(names: impl IntoIterator<Item = String>) -> Self {
        let plain = |name: String| {
            let name = name.to_ascii_lowercase();
            let name = name.rsplit_once("://").map_or(&name[..], |(_, name)| name);
            name.split(['/', ':']).next().unwrap_or_default().to_owned()
        };
        Self(names.into_iter().map(plain).collect())
    }

    /// Whether a `Host` header names this server. An attacker can make any name of their own resolve to this machine (DNS rebinding),
    /// but neither `localhost` nor an address.
    fn include(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = authority.host().to_ascii_lowercase();
        let address =
            name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&name);
        address.parse::<IpAddr>().is_ok_and(|address| !address.is_unspecified())
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.0.contains(&name)
    }
}

/// Refuses what a page of another site may send: a site open in the same browser could otherwise start, delete and read runs, and keep the
/// machine busy, where the server lets everyone in.
///
/// * A request has one `Host`, which names this server.
/// * A request that changes something has no `Origin`, or this server's.
/// * Nothing of the API goes to a page of another site. Browsers say so in `Sec-Fetch-Site`, but not to plain HTTP on a network.
pub async fn only_own_pages(hosts: Hosts, request: Request, next: Next) -> Response {
    match refusal(&hosts, request.method(), request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(error) => error.into_response(),
    }
}

fn refusal(hosts: &Hosts, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<ApiError> {
    let mut named = headers.get_all(header::HOST).iter();
    let host = named.next().and_then(|host| host.to_str().ok());
    if named.next().is_some() {
        return Some(ApiError::BadBody("the request has several Host headers".into()));
    }
    if let Some(host) = host.or_else(|| uri.authority().map(Authority::as_str))
        && !hosts.include(host)
    {
        let name = host.split(':').next().unwrap_or_default();
        return Some(ApiError::Misdirected(format!(
            "this server is not known as {name:?}; use its address, or start it with --host and this name"
        )));
    }
    let foreign = "this request comes from a page of another site; use the dashboard's own address";
    if !is_safe(method) && !is_same_origin(hosts, headers) {
        return Some(ApiError::Forbidden(foreign.into()));
    }
    let from = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_own = matches!(from, None | Some(b"same-origin" | b"none"));
    (uri.path().starts_with("/api") && !is_own).then(|| ApiError::Forbidden(foreign.into()))
}

/// Whether a method only reads.
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// True without an `Origin` (not sent by a browser), or if its host and port equal the `Host` header, or if its host is a name of this
/// server: reverse proxies change the `Host`. Several are never the same.
fn is_same_origin(hosts: &Hosts, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let authority =
        origin.as_ref().filter(|origin| origin.scheme().is_some()).and_then(Uri::authority);
    let is_own = |authority: &Authority| {
        authority.as_str().eq_ignore_ascii_case(host)
            || hosts.0.contains(&authority.host().to_ascii_lowercase())
    };
    origins.next().is_none() && authority.is_some_and(is_own)
}

/// Adds the security headers. A `Content-Security-Policy` set by a handler is kept.
pub async fn security_headers(policy: HeaderValue, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The policy of the dashboard: everything from this server, WebAssembly, and what stands inline in the page, by its hash. Charts
/// set `style` attributes; images are data and blob URLs.
pub fn content_security_policy(PolicyHashes { scripts, styles }: &PolicyHashes) -> HeaderValue {
    let named =
        |hashes: &[String]| hashes.iter().fold(String::new(), |all, hash| all + " '" + hash + "'");
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{scripts}; style-src 'self'{styles}; \
         style-src-attr 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        scripts = named(scripts),
        styles = named(styles),
    );
    HeaderValue::from_str(&policy).expect("the policy is plain ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_this_server_s_names_are_taken() {
        let hosts = Hosts::named(["https://Lab.example:8443/".to_owned()]);
        for (host, known) in [
            ("127.0.0.1:8787", true),
            ("192.168.1.7", true),
            ("[::1]:8787", true),
            ("localhost:8787", true),
            ("maskdoor.localhost", true),
            ("lab.example:443", true),
            ("evil.example", false),
            ("127.0.0.1.evil.example:8787", false),
            ("localhost.evil.example", false),
            ("", false),
            ("a b", false),
            ("0.0.0.0:8787", false),
        ] {
            assert_eq!(hosts.include(host), known, "{host}");
        }
    }

    #[test]
    fn a_foreign_page_gets_and_changes_nothing() {
        let host = (header::HOST, "127.0.0.1:8787");
        let site = HeaderName::from_static("sec-fetch-site");
        let ask = |method: Method, path: &'static str, more: &[(HeaderName, &'static str)]| {
            let mut all = HeaderMap::new();
            for (name, value) in std::iter::once(&host).chain(more) {
                all.append(name.clone(), HeaderValue::from_static(value));
            }
            let refused = refusal(&Hosts::default(), &method, &Uri::from_static(path), &all);
            refused.map(|error| error.into_response().status().as_u16())
        };
        let (samples, page) = ("/api/v1/datasets/shapes/samples", "/studies");
        assert_eq!(ask(Method::GET, samples, &[]), None, "not a browser");
        assert_eq!(ask(Method::GET, samples, &[(site.clone(), "same-origin")]), None);
        assert_eq!(ask(Method::GET, samples, &[(site.clone(), "none")]), None, "typed by a person");
        for foreign in ["cross-site", "same-site"] {
            assert_eq!(
                ask(Method::GET, samples, &[(site.clone(), foreign)]),
                Some(403),
                "{foreign}"
            );
            assert_eq!(
                ask(Method::GET, page, &[(site.clone(), foreign)]),
                None,
                "a link to a page"
            );
        }
        let origin = (header::ORIGIN, "http://127.0.0.1:8787");
        assert_eq!(ask(Method::POST, "/api/v1/studies", std::slice::from_ref(&origin)), None);
        let evil = (header::ORIGIN, "http://evil.example");
        assert_eq!(
            ask(Method::POST, "/api/v1/studies", &[origin.clone(), evil.clone()]),
            Some(403)
        );
        assert_eq!(ask(Method::POST, "/api/v1/studies", &[evil, origin]), Some(403));
        assert_eq!(
            ask(Method::GET, page, &[(header::HOST, "127.0.0.1:8787")]),
            Some(400),
            "two hosts"
        );
    }

    #[test]
    fn an_origin_is_the_same_when_host_and_port_are() {
        let host = (header::HOST, "127.0.0.1:8787");
        for (origin, same) in [
            ("http://127.0.0.1:8787", true),
            ("https://127.0.0.1:8787", true),
            ("http://127.0.0.1:8788", false),
            ("http://127.0.0.1:8787.evil.example", false),
            ("http://evil.example", false),
            ("null", false),
        ] {
            let headers = headers(&[host.clone(), (header::ORIGIN, origin)]);
            assert_eq!(is_same_origin(&Hosts::default(), &headers), same, "{origin}");
        }
        assert!(is_same_origin(&Hosts::default(), &headers(&[host])), "not sent by a browser");
    }
}
