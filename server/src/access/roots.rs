//! Folders of the server's machine from which files may be read on request.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use shared::FieldError;

/// The folders; any without a list.
#[derive(Clone, Debug, Default)]
pub struct Roots(Option<Arc<[PathBuf]>>);

impl Roots {
    /// Any folder.
    pub fn any() -> Self {
        Self(None)
    }

    /// Only these, and what is below them.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn only(folders: &[PathBuf]) -> io::Result<Self> {
        let folders =
            folders.iter().map(|folder| folder.canonicalize()).collect::<Result<_, _>>()?;
        Ok(Self(Some(folders)))
    }

    /// Checks the path that a field of a request names. Links are followed first.
    ///
    /// # Errors
    /// When it is outside.
    pub fn check(&self, field: &str, path: &str) -> Result<(), FieldError> {
        let Some(roots) = &self.0 else { return Ok(()) };
        let is_inside = Path::new(path.trim())
            .canonicalize()
            .is_ok_and(|path| roots.iter().any(|root| path.starts_with(root)));
        if is_inside {
            return Ok(());
        }
        // Whether something lies outside is not told.
        let allowed: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
        let message = match allowed.as_slice() {
            [] => "this server reads no folder of its machine; start it with --data-root FOLDER"
                .into(),
            some => format!("takes what there is in {} (--data-root)", some.join(", ")),
        };
        Err(FieldError::new(field, message))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_what_is_below_a_root_is_read() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir_all(at("data/set")).unwrap();
        fs::create_dir_all(at("data-2")).unwrap();
        std::os::unix::fs::symlink(at("data-2"), at("data/link")).unwrap();
        let roots = Roots::only(&[at("data")]).unwrap();
        let ok = |path: &str| roots.check("path", at(path).to_str().unwrap()).is_ok();
        assert!(ok("data") && ok("data/set") && ok("data/set/../set"));
        assert!(!ok("data-2") && !ok("data/../data-2") && !ok("data/link") && !ok("data/none"));
        assert!(Roots::any().check("path", "/").is_ok());
        assert!(Roots::only(&[]).unwrap().check("path", "/").is_err());
        assert!(Roots::only(&[at("none")]).is_err());
    }
}
