//! Which part of a file is the vision transformer.
//!
//! Training programs wrap a model's names in prefixes (`module.`, `_orig_mod.`, `backbone.`), and a file in entries (`model`, `state_dict`,
//! `teacher`), in any order and number. None of them is known by name here: the transformer is wherever the names of a patch embedding
//! are, and what comes before them is its entry.

use std::collections::BTreeSet;

use super::{names::Naming, tensors::TensorFile};

/// Between the entries of a file; names within a model have points.
pub(super) const SEPARATOR: char = '/';
/// Names that a message shows.
const SHOWN: usize = 8;

/// A transformer in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// What its names begin with.
    prefix: String,
    naming: Naming,
}

impl Entry {
    /// The prefix as a person gives it; `.` for none.
    fn name(&self) -> &str {
        match self.prefix.trim_end_matches(['.', SEPARATOR]) {
            "" => ".",
            name => name,
        }
    }

    /// Whether the names begin as a whole encoder's do. A momentum or a projection may have an embedding only.
    fn is_whole(&self, file: &TensorFile<'_>) -> bool {
        ["cls_token", "pos_embed", "blocks.0.norm1.weight"].iter().all(|ours| {
            let name = format!("{}{}", self.prefix, self.naming.of(ours)[0]);
            file.shape(&name).is_some()
        })
    }

    /// Whether the file has Hugging Face's classifier, too.
    fn has_head(&self, file: &TensorFile<'_>) -> bool {
        let Naming::HuggingFace { prefix } = self.naming else { return false };
        let outer = self.prefix.as_str();
        !prefix.is_empty() && file.shape(&format!("{outer}classifier.weight")).is_some()
    }
}

/// What a transformer is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// As an encoder; a head on it does not matter.
    Encoder,
    /// As a classifier with Hugging Face's names.
    Classifier,
}

/// The tensors of the file's transformer, with the names that they have without its entry, and whose names those are. `wanted` names the
/// entry where a file has several that fit the use.
///
/// # Errors
/// A sentence that lists the transformers of the file, or what it holds instead.
pub(super) fn select<'a>(
    mut file: TensorFile<'a>,
    wanted: Option<&str>,
    purpose: Use,
) -> Result<(TensorFile<'a>, Naming), String> {
    let mut entries: Vec<Entry> = file.tensors.keys().filter_map(|name| entry_of(name)).collect();
    entries.sort();
    entries.dedup();
    if entries.iter().any(|entry| entry.is_whole(&file)) {
        entries.retain(|entry| entry.is_whole(&file));
    }
    if wanted.is_none() && purpose == Use::Classifier {
        if entries.iter().any(|entry| entry.has_head(&file)) {
            entries.retain(|entry| entry.has_head(&file));
        } else {
            // None can be evaluated, whichever is chosen: the first one tells why.
            entries.truncate(1);
        }
    }
    let list = |entries: &[Entry]| {
        let shown: Vec<&str> = entries.iter().take(SHOWN).map(Entry::name).collect();
        let more = entries.len() - shown.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        shown.join(", ") + &more
    };
    let entry = match (wanted, entries.as_slice()) {
        (_, []) => return Err(nothing(&file)),
        (None, [entry]) => entry.clone(),
        (None, several) => {
            return Err(format!(
                "it holds {} {}: {}; choose one with --entry NAME",
                several.len(),
                match purpose {
                    Use::Encoder => "vision transformers",
                    Use::Classifier => "classifiers",
                },
                list(several)
            ));
        }
        (Some(wanted), all) => {
            let plain = |name: &str| name.replace(SEPARATOR, ".");
            let found = all.iter().find(|entry| plain(entry.name()) == plain(wanted));
            found.cloned().ok_or_else(|| {
                format!("it has no vision transformer {wanted:?}; it has: {}", list(all))
            })?
        }
    };
    let tensors = std::mem::take(&mut file.tensors).into_iter();
    file.tensors = tensors
        .filter_map(|(name, stored)| {
            let short = name.strip_prefix(&entry.prefix)?;
            (!short.contains(SEPARATOR)).then(|| (short.to_owned(), stored))
        })
        .collect();
    Ok((file, entry.naming))
}

/// The entry whose patch embedding a tensor is.
fn entry_of(name: &str) -> Option<Entry> {
    let before = |naming: Naming| {
        let prefix = name.strip_suffix(&naming.of("patch_embed.proj.weight")[0])?;
        let ends = prefix.is_empty() || prefix.ends_with(['.', SEPARATOR]);
        ends.then(|| Entry { prefix: prefix.to_owned(), naming })
    };
    Naming::ALL.into_iter().find_map(before)
}

/// The message about a file without a transformer.
fn nothing(file: &TensorFile<'_>) -> String {
    let roots: BTreeSet<&str> = file
        .tensors
        .keys()
        .filter_map(|name| name.split_once(SEPARATOR).map(|(root, _)| root))
        .collect();
    let entries = match roots.len() {
        0 => String::new(),
        _ => format!(" in the entries {}", roots.into_iter().collect::<Vec<_>>().join(", ")),
    };
    let shown: Vec<String> = file
        .tensors
        .iter()
        .take(SHOWN)
        .map(|(name, stored)| format!("{name} {:?}", stored.shape))
        .collect();
    let more = file.tensors.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "it holds no vision transformer with the names of MAE, timm or transformers: none of its {} tensors{entries} ends in \
         patch_embed.proj.weight or embeddings.patch_embeddings.projection.weight. It has {}{more}",
        file.tensors.len(),
        shown.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use safetensors::Dtype;

    use super::{super::tensors::Stored, *};

    fn file(names: &[&str]) -> TensorFile<'static> {
        let stored = || Stored { shape: vec![1], dtype: Dtype::F32, data: &[0; 4], strides: None };
        let tensors = names.iter().map(|name| ((*name).to_owned(), stored())).collect();
        TensorFile { tensors, ..TensorFile::default() }
    }

    /// The names of a small encoder behind a prefix.
    fn encoder(prefix: &str) -> Vec<String> {
        ["cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.norm1.weight"]
            .map(|name| format!("{prefix}{name}"))
            .to_vec()
    }

    fn selected(names: &[String], wanted: Option<&str>) -> Result<Vec<String>, String> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (file, _) = select(file(&names), wanted, Use::Encoder)?;
        Ok(file.tensors.into_keys().collect())
    }

    #[test]
    fn any_stack_of_prefixes_is_taken_off() {
        let mut plain = encoder("");
        plain.sort();
        for prefix in ["", "module.", "module._orig_mod.", "model/module.backbone.", "a/b/encoder."]
        {
            let mut names = encoder(prefix);
            names.extend(
                ["n_averaged".into(), "optimizer/state.exp_avg".into()]
                    .into_iter()
                    .filter(|_| !prefix.is_empty()),
            );
            assert_eq!(selected(&names, None).unwrap(), plain, "{prefix}");
        }
        let theirs = selected(
            &["net/vit.embeddings.patch_embeddings.projection.weight".into(), "net/vit.x".into()],
            None,
        );
        assert_eq!(theirs.unwrap(), ["vit.embeddings.patch_embeddings.projection.weight", "vit.x"]);
    }

    #[test]
    fn of_two_transformers_one_is_chosen_by_name() {
        let names = [
            encoder("student/"),
            encoder("teacher/backbone."),
            vec!["projector/patch_embed.proj.weight".into()],
        ]
        .concat();
        assert_eq!(
            selected(&names, None).unwrap_err(),
            "it holds 2 vision transformers: student, teacher/backbone; choose one with --entry NAME"
        );
        for wanted in ["teacher/backbone", "teacher.backbone"] {
            assert_eq!(selected(&names, Some(wanted)).unwrap().len(), 4);
        }
        assert_eq!(
            selected(&names, Some("ema")).unwrap_err(),
            "it has no vision transformer \"ema\"; it has: student, teacher/backbone"
        );
    }

    #[test]
    fn what_a_file_holds_instead_is_listed() {
        let error =
            selected(&["model/conv1.weight".into(), "model/fc.bias".into()], None).unwrap_err();
        assert!(error.contains("none of its 2 tensors in the entries model ends in"), "{error}");
        assert!(error.ends_with("It has model/conv1.weight [1], model/fc.bias [1]"), "{error}");
    }
}
