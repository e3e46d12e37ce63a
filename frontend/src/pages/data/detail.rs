//! A data set's images by class, and the files that it leaves out.

use leptos::{prelude::*, task::spawn_local};
use shared::api::{DatasetInfo, LeftOut, Problem, SampleImage, Samples, SkippedFile, Transparency};

use crate::{
    api,
    components::{
        Fetched, Glyph, Icon, PixelCanvas, ProblemBox, decode_rgb, fetched, format, message,
    },
};

/// Images per class.
const PER_CLASS: u32 = 8;
/// Classes per page: a data set may have a thousand.
const CLASSES: usize = 20;

/// Indices of a few images of each class in `first..first + CLASSES`, spread over the class. Training images are
/// ordered by class.
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
    /// Called with a new version of it.
    updated: Callback<DatasetInfo>,
) -> impl IntoView {
    let first = RwSignal::new(0usize);
    // Generated images have 32 px; real ones are shown a little larger.
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
    let count = set.classes.len();
    let (name, skipped, skipped_total) = (set.name.clone(), set.skipped.clone(), set.skipped_total);
    let (left_out, is_folder) = (set.left_out.clone(), !set.builtin);
    let held = set
        .hold_out
        .map(|held| format!("; {} of each class held out (seed {})", held.share, held.seed));
    let white = (is_folder && set.transparency == Transparency::White)
        .then_some("; transparent pixels on white");
    let about = format!(
        "training images; numbers are training + validation{}{}",
        held.unwrap_or_default(),
        white.unwrap_or_default()
    );
    let rows = move || {
        let samples = samples.value()?;
        let rows = by_class(&samples, count)
            .into_iter()
            .enumerate()
            .skip(first.get())
            .take(CLASSES)
            .map(|(class, items)| {
                let name = set.classes[class].clone();
                let of_class =
                    |counts: &[u32]| format::count(counts.get(class).copied().unwrap_or(0).into());
                let counts =
                    format!("{} + {}", of_class(&set.train_counts), of_class(&set.test_counts));
                view! { <ClassRow class name counts side=samples.side items/> }
            })
            .collect_view();
        Some(view! { <ul class="classes">{rows}</ul> })
    };
    let retry = Callback::new(move |()| samples.refetch());
    let waits = move || samples.get().is_none();
    view! {
        <section class="panel" aria-labelledby="detail-title">
            <header class="panel-head">
                <h2 id="detail-title">{format!("Images of {name}")}</h2>
                <span class="muted small">{about}</span>
                {is_folder.then(|| view! { <Update name=name.clone() updated/> })}
            </header>
            <div class="panel-body stack">
                {move || samples.problem().map(|problem| view! { <ProblemBox problem retry/> })}
                {move || waits().then(|| view! { <p class="loading" role="status">"Loading images…"</p> })}
                {rows}
                {(count > CLASSES).then(|| view! { <ClassPager first count/> })}
                {(skipped_total > 0).then(|| view! { <Skipped files=skipped total=skipped_total/> })}
                {(!left_out.is_empty()).then(|| view! { <LeftOver groups=left_out/> })}
            </div>
        </section>
    }
}

/// The images of one class.
#[component]
fn ClassRow(
    class: usize,
    name: String,
    counts: String,
    side: u32,
    items: Vec<SampleImage>,
) -> impl IntoView {
    let tiles = items
        .into_iter()
        .map(|item| {
            let image = Signal::stored(decode_rgb(side, &item.rgb));
            let label = Signal::stored(format!("{name}, {}", item.name));
            view! {
                <div class="tile" title=item.name>
                    <PixelCanvas image label/>
                </div>
            }
        })
        .collect_view();
    view! {
        <li class="class-row">
            <p>
                <span class="class-number">{class}</span>
                <strong>{name}</strong>
                <span class="muted small" title="training + validation images">{counts}</span>
            </p>
            <div class="class-tiles">{tiles}</div>
        </li>
    }
}

/// Paging through the classes.
#[component]
fn ClassPager(first: RwSignal<usize>, count: usize) -> impl IntoView {
    let told = move || {
        let first = first.get();
        format!("classes {first} to {} of {count}", (first + CLASSES).min(count) - 1)
    };
    let step = move |by: isize| first.update(|first| *first = first.saturating_add_signed(by));
    let is_first = move || first.get() == 0;
    let is_last = move || first.get() + CLASSES >= count;
    view! {
        <nav class="pager" aria-label="Classes">
            <span class="muted">{told}</span>
            <button type="button" class="button" disabled=is_first on:click=move |_| step(-(CLASSES as isize))>
                <Icon glyph=Glyph::ArrowLeft/>
                "Back"
            </button>
            <button type="button" class="button" disabled=is_last on:click=move |_| step(CLASSES as isize)>
                "More"
                <Icon glyph=Glyph::ArrowRight/>
            </button>
        </nav>
    }
}

/// The files that were left out.
#[component]
fn Skipped(files: Vec<SkippedFile>, total: u32) -> impl IntoView {
    let told = format::things(total.into(), "file", "files");
    let more = (total as usize).saturating_sub(files.len());
    let rows = files
        .into_iter()
        .map(|file| view! { <li><code>{file.path}</code>" "{file.reason}</li> })
        .collect_view();
    view! {
        <details class="skipped">
            <summary>
                <Icon glyph=Glyph::Alert/>
                {format!("{told} left out: not readable as an image")}
            </summary>
            <ul class="bullets">
                {rows}
                {(more > 0).then(|| view! { <li>{format!("and {} more", format::count(more as u64))}</li> })}
            </ul>
        </details>
    }
}

/// The files that are not images of the layout.
#[component]
fn LeftOver(groups: Vec<LeftOut>) -> impl IntoView {
    let total = groups.iter().map(|group| u64::from(group.count)).sum();
    let group = |group: LeftOut| {
        let more = group.count as usize - group.first.len();
        let more = (more > 0).then(|| format!(" and {} more", format::count(more as u64)));
        let first = group.first.join(", ");
        view! { <li>{group.reason}": "<code>{first}</code>{more}</li> }
    };
    view! {
        <details class="skipped" id="left-out">
            <summary>
                <Icon glyph=Glyph::Info/>
                {format!("{} in the folder not used", format::things(total, "file", "files"))}
            </summary>
            <ul class="bullets">{groups.into_iter().map(group).collect_view()}</ul>
        </details>
    }
}

/// Compares the folder with the data set, and adds its present state as a new version where they differ.
#[component]
fn Update(name: String, updated: Callback<DatasetInfo>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let answer = RwSignal::new(None::<Problem>);
    let ask = move |_| {
        let path = format!("/datasets/{}/versions", api::escape(&name));
        answer.set(None);
        busy.set(true);
        spawn_local(async move {
            match api::post::<DatasetInfo>(&path, &()).await {
                // The page may have been left meanwhile.
                Ok(set) => drop(updated.try_run(set)),
                Err(refused) => drop(answer.try_set(Some(refused))),
            }
            busy.try_set(false);
        });
    };
    view! {
        <button
            type="button"
            class="button"
            id="update-dataset"
            title="Reads the folder again. If it has changed, its present state becomes a new version; studies of this one keep it."
            disabled=move || busy.get()
            on:click=ask
        >
            <Icon glyph=Glyph::Folder/>
            {move || if busy.get() { "Reading every image…" } else { "Check for changes" }}
        </button>
        {move || answer.get().map(|answer| view! { <span class="muted small" role="status">{message(&answer.detail)}</span> })}
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
