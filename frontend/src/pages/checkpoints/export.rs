//! A checkpoint in the formats of other programs: links behind a button.

use leptos::prelude::*;

use crate::api;

/// The available files: text of the link, format, and the file if the format has two.
const FILES: [(&str, &str, &str); 4] = [
    ("MAE", "mae", ""),
    ("Hugging Face, model", "huggingface", "model.safetensors"),
    ("Hugging Face, config.json", "huggingface", "config.json"),
    ("timm, encoder only", "timm", ""),
];

/// The address of a file.
fn address(path: &str, format: &str, file: &str, epoch: Option<u32>) -> String {
    let epoch = epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
    let query = api::query(&[("format", format), ("file", file), ("epoch", &epoch)]);
    api::address(format!("{path}{query}"))
}

/// The menu.
#[component]
pub fn ExportMenu(
    /// Where the checkpoint's exports are.
    path: String,
    /// What the button does, with the checkpoint's name.
    label: String,
    /// Epoch of a run's checkpoint.
    epoch: Option<u32>,
) -> impl IntoView {
    let links = FILES
        .iter()
        .map(move |&(text, format, file)| {
            let href = address(&path, format, file, epoch);
            view! { <li><a href=href download rel="external">{text}</a></li> }
        })
        .collect_view();
    view! {
        <details class="export-menu">
            <summary class="button button-quiet" aria-label=label>"Export"</summary>
            <ul>{links}</ul>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_name_format_file_and_epoch() {
        assert_eq!(
            address("/runs/1/export", "huggingface", "config.json", Some(20)),
            "/api/v1/runs/1/export?format=huggingface&file=config.json&epoch=20"
        );
        assert_eq!(
            address("/checkpoints/imported/mae/export", "timm", "", None),
            "/api/v1/checkpoints/imported/mae/export?format=timm"
        );
    }
}
