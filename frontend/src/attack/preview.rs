//! The preview: clean, triggered and difference side by side, and the numbers beside them.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use shared::{
    Rgb8, Trigger, TriggerSpec,
    trigger::{PatchedSpec, TriggerError},
};

use super::{
    mosaic::{Mosaic, Part, Stage},
    picture::Picture,
    render::{Rendered, Training, drawn},
};
use crate::components::{Glyph, Icon, Segmented};

/// Pause in the changes of a trigger after which it is measured, in milliseconds. It takes longer than the images.
const REST: u32 = 120;

/// What the preview is made from.
#[derive(Clone, Copy)]
pub struct Scene {
    /// The trigger as it is edited.
    pub trigger: Memo<TriggerSpec>,
    /// Side of the images in pixels.
    pub side: Memo<u32>,
    /// How pre-training sees the images.
    pub training: Memo<Training>,
    /// Key image at that side, where the trigger needs one.
    pub key: Signal<Option<Rgb8>>,
}

/// The preview.
#[component]
pub fn Preview(
    /// What it is made from.
    scene: Scene,
    /// The images.
    #[prop(into)]
    pictures: Signal<Vec<Picture>>,
    /// Names of the classes.
    #[prop(into)]
    classes: Signal<Vec<String>>,
    /// Whether other images are loading.
    #[prop(into)]
    busy: Signal<bool>,
    /// Called with the moved patch.
    moved: Callback<PatchedSpec>,
    /// Called to load other images.
    shuffle: Callback<()>,
) -> impl IntoView {
    let rendered = RwSignal::new(Rendered::default());
    let waits = RwSignal::new(None::<String>);
    let seen_in = RwSignal::new(shared::Stage::Train);
    keep_drawn(scene, pictures, seen_in, rendered, waits);
    let shown = RwSignal::new(Part::Triggered);
    let grid = RwSignal::new(false);
    let stage = Stage { scene, pictures, classes, rendered, grid, moved };
    let is_patched = Memo::new(move |_| matches!(scene.trigger.get(), TriggerSpec::Patched(_)));
    let choices = Part::ALL.map(|part| (part, part.name().to_owned()));
    let stages = [(shared::Stage::Train, "In training"), (shared::Stage::Test, "In tests")]
        .map(|(stage, name)| (stage, name.to_owned()))
        .to_vec();
    let hint = move || {
        if is_patched.get() {
            "Drag the patch on any triggered image, or move it with the arrow keys."
        } else {
            "Drawn in this browser by the same code that poisons the training set."
        }
    };
    let waiting =
        move |why| view! { <p class="preview-waits" role="status">"Preview paused: " {why}</p> };
    view! {
        <div
            class="preview"
            data-shown=move || shown.get().class()
            aria-busy=move || busy.get().to_string()
        >
            <div class="preview-choice">
                <Segmented
                    label="What to show"
                    choices=choices.to_vec()
                    value=Signal::derive(move || Some(shown.get()))
                    choose=Callback::new(move |part| shown.set(part))
                />
            </div>
            <div class="preview-bar">
                <Segmented
                    label="The trigger in training or in tests, where some differ"
                    choices=stages
                    value=Signal::derive(move || Some(seen_in.get()))
                    choose=Callback::new(move |stage| seen_in.set(stage))
                />
                <button
                    type="button"
                    class="button"
                    id="patch-grid"
                    aria-pressed=move || grid.get().to_string()
                    on:click=move |_| grid.update(|grid| *grid = !*grid)
                >
                    <Icon glyph=Glyph::Grid/>
                    "Patch grid"
                </button>
                <button
                    type="button"
                    class="button"
                    id="shuffle"
                    disabled=move || busy.get()
                    on:click=move |_| shuffle.run(())
                >
                    <Icon glyph=Glyph::Shuffle/>
                    "Other images"
                </button>
            </div>
            {move || waits.get().map(waiting)}
            <div class="mosaics" class:stale=move || waits.with(Option::is_some)>
                {Part::ALL.map(|part| view! { <Mosaic part stage/> }).into_iter().collect_view()}
            </div>
            <Facts rendered hint=Signal::derive(hint)/>
        </div>
    }
}

/// Draws the pictures whenever the trigger changes, and measures it after a pause. `waits` gets what a trigger lacks that cannot be drawn.
fn keep_drawn(
    scene: Scene,
    pictures: Signal<Vec<Picture>>,
    seen_in: RwSignal<shared::Stage>,
    rendered: RwSignal<Rendered>,
    waits: RwSignal<Option<String>>,
) {
    let change = StoredValue::new(0u64);
    Effect::new(move |_| {
        let (spec, side, seen_in) = (scene.trigger.get(), scene.side.get(), seen_in.get());
        let prepared =
            scene.key.with(|key| Trigger::prepare(&spec, key.as_ref(), side as usize, seen_in));
        match prepared {
            Ok(trigger) => {
                let training = scene.training.get();
                let mut now = pictures.with(|pictures| drawn(pictures, &trigger, training));
                let side = trigger.side();
                let measure = move |now: &mut Rendered| {
                    pictures.with_untracked(|pictures| now.measure(pictures, side, training));
                };
                change.update_value(|change| *change += 1);
                let mine = change.get_value();
                // Until it is measured, the numbers of the last one stay.
                let has_numbers = rendered.with_untracked(|last| {
                    (now.quality, now.survival) = (last.quality, last.survival);
                    !last.triggered.is_empty()
                });
                if has_numbers {
                    spawn_local(async move {
                        TimeoutFuture::new(REST).await;
                        // The page may be gone by now.
                        if change.try_get_value() == Some(mine) {
                            rendered.try_update(measure);
                        }
                    });
                } else {
                    measure(&mut now);
                }
                rendered.set(now);
                waits.set(None);
            }
            // The key image is loading: the last drawing stays until it arrives.
            Err(_) if spec.key().is_some() && spec.validate(side, "").is_empty() => {}
            Err(TriggerError::Field(error)) => waits.set(Some(error.message)),
            Err(error) => waits.set(Some(error.to_string())),
        }
    });
}

/// The numbers beside the images.
#[component]
fn Facts(rendered: RwSignal<Rendered>, hint: Signal<&'static str>) -> impl IntoView {
    view! {
        <div class="facts">
        <dl>
            <div title="Mean peak signal-to-noise ratio between the clean and the triggered images; the higher, the harder the trigger is to see">
                <dt>"Mean PSNR"</dt>
                <dd id="psnr">{move || rendered.with(Rendered::psnr_text)}</dd>
            </div>
            <div title="Mean structural similarity (Wang et al. 2004) of the triggered to the clean images: 1 where they are equal">
                <dt>"Mean SSIM"</dt>
                <dd id="ssim">{move || rendered.with(Rendered::ssim_text)}</dd>
            </div>
            <div title="ViT patches in which the trigger changes a pixel">
                <dt>"Touches"</dt>
                <dd id="touched">{move || rendered.with(Rendered::touched_text)}</dd>
            </div>
            <div title="How often the mask leaves at least one of these patches visible, without the crop: of n patches with v visible, 1 - C(n - touched, v) / C(n, v)">
                <dt>"Some of it visible"</dt>
                <dd id="any-visible">{move || rendered.with(Rendered::any_visible_text)}</dd>
            </div>
            <div title="Mean share of the trigger's change that is within the random crop of pre-training">
                <dt>"Left by the crop"</dt>
                <dd id="cropped">{move || rendered.with(Rendered::cropped_text)}</dd>
            </div>
            <div title="Share of the trigger's change in visible patches of pre-training, after the random crop and the random mask">
                <dt>"Seen after the mask"</dt>
                <dd id="seen">{move || rendered.with(Rendered::seen_text)}</dd>
            </div>
        </dl>
        <p class="facts-hint">{hint}</p>
        </div>
    }
}
