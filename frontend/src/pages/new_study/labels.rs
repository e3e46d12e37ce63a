//! What the form calls a field, from its path.

use super::numbers::{FINETUNE, MODEL, PATCH, PRETRAIN, PROBE, RATIO};

/// Fields that are no numbers.
const OTHERS: [(&str, &str); 13] = [
    ("name", "Name"),
    ("tags", "Tags"),
    ("dataset.name", "Data set"),
    ("dataset.train_per_class", "Training images per class"),
    ("dataset.test_per_class", "Validation images per class"),
    ("attack.target_class", "Target class"),
    ("attack.trigger.key", "Key image"),
    ("attack.trigger.fill.cell", "Cell of the checkerboard"),
    ("grid.ppr", "Pre-training, PPR"),
    ("grid.lpr", "Linear probe, LPR"),
    ("grid.fpr", "Fine-tuning, FPR"),
    ("grid.seeds", "Seeds"),
    ("grid", "Poisons and seeds"),
];

/// The field's name as the form has it, with the phase where two phases share it; the path for a field it lacks.
pub fn label(path: &str) -> String {
    let phases = [
        ("", &MODEL[..]),
        ("Pre-training, ", &PRETRAIN[..]),
        ("Linear probe, ", &PROBE[..]),
        ("Fine-tuning, ", &FINETUNE[..]),
        ("", &PATCH[..]),
    ];
    for (phase, numbers) in phases {
        if let Some(number) = numbers.iter().find(|number| number.path == path) {
            let label = number.label;
            return if phase.is_empty() {
                label.into()
            } else {
                format!("{phase}{}", label.to_lowercase())
            };
        }
    }
    if path == RATIO.path {
        return RATIO.label.into();
    }
    let other = OTHERS.iter().find(|(other, _)| *other == path);
    other.map_or_else(|| path.to_owned(), |(_, label)| (*label).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_called_as_the_form_has_them() {
        assert_eq!(label("probe.epochs"), "Linear probe, epochs");
        assert_eq!(label("attack.trigger.x"), "Left edge");
        assert_eq!(label("attack.trigger.ratio"), "Blend ratio");
        assert_eq!(label("grid.seeds"), "Seeds");
        assert_eq!(label("model.unknown"), "model.unknown");
    }
}
