//! What BDMAE or `DeDe` made of a few images: the image, a map of its patches, what is restored, and the image as it was restored or redrawn.

use leptos::prelude::*;
use shared::{
    RunId, Settings,
    api::{DefenceStrip, DefenceStrips, RunRow, StudyDetail},
    param,
    settings::DefenceMethod,
};

use super::gallery::{JudgingRun, class_name, picture, score};
use crate::{
    api,
    attack::patches_path,
    components::{Fetched, ProblemBox, fetched},
};

/// Levels of colour of a map; a patch at 0 has none.
const LEVELS: usize = 9;

/// What the pictures of a method are called: those of the map, and of the image behind it.
fn names(method: DefenceMethod) -> [&'static str; 2] {
    match method {
        DefenceMethod::Bdmae => ["Score", "Restored"],
        _ => ["Error", "Redrawn"],
    }
}

/// Whether a defence keeps strips.
fn keeps_strips(method: DefenceMethod) -> bool {
    matches!(method, DefenceMethod::Bdmae | DefenceMethod::Dede)
}

/// What restored the images of a run of BDMAE; the panel of the run names a pre-training without poisons. `settings` are the study's.
fn restored_by(run: &RunRow, settings: &Settings) -> Option<String> {
    let settings = param::with(settings, &run.varied);
    if settings.defence.method != DefenceMethod::Bdmae || run.restorer.is_some() {
        return None;
    }
    let imported = settings.defence.restorer_checkpoint.as_ref();
    Some(match imported.filter(|_| settings.takes_imported_restorer()) {
        Some(name) => format!("Restored by the imported checkpoint {name}."),
        None => "Restored by the judged autoencoder itself.".to_owned(),
    })
}

/// The largest number of all maps, which has the last level.
fn most(strips: &[DefenceStrip]) -> f64 {
    strips.iter().flat_map(|strip| &strip.map).copied().fold(0.0, f64::max)
}

/// The patches of each level as one path, in patches from the upper left corner.
fn paths(map: &[f64], columns: usize, most: f64) -> [String; LEVELS] {
    let level = |value: f64| match value {
        value if value > 0.0 => ((value / most * LEVELS as f64).ceil() as usize).clamp(1, LEVELS),
        _ => 0,
    };
    std::array::from_fn(|at| {
        let here: Vec<bool> = map.iter().map(|&value| level(value) == at + 1).collect();
        patches_path(&here, columns)
    })
}

/// A map as text: `Score of each patch: most 0.612, in row 2 and column 3`.
fn map_in_words(name: &str, map: &[f64], columns: usize) -> String {
    let worst = map.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    let Some((patch, &value)) = worst else { return format!("{name} of no patch") };
    let columns = columns.max(1);
    let (row, column) = (patch / columns + 1, patch % columns + 1);
    format!("{name} of each patch: most {}, in row {row} and column {column}", score(value))
}

/// The prediction before and after: `cat → dog`, `cat → refused`, `cat, unchanged`.
fn prediction(strip: &DefenceStrip, method: DefenceMethod, classes: &[String]) -> String {
    let name = |class: Option<u32>| {
        class.map_or_else(|| "no class".to_owned(), |class| class_name(class, classes))
    };
    match (strip.before, strip.after) {
        (before, after) if before == after => format!("{}, unchanged", name(before)),
        (before, None) if method == DefenceMethod::Dede => format!("{} → refused", name(before)),
        (before, after) => format!("{} → {}", name(before), name(after)),
    }
}

/// The address of a strip's restored or redrawn image.
fn redrawn(run: RunId, strip: usize) -> String {
    api::address(format!("/runs/{run}/strips/{strip}.png"))
}

/// The panel; nothing where the selected run is none of these defences.
#[component]
pub fn Strips(
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// The selected run with its progress.
    run: Memo<Option<RunRow>>,
) -> impl IntoView {
    let asked = Memo::new(move |_| {
        run.with(|run| {
            let run = run.as_ref()?;
            let judging = study.with(|study| JudgingRun::of(run, study.as_ref()?))?;
            let by = study.with(|study| restored_by(run, &study.as_ref()?.spec.settings));
            keeps_strips(judging.method).then_some((judging.run, by))
        })
    });
    let classes = Memo::new(move |_| {
        study.with(|study| study.as_ref().map(|study| study.classes.clone()).unwrap_or_default())
    });
    move || {
        asked.get().map(|(run, by)| {
            view! {
                <section class="panel" id="strips">
                    <div class="panel-head">
                        <h2>"What the defence made of some images"</h2>
                        <span class="muted small">"the same ones, clean and triggered"</span>
                    </div>
                    <div class="panel-body stack">
                        {by.map(|by| view! { <p class="muted small">{by}</p> })}
                        <Kept run classes/>
                    </div>
                </section>
            }
        })
    }
}

#[component]
fn Kept(run: RunId, classes: Memo<Vec<String>>) -> impl IntoView {
    let answer: Fetched<DefenceStrips> = fetched(move || Some(format!("/runs/{run}/strips")));
    move || {
        match answer.get() {
        None => view! { <p class="loading" role="status">"Loading the images…"</p> }.into_any(),
        Some(Err(problem)) if problem.status == 404 => {
            view! {
                <p class="muted small">
                    "This run was made before such images were kept. A run that is made anew keeps them."
                </p>
            }
                .into_any()
        }
        Some(Err(problem)) => view! { <ProblemBox problem/> }.into_any(),
        Some(Ok(strips)) => view! { <Both run strips classes=classes.get()/> }.into_any(),
    }
    }
}

#[component]
fn Both(run: RunId, strips: DefenceStrips, classes: Vec<String>) -> impl IntoView {
    let DefenceStrips { method, columns, strips } = strips;
    let most = most(&strips);
    let [map_name, _] = names(method);
    let parts = if strips.iter().all(|strip| strip.structure.is_empty()) {
        ""
    } else {
        " Structure and label are its two parts before the refinement; full colour is 1."
    };
    let legend = format!(
        "{map_name}: the more colour, the higher; full colour is {}.{parts} Below each image, its score, true class and prediction before → after.",
        score(most)
    );
    let (clean, triggered): (Vec<_>, Vec<_>) =
        strips.into_iter().enumerate().partition(|(_, strip)| !strip.image.changed);
    let list = |title: &'static str, colour: &'static str, strips: Vec<(usize, DefenceStrip)>| {
        let strips = strips.into_iter().map(|(number, strip)| {
            let classes = classes.clone();
            view! { <Strip run number strip method columns=columns as usize most classes/> }
        });
        let strips = strips.collect_view();
        view! {
            <section class=format!("strips-of heat-of-{colour}") aria-label=title>
                <h3>{title}</h3>
                <ul class="strips">{strips}</ul>
            </section>
        }
    };
    let lists = [
        list("Clean images", "clean", clean),
        list("The same images with the trigger", "triggered", triggered),
    ];
    view! {
        <p class="muted small">{legend}</p>
        {lists.into_iter().collect_view()}
    }
}

#[component]
fn Strip(
    run: RunId,
    number: usize,
    strip: DefenceStrip,
    method: DefenceMethod,
    columns: usize,
    most: f64,
    classes: Vec<String>,
) -> impl IntoView {
    let [map_name, redrawn_name] = names(method);
    let name = strip.image.name.clone();
    let map_words = format!("{name}: {}", map_in_words(map_name, &strip.map, columns));
    let levels = (1..).zip(paths(&strip.map, columns, most)).filter(|(_, path)| !path.is_empty());
    let levels = levels.map(|(level, path)| view! { <path class=format!("heat-{level}") d=path/> });
    let levels = levels.collect_view();
    let parts = [("Structure", &strip.structure), ("Label", &strip.label)].map(|(title, map)| {
        (!map.is_empty()).then(|| {
            let words =
                format!("{name}: {}", map_in_words(&format!("{title} score"), map, columns));
            // Both are shares.
            let levels = (1..).zip(paths(map, columns, 1.0)).filter(|(_, path)| !path.is_empty());
            let levels =
                levels.map(|(level, path)| view! { <path class=format!("heat-{level}") d=path/> });
            let levels = levels.collect_view();
            view! {
                <figure>
                    <PatchMap columns words>{levels}</PatchMap>
                    <figcaption>{title}</figcaption>
                </figure>
            }
        })
    });
    let mask = (!strip.restored.is_empty()).then(|| {
        let count = strip.restored.iter().filter(|&&restored| restored).count();
        let words = format!("{name}: {count} of {} patches are restored", strip.restored.len());
        let path = patches_path(&strip.restored, columns);
        let levels = view! { <path class="strip-mask" d=path/> };
        view! {
            <figure>
                <PatchMap columns words>{levels}</PatchMap>
                <figcaption>"Mask"</figcaption>
            </figure>
        }
    });
    let told = prediction(&strip, method, &classes);
    let class = class_name(strip.image.class, &classes);
    view! {
        <li>
            <div class="strip-tiles">
                <figure>
                    <img
                        class="pixelated"
                        src=picture(run, strip.image.at)
                        alt=format!("{name}, as it was judged")
                        loading="lazy"
                        width="96"
                        height="96"
                    />
                    <figcaption>"Image"</figcaption>
                </figure>
                {parts.into_iter().collect_view()}
                <figure>
                    <PatchMap columns words=map_words>{levels}</PatchMap>
                    <figcaption>{map_name}</figcaption>
                </figure>
                {mask}
                <figure>
                    <img
                        class="pixelated"
                        src=redrawn(run, number)
                        alt=format!("{name}, {}", redrawn_name.to_lowercase())
                        loading="lazy"
                        width="96"
                        height="96"
                    />
                    <figcaption>{redrawn_name}</figcaption>
                </figure>
            </div>
            <p class="small">
                {score(strip.image.score)} "; " <span class="muted">"true class "</span> {class} "; " {told}
            </p>
        </li>
    }
}

/// The patches of an image as squares.
#[component]
fn PatchMap(columns: usize, words: String, children: Children) -> impl IntoView {
    view! {
        <svg
            class="heat-map"
            viewBox=format!("0 0 {columns} {columns}")
            role="img"
            aria-label=words
        >
            <rect class="heat-ground" width=columns height=columns/>
            {children()}
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use shared::{RunKind, api::JudgedImage, run::RunPoint, settings::Restorer};

    use super::*;

    fn strip(before: Option<u32>, after: Option<u32>) -> DefenceStrip {
        let image = JudgedImage {
            at: 3,
            index: 3,
            name: "val/dog/3.png".into(),
            class: 1,
            label: None,
            score: 0.6,
            changed: true,
        };
        let restored = vec![false, true, false, false];
        let map = vec![0.0, 0.6, 0.3, 0.05];
        let (structure, label) = (vec![0.1; 4], vec![0.0; 4]);
        DefenceStrip { image, map, structure, label, restored, before, after }
    }

    #[test]
    fn patches_of_one_level_are_one_path() {
        let of = strip(None, None);
        let paths = paths(&of.map, 2, most(&[of.clone(), of.clone()]));
        assert_eq!(paths[8], "M1 0h1v1h-1z", "the highest");
        // 0.3 / 0.6 · 9 = 4.5, 0.05 / 0.6 · 9 = 0.75.
        assert_eq!((paths[4].as_str(), paths[0].as_str()), ("M0 1h1v1h-1z", "M1 1h1v1h-1z"));
        let drawn: usize = paths.iter().map(|path| path.matches('M').count()).sum();
        assert_eq!(drawn, 3, "a patch at 0 has no colour");
        assert_eq!(patches_path(&of.restored, 2), "M1 0h1v1h-1z");
        assert!(super::paths(&[-0.1, 0.0], 2, 0.0).iter().all(String::is_empty));
    }

    #[test]
    fn what_restored_is_told() {
        let mut settings = Settings::default();
        let mut run = crate::fixture::row(RunPoint::of(RunKind::Defence, &settings));
        assert_eq!(restored_by(&run, &settings), None, "spectral signatures restore nothing");
        settings.defence.method = DefenceMethod::Bdmae;
        let own = "Restored by the judged autoencoder itself.";
        assert_eq!(restored_by(&run, &settings).as_deref(), Some(own));
        settings.defence.restorer = Restorer::Imported;
        settings.defence.restorer_checkpoint = Some("mae".into());
        let imported = "Restored by the imported checkpoint mae.";
        assert_eq!(restored_by(&run, &settings).as_deref(), Some(imported));
        run.varied.insert("defence.restorer".into(), "own".into());
        assert_eq!(restored_by(&run, &settings).as_deref(), Some(own));
        run.restorer = Some(run.id);
        assert_eq!(restored_by(&run, &settings), None, "the panel of the run names it");
    }

    #[test]
    fn a_map_is_told_in_words() {
        let map = [0.0, 0.25, 0.5, 0.5];
        assert_eq!(
            map_in_words("Error", &map, 2),
            "Error of each patch: most 0.500, in row 2 and column 1"
        );
        assert_eq!(map_in_words("Error", &[], 2), "Error of no patch");
    }

    #[test]
    fn predictions_before_and_after() {
        let classes = ["cat".to_owned(), "dog".to_owned()];
        let of = |before, after, method| prediction(&strip(before, after), method, &classes);
        assert_eq!(of(Some(0), Some(1), DefenceMethod::Bdmae), "cat → dog");
        assert_eq!(of(Some(0), None, DefenceMethod::Bdmae), "cat → no class");
        assert_eq!(of(Some(0), None, DefenceMethod::Dede), "cat → refused");
        assert_eq!(of(Some(1), Some(1), DefenceMethod::Dede), "dog, unchanged");
        assert_eq!(names(DefenceMethod::Bdmae), ["Score", "Restored"]);
        let kept: Vec<_> =
            DefenceMethod::ALL.into_iter().filter(|&method| keeps_strips(method)).collect();
        assert_eq!(kept, [DefenceMethod::Bdmae, DefenceMethod::Dede]);
    }
}
