//! Suggestions for misspelt names.

/// Length in characters from which a text is no misspelt name. The time that edits take to count grows with it.
const LONGEST: usize = 200;

/// The name that is most likely meant by `wrong`: one that differs only in case, a longer one
/// that ends in it (`ratio` for `attack.trigger.ratio`), or the one with the fewest edits, up to a
/// third of its length. The first of several equally good ones.
pub(super) fn nearest<'a>(
    wrong: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    let same = |name: &&str| name.to_lowercase() == lower;
    let end = |name: &&str| name.to_lowercase().ends_with(&format!(".{lower}"));
    if let Some(name) = names.clone().find(same).or_else(|| names.clone().find(end)) {
        return Some(name);
    }
    let length = wrong.chars().count();
    if length > LONGEST {
        return None;
    }
    let most = (length / 3).max(1);
    names
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(edits, _)| *edits <= most)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_name_is_found() {
        let names = ["attack.trigger.ratio", "asr", "ra", "probe.poisons", "pretrain.poisons"];
        for (wrong, meant) in [
            ("atack.triger.ratio", Some("attack.trigger.ratio")),
            ("ratio", Some("attack.trigger.ratio")),
            ("ASR", Some("asr")),
            ("ars", Some("asr")),
            ("prob.poisons", Some("probe.poisons")),
            ("poisons", Some("probe.poisons")),
            ("optimizer", None),
        ] {
            assert_eq!(nearest(wrong, names.into_iter()), meant, "{wrong}");
        }
    }
}
