//! Middleware: each request has an identifier, by which its lines in the log, its line in the record of changes and its answer find each
//! other.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, header::CONTENT_LENGTH},
    middleware::Next,
    response::Response,
};
use shared::api::Problem;

use crate::ids::IdSource;

/// The header of the identifier, in requests and in answers.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest identifier that is taken from a request.
const LONGEST: usize = 64;

/// A request's identifier: that of its header, if a proxy or a script has given it one, otherwise a new one.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    fn of(request: &Request, ids: &IdSource) -> Self {
        let given = request.headers().get(HEADER).filter(|given| is_sane(given.as_bytes()));
        let made = || HeaderValue::try_from(ids.request()).expect("an identifier is plain ASCII");
        Self(given.cloned().unwrap_or_else(made))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Whether a text is short and plain enough to be repeated in logs and headers.
fn is_sane(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=LONGEST).contains(&text.len()) && text.iter().all(is_plain)
}

/// Names a request, for everything within, and its answer.
pub async fn name(ids: IdSource, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(&request, &ids);
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(HEADER, id.0);
    response
}

/// Adds the identifier to the body of an answer that reports an error of the server.
pub async fn name_problem(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>();
    if let (Some(problem), Some(id), true) = (problem, id, status.is_server_error()) {
        let problem = Problem { request: Some(id.as_str().to_owned()), ..problem };
        let body = serde_json::to_vec(&problem).expect("a problem has text keys only");
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from(body);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::is_sane;

    #[test]
    fn only_short_plain_identifiers_are_taken() {
        assert!(is_sane(b"018bcfe5-6800-7000.a_B"));
        assert!(is_sane(&[b'a'; 64]));
        for text in [&b""[..], &[b'a'; 65], b"a b", b"a\"b", b"a\n", "é".as_bytes()] {
            assert!(!is_sane(text), "{text:?}");
        }
    }
}
