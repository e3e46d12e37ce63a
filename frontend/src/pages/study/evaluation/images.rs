//! Triggered images that fall for the attack and that resist it, with the classifier's confidence. The trigger is drawn here, by the code
//! that poisons the training set.

use leptos::prelude::*;
use shared::{
    Rgb8, RunId, Settings, Stage, Trigger,
    api::{Outcome, Page, PredictedImage, RunRow, Samples, Split, StudyDetail},
    param,
};

use crate::{
    attack::{Which, key_pixels, samples_path, wanted_key},
    components::{Fetched, PixelCanvas, ProblemBox, decode_rgb, fetched, format},
};

/// Images of each outcome.
const SHOWN: u32 = 12;

/// An image, ready to be drawn.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    told: [String; 3],
    name: String,
    clean: Rgb8,
    triggered: Option<Rgb8>,
}

/// `77 %`; nine of ten certain images would read 100 % without a digit more.
fn confidence(share: f32) -> String {
    let percent = 100.0 * f64::from(share);
    if percent > 99.0 && percent < 100.0 {
        format!("{:.1} %", percent.min(99.9))
    } else {
        format!("{percent:.0} %")
    }
}

/// What is said of an image: its true class, the prediction without and with the trigger.
fn told(image: &PredictedImage, classes: &[String]) -> [String; 3] {
    let name =
        |class: u32| classes.get(class as usize).cloned().unwrap_or_else(|| class.to_string());
    let of = |class: Option<u32>, share: f32| {
        class.map_or_else(
            || "no class".into(),
            |class| format!("{} {}", name(class), confidence(share)),
        )
    };
    [
        name(image.class),
        of(image.clean.class, image.clean.confidence),
        of(image.triggered.class, image.triggered.confidence),
    ]
}

/// The address of the images' pixels.
fn path_of(settings: &Settings, images: &[PredictedImage]) -> Option<String> {
    let side = settings.model.image_size;
    let most = Samples::most(side).min(SHOWN as usize);
    let indices: Vec<u32> = images.iter().take(most).map(|image| image.index).collect();
    let which = Which::Listed(&indices);
    (!indices.is_empty()).then(|| samples_path(&settings.dataset, side, Split::Test, which))
}

/// The images with their pixels, with the trigger as the evaluation put it in.
fn drawn(
    settings: &Settings,
    classes: &[String],
    images: &[PredictedImage],
    samples: &Samples,
    key: Option<&Rgb8>,
) -> Vec<Shown> {
    let side = samples.side as usize;
    let trigger = Trigger::prepare(&settings.attack.trigger, key, side, Stage::Test).ok();
    let one = |image: &PredictedImage| {
        let item = samples.items.iter().find(|item| item.index == image.index)?;
        let clean = decode_rgb(samples.side, &item.rgb)?;
        let triggered = trigger.as_ref().map(|trigger| trigger.applied(&clean));
        Some(Shown { told: told(image, classes), name: item.name.clone(), clean, triggered })
    };
    images.iter().filter_map(one).collect()
}

/// Both outcomes of a run's classifier.
#[component]
pub fn FallenImages(
    /// The run.
    id: RunId,
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// The same run, without its progress.
    run: Memo<Option<RunRow>>,
) -> impl IntoView {
    let of = Memo::new(move |_| {
        let varied = run.with(|run| run.as_ref().map(|run| run.varied.clone()))?;
        study.with(|study| {
            let study = study.as_ref()?;
            Some((param::with(&study.spec.settings, &varied), study.classes.clone()))
        })
    });
    let falls: Fetched<Page<PredictedImage>> = fetched(move || Some(path(id, Outcome::Falls)));
    let resists: Fetched<Page<PredictedImage>> = fetched(move || Some(path(id, Outcome::Resists)));
    let missing = Memo::new(move |_| falls.problem().is_some_and(|problem| problem.status == 404));
    let problem = move || falls.problem().or_else(|| resists.problem());
    view! {
        <Show
            when=move || !missing.get()
            fallback=|| {
                view! {
                    <p class="muted small">
                        "This run was evaluated by an earlier version, which kept no predictions by image: the images that fall and "
                        "resist are unknown, and its differences are tested by counts alone. A run that is trained anew keeps them."
                    </p>
                }
            }
        >
            {move || problem().map(|problem| view! { <ProblemBox problem/> })}
            <div class="fallen">
                <Group title="Images that fall for the attack" note="most certain first; those that get the attacker's class even without the trigger come last" page=falls of/>
                <Group title="Images that resist it" note="furthest from the attacker's class first" page=resists of/>
            </div>
        </Show>
    }
}

fn path(run: RunId, outcome: Outcome) -> String {
    format!("/runs/{run}/predictions?outcome={}&limit={SHOWN}", outcome.as_str())
}

#[component]
fn Group(
    title: &'static str,
    note: &'static str,
    page: Fetched<Page<PredictedImage>>,
    of: Memo<Option<(Settings, Vec<String>)>>,
) -> impl IntoView {
    let failed = RwSignal::new(None);
    let images = Memo::new(move |_| page.value().map(|page| page.items).unwrap_or_default());
    let samples: Fetched<Samples> =
        fetched(move || of.with(|of| images.with(|images| path_of(&of.as_ref()?.0, images))));
    let wanted = Memo::new(move |_| {
        of.with(|of| of.as_ref().and_then(|(settings, _)| wanted_key(settings)))
    });
    let key = key_pixels(wanted, move |problem| failed.set(Some(problem)));
    let shown = Memo::new(move |_| {
        of.with(|of| match (of, samples.value()) {
            (Some((settings, classes)), Some(samples)) => images.with(|images| {
                key.with(|key| drawn(settings, classes, images, &samples, key.as_ref()))
            }),
            _ => Vec::new(),
        })
    });
    let count = move || {
        page.value().map(|page| match page.total {
            0 => "none".to_owned(),
            all => format!("{}, {note}", format::things(all, "image", "images")),
        })
    };
    let tiles = move || shown.get().into_iter().map(|image| view! { <Tile image/> }).collect_view();
    view! {
        <section aria-label=title>
            <h3>{title} " " <span class="muted small">{count}</span></h3>
            {move || {
                failed.get().or_else(|| samples.problem()).map(|problem| view! { <ProblemBox problem/> })
            }}
            <ul class="poisons">{tiles}</ul>
        </section>
    }
}

#[component]
fn Tile(image: Shown) -> impl IntoView {
    let [class, clean, triggered] = image.told;
    let title = format!("{}: {class}; clean {clean}, triggered {triggered}", image.name);
    let labels = [format!("{}, clean", image.name), format!("{}, triggered", image.name)];
    let [clean_label, triggered_label] = labels;
    view! {
        <li title=title>
            <div class="poison-pair">
                <PixelCanvas image=Signal::stored(Some(image.clean)) label=Signal::stored(clean_label)/>
                <PixelCanvas image=Signal::stored(image.triggered) label=Signal::stored(triggered_label)/>
            </div>
            <span class="poison-class">{class}</span>
            <span class="poison-class"><span class="clean">{clean}</span></span>
            <span class="poison-class">"→ " <span class="triggered">{triggered}</span></span>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        api::{PredictedClass, SampleImage},
        study::presets,
    };

    use super::*;

    fn image(index: u32) -> PredictedImage {
        let one = |class, confidence| PredictedClass { class, confidence, target: 0.0 };
        PredictedImage { index, class: 1, clean: one(Some(1), 0.77), triggered: one(None, 0.0) }
    }

    #[test]
    fn an_image_is_told_with_its_confidence() {
        let classes = ["cat".to_owned(), "dog".to_owned()];
        assert_eq!(told(&image(3), &classes), ["dog", "dog 77 %", "no class"]);
        assert_eq!(
            [0.5, 0.994, 0.999_99, 1.0].map(confidence),
            ["50 %", "99.4 %", "99.9 %", "100 %"]
        );
    }

    #[test]
    fn pixels_are_asked_for_by_index_and_matched_with_their_image() {
        let settings = &presets()[1].spec.settings;
        let path = path_of(settings, &[image(9), image(4)]).expect("images");
        assert!(path.contains("split=test") && path.contains("indices=9%2C4"), "{path}");
        assert_eq!(path_of(settings, &[]), None);
        let item =
            |index| SampleImage { index, class: 1, name: index.to_string(), rgb: "AAAA".into() };
        let samples = Samples { side: 1, items: vec![item(4), item(9)] };
        let made = drawn(settings, &[], &[image(9), image(4), image(5)], &samples, None);
        assert_eq!(made.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["9", "4"]);
    }
}
