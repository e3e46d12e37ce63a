//! Every request to the server. Failures of any kind become a [`Problem`].

use std::sync::LazyLock;

use gloo_net::http::{Request, Response};
use leptos::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use shared::api::Problem;
use web_sys::FormData;

use crate::base::to;

const ROOT: &str = "/api/v1";

/// Whether the last request found no server.
static SERVER_LOST: LazyLock<ArcRwSignal<bool>> = LazyLock::new(|| ArcRwSignal::new(false));

/// Whether the last request found no server; the frame shows it.
pub fn server_lost() -> ArcRwSignal<bool> {
    SERVER_LOST.clone()
}

/// The address of `path` (such as `/studies`) for a link, an image or a stream.
pub fn address(path: impl AsRef<str>) -> String {
    to(format!("{ROOT}{}", path.as_ref()))
}

/// Gets `path`, such as `/studies?limit=20`.
///
/// # Errors
/// The server's problem, or one made here when the server cannot be reached or its answer cannot be read.
pub async fn get<T: DeserializeOwned>(path: impl AsRef<str>) -> Result<T, Problem> {
    let request = Request::get(&address(path)).header("accept", "application/json").build();
    read(answer(send(request).await?).await?).await
}

/// Gets `path` as text.
///
/// # Errors
/// As [`get`].
pub async fn get_text(path: impl AsRef<str>) -> Result<String, Problem> {
    let response = answer(send(Request::get(&address(path)).build()).await?).await?;
    response.text().await.map_err(|error| unreadable(&error))
}

/// Posts `body` as JSON to `path`.
///
/// # Errors
/// As [`get`].
pub async fn post<T: DeserializeOwned>(
    path: impl AsRef<str>,
    body: &impl Serialize,
) -> Result<T, Problem> {
    let request = Request::post(&address(path)).json(body);
    read(answer(send(request).await?).await?).await
}

/// Changes what is at `path` by `body` as JSON.
///
/// # Errors
/// As [`get`].
pub async fn patch<T: DeserializeOwned>(
    path: impl AsRef<str>,
    body: &impl Serialize,
) -> Result<T, Problem> {
    let request = Request::patch(&address(path)).json(body);
    read(answer(send(request).await?).await?).await
}

/// Posts to `path` without a body.
///
/// # Errors
/// As [`get`].
pub async fn post_empty<T: DeserializeOwned>(path: impl AsRef<str>) -> Result<T, Problem> {
    read(answer(send(Request::post(&address(path)).build()).await?).await?).await
}

/// Deletes what is at `path`.
///
/// # Errors
/// As [`get`].
pub async fn delete(path: impl AsRef<str>) -> Result<(), Problem> {
    answer(send(Request::delete(&address(path)).build()).await?).await.map(|_| ())
}

/// Deletes what is at `path`, and reads the answer.
///
/// # Errors
/// As [`get`].
pub async fn delete_for<T: DeserializeOwned>(path: impl AsRef<str>) -> Result<T, Problem> {
    read(answer(send(Request::delete(&address(path)).build()).await?).await?).await
}

/// Posts a form with files to `path`.
///
/// # Errors
/// As [`get`].
pub async fn upload<T: DeserializeOwned>(
    path: impl AsRef<str>,
    form: FormData,
) -> Result<T, Problem> {
    read(answer(send(Request::post(&address(path)).body(form)).await?).await?).await
}

/// A query string from names and values, such as `?search=a%20b&limit=20`; empty values are left out.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&escape(value));
    }
    text
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub fn escape(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

async fn send(request: Result<Request, gloo_net::Error>) -> Result<Response, Problem> {
    let outcome = match request {
        Ok(request) => request.send().await,
        Err(error) => return Err(unreadable(&error)),
    };
    let lost = outcome.is_err();
    if SERVER_LOST.get_untracked() != lost {
        SERVER_LOST.set(lost);
    }
    outcome.map_err(|_| {
        problem(
            0,
            "The server is not responding",
            "Maskdoor's server cannot be reached. Runs that have started continue without it; start the server again with \
             \"maskdoor serve\" and reload the page.",
        )
    })
}

async fn answer(response: Response) -> Result<Response, Problem> {
    if response.ok() {
        return Ok(response);
    }
    // The session has ended: the same page shows the login page now, and leads back.
    if response.status() == 401
        && let Some(window) = web_sys::window()
    {
        let _ = window.location().reload();
    }
    let text = response.text().await.unwrap_or_default();
    Err(problem_from(response.status(), &text))
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Problem> {
    response.json().await.map_err(|error| unreadable(&error))
}

fn unreadable(error: &gloo_net::Error) -> Problem {
    problem(
        0,
        "The answer cannot be read",
        &format!("{error}. Reload the page; the server may be a different version."),
    )
}

/// The problem in an answer's text, or one made from its status.
fn problem_from(status: u16, text: &str) -> Problem {
    serde_json::from_str(text).unwrap_or_else(|_| {
        let detail = text.trim();
        let detail = if detail.is_empty() || detail.starts_with('<') {
            "It gave no reason."
        } else {
            detail
        };
        problem(status, &format!("The server answered with status {status}"), detail)
    })
}

fn problem(status: u16, title: &str, detail: &str) -> Problem {
    Problem {
        kind: "about:blank".into(),
        title: title.into(),
        status,
        detail: detail.into(),
        errors: Vec::new(),
        request: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_escaped_and_leaves_empty_values_out() {
        assert_eq!(
            query(&[("search", "a b&c"), ("offset", ""), ("limit", "20")]),
            "?search=a%20b%26c&limit=20"
        );
        assert_eq!(query(&[("search", "")]), "");
        assert_eq!(escape("é/x"), "%C3%A9%2Fx");
    }

    #[test]
    fn a_problem_is_read_from_its_document() {
        let text = r#"{"type":"about:blank","title":"Wrong","status":422,"detail":"two fields","errors":[{"field":"name","message":"give the study a name"}]}"#;
        let problem = problem_from(422, text);
        assert_eq!((problem.title.as_str(), problem.errors.len()), ("Wrong", 1));
    }

    #[test]
    fn any_other_answer_is_told_by_its_status() {
        let told = problem_from(502, "<html>bad gateway</html>");
        assert_eq!(
            (told.status, told.title.as_str()),
            (502, "The server answered with status 502")
        );
        assert_eq!(told.detail, "It gave no reason.");
        assert_eq!(problem_from(500, "disk full").detail, "disk full");
    }
}
