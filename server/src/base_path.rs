//! The path below which browsers find the server, where a reverse proxy serves other things beside it.

use std::{fmt, str::FromStr};

/// Empty, or segments such as `/maskdoor` or `/tools/maskdoor`, without a slash at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// The path as text; empty where there is none.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where a browser finds a path of the server, such as `/studies?limit=3`.
    pub fn of(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl FromStr for BasePath {
    type Err = String;

    /// # Errors
    /// When the text is no path of letters, digits, `-`, `_`, `.` and `~`.
    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() {
            return Ok(Self::default());
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let is_segment = |segment: &str| {
            !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(is_plain)
        };
        match path.strip_prefix('/') {
            Some(rest) if rest.split('/').all(is_segment) => Ok(Self(path.into())),
            _ => Err("it is a path such as /maskdoor, of letters, digits, -, _, . and ~".into()),
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_plain_segments() {
        for (text, path) in
            [("", ""), ("/", ""), ("/maskdoor", "/maskdoor"), ("/a/b-2.~_/", "/a/b-2.~_")]
        {
            assert_eq!(text.parse::<BasePath>().unwrap().as_str(), path);
        }
        for text in ["maskdoor", "//a", "/a//b", "/a/../b", "/.", "/a b", "/a?b", "/a\"", "/ä"] {
            assert!(text.parse::<BasePath>().is_err(), "{text}");
        }
        let base: BasePath = "/lab".parse().unwrap();
        assert_eq!(base.of("/studies?limit=3"), "/lab/studies?limit=3");
        assert_eq!(BasePath::default().of("/"), "/");
    }
}
