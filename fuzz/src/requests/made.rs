//! A request from an input.

use axum::http::{Request, header};
use serde_json::{Value, json};

use super::{
    document::{Operation, changed, word},
    world::World,
};
use crate::draw::Draw;

/// Between the parts of a form.
const LINE: &str = "line";
/// Headers that the server looks at.
const HEADERS: [(&str, &str); 14] = [
    ("host", "localhost"),
    ("host", "evil.example"),
    ("origin", "http://localhost"),
    ("origin", "null"),
    ("sec-fetch-site", "cross-site"),
    ("authorization", "Bearer x"),
    ("cookie", "a=b; maskdoor=c"),
    ("accept-encoding", "br, gzip"),
    ("if-none-match", "\"x\""),
    ("range", "bytes=0-"),
    ("last-event-id", "18446744073709551615"),
    ("x-request-id", "a b\u{7f}"),
    ("x-forwarded-proto", "https"),
    ("content-length", "5"),
];

/// The next request of an input; `None` where the choices make none that HTTP has.
pub fn request(world: &World, draw: &mut Draw<'_>) -> Option<Request<Vec<u8>>> {
    if draw.once_in(64) {
        return anything(draw);
    }
    let operations = &world.document.operations;
    let operation = &operations[draw.below(operations.len())];
    let mut address = path(world, operation, draw);
    let mut begun = false;
    for (name, schema) in &operation.query {
        if !draw.once_in(2) {
            continue;
        }
        let value = match world.known(name, draw) {
            Some(known) => known,
            None => match world.document.value(schema, draw, 0) {
                Value::String(text) => text,
                other => other.to_string(),
            },
        };
        address.push(if begun { '&' } else { '?' });
        begun = true;
        address.extend([name, "=", &*encoded(&value)]);
    }
    let mut request = Request::builder().method(&*operation.method).uri(address);
    while draw.once_in(16) {
        let (name, value) = draw.of(&HEADERS);
        request = request.header(name, value);
    }
    let Some((kind, schema)) = &operation.body else { return request.body(Vec::new()).ok() };
    let (kind, body) = if kind.starts_with("multipart") {
        (format!("multipart/form-data; boundary={LINE}"), form(draw))
    } else {
        let value = body(world, operation, schema, draw);
        let mut text = value.to_string().into_bytes();
        if draw.once_in(32) {
            let at = draw.below(text.len().max(1));
            text.truncate(at);
            text.extend(draw.bytes());
        }
        (kind.clone(), text)
    };
    let kind =
        if draw.once_in(64) { draw.of(&["", "text/plain", "application/json; x"]) } else { &kind };
    request.header(header::CONTENT_TYPE, kind).body(body).ok()
}

/// The request in a line, for whoever looks for what went wrong.
pub fn told(request: &Request<Vec<u8>>) -> String {
    const MOST: usize = 3_000;
    let body: String = String::from_utf8_lossy(request.body()).chars().take(MOST).collect();
    format!("{} {} {:?} {body}", request.method(), request.uri(), request.headers())
}

/// Any method, path and body.
fn anything(draw: &mut Draw<'_>) -> Option<Request<Vec<u8>>> {
    let method = match draw.below(8) {
        0 => draw.text(),
        at => ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"][at - 1].to_owned(),
    };
    let path = match draw.below(6) {
        0 => "/login".to_owned(),
        1 => "/logout".to_owned(),
        2 => "/metrics".to_owned(),
        3 => format!("/api/v1/{}", encoded(&word(draw))),
        4 => format!("/{}?{}", encoded(&word(draw)), encoded(&word(draw))),
        _ => draw.text(),
    };
    let kind = draw.of(&["application/x-www-form-urlencoded", "application/json"]);
    let request = Request::builder().method(&*method).uri(path);
    request.header(header::CONTENT_TYPE, kind).body(draw.bytes().to_vec()).ok()
}

/// The operation's path with its variables filled in.
fn path(world: &World, operation: &Operation, draw: &mut Draw<'_>) -> String {
    let mut path = String::new();
    let mut before = "";
    for part in operation.path.split('/').skip(1) {
        path.push('/');
        match part.strip_prefix('{') {
            None => path.push_str(part),
            Some(rest) => {
                let (name, end) = rest.split_once('}').unwrap_or((rest, ""));
                let known = world.named(before, name, draw);
                let value = known.unwrap_or_else(|| word(draw));
                path.extend([&*encoded(&value), end]);
            }
        }
        before = part;
    }
    path
}

/// A body: one that is right and a little changed, or one from the schema.
fn body(world: &World, operation: &Operation, schema: &Value, draw: &mut Draw<'_>) -> Value {
    let right = match operation.path.rsplit('/').next().unwrap_or_default() {
        _ if draw.once_in(8) => None,
        "studies" | "plans" => Some(world.specs[draw.below(world.specs.len())].clone()),
        "reconstructions" => Some(json!({
            "run": world.run(draw), "split": "test", "index": draw.byte(),
            "mask": { "kind": "random", "ratio": 0.75, "seed": 3 },
        })),
        "evaluations" => Some(
            json!({ "checkpoint": { "kind": "run", "run": world.run(draw) }, "test_per_class": 1 }),
        ),
        "datasets" => Some(json!({ "name": word(draw), "path": world.path(draw) })),
        "imported" => Some(json!({ "name": word(draw), "path": world.path(draw), "heads": 2 })),
        _ => None,
    };
    let value = right.unwrap_or_else(|| world.document.value(schema, draw, 0));
    changed(value, draw)
}

/// A form with a name and a file.
fn form(draw: &mut Draw<'_>) -> Vec<u8> {
    let name = draw.of(&["name", "file", "x", ""]);
    let mut body = format!(
        "--{LINE}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{}\r\n\
         --{LINE}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n",
        word(draw)
    )
    .into_bytes();
    if draw.once_in(2) {
        body.extend(engine::decode::encode_png(&shared::Rgb8::filled(4, 4, [draw.byte(), 0, 9])));
    } else {
        body.extend(draw.bytes());
    }
    body.extend(if draw.once_in(8) { &b"\r\n--li"[..] } else { b"\r\n--line--\r\n" });
    body
}

/// A text as it stands in an address.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.extend(["%", &format!("{byte:02X}")]),
        }
    }
    encoded
}
