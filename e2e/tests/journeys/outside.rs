//! External data, using the mouse alone: a study of a data set of records, another program's checkpoint and a list of
//! poisons.

use std::{
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use e2e::{Browser, Dashboard, Role, travel, until};
use http::Method;
use shared::{
    PoisonPlan, RunId, RunKind,
    api::{DatasetInfo, ImportedCheckpoint, Page, StudySummary},
};

use crate::steps::{done, look, micro, start, vary};

/// Images of each class in the records.
const TRAINING: u8 = 12;
const VALIDATION: u8 = 5;
/// The records that the list names: the second of every class but the target class. The label of record `i` is `i % 10`.
const LISTED: RangeInclusive<u32> = 11..=19;

#[tokio::test]
async fn a_study_of_what_comes_from_outside() -> Result<()> {
    travel("outside", async |dashboard, browser| {
        let place = tempfile::tempdir()?;
        let records = place.path().join("digits");
        write_records(&records)?;
        add_records(dashboard, browser, &records).await?;
        let model = other_programs_checkpoint(dashboard, place.path()).await?;
        import(dashboard, browser, &model).await?;
        let list = place.path().join("chosen.txt");
        let names = LISTED.map(|record| format!("train-images-idx3-ubyte/{record}\n"));
        fs::write(&list, format!("# chosen by hand\n{}", names.collect::<String>()))?;
        study_of_all_three(dashboard, browser, &list).await
    })
    .await
}

/// Adds the folder on the *Data* page.
async fn add_records(dashboard: &Dashboard, browser: &Browser, folder: &Path) -> Result<()> {
    browser.visit("/data").await?;
    browser.fill("Folder", &folder.to_string_lossy()).await?;
    browser.click(Role::Button, "Add").await?;
    browser.sees("MNIST (IDX)").await?;
    let set: DatasetInfo = dashboard.api.get("/api/v1/datasets/digits").await?;
    ensure!(set.train_counts == [u32::from(TRAINING); 10], "{:?}", set.train_counts);
    look(browser, "data-records").await
}

/// Exports a model that a micro study trained as a Hugging Face folder.
async fn other_programs_checkpoint(dashboard: &Dashboard, place: &Path) -> Result<PathBuf> {
    let mut spec = micro("To be exported")?;
    vary(&mut spec, "pretrain.poisons", [0])?;
    vary(&mut spec, "probe.poisons", [0])?;
    let study = start(dashboard, &spec).await?;
    let study = done(dashboard, &study.id.to_string()).await?;
    let trained = study.runs.iter().find(|run| run.point.kind == RunKind::Pretrain);
    let id: RunId = trained.context("a pre-training")?.id;
    let folder = place.join("vit-mae-micro");
    fs::create_dir_all(&folder)?;
    for file in ["model.safetensors", "config.json"] {
        let path = format!("/api/v1/runs/{id}/export?format=huggingface&file={file}");
        let (status, bytes) = dashboard.api.send(Method::GET, &path, None).await?;
        ensure!(status.is_success(), "{path}: {status}");
        fs::write(folder.join(file), bytes)?;
    }
    Ok(folder.join("model.safetensors"))
}

/// Imports the file on the *Checkpoints* page, at first without a name, which is refused.
async fn import(dashboard: &Dashboard, browser: &Browser, file: &Path) -> Result<()> {
    browser.visit("/checkpoints").await?;
    browser.fill("File", &file.to_string_lossy()).await?;
    browser.press("Import").await?;
    browser.sees("takes letters, digits, - and _").await?;
    browser.fill("Name", "outside").await?;
    browser.press("Import").await?;
    let imported: ImportedCheckpoint = until_there(dashboard).await?;
    let sizes = (imported.model.image_size, imported.model.patch_size, imported.model.encoder.dim);
    ensure!(sizes == (32, 8, 32), "{:?}", imported.model);
    browser.sees("outside").await?;
    look(browser, "checkpoints-imported").await
}

async fn until_there(dashboard: &Dashboard) -> Result<ImportedCheckpoint> {
    until("the checkpoint is there", Duration::from_secs(20), async || {
        Ok(Some(dashboard.api.get("/api/v1/checkpoints/imported/outside").await?))
    })
    .await
}

async fn study_of_all_three(dashboard: &Dashboard, browser: &Browser, list: &Path) -> Result<()> {
    browser.visit("/studies/new").await?;
    browser.fill("Name", "From outside").await?;
    browser.choose("Data set", "digits").await?;
    browser.choose("Encoder", "outside, 32 × 1 on 32 px").await?;
    // Probes with one poison per class and with none: the list names no more.
    browser.press("Linear probe, LPR: 1").await?;
    browser.press("Linear probe, LPR: 3").await?;
    let upload = browser.css("#poison-list-upload").await?;
    upload.send_keys(&list.to_string_lossy()).await?;
    browser.sees("9 images listed").await?;
    look(browser, "new-study-outside").await?;
    browser.press("Start").await?;
    let id = until("the study is there", Duration::from_secs(20), async || {
        let studies: Page<StudySummary> = dashboard.api.get("/api/v1/studies").await?;
        let found = studies.items.iter().find(|study| study.name == "From outside");
        Ok(found.map(|study| study.id.to_string()))
    })
    .await?;
    let study = done(dashboard, &id).await?;
    ensure!(
        study.spec.settings.encoder.as_deref() == Some("outside"),
        "{:?}",
        study.spec.settings.encoder
    );
    for run in &study.runs {
        ensure!(run.point.kind == RunKind::Probe, "no encoder is trained: {}", run.point.label());
        let metrics = run.metrics.context("a result")?;
        ensure!(metrics.ca.total == u32::from(VALIDATION) * 10, "{metrics:?}");
        let plan: PoisonPlan =
            dashboard.api.get(&format!("/api/v1/runs/{}/poison", run.id)).await?;
        let poisons: Vec<(u32, u32)> =
            plan.samples.iter().map(|sample| (sample.class, sample.index)).collect();
        // Images are numbered class by class.
        let listed = (1..=9).map(|class| (class, class * u32::from(TRAINING) + 1));
        let expected = if run.point.lpr == 0 { vec![] } else { listed.collect() };
        ensure!(poisons == expected, "{}: {poisons:?}", run.point.label());
    }
    browser.visit(&format!("/studies/{id}")).await?;
    browser.sees("outside").await?;
    look(browser, "study-outside").await
}

/// Ten classes of 28 x 28 grey images in MNIST's file format: bars whose position is the class. The label of
/// record `i` is `i % 10`.
fn write_records(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (name, each) in [("train", TRAINING), ("t10k", VALIDATION)] {
        let records = u32::from(each) * 10;
        let mut images = [0x0803_u32, records, 28, 28].map(u32::to_be_bytes).concat();
        let mut labels = [0x0801_u32, records].map(u32::to_be_bytes).concat();
        for record in 0..records {
            let class = record % 10;
            images.extend((0..28 * 28).map(|pixel| {
                let inside = (pixel % 28) / 3 == class && pixel / 28 > record / 10;
                if inside { 230 } else { 20 + (record % 7) as u8 }
            }));
            labels.push(class as u8);
        }
        fs::write(folder.join(format!("{name}-images-idx3-ubyte")), images)?;
        fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), labels)?;
    }
    Ok(())
}
