//! Parses text to an expression tree, with cel's parser.

use cel::{Env, IdedExpr, ParseError, common::ast::SourceInfo};

use super::FilterError;

/// Maximum length in bytes, far more than anyone writes: a list of 200 digests.
const LONGEST: usize = 16 * 1024;

/// A parsed expression.
#[derive(Debug)]
pub(super) struct Parsed<'e> {
    pub(super) text: &'e str,
    pub(super) tree: IdedExpr,
    pub(super) places: SourceInfo,
}

/// Parses an expression, without macros: `has(x)` stays a call, so that `x` may be a single word.
pub(super) fn parse(text: &str) -> Result<Parsed<'_>, FilterError> {
    if text.len() > LONGEST {
        let message =
            format!("an expression may have at most {LONGEST} bytes; this one has {}", text.len());
        return Err(FilterError::new(text, LONGEST..text.len(), message));
    }
    if text.trim().is_empty() {
        return Err(FilterError::new(text, 0..0, "the expression is empty"));
    }
    let parser = Env::default().with_optional_support(false).parser();
    match parser.parse_with_source_info(text) {
        Ok((tree, places)) => Ok(Parsed { text, tree, places }),
        // Later errors are mostly consequences of the first.
        Err(errors) => Err(errors.errors.first().map_or_else(
            || FilterError::new(text, 0..text.len(), "this is not a valid expression"),
            |error| explain(text, error),
        )),
    }
}

/// Turns the parser's error into a readable message.
fn explain(text: &str, error: &ParseError) -> FilterError {
    let start = place(text, error.pos);
    let rest = &text[start..];
    let length = token(rest);
    let word = &rest[..length];
    let before = text[..start].split_whitespace().next_back().unwrap_or_default();
    let message = if rest.trim_start().is_empty() {
        match error.msg.split_once("missing '").and_then(|(_, rest)| rest.split_once('\'')) {
            Some((closing, _)) => format!("`{closing}` is missing at the end"),
            None => "the expression ends where a name or a value is expected".to_owned(),
        }
    } else if let Some(meant) = meant(before).or_else(|| meant(word)) {
        let written = if self::meant(before).is_some() { before } else { word };
        format!("write `{meant}` instead of `{written}`")
    } else if word.starts_with(['"', '\'']) {
        "this text has no closing quotation mark".to_owned()
    } else if let Some(reserved) = error.msg.strip_prefix("reserved identifier: ") {
        format!("`{reserved}` is a reserved word and cannot be a name")
    } else if error.msg.contains("invalid int literal") || error.msg.contains("invalid double") {
        format!("`{word}` is too large for a number")
    } else if error.msg.contains("token recognition error") {
        format!("`{word}` has no meaning in an expression")
    } else {
        format!("`{word}` is not allowed here")
    };
    FilterError::new(text, start..start + length, message)
}

/// The operator meant by someone used to another language.
fn meant(word: &str) -> Option<&'static str> {
    Some(match word {
        "=" => "==",
        "=!" | "<>" => "!=",
        "=>" => ">=",
        "=<" => "<=",
        "&" | "and" | "AND" => "&&",
        "|" | "or" | "OR" => "||",
        "not" | "NOT" => "!",
        _ => return None,
    })
}

/// The byte offset of a line and column, both counted from 1; the end for positions beyond it.
fn place(text: &str, (line, character): (isize, isize)) -> usize {
    let before = (line - 1).max(0) as usize;
    let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
    let rest = &text[start..];
    let characters = (character - 1).max(0) as usize;
    rest.char_indices().nth(characters).map_or(text.len(), |(at, _)| start + at)
}

/// Length in bytes of the word, number or symbols at the start of a text.
fn token(text: &str) -> usize {
    let Some(first) = text.chars().next() else { return 0 };
    let signs = |c: char| "=!<>&|".contains(c);
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let same: &dyn Fn(char) -> bool = match first {
        '"' | '\'' => return text.len(),
        c if signs(c) => &signs,
        c if word(c) => &word,
        c => return c.len_utf8(),
    };
    text.find(|c| !same(c)).unwrap_or(text.len())
}
