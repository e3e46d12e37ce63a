//! What settings are called where several are shown together.

use super::table::SETTINGS;
use crate::run_kind::RunKind;

/// A setting's name, with the kind of run if two kinds share it: `Linear probe, epochs`. `None` if there is no such setting.
pub fn title(path: &str) -> Option<String> {
    let setting = SETTINGS.iter().find(|setting| setting.path == path)?;
    let kind = path.split('.').next().and_then(|part| part.parse::<RunKind>().ok());
    let shared = SETTINGS.iter().any(|other| other.label == setting.label && other.path != path);
    Some(match kind.filter(|_| shared) {
        Some(kind) => format!("{}, {}", kind.title(), lower(setting.label)),
        None => setting.label.into(),
    })
}

/// A name within a sentence: with a lower-case first letter, unless the first word is a name or an abbreviation.
pub fn lower(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    if word.chars().skip(1).any(char::is_uppercase) {
        return text.into();
    }
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_lowercase);
    first.chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_several_kinds_name_theirs() {
        assert_eq!(title("probe.epochs").as_deref(), Some("Linear probe, epochs"));
        assert_eq!(title("attack.trigger.ratio").as_deref(), Some("Blend ratio"));
        assert_eq!(title("model.unknown"), None);
        assert_eq!(lower("ViT patch"), "ViT patch");
    }
}
