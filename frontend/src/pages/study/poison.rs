//! The images that the selected run poisons, clean and triggered. The trigger is drawn here, by the code that poisons the
//! training set.

use std::{borrow::Cow, collections::HashMap};

use leptos::prelude::*;
use shared::{
    PoisonPlan, Rgb8, RunId, RunKind, Settings, Stage, Trigger,
    api::{RunRow, Samples, Split, StudyDetail},
    composition::Composition,
    param,
    poison::PoisonedSample,
    settings::{AttackSpec, PoisonUnit},
};

use super::poison_list::PoisonListLink;
use crate::{
    attack::{Which, key_pixels, samples_path, wanted_key},
    components::{Fetched, PixelCanvas, ProblemBox, ShowMore, decode_rgb, fetched, format},
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
    /// The class whose label it gets; `None` where it keeps its own or has none.
    target: Option<String>,
    /// Label of its trigger, where there are several.
    trigger: Option<String>,
    clean: Rgb8,
    /// With the trigger; twice as wide where it is composed.
    triggered: Option<Rgb8>,
    composed: bool,
}

/// A summary of the plan.
fn told(plan: &PoisonPlan, classes: &[String]) -> String {
    if plan.samples.is_empty() {
        return "This run is clean: it poisons no images.".into();
    }
    let target = plan.target_class.class();
    let is_own = |sample: &PoisonedSample| plan.label_of(sample) == sample.class;
    let clean_label = target.is_some() && plan.samples.iter().all(is_own);
    let named = target.map(|class| format!("{class}{}", format::class_name(class, classes)));
    let label = match (plan.kind, clean_label, &named) {
        (RunKind::Pretrain, ..) => String::new(),
        (_, true, _) => " and keep their label".into(),
        (_, false, Some(named)) => format!(" and the label of class {named}"),
        (_, false, None) => " and the label of the next class (all-to-all)".into(),
    };
    let covers = match plan.covers.len() as u64 {
        0 => String::new(),
        many => format!(
            " In addition, there are {}, which keep their label.",
            format::things(many, "cover sample", "cover samples")
        ),
    };
    let of = match (plan.unit, clean_label, &named) {
        (PoisonUnit::Images, _, None) => "of every class".into(),
        (PoisonUnit::Images, true, Some(named)) => format!("of class {named}"),
        (PoisonUnit::Images, false, Some(named)) => format!("of every class but {named}"),
        (PoisonUnit::ClassPermille, ..) => "‰ of the images of each poisoned class".into(),
        (PoisonUnit::SetPermille, ..) => "‰ of the training set".into(),
    };
    let (of, label) = match plan.backdoors() {
        1 => (of, label),
        many => several(plan, clean_label, many),
    };
    let originals = if plan.replaces {
        "Each takes the place of its original."
    } else {
        "The clean originals stay."
    };
    let pairs = plan
        .compositions
        .iter()
        .filter(|composition| matches!(composition, Composition::SupportPair { .. }))
        .count() as u64;
    let get = match (plan.compositions.len(), pairs) {
        (0, _) => format!("copies that get the trigger{label}"),
        (_, 0) => "each is the background of an image of the target class and the trigger".into(),
        (_, pairs) => format!(
            "each is the background of an image of the target class and the trigger, or gives its place to a pair of images of the \
             target class ({})",
            format::things(pairs, "pair", "pairs")
        ),
    };
    format!(
        "{} {of}, {} in all: {get}. {originals}{covers}",
        plan.per_class,
        format::things(plan.samples.len() as u64, "image", "images"),
    )
}

/// What a plan of `many` backdoors takes for each of them, and what the copies get besides a trigger.
fn several(plan: &PoisonPlan, clean_label: bool, many: usize) -> (String, String) {
    let of = match (plan.unit, clean_label) {
        (PoisonUnit::Images, true) => "of its target class",
        (PoisonUnit::Images, false) => "of every class but its target",
        (PoisonUnit::ClassPermille, _) => "‰ of the images of each poisoned class",
        (PoisonUnit::SetPermille, _) => "‰ of the training set",
    };
    let label = match (plan.kind, clean_label) {
        (RunKind::Pretrain, _) => " of their backdoor",
        (_, true) => " of their backdoor and keep their label",
        (_, false) => " and the label of their backdoor",
    };
    (format!("{of} for each of {many} backdoors"), label.into())
}

/// The samples of the plan with their places in it, in the order in which they are shown: one of each backdoor in turn.
fn in_turn(plan: &PoisonPlan) -> Vec<(usize, &PoisonedSample)> {
    let mut seen = vec![0u32; plan.backdoors()];
    let mut placed: Vec<_> = plan
        .samples
        .iter()
        .enumerate()
        .map(|(at, sample)| {
            let turn = &mut seen[sample.backdoor as usize];
            *turn += 1;
            ((*turn, sample.backdoor), (at, sample))
        })
        .collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, sample)| sample).collect()
}

/// The address of the first `shown` images of the plan.
fn path_of(settings: &Settings, plan: &PoisonPlan, shown: usize) -> Option<(String, usize)> {
    let side = settings.model.image_size;
    let most = Samples::most(side);
    let mut indices: Vec<u32> = Vec::new();
    let mut taken = 0;
    for (at, sample) in in_turn(plan).into_iter().take(shown) {
        let parts = plan.compositions.get(at).into_iter().flat_map(Composition::parts);
        let mut wanted: Vec<u32> = std::iter::once(sample.index).chain(parts).collect();
        wanted.retain(|index| !indices.contains(index));
        if indices.len() + wanted.len() > most {
            break;
        }
        indices.extend(wanted);
        taken += 1;
    }
    let which = Which::Listed(&indices);
    (!indices.is_empty())
        .then(|| (samples_path(&settings.dataset, side, Split::Train, which), taken))
}

/// Decodes the images and puts its backdoor's trigger into each; `keys` has the key image of each backdoor.
fn poisoned(
    settings: &Settings,
    classes: &[String],
    plan: &PoisonPlan,
    samples: &Samples,
    keys: &[Option<Rgb8>],
) -> Vec<Poisoned> {
    let backdoors = settings.attack.backdoors();
    let triggers: Vec<Option<Trigger>> = backdoors
        .iter()
        .enumerate()
        .map(|(i, alone)| {
            let key = keys.get(i).and_then(Option::as_ref);
            Trigger::prepare(&alone.trigger, key, samples.side as usize, Stage::Train).ok()
        })
        .collect();
    let items = samples.items.iter();
    let decoded: HashMap<u32, _> = items
        .filter_map(|item| Some((item.index, (item, decode_rgb(samples.side, &item.rgb)?))))
        .collect();
    // A plan of other settings than the run's cannot be drawn.
    let fits = plan.fits(&settings.attack, samples.side);
    let one = |(at, sample): (usize, &PoisonedSample)| {
        let (item, clean) = decoded.get(&sample.index)?;
        let composition = plan.compositions.get(at);
        let backdoor = sample.backdoor as usize;
        let triggered = match (triggers.get(backdoor)?, composition) {
            (None, _) => None,
            (Some(trigger), None) => Some(trigger.applied(clean)),
            (Some(trigger), Some(composition)) => {
                let image = |index: u32| {
                    decoded.get(&index).map(|(_, image)| Cow::Borrowed(image)).ok_or(())
                };
                let made = || composition.picture(sample.index, trigger, image).ok();
                fits.then(made).flatten()
            }
        };
        let of =
            |class: u32| classes.get(class as usize).cloned().unwrap_or_else(|| class.to_string());
        // A pre-training uses no labels, and in a clean-label attack the copies keep theirs.
        let label = Some(plan.label_of(sample)).filter(|_| plan.kind != RunKind::Pretrain);
        let target = label.filter(|&label| label != item.class).map(of);
        let trigger = (backdoors.len() > 1).then(|| backdoors[backdoor].trigger.label());
        let (index, name, class) = (item.index, item.name.clone(), of(item.class));
        let (clean, composed) = (clean.clone(), composition.is_some());
        Some(Poisoned { index, name, class, target, trigger, clean, triggered, composed })
    };
    in_turn(plan).into_iter().filter_map(one).collect()
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
    let asked =
        Memo::new(move |_| of.with(|of| path_of(&of.as_ref()?.0, &own_plan.get()?, shown.get())));
    let samples: Fetched<Samples> = fetched(move || Some(asked.get()?.0));
    let keys: Vec<Signal<Option<Rgb8>>> = (0..=AttackSpec::MOST_FURTHER)
        .map(|i| {
            let wanted = Memo::new(move |_| {
                of.with(|of| {
                    let settings = &of.as_ref()?.0;
                    let attack = settings.attack.backdoors().into_iter().nth(i)?;
                    wanted_key(&Settings { attack, ..settings.clone() })
                })
            });
            key_pixels(wanted, move |problem| failed.set(Some(problem)))
        })
        .collect();
    let images = Memo::new(move |_| {
        of.with(|of| match (of, own_plan.get(), samples.value()) {
            (Some((settings, classes)), Some(plan), Some(samples)) => {
                let keys: Vec<_> = keys.iter().map(Get::get).collect();
                poisoned(settings, classes, &plan, &samples, &keys)
            }
            _ => Vec::new(),
        })
    });
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
        has_plan
            .then(|| images.get().into_iter().map(|image| view! { <Tile image/> }).collect_view())
    };
    let list = move || {
        let run = begun.get()?;
        let poisons =
            own_plan.with(|plan| plan.as_ref().is_some_and(|plan| !plan.samples.is_empty()));
        poisons.then(|| view! { <PoisonListLink run/> })
    };
    let taken = Memo::new(move |_| asked.get().map_or(0, |(_, taken)| taken));
    // The server returns only so many images at once, fewer if they are large.
    let full = Memo::new(move |_| taken.get() < shown.get() || shown.get() >= MOST);
    let rest = Memo::new(move |_| {
        let all = own_plan.with(|plan| plan.as_ref().map_or(0, |plan| plan.samples.len()));
        all.saturating_sub(taken.get()) as u64
    });
    view! {
        <p class="muted">{words}</p>
        {list}
        {move || {
            failed.get().or_else(|| samples.problem()).map(|problem| view! { <ProblemBox problem/> })
        }}
        <ul class="poisons">{tiles}</ul>
        <ShowMore
            rest
            full
            more=Callback::new(move |()| shown.update(|shown| *shown = (*shown + 4 * PART).min(MOST)))
        />
    }
}

#[component]
fn Tile(image: Poisoned) -> impl IntoView {
    let clean_label = format!("{}, clean", image.name);
    let what = if image.composed { "composed" } else { "triggered" };
    let triggered_label = format!("{}, {what}", image.name);
    let with = image.trigger.map(|trigger| format!(", {trigger}")).unwrap_or_default();
    let title = format!("Training image {}: {}{with}", image.index, image.name);
    view! {
        <li title=title>
            <div class="poison-pair" class:composed-pair=image.composed>
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
                {image.target.map(|target| view! { " → " <span class="target">{target}</span> })}
            </span>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        api::SampleImage,
        composition::Half,
        metric::Target,
        settings::{BackdoorSpec, ComposeMethod, ComposeSpec},
        study::presets,
        trigger::{RandomPatchSpec, SigSpec, TriggerSpec},
    };

    use super::*;

    fn plan(count: u32) -> PoisonPlan {
        let samples = (0..count)
            .map(|i| PoisonedSample { index: i * 3, class: 1, label: None, backdoor: 0 })
            .collect::<Vec<_>>();
        PoisonPlan {
            kind: RunKind::Probe,
            seed: 1,
            target_class: Target::Class(0),
            per_class: 3,
            unit: PoisonUnit::Images,
            replaces: false,
            triggered_covers: false,
            samples,
            compositions: Vec::new(),
            covers: Vec::new(),
        }
    }

    #[test]
    fn composed_poisons_are_drawn_of_their_images() {
        let mut settings = presets()[1].spec.settings.clone();
        settings.attack.trigger = TriggerSpec::RandomPatch(RandomPatchSpec::for_side(16));
        settings.attack.compose =
            ComposeSpec { method: ComposeMethod::CorruptEncoderPlus, ..ComposeSpec::default() };
        settings.model.image_size = 16;
        let object = Composition::Object {
            reference: 7,
            half: Half::Right,
            object_x: 16,
            background_y: 0,
            trigger_x: 5,
            trigger_y: 6,
        };
        let pair = Composition::SupportPair { reference: 7, support: 8, half: Half::Left };
        let two =
            PoisonPlan { kind: RunKind::Pretrain, compositions: vec![object, pair], ..plan(2) };
        assert_eq!(
            told(&two, &[]),
            "3 of every class but 0, 2 images in all: each is the background of an image of the target class and the trigger, or gives \
             its place to a pair of images of the target class (1 pair). The clean originals stay."
        );
        let (path, taken) = path_of(&settings, &two, 24).expect("an address");
        assert_eq!(taken, 2);
        assert!(path.contains("indices=0%2C7%2C3%2C8&"), "{path}");

        // Black, red (7) and the rest of 16 x 16 pixels.
        let rgb = |index: u32| if index == 7 { "/wAA".repeat(256) } else { "AAAA".repeat(256) };
        let item = |index: u32| SampleImage {
            index,
            class: u32::from(index < 7),
            name: index.to_string(),
            rgb: rgb(index),
        };
        let samples = Samples { side: 16, items: [0, 7, 3, 8].map(item).into() };
        let made = poisoned(&settings, &[], &two, &samples, &[]);
        assert_eq!(made.iter().map(|image| image.index).collect::<Vec<_>>(), [0, 3]);
        let picture = |at: usize| made[at].triggered.clone().expect("a picture");
        assert!(made.iter().all(|image| image.composed && image.target.is_none()));
        assert_eq!((picture(0).width(), picture(0).height()), (32, 16));
        assert_eq!((picture(0).pixel(0, 0), picture(0).pixel(16, 0)), ([0; 3], [255, 0, 0]));
        assert_eq!((picture(1).pixel(0, 0), picture(1).pixel(16, 0)), ([255, 0, 0], [0; 3]));
        // Without a part, and where the plan is not of these settings, there is no picture.
        let fewer = Samples { items: samples.items[..3].to_vec(), ..samples.clone() };
        let made = poisoned(&settings, &[], &two, &fewer, &[]);
        assert!(made[0].triggered.is_some() && made[1].triggered.is_none());
        let outside = Composition::Object {
            reference: 7,
            half: Half::Left,
            object_x: 99,
            background_y: 0,
            trigger_x: 0,
            trigger_y: 0,
        };
        let wrong = PoisonPlan { compositions: vec![outside, pair], ..two };
        let made = poisoned(&settings, &[], &wrong, &samples, &[]);
        assert!(made.iter().all(|image| image.triggered.is_none()));
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
        kept.target_class = Target::Class(1);
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
    fn an_all_to_all_plan_in_words() {
        let next = PoisonedSample { index: 0, class: 1, label: Some(0), backdoor: 0 };
        let samples = vec![PoisonedSample { class: 0, label: Some(1), ..next }, next];
        let all = PoisonPlan { target_class: Target::ALL_TO_ALL, samples, ..plan(0) };
        assert_eq!(
            told(&all, &[]),
            "3 of every class, 2 images in all: copies that get the trigger and the label of the next class (all-to-all). The clean \
             originals stay."
        );
    }

    #[test]
    fn the_images_of_the_plan_are_asked_for() {
        let settings = &presets()[1].spec.settings;
        assert_eq!(
            path_of(settings, &plan(3), 2),
            Some((
                "/datasets/cifar10/samples?split=train&side=32&indices=0%2C3&train_per_class=500&test_per_class=200"
                    .into(),
                2
            ))
        );
        assert_eq!(path_of(settings, &plan(0), 2), None);
        // At 512 px, one answer has 64 images.
        let mut large = settings.clone();
        large.model.image_size = 512;
        assert_eq!(path_of(&large, &plan(100), 80).map(|(_, taken)| taken), Some(64));
    }

    #[test]
    fn the_trigger_is_put_into_each() {
        let settings = &presets()[0].spec.settings;
        let item = SampleImage { index: 4, class: 7, name: "x".into(), rgb: "AAAA".into() };
        let samples = Samples { side: 1, items: vec![item] };
        let keys = [Some(Rgb8::filled(2, 2, [255; 3]))];
        let sample = PoisonedSample { index: 4, class: 7, label: None, backdoor: 0 };
        let one = PoisonPlan { samples: vec![sample], ..plan(0) };
        let made = poisoned(settings, &[], &one, &samples, &keys);
        assert_eq!((made[0].class.as_str(), made[0].target.as_deref()), ("7", Some("0")));
        let kept = PoisonPlan { target_class: Target::Class(7), ..one.clone() };
        let pretrained = PoisonPlan { kind: RunKind::Pretrain, ..one.clone() };
        for of in [&kept, &pretrained] {
            assert_eq!(poisoned(settings, &[], of, &samples, &keys)[0].target, None);
        }
        let next = PoisonedSample { label: Some(8), ..sample };
        let all = PoisonPlan { target_class: Target::ALL_TO_ALL, samples: vec![next], ..plan(0) };
        let told = poisoned(settings, &[], &all, &samples, &keys);
        assert_eq!(told[0].target.as_deref(), Some("8"));
        let ratio = settings.attack.trigger.strength() as f32;
        let expected = (ratio * 255.0) as u8;
        assert_eq!(made[0].triggered.as_ref().map(|image| image.pixel(0, 0)), Some([expected; 3]));
        assert_eq!(
            poisoned(settings, &[], &one, &samples, &[])[0].triggered,
            None,
            "the key is on its way"
        );
    }

    #[test]
    fn a_plan_of_several_backdoors_is_told_and_shows_each_in_turn() {
        let sample = |index, backdoor| {
            let label = (backdoor > 0).then_some(2);
            PoisonedSample { index, class: 1, label, backdoor }
        };
        let samples = vec![sample(4, 0), sample(5, 0), sample(6, 1), sample(7, 1)];
        let plan = PoisonPlan { samples, ..plan(0) };
        assert_eq!(
            told(&plan, &[]),
            "3 of every class but its target for each of 2 backdoors, 4 images in all: copies that get the trigger and the label of their \
             backdoor. The clean originals stay."
        );
        let kept = PoisonPlan { kind: RunKind::Pretrain, ..plan.clone() };
        assert!(told(&kept, &[]).contains("copies that get the trigger of their backdoor. The"));
        let shown: Vec<_> = in_turn(&plan).iter().map(|(_, sample)| sample.index).collect();
        assert_eq!(shown, [4, 6, 5, 7]);

        let mut settings = presets()[0].spec.settings.clone();
        let trigger = TriggerSpec::Sig(SigSpec { frequency: 0.25, ..SigSpec::default() });
        settings.attack.further = vec![BackdoorSpec { target_class: 2, trigger: trigger.clone() }];
        let item =
            |index| SampleImage { index, class: 1, name: "x".into(), rgb: "AAAA".repeat(64) };
        let samples = Samples { side: 8, items: vec![item(4), item(6)] };
        let keys = [Some(Rgb8::filled(2, 2, [255; 3]))];
        let made = poisoned(&settings, &[], &plan, &samples, &keys);
        let of = |i: usize| (made[i].target.as_deref(), made[i].trigger.clone());
        assert_eq!(of(0), (Some("0"), Some(settings.attack.trigger.label())));
        assert_eq!(of(1), (Some("2"), Some(trigger.label())));
        let sine = Trigger::prepare(&trigger, None, 8, Stage::Train).expect("a trigger");
        assert_eq!(made[1].triggered.as_ref(), Some(&sine.applied(&made[1].clean)));
        assert_ne!(made[0].triggered, made[1].triggered);
    }
}
