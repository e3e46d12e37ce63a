//! What takes up the disk: how much is free, the studies by size, and the rest of the data folder.

use leptos::prelude::*;
use shared::api::{DiskUse, Retention, StudyDisk};

use crate::{
    base::to,
    components::{Fetched, Glyph, Icon, ProblemBox, fetched_every, format},
};

/// Time between two polls, in milliseconds. The server counts about once a minute.
const PERIOD: u32 = 30_000;
/// Number of studies that are listed.
const LISTED: usize = 20;

/// What is not a study's, with its size; what is empty is left out.
fn rest(used: &DiskUse) -> Vec<(&'static str, u64)> {
    [
        ("Imported checkpoints", used.imports_bytes),
        ("Key images", used.keys_bytes),
        ("Own pictures", used.pictures_bytes),
        ("Lists of data sets", used.datasets_bytes),
        ("Database", used.store_bytes),
        ("Deleted studies that can be restored", used.deleted_bytes),
        ("Run folders of no study", used.lost_bytes),
        ("Other files", used.other_bytes),
    ]
    .into_iter()
    .filter(|(_, bytes)| *bytes > 0)
    .collect()
}

/// What a study's files are, largest first: `2.1 GB of checkpoints, 40 kB of logs`.
fn parts(study: &StudyDisk) -> String {
    let of = study.bytes;
    let mut parts = [
        (of.checkpoints, "checkpoints"),
        (of.features, "kept features"),
        (of.resume, "resume points"),
        (of.logs, "logs"),
        (of.other, "other files"),
    ];
    parts.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let parts = parts.iter().filter(|(bytes, _)| *bytes > 0);
    let told: Vec<_> =
        parts.map(|(bytes, what)| format!("{} of {what}", format::bytes(*bytes))).collect();
    if told.is_empty() { "no files yet".into() } else { told.join(", ") }
}

/// Which checkpoints the server removes by itself.
fn kept(retention: Option<Retention>) -> String {
    match retention {
        None => "All checkpoints are kept; maskdoor tidy and serve --keep-days remove those that nothing needs any more.".into(),
        Some(Retention { days, keep_last }) => format!(
            "Checkpoints that nothing needs any more are removed {} after their runs finished{}.",
            format::things(days.into(), "day", "days"),
            if keep_last { ", except the last of each run" } else { "" },
        ),
    }
}

/// A part of a whole, in whole percent.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (100.0 * part as f64 / whole as f64).round() }
}

/// The panel.
#[component]
pub fn Disk() -> impl IntoView {
    let used: Fetched<DiskUse> =
        fetched_every(|| Some(format!("/disk?limit={LISTED}")), PERIOD, |_| true);
    let body = move || match used.get() {
        None => view! { <p class="loading" role="status">"Counting the files…"</p> }.into_any(),
        Some(Err(problem)) => {
            let retry = Callback::new(move |()| used.refetch());
            view! { <ProblemBox problem retry/> }.into_any()
        }
        Some(Ok(used)) => view! { <Counted used/> }.into_any(),
    };
    view! {
        <section class="panel" aria-labelledby="disk-title" id="disk">
            <header class="panel-head">
                <h2 id="disk-title">"Disk"</h2>
                <span class="muted small">
                    {move || {
                        used.value()
                            .map(|used| format!("counted {}", format::ago(used.counted_at, js_sys::Date::now() as u64)))
                    }}
                </span>
            </header>
            {body}
        </section>
    }
}

#[component]
fn Counted(used: DiskUse) -> impl IntoView {
    let occupied = used.disk_bytes.saturating_sub(used.free_bytes);
    let ours = percent(used.total_bytes.min(occupied), used.disk_bytes);
    let others = percent(occupied.saturating_sub(used.total_bytes), used.disk_bytes);
    let told = format!(
        "{} here, {} of others, {} of {} free",
        format::bytes(used.total_bytes),
        format::bytes(occupied.saturating_sub(used.total_bytes)),
        format::bytes(used.free_bytes),
        format::bytes(used.disk_bytes),
    );
    let rest = rest(&used)
        .into_iter()
        .map(|(what, bytes)| {
            view! { <div><dt>{what}</dt><dd>{format::bytes(bytes)}</dd></div> }
        })
        .collect_view();
    let more = used.studies_total.saturating_sub(used.studies.len() as u64);
    let low = used.warning.is_some();
    let kept = kept(used.retention);
    view! {
        {used
            .warning
            .map(|warning| {
                view! {
                    <p class="notice notice-warn" id="disk-low">
                        <Icon glyph=Glyph::Alert/>
                        <span>{sentence(&warning)}"."</span>
                    </p>
                }
            })}
        <div class="panel-body stack">
            <span class="disk-bar" class:disk-low=low role="img" aria-label=told.clone()>
                <span class="disk-ours" style:width=format!("{ours}%")></span>
                <span class="disk-others" style:width=format!("{others}%")></span>
            </span>
            <p class="small" id="disk-told">{told.clone()}</p>
        </div>
        <StudyTable studies=used.studies/>
        {(more > 0)
            .then(|| {
                let things = format::things(more, "smaller study", "smaller studies");
                view! { <p class="empty-line small">{format!("and {things}; maskdoor disk lists all of them")}</p> }
            })}
        <div class="panel-body stack">
            <dl class="pairs">{rest}</dl>
            <p class="muted small">{kept}</p>
        </div>
    }
}

#[component]
fn StudyTable(studies: Vec<StudyDisk>) -> impl IntoView {
    let largest = studies.first().map_or(0, |study| study.total_bytes);
    if studies.is_empty() {
        return view! { <p class="empty-line">"No study has files yet."</p> }.into_any();
    }
    let rows = studies
        .into_iter()
        .map(|study| {
            let parts = parts(&study);
            let width = percent(study.total_bytes, largest);
            view! {
                <tr>
                    <th scope="row">
                        <a href=to(format!("/studies/{}", study.study))>{study.name}</a>
                        <span class="sub">{parts}</span>
                    </th>
                    <td class="number" data-label="Runs">{format::count(study.runs)}</td>
                    <td class="number" data-label="Size">{format::bytes(study.total_bytes)}</td>
                    <td class="disk-share" aria-hidden="true">
                        <span class="bar"><span class="bar-value" style:width=format!("{width}%")></span></span>
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="table-box table-plain">
            <table class="table table-cards" id="disk-studies">
                <thead>
                    <tr>
                        <th scope="col">"Study"</th>
                        <th scope="col" class="number">"Runs"</th>
                        <th scope="col" class="number">"Size"</th>
                        <th scope="col"><span class="visually-hidden">"Share of the largest"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use shared::{StudyId, api::FileBytes};

    use super::*;

    #[test]
    fn files_are_told_by_size() {
        let bytes = FileBytes {
            checkpoints: 5_000_000,
            logs: 40_000,
            resume: 9_000_000,
            ..FileBytes::default()
        };
        let mut study = StudyDisk {
            study: StudyId::from_parts(1, [0; 10]),
            name: "s".into(),
            runs: 2,
            bytes,
            total_bytes: bytes.total(),
        };
        assert_eq!(
            parts(&study),
            "9.0 MB of resume points, 5.0 MB of checkpoints, 40.0 kB of logs"
        );
        study.bytes = FileBytes::default();
        assert_eq!(parts(&study), "no files yet");
    }

    #[test]
    fn retention_is_told_in_words() {
        let told = kept(Some(Retention { days: 30, keep_last: true }));
        assert_eq!(
            told,
            "Checkpoints that nothing needs any more are removed 30 days after their runs finished, except the last of each run."
        );
        assert!(kept(None).starts_with("All checkpoints are kept"));
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let used = DiskUse { store_bytes: 7, ..DiskUse::default() };
        assert_eq!(rest(&used), [("Database", 7)]);
        assert!((percent(1, 3) - 33.0).abs() < f64::EPSILON);
        assert!(percent(1, 0).abs() < f64::EPSILON);
    }
}
