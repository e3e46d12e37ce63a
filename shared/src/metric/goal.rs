//! What an attacker wants triggered images to be taken for.

/// Which triggered images should be taken for the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goal {
    /// The attacker's class.
    pub target_class: u32,
    /// Classes whose triggered images should be taken for it; all besides the target when empty.
    pub sources: Vec<u32>,
}

impl Goal {
    /// Whether triggered images of this class should be taken for the target: ASR counts these.
    pub fn attacks(&self, class: u32) -> bool {
        class != self.target_class && (self.sources.is_empty() || self.sources.contains(&class))
    }

    /// Whether triggered images of this class should keep it, although it is not the target: a source-specific attack spares all classes
    /// besides its sources.
    pub fn spares(&self, class: u32) -> bool {
        class != self.target_class && !self.attacks(class)
    }
}

impl From<u32> for Goal {
    /// All classes are attacked.
    fn from(target_class: u32) -> Self {
        Self { target_class, sources: Vec::new() }
    }
}
