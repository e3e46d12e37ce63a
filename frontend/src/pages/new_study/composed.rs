//! Composed poisons of the pre-training: their settings, and how they look on images of the study's data set.

use std::borrow::Cow;

use leptos::prelude::*;
use shared::{
    Rgb8, Stage, StudySpec, Trigger,
    api::{Samples, Split},
    composition::Composition,
    param::{self, Value},
    poison::Composer,
    settings::{AttackSpec, ComposeMethod},
    study::DatasetSpec,
};

use super::{draft::Draft, setting_field::SettingField};
use crate::{
    attack::{Picture, SIDES, Which, pictures, samples_path},
    components::{Fetched, PixelCanvas, ProblemBox, fetched},
};

const METHOD: &str = "attack.compose.method";
/// Poisons in the preview.
const SHOWN: usize = 8;

/// The method of the study, or the first one of those that it varies; `None` where no poison is composed.
fn method(spec: &StudySpec) -> Option<ComposeMethod> {
    let of = |value: &Value| {
        let mut settings = spec.settings.clone();
        param::set(&mut settings, METHOD, value).ok()?;
        Some(settings.attack.compose.method).filter(|method| *method != ComposeMethod::None)
    };
    // With pairs, there is more to see.
    spec.values_of(METHOD).iter().filter_map(of).max_by_key(|method| *method as u8)
}

/// The paths of the settings that some point of the study uses.
fn paths(spec: &StudySpec) -> Vec<&'static str> {
    match method(spec) {
        Some(ComposeMethod::CorruptEncoderPlus) => vec![
            "attack.compose.references",
            "attack.compose.support_images",
            "attack.compose.support_share",
        ],
        Some(_) => vec!["attack.compose.references"],
        None => Vec::new(),
    }
}

/// The fields.
#[component]
pub fn ComposeFields() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let shown = draft.part(paths);
    let fields = move || {
        shown
            .get()
            .into_iter()
            .map(|path| view! { <SettingField path defaulted=true/> })
            .collect_view()
    };
    view! {
        <SettingField path=METHOD defaulted=true/>
        {fields}
    }
}

/// What the poisons are made of, besides images.
#[derive(Clone, PartialEq)]
struct Recipe {
    attack: AttackSpec,
    dataset: DatasetSpec,
    side: u32,
    seed: u64,
}

impl Recipe {
    /// That of a study whose poisons are composed.
    fn of(spec: &StudySpec) -> Option<Self> {
        let mut attack = spec.settings.attack.clone();
        attack.compose.method = method(spec)?;
        let (dataset, side) = (spec.settings.dataset.clone(), spec.settings.model.image_size);
        Some(Self { attack, dataset, side, seed: spec.settings.seed })
    }

    /// The address of reference and support images; `None` while they are not available.
    fn path(&self, known: bool) -> Option<String> {
        let count = self.attack.compose.images();
        let possible = known
            && SIDES.contains(&self.side)
            && (1..=Samples::most(self.side)).contains(&(count as usize));
        let which = Which::References { class: self.attack.target_class, count, seed: self.seed };
        possible.then(|| samples_path(&self.dataset, self.side, Split::Train, which))
    }
}

/// A composed poison.
#[derive(Clone, Debug, PartialEq)]
struct Composed {
    image: Rgb8,
    /// What it is made of, as text.
    told: String,
}

/// The poisons of these backgrounds, as the pre-training makes them; empty while an image or a setting is missing.
fn composed(recipe: &Recipe, backgrounds: &[Picture], references: &[Picture]) -> Vec<Composed> {
    let Recipe { attack, side, seed, .. } = recipe;
    let ordered: Vec<u32> = references.iter().map(|picture| picture.index).collect();
    let side = *side as usize;
    let Ok(composer) = Composer::new(attack, &ordered, side as u32, *seed) else {
        return Vec::new();
    };
    let Ok(trigger) = Trigger::prepare(&attack.trigger, None, side, Stage::Train) else {
        return Vec::new();
    };
    let fits =
        |picture: &&Picture| attack.poisons_class(picture.class) && picture.image.width() == side;
    let one = |background: &Picture| {
        let known = |index: u32| {
            let mut all = references.iter().chain(std::iter::once(background));
            all.find(|picture| picture.index == index && picture.image.width() == side)
        };
        let composition = composer.composition(background.index);
        let image = |index: u32| known(index).map(|it| Cow::Borrowed(&it.image)).ok_or(());
        let image = composition.picture(background.index, &trigger, image).ok()?;
        let name = |index: u32| known(index).map_or("", |picture| picture.name.as_str());
        let told = match composition {
            Composition::Object { reference, .. } => {
                format!("{} and the trigger on {}", name(reference), background.name)
            }
            Composition::SupportPair { reference, support, .. } => {
                format!("{} beside {}", name(reference), name(support))
            }
        };
        Some(Composed { image, told })
    };
    backgrounds.iter().filter(fits).filter_map(one).take(SHOWN).collect()
}

/// Composed poisons on the images of the preview; nothing where poisons are not composed.
#[component]
pub fn ComposedPreview(
    /// The images of the preview: the backgrounds.
    pictures: Memo<Vec<Picture>>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let recipe = draft.part(Recipe::of);
    let known = Memo::new(move |_| draft.dataset.with(Option::is_some));
    let path = Memo::new(move |_| recipe.with(|recipe| recipe.as_ref()?.path(known.get())));
    let samples: Fetched<Samples> = fetched(move || path.get());
    let references =
        Memo::new(move |_| samples.value().map(|all| self::pictures(&all)).unwrap_or_default());
    let poisons = Memo::new(move |_| {
        recipe.with(|recipe| {
            let Some(recipe) = recipe else { return Vec::new() };
            pictures.with(|pictures| {
                references.with(|references| composed(recipe, pictures, references))
            })
        })
    });
    let retry = Callback::new(move |()| samples.refetch());
    let tiles = move || {
        let tile = |Composed { image, told }: Composed| {
            view! {
                <li title=told.clone()>
                    <PixelCanvas
                        image=Signal::stored(Some(image))
                        label=Signal::stored(format!("Composed poison: {told}"))
                    />
                </li>
            }
        };
        poisons.get().into_iter().map(tile).collect_view()
    };
    let words = move || {
        if poisons.with(Vec::is_empty) {
            "Shown once the trigger is a patch that fits, and the images are there."
        } else {
            "These images as pre-training would get them if they were poisoned, with the study's seed. Poisons of other runs and test images have only the trigger."
        }
    };
    view! {
        <Show when=move || recipe.with(Option::is_some)>
            <figure class="composed-preview" aria-labelledby="composed-title">
                <figcaption id="composed-title">"Composed poisons of the pre-training"</figcaption>
                {move || samples.problem().map(|problem| view! { <ProblemBox problem retry/> })}
                <ul class="composed">{tiles}</ul>
                <p class="muted small">{words}</p>
            </figure>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        RunKind,
        poison::{PoisonPlan, reference_order},
        study::{Axis, presets},
        trigger::{RandomPatchSpec, TriggerSpec},
    };

    use super::*;

    fn spec(methods: &[&str]) -> StudySpec {
        let mut spec = presets()[1].spec.clone();
        spec.settings.attack.trigger = TriggerSpec::RandomPatch(RandomPatchSpec::for_side(32));
        spec.axes = vec![Axis::of(METHOD, methods.iter().copied())];
        spec
    }

    #[test]
    fn one_method_that_composes_shows_its_settings() {
        assert_eq!(paths(&spec(&["none"])), [""; 0]);
        assert_eq!(paths(&spec(&["none", "corrupt_encoder"])), ["attack.compose.references"]);
        let both = spec(&["none", "corrupt_encoder_plus", "corrupt_encoder"]);
        assert_eq!(paths(&both).len(), 3);
        assert!(Recipe::of(&spec(&["none"])).is_none());
        let recipe = Recipe::of(&both).expect("composed poisons");
        assert_eq!(
            recipe.path(true).as_deref(),
            Some(
                "/datasets/cifar10/samples?split=train&side=32&count=8&seed=1&references_of=0&train_per_class=500&test_per_class=200"
            )
        );
        assert_eq!(recipe.path(false), None);
    }

    /// The preview of an image is the poison of the training set, whatever else is poisoned.
    #[test]
    fn the_preview_is_what_training_gets() {
        let recipe = Recipe::of(&spec(&["corrupt_encoder_plus"])).expect("composed poisons");
        let labels: Vec<u32> = (0..200).map(|i| i / 20).collect();
        let picture = |index: u32| Picture {
            index,
            name: format!("{index}.png"),
            class: labels[index as usize],
            image: Rgb8::from_fn(32, 32, |x, y| [index as u8, 7 * x as u8, 5 * y as u8]),
        };
        let of_target = (0..20).collect();
        let references: Vec<Picture> =
            reference_order(of_target, 0, recipe.seed)[..8].iter().map(|&at| picture(at)).collect();
        let backgrounds: Vec<Picture> = (0..200).step_by(15).map(picture).collect();
        let shown = composed(&recipe, &backgrounds, &references);
        assert_eq!(shown.len(), SHOWN);

        let plan =
            PoisonPlan::draw(RunKind::Pretrain, &labels, 10, &recipe.attack, 20, recipe.seed)
                .expect("all images besides those of the target")
                .composed(&recipe.attack, &labels, 32)
                .expect("composed poisons");
        let trigger = Trigger::prepare(&recipe.attack.trigger, None, 32, Stage::Train)
            .expect("a sound trigger");
        let poisoned = backgrounds.iter().filter(|picture| picture.class != 0);
        for (background, shown) in poisoned.zip(&shown) {
            let at = plan.samples.iter().position(|sample| sample.index == background.index);
            let composition = plan.compositions[at.expect("all are poisoned")];
            let image = |index: u32| Ok::<_, ()>(Cow::Owned(picture(index).image));
            let made = composition.picture(background.index, &trigger, image);
            assert_eq!(made.as_ref(), Ok(&shown.image), "{}", shown.told);
        }
        assert!(composed(&recipe, &backgrounds, &references[..7]).is_empty(), "one is missing");
    }
}
