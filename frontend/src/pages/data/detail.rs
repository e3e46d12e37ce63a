//! A data set's images by class, and the files that it leaves out.

use leptos::prelude::*;
use shared::api::{DatasetInfo, SampleImage, Samples};

use crate::{
    api,
    components::{Fetched, Glyph, Icon, PixelCanvas, ProblemBox, decode_rgb, fetched, format},
};

/// Images of a class.
const PER_CLASS: u32 = 8;
/// Classes at once: a data set may have a thousand.
const CLASSES: usize = 20;

/// Indices of a few images of each class in `first..first + CLASSES`, spread over the class. Training images stand class
/// by class.
fn indices(counts: &[u32], first: usize) -> Vec<u32> {
    let mut start: u32 = counts.iter().take(first).sum();
    let mut all = Vec::new();
    for &count in counts.iter().skip(first).take(CLASSES) {
        let wanted = PER_CLASS.min(count);
        all.extend((0..wanted).map(|at| start + at * count / wanted));
        start += count;
    }
    all
}

/// The images of each class, in the order of the classes.
fn by_class(samples: &Samples, classes: usize) -> Vec<Vec<SampleImage>> {
    let mut rows = vec![Vec::new(); classes];
    for item in &samples.items {
        if let Some(row) = rows.get_mut(item.class as usize) {
            row.push(item.clone());
        }
    }
    rows
}

/// The images of a data set.
#[component]
pub fn Detail(
    /// The data set.
    set: DatasetInfo,
) -> impl IntoView {
    let first = RwSignal::new(0usize);
    // Drawn pictures have 32 px; of real ones a little more is worth seeing.
    let side = if set.builtin { 32 } else { 64 };
    let path = {
        let (counts, name) = (set.train_counts.clone(), api::escape(&set.name));
        move || {
            let wanted: Vec<_> = indices(&counts, first.get()).iter().map(u32::to_string).collect();
            Some(format!(
                "/datasets/{name}/samples?split=train&side={side}&indices={}",
                wanted.join(",")
            ))
        }
    };
    let samples: Fetched<Samples> = fetched(path);
    let (classes, train, test) =
        (set.classes.clone(), set.train_counts.clone(), set.test_counts.clone());
    let count = classes.len();
    let rows = move || {
        let samples = samples.value()?;
        let rows = by_class(&samples, count)
            .into_iter()
            .enumerate()
            .skip(first.get())
            .take(CLASSES)
            .map(|(class, items)| {
                let name = classes.get(class).cloned().unwrap_or_default();
                let tiles = items
                    .into_iter()
                    .map(|item| {
                        let image = decode_rgb(samples.side, &item.rgb);
                        view! {
                            <div class="tile" title=item.name.clone()>
                                <PixelCanvas image=Signal::stored(image) label=Signal::stored(format!("{name}, {}", item.name))/>
                            </div>
                        }
                    })
                    .collect_view();
                let counts = format!(
                    "{} + {}",
                    format::count(train.get(class).copied().unwrap_or(0).into()),
                    format::count(test.get(class).copied().unwrap_or(0).into()),
                );
                view! {
                    <li class="class-row">
                        <p>
                            <span class="class-number">{class}</span>
                            <strong>{name.clone()}</strong>
                            <span class="muted small" title="training + validation images">{counts}</span>
                        </p>
                        <div class="class-tiles">{tiles}</div>
                    </li>
                }
            })
            .collect_view();
        Some(view! { <ul class="classes">{rows}</ul> })
    };
    let skipped = set.skipped.clone();
    let skipped_total = set.skipped_total;
    let retry = Callback::new(move |()| samples.refetch());
    let step = move |by: isize| first.update(|first| *first = first.saturating_add_signed(by));
    view! {
        <section class="panel" aria-labelledby="detail-title">
            <header class="panel-head">
                <h2 id="detail-title">{format!("Images of {}", set.name)}</h2>
                <span class="muted small">"training images; numbers are training + validation"</span>
            </header>
            <div class="panel-body stack">
                {move || samples.problem().map(|problem| view! { <ProblemBox problem retry/> })}
                {move || samples.get().is_none().then(|| view! { <p class="loading" role="status">"Loading images…"</p> })}
                {rows}
                {(count > CLASSES)
                    .then(|| {
                        view! {
                            <nav class="pager" aria-label="Classes">
                                <span class="muted">
                                    {move || {
                                        let first = first.get();
                                        format!("classes {first} to {} of {count}", (first + CLASSES).min(count) - 1)
                                    }}
                                </span>
                                <button type="button" class="button" disabled=move || first.get() == 0 on:click=move |_| step(-(CLASSES as isize))>
                                    <Icon glyph=Glyph::ArrowLeft/>
                                    "Back"
                                </button>
                                <button type="button" class="button" disabled=move || first.get() + CLASSES >= count on:click=move |_| step(CLASSES as isize)>
                                    "More"
                                    <Icon glyph=Glyph::ArrowRight/>
                                </button>
                            </nav>
                        }
                    })}
                {(skipped_total > 0)
                    .then(|| {
                        let files = skipped
                            .into_iter()
                            .map(|file| view! { <li><code>{file.path}</code>" "{file.reason}</li> })
                            .collect_view();
                        view! {
                            <details class="skipped">
                                <summary>
                                    <Icon glyph=Glyph::Alert/>
                                    {format!(
                                        "{} left out: not readable as an image",
                                        format::things(skipped_total.into(), "file", "files"),
                                    )}
                                </summary>
                                <ul class="bullets">{files}</ul>
                            </details>
                        }
                    })}
            </div>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_spread_over_each_class() {
        assert_eq!(indices(&[16, 3], 0), [0, 2, 4, 6, 8, 10, 12, 14, 16, 17, 18]);
        assert_eq!(indices(&[16, 3], 1), [16, 17, 18]);
        assert_eq!(indices(&[0, 1], 0), [0]);
    }

    #[test]
    fn an_image_stands_in_the_row_of_its_class() {
        let item = |class| SampleImage { index: 0, class, name: String::new(), rgb: String::new() };
        let samples = Samples { side: 8, items: vec![item(1), item(0), item(1), item(7)] };
        let rows: Vec<_> = by_class(&samples, 2).iter().map(Vec::len).collect();
        assert_eq!(rows, [1, 2]);
    }
}
