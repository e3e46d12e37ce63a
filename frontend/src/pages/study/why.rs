//! Why the selected attack is weak, or what carries it: computed here from the run's settings and results, and from what pre-training
//! sees of its trigger on images of the data set.

use leptos::prelude::*;
use shared::{
    RunKind, RunState, Settings, Stage, Trigger,
    api::{RunRow, Samples, Split, StudyDetail},
    dataset::DatasetInfo,
    param,
    why::{Facts, Reason, WEAK, Weight, why},
};

use crate::{
    api,
    attack::{Training, Which, key_pixels, numbers, pictures, samples_path, wanted_key},
    components::{Fetched, Glyph, Icon, fetched},
};

/// Images that are looked at.
const COUNT: u32 = 16;

/// The run as the panel needs it: a finished classifier that somebody attacks, with its own settings.
#[derive(Clone, Debug, PartialEq)]
struct Attacked {
    run: RunRow,
    settings: Settings,
    classes: u32,
}

impl Attacked {
    fn of(run: &RunRow, study: &StudyDetail) -> Option<Self> {
        let trained = matches!(run.point.kind, RunKind::Probe | RunKind::Finetune);
        let attacked = run.point.attacks_encoder() || run.point.lpr > 0;
        let done = run.state == RunState::Done && run.metrics.is_some();
        (trained && attacked && done).then(|| Self {
            run: run.clone(),
            settings: param::with(&study.spec.settings, &run.varied),
            classes: study.classes.len() as u32,
        })
    }

    /// Whether its success rate is low.
    fn is_weak(&self) -> bool {
        let asr = self.run.metrics.and_then(|metrics| metrics.asr.percent());
        asr.is_some_and(|asr| asr <= WEAK)
    }
}

/// Training images of the study, after its limit.
fn train_images(dataset: &DatasetInfo, settings: &Settings) -> u64 {
    let limit = settings.dataset.train_per_class.unwrap_or(u32::MAX);
    dataset.train_counts.iter().map(|&count| u64::from(count.min(limit))).sum()
}

/// The panel; nothing unless the selected run is a finished classifier that is attacked.
#[component]
pub fn Why(
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// The selected run, without its progress.
    run: Memo<Option<RunRow>>,
) -> impl IntoView {
    let of = Memo::new(move |_| {
        run.with(|run| study.with(|study| Attacked::of(run.as_ref()?, study.as_ref()?)))
    });
    let settings = Memo::new(move |_| of.with(|of| of.as_ref().map(|of| of.settings.clone())));
    let dataset: Fetched<DatasetInfo> = fetched(move || {
        let name = settings.with(|settings| Some(settings.as_ref()?.dataset.name.clone()))?;
        Some(format!("/datasets/{}", api::escape(&name)))
    });
    let samples: Fetched<Samples> = fetched(move || {
        settings.with(|settings| {
            let Settings { dataset, model, .. } = settings.as_ref()?;
            let which = Which::Drawn(COUNT, 1);
            Some(samples_path(dataset, model.image_size, Split::Train, which))
        })
    });
    let wanted =
        Memo::new(move |_| settings.with(|settings| settings.as_ref().and_then(wanted_key)));
    let key = key_pixels(wanted, |_| {});
    let reasons = Memo::new(move |_| {
        let of = of.get()?;
        let (dataset, samples) = (dataset.value()?, samples.value()?);
        let (trigger, side) = (&of.settings.attack.trigger, of.settings.model.image_size);
        let prepared = key
            .with(|key| Trigger::prepare(trigger, key.as_ref(), side as usize, Stage::Train))
            .ok()?;
        let shown = numbers(&pictures(&samples), &prepared, Training::of(&of.settings));
        let images = of.settings.dataset.train_images(&dataset.train_counts);
        // The metrics are the main backdoor's.
        let main = of.settings.attack.main_backdoor();
        let poisoned = |count: u32| main.poisoned_images(&images, count);
        Some(why(&Facts {
            kind: of.run.point.kind,
            classes: of.classes,
            train_images: train_images(&dataset, &of.settings),
            all_to_all: of.settings.attack.is_all_to_all(),
            replaces: of.settings.attack.replace,
            pretrain_poisons: poisoned(of.run.point.ppr),
            poisons: poisoned(of.run.point.lpr),
            scratch: of.run.point.scratch,
            metrics: of.run.metrics?,
            psnr: shown.quality.psnr,
            // What is left of a trigger is known of images that have it alone.
            survival: shown.survival.filter(|_| !of.settings.composes(RunKind::Pretrain)),
        }))
    });
    let weak = Memo::new(move |_| of.with(|of| of.as_ref().is_some_and(Attacked::is_weak)));
    let title =
        move || if weak.get() { "Why is the attack weak?" } else { "What carries the attack" };
    view! {
        <Show when=move || reasons.with(Option::is_some)>
            <section class="panel why" aria-labelledby="why-title">
                <header class="panel-head">
                    <h2 id="why-title">{title}</h2>
                    <span class="muted small">"of the selected run"</span>
                </header>
                <ul class="why-list">
                    {move || reasons.get().unwrap_or_default().into_iter().map(line).collect_view()}
                </ul>
            </section>
        </Show>
    }
}

fn line(reason: Reason) -> impl IntoView {
    let (class, glyph, word) = match reason.weight {
        Weight::Decisive => ("why-decisive", Glyph::Ban, "Prevents it"),
        Weight::Weakens => ("why-weakens", Glyph::Alert, "Weakens it"),
        Weight::Fine => ("why-fine", Glyph::Check, "As it should be"),
    };
    view! {
        <li class=class>
            <Icon glyph/>
            <span class="visually-hidden">{word}": "</span>
            <p>
                {reason.text}
                {(!reason.advice.is_empty())
                    .then(|| view! { " " <span class="muted">{reason.advice}</span> })}
            </p>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use shared::{run::RunPoint, study::presets};

    use super::*;
    use crate::fixture;

    #[test]
    fn only_a_finished_attack_is_explained() {
        let study = fixture::study(presets()[0].spec.clone());
        let point = RunPoint {
            kind: RunKind::Probe,
            ppr: 0,
            lpr: 3,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let queued = fixture::row(point);
        assert_eq!(Attacked::of(&queued, &study), None);
        let weak = fixture::done(queued, 0.5, 0.1);
        assert!(Attacked::of(&weak, &study).expect("an attack").is_weak());
        let strong = fixture::done(fixture::row(point), 0.5, 0.9);
        assert!(!Attacked::of(&strong, &study).expect("an attack").is_weak());
        let clean = fixture::done(fixture::row(RunPoint { lpr: 0, ..point }), 0.5, 0.1);
        assert_eq!(Attacked::of(&clean, &study), None);
    }

    #[test]
    fn images_are_counted_under_the_limit() {
        let mut settings = Settings::default();
        settings.dataset.train_per_class = Some(10);
        let dataset = DatasetInfo { train_counts: vec![5, 20], ..DatasetInfo::default() };
        assert_eq!(train_images(&dataset, &settings), 15);
    }
}
