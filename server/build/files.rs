//! The embedded files and the table of them.

use std::{
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hasher as _},
    path::Path,
};

use crate::Quality;

/// A file as the browser sees it.
pub struct File {
    /// Path without the leading slash.
    pub path: String,
    content: Vec<u8>,
    /// Whether the path changes with the content.
    immutable: bool,
}

impl File {
    /// A file whose content may change under its path.
    pub fn fresh(path: impl Into<String>, content: Vec<u8>) -> Self {
        Self { path: path.into(), content, immutable: false }
    }

    /// A file that is only ever asked for by a file with a name of its content.
    pub fn lasting(path: impl Into<String>, content: Vec<u8>) -> Self {
        Self { path: path.into(), content, immutable: true }
    }

    /// A file named by its content.
    pub fn hashed(stem: &str, extension: &str, content: Vec<u8>) -> Self {
        Self::lasting(format!("{stem}-{}.{extension}", digest(&content)), content)
    }

    fn mime(&self) -> &'static str {
        match self.path.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("wasm") => "application/wasm",
            Some("woff2") => "font/woff2",
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            Some("ico") => "image/x-icon",
            Some("webmanifest") => "application/manifest+json",
            _ => "application/octet-stream",
        }
    }
}

/// Writes the files and `assets.rs`, which defines `ASSETS: &[Asset]`.
pub fn write(files: &[File], out: &Path, quality: Quality) -> Result<(), String> {
    let folder = out.join("files");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut table = String::from("pub static ASSETS: &[Asset] = &[\n");
    for (place, file) in files.iter().enumerate() {
        let raw = folder.join(place.to_string());
        let small = folder.join(format!("{place}.br"));
        let compressed = compress(&file.content, quality)?;
        save(&raw, &file.content)?;
        save(&small, &compressed)?;
        let (path, mime, immutable) = (&file.path, file.mime(), file.immutable);
        let etag = format!("\"{}\"", digest(&file.content));
        // A compressed form that saves nothing is not worth the browser's time.
        let br = if compressed.len() < file.content.len() {
            format!("Some(include_bytes!({}))", literal(&small))
        } else {
            "None".into()
        };
        writeln!(
            table,
            "    Asset {{ path: {path:?}, mime: {mime:?}, etag: {etag:?}, immutable: {immutable}, \
             raw: include_bytes!({}), br: {br} }},",
            literal(&raw)
        )
        .map_err(|error| error.to_string())?;
    }
    table.push_str("];\n");
    save(&out.join("assets.rs"), table.as_bytes())
}

/// A path as it stands in a program's text.
fn literal(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

fn save(path: &Path, content: &[u8]) -> Result<(), String> {
    fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))
}

/// 64 bits that change with the content.
pub fn digest(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    format!("{:016x}", hasher.finish())
}

fn compress(content: &[u8], quality: Quality) -> Result<Vec<u8>, String> {
    let settings = brotli::enc::BrotliEncoderParams {
        quality: match quality {
            Quality::Fast => 1,
            Quality::Best => 11,
        },
        lgwin: 22,
        size_hint: content.len(),
        ..Default::default()
    };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &settings)
        .map_err(|error| format!("brotli: {error}"))?;
    Ok(compressed)
}
