//! Middleware: who sends a request, and whether they may. Without a token there is the login page, and nothing else.

use std::{net::IpAddr, sync::LazyLock};

use axum::{
    Form,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{ROOT, error::ApiError, guard::is_safe};
use crate::{
    access::{Access, Peer},
    audit::Audit,
    store::StoreError,
    tokens::{Caller, Rights},
};

const LOGIN: &str = "/login";
const LOGOUT: &str = "/logout";
/// Whether the server works; for health checks on the same machine, without a token.
pub const READY: &str = "/ready";
/// The login page, in whose place `MESSAGE` and `NEXT` stand.
const PAGE: &str = include_str!("login.html");

/// Lets a request through whose sender may do what it asks for.
pub async fn gate(access: Access, audit: Audit, request: Request, next: Next) -> Response {
    match checked(&access, request).await {
        Ok((caller, request)) => {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let peer = peer(&request);
            let response = next.run(request).await;
            if !is_safe(&method) {
                audit.write(&caller.name, peer, method.as_str(), &path, response.status().as_u16());
            }
            response
        }
        Err(response) => *response,
    }
}

type Checked = Result<(Caller, Request), Box<Response>>;

async fn checked(access: &Access, request: Request) -> Checked {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let peer = peer(&request);
    let refused = |error: ApiError| Box::new(error.into_response());
    let failed = |error: StoreError| Box::new(ApiError::from(error).into_response());
    let session = access.cookie().and_then(|name| cookie(request.headers(), name));
    match uri.path() {
        LOGIN if method == Method::POST => {
            return Err(Box::new(sign_in(access, peer, request).await));
        }
        LOGIN => return Err(Box::new(login_page(StatusCode::OK, "", "/"))),
        LOGOUT if method == Method::POST => {
            if let Some(session) = session {
                access.end_session(&session).await.map_err(failed)?;
            }
            return Err(Box::new(go_to("/", "")));
        }
        READY if peer.is_none_or(|peer| peer.is_loopback()) => {
            return Ok((
                Caller { name: "local".into(), rights: Rights::Read, token: None },
                request,
            ));
        }
        _ => {}
    }
    let caller = if access.is_open() {
        access.with_session("").await
    } else if let Some(token) = bearer(request.headers()) {
        let caller = access.with_token(&token).await.map_err(failed)?;
        if caller.is_none() && peer.is_some_and(|peer| !access.may_try(peer)) {
            return Err(refused(ApiError::TooMany("too many wrong tokens; wait a minute".into())));
        }
        Ok(caller)
    } else if let Some(session) = &session {
        access.with_session(session).await
    } else {
        Ok(None)
    };
    let Some(caller) = caller.map_err(failed)? else {
        let (headers, method) = (request.headers().clone(), request.method().clone());
        drop(request);
        return Err(Box::new(unknown(access, peer, &method, &uri, &headers).await));
    };
    let needed = needed(&method, uri.path());
    if caller.rights < needed {
        return Err(refused(ApiError::Forbidden(
            format!("this takes the right {needed:?}; {} has {:?}", caller.name, caller.rights)
                .to_lowercase(),
        )));
    }
    Ok((caller, request))
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

/// The answer to somebody unknown.
async fn unknown(
    access: &Access,
    peer: Option<IpAddr>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Response {
    if uri.path().starts_with("/api") || uri.path() == "/metrics" || !is_safe(method) {
        return ApiError::Unauthorized(
            "a token is needed: Authorization: Bearer TOKEN, or sign in with a browser".into(),
        )
        .into_response();
    }
    if let Some(token) = query(uri, "token") {
        return enter(access, peer, &token, uri.path(), headers).await;
    }
    // A strict cookie is not sent when a link of another site leads here, but it is when this page leads on.
    let from = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if matches!(from, Some(b"cross-site" | b"same-site")) {
        return go_to(uri.path_and_query().map_or("/", |path| path.as_str()), "");
    }
    login_page(StatusCode::UNAUTHORIZED, "", uri.path_and_query().map_or("/", |path| path.as_str()))
}

#[derive(Deserialize)]
struct Login {
    token: String,
    #[serde(default)]
    next: String,
}

async fn sign_in(access: &Access, peer: Option<IpAddr>, request: Request) -> Response {
    let headers = request.headers().clone();
    match Form::<Login>::from_request(request, &()).await {
        Ok(Form(login)) => enter(access, peer, login.token.trim(), &login.next, &headers).await,
        Err(_) => login_page(StatusCode::BAD_REQUEST, "The form could not be read.", "/"),
    }
}

/// Begins a session for whoever has this token.
async fn enter(
    access: &Access,
    peer: Option<IpAddr>,
    token: &str,
    next: &str,
    headers: &HeaderMap,
) -> Response {
    if peer.is_some_and(|peer| !access.may_try(peer)) {
        return login_page(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many attempts. Wait a minute.",
            next,
        );
    }
    let caller = match access.with_any(token).await {
        Ok(Some(caller)) => caller,
        Ok(None) => {
            return login_page(
                StatusCode::UNAUTHORIZED,
                "This is no token of this server, or it has expired.",
                next,
            );
        }
        Err(error) => return ApiError::from(error).into_response(),
    };
    let Some(name) = access.cookie() else { return go_to(next, "") };
    match access.begin_session(&caller).await {
        Ok((session, seconds)) => {
            let encrypted = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
            let secure = if encrypted { "; Secure" } else { "" };
            let cookie = format!(
                "{name}={session}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
            );
            go_to(next, &cookie)
        }
        // On a full disk no session can be stored; the start token is one by itself.
        Err(_) if caller.token.is_none() && caller.name == "local" => {
            go_to(next, &format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict"))
        }
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// A page that leads on to a path of this server. A redirection would not do: what follows it counts as sent by the page before.
fn go_to(next: &str, cookie: &str) -> Response {
    let next = own_path(next);
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Maskdoor</title><meta http-equiv=\"refresh\" content=\"0;url={0}\">\
         <p><a href=\"{0}\">Go on</a>",
        escaped(next)
    );
    let mut response = Html(page).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(cookie) = HeaderValue::from_str(cookie)
        && !cookie.is_empty()
    {
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
    let hash = STANDARD.encode(Sha256::digest(style.map_or("", |(style, _)| style)));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
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

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|peer| peer.0)
}
