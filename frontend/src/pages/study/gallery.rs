//! The images that the selected defence judged: what it found, what it missed, and clean images that it flagged. The server draws each as it
//! was judged.

use leptos::prelude::*;
use shared::{
    RunId, RunKind, RunState,
    api::{JudgedGroup, JudgedImage, Page, RunRow, StudyDetail},
    metric::Detection,
    param,
    settings::DefenceMethod,
};

use crate::{
    api,
    components::{Fetched, ProblemBox, ShowMore, fetched, format},
};

/// Images of a group shown at first; *Show more* adds four times as many.
const PART: u64 = 12;
/// Most images that the server lists.
const MOST: u64 = 1_000;

/// A defence that has judged images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct JudgingRun {
    pub(super) run: RunId,
    pub(super) method: DefenceMethod,
    detection: Detection,
}

impl JudgingRun {
    /// The run, if it is a defence that has judged images.
    pub(super) fn of(run: &RunRow, study: &StudyDetail) -> Option<Self> {
        let is_done = run.point.kind == RunKind::Defence && run.state == RunState::Done;
        let detection = run.progress.judgement.filter(|_| is_done)?.detection?;
        let settings = param::with(&study.spec.settings, &run.varied);
        Some(Self { run: run.id, method: settings.defence.method, detection })
    }

    /// How many images a group has, and of how many.
    fn counts(&self, group: JudgedGroup) -> (u32, u32) {
        let Detection { found, false_alarms, .. } = self.detection;
        match group {
            JudgedGroup::Found => (found.hits, found.total),
            JudgedGroup::Missed => (found.total - found.hits, found.total),
            JudgedGroup::FalseAlarms => (false_alarms.hits, false_alarms.total),
        }
    }

    /// `Missed poisons: 12 of 40`.
    fn heading(&self, group: JudgedGroup) -> String {
        let (count, all) = self.counts(group);
        let (count, all) = (format::count(count.into()), format::count(all.into()));
        format!("{}: {count} of {all}", title(self.method, group))
    }
}

/// What a group of images is called. BDMAE and attention blocking refuse no image: they change it, and perhaps its class.
fn title(method: DefenceMethod, group: JudgedGroup) -> &'static str {
    let changes = matches!(method, DefenceMethod::Bdmae | DefenceMethod::Blocking);
    match group {
        JudgedGroup::Found if method.filters_samples() => "Found poisons",
        JudgedGroup::Missed if method.filters_samples() => "Missed poisons",
        JudgedGroup::FalseAlarms if method.filters_samples() => "Clean images wrongly flagged",
        JudgedGroup::Found if changes => "Triggered images whose class changes",
        JudgedGroup::Missed if changes => "Triggered images whose class stays",
        JudgedGroup::FalseAlarms if changes => "Clean images whose class changes",
        JudgedGroup::Found => "Triggered images refused",
        JudgedGroup::Missed => "Triggered images that pass",
        JudgedGroup::FalseAlarms => "Clean images refused",
    }
}

/// A score with enough digits to tell neighbours apart.
pub(super) fn score(value: f64) -> String {
    let size = value.abs();
    let digits = if size > 0.0 && !(1e-3..1e6).contains(&size) {
        format!("{size:.2e}")
    } else {
        format!("{size:.*}", if size < 100.0 { 3 } else { 1 })
    };
    format!("{}{digits}", if value < 0.0 { "−" } else { "" })
}

/// The name of a class, or its number.
pub(super) fn class_name(class: u32, classes: &[String]) -> String {
    classes.get(class as usize).cloned().unwrap_or_else(|| class.to_string())
}

/// What an image is, for who does not see it.
fn alternative(image: &JudgedImage, classes: &[String]) -> String {
    let what = if image.changed { ", changed by the attacker" } else { "" };
    let label = image.label.map(|label| format!(", label {}", class_name(label, classes)));
    format!(
        "{}{what}: true class {}{}, score {}",
        image.name,
        class_name(image.class, classes),
        label.unwrap_or_default(),
        score(image.score)
    )
}

/// The address of a group's first `shown` images.
fn path(run: RunId, group: JudgedGroup, shown: u64) -> String {
    format!("/runs/{run}/judged?group={}&limit={shown}", group.as_str())
}

/// The address of an image as the run judged it.
pub(super) fn picture(run: RunId, at: u32) -> String {
    api::address(format!("/runs/{run}/judged/{at}.png"))
}

/// The panel; nothing where the selected run has judged no images.
#[component]
pub fn Gallery(
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// The selected run with its progress.
    run: Memo<Option<RunRow>>,
) -> impl IntoView {
    let judging = Memo::new(move |_| {
        run.with(|run| study.with(|study| JudgingRun::of(run.as_ref()?, study.as_ref()?)))
    });
    let classes = Memo::new(move |_| {
        study.with(|study| study.as_ref().map(|study| study.classes.clone()).unwrap_or_default())
    });
    move || {
        judging.get().map(|judging| {
            let labelled = if judging.method.filters_samples() {
                "true class → label where there are labels, and score"
            } else {
                "true class and score"
            };
            let groups = JudgedGroup::ALL.map(|group| view! { <Group judging group classes/> });
            view! {
                <section class="panel" id="judged">
                    <div class="panel-head">
                        <h2>"Judged images of the selected run"</h2>
                        <span class="muted small">{labelled} "; highest scores first"</span>
                    </div>
                    <div class="panel-body stack">{groups}</div>
                </section>
            }
        })
    }
}

#[component]
fn Group(judging: JudgingRun, group: JudgedGroup, classes: Memo<Vec<String>>) -> impl IntoView {
    let run = judging.run;
    let has_images = judging.counts(group).0 > 0;
    let shown = RwSignal::new(PART);
    let page: Fetched<Page<JudgedImage>> =
        fetched(move || has_images.then(|| path(run, group, shown.get())));
    let images = move || page.value().map(|page| page.items).unwrap_or_default();
    let rest = Memo::new(move |_| {
        page.value().map_or(0, |page| page.total.saturating_sub(page.items.len() as u64))
    });
    let full = Memo::new(move |_| shown.get() >= MOST);
    let heading = judging.heading(group);
    view! {
        <section class="judged-group" aria-label=title(judging.method, group)>
            <h3>{heading}</h3>
            {move || page.problem().map(|problem| view! { <ProblemBox problem/> })}
            {has_images
                .then(|| {
                    view! {
                        <ul class="judged">
                            <For
                                each=images
                                key=|image| image.at
                                children=move |image| {
                                    view! { <Tile run image classes=classes.get_untracked()/> }
                                }
                            />
                        </ul>
                    }
                })}
            <ShowMore
                rest
                full
                more=Callback::new(move |()| shown.update(|shown| *shown = (*shown + 4 * PART).min(MOST)))
            />
        </section>
    }
}

#[component]
fn Tile(run: RunId, image: JudgedImage, classes: Vec<String>) -> impl IntoView {
    let alternative = alternative(&image, &classes);
    let title = alternative.clone();
    let label = image.label.filter(|&label| label != image.class);
    let label = label.map(|label| {
        view! { " → " <span class="target">{class_name(label, &classes)}</span> }
    });
    view! {
        <li title=title>
            <img
                class="pixelated"
                src=picture(run, image.at)
                alt=alternative
                loading="lazy"
                width="96"
                height="96"
            />
            <span class="poison-class">{class_name(image.class, &classes)} {label}</span>
            <span class="poison-class">{score(image.score)}</span>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use shared::{Ratio, metric::Judgement, run::RunPoint, study::presets};

    use super::*;

    fn judging(method: DefenceMethod) -> JudgingRun {
        let mut study = crate::fixture::study(presets()[0].spec.clone());
        study.spec.settings.defence.method = method;
        let point = RunPoint {
            kind: RunKind::Defence,
            ppr: 0,
            lpr: 0,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let mut run = crate::fixture::row(point);
        assert_eq!(JudgingRun::of(&run, &study), None, "it has not begun");
        let detection = Detection {
            auroc: Some(0.8),
            tpr_at_1: None,
            tpr_at_5: None,
            found: Ratio { hits: 28, total: 40 },
            false_alarms: Ratio { hits: 5, total: 1_200 },
        };
        let judgement = Judgement { detection: Some(detection), ..Judgement::default() };
        run.progress.judgement = Some(judgement);
        assert_eq!(JudgingRun::of(&run, &study), None, "it is not done");
        run.state = RunState::Done;
        let judging = JudgingRun::of(&run, &study).expect("it has judged images");
        run.progress.judgement = Some(Judgement { detection: None, ..judgement });
        assert_eq!(JudgingRun::of(&run, &study), None, "it has judged something else");
        judging
    }

    #[test]
    fn headings_tell_the_counts() {
        let of = |method| JudgedGroup::ALL.map(|group| judging(method).heading(group));
        assert_eq!(
            of(DefenceMethod::Spectral),
            [
                "Found poisons: 28 of 40",
                "Missed poisons: 12 of 40",
                "Clean images wrongly flagged: 5 of 1,200"
            ]
        );
        assert_eq!(
            of(DefenceMethod::Strip),
            [
                "Triggered images refused: 28 of 40",
                "Triggered images that pass: 12 of 40",
                "Clean images refused: 5 of 1,200"
            ]
        );
        for method in [DefenceMethod::Bdmae, DefenceMethod::Blocking] {
            assert_eq!(of(method)[1], "Triggered images whose class stays: 12 of 40");
        }
    }

    #[test]
    fn an_image_is_told_with_its_true_class_label_and_score() {
        let classes = ["cat".to_owned(), "dog".to_owned()];
        let image = JudgedImage {
            at: 7,
            index: 3,
            name: "train/dog/3.png".into(),
            class: 1,
            label: Some(0),
            score: 2.345_6,
            changed: true,
        };
        assert_eq!(
            alternative(&image, &classes),
            "train/dog/3.png, changed by the attacker: true class dog, label cat, score 2.346"
        );
        let plain = JudgedImage { label: None, changed: false, score: -0.5, ..image };
        assert_eq!(alternative(&plain, &[]), "train/dog/3.png: true class 1, score −0.500");
    }

    #[test]
    fn scores_keep_digits_that_tell() {
        let told = [0.0, -0.25, 12.0, 123.456, 0.000_012_3, 2_345_678.0].map(score);
        assert_eq!(told, ["0.000", "−0.250", "12.000", "123.5", "1.23e-5", "2.35e6"]);
    }

    #[test]
    fn a_group_is_asked_for_from_its_beginning() {
        let run = judging(DefenceMethod::Strip).run;
        assert_eq!(
            path(run, JudgedGroup::FalseAlarms, 12),
            format!("/runs/{run}/judged?group=false-alarms&limit=12")
        );
        assert!(picture(run, 9).ends_with(&format!("/runs/{run}/judged/9.png")));
    }
}
