//! Who is let in, and what they may do.

use std::{collections::BTreeMap, net::IpAddr};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use server::{
    access::{Access, Peer, Roots},
    api::{Hosts, Serving},
    base_path::BasePath,
    tokens::{Rights, Secret, Token},
};

use crate::harness::{NOW, TestApp};

const DAY: u64 = 24 * 3600 * 1000;

/// A server with a start token, a password and a token of each right.
async fn guarded() -> TestApp {
    let place = TestApp::new().await;
    for rights in Rights::ALL {
        let token = Token {
            name: rights.to_string(),
            rights,
            created_at: NOW,
            expires_at: Some(NOW + DAY),
        };
        place.app.store.insert_token(&token, &Secret::of(rights.as_str())).await.unwrap();
    }
    let old =
        Token { name: "old".into(), rights: Rights::Admin, created_at: 1, expires_at: Some(NOW) };
    place.app.store.insert_token(&old, &Secret::of("old")).await.unwrap();
    let access = Access::guarded(
        place.app.store.clone(),
        place.app.clock.clone(),
        8787,
        Some(Secret::of("start")),
        Some(Secret::of("a long password")),
    );
    let serving = Serving {
        hosts: Hosts::default(),
        base: BasePath::default(),
        access,
        roots: Roots::only(&[]).unwrap(),
        retention: None,
        streams: 8,
    };
    place.serving(serving)
}

fn request(method: Method, path: &str, headers: &[(header::HeaderName, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer("192.0.2.7".parse::<IpAddr>().unwrap()));
    request
}

fn bearer(token: &str) -> (header::HeaderName, String) {
    (header::AUTHORIZATION, format!("Bearer {token}"))
}

#[tokio::test]
async fn without_a_token_there_is_only_the_login_page() {
    let place = guarded().await;
    let document = place.app_document().await;
    let mut paths: Vec<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    paths.extend(["/metrics", "/api", "/api/v1/nothing"].map(Into::into));
    for path in &paths {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = place.send(request(method.clone(), path, &[])).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
    for path in ["/", "/studies", "/index.html", "/favicon.svg", "/ready", "/audit.log"] {
        let answer = place.send(request(Method::GET, path, &[])).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.text().contains("<form method=\"post\" action=\"/login\">"), "{path}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    }
    let wrong = bearer("guess");
    let answer = place.send(request(Method::GET, "/api/v1/studies", &[(wrong.0, &wrong.1)])).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let old = bearer("old");
    let answer = place.send(request(Method::GET, "/api/v1/studies", &[(old.0, &old.1)])).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "it has expired");
}

#[tokio::test]
async fn each_operation_has_a_right() {
    let place = guarded().await;
    let document = place.app_document().await;
    let mut rights = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let mut least = "none";
            for right in Rights::ALL.into_iter().rev() {
                let (name, value) = bearer(right.as_str());
                // Names that do not exist, so that nothing happens where the gate lets through.
                let path = path.replace(['{', '}'], "");
                // Streams have no end, so bodies are not read.
                let answer = place.open(request(method.clone(), &path, &[(name, &value)])).await;
                if answer.status() != StatusCode::FORBIDDEN {
                    least = right.as_str();
                }
            }
            rights.insert(format!("{method} {path}"), least);
        }
    }
    let lines: Vec<String> =
        rights.iter().map(|(what, right)| format!("{right:5} {what}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn the_printed_address_signs_a_browser_in() {
    let place = guarded().await;
    let answer = place.send(request(Method::GET, "/studies?token=start", &[])).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text().contains("url=/studies\""), "{}", answer.text());
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(
        cookie.starts_with("maskdoor-8787=") && cookie.ends_with("; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    let pair = cookie.split(';').next().unwrap().to_owned();
    let with = |path: &str, method| request(method, path, &[(header::COOKIE, &pair)]);
    assert_eq!(place.send(with("/api/v1/studies", Method::GET)).await.status, StatusCode::OK);
    // The token of an address does not stay in it, whether the browser is signed in already or not.
    let answer = place.send(with("/studies?token=start", Method::GET)).await;
    assert!(answer.text().contains("url=/studies\""), "{}", answer.text());
    let me = place.send(with("/api/v1/me", Method::GET)).await.json();
    assert_eq!(me, serde_json::json!({ "name": "local", "rights": "admin", "has_session": true }));
    let answer = place.send(with("/logout", Method::POST)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let forgotten = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert_eq!(forgotten, "maskdoor-8787=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    let log = std::fs::read_to_string(place.root().join("audit.log")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&last["who"], &last["path"]), (&"local".into(), &"/logout".into()));
    let answer = place.send(with("/api/v1/studies", Method::GET)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "signed out");
    let answer = place.send(request(Method::GET, "/?token=guess", &[])).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.text().contains("This is no token of this server"));
    // A link of another site leads here: the page leads on to itself, and then the cookie is sent.
    let from = (header::HeaderName::from_static("sec-fetch-site"), "cross-site");
    let answer = place.send(request(Method::GET, "/studies?x=1", &[from])).await;
    assert!(answer.text().contains("url=/studies?x=1\""), "{}", answer.text());
}

fn form(place: &str, next: &str) -> Request<Body> {
    let body = format!("token={}&next={}", place.replace(' ', "+"), next.replace('/', "%2F"));
    let mut request = Request::post("/login")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("x-forwarded-proto", "https")
        .body(Body::from(body))
        .unwrap();
    request.extensions_mut().insert(Peer("192.0.2.7".parse::<IpAddr>().unwrap()));
    request
}

#[tokio::test]
async fn the_login_page_takes_a_password_and_tokens_and_leads_to_own_pages_only() {
    let place = guarded().await;
    for (secret, next, leads_to) in [
        ("a long password", "/runs", "url=/runs\""),
        ("read", "//evil.example", "url=/\""),
        ("run", "https://evil.example", "url=/\""),
        ("start", "/\\evil.example", "url=/\""),
    ] {
        let answer = place.send(form(secret, next)).await;
        assert_eq!(answer.status, StatusCode::OK, "{secret}");
        assert!(answer.text().contains(leads_to), "{secret}: {}", answer.text());
        assert!(answer.headers[header::SET_COOKIE].to_str().unwrap().ends_with("; Secure"));
    }
    // A removed token takes its sessions along.
    let answer = place.send(form("admin", "/")).await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    let pair = cookie.split(';').next().unwrap();
    let ask = || request(Method::GET, "/api/v1/studies", &[(header::COOKIE, pair)]);
    assert_eq!(place.send(ask()).await.status, StatusCode::OK);
    place.app.store.delete_token("admin").await.unwrap();
    assert_eq!(place.send(ask()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn everyone_is_told_as_whom_they_came() {
    let place = guarded().await;
    let (name, value) = bearer("run");
    let me = place.send(request(Method::GET, "/api/v1/me", &[(name, &value)])).await.json();
    assert_eq!(me, serde_json::json!({ "name": "run", "rights": "run", "has_session": false }));
    let answer = place.send(form("a long password", "/")).await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    let pair = cookie.split(';').next().unwrap();
    let me = request(Method::GET, "/api/v1/me", &[(header::COOKIE, pair)]);
    let me = place.send(me).await.json();
    assert_eq!(
        me,
        serde_json::json!({ "name": "password", "rights": "admin", "has_session": true })
    );
    // Nobody can sign out where everyone is let in.
    let me = TestApp::new().await.get("/me").await.json();
    assert_eq!(me, serde_json::json!({ "name": "local", "rights": "admin", "has_session": false }));
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let place = guarded().await;
    // Links of other pages use up no attempt.
    for _ in 0..20 {
        place.send(request(Method::GET, "/?token=guess", &[])).await;
    }
    let mut statuses = Vec::new();
    for n in 0..12 {
        statuses.push(place.send(form(&format!("guess {n}"), "/")).await.status);
    }
    assert_eq!(statuses[0], StatusCode::UNAUTHORIZED);
    assert_eq!(statuses[11], StatusCode::TOO_MANY_REQUESTS);
    let answer = place.send(form("a long password", "/")).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "even with the right one");
}

#[tokio::test]
async fn what_is_changed_is_recorded_and_paths_are_below_the_roots() {
    let place = guarded().await;
    let (name, value) = bearer("admin");
    let headers =
        [(name, &value[..]), (header::HeaderName::from_static("x-request-id"), "proxy-7")];
    let answer = place.send(request(Method::DELETE, "/api/v1/datasets/none", &headers)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let log = std::fs::read_to_string(place.root().join("audit.log")).unwrap();
    let line: serde_json::Value = serde_json::from_str(log.trim()).unwrap();
    assert_eq!(
        line,
        serde_json::json!({
            "at": NOW, "who": "admin", "from": "192.0.2.7", "request": "proxy-7", "method": "DELETE", "path": "/api/v1/datasets/none", "status": 404,
        })
    );
    let (name, value) = bearer("read");
    let refused = request(Method::DELETE, "/api/v1/datasets/none", &[(name, &value)]);
    assert_eq!(place.send(refused).await.status, StatusCode::FORBIDDEN);
    assert_eq!(place.send(form("run", "/")).await.status, StatusCode::OK);
    let log = std::fs::read_to_string(place.root().join("audit.log")).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |n: usize| (lines[n]["who"].as_str(), lines[n]["path"].as_str(), &lines[n]["status"]);
    assert_eq!(of(1), (Some("read"), Some("/api/v1/datasets/none"), &403.into()));
    assert_eq!(of(2), (Some("run"), Some("/login"), &200.into()));
    let (name, value) = bearer("admin");
    let body = r#"{"name": "etc", "path": "/etc"}"#;
    let request = Request::post("/api/v1/datasets")
        .header(name, value)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .unwrap();
    let answer = place.send(request).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().contains("--data-root FOLDER"), "{}", answer.text());
}

#[tokio::test]
async fn metrics_and_readiness() {
    let place = TestApp::new().await;
    let answer = place.get_at("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    let text = answer.text();
    for line in [
        "maskdoor_runs{state=\"queued\"} 0",
        "maskdoor_writable 1",
        "# TYPE maskdoor_disk_free_bytes gauge",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(place.get_at("/ready").await.text(), "ready\n");
}

#[tokio::test]
async fn below_a_base_path_everything_leads_to_it() {
    let place = guarded().await;
    let access = Access::guarded(
        place.app.store.clone(),
        place.app.clock.clone(),
        8787,
        Some(Secret::of("start")),
        None,
    );
    let base: BasePath = "/lab/maskdoor".parse().unwrap();
    let serving = Serving { base, access, ..Serving::open(&place.app) };
    let place = place.serving(serving);
    // A proxy passes the whole path on, or takes the base path off.
    for base in ["/lab/maskdoor", ""] {
        let get = |path: &str, cookie: &str| {
            request(Method::GET, &format!("{base}{path}"), &[(header::COOKIE, cookie)])
        };
        let answer = place.send(get("/studies?x=1", "")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.text().contains("action=\"/lab/maskdoor/login\""), "{}", answer.text());
        assert!(answer.text().contains("value=\"/studies?x=1\""), "{}", answer.text());
        let answer = place.send(get("/?token=start", "")).await;
        assert!(answer.text().contains("url=/lab/maskdoor/\""), "{}", answer.text());
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cookie.contains("; Path=/lab/maskdoor/;"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        assert_eq!(place.send(get("/api/v1/studies", cookie)).await.status, StatusCode::OK);
        let page = place.send(get("/", cookie)).await;
        assert_eq!(page.status, StatusCode::OK);
        let tag = page.headers[header::ETAG].to_str().unwrap().to_owned();
        let mut again = get("/compare", cookie);
        again.headers_mut().insert(header::IF_NONE_MATCH, tag.parse().unwrap());
        assert_eq!(place.send(again).await.status, StatusCode::NOT_MODIFIED);
        assert_eq!(place.send(get("/nothing.js", cookie)).await.status, StatusCode::NOT_FOUND);
    }
    let bare = place.send(request(Method::GET, "/lab/maskdoor", &[])).await;
    assert_eq!(bare.status, StatusCode::UNAUTHORIZED, "the login page, not an error");
}
