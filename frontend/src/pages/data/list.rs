//! The data sets as a table.

use leptos::prelude::*;
use shared::api::DatasetInfo;

use crate::{
    base::to,
    components::{Confirm, Glyph, format},
};

/// The sum of the images of all classes.
fn sum(counts: &[u32]) -> String {
    format::count(counts.iter().map(|&count| u64::from(count)).sum())
}

/// The table.
#[component]
pub fn DatasetTable(
    /// All data sets.
    #[prop(into)]
    datasets: Signal<Vec<DatasetInfo>>,
    /// The one whose images are shown.
    #[prop(into)]
    shown: Signal<Option<DatasetInfo>>,
    /// Removes an entry.
    remove: Callback<DatasetInfo>,
) -> impl IntoView {
    let rows = move || {
        datasets
            .get()
            .into_iter()
            .map(|set| {
                let name = set.name.clone();
                let here = move || shown.with(|shown| shown.as_ref().is_some_and(|set| set.name == name));
                let layout = set.layout.title();
                let place =
                    set.path.as_ref().map_or_else(|| layout.to_owned(), |path| format!("{layout}, {path}"));
                let skipped = if set.skipped_total == 0 {
                    "none".into()
                } else {
                    format::things(set.skipped_total.into(), "file", "files")
                };
                let (builtin, gone) = (set.builtin, set.clone());
                view! {
                    <tr aria-current=move || here().then_some("true")>
                        <th scope="row">
                            <a href=to(format!("/data?name={}", crate::api::escape(&set.name))) class="row-link">
                                {set.name.clone()}
                            </a>
                            <span class="sub ellipsis" title=place.clone()>{place.clone()}</span>
                        </th>
                        <td class="number" data-label="Classes">{set.classes.len()}</td>
                        <td class="number" data-label="Training">{sum(&set.train_counts)}</td>
                        <td class="number" data-label="Validation">{sum(&set.test_counts)}</td>
                        <td class="number" data-label="Skipped" class:warn=set.skipped_total != 0>{skipped}</td>
                        <td data-label="Fingerprint">
                            <code title=set.fingerprint.clone()>{format::short_hash(&set.fingerprint)}</code>
                        </td>
                        <td class="number">
                            {(!builtin)
                                .then(|| {
                                    let act = Callback::new(move |()| remove.run(gone.clone()));
                                    view! {
                                        <Confirm
                                            glyph=Glyph::Trash
                                            label="Remove"
                                            question="Remove the entry? The files are kept."
                                            yes="Remove"
                                            act
                                        />
                                    }
                                })}
                        </td>
                    </tr>
                }
            })
            .collect_view()
    };
    view! {
        <div class="table-box">
            <table class="table table-cards">
                <thead>
                    <tr>
                        <th scope="col">"Data set"</th>
                        <th scope="col" class="number">"Classes"</th>
                        <th scope="col" class="number">"Training"</th>
                        <th scope="col" class="number">"Validation"</th>
                        <th scope="col" class="number" title="Images that cannot be read">"Skipped"</th>
                        <th scope="col" title="SHA-256 over the files' names, sizes and parts of their content">"Fingerprint"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn images_are_summed_over_the_classes() {
        assert_eq!(sum(&[500; 10]), "5,000");
    }
}
