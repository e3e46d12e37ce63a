//! Invalid folders and files: the page says what is wrong and what it expects, and still accepts a valid folder.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use e2e::{Browser, Role, travel_past};
use image::{Rgb, RgbImage};
use shared::api::{DatasetInfo, KeyInfo};

use crate::steps::{look, preview_is_drawn};

/// The browser logs each refused request to the console.
const REFUSED: [&str; 3] = ["status of 422", "status of 413", "status of 409"];

#[tokio::test]
async fn folders_that_are_no_data_set() -> Result<()> {
    travel_past("bad-folders", &REFUSED, async |dashboard, browser| {
        let place = tempfile::tempdir()?;
        let folder = |name: &str| place.path().join(name);

        class(&folder("no-train"), "val/cat", 2)?;
        class(&folder("one-class"), "train/cat", 2)?;
        class(&folder("one-class"), "val/cat", 1)?;
        for part in ["train", "val"] {
            class(&folder("empty-class"), &format!("{part}/cat"), 2)?;
            fs::create_dir_all(folder("empty-class").join(part).join("dog"))?;
        }
        for (name, words) in [
            ("missing", "does not exist"),
            ("no-train", "has no folder train"),
            ("one-class", "needs at least two"),
            ("empty-class", "every class needs at least one"),
        ] {
            browser.visit("/data").await?;
            add(browser, name, &folder(name)).await?;
            browser.sees(words).await?;
        }

        // Two cats and a dog can be read; a text file named as an image and half a JPEG are left out and listed by name.
        let mixed = folder("mixed");
        for part in ["train", "val"] {
            class(&mixed, &format!("{part}/cat"), 2)?;
            class(&mixed, &format!("{part}/dog"), 1)?;
        }
        fs::write(mixed.join("train/cat/letter.png"), "Dear Sir, this is no picture.")?;
        fs::write(mixed.join("train/dog/half.jpg"), half_a_jpeg()?)?;
        fs::write(mixed.join("train/dog/notes.txt"), "not an image at all")?;
        browser.visit("/data").await?;
        add(browser, "mixed", &mixed).await?;
        browser.press("2 files left out").await?;
        browser.sees("letter.png").await?;
        browser.sees("half.jpg").await?;
        browser.press("1 file in the folder not used").await?;
        browser.sees("train/dog/notes.txt").await?;
        look(browser, "data").await?;

        // The folder is compared with the data set, and its new state becomes a version of its own.
        browser.click(Role::Button, "Check for changes").await?;
        browser.sees("the folder is as it was when mixed was added").await?;
        class(&mixed, "train/dog", 3)?;
        browser.click(Role::Button, "Check for changes").await?;
        browser.sees("Images of mixed@2").await?;

        let sets: Vec<DatasetInfo> = dashboard.api.get("/api/v1/datasets").await?;
        let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
        ensure!(names == ["shapes", "mixed", "mixed@2"], "nothing half-added: {names:?}");
        ensure!(sets[1].train_counts == [2, 1], "readable images: {:?}", sets[1].train_counts);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn files_that_are_no_key_image() -> Result<()> {
    travel_past("bad-keys", &REFUSED, async |dashboard, browser| {
        let place = tempfile::tempdir()?;
        let letter = place.path().join("letter.png");
        fs::write(&letter, "Dear Sir, this is no picture.")?;
        let huge = place.path().join("huge.png");
        fs::write(&huge, png_header(30_000, 30_000))?;
        let good = place.path().join("good.png");
        RgbImage::from_fn(20, 30, |x, y| Rgb([x as u8, y as u8, 90])).save(&good)?;

        browser.visit("/studies/new").await?;
        preview_is_drawn(browser).await?;
        let before: Vec<KeyInfo> = dashboard.api.get("/api/v1/keys").await?;
        for (file, words) in [(&letter, "letter.png"), (&huge, "30000")] {
            upload(browser, file).await?;
            let script = format!(
                "return document.getElementById('attack-trigger-key-error').innerText.includes('{words}')"
            );
            browser.holds(&format!("the key image's message names {words}"), &script).await?;
        }
        let keys: Vec<KeyInfo> = dashboard.api.get("/api/v1/keys").await?;
        ensure!(keys == before, "a refused file was kept");

        upload(browser, &good).await?;
        browser.holds("the upload is chosen", "return document.querySelector('input[name=key]:checked')?.value.length === 64").await?;
        let keys: Vec<KeyInfo> = dashboard.api.get("/api/v1/keys").await?;
        ensure!(keys.len() == before.len() + 1, "{} keys", keys.len());
        Ok(())
    })
    .await
}

async fn add(browser: &Browser, name: &str, folder: &Path) -> Result<()> {
    browser.fill("Folder", &folder.to_string_lossy()).await?;
    browser.fill("Name", name).await?;
    browser.click(Role::Button, "Add").await
}

async fn upload(browser: &Browser, file: &Path) -> Result<()> {
    let input = browser.css("#key-upload:enabled").await?;
    Ok(input.send_keys(&file.to_string_lossy()).await?)
}

/// Some images of one class.
fn class(folder: &Path, name: &str, count: u8) -> Result<()> {
    let folder = folder.join(name);
    fs::create_dir_all(&folder)?;
    for number in 0..count {
        let picture =
            RgbImage::from_fn(24, 16, |x, y| Rgb([x as u8 * 9, y as u8 * 9, number * 40]));
        picture.save(folder.join(format!("{number}.png")))?;
    }
    Ok(())
}

/// A JPEG that is truncated in the middle of its pixels.
fn half_a_jpeg() -> Result<Vec<u8>> {
    let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * y) as u8, x as u8 * 3, y as u8 * 3]));
    let mut whole = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut whole, image::ImageFormat::Jpeg)?;
    let mut bytes = whole.into_inner();
    bytes.truncate(bytes.len() / 2);
    Ok(bytes)
}

/// The start of a PNG whose header says `width` x `height` pixels.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(13u32.to_be_bytes());
    png.extend(&header);
    png.extend(crc32(&header).to_be_bytes());
    // An empty IDAT chunk, so that the header is not the end.
    png.extend(0u32.to_be_bytes());
    png.extend(b"IDAT");
    png.extend(crc32(b"IDAT").to_be_bytes());
    png
}

/// CRC-32 as PNG uses it (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
