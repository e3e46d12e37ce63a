//! The imported checkpoints as a table: what they are, and what can be done with them.

use leptos::prelude::*;
use shared::{api::ImportedCheckpoint, study::TransformerSpec};

use super::export::ExportMenu;
use crate::{
    api,
    base::to,
    components::{Confirm, Glyph, Icon, format},
};

/// Width and depth: `768 × 12`.
fn part(part: TransformerSpec) -> String {
    format!("{} × {}", part.dim, part.depth)
}

/// What can be done with it.
fn uses(checkpoint: &ImportedCheckpoint) -> &'static str {
    if checkpoint.has_decoder { "probe, reconstruct" } else { "probe only, has no decoder" }
}

/// The table.
#[component]
pub fn ImportedTable(
    /// The checkpoints.
    #[prop(into)]
    checkpoints: Signal<Vec<ImportedCheckpoint>>,
    /// Removes one by its name.
    remove: Callback<String>,
) -> impl IntoView {
    let rows = move || {
        checkpoints
            .get()
            .into_iter()
            .map(|checkpoint| view! { <ImportedRow checkpoint remove/> })
            .collect_view()
    };
    view! {
        <h2>"Imported"</h2>
        <div class="table-box">
            <table class="table table-cards imported">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Images"</th>
                        <th scope="col">"Encoder"</th>
                        <th scope="col">"Decoder"</th>
                        <th scope="col" class="number">"Parameters"</th>
                        <th scope="col">"For"</th>
                        <th scope="col" class="number">"Size"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[component]
fn ImportedRow(checkpoint: ImportedCheckpoint, remove: Callback<String>) -> impl IntoView {
    let name = checkpoint.name.clone();
    let model = checkpoint.model;
    let start = format!("/studies/new{}", api::query(&[("encoder", &name)]));
    let defend =
        to(format!("/studies/new{}", api::query(&[("encoder", &name), ("defend", "encoder")])));
    let open = checkpoint.has_decoder.then(|| {
        let href = to(format!("/reconstruct{}", api::query(&[("imported", &name)])));
        view! {
            <a class="button" href=href aria-label=format!("Reconstruct with {name}")>
                <Icon glyph=Glyph::Reconstruct/>
                "Reconstruct"
            </a>
        }
    });
    let from = format!("{}, {}", checkpoint.source, checkpoint.format);
    let assumed =
        checkpoint.assumed.iter().map(|text| view! { <li>{text.clone()}</li> }).collect_view();
    let gone = name.clone();
    let act = Callback::new(move |()| remove.run(gone.clone()));
    view! {
        <tr>
            <th scope="row">
                {name.clone()}
                <span class="sub" title=format!("SHA-256 {}", checkpoint.sha256)>{from}</span>
                <ul class="sub">{assumed}</ul>
            </th>
            <td data-label="Images">
                {format!("{} px, patches of {}", model.image_size, model.patch_size)}
            </td>
            <td data-label="Encoder">{part(model.encoder)}</td>
            <td data-label="Decoder">
                {if checkpoint.has_decoder { part(model.decoder) } else { "none".into() }}
            </td>
            <td class="number" data-label="Parameters">{format::count(checkpoint.parameters)}</td>
            <td data-label="For">{uses(&checkpoint)}</td>
            <td class="number" data-label="Size">{format::bytes(checkpoint.bytes)}</td>
            <td><div class="row-actions">
                <a class="button" href=start aria-label=format!("New study with {name}")>"New study"</a>
                <a class="button" href=defend aria-label=format!("Defend {name}")>
                    <Icon glyph=Glyph::Shield/>
                    "Defend"
                </a>
                {open}
                <ExportMenu
                    path=format!("/checkpoints/imported/{}/export", api::escape(&name))
                    label=format!("Export {name}")
                    epoch=None
                />
                <Confirm
                    glyph=Glyph::Trash
                    label="Remove"
                    question="Remove this checkpoint? The file that it was imported from is kept."
                    yes="Remove"
                    act
                /></div>
            </td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_alone_says_what_it_cannot() {
        let mut one = ImportedCheckpoint { has_decoder: true, ..ImportedCheckpoint::default() };
        assert_eq!(
            (uses(&one), part(one.model.encoder).as_str()),
            ("probe, reconstruct", "192 × 4")
        );
        one.has_decoder = false;
        assert_eq!(uses(&one), "probe only, has no decoder");
    }
}
