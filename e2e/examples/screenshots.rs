//! Takes the screenshots of the README's tour from a server that runs already and has a finished study.
//!
//! ```sh
//! cargo run -p e2e --example screenshots -- http://127.0.0.1:9000 docs/tour
//! ```
//!
//! The study is the one with the most finished runs. Each page is taken at 1440 x 900, in the light or the dark theme, after everything on
//! it is drawn.

#![expect(clippy::print_stdout, reason = "it names what it writes")]

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use e2e::{Browser, Screen, api::Api};
use shared::api::{CheckpointInfo, Page, StudySummary};

/// The page has drawn what it has, with its fonts, and nothing is on its way.
const CALM: &str = "const done = arguments[0];
const calm = () => document.querySelector('[aria-busy=true], .placeholder') === null
  && [...document.images].every((image) => image.complete);
document.fonts.ready.then(() => {
  const look = (left) => requestAnimationFrame(() => left === 0 ? done(true) : look(calm() ? left - 1 : 30));
  look(30);
});";

/// A page in a theme, and the selector of what its visitor waits for.
struct Shot {
    name: &'static str,
    dark: bool,
    path: String,
    waited_for: &'static str,
}

fn shots(study: &StudySummary, checkpoints: &[CheckpointInfo]) -> [Shot; 5] {
    let id = study.id;
    let filter = format!("study == {:?}", study.name);
    let of_study: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    // An attacked encoder of the study beside a clean one.
    let last = |attacked: bool| {
        let of_study = checkpoints.iter().filter(|it| it.study == id);
        let encoders = of_study.filter(|it| it.point.kind.makes_encoder());
        encoders.filter(|it| it.point.attacks_encoder() == attacked).max_by_key(|it| it.created_at)
    };
    let reconstruct = match (last(true), last(false)) {
        (Some(attacked), Some(clean)) => {
            format!("/reconstruct?run={}&run_b={}", attacked.run, clean.run)
        }
        _ => "/reconstruct".into(),
    };
    let shot = |name, dark, path, waited_for| Shot { name, dark, path, waited_for };
    [
        shot("new-study", false, format!("/studies/new?from={id}"), "canvas"),
        shot("study", false, format!("/studies/{id}"), ".verdict-line"),
        shot(
            "compare",
            true,
            format!("/compare?figure=asr-by-poison&published=true&filter={of_study}"),
            "[data-figure] svg rect",
        ),
        shot(
            "means",
            false,
            format!("/compare?kind=means&x=probe.poisons&filter={of_study}"),
            "[data-figure] svg circle",
        ),
        shot("reconstruct", true, reconstruct, ".tiles-row canvas:not([width='1'])"),
    ]
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let base = arguments.next().context("say the address of the server")?;
    let folder: PathBuf = arguments.next().context("say where the pictures go")?.into();

    let api = Api::new(base.as_str());
    let studies: Page<StudySummary> = api.get("/api/v1/studies?limit=200").await?;
    let checkpoints: Vec<CheckpointInfo> = api.get("/api/v1/checkpoints").await?;
    let largest = studies.items.iter().max_by_key(|study| study.states.done);
    let largest = largest.context("the server has no study")?;
    for shot in shots(largest, &checkpoints) {
        // A browser of its own, so that nothing of another page is kept.
        let browser = Browser::open(base.as_str()).await?;
        browser.prefers_dark(shot.dark).await?;
        take(&browser, &shot, &folder.join(format!("{}.png", shot.name))).await?;
        browser.close().await?;
    }
    Ok(())
}

async fn take(browser: &Browser, shot: &Shot, file: &Path) -> Result<()> {
    browser.visit(&shot.path).await?;
    browser.css(shot.waited_for).await.with_context(|| shot.path.clone())?;
    browser.run_until_done(CALM, vec![]).await?;
    browser.shoot(file).await?;
    let (width, height) = Screen::Wide.size();
    // What is seen without scrolling.
    image::open(file)?.crop_imm(0, 0, width, height).save(file)?;
    println!("{}", file.display());
    Ok(())
}
