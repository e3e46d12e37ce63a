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
    for case in Case::all("pictures") {
        let Config { kind, files } = case.config();
        let read = case.names("image-");
        assert!(read.len() > files / 2, "{kind}: Pillow reads most files");
        for n in 0..files {
            let number = n.to_string();
            let image =
                decode(&case.bytes(&format!("file-{n}")), Limits::default(), Transparency::Drop);
            match (image, read.contains(&number)) {
                (Ok(image), true) => {
                    let same = image == case.image(&format!("image-{n}"));
                    assert!(same, "{}: file {n} ({kind}) has other pixels", case.name());
                }
                (Err(error), true) => panic!("{}: file {n} ({kind}): {error}", case.name()),
                (Ok(_), false) => panic!("{}: file {n} ({kind}): Pillow refuses it", case.name()),
                (Err(_), false) => {}
            }
        }
    }
}
