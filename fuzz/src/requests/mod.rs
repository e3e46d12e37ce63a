//! The whole server, by requests in a row: made of the operations that its `OpenAPI` document lists, and sometimes of anything else.
//!
//! | module | holds |
//! |---|---|
//! | `document` | the operations, and values that fit or nearly fit their schemas |
//! | `world` | a data folder with studies, runs, images and checkpoints |
//! | `made` | a request from an input |
//!
//! One server answers many inputs, then another one takes its place.

mod document;
mod made;
mod world;

use std::cell::RefCell;

use axum::http::{StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use self::world::World;
use crate::{bound::Bound, draw::Draw};

/// Lists of images, models and pages of the database stay in memory; a figure is drawn at twice its size.
const BOUND: Bound = Bound { times: 0, beside: 256 << 20 };
/// Most requests of an input.
const MOST: usize = 4;
/// Requests that a panic lists.
const LISTED: usize = 40;
/// Longest body that is read.
const LONGEST: usize = 64 << 20;

/// Sends some requests. No answer is an error of the server, and errors are problems.
pub fn one(bytes: &[u8]) {
    thread_local!(static WORLD: RefCell<Option<World>> = const { RefCell::new(None) });
    WORLD.with_borrow_mut(|kept| {
        if kept.as_mut().is_none_or(World::is_old) {
            *kept = None;
        }
        let world = kept.get_or_insert_with(World::new);
        let mut draw = Draw::new(bytes);
        BOUND.hold(bytes.len(), || {
            for _ in 0..MOST {
                if draw.is_over() {
                    break;
                }
                answered(world, &mut draw);
            }
        });
    });
}

fn answered(world: &mut World, draw: &mut Draw<'_>) {
    let Some(request) = made::request(world, draw) else { return };
    let told = made::told(&request);
    world.sent.push_back(told.clone());
    if world.sent.len() > LISTED {
        world.sent.pop_front();
    }
    let request = request.map(axum::body::Body::from);
    let is_stream = request.uri().path() == "/api/v1/events";
    let router = world.router.clone();
    let (status, kind, body) = world.runtime.block_on(async {
        let Ok(response) = router.oneshot(request).await;
        let (parts, body) = response.into_parts();
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let is_packed = text(header::CONTENT_ENCODING).is_some();
        let kind = text(header::CONTENT_TYPE).unwrap_or_default().to_owned();
        let is_endless = is_stream && parts.status.is_success();
        let body = if is_endless || is_packed {
            Vec::new()
        } else {
            let body = http_body_util::Limited::new(body, LONGEST).collect().await;
            body.expect("an answer of limited length").to_bytes().to_vec()
        };
        (parts.status, kind, body)
    });
    let words = String::from_utf8_lossy(&body);
    let fine = !status.is_server_error() || status == StatusCode::SERVICE_UNAVAILABLE;
    assert!(fine, "{told}\n{status} {words}\nafter\n{}", world.listed());
    if kind == "application/json" || kind == "application/problem+json" {
        let value: Result<serde_json::Value, _> = serde_json::from_slice(&body);
        assert!(value.is_ok() || body.is_empty(), "{told}\n{status} {words}");
        if status == StatusCode::CREATED {
            world.learn(&value.unwrap_or_default());
        }
    }
    if status.is_client_error() && !body.is_empty() && told.contains(" /api/") {
        assert_eq!(kind, "application/problem+json", "{told}\n{status} {words}");
    }
}
