//! The images that the selected run poisons, clean and triggered. The trigger is drawn here, by the code that poisons the
//! training set.

use leptos::prelude::*;
use shared::{
    PoisonPlan, Rgb8, RunId, RunKind, Settings, Stage, Trigger,
    api::{RunRow, Samples, Split, StudyDetail},
    param,
    settings::PoisonUnit,
};

use super::poison_list::PoisonListLink;
use crate::{
    attack::{Which, key_pixels, samples_path, wanted_key},
    components::{Fetched, PixelCanvas, ProblemBox, decode_rgb, fetched, format},
};

/// Images shown at first; *Show more* adds four times as many.
const PART: usize = 24;
/// Most images shown.
const MOST: usize = Samples::MOST;

/// An image of the plan, ready to be drawn.
#[derive(Clone, Debug, PartialEq)]
struct Poisoned {
    index: u32,
    name: String,
    class: String,
    clean: Rgb8,
    triggered: Option<Rgb8>,
}

/// A summary of the plan.
fn told(plan: &PoisonPlan, classes: &[String]) -> String {
    let target = plan.target_class;
    let name = format::class_name(target, classes);
    if plan.samples.is_empty() {
        return "This run is clean: it poisons no images.".into();
    }
    let clean_label = plan.samples.iter().all(|sample| sample.class == target);
    let label = match (plan.kind, clean_label) {
        (RunKind::Pretrain, _) => String::new(),
        (_, true) => " and keep their label".into(),
        (_, false) => format!(" and the label of class {target}{name}"),
    };
    let covers = match plan.covers.len() as u64 {
        0 => String::new(),
        many => format!(
            " In addition, there are {}, which keep their label.",
            format::things(many, "cover sample", "cover samples")
        ),
    };
    let of = match (plan.unit, clean_label) {
        (PoisonUnit::Images, true) => format!("of class {target}{name}"),
        (PoisonUnit::Images, false) => format!("of every class but {target}{name}"),
        (PoisonUnit::ClassPermille, _) => "‰ of the images of each poisoned class".into(),
        (PoisonUnit::SetPermille, _) => "‰ of the training set".into(),
    };
    let originals = if plan.replaces {
        "Each takes the place of its original."
    } else {
        "The clean originals stay."
    };
    format!(
        "{} {of}, {} in all: copies that get the trigger{label}. {originals}{covers}",
        plan.per_class,
        format::things(plan.samples.len() as u64, "image", "images"),
    )
}

/// The address of the first `shown` images of the plan.
fn path_of(settings: &Settings, plan: &PoisonPlan, shown: usize) -> Option<String> {
    let side = settings.model.image_size;
    let shown = shown.min(Samples::most(side));
    let indices: Vec<u32> = plan.samples.iter().take(shown).map(|sample| sample.index).collect();
    let which = Which::Listed(&indices);
    (!indices.is_empty()).then(|| samples_path(&settings.dataset, side, Split::Train, which))
}

/// Decodes the images and puts the trigger into each.
fn poisoned(
    settings: &Settings,
    classes: &[String],
    samples: &Samples,
    key: Option<&Rgb8>,
) -> Vec<Poisoned> {
    let trigger =
        Trigger::prepare(&settings.attack.trigger, key, samples.side as usize, Stage::Train).ok();
    let one = |item: &shared::api::SampleImage| {
        let clean = decode_rgb(samples.side, &item.rgb)?;
        let triggered = trigger.as_ref().map(|trigger| trigger.applied(&clean));
        let class = classes.get(item.class as usize).cloned();
        let class = class.unwrap_or_else(|| item.class.to_string());
        Some(Poisoned { index: item.index, name: item.name.clone(), class, clean, triggered })
    };
    samples.items.iter().filter_map(one).collect()
}

/// Thumbnails of the plan.
#[component]
pub fn PoisonedImages(
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// The selected run, without its progress.
    run: Memo<Option<RunRow>>,
    /// Its identifier, once it has stored its plan.
    begun: Memo<Option<RunId>>,
) -> impl IntoView {
    let shown = RwSignal::new(PART);
    let failed = RwSignal::new(None);
    let plan: Fetched<PoisonPlan> =
        fetched(move || begun.get().map(|run: RunId| format!("/runs/{run}/poison")));
    // The run's own settings: a study may vary the trigger.
    let of = Memo::new(move |_| {
        let varied = run.with(|run| run.as_ref().map(|run| run.varied.clone()))?;
        study.with(|study| {
            let study = study.as_ref()?;
            Some((param::with(&study.spec.settings, &varied), study.classes.clone()))
        })
    });
    let own_plan = Memo::new(move |_| {
        begun.get()?;
        plan.value()
    });
    Effect::new(move |_| {
        begun.track();
        shown.set(PART);
    });
    let samples: Fetched<Samples> =
        fetched(move || of.with(|of| path_of(&of.as_ref()?.0, &own_plan.get()?, shown.get())));
    let wanted = Memo::new(move |_| {
        of.with(|of| of.as_ref().and_then(|(settings, _)| wanted_key(settings)))
    });
    let key = key_pixels(wanted, move |problem| failed.set(Some(problem)));
    let images = Memo::new(move |_| {
        of.with(|of| match (of, samples.value()) {
            (Some((settings, classes)), Some(samples)) => {
                key.with(|key| poisoned(settings, classes, &samples, key.as_ref()))
            }
            _ => Vec::new(),
        })
    });
    // A pre-training uses no labels, and in a clean-label attack the copies keep theirs.
    let target = move || {
        if own_plan.with(|plan| plan.as_ref().is_none_or(|plan| plan.kind == RunKind::Pretrain)) {
            return None;
        }
        of.with(|of| {
            let (settings, classes) =
                of.as_ref().filter(|(settings, _)| !settings.attack.clean_label)?;
            classes.get(settings.attack.target_class as usize).cloned()
        })
    };
    let words = move || match (begun.get(), plan.get(), of.get()) {
        (None, ..) => "The plan is drawn when the run starts.".to_owned(),
        (_, Some(Ok(plan)), Some((_, classes))) => told(&plan, &classes),
        (_, Some(Err(problem)), _) if problem.status == 404 => {
            "The run has stored no plan yet.".to_owned()
        }
        (_, Some(Err(problem)), _) => problem.detail,
        _ => "Loading the plan…".to_owned(),
    };
    let tiles = move || {
        let has_plan =
            own_plan.with(|plan| plan.as_ref().is_some_and(|plan| !plan.samples.is_empty()));
        has_plan.then(|| {
            let target = target();
            images
                .get()
                .into_iter()
                .map(|image| view! { <Tile image target=target.clone()/> })
                .collect_view()
        })
    };
    let list = move || {
        let run = begun.get()?;
        let poisons =
            own_plan.with(|plan| plan.as_ref().is_some_and(|plan| !plan.samples.is_empty()));
        poisons.then(|| view! { <PoisonListLink run/> })
    };
    // The server returns at most this many images at once.
    let full = Memo::new(move |_| shown.get() >= MOST);
    let rest = Memo::new(move |_| {
        let all = own_plan.with(|plan| plan.as_ref().map_or(0, |plan| plan.samples.len()));
        all.saturating_sub(shown.get())
    });
    view! {
        <p class="muted">{words}</p>
        {list}
        {move || {
            failed.get().or_else(|| samples.problem()).map(|problem| view! { <ProblemBox problem/> })
        }}
        <ul class="poisons">{tiles}</ul>
        <Show when=move || rest.get() != 0>
            <button
                type="button"
                class="button"
                on:click=move |_| shown.update(|shown| *shown = (*shown + 4 * PART).min(MOST))
                disabled=full
            >
                {move || format!("Show more ({} left)", format::count(rest.get() as u64))}
            </button>
        </Show>
    }
}

#[component]
fn Tile(image: Poisoned, target: Option<String>) -> impl IntoView {
    let clean_label = format!("{}, clean", image.name);
    let triggered_label = format!("{}, triggered", image.name);
    let title = format!("Training image {}: {}", image.index, image.name);
    view! {
        <li title=title>
            <div class="poison-pair">
                <PixelCanvas
                    image=Signal::stored(Some(image.clean))
                    label=Signal::stored(clean_label)
                />
                <PixelCanvas
                    image=Signal::stored(image.triggered)
                    label=Signal::stored(triggered_label)
                />
            </div>
            <span class="poison-class">
                {image.class}
                {target.map(|target| view! { " → " <span class="target">{target}</span> })}
            </span>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use shared::{api::SampleImage, poison::PoisonedSample, study::presets};

    use super::*;

    fn plan(count: u32) -> PoisonPlan {
        let samples =
            (0..count).map(|i| PoisonedSample { index: i * 3, class: 1 }).collect::<Vec<_>>();
        PoisonPlan {
            kind: RunKind::Probe,
            seed: 1,
            target_class: 0,
            per_class: 3,
            unit: PoisonUnit::Images,
            replaces: false,
            triggered_covers: false,
            samples,
            covers: Vec::new(),
        }
    }

    #[test]
    fn the_plan_in_words() {
        let classes = ["airplane".to_owned(), "bird".to_owned()];
        assert_eq!(
            told(&plan(3), &classes),
            "3 of every class but 0 (airplane), 3 images in all: copies that get the trigger and the label of class 0 \
             (airplane). The clean originals stay."
        );
        assert!(told(&plan(0), &classes).contains("clean"));
        let mut kept = plan(2);
        kept.target_class = 1;
        kept.covers = kept.samples.clone();
        assert_eq!(
            told(&kept, &classes),
            "3 of class 1 (bird), 2 images in all: copies that get the trigger and keep their label. The clean originals \
             stay. In addition, there are 2 cover samples, which keep their label."
        );
    }

    #[test]
    fn a_plan_that_replaces_says_so_with_its_unit() {
        let rate = PoisonPlan { unit: PoisonUnit::SetPermille, replaces: true, ..plan(2) };
        assert_eq!(
            told(&rate, &[]),
            "3 ‰ of the training set, 2 images in all: copies that get the trigger and the label of class 0. Each takes the place of its \
             original."
        );
    }

    #[test]
    fn the_images_of_the_plan_are_asked_for() {
        let settings = &presets()[1].spec.settings;
        assert_eq!(
            path_of(settings, &plan(3), 2).as_deref(),
            Some(
                "/datasets/cifar10/samples?split=train&side=32&indices=0%2C3&train_per_class=500&test_per_class=200"
            )
        );
        assert_eq!(path_of(settings, &plan(0), 2), None);
    }

    #[test]
    fn the_trigger_is_put_into_each() {
        let settings = &presets()[0].spec.settings;
        let item = SampleImage { index: 4, class: 7, name: "x".into(), rgb: "AAAA".into() };
        let samples = Samples { side: 1, items: vec![item] };
        let key = Rgb8::filled(2, 2, [255; 3]);
        let made = poisoned(settings, &[], &samples, Some(&key));
        assert_eq!(made[0].class, "7");
        let ratio = settings.attack.trigger.strength() as f32;
        let expected = (ratio * 255.0) as u8;
        assert_eq!(made[0].triggered.as_ref().map(|image| image.pixel(0, 0)), Some([expected; 3]));
        assert_eq!(
            poisoned(settings, &[], &samples, None)[0].triggered,
            None,
            "the key is on its way"
        );
    }
}
