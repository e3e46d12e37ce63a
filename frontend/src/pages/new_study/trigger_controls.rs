//! The parameters of the chosen trigger.

use leptos::prelude::*;
use shared::{StudySpec, TriggerSpec, api::KeyInfo, trigger::Style};

use super::{
    choice::{Choice, Switch, SwitchField},
    draft::Draft,
    key_choice::KeyChoice,
    number::{Number, NumberField},
    numbers::{RATIO, trigger_numbers},
    patch_controls::PatchControls,
};

static DITHER: Switch = Switch {
    path: "attack.trigger.dither",
    label: "Dithering",
    default: false,
    why: "The error of each pixel is spread over its neighbours (Floyd and Steinberg): smoother, and harder to see.",
    get: |spec| matches!(&spec.attack.trigger, TriggerSpec::Bpp(bpp) if bpp.dither),
    set: |spec, on| {
        if let TriggerSpec::Bpp(bpp) = &mut spec.attack.trigger {
            bpp.dither = on;
        }
    },
};

fn style(spec: &StudySpec) -> Style {
    match &spec.attack.trigger {
        TriggerSpec::Filter(filter) => filter.style,
        _ => Style::Gotham,
    }
}

/// The controls.
#[component]
pub fn TriggerControls(
    /// All key images.
    keys: Signal<Vec<KeyInfo>>,
    /// Takes a key image that was uploaded.
    uploaded: Callback<KeyInfo>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let kind = draft.part(|spec| spec.attack.trigger.kind());
    move || match kind.get() {
        "blended" => view! {
            <KeyChoice keys uploaded/>
            <NumberField number=&RATIO slider=true/>
        }
        .into_any(),
        "patched" => view! { <PatchControls/> }.into_any(),
        "reflection" => view! { <KeyChoice keys uploaded/> <Numbers of="reflection"/> }.into_any(),
        "bpp" => view! { <Numbers of="bpp"/> <SwitchField switch=&DITHER/> }.into_any(),
        "filter" => view! {
            <Choice
                path="attack.trigger.style"
                label="Filter"
                group=""
                default="Gotham"
                why="Each is a fixed chain of brightness, tint, contrast and shade."
                choices=Style::ALL.map(|style| (style, style.name())).to_vec()
                get=style
                set=|spec, choice| {
                    if let TriggerSpec::Filter(filter) = &mut spec.attack.trigger {
                        filter.style = choice;
                    }
                }
            />
            <Numbers of="filter"/>
        }
        .into_any(),
        other => view! { <Numbers of=other/> }.into_any(),
    }
}

/// The numbers of a kind of trigger, each with its slider; a number that the image's size limits ends there.
#[component]
fn Numbers(of: &'static str) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let side = draft.part(|spec| f64::from(spec.model.image_size));
    trigger_numbers(of)
        .iter()
        .map(|number: &'static Number| {
            let high = Signal::derive(move || {
                if number.unit == "px" { number.high.min(side.get()) } else { number.high }
            });
            // A seed has no direction in which it grows.
            let slider = number.high <= 1000.0;
            view! { <NumberField number slider high/> }
        })
        .collect_view()
}
