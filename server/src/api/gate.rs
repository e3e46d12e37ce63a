//! Middleware: who sends a request, and whether they may. Without a token there is the login page, and nothing else.

use std::{net::IpAddr, sync::LazyLock};

use axum::{
    Form,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;

use super::{ROOT, error::ApiError, guard::is_safe};
use crate::{
    access::{Access, Peer},
    assets::policy_hash,
    audit::Audit,
    store::StoreError,
    tokens::{Caller, Rights},
};

const LOGIN: &str = "/login";
const LOGOUT: &str = "/logout";
/// Whether the server works; for health checks on the same machine, without a token.
pub const READY: &str = "/ready";
/// The program's numbers.
pub const METRICS: &str = "/metrics";
/// The token in the query of the printed address.
const TOKEN: &str = "token";
/// The login page; a message goes in the place of `MESSAGE`, the path to go on to in that of `NEXT`.
const PAGE: &str = include_str!("login.html");

/// Who is let in, and where it is recorded what they change.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Who is let in.
    pub access: Access,
    /// The record.
    pub audit: Audit,
}

/// Lets a request through if its sender may do what it asks for, and records what changes something.
pub async fn pass(gate: Gate, request: Request, next: Next) -> Response {
    let (method, uri, peer) = (request.method().clone(), request.uri().clone(), peer(&request));
    match uri.path() {
        LOGIN if method == Method::POST => return sign_in(&gate, peer, request).await,
        LOGIN => return login_page(StatusCode::OK, "", "/"),
        LOGOUT if method == Method::POST => return sign_out(&gate, request.headers()).await,
        READY if peer.is_some_and(|peer| peer.is_loopback()) => return next.run(request).await,
        _ => {}
    }
    let caller = match known(&gate.access, request.headers()).await {
        Ok(Some(caller)) => caller,
        Ok(None) => {
            let headers = request.headers().clone();
            drop(request);
            return unknown(&gate, peer, &method, &uri, &headers).await;
        }
        Err(error) => return ApiError::from(error).into_response(),
    };
    // A browser that is signed in already opened the printed address: its token is not to stay in the address.
    if is_page(&method, &uri) && query(&uri, TOKEN).is_some() {
        return go_to(uri.path(), None);
    }
    let needed = needed(&method, uri.path());
    let response = if caller.rights < needed {
        let (name, has) = (&caller.name, caller.rights);
        ApiError::Forbidden(format!("this takes the right {needed}; {name} has the right {has}"))
            .into_response()
    } else {
        next.run(request).await
    };
    if !is_safe(&method) {
        gate.audit.write(
            &caller.name,
            peer,
            method.as_str(),
            uri.path(),
            response.status().as_u16(),
        );
    }
    response
}

/// Who sends a request with these headers.
async fn known(access: &Access, headers: &HeaderMap) -> Result<Option<Caller>, StoreError> {
    if access.is_open() {
        return Ok(Some(Caller::local("local")));
    }
    match (bearer(headers), session(access, headers)) {
        (Some(token), _) => access.with_token(&token).await,
        (None, Some(session)) => access.with_session(&session).await,
        (None, None) => Ok(None),
    }
}

/// What a request takes. Plans and reconstructions change nothing, though they are posted.
fn needed(method: &Method, path: &str) -> Rights {
    let path = path.strip_prefix(ROOT).unwrap_or(path);
    if is_safe(method) || ["/plans", "/reconstructions"].contains(&path) {
        return Rights::Read;
    }
    let is_run = path.starts_with("/studies")
        || path.starts_with("/runs")
        || path == "/keys"
        || path == "/evaluations";
    if is_run && *method == Method::POST { Rights::Run } else { Rights::Admin }
}

/// Whether a request is for a page or a file of the dashboard.
fn is_page(method: &Method, uri: &Uri) -> bool {
    is_safe(method) && !uri.path().starts_with("/api") && uri.path() != METRICS
}

/// The answer to somebody unknown.
async fn unknown(
    gate: &Gate,
    peer: Option<IpAddr>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Response {
    if !is_page(method, uri) {
        return ApiError::Unauthorized(
            "a token is needed: Authorization: Bearer TOKEN, or sign in with a browser".into(),
        )
        .into_response();
    }
    // Tokens cannot be guessed, so attempts are not counted: any page could use them up by links.
    if let Some(token) = query(uri, TOKEN) {
        return match gate.access.with_token(&token).await {
            Ok(caller) => enter(gate, peer, caller, &token, uri.path(), headers).await,
            Err(error) => ApiError::from(error).into_response(),
        };
    }
    let next = uri.path_and_query().map_or("/", |path| path.as_str());
    // A strict cookie is not sent when a link of another site leads here, but it is when this page leads on.
    let from = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if matches!(from, Some(b"cross-site" | b"same-site")) {
        return go_to(next, None);
    }
    login_page(StatusCode::UNAUTHORIZED, "", next)
}

#[derive(Deserialize)]
struct Login {
    token: String,
    #[serde(default)]
    next: String,
}

/// Answers the form of the login page.
async fn sign_in(gate: &Gate, peer: Option<IpAddr>, request: Request) -> Response {
    let headers = request.headers().clone();
    let Ok(Form(Login { token, next })) = Form::from_request(request, &()).await else {
        return login_page(StatusCode::BAD_REQUEST, "The form could not be read.", "/");
    };
    if peer.is_some_and(|peer| !gate.access.may_try(peer)) {
        let message = "Too many attempts. Wait a minute.";
        return login_page(StatusCode::TOO_MANY_REQUESTS, message, &next);
    }
    let token = token.trim();
    match gate.access.with_token_or_password(token).await {
        Ok(caller) => enter(gate, peer, caller, token, &next, &headers).await,
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// Begins a session for whoever has this token.
async fn enter(
    gate: &Gate,
    peer: Option<IpAddr>,
    caller: Option<Caller>,
    token: &str,
    next: &str,
    headers: &HeaderMap,
) -> Response {
    let Some(caller) = caller else {
        let message = "This is no token of this server, or it has expired.";
        return login_page(StatusCode::UNAUTHORIZED, message, next);
    };
    let (kept, age) = match gate.access.begin_session(&caller).await {
        Ok((session, seconds)) => (session, format!("; Max-Age={seconds}")),
        // On a full disk no session can be stored; the start token is one by itself.
        Err(_) if gate.access.is_start(token) => (token.to_owned(), String::new()),
        Err(error) => return ApiError::from(error).into_response(),
    };
    gate.audit.write(&caller.name, peer, "POST", LOGIN, StatusCode::OK.as_u16());
    let encrypted = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if encrypted { "; Secure" } else { "" };
    let name = gate.access.cookie();
    go_to(next, Some(format!("{name}={kept}; Path=/{age}; HttpOnly; SameSite=Strict{secure}")))
}

async fn sign_out(gate: &Gate, headers: &HeaderMap) -> Response {
    if let Some(session) = session(&gate.access, headers)
        && let Err(error) = gate.access.end_session(&session).await
    {
        return ApiError::from(error).into_response();
    }
    go_to("/", None)
}

/// A page that leads on to a path of this server. A redirection would not do: what follows it counts as sent by the page before.
fn go_to(next: &str, cookie: Option<String>) -> Response {
    let next = own_path(next);
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Maskdoor</title><meta http-equiv=\"refresh\" content=\"0;url={0}\">\
         <p><a href=\"{0}\">Go on</a>",
        escaped(next)
    );
    let mut response = Html(page).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(Ok(cookie)) = cookie.map(HeaderValue::try_from) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    response
}

fn login_page(status: StatusCode, message: &str, next: &str) -> Response {
    let page = PAGE.replace("MESSAGE", message).replace("NEXT", &escaped(own_path(next)));
    let mut response = (status, Html(page)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    response
}

/// The login page has its style within, and nothing else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = PAGE.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let hash = policy_hash(style.map_or("", |(style, _)| style));
    let policy = format!(
        "default-src 'none'; style-src '{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("plain ASCII")
});

/// A path of this server; its beginning instead of anything else.
fn own_path(next: &str) -> &str {
    let is_own =
        next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\n', '\r']);
    if is_own && !next.starts_with(LOGIN) { next } else { "/" }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The first value of a name in a query.
fn query(uri: &Uri, name: &str) -> Option<String> {
    let parts = form_urlencoded::parse(uri.query()?.as_bytes());
    parts.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The session in a browser's cookie.
fn session(access: &Access, headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == access.cookie())
        .map(|(_, value)| value.to_owned())
}

fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|peer| peer.0)
}
