//! Measures pages in Chromium on a server that runs already: first paint, requests, time to a figure, frames while the pointer moves, memory.
//!
//! ```sh
//! cargo run --release -p e2e --example pages -- http://127.0.0.1:9000 PID_OF_THE_SERVER
//! ```

#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use e2e::{Browser, api::Api, until};
use serde_json::{Value, json};
use shared::api::{Page, StudySummary};

/// How often each page is loaded; the median counts.
const ROUNDS: usize = 5;
/// How long the pointer moves, in milliseconds.
const MOVING: u64 = 2_000;

/// A page, and the selector of what its visitor waits for.
const PAGES: [(&str, &str, &str); 4] = [
    ("home", "/", "table tbody tr a"),
    ("compare", "/compare", "[data-figure=plot] .chart-dots, [data-figure=plot] svg circle"),
    ("compare, means", "/compare?means=true", "#means tbody th"),
    (
        "compare, filtered",
        "/compare?filter=asr%20%3E%2050%20%26%26%20kind%20%3D%3D%20%22probe%22",
        "[data-figure=plot] .chart-dots, [data-figure=plot] svg circle",
    ),
];

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let base = arguments.next().context("say the address of the server")?;
    let server: u32 = arguments.next().context("say its process number")?.parse()?;

    println!(
        "| page | first paint ms, cold | warm | shown ms | requests | MB received | WebAssembly KB sent | unpacked | page's memory MB |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let studies: Page<StudySummary> =
        Api::new(base.as_str()).get("/api/v1/studies?limit=1").await?;
    let newest = studies.items.first().context("the folder has no study")?.id;
    let study = format!("/studies/{newest}");
    for (name, path, waited_for) in
        PAGES.into_iter().chain([("study", study.as_str(), ".results tbody tr, .verdict-line")])
    {
        let mut cold = Vec::new();
        let mut warm = Vec::new();
        let mut shown = Vec::new();
        let mut last = Value::Null;
        for _ in 0..ROUNDS {
            // A new profile has nothing in its cache.
            let browser = Browser::open(base.as_str()).await?;
            let (first, _) = load(&browser, path, waited_for).await?;
            cold.push(first);
            let (again, at) = load(&browser, path, waited_for).await?;
            warm.push(again);
            shown.push(at);
            last = browser.run_until_done(LOADED, vec![]).await?;
            browser.close().await?;
        }
        println!(
            "| {name} | {:.0} | {:.0} | {:.0} | {} | {:.1} | {:.0} | {:.0} | {:.0} |",
            median(&mut cold),
            median(&mut warm),
            median(&mut shown),
            last["requests"],
            last["bytes"].as_f64().unwrap_or_default() / 1e6,
            last["sent"].as_f64().unwrap_or_default() / 1e3,
            last["raw"].as_f64().unwrap_or_default() / 1e3,
            last["heap"].as_f64().unwrap_or_default() / 1e6,
        );
    }
    let browser = Browser::open(base.as_str()).await?;
    let (_, path, waited_for) = PAGES[1];
    load(&browser, path, waited_for).await?;
    let frames = browser.run_until_done(HOVER, vec![json!(MOVING)]).await?;
    println!(
        "\nhover on compare: {:.0} frames/s, the slowest frame {:.0} ms; {:.0} frames/s without",
        frames["rate"].as_f64().unwrap_or_default(),
        frames["slowest"].as_f64().unwrap_or_default(),
        frames["idle"].as_f64().unwrap_or_default(),
    );
    browser.close().await?;
    for (side, patch) in [(32, 4), (224, 16)] {
        let frames = slide(&base, side, patch).await?;
        println!(
            "blend ratio moved on 16 images of {side} px: {:.0} frames/s, the slowest frame {:.0} ms",
            frames["rate"].as_f64().unwrap_or_default(),
            frames["slowest"].as_f64().unwrap_or_default(),
        );
    }
    println!("memory of the server: {} MB", resident(server)?);
    Ok(())
}

/// Loads a page; milliseconds until the first paint, and until it shows what is waited for.
async fn load(browser: &Browser, path: &str, waited_for: &str) -> Result<(f64, f64)> {
    browser.visit(path).await?;
    let shown = until("the page shows it", Duration::from_mins(1), async || {
        let at = browser.run(SHOWN, vec![json!(waited_for)]).await?;
        Ok(at.as_f64())
    })
    .await?;
    let paint = browser.run(PAINT, vec![]).await?.as_f64();
    ensure!(paint.is_some(), "{path} was not painted");
    Ok((paint.unwrap_or_default(), shown))
}

/// Frames while the blend ratio moves in *New study*, on images of that side.
async fn slide(base: &str, side: u32, patch: u32) -> Result<Value> {
    let browser = Browser::open(base).await?;
    load(&browser, "/studies/new?preset=quick-look", "#attack-trigger-ratio-slider").await?;
    for (id, value) in [("model-image_size", side), ("model-patch_size", patch)] {
        browser.run(ENTER, vec![json!(id), json!(value.to_string())]).await?;
    }
    let drawn = until("images of that side", Duration::from_mins(1), async || {
        let there = browser.run(DRAWN, vec![json!(side)]).await?;
        Ok(there.as_u64().filter(|&count| count >= 16))
    });
    drawn.await?;
    let frames = browser.run_until_done(SLIDE, vec![json!(MOVING)]).await?;
    browser.close().await?;
    Ok(frames)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Resident memory of a process in megabytes.
fn resident(process: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/statm"))?;
    let pages: u64 = text.split(' ').nth(1).context("pages")?.parse()?;
    Ok(pages * 4096 / 1_000_000)
}

/// Milliseconds from the start of loading until now, if the element is there.
const SHOWN: &str = "return document.querySelector(arguments[0]) ? performance.now() : null";

const PAINT: &str =
    "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null";

/// What a page has loaded, before its modules of WebAssembly are fetched again to learn their sizes.
const LOADED: &str = "
    const done = arguments[arguments.length - 1];
    const all = () => performance.getEntriesByType('resource');
    const loaded = all().concat(performance.getEntriesByType('navigation'));
    const told = {
      requests: loaded.length,
      bytes: loaded.reduce((sum, entry) => sum + (entry.transferSize || 0), 0),
      heap: performance.memory?.usedJSHeapSize ?? 0,
    };
    const names = [...new Set(all().map((entry) => entry.name).filter((name) => name.endsWith('.wasm')))];
    const again = (name) => fetch(name, { cache: 'reload' }).then((response) => response.arrayBuffer()).then((bytes) => {
      const entry = all().filter((entry) => entry.name === name).pop();
      return { sent: entry.encodedBodySize, raw: bytes.byteLength };
    });
    Promise.all(names.map(again)).then((sizes) => {
      const sum = (of) => sizes.reduce((sum, size) => sum + of(size), 0);
      done({ ...told, sent: sum((size) => size.sent), raw: sum((size) => size.raw) });
    });";

/// Enters a value into a field.
const ENTER: &str = "
    const field = document.getElementById(arguments[0]);
    field.value = arguments[1];
    field.dispatchEvent(new Event('input', { bubbles: true }));";

/// How many pictures of that side the page has drawn.
const DRAWN: &str = "
    return [...document.querySelectorAll('.mosaic-triggered canvas')].filter((canvas) => canvas.width === arguments[0]).length";

/// Moves the slider of the blend ratio once a frame and counts the frames.
const SLIDE: &str = "
    const done = arguments[arguments.length - 1], moving = arguments[0];
    const slider = document.getElementById('attack-trigger-ratio-slider');
    const began = performance.now();
    let last = began, frames = 0, slowest = 0;
    const frame = (now) => {
      frames += 1;
      slowest = Math.max(slowest, now - last);
      last = now;
      slider.value = 0.1 + 0.8 * Math.abs(Math.sin(frames / 20));
      slider.dispatchEvent(new Event('input', { bubbles: true }));
      if (now - began < moving) requestAnimationFrame(frame);
      else done({ rate: frames * 1000 / (now - began), slowest });
    };
    requestAnimationFrame(frame);";

/// Moves the pointer over the figure once a frame and counts the frames, after a second of rest.
const HOVER: &str = "
    const done = arguments[arguments.length - 1], moving = arguments[0];
    const box = document.querySelector('[data-figure=plot] .chart-box');
    const outline = box.getBoundingClientRect();
    const count = (length, step) => new Promise((resolve) => {
      const began = performance.now();
      let last = began, frames = 0, slowest = 0;
      const frame = (now) => {
        frames += 1;
        slowest = Math.max(slowest, now - last);
        last = now;
        step(frames);
        if (now - began < length) requestAnimationFrame(frame);
        else resolve({ rate: frames * 1000 / (now - began), slowest });
      };
      requestAnimationFrame(frame);
    });
    (async () => {
      const idle = await count(1000, () => {});
      const moved = await count(moving, (at) => {
        const x = outline.left + outline.width * (0.1 + 0.8 * Math.abs(Math.sin(at / 20)));
        const y = outline.top + outline.height * (0.2 + 0.6 * Math.abs(Math.cos(at / 33)));
        box.dispatchEvent(new PointerEvent('pointermove', { clientX: x, clientY: y, bubbles: true }));
      });
      done({ rate: moved.rate, slowest: moved.slowest, idle: idle.rate });
    })();";
