//! What stands before every handler: the same-origin check and the security headers.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::error::ApiError;

/// Refuses a request that changes something and comes from a page of another site: the dashboard has no account, so a
/// foreign page in the same browser could otherwise start and delete runs.
pub async fn same_origin(request: Request, next: Next) -> Response {
    if is_safe(request.method()) || is_same_origin(request.headers()) {
        next.run(request).await
    } else {
        ApiError::Forbidden(
            "this request comes from a page of another site; use the dashboard's own address"
                .into(),
        )
        .into_response()
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// True without an `Origin` (no browser sent it) and for one whose host and port are the `Host` that was asked.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    origin
        .as_ref()
        .and_then(Uri::authority)
        .is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(host))
}

/// Adds the headers that tell a browser to be strict. A handler's own `Content-Security-Policy` stays.
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

/// The policy of the dashboard: everything from this server, WebAssembly, and the inline scripts with these hashes
/// (`sha256-…`). Charts set `style` attributes, images come as data and blobs.
pub fn content_security_policy(script_hashes: &[String]) -> HeaderValue {
    let scripts = script_hashes.iter().fold(String::new(), |all, hash| all + " '" + hash + "'");
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{scripts}; style-src 'self'; \
         style-src-attr 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
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
            assert_eq!(is_same_origin(&headers), same, "{origin}");
        }
        assert!(is_same_origin(&headers(&[host])), "no browser sent it");
    }
}
