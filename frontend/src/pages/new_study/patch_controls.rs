//! The patch: its layout, size, place, number and filling.

use leptos::{ev, prelude::*};
use shared::{
    StudySpec, TriggerSpec,
    trigger::{Fill, Layout, PatchedSpec, Places},
};

use super::{draft::Draft, setting_field::SettingField};
use crate::components::{Field, Segmented};

/// Side of a cell when a filling with cells is chosen, in pixels.
const CELL: u32 = 1;

/// The patch of the specification.
fn patch(spec: &StudySpec) -> Option<PatchedSpec> {
    match &spec.settings.attack.trigger {
        TriggerSpec::Patched(patch) => Some(patch.clone()),
        _ => None,
    }
}

/// The layout that gives exactly this patch, if a single square is `single` wide.
fn layout_of(patch: &PatchedSpec, side: u32, vit_patch: u32, single: u32) -> Option<Layout> {
    Layout::ALL.into_iter().find(|layout| {
        let placed = layout.place(side, vit_patch, single, patch.fill);
        placed
            == PatchedSpec {
                step: if patch.count > 1 { patch.step } else { placed.step },
                ..patch.clone()
            }
    })
}

/// Keeps the squares apart and inside the image, as far as they fit.
fn keep_inside(spec: &mut StudySpec) {
    let side = spec.settings.model.image_size;
    if let TriggerSpec::Patched(patch) = &mut spec.settings.attack.trigger {
        if patch.count > 1 {
            patch.step = patch.step.max(patch.size);
        }
        if patch.places != Places::Row {
            patch.step = patch.step.max(patch.size);
        }
        patch.shown = patch.shown.map(|shown| shown.min(patch.count));
        patch.test_shown = patch.test_shown.map(|shown| shown.min(patch.count));
        *patch = patch.moved_to(patch.x, patch.y, side);
    }
}

/// Number of squares of this patch that fit side by side, or at the points where they are scattered.
fn most_squares(patch: &PatchedSpec, side: u32) -> u32 {
    match patch.places {
        Places::Row => side.saturating_sub(patch.size) / patch.step.max(patch.size).max(1) + 1,
        Places::Grid | Places::Random => patch.room(side).max(1),
    }
}

/// A colour as an input of type colour writes it.
fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Reads what [`hex`] writes.
fn rgb(text: &str) -> Option<[u8; 3]> {
    let number =
        u32::from_str_radix(text.strip_prefix('#').filter(|digits| digits.len() == 6)?, 16).ok()?;
    let [_, r, g, b] = number.to_be_bytes();
    Some([r, g, b])
}

/// The controls of a patched trigger.
#[component]
pub fn PatchControls() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let now = draft.part(patch);
    let sides =
        draft.part(|spec| (spec.settings.model.image_size, spec.settings.model.patch_size.max(1)));
    // The side that a single square had last: the layouts of several small squares divide it.
    let single = RwSignal::new(sides.get_untracked().1);
    Effect::new(move |_| {
        if let Some(patch) = now.get().filter(|patch| patch.count == 1) {
            single.set(patch.size);
        }
    });
    let layout = Memo::new(move |_| {
        let (side, vit_patch) = sides.get();
        now.get().and_then(|patch| layout_of(&patch, side, vit_patch, single.get()))
    });
    let place = move |layout: Layout| {
        let (side, vit_patch) = sides.get_untracked();
        let fill = now.get_untracked().map(|patch| patch.fill).unwrap_or_default();
        let placed = layout.place(side, vit_patch, single.get_untracked().clamp(1, side), fill);
        draft.edit(|spec| spec.settings.attack.trigger = TriggerSpec::Patched(placed));
    };
    let side = Signal::derive(move || f64::from(sides.get().0));
    let most = Signal::derive(move || {
        now.get().map_or(1.0, |patch| f64::from(most_squares(&patch, sides.get().0)))
    });
    let room = move |taken: fn(&PatchedSpec) -> u32| {
        Signal::derive(move || {
            let taken = now.get().map_or(0, |patch| taken(&patch));
            f64::from(sides.get().0.saturating_sub(taken))
        })
    };
    let several = Memo::new(move |_| {
        now.get().is_some_and(|patch| patch.count > 1 || patch.places != Places::Row)
    });
    let count =
        Signal::derive(move || now.get().map_or(1.0, |patch| f64::from(patch.count.max(1))));
    let drawn = Memo::new(move |_| now.get().is_some_and(|patch| patch.places == Places::Random));
    let layouts = Layout::ALL.map(|layout| (layout, layout.name().to_owned()));
    view! {
        <div class="field">
            <div class="field-head">
                <span class="field-label" id="layout-label">"Layout"</span>
                <span class="field-range">"of the published study"</span>
            </div>
            <div class="layouts">
                <Segmented
                    label="Layout"
                    choices=layouts.to_vec()
                    value=layout
                    choose=Callback::new(place)
                />
            </div>
        </div>
        <SettingField path="attack.trigger.size" slider=true high=side settle=keep_inside/>
        <SettingField path="attack.trigger.x" slider=true high=room(PatchedSpec::width)/>
        <SettingField path="attack.trigger.y" slider=true high=room(|patch| patch.size)/>
        <SettingField path="attack.trigger.count" slider=true high=most settle=keep_inside/>
        <SettingField path="attack.trigger.places"/>
        <Show when=move || drawn.get()>
            <SettingField path="attack.trigger.seed"/>
        </Show>
        <Show when=move || several.get()>
            <SettingField path="attack.trigger.step" slider=true high=side settle=keep_inside/>
            <SettingField path="attack.trigger.shown" slider=true high=count/>
            <SettingField path="attack.trigger.test_shown" slider=true high=count/>
        </Show>
        <SettingField path="attack.trigger.opacity" slider=true/>
        <SettingField path="attack.trigger.test_opacity" slider=true/>
        <FillControl/>
    }
}

/// Kind of filling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filling {
    Colour,
    Checkerboard,
    Cells,
}

impl Filling {
    fn of(fill: Fill) -> Self {
        match fill {
            Fill::Colour { .. } => Self::Colour,
            Fill::Checkerboard { .. } => Self::Checkerboard,
            Fill::Cells { .. } => Self::Cells,
        }
    }
}

/// Side of a filling's cells in pixels; for a filling without cells, the side that they would have.
fn cell_of(fill: Fill) -> u32 {
    match fill {
        Fill::Checkerboard { cell } | Fill::Cells { cell, .. } => cell,
        Fill::Colour { .. } => CELL,
    }
}

/// The filling of the squares.
#[component]
fn FillControl() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let fill = draft.part(|spec| patch(spec).map(|patch| patch.fill).unwrap_or_default());
    let colour = RwSignal::new([255; 3]);
    Effect::new(move |_| {
        if let Fill::Colour { rgb } = fill.get() {
            colour.set(rgb);
        }
    });
    let set = move |fill: Fill| {
        draft.edit(|spec| {
            if let TriggerSpec::Patched(patch) = &mut spec.settings.attack.trigger {
                patch.fill = fill;
            }
        });
    };
    let kind = Memo::new(move |_| Filling::of(fill.get()));
    let choose = move |kind: Filling| {
        let cell = cell_of(fill.get_untracked());
        set(match kind {
            Filling::Colour => Fill::Colour { rgb: colour.get_untracked() },
            Filling::Checkerboard => Fill::Checkerboard { cell },
            Filling::Cells => Fill::Cells { cell, seed: 1 },
        });
    };
    let resize = move |cell: u32| {
        set(match fill.get_untracked() {
            Fill::Cells { seed, .. } => Fill::Cells { cell, seed },
            _ => Fill::Checkerboard { cell },
        });
    };
    view! {
        <Field
            path="attack.trigger.fill"
            label="Filling"
            why="A checkerboard stands out from plain areas of an image; white is the published trigger."
            error=draft.error_at("attack.trigger.fill.")
            control=move |id, about| {
                view! {
                    <div class="fill">
                        <Segmented
                            label="Filling"
                            choices=vec![
                                (Filling::Colour, "Colour".into()),
                                (Filling::Checkerboard, "Checkers".into()),
                                (Filling::Cells, "Bright cells".into()),
                            ]
                            value=Signal::derive(move || Some(kind.get()))
                            choose=Callback::new(choose)
                        />
                        {move || {
                            let (id, about) = (id.clone(), about.clone());
                            if kind.get() == Filling::Colour {
                                view! {
                                    <input
                                        type="color"
                                        id=id
                                        aria-describedby=about
                                        prop:value=move || hex(colour.get())
                                        on:input=move |event: ev::Event| {
                                            if let Some(rgb) = rgb(&event_target_value(&event)) {
                                                set(Fill::Colour { rgb });
                                            }
                                        }
                                    />
                                }
                                    .into_any()
                            } else {
                                view! {
                                    <span class="with-unit">
                                        <input
                                            type="number"
                                            class="number-input"
                                            id=id
                                            aria-label="Side of a cell in pixels"
                                            aria-describedby=about
                                            min="1"
                                            max="64"
                                            prop:value=move || cell_of(fill.get())
                                            on:input=move |event: ev::Event| {
                                                if let Ok(cell) = event_target_value(&event).parse() {
                                                    resize(cell);
                                                }
                                            }
                                        />
                                        "px per cell"
                                    </span>
                                }
                                    .into_any()
                            }
                        }}
                    </div>
                }
            }
        />
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_known_again() {
        for layout in Layout::ALL {
            let patch = layout.place(32, 4, 8, Fill::default());
            assert_eq!(layout_of(&patch, 32, 4, 8), Some(layout), "{}", layout.name());
        }
        let moved = Layout::Aligned.place(32, 4, 8, Fill::default()).moved_to(1, 2, 32);
        assert_eq!(layout_of(&moved, 32, 4, 8), None);
    }

    #[test]
    fn a_slider_keeps_the_patch_inside() {
        let mut spec = shared::study::presets()[0].spec.clone();
        let patch = PatchedSpec {
            size: 9,
            x: 30,
            y: 30,
            count: 3,
            step: 4,
            fill: Fill::default(),
            ..PatchedSpec::default()
        };
        assert_eq!(most_squares(&patch, 32), 3);
        spec.settings.attack.trigger = TriggerSpec::Patched(patch);
        keep_inside(&mut spec);
        assert_eq!(spec.validate(), []);
        let kept = super::patch(&spec).map(|patch| (patch.x, patch.y, patch.step));
        assert_eq!(kept, Some((5, 23, 9)));
    }

    #[test]
    fn colours_survive_their_text() {
        assert_eq!(rgb(&hex([255, 0, 16])), Some([255, 0, 16]));
        assert_eq!([rgb("red"), rgb("#fff"), rgb("#12345g")], [None; 3]);
    }
}
