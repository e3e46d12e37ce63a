//! What settings are called where several are shown together.

use super::{table::SETTINGS, value::Value};
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

/// A setting's value within a sentence: `blend ratio 0.3`, `size 4 px`. A path that is not a setting's stands for itself.
pub fn told(path: &str, value: &Value) -> String {
    all_told(path, &[value])
}

/// A setting's values within a sentence: `blend ratio 0.2, 0.3`, `size 4, 8 px`.
pub fn all_told(path: &str, values: &[&Value]) -> String {
    let listed = |word: &dyn Fn(&Value) -> String| {
        values.iter().map(|value| word(value)).collect::<Vec<_>>().join(", ")
    };
    let setting = SETTINGS.iter().find(|setting| setting.path == path);
    let (Some(setting), Some(title)) = (setting, title(path)) else {
        return format!("{path} {}", listed(&|value| value.to_string()));
    };
    // The title of a count says what is counted.
    let unit = if matches!(setting.unit, "px" | "%") { setting.unit } else { "" };
    let space = if unit.is_empty() { "" } else { " " };
    format!("{} {}{space}{unit}", lower(&title), listed(&|value| setting.words(value)))
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

    #[test]
    fn values_are_told_with_their_setting() {
        assert_eq!(told("attack.trigger.ratio", &0.3.into()), "blend ratio 0.3");
        assert_eq!(told("attack.trigger.size", &4_u32.into()), "size 4 px");
        let sizes = [4_u32.into(), 8_u32.into()];
        assert_eq!(all_told("attack.trigger.size", &sizes.each_ref()), "size 4, 8 px");
        assert_eq!(told("pretrain.mask_ratio", &0.4.into()), "mask ratio 0.4");
        assert_eq!(told("model.unknown", &1.into()), "model.unknown 1");
    }
}
