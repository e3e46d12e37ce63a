//! The preview of the attack on images of the study's data set.

use leptos::prelude::*;
use shared::{TriggerSpec, api::Samples, study::StudySpec};

use super::draft::Draft;
use crate::{
    api,
    attack::{Preview, Scene, Training, key_pixels, pictures},
    components::{Fetched, ProblemBox, fetched},
};

/// Images in the preview.
const COUNT: &str = "16";

/// The address of the images; `None` while they are not available.
fn samples_path(spec: &StudySpec, known: bool, seed: u64) -> Option<String> {
    let side = spec.settings.model.image_size;
    if !known || !(8..=512).contains(&side) {
        return None;
    }
    let limit = spec.settings.dataset.train_per_class.filter(|&limit| limit > 0);
    let query = api::query(&[
        ("split", "train"),
        ("side", &side.to_string()),
        ("count", COUNT),
        ("seed", &seed.to_string()),
        ("train_per_class", &limit.map(|limit| limit.to_string()).unwrap_or_default()),
    ]);
    Some(format!("/datasets/{}/samples{query}", api::escape(&spec.settings.dataset.name)))
}

/// The panel.
#[component]
pub fn PreviewPanel() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let seed = RwSignal::new(1u64);
    let known = Memo::new(move |_| draft.dataset.with(Option::is_some));
    // A memo, so that other images are fetched only when the address changes, not when a slider moves.
    let path =
        Memo::new(move |_| draft.spec.with(|spec| samples_path(spec, known.get(), seed.get())));
    let samples: Fetched<Samples> = fetched(move || path.get());
    let pictures =
        Memo::new(move |_| samples.value().map(|all| pictures(&all)).unwrap_or_default());

    let wanted = draft.part(|spec| {
        let side = spec.settings.model.image_size;
        let key = spec.settings.attack.trigger.key().filter(|key| !key.is_empty())?;
        (8..=512).contains(&side).then(|| (key.to_owned(), side))
    });
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
            samples_path(&spec, true, 2).as_deref(),
            Some(
                "/datasets/cifar10/samples?split=train&side=32&count=16&seed=2&train_per_class=500"
            )
        );
        assert_eq!(samples_path(&spec, false, 2), None);
        spec.settings.model.image_size = 4;
        assert_eq!(samples_path(&spec, true, 2), None);
    }
}
