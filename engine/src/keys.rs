//! The key images that come with the program.

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

/// All of them.
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
