//! The preview: clean, triggered and difference side by side, and the numbers beside them.

use gloo_timers::future::TimeoutFuture;
use js_sys::Promise;
use leptos::{
    prelude::*,
    task::{spawn_local, tick},
};
use shared::{
    Rgb8, Trigger, TriggerSpec,
    metric::Quality,
    trigger::{PatchedSpec, TriggerError},
};
use wasm_bindgen_futures::JsFuture;

use super::{
    mosaic::{Mosaic, Part, Shown, Stage},
    painter::{Painter, Step},
    picture::Picture,
    render::{Numbers, Training},
};
use crate::components::{Glyph, Icon, Segmented};

/// Pause in the changes of a trigger after which it is measured, in milliseconds. It takes longer than the images.
const REST: u32 = 120;

/// How far into a frame pictures are drawn, in milliseconds: about half of it, the rest is the browser's.
const BUDGET: f64 = 8.0;

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
    let count = Memo::new(move |_| pictures.with(Vec::len));
    let shown =
        Memo::new(move |_| std::iter::repeat_with(Shown::default).take(count.get()).collect());
    let numbers = RwSignal::new(Numbers::default());
    let waits = RwSignal::new(None::<String>);
    let seen_in = RwSignal::new(shared::Stage::Train);
    let drawing = Drawing::new(pictures, shown, numbers);
    keep_drawn(scene, drawing, seen_in, waits);
    let part = RwSignal::new(Part::Triggered);
    let grid = RwSignal::new(false);
    let stage = Stage { scene, pictures, classes, shown, numbers, grid, moved };
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
            data-shown=move || part.get().class()
            aria-busy=move || busy.get().to_string()
        >
            <div class="preview-choice">
                <Segmented
                    label="What to show"
                    choices=choices.to_vec()
                    value=Signal::derive(move || Some(part.get()))
                    choose=Callback::new(move |chosen| part.set(chosen))
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
            <Facts numbers hint=Signal::derive(hint)/>
        </div>
    }
}

/// Draws the pictures whenever the trigger changes. `waits` gets what a trigger lacks that cannot be drawn.
fn keep_drawn(
    scene: Scene,
    drawing: Drawing,
    seen_in: RwSignal<shared::Stage>,
    waits: RwSignal<Option<String>>,
) {
    Effect::new(move |_| {
        let (spec, side, seen_in) = (scene.trigger.get(), scene.side.get(), seen_in.get());
        let prepared =
            scene.key.with(|key| Trigger::prepare(&spec, key.as_ref(), side as usize, seen_in));
        match prepared {
            Ok(_) if !drawing.has_pictures(side as usize) => {
                waits.set(Some("there are no images of this size yet".into()));
            }
            Ok(trigger) => {
                drawing.begin(trigger, scene.training.get());
                waits.set(None);
            }
            // The key image is loading: the last drawing stays until it arrives.
            Err(_) if spec.key().is_some() && spec.validate(side, "").is_empty() => {}
            Err(TriggerError::Field(error)) => waits.set(Some(error.message)),
            Err(error) => waits.set(Some(error.to_string())),
        }
    });
}

/// The drawing of the pictures, as many in a frame as there is time for.
#[derive(Clone, Copy)]
struct Drawing {
    pictures: Signal<Vec<Picture>>,
    shown: Memo<Vec<Shown>>,
    numbers: RwSignal<Numbers>,
    painter: StoredValue<Painter>,
    /// Counts the triggers.
    change: StoredValue<u64>,
    /// Whether pictures are being drawn.
    draws: StoredValue<bool>,
}

impl Drawing {
    fn new(
        pictures: Signal<Vec<Picture>>,
        shown: Memo<Vec<Shown>>,
        numbers: RwSignal<Numbers>,
    ) -> Self {
        let painter = StoredValue::new(Painter::default());
        let (change, draws) = (StoredValue::new(0), StoredValue::new(false));
        Self { pictures, shown, numbers, painter, change, draws }
    }

    /// Whether there are pictures of this side.
    fn has_pictures(self, side: usize) -> bool {
        self.pictures.with(|pictures| pictures.iter().any(|it| it.image.width() == side))
    }

    /// Draws all pictures with this trigger from the next frame on, and again when the pictures change.
    fn begin(self, trigger: Trigger, training: Training) {
        self.pictures.track();
        let count = self.shown.with(Vec::len);
        self.painter.update_value(|painter| painter.restart(trigger, training, count));
        self.change.update_value(|change| *change += 1);
        if !self.draws.get_value() {
            self.draws.set_value(true);
            spawn_local(self.draw());
        }
    }

    /// Draws until all is drawn, for a part of each frame.
    async fn draw(self) {
        let mut frame = next_frame().await;
        loop {
            match self.step() {
                Stepped::Gone => return,
                Stepped::Nothing => break,
                Stepped::Something => {}
            }
            // Canvases are drawn by effects, and their time counts.
            tick().await;
            if now() > frame + BUDGET {
                self.count();
                frame = next_frame().await;
            }
        }
        self.draws.try_set_value(false);
        self.count();
        self.measure_at_rest();
    }

    /// Draws one picture or difference.
    fn step(self) -> Stepped {
        let step = self.pictures.try_with_untracked(|pictures| {
            self.painter.try_update_value(|painter| painter.step(pictures))
        });
        let (Some(step), Some(shown)) = (step.flatten(), self.shown.try_get_untracked()) else {
            return Stepped::Gone;
        };
        let Some(Step { at, triggered, difference }) = step else { return Stepped::Nothing };
        if triggered.is_some() {
            shown[at].triggered.set(triggered);
        }
        shown[at].difference.set(Some(difference));
        Stepped::Something
    }

    fn count(self) {
        self.numbers.try_update(|numbers| {
            self.painter.try_with_value(|painter| painter.count(numbers));
        });
    }

    /// Measures the trigger when it has not changed for a while. Until then, the numbers of the last one stay.
    fn measure_at_rest(self) {
        let Some(mine) = self.change.try_get_value() else { return };
        let first = self.numbers.with_untracked(|numbers| numbers.quality == Quality::default());
        spawn_local(async move {
            if !first {
                TimeoutFuture::new(REST).await;
            }
            // The page may be gone by now.
            if self.change.try_get_value() == Some(mine) {
                self.pictures.with_untracked(|pictures| {
                    let measure = |numbers: &mut Numbers| {
                        self.painter.with_value(|painter| painter.measure(pictures, numbers));
                    };
                    self.numbers.update(measure);
                });
            }
        });
    }
}

/// What became of a step.
enum Stepped {
    Something,
    Nothing,
    /// The page is gone, and with it what it owned.
    Gone,
}

/// Waits for the next frame, and tells when it began, as [`now`] does.
async fn next_frame() -> f64 {
    let frame = Promise::new(&mut |resolve, _| {
        // Without a window there is no page.
        let _ = window().request_animation_frame(&resolve);
    });
    JsFuture::from(frame).await.ok().and_then(|time| time.as_f64()).unwrap_or_else(now)
}

/// The time in milliseconds.
fn now() -> f64 {
    window().performance().map_or(0.0, |clock| clock.now())
}

/// The numbers beside the images.
#[component]
fn Facts(numbers: RwSignal<Numbers>, hint: Signal<&'static str>) -> impl IntoView {
    view! {
        <div class="facts">
        <dl>
            <div title="Mean peak signal-to-noise ratio between the clean and the triggered images; the higher, the harder the trigger is to see">
                <dt>"Mean PSNR"</dt>
                <dd id="psnr">{move || numbers.with(Numbers::psnr_text)}</dd>
            </div>
            <div title="Mean structural similarity (Wang et al. 2004) of the triggered to the clean images: 1 where they are equal">
                <dt>"Mean SSIM"</dt>
                <dd id="ssim">{move || numbers.with(Numbers::ssim_text)}</dd>
            </div>
            <div title="ViT patches in which the trigger changes a pixel">
                <dt>"Touches"</dt>
                <dd id="touched">{move || numbers.with(Numbers::touched_text)}</dd>
            </div>
            <div title="How often the mask leaves at least one of these patches visible, without the crop: of n patches with v visible, 1 - C(n - touched, v) / C(n, v)">
                <dt>"Some of it visible"</dt>
                <dd id="any-visible">{move || numbers.with(Numbers::any_visible_text)}</dd>
            </div>
            <div title="Mean share of the trigger's change that is within the random crop of pre-training">
                <dt>"Left by the crop"</dt>
                <dd id="cropped">{move || numbers.with(Numbers::cropped_text)}</dd>
            </div>
            <div title="Share of the trigger's change in visible patches of pre-training, after the random crop and the random mask">
                <dt>"Seen after the mask"</dt>
                <dd id="seen">{move || numbers.with(Numbers::seen_text)}</dd>
            </div>
        </dl>
        <p class="facts-hint">{hint}</p>
        </div>
    }
}
