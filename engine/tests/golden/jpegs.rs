//! JPEG files of the usual kinds against Pillow.

use engine::decode::{Limits, decode};
use shared::dataset::Transparency;

use crate::case::Case;

#[test]
fn files_have_the_same_pixels() {
    for case in Case::all("jpegs") {
        let image = decode(&case.bytes("file"), Limits::default(), Transparency::Drop)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name()));
        assert!(image == case.image("image"), "{}: pixels differ", case.name());
    }
}
