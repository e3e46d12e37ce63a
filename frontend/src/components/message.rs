//! Messages of the server and of checks, in which backticks enclose names and commands.

use leptos::prelude::*;

/// A message, with what stands between backticks as code.
pub fn message(text: &str) -> impl IntoView + use<> {
    pieces(text)
        .into_iter()
        .map(|(piece, is_code)| {
            if is_code {
                view! { <code>{piece}</code> }.into_any()
            } else {
                view! { {piece} }.into_any()
            }
        })
        .collect_view()
}

/// The pieces of a message, and whether each is code. A backtick without another behind it stands for itself.
fn pieces(text: &str) -> Vec<(String, bool)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, code, behind)) = rest.split_once('`').and_then(|(before, after)| {
        after.split_once('`').map(|(code, behind)| (before, code, behind))
    }) {
        pieces.push((before.to_owned(), false));
        pieces.push((code.to_owned(), true));
        rest = behind;
    }
    pieces.push((rest.to_owned(), false));
    pieces.retain(|(piece, _)| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn what_stands_between_backticks_is_code() {
        let told = |text| -> Vec<String> {
            let shown = pieces(text).into_iter();
            shown
                .map(|(piece, is_code)| if is_code { format!("<{piece}>") } else { piece })
                .collect()
        };
        assert_eq!(
            told("write `&&` instead of `and`"),
            ["write ", "<&&>", " instead of ", "<and>"]
        );
        assert_eq!(told("`asr`"), ["<asr>"]);
        assert_eq!(told("plain"), ["plain"]);
        assert_eq!(told("ends with `"), ["ends with `"]);
        assert!(told("").is_empty());
    }
}
