//! Inside the selected run's encoder: a map of its features, and what it attends to in a clean and in a triggered image. Both take all
//! processors for a while, so they are made when somebody asks for them.

use leptos::{ev, prelude::*};
use shared::{
    Rgb8, RunId, RunKind, RunState, Settings, Stage, Trigger,
    api::{AttendedImage, Attention, FeatureMap, RunRow, Samples, Split, StudyDetail},
    chart::{feature_map, mapped_image},
    param,
};

use crate::{
    api,
    attack::{Which, key_pixels, samples_path, wanted_key},
    chart::{Downloads, FigureBox},
    components::{Fetched, PixelCanvas, ProblemBox, Segmented, decode_rgb, fetched, format},
};

/// How dark a patch without any attention is drawn.
const DARK: f64 = 0.2;

/// Whose encoder: a pre-training's, or the imported one that a study starts from.
#[derive(Clone, Debug, PartialEq)]
struct Whose {
    run: RunId,
    imported: Option<String>,
}

impl Whose {
    /// The encoder of a run that is selected; `None` where it has none that can be looked into.
    fn of(run: &RunRow, study: &StudyDetail) -> Option<Self> {
        let encoder = study.spec.settings.encoder.clone();
        let is_tidied = run.tidied.is_some_and(|tidied| !tidied.kept_last);
        match (run.point.kind, encoder) {
            (RunKind::Pretrain | RunKind::Implant, _)
                if run.progress.checkpoint.is_some() && !is_tidied =>
            {
                Some(Self { run: run.id, imported: None })
            }
            (RunKind::Pretrain | RunKind::Implant, _) | (_, None) => None,
            (_, encoder) => (run.state == RunState::Done && !run.point.scratch)
                .then_some(Self { run: run.id, imported: encoder }),
        }
    }

    fn query(&self, more: &[(&str, &str)]) -> String {
        let imported = self.imported.as_deref().unwrap_or_default();
        api::query(&[&[("imported", imported)], more].concat())
    }

    fn features(&self, shown: Shown) -> String {
        format!("/runs/{}/features{}", self.run, self.query(&[("projection", shown.as_str())]))
    }

    fn attention(&self, index: u32) -> String {
        format!("/runs/{}/attention{}", self.run, self.query(&[("index", &index.to_string())]))
    }

    fn downloads(&self, shown: Shown) -> Downloads {
        let imported = self.imported.clone().unwrap_or_default();
        let more = vec![("imported", imported), ("projection", shown.as_str().into())];
        Downloads { runs: self.run.to_string(), more, ..Downloads::default() }
    }
}

/// Which map is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shown {
    #[default]
    Pca,
    Tsne,
}

impl Shown {
    const ALL: [(Self, &str); 2] = [(Self::Pca, "Principal components"), (Self::Tsne, "t-SNE")];

    /// The name in a request.
    fn as_str(self) -> &'static str {
        match self {
            Self::Pca => "pca",
            Self::Tsne => "tsne",
        }
    }
}

/// How far triggered images moved, in a sentence.
fn moved(map: &FeatureMap) -> String {
    let (target, missing) = match map.target_class.class() {
        Some(_) => (
            "the target class",
            "There are no images of the target class, or of no other, to compare.",
        ),
        None => (
            "the next class, which the attacker wants",
            "There are no images of a class and of the next one to compare.",
        ),
    };
    let (Some(before), Some(after)) = (map.before, map.after) else { return missing.into() };
    let sign = |value: f64| format!("{}{:.3}", if value < 0.0 { "−" } else { "" }, value.abs());
    let change = after - before;
    format!(
        "Mean cosine to the mean of {target}: {} without the trigger, {} with it ({}{}).",
        sign(before),
        sign(after),
        if change < 0.0 { "" } else { "+" },
        sign(change)
    )
}

/// The attention on the trigger, in a sentence.
fn on_trigger(attention: &Attention) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mean = &attention.mean;
    format!(
        "Attention on the trigger's pixels, mean of {}: {} with the trigger, {} at the same place without it. The trigger covers {} of \
         the image.",
        format::things(mean.images.into(), "image", "images"),
        percent(mean.triggered),
        percent(mean.clean),
        percent(mean.area)
    )
}

/// The image with its patches as bright as they are attended to; the brightest of both images is as it is.
fn lit(attended: &AttendedImage, side: u32, patch: u32, most: f64) -> Option<Rgb8> {
    let image = decode_rgb(side, &attended.image)?;
    let (side, patch) = (side as usize, patch.max(1) as usize);
    let columns = side / patch;
    Some(Rgb8::from_fn(side, side, |x, y| {
        let share = attended.map.get(y / patch * columns + x / patch).copied().unwrap_or(0.0);
        let light = if most > 0.0 { DARK + (1.0 - DARK) * share / most } else { 1.0 };
        image.pixel(x, y).map(|value| (f64::from(value) * light).round() as u8)
    }))
}

/// The panel; nothing where the selected run has no encoder of its own.
#[component]
pub fn InsidePanel(
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// The selected run.
    run: Memo<Option<RunRow>>,
) -> impl IntoView {
    let whose = Memo::new(move |_| {
        run.with(|run| study.with(|study| Whose::of(run.as_ref()?, study.as_ref()?)))
    });
    let settings = Memo::new(move |_| {
        let varied = run.with(|run| run.as_ref().map(|run| run.varied.clone()))?;
        study.with(|study| Some(param::with(&study.as_ref()?.spec.settings, &varied)))
    });
    move || {
        whose.get().map(|whose| {
            view! {
                <section class="panel" id="inside">
                    <div class="panel-head">
                        <h2>"Inside the encoder"</h2>
                        <span class="muted small">"validation images, clean and triggered"</span>
                    </div>
                    <div class="panel-body stack"><Inside whose settings/></div>
                </section>
            }
        })
    }
}

#[component]
fn Inside(whose: Whose, settings: Memo<Option<Settings>>) -> impl IntoView {
    let wanted = RwSignal::new(false);
    let whose = StoredValue::new(whose);
    view! {
        <Show
            when=move || wanted.get()
            fallback=move || {
                view! {
                    <div class="run-line">
                        <p class="muted small">
                            "Where the encoder places images with the trigger, and what it attends to. It takes the processor for some seconds, "
                            "longer for a large model."
                        </p>
                        <button type="button" class="button" on:click=move |_| wanted.set(true)>
                            "Show features and attention"
                        </button>
                    </div>
                }
            }
        >
            <div class="inside">
                <Features whose=whose.get_value() settings/>
                <Attended whose=whose.get_value()/>
            </div>
        </Show>
    }
}

#[component]
fn Features(whose: Whose, settings: Memo<Option<Settings>>) -> impl IntoView {
    let shown = RwSignal::new(Shown::default());
    let whose = StoredValue::new(whose);
    let path = move || whose.with_value(|whose| whose.features(shown.get()));
    let map: Fetched<FeatureMap> = fetched(move || Some(path()));
    let meant = RwSignal::new(None::<(u32, bool)>);
    let hover = Callback::new(move |id: Option<String>| {
        // The last image stays, so that the page does not jump.
        if let Some(image) = id.as_deref().and_then(mapped_image) {
            meant.set(Some(image));
        }
    });
    view! {
        <section aria-label="Feature map">
            <Segmented
                label="Map"
                choices=Shown::ALL.map(|(shown, name)| (shown, name.to_owned())).into()
                value=Signal::derive(move || Some(shown.get()))
                choose=Callback::new(move |choice| shown.set(choice))
            />
            <Show when=move || map.busy().get() && map.value().is_some()>
                <p class="loading" role="status">"Computing the map…"</p>
            </Show>
            {move || map.problem().map(|problem| view! { <ProblemBox problem/> })}
            {move || match map.value() {
                None if map.problem().is_some() => ().into_any(),
                None => view! { <p class="loading" role="status">"Computing the features…"</p> }.into_any(),
                Some(map) => {
                    let told = moved(&map);
                    let downloads = whose.with_value(|whose| whose.downloads(shown.get_untracked()));
                    let figure = feature_map(&map);
                    let classes = map.classes.clone();
                    let points = map.points.clone();
                    let class = move |image: (u32, bool)| {
                        let point = points.iter().find(|point| point.index == image.0);
                        point.and_then(|point| classes.get(point.class as usize).cloned())
                    };
                    view! {
                        <FigureBox
                            figure=Signal::stored(figure)
                            height=380
                            downloads=Signal::stored(Some(downloads))
                            hover
                        />
                        <p class="small" id="moved">{told}</p>
                        <Meant meant settings class=Callback::new(class)/>
                    }
                        .into_any()
                }
            }}
        </section>
    }
}

/// The image that the pointer means.
#[component]
fn Meant(
    meant: RwSignal<Option<(u32, bool)>>,
    settings: Memo<Option<Settings>>,
    class: Callback<(u32, bool), Option<String>>,
) -> impl IntoView {
    let samples: Fetched<Samples> = fetched(move || {
        let (index, _) = meant.get()?;
        settings.with(|settings| {
            let settings = settings.as_ref()?;
            let side = settings.model.image_size;
            Some(samples_path(&settings.dataset, side, Split::Test, Which::Listed(&[index])))
        })
    });
    let wanted =
        Memo::new(move |_| settings.with(|settings| settings.as_ref().and_then(wanted_key)));
    let key = key_pixels(wanted, |_| ());
    let image = Signal::derive(move || {
        let (index, triggered) = meant.get()?;
        let samples = samples.value()?;
        let item = samples.items.iter().find(|item| item.index == index)?;
        let clean = decode_rgb(samples.side, &item.rgb)?;
        if !triggered {
            return Some(clean);
        }
        let side = samples.side as usize;
        let trigger = settings.with(|settings| {
            let trigger = &settings.as_ref()?.attack.trigger;
            key.with(|key| Trigger::prepare(trigger, key.as_ref(), side, Stage::Test).ok())
        })?;
        Some(trigger.applied(&clean))
    });
    let told = move || match meant.get() {
        None => "Point at a mark to see its image.".to_owned(),
        Some(image) => {
            let class = class.run(image).unwrap_or_default();
            format!("Image {}: {class}, {}", image.0, if image.1 { "triggered" } else { "clean" })
        }
    };
    view! {
        <div class="inside-image">
            <PixelCanvas image label=Signal::derive(told)/>
            <span class="muted small">{told}</span>
        </div>
    }
}

#[component]
fn Attended(whose: Whose) -> impl IntoView {
    let index = RwSignal::new(0u32);
    let answer: Fetched<Attention> = fetched(move || Some(whose.attention(index.get())));
    let most = move |answer: &Attention| {
        let all = answer.clean.map.iter().chain(&answer.triggered.map);
        all.copied().fold(0.0, f64::max)
    };
    let tile = move |title: &'static str, take: fn(&Attention) -> &AttendedImage| {
        let image = Signal::derive(move || {
            let answer = answer.value()?;
            lit(take(&answer), answer.side, answer.patch, most(&answer))
        });
        let share = move || {
            answer.value().map(|answer| {
                format!("{:.1} % on the trigger's pixels", 100.0 * take(&answer).on_trigger)
            })
        };
        view! {
            <figure class="pane">
                <figcaption>{title}</figcaption>
                <PixelCanvas image label=Signal::stored(format!("Attention in the {} image", title.to_lowercase()))/>
                <p class="muted small">{share}</p>
            </figure>
        }
    };
    let chosen = move |event: ev::Event| {
        if let Ok(value) = event_target_value(&event).parse() {
            index.set(value);
        }
    };
    view! {
        <section aria-label="Attention">
            <div class="figure-head">
                <h3>"Attention roll-out"</h3>
                <label class="inside-index">
                    <span>"Image"</span>
                    <input type="number" min="0" step="1" prop:value=move || index.get().to_string() on:change=chosen/>
                </label>
            </div>
            {move || answer.problem().map(|problem| view! { <ProblemBox problem/> })}
            <div class="inside-tiles">
                {tile("Clean", |answer| &answer.clean)}
                {tile("Triggered", |answer| &answer.triggered)}
            </div>
            <p class="small" id="on-trigger">
                {move || match answer.value() {
                    Some(answer) => on_trigger(&answer),
                    None if answer.problem().is_some() => String::new(),
                    None => "Computing the attention…".into(),
                }}
            </p>
            <p class="muted small">
                "How much of each patch reaches the CLS token through all blocks (Abnar and Zuidema 2020); bright patches reach it most."
            </p>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        api::{AttentionOnTrigger, Projection},
        metric::Target,
        study::presets,
    };

    use super::*;

    fn map(before: Option<f64>, after: Option<f64>) -> FeatureMap {
        FeatureMap {
            epoch: 1,
            target_class: Target::Class(0),
            classes: Vec::new(),
            points: Vec::new(),
            projection: Projection::Pca,
            explained: Some([0.0; 2]),
            before,
            after,
        }
    }

    #[test]
    fn the_way_towards_the_target_is_told() {
        assert_eq!(
            moved(&map(Some(0.25), Some(0.875))),
            "Mean cosine to the mean of the target class: 0.250 without the trigger, 0.875 with it (+0.625)."
        );
        assert!(moved(&map(Some(0.5), Some(-0.25))).ends_with("−0.250 with it (−0.750)."));
        assert!(moved(&map(None, None)).starts_with("There are no images"));
        let all = FeatureMap { target_class: Target::ALL_TO_ALL, ..map(Some(0.5), Some(0.75)) };
        assert!(moved(&all).starts_with("Mean cosine to the mean of the next class, which"));
    }

    #[test]
    fn attention_dims_what_is_not_attended_to() {
        // Two patches of 1 pixel a row; white pixels.
        let image = AttendedImage {
            image: "////////////////".into(),
            map: vec![0.5, 0.25, 0.0, 0.25],
            on_trigger: 0.5,
        };
        let lit = lit(&image, 2, 1, 0.5).expect("an image");
        assert_eq!(lit.pixel(0, 0), [255; 3]);
        assert_eq!(lit.pixel(1, 0), [153; 3], "0.2 + 0.8 / 2");
        assert_eq!(lit.pixel(0, 1), [51; 3]);
        let mean = AttentionOnTrigger { images: 32, clean: 0.031, triggered: 0.25, area: 0.0625 };
        let attention = Attention {
            epoch: 1,
            side: 2,
            patch: 1,
            index: 0,
            class: 0,
            clean: image.clone(),
            triggered: image,
            mean,
        };
        assert_eq!(
            on_trigger(&attention),
            "Attention on the trigger's pixels, mean of 32 images: 25.0 % with the trigger, 3.1 % at the same place without it. The \
             trigger covers 6.2 % of the image."
        );
    }

    #[test]
    fn only_runs_with_an_encoder_are_looked_into() {
        let mut study = crate::fixture::study(presets()[0].spec.clone());
        let mut run = study.runs.iter().find(|run| run.point.kind == RunKind::Pretrain).cloned();
        let run = run.as_mut().expect("a pre-training");
        assert_eq!(Whose::of(run, &study), None, "no checkpoint yet");
        run.progress.checkpoint = Some("checkpoint-0010.safetensors".into());
        let whose = Whose::of(run, &study).expect("an encoder");
        let address = format!("/runs/{}/features?projection=tsne", run.id);
        assert_eq!(whose.features(Shown::Tsne), address);
        let mut probe = study
            .runs
            .iter()
            .find(|run| run.point.kind == RunKind::Probe)
            .cloned()
            .expect("a probe");
        assert_eq!(Whose::of(&probe, &study), None);
        study.spec.settings.encoder = Some("mae base".into());
        probe.state = RunState::Done;
        let whose = Whose::of(&probe, &study).expect("the imported encoder");
        assert!(whose.attention(3).ends_with("/attention?imported=mae%20base&index=3"));
    }
}
