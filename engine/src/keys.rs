//! The key images that come with the program: what a blended trigger mixes into an image. Drawn by [`draw`]; the example
//! `draw_keys` writes the files.

pub mod draw;

/// A key image that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinKey {
    /// What a trigger names.
    pub id: &'static str,
    /// Name that a person reads.
    pub name: &'static str,
    /// The PNG file, 224 x 224 pixels.
    pub file: &'static [u8],
}

/// All of them, the one that the presets use first.
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

/// The built-in key with this identifier.
pub fn builtin(id: &str) -> Option<&'static BuiltinKey> {
    BUILTIN.iter().find(|key| key.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Limits, decode};

    #[test]
    fn the_files_hold_what_is_drawn() {
        for (id, drawn) in draw::all() {
            let key = builtin(id).expect("a built-in key");
            let file = decode(key.file, Limits::default()).expect("a PNG file");
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
