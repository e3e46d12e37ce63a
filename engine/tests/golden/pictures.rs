//! Image files of every kind against Pillow.

use engine::decode::{Limits, decode};
use serde::Deserialize;
use shared::dataset::Transparency;

use crate::case::Case;

#[derive(Deserialize)]
struct Config {
    kind: String,
    files: usize,
}

#[test]
fn pillow_has_the_same_pixels_or_refuses_too() {
    let mut wrong = Vec::new();
    for case in Case::all("pictures") {
        let Config { kind, files } = case.config();
        let read = case.names("image-");
        assert!(read.len() > files / 2, "{kind}: Pillow reads most files");
        for n in 0..files {
            let number = n.to_string();
            let image =
                decode(&case.bytes(&format!("file-{n}")), Limits::default(), Transparency::Drop);
            let problem = match (image, read.contains(&number)) {
                (Ok(image), true) if image == case.image(&format!("image-{n}")) => continue,
                (Err(_), false) => continue,
                (Ok(_), true) => "other pixels".into(),
                (Ok(_), false) => "Pillow refuses it".into(),
                (Err(error), true) => error.to_string(),
            };
            wrong.push(format!("{}: file {n} ({kind}): {problem}", case.name()));
        }
    }
    assert!(wrong.is_empty(), "{} files differ:\n{}", wrong.len(), wrong.join("\n"));
}
