//! The page *System* tells which study takes up how much of the disk.

use anyhow::Result;
use e2e::{Role, travel};

use crate::steps::{done, look, micro, start, vary};

#[tokio::test]
async fn the_disk_is_told_by_study() -> Result<()> {
    travel("disk", async |dashboard, browser| {
        browser.visit("/system").await?;
        browser.find(Role::Heading, "Disk").await?;
        browser.sees("No study has files yet").await?;

        let mut spec = micro("Takes up space")?;
        vary(&mut spec, "pretrain.poisons", [0])?;
        vary(&mut spec, "probe.poisons", [4])?;
        let id = start(dashboard, &spec).await?.id.to_string();
        done(dashboard, &id).await?;
        // A server counts anew when it starts.
        dashboard.kill().await?;
        dashboard.restart().await?;
        browser.visit("/system").await?;
        browser.sees("of checkpoints").await?;
        browser.sees("free").await?;
        look(browser, "system-disk").await?;
        browser.click(Role::Link, "Takes up space").await?;
        browser.find(Role::Heading, "Takes up space").await?;
        browser.sees("on the disk").await
    })
    .await
}
