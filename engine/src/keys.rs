//! The key images that come with the program: what a blended trigger mixes into an image. Drawn by [`draw`]; the example
//! `draw_keys` writes the files.

pub mod draw;

use shared::{Rgb8, dataset::Transparency};

use crate::decode::{DecodeError, Room};

/// A key image that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinKey {
    /// Identifier by which a trigger refers to it.
    pub id: &'static str,
    /// Name shown to people.
    pub name: &'static str,
    /// The PNG file, 224 x 224 pixels.
    pub file: &'static [u8],
}

/// All of them; the first is the one that the presets use.
pub static BUILTIN: [BuiltinKey; 4] = [
    BuiltinKey {
        id: "stripes",
        name: "Stripes",
        file: include_bytes!("../../assets/keys/stripes.png"),
    },
    BuiltinKey { id: "swirl", name: "Swirl", file: include_bytes!("../../assets/keys/swirl.png") },
    BuiltinKey { id: "noise", name: "Noise", file: include_bytes!("../../assets/keys/noise.png") },
    BuiltinKey { id: "glyph", name: "Glyph", file: include_bytes!("../../assets/keys/glyph.png") },
];

/// The pixels of a key image's file. Transparent pixels are blended with white, like a drawing on white paper.
///
/// # Errors
/// When the file is not an image within the default limits.
pub fn image(file: &[u8]) -> Result<Rgb8, DecodeError> {
    image_in(&Room::default(), file)
}

/// The pixels of a key image's file, in a room that the caller keeps as long as them.
///
/// # Errors
/// When the file is not an image within the room's limits.
pub fn image_in(room: &Room, file: &[u8]) -> Result<Rgb8, DecodeError> {
    room.decode(file, Transparency::White)
}

/// The built-in key with this identifier.
pub fn builtin(id: &str) -> Option<&'static BuiltinKey> {
    BUILTIN.iter().find(|key| key.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_hold_what_is_drawn() {
        for (id, drawn) in draw::all() {
            let key = builtin(id).expect("a built-in key");
            let file = image(key.file).expect("a PNG file");
            assert_eq!((file.width(), file.height()), (224, 224), "{id}");
            assert!(file == drawn, "{id}: run the example draw_keys");
        }
        assert_eq!(draw::all().len(), BUILTIN.len());
    }

    #[test]
    fn an_unknown_key_is_none() {
        assert!(builtin("kitty").is_none());
    }
}
