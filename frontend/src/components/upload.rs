//! Sends a picked or dropped file.

use leptos::ev;
use serde::de::DeserializeOwned;
use shared::api::Problem;
use wasm_bindgen::JsCast;
use web_sys::{File, FormData, HtmlInputElement};

use crate::api;

/// The file that was picked.
pub fn picked(event: &ev::Event) -> Option<File> {
    let input: HtmlInputElement = event.target()?.dyn_into().ok()?;
    input.files()?.get(0)
}

/// Sends a file as the part `file` of a form to `path`.
///
/// # Errors
/// The file's name, and what is wrong with it.
pub async fn send_file<T: DeserializeOwned>(path: &str, file: &File) -> Result<T, String> {
    let name = file.name();
    let form = FormData::new().and_then(|form| {
        form.append_with_blob_and_filename("file", file, &name)?;
        Ok(form)
    });
    let Ok(form) = form else {
        return Err(format!("the file {name}: the browser cannot read it; pick it again"));
    };
    let answer = api::upload(path, form).await;
    answer.map_err(|problem| format!("the file {name}: {}", words(&problem)))
}

/// A problem in one line: the message about the file itself, if there is one.
fn words(problem: &Problem) -> String {
    problem.errors.first().map_or_else(|| problem.detail.clone(), |error| error.message.clone())
}

#[cfg(test)]
mod tests {
    use shared::study::FieldError;

    use super::*;

    #[test]
    fn what_is_said_of_the_file_comes_first() {
        let mut problem = Problem {
            kind: "about:blank".into(),
            title: "Wrong".into(),
            status: 422,
            detail: "file: is no image".into(),
            errors: Vec::new(),
            request: None,
        };
        assert_eq!(words(&problem), "file: is no image");
        problem.errors.push(FieldError::new("file", "is no image"));
        assert_eq!(words(&problem), "is no image");
    }
}
