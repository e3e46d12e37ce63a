//! The page that looks inside an encoder: how it reconstructs an image with hidden patches, without and with the trigger.
//!
//! Address: `?run=&file=` name the checkpoint, `file=newest` the newest one of a run in training (or `?imported=&study=` an imported one), `?run_b=&file_b=` one to compare it
//! with, `?split=&index=` the image or `?picture=` an own one, `?ratio=&seed=` the random mask or `?mask=` a painted one.

mod ask;
mod choice;
mod chooser;
mod epochs;
mod imported;
mod large;
mod mask;
mod own;
mod paint;
mod picker;
mod rows;
mod tile;
mod wipe;

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::{
    api::{CheckpointInfo, DatasetInfo, ImportedCheckpoint, Samples, Split, StudyDetail},
    patches::random_mask,
};

use self::imported::{Opened, PREFIX};
use crate::{
    api,
    attack::{Which, samples_path, split_name},
    base::to,
    components::{Fetched, Glyph, Icon, ProblemBox, decode_rgb, fetched, fetched_every},
    frame::{Crumb, set_place},
};
pub(super) use choice::NEWEST;
use choice::{
    chosen, comparable, counterpart, image_count, image_of, is_growing, label, named, other_class,
    request, with_decoder,
};
use chooser::STRIP;
use own::{DropPlace, Own};
use paint::{mask_of_text, mask_text, trigger_patches};
use tile::{Brush, Large};

/// Initial share of hidden patches, as in the paper.
const RATIO: f64 = 0.75;

/// Time between two looks for new checkpoints while a run may write some, in milliseconds.
const PERIOD: u32 = 3000;

/// Pause in painting after which the mask goes into the address, in milliseconds.
const REST: u32 = 300;

/// The page.
#[component]
pub fn ReconstructPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Reconstruct")]);
    let checkpoints: Fetched<Vec<CheckpointInfo>> = fetched_every(
        || Some("/checkpoints".into()),
        PERIOD,
        |all: &Vec<CheckpointInfo>| all.is_empty() || all.iter().any(is_growing),
    );
    let all = Memo::new(move |_| with_decoder(checkpoints.value().unwrap_or_default()));
    let imports: Fetched<Vec<ImportedCheckpoint>> =
        fetched(|| Some("/checkpoints/imported".into()));
    let imported = Memo::new(move |_| imported::with_decoder(imports.value().unwrap_or_default()));
    let loaded =
        Memo::new(move |_| all.with(|all| !all.is_empty()) || imported.with(|all| !all.is_empty()));
    let otherwise = move || {
        match checkpoints.get() {
        None => view! { <p class="loading" role="status">"Loading the checkpoints…"</p> }.into_any(),
        Some(Err(problem)) => {
            let retry = Callback::new(move |()| checkpoints.refetch());
            view! { <ProblemBox problem retry/> }.into_any()
        }
        Some(Ok(_)) => view! {
            <section class="empty">
                <Icon glyph=Glyph::Reconstruct/>
                <h2>"Nothing to reconstruct with yet"</h2>
                <p>
                    "Pre-training stores a checkpoint every few epochs. With a checkpoint you can hide patches of an image and see what "
                    "the encoder and its decoder make of the rest, without and with the trigger."
                </p>
                <p><a class="button button-main" href=to("/studies/new")>"New study"</a></p>
            </section>
        }
        .into_any(),
    }
    };
    view! {
        <header class="page-head">
            <div>
                <h1>"Reconstruct"</h1>
                <p>"Hide patches and see what the model puts in their place."</p>
            </div>
        </header>
        <Show when=move || loaded.get() fallback=otherwise>
            <Workbench checkpoints=all imported/>
        </Show>
    }
}

#[component]
fn Workbench(
    checkpoints: Memo<Vec<CheckpointInfo>>,
    imported: Memo<Vec<ImportedCheckpoint>>,
) -> impl IntoView {
    let opened = Opened::new(imported);
    let own = Own::new();
    let options = || NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
    let (run, set_run) = query_signal_with_options::<String>("run", options());
    let (file, set_file) = query_signal_with_options::<String>("file", options());
    let (run_b, set_run_b) = query_signal_with_options::<String>("run_b", options());
    let (file_b, set_file_b) = query_signal_with_options::<String>("file_b", options());
    let (split, set_split) = query_signal_with_options::<String>("split", options());
    let (index, set_index) = query_signal_with_options::<u32>("index", options());
    let (ratio, set_ratio) = query_signal_with_options::<f64>("ratio", options());
    let (seed, set_seed) = query_signal_with_options::<u64>("seed", options());
    let checkpoint = Memo::new(move |_| {
        opened.checkpoint.with(Option::is_none).then_some(())?;
        checkpoints.with(|all| chosen(all, run.get().as_deref(), file.get().as_deref()).cloned())
    });
    let others = Memo::new(move |_| {
        checkpoint.with(|it| {
            it.as_ref().map_or_else(Vec::new, |it| checkpoints.with(|all| comparable(all, it)))
        })
    });
    let second = Memo::new(move |_| {
        let run = run_b.get()?;
        others.with(|all| {
            all.iter().any(|it| it.run.to_string() == run).then_some(())?;
            chosen(all, Some(&run), file_b.get().as_deref()).cloned()
        })
    });
    let split = Memo::new(move |_| match split.get().as_deref() {
        Some("train") => Split::Train,
        _ => Split::Test,
    });
    let named_index = index;
    let index = Memo::new(move |_| index.get().unwrap_or(0));
    let image = Memo::new(move |_| image_of(own.chosen.get(), split.get(), index.get()));
    let ratio = Memo::new(move |_| ratio.get().unwrap_or(RATIO).clamp(0.05, 0.95));
    let seed = Memo::new(move |_| seed.get().unwrap_or(1));

    let study_id = Memo::new(move |_| {
        opened.study.get().or_else(|| checkpoint.with(|it| it.as_ref().map(|it| it.study)))
    });
    let study: Fetched<StudyDetail> =
        fetched(move || study_id.get().map(|study| format!("/studies/{study}")));
    let spec = Memo::new(move |_| {
        let id = study_id.get()?;
        study.value().filter(|study| study.id == id).map(|study| (study.spec, study.classes))
    });
    let model = Memo::new(move |_| {
        let of_study = || spec.with(|spec| spec.as_ref().map(|(spec, _)| spec.settings.model));
        opened.checkpoint.with(|it| it.as_ref().map(|it| it.model)).or_else(of_study)
    });
    let dataset = Memo::new(move |_| {
        let side = model.get()?.image_size;
        spec.with(|spec| spec.as_ref().map(|(spec, _)| (spec.settings.dataset.clone(), side)))
    });
    // What an attack is about: an image that is not of the target class anyway.
    let unnamed = Memo::new(move |_| {
        named_index.get().is_none() && split.get() == Split::Test && !own.shown.get()
    });
    let drawn: Fetched<Samples> = fetched(move || {
        dataset.with(|dataset| {
            let (dataset, side) = dataset.as_ref().filter(|_| unnamed.get())?;
            Some(samples_path(dataset, *side, Split::Test, Which::Drawn(STRIP, 1)))
        })
    });
    Effect::new(move |_| {
        let target = spec.with(|spec| Some(spec.as_ref()?.0.settings.attack.target().class()));
        let other = drawn.value().zip(target).and_then(|(all, target)| other_class(&all, target));
        if let Some(other) = other.filter(|_| unnamed.get()) {
            set_index.set(Some(other));
        }
    });
    let waits = move || unnamed.get() && drawn.value().is_none() && drawn.problem().is_none();
    let info: Fetched<DatasetInfo> = fetched(move || {
        dataset.with(|it| it.as_ref().map(|it| format!("/datasets/{}", api::escape(&it.0.name))))
    });
    let count = Memo::new(move |_| {
        dataset.with(|dataset| match (dataset, info.value()) {
            (Some((limits, _)), Some(info)) => image_count(&info, limits, split.get()),
            _ => 0,
        })
    });

    let grid = Memo::new(move |_| {
        model.get().map_or(1, |model| (model.image_size / model.patch_size.max(1)) as usize)
    });
    let (mask, set_mask) = query_signal_with_options::<String>("mask", options());
    let painted = RwSignal::new(None::<Vec<bool>>);
    let hidden = Memo::new(move |_| {
        let patches = grid.get() * grid.get();
        painted
            .get()
            .filter(|painted| painted.len() == patches)
            .or_else(|| mask_of_text(&mask.get()?, patches))
            .unwrap_or_else(|| random_mask(patches, ratio.get(), seed.get()))
    });
    // Browsers limit how often the address may change, so the mask goes there after a pause in painting.
    Effect::new(move |_| {
        if let Some(mask) = painted.get() {
            spawn_local(async move {
                TimeoutFuture::new(REST).await;
                if painted.try_get_untracked().flatten().as_ref() == Some(&mask) {
                    set_mask.set(Some(mask_text(&mask)));
                }
            });
        }
    });
    let by_hand =
        Signal::derive(move || painted.with(Option::is_some) || mask.with(Option::is_some));
    let erase = move || {
        painted.set(None);
        set_mask.set(None);
    };
    // The checkpoint that was chosen because the address named none: a copied address is to show the same.
    Effect::new(move |_| {
        let chosen = checkpoint.with(|it| {
            let it = it.as_ref()?;
            let run = run.get_untracked().filter(|run| *run == it.run.to_string());
            let file = file.get_untracked().filter(|_| run.is_some());
            Some((it.run.to_string(), named(it, file.as_deref())))
        });
        if let Some((its_run, its_file)) = chosen
            && (run.get_untracked().as_ref(), file.get_untracked().as_ref())
                != (Some(&its_run), Some(&its_file))
        {
            set_run.set(Some(its_run));
            set_file.set(Some(its_file));
        }
    });
    // Before anything is chosen, an attacked encoder is compared with a clean one.
    let (imported_name, _) = query_signal_with_options::<String>("imported", options());
    let named = [run, run_b, imported_name];
    let untouched = StoredValue::new(named.iter().all(|name| name.get_untracked().is_none()));
    Effect::new(move |_| {
        let Some(first) = checkpoint.get() else { return };
        let twin = others.with(|all| counterpart(all, &first).cloned());
        if let Some(twin) = twin.filter(|_| untouched.get_value()) {
            set_run_b.set(Some(twin.run.to_string()));
            set_file_b.set(Some(twin.file));
        }
        untouched.set_value(false);
    });
    let brush = Brush::new(hidden, grid, Callback::new(move |mask| painted.set(Some(mask))));
    let wanted = Memo::new(move |_| {
        (spec.with(Option::is_some) && !waits()).then_some(())?;
        if let Some(open) = opened.checkpoint.get() {
            let (study, hidden) = (study.value()?, hidden.get());
            return imported::request(&open, &study, image.get(), &hidden);
        }
        checkpoint.with(|checkpoint| {
            hidden.with(|hidden| request(checkpoint.as_ref()?, image.get(), hidden))
        })
    });
    let asked = ask::ask(wanted);
    let wanted_b = Memo::new(move |_| {
        (spec.with(Option::is_some) && !waits()).then_some(())?;
        second.with(|checkpoint| {
            hidden.with(|hidden| request(checkpoint.as_ref()?, image.get(), hidden))
        })
    });
    let asked_b = ask::ask(wanted_b);
    let max = Memo::new(move |_| {
        let of = |answer: &Option<_>| answer.as_ref().map_or(0.0, rows::largest_error);
        let second = if second.with(Option::is_some) { asked_b.answer.with(of) } else { 0.0 };
        asked.answer.with(of).max(second)
    });
    let most = Memo::new(move |_| {
        let of = |answer: &Option<_>| answer.as_ref().map_or(0.0, rows::largest_of_trigger);
        let first = asked.answer.with(of);
        if second.with(Option::is_none) {
            return first;
        }
        let between = asked.answer.with(|first| {
            asked_b
                .answer
                .with(|second| Some(rows::largest_between(first.as_ref()?, second.as_ref()?)))
        });
        first.max(asked_b.answer.with(of)).max(between.unwrap_or(0.0))
    });
    let touched = Memo::new(move |_| {
        asked.answer.with(|answer| {
            let answer = answer.as_ref()?;
            let [clean, triggered] = [&answer.clean, &answer.triggered]
                .map(|image| decode_rgb(answer.side, &image.original));
            trigger_patches(&clean?, &triggered?, answer.patch as usize)
        })
    });
    let class = move || {
        let class = asked.answer.with(|answer| answer.as_ref()?.class)?;
        spec.with(|spec| spec.as_ref()?.1.get(class as usize).cloned())
    };
    let heading = move || {
        let of_class = || class().map(|class| format!("Image {}: {class}", index.get()));
        own.heading().or_else(of_class).unwrap_or_else(|| "Image".to_owned())
    };
    let large: Large = RwSignal::new(None);
    let extreme = Memo::new(move |_| {
        hidden.with(|hidden| {
            if hidden.iter().all(|&hidden| hidden) {
                Some("Every patch is hidden. Leave at least one visible: the encoder needs something to see.")
            } else if hidden.iter().any(|&hidden| hidden) {
                None
            } else {
                Some("No patch is hidden. Hide at least one: the decoder needs something to predict.")
            }
        })
    });
    let choose = Callback::new(move |choice: Option<(String, String)>| {
        if let Some((run, file)) = choice {
            erase();
            if run == PREFIX {
                opened.set_name.set(Some(file));
                return;
            }
            opened.set_name.set(None);
            set_run.set(Some(run));
            set_file.set(Some(file));
        }
    });
    let choose_b = Callback::new(move |choice: Option<(String, String)>| {
        let (run, file) = choice.unzip();
        set_run_b.set(run);
        set_file_b.set(file);
    });
    let busy = Memo::new(move |_| asked.busy.get() || asked_b.busy.get());
    let named = |checkpoint: Memo<Option<CheckpointInfo>>| {
        Signal::derive(move || checkpoint.with(|it| it.as_ref().map_or_else(String::new, label)))
    };
    let study_href = move || study_id.get().map(|study| to(format!("/studies/{study}")));
    view! {
        <DropPlace own>
            <section class="panel" aria-label="Checkpoint and image">
                <div class="panel-body bench">
                    <picker::Picker
                        id="checkpoint"
                        name="Checkpoint"
                        checkpoints
                        chosen=checkpoint
                        imported
                        opened=opened.checkpoint
                        choose
                    >
                        <a class="small" href=study_href>"its study"</a>
                    </picker::Picker>
                    <imported::StudyPicker opened/>
                    <epochs::EpochSlider
                        checkpoints
                        chosen=checkpoint
                        follows=Signal::derive(move || file.get().as_deref() == Some(NEWEST))
                        choose=Callback::new(move |file| set_file.set(Some(file)))
                    />
                    <picker::Picker
                        id="checkpoint-b"
                        name="Compare with"
                        checkpoints=others
                        chosen=second
                        none="nothing"
                        choose=choose_b
                    />
                    <chooser::Chooser
                        dataset
                        count
                        split
                        set_split=Callback::new(move |split| {
                            set_index.set(None);
                            set_split.set(Some(split_name(split).to_owned()));
                        })
                        index
                        set_index=Callback::new(move |index| set_index.set(Some(index)))
                        own
                    />
                </div>
            </section>
            {move || study.problem().or_else(|| info.problem()).map(|problem| view! { <ProblemBox problem/> })}
            <section class="panel" aria-label="Reconstructions" aria-busy=move || busy.get().to_string()>
                <div class="panel-head">
                    <h2>{heading}</h2>
                    <span class="muted small bench-busy" class:bench-idle=move || !busy.get()>"reconstructing…"</span>
                </div>
                <div class="panel-body stack">
                    <mask::MaskControls
                        ratio
                        set_ratio=Callback::new(move |ratio| {
                            erase();
                            set_ratio.set(Some(ratio));
                        })
                        seed
                        set_seed=Callback::new(move |seed| {
                            erase();
                            set_seed.set(Some(seed));
                        })
                        brush
                        painted=by_hand
                        touched
                    />
                    {move || extreme.get().map(|text| view! { <p class="notice" role="status">{text}</p> })}
                    <Show when=move || second.with(Option::is_some)>
                        <h2 class="rows-title">{named(checkpoint)}</h2>
                    </Show>
                    {move || asked.problem.get().map(|problem| view! { <ProblemBox problem/> })}
                    <rows::Rows answer=asked.answer max most brush large/>
                    <Show when=move || second.with(Option::is_some)>
                        <h2 class="rows-title">{named(second)}</h2>
                        {move || asked_b.problem.get().map(|problem| view! { <ProblemBox problem/> })}
                        <rows::Rows answer=asked_b.answer max most brush large first=asked.answer/>
                    </Show>
                </div>
            </section>
            <large::LargeView large/>
        </DropPlace>
    }
}
