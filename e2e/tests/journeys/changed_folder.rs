//! A folder that changes after it was added: the runs that come later stop and say what changed, its new state is another version, and
//! each result keeps the name of the state that it was made of.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use e2e::{Role, travel_past, until};
use image::{Rgb, RgbImage};
use serde_json::json;
use shared::{
    RunKind, RunState, StudySpec,
    api::{DatasetInfo, StudyDetail},
};

use crate::steps::{done, look, micro, start, study, vary};

/// The browser logs each refused request to the console.
const REFUSED: [&str; 2] = ["status of 422", "status of 409"];
/// What pages say of the change.
const CHANGE: &str = "has changed since it was added: 3 classes instead of 2 (new: ant)";

#[tokio::test]
async fn a_run_on_a_changed_folder_stops_and_the_new_version_trains() -> Result<()> {
    travel_past("changed-folder", &REFUSED, async |dashboard, browser| {
        let folder = tempfile::tempdir()?;
        for class in ["cat", "dog"] {
            pictures(folder.path(), class)?;
        }
        let added = json!({ "name": "pets", "path": folder.path() });
        let _: DatasetInfo = dashboard.api.post("/api/v1/datasets", &added).await?;
        let before = start(dashboard, &of_pets("Before the change", "pets", 2)?).await?;
        done(dashboard, &before.id.to_string()).await?;

        // The folder changes while a pre-training has its images in memory: its probe would train on other classes.
        let broken = start(dashboard, &of_pets("Across the change", "pets", 1000)?).await?;
        let broken = broken.id.to_string();
        until("the pre-training has its images", Duration::from_mins(1), async || {
            let study = study(dashboard, &broken).await?;
            Ok(trains(&study, RunKind::Pretrain)?.then_some(()))
        })
        .await?;
        pictures(folder.path(), "ant")?;
        let probe = until("the probe has stopped", Duration::from_mins(2), async || {
            let study = study(dashboard, &broken).await?;
            let probe = study.runs.iter().find(|run| run.point.kind == RunKind::Probe);
            let probe = probe.context("a probe")?;
            ensure!(probe.state != RunState::Done, "the probe trained on the changed folder");
            Ok((probe.state == RunState::Failed).then_some(probe.id))
        })
        .await?;
        browser.visit(&format!("/studies/{broken}?run={probe}")).await?;
        browser.sees(CHANGE).await?;
        look(browser, "study-changed-folder").await?;

        browser.visit(&format!("/studies/new?from={}", before.id)).await?;
        browser.find(Role::Heading, "New study").await?;
        browser.fill("Name", "After the change").await?;
        browser.press("Start").await?;
        browser.sees(CHANGE).await?;

        browser.visit("/data").await?;
        browser.click(Role::Link, "pets").await?;
        browser.sees("Images of pets").await?;
        browser.click(Role::Button, "Check for changes").await?;
        browser.sees("Images of pets@2").await?;

        let after = start(dashboard, &of_pets("After the change", "pets@2", 2)?).await?;
        done(dashboard, &after.id.to_string()).await?;
        for (study, name) in [(&before, "pets"), (&after, "pets@2")] {
            let id = study.id.to_string();
            let made_of = self::study(dashboard, &id).await?.spec.settings.dataset.name;
            ensure!(made_of == name, "{id} is of {made_of}");
            browser.visit(&format!("/studies/{id}")).await?;
            browser.sees(name).await?;
        }
        Ok(())
    })
    .await
}

/// A pre-training of this length and its probe.
fn of_pets(name: &str, dataset: &str, epochs: u32) -> Result<StudySpec> {
    let mut spec = micro(name)?;
    vary(&mut spec, "pretrain.poisons", [0])?;
    vary(&mut spec, "probe.poisons", [1])?;
    let settings = &mut spec.settings;
    settings.dataset.name = dataset.into();
    (settings.dataset.train_per_class, settings.dataset.test_per_class) = (None, None);
    settings.pretrain.epochs = epochs;
    settings.pretrain.checkpoint_every = epochs;
    Ok(spec)
}

/// Whether the study's run of this kind has taken a step.
fn trains(study: &StudyDetail, kind: RunKind) -> Result<bool> {
    let run = study.runs.iter().find(|run| run.point.kind == kind).context("a run of this kind")?;
    ensure!(run.state != RunState::Done, "the {kind:?} was done before the folder changed");
    Ok(run.progress.step > 0)
}

/// Pictures of a class for training and validation.
fn pictures(folder: &Path, class: &str) -> Result<()> {
    for (split, count) in [("train", 4), ("val", 2)] {
        let folder = folder.join(split).join(class);
        fs::create_dir_all(&folder)?;
        for number in 0..count {
            let tint = class.as_bytes()[0];
            let picture =
                RgbImage::from_fn(24, 24, |x, y| Rgb([x as u8 * 9, y as u8 * number, tint]));
            picture.save(folder.join(format!("{number}.png")))?;
        }
    }
    Ok(())
}
