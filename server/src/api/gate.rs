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

use super::{ROOT, error::ApiError, guard::is_safe, request_id::RequestId};
use crate::{
    access::{Access, Peer},
    assets::policy_hash,
    audit::{Audit, Change},
    base_path::BasePath,
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
/// The icon, within these pages: without one, a browser asks for `/favicon.ico`, which nobody may read yet.
static ICON: LazyLock<String> = LazyLock::new(|| {
    let svg = include_str!("../../../assets/icons/maskdoor.svg");
    let svg = svg.trim_end().replace('#', "%23").replace('"', "'");
    format!("<link rel=\"icon\" type=\"image/svg+xml\" href=\"data:image/svg+xml,{svg}\">")
});
/// The login page; a message goes in the place of `MESSAGE`, the path to go on to in that of `NEXT`,
/// where the form is sent in that of `LOGIN`.
const PAGE: &str = include_str!("login.html");

/// Who is let in, and where it is recorded what they change.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Who is let in.
    pub access: Access,
    /// The record.
    pub audit: Audit,
    /// Where browsers find the pages.
    pub base: BasePath,
}

impl Gate {
    /// A page that leads on to a path of this server. A redirection would not do: what follows it counts as sent by the page before.
    fn go_to(&self, next: &str, cookie: Option<String>) -> Response {
        let page = format!(
            "<!doctype html><meta charset=\"utf-8\"><title>Maskdoor</title>{icon}<meta http-equiv=\"refresh\" content=\"0;url={0}\">\
             <p><a href=\"{0}\">Go on</a>",
            escaped(&self.base.of(own_path(next))),
            icon = *ICON,
        );
        let mut response = Html(page).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(Ok(cookie)) = cookie.map(HeaderValue::try_from) {
            headers.insert(header::SET_COOKIE, cookie);
        }
        response
    }

    fn login_page(&self, status: StatusCode, message: &str, next: &str) -> Response {
        let page = PAGE
            .replace("ICON", &ICON)
            .replace("LOGIN", &self.base.of(LOGIN))
            .replace("MESSAGE", message)
            .replace("NEXT", &escaped(own_path(next)));
        let mut response = (status, Html(page)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
        response
    }

    /// A cookie that scripts cannot read, other sites cannot send, and other programs behind the same proxy do not get.
    fn cookie(&self, value: &str, age: &str, headers: &HeaderMap) -> String {
        let encrypted = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
        let secure = if encrypted { "; Secure" } else { "" };
        let (name, path) = (self.access.cookie(), self.base.of("/"));
        format!("{name}={value}; Path={path}{age}; HttpOnly; SameSite=Strict{secure}")
    }

    /// Records a request that may have changed something.
    fn record(&self, who: &str, sender: &Sender, method: &Method, path: &str, status: StatusCode) {
        self.audit.write(Change::Request {
            who,
            from: sender.peer,
            request: sender.request.as_ref().map(RequestId::as_str),
            method: method.as_str(),
            path,
            status: status.as_u16(),
        });
    }
}

/// Where a request comes from.
struct Sender {
    peer: Option<IpAddr>,
    request: Option<RequestId>,
}

impl Sender {
    fn of(request: &Request) -> Self {
        let known = request.extensions();
        Self {
            peer: known.get::<Peer>().map(|peer| peer.0),
            request: known.get::<RequestId>().cloned(),
        }
    }
}

/// Whoever was let in; an extension of their requests.
#[derive(Clone, Debug)]
pub struct Known {
    /// Their name and rights.
    pub caller: Caller,
    /// Whether a browser's session let them in, which they can end.
    pub has_session: bool,
}

/// Lets a request through if its sender may do what it asks for, and records what changes something.
pub async fn pass(gate: Gate, mut request: Request, next: Next) -> Response {
    let (method, uri, sender) =
        (request.method().clone(), request.uri().clone(), Sender::of(&request));
    match uri.path() {
        LOGIN if method == Method::POST => return sign_in(&gate, &sender, request).await,
        LOGIN => return gate.login_page(StatusCode::OK, "", "/"),
        LOGOUT if method == Method::POST => {
            return sign_out(&gate, &sender, request.headers()).await;
        }
        READY if sender.peer.is_some_and(|peer| peer.is_loopback()) => {
            return next.run(request).await;
        }
        _ => {}
    }
    let known = match known(&gate.access, request.headers()).await {
        Ok(Some(known)) => known,
        Ok(None) => {
            let headers = request.headers().clone();
            drop(request);
            return unknown(&gate, &sender, &method, &uri, &headers).await;
        }
        Err(error) => return ApiError::from(error).into_response(),
    };
    // A browser that is signed in already opened the printed address: its token is not to stay in the address.
    if is_page(&method, &uri) && query(&uri, TOKEN).is_some() {
        return gate.go_to(uri.path(), None);
    }
    let needed = needed(&method, uri.path());
    let caller = known.caller.clone();
    request.extensions_mut().insert(known);
    let response = if caller.rights < needed {
        let (name, has) = (&caller.name, caller.rights);
        ApiError::Forbidden(format!("this takes the right {needed}; {name} has the right {has}"))
            .into_response()
    } else {
        next.run(request).await
    };
    if !is_safe(&method) {
        gate.record(&caller.name, &sender, &method, uri.path(), response.status());
    }
    response
}

/// Who sends a request with these headers.
async fn known(access: &Access, headers: &HeaderMap) -> Result<Option<Known>, StoreError> {
    if access.is_open() {
        return Ok(Some(Known { caller: Caller::local("local"), has_session: false }));
    }
    let bearer = bearer(headers);
    let has_session = bearer.is_none();
    let caller = match (bearer, session(access, headers)) {
        (Some(token), _) => access.with_token(&token).await?,
        (None, Some(session)) => access.with_session(&session).await?,
        (None, None) => None,
    };
    Ok(caller.map(|caller| Known { caller, has_session }))
}

/// What a request takes. Plans and reconstructions change nothing, though they are posted.
fn needed(method: &Method, path: &str) -> Rights {
    let path = path.strip_prefix(ROOT).unwrap_or(path);
    if is_safe(method) || ["/plans", "/reconstructions"].contains(&path) {
        return Rights::Read;
    }
    let is_run = path.starts_with("/studies")
        || path.starts_with("/runs")
        || path.starts_with("/queue")
        || path == "/keys"
        || path == "/evaluations";
    let changes = [Method::POST, Method::PATCH].contains(method);
    // No run and no result depends on an own picture, so who may upload one may also remove it.
    let is_picture = path.starts_with("/pictures");
    if is_picture || is_run && changes { Rights::Run } else { Rights::Admin }
}

/// Whether a request is for a page or a file of the dashboard.
fn is_page(method: &Method, uri: &Uri) -> bool {
    is_safe(method) && !uri.path().starts_with("/api") && uri.path() != METRICS
}

/// The answer to somebody unknown.
async fn unknown(
    gate: &Gate,
    sender: &Sender,
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
            Ok(caller) => enter(gate, sender, caller, &token, uri.path(), headers).await,
            Err(error) => ApiError::from(error).into_response(),
        };
    }
    let next = uri.path_and_query().map_or("/", |path| path.as_str());
    // A strict cookie is not sent when a link of another site leads here, but it is when this page leads on.
    let from = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if matches!(from, Some(b"cross-site" | b"same-site")) {
        return gate.go_to(next, None);
    }
    gate.login_page(StatusCode::UNAUTHORIZED, "", next)
}

#[derive(Deserialize)]
struct Login {
    token: String,
    #[serde(default)]
    next: String,
}

/// Answers the form of the login page.
async fn sign_in(gate: &Gate, sender: &Sender, request: Request) -> Response {
    let headers = request.headers().clone();
    let Ok(Form(Login { token, next })) = Form::from_request(request, &()).await else {
        return gate.login_page(StatusCode::BAD_REQUEST, "The form could not be read.", "/");
    };
    if sender.peer.is_some_and(|peer| !gate.access.may_try(peer)) {
        let message = "Too many attempts. Wait a minute.";
        return gate.login_page(StatusCode::TOO_MANY_REQUESTS, message, &next);
    }
    let token = token.trim();
    match gate.access.with_token_or_password(token).await {
        Ok(caller) => enter(gate, sender, caller, token, &next, &headers).await,
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// Begins a session for whoever has this token.
async fn enter(
    gate: &Gate,
    sender: &Sender,
    caller: Option<Caller>,
    token: &str,
    next: &str,
    headers: &HeaderMap,
) -> Response {
    let Some(caller) = caller else {
        let message = "This is no token of this server, or it has expired.";
        return gate.login_page(StatusCode::UNAUTHORIZED, message, next);
    };
    let (kept, age) = match gate.access.begin_session(&caller).await {
        Ok((session, seconds)) => (session, format!("; Max-Age={seconds}")),
        // On a full disk no session can be stored; the start token is one by itself.
        Err(_) if gate.access.is_start(token) => (token.to_owned(), String::new()),
        Err(error) => return ApiError::from(error).into_response(),
    };
    gate.record(&caller.name, sender, &Method::POST, LOGIN, StatusCode::OK);
    gate.go_to(next, Some(gate.cookie(&kept, &age, headers)))
}

/// Ends the session. The browser forgets its cookie, too: one that is the token of the printed address would let it in again.
async fn sign_out(gate: &Gate, sender: &Sender, headers: &HeaderMap) -> Response {
    let caller = match known(&gate.access, headers).await {
        Ok(known) => known.map(|known| known.caller),
        Err(error) => return ApiError::from(error).into_response(),
    };
    if let Some(session) = session(&gate.access, headers)
        && let Err(error) = gate.access.end_session(&session).await
    {
        return ApiError::from(error).into_response();
    }
    if let Some(caller) = caller {
        gate.record(&caller.name, sender, &Method::POST, LOGOUT, StatusCode::OK);
    }
    gate.go_to("/", Some(gate.cookie("", "; Max-Age=0", headers)))
}

/// The login page has its style and icon within, and nothing else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = PAGE.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let hash = policy_hash(style.map_or("", |(style, _)| style));
    let policy = format!(
        "default-src 'none'; img-src data:; style-src '{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
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
