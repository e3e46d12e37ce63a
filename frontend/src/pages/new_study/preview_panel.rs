//! The preview of the attack on images of the study's data set.

use leptos::prelude::*;
use shared::{
    TriggerSpec,
    api::{Samples, Split},
    study::StudySpec,
};

use super::{composed::ComposedPreview, draft::Draft};
use crate::{
    attack::{
        Preview, SIDES, Scene, Training, Which, key_pixels, pictures, samples_path, wanted_key,
    },
    components::{Fetched, ProblemBox, fetched},
};

/// Images in the preview.
const COUNT: u32 = 16;

/// The address of the images; `None` while they are not available.
fn path_of(spec: &StudySpec, known: bool, seed: u64) -> Option<String> {
    let side = spec.settings.model.image_size;
    if !known || !SIDES.contains(&side) {
        return None;
    }
    let (dataset, which) = (&spec.settings.dataset, Which::Drawn(COUNT, seed));
    Some(samples_path(dataset, side, Split::Train, which))
}

/// The panel.
#[component]
pub fn PreviewPanel() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let seed = RwSignal::new(1u64);
    let known = Memo::new(move |_| draft.dataset.with(Option::is_some));
    // A memo, so that other images are fetched only when the address changes, not when a slider moves.
    let path = Memo::new(move |_| draft.spec.with(|spec| path_of(spec, known.get(), seed.get())));
    let samples: Fetched<Samples> = fetched(move || path.get());
    let pictures =
        Memo::new(move |_| samples.value().map(|all| pictures(&all)).unwrap_or_default());

    Effect::new(move |_| {
        let first = pictures.with(|all| all.first().map(|picture| picture.image.clone()));
        draft.sample.set(first);
    });

    let wanted = draft.part(|spec| wanted_key(&spec.settings));
    let key_problem = RwSignal::new(None);
    let key = key_pixels(wanted, move |problem| key_problem.set(Some(problem)));
    Effect::new(move |_| {
        wanted.track();
        key_problem.set(None);
    });

    let scene = Scene {
        trigger: draft.part(|spec| spec.settings.attack.trigger.clone()),
        side: draft.part(|spec| spec.settings.model.image_size),
        training: draft.part(|spec| Training::of(&spec.settings)),
        key,
    };
    let classes = Signal::derive(move || {
        draft.dataset.with(|set| set.as_ref().map(|set| set.classes.clone()).unwrap_or_default())
    });
    let moved = Callback::new(move |patch| {
        draft.edit(|spec| spec.settings.attack.trigger = TriggerSpec::Patched(patch));
    });
    let shuffle = Callback::new(move |()| seed.update(|seed| *seed += 1));
    let retry = Callback::new(move |()| samples.refetch());
    let count = move || match pictures.with(Vec::len) {
        0 => String::new(),
        many => format!("{many} training images"),
    };
    view! {
        <section class="panel preview-panel" aria-labelledby="preview-title">
            <header class="panel-head">
                <h2 id="preview-title">"Preview"</h2>
                <span class="muted small">{count}</span>
            </header>
            <div class="panel-body">
                {move || samples.problem().map(|problem| view! { <ProblemBox problem retry/> })}
                {move || key_problem.get().map(|problem| view! { <ProblemBox problem/> })}
                {move || (!known.get()).then(|| view! { <p class="muted">"Choose an available data set to see the preview."</p> })}
                <Preview scene pictures classes busy=samples.busy() moved shuffle/>
                <ComposedPreview pictures/>
            </div>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    #[test]
    fn images_are_asked_for_by_data_set_side_and_limit() {
        let mut spec = presets()[1].spec.clone();
        assert_eq!(
            path_of(&spec, true, 2).as_deref(),
            Some(
                "/datasets/cifar10/samples?split=train&side=32&count=16&seed=2&train_per_class=500&test_per_class=200"
            )
        );
        assert_eq!(path_of(&spec, false, 2), None);
        spec.settings.model.image_size = 4;
        assert_eq!(path_of(&spec, true, 2), None);
    }
}
