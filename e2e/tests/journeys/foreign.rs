//! A page of another origin, and the server's own page under a name that it is not served by, learn nothing and change nothing.

use anyhow::{Result, ensure};
use e2e::{Browser, Dashboard, FOREIGN_HOST, travel_past};
use serde_json::{Value, json};
use shared::api::{Page, StudySummary};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use url::Url;

use crate::steps::micro;

/// The browser logs what it or the server refuses to the console.
const REFUSED: [&str; 6] = [
    "blocked by CORS policy",
    "Failed to load resource",
    "status of 4",
    "net::ERR",
    "Cross-Origin-Opener-Policy header has been ignored",
    "Refused to execute script",
];

/// Tries to read and to write. Each try tells what became of it: `refused`, or what it got.
const TRIES: &str = r"
const [base, study, done] = arguments;
const told = promise => promise.then(got => got || 'done', () => 'refused');
const element = (tag, path) => new Promise((resolve, reject) => {
    const made = document.createElement(tag);
    made.onload = () => resolve('loaded');
    made.onerror = () => reject();
    made.src = base + path;
    document.body.append(made);
});
const stream = () => new Promise((resolve, reject) => {
    const source = new EventSource(base + '/api/v1/events', { withCredentials: true });
    source.onopen = () => { source.close(); resolve('open'); };
    source.onerror = () => { source.close(); reject(); };
});
const send = (method, path, type, body, mode) => fetch(base + path, {
    method, mode, credentials: 'include', headers: type ? { 'Content-Type': type } : {}, body,
}).then(answer => answer.ok ? 'ok' : answer.type === 'opaque' ? 'opaque' : Promise.reject());
Promise.all([
    told(fetch(base + '/api/v1/studies', { credentials: 'include' }).then(answer => answer.ok ? answer.text() : Promise.reject())),
    told(element('img', '/api/v1/datasets/shapes/images/train/0.png')),
    told(element('script', '/api/v1/studies')),
    told(stream()),
    told(send('POST', '/api/v1/studies', 'application/json', study, 'cors')),
    told(send('DELETE', '/api/v1/datasets/shapes', undefined, undefined, 'cors')),
    // The browser sends this one without asking, and never shows the answer.
    told(send('POST', '/api/v1/studies', 'text/plain', study, 'no-cors')),
]).then(done);
";

#[tokio::test]
async fn nothing_is_read_or_done_from_elsewhere() -> Result<()> {
    travel_past("foreign", &REFUSED, async |dashboard, browser| {
        let served = dashboard.address("");
        let elsewhere = foreign_page().await?;
        browser.run("location.href = arguments[0];", vec![json!(elsewhere)]).await?;
        browser.sees("a page of somebody else").await?;
        let told = tries(browser, &served).await?;
        let opaque = told.len() - 1;
        ensure!(
            told[..opaque].iter().all(|told| told == "refused"),
            "from another origin: {told:?}"
        );
        ensure!(["opaque", "refused"].contains(&told[opaque].as_str()), "{told:?}");
        unchanged(dashboard).await?;

        // As if a name of somebody else pointed here: the browser then takes it for one origin.
        let mut renamed = Url::parse(&served)?;
        renamed.set_host(Some(FOREIGN_HOST))?;
        browser.run("location.href = arguments[0];", vec![json!(renamed.as_str())]).await?;
        browser.sees("this server is not known as").await?;
        let told = tries(browser, renamed.as_str().trim_end_matches('/')).await?;
        ensure!(
            told.iter().all(|told| told == "refused" || told == "opaque"),
            "by another name: {told:?}"
        );
        unchanged(dashboard).await
    })
    .await
}

async fn tries(browser: &Browser, base: &str) -> Result<Vec<String>> {
    let study = serde_json::to_string(&micro("Not asked for")?)?;
    let told: Value = browser.run_until_done(TRIES, vec![json!(base), json!(study)]).await?;
    Ok(serde_json::from_value(told)?)
}

/// No study was made, and the data set is there.
async fn unchanged(dashboard: &Dashboard) -> Result<()> {
    let studies: Page<StudySummary> = dashboard.api.get("/api/v1/studies").await?;
    ensure!(studies.items.is_empty(), "a study was made from elsewhere");
    let _shapes: Value = dashboard.api.get("/api/v1/datasets/shapes").await?;
    Ok(())
}

/// Serves an empty page at an origin of its own. Returns its address.
async fn foreign_page() -> Result<String> {
    const PAGE: &str =
        "<!doctype html><title>elsewhere</title><body>a page of somebody else</body>";
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}",
                PAGE.len()
            );
            // A browser asks within one packet.
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    Ok(address)
}
