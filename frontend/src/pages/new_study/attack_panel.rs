//! The attack: kind of trigger, its parameters, the target class.

use leptos::{ev, prelude::*};
use shared::{
    TriggerSpec,
    api::KeyInfo,
    trigger::{BlendedSpec, Fill, Layout, PatchedSpec},
};

use super::{
    draft::Draft, key_choice::KeyChoice, number::NumberField, numbers::RATIO,
    patch_controls::PatchControls,
};
use crate::components::{Field, Segmented};

/// Kind of trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Blended,
    Patched,
}

impl Kind {
    fn of(trigger: &TriggerSpec) -> Self {
        match trigger {
            TriggerSpec::Blended(_) => Self::Blended,
            TriggerSpec::Patched(_) => Self::Patched,
        }
    }
}

/// The last trigger of each kind, so that going there and back loses nothing.
#[derive(Clone)]
struct Kept {
    blended: BlendedSpec,
    patched: Option<PatchedSpec>,
}

/// The panel.
#[component]
pub fn AttackPanel(
    /// All key images.
    keys: Signal<Vec<KeyInfo>>,
    /// Takes a key image that was uploaded.
    uploaded: Callback<KeyInfo>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let kind = draft.part(|spec| Kind::of(&spec.attack.trigger));
    let kept = StoredValue::new(Kept {
        blended: BlendedSpec { ratio: 0.4, key: "stripes".into() },
        patched: None,
    });
    let choose = move |kind: Kind| {
        draft.edit(|spec| {
            if Kind::of(&spec.attack.trigger) == kind {
                return;
            }
            kept.update_value(|kept| match &spec.attack.trigger {
                TriggerSpec::Blended(blended) => kept.blended = blended.clone(),
                TriggerSpec::Patched(patched) => kept.patched = Some(patched.clone()),
            });
            let (side, vit_patch) = (spec.model.image_size, spec.model.patch_size.max(1));
            spec.attack.trigger = kept.with_value(|kept| match kind {
                Kind::Blended => TriggerSpec::Blended(kept.blended.clone()),
                Kind::Patched => TriggerSpec::Patched(kept.patched.clone().unwrap_or_else(|| {
                    Layout::Aligned.place(side, vit_patch, vit_patch, Fill::default())
                })),
            });
        });
    };
    view! {
        <section class="panel" aria-labelledby="attack-title">
            <header class="panel-head">
                <h2 id="attack-title">"Attack"</h2>
                <Segmented
                    label="Kind of trigger"
                    choices=vec![(Kind::Blended, "Blended".into()), (Kind::Patched, "Patched".into())]
                    value=Signal::derive(move || Some(kind.get()))
                    choose=Callback::new(choose)
                />
            </header>
            <div class="panel-body stack">
                {move || match kind.get() {
                    Kind::Blended => {
                        view! {
                            <KeyChoice keys uploaded/>
                            <NumberField number=&RATIO slider=true/>
                        }
                            .into_any()
                    }
                    Kind::Patched => view! { <PatchControls/> }.into_any(),
                }}
                <TargetClass/>
            </div>
        </section>
    }
}

/// The class that the attacker wants.
#[component]
fn TargetClass() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let target = draft.part(|spec| spec.attack.target_class);
    let classes = Memo::new(move |_| {
        draft.dataset.with(|set| set.as_ref().map(|set| set.classes.clone()).unwrap_or_default())
    });
    let options = move || {
        let target = target.get();
        let names = classes.get();
        // A target that the data set does not have stays visible, so that its error makes sense.
        let stray = (target as usize >= names.len()).then(|| {
            view! { <option value=target.to_string() selected=true>{format!("class {target}")}</option> }
        });
        let known = (0u32..)
            .zip(names)
            .map(|(class, name)| {
                view! {
                    <option value=class.to_string() selected=class == target>
                        {name}
                    </option>
                }
            })
            .collect_view();
        (stray, known)
    };
    let choose = move |event: ev::Event| {
        if let Ok(class) = event_target_value(&event).parse() {
            draft.edit(|spec| spec.attack.target_class = class);
        }
    };
    view! {
        <Field
            path="attack.target_class"
            label="Target class"
            range=Signal::derive(move || format!("one of {}", classes.with(Vec::len)))
            why="Triggered images should be taken for this class. Poisons are copies of images of every other class."
            error=draft.error_at("attack.target_class")
            control=move |id, about| {
                view! {
                    <span class="select">
                        <span class="swatch swatch-target" aria-hidden="true"></span>
                        <select id=id aria-describedby=about on:change=choose>{options}</select>
                    </span>
                }
            }
        />
    }
}
