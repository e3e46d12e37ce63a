//! A confusion matrix as a heat map that shows its counts.

use leptos::{ev, prelude::*};
use shared::metric::Confusion;

use super::cells::{Cell, LEVELS, cell_at, counts, middle, paths, stepped, ticks, told, view_box};

/// Height of a count in a cell, in cells.
const COUNT: &str = "0.34";

/// The map: rows are true classes, columns predicted ones; the arrow keys move over the cells.
#[component]
pub fn HeatMap(
    /// What it shows, in a few words.
    #[prop(into)]
    title: String,
    /// Class of the colour: `clean` or `triggered`.
    colour: &'static str,
    /// The counts.
    confusion: Confusion,
    /// Names of the classes.
    names: Vec<String>,
    /// The class that the attacker wants of each true class: the column of all is marked, or the cell of each.
    targets: Vec<usize>,
) -> impl IntoView {
    let classes = confusion.classes();
    let about = format!("{title}. Use the arrow keys to read the counts.");
    let meant = RwSignal::new(None::<Cell>);
    let levels = (1..).zip(paths(&confusion)).filter(|(_, path)| !path.is_empty());
    let levels = levels.map(|(level, path)| view! { <path class=format!("heat-{level}") d=path/> });
    let levels = levels.collect_view();
    let counts = counts(&confusion)
        .into_iter()
        .map(|((row, column), count, strong)| {
            view! {
                <text class="heat-count" class:heat-count-strong=strong x=column as f64 + 0.5 y=row as f64 + 0.5 font-size=COUNT>
                    {count}
                </text>
            }
        })
        .collect_view();
    let pointed = move |event: ev::PointerEvent| {
        let outline = event_target_outline(&event);
        let found = outline.and_then(|(left, top, side)| {
            let place = |client: i32, from: f64| (f64::from(client) - from) / side;
            cell_at(place(event.client_x(), left), place(event.client_y(), top), classes)
        });
        if meant.get_untracked() != found {
            meant.set(found);
        }
    };
    let pressed = move |event: ev::KeyboardEvent| {
        if event.key() == "Escape" {
            meant.set(None);
        } else if let Some(cell) = stepped(meant.get_untracked(), &event.key(), classes) {
            event.prevent_default();
            meant.set(Some(cell));
        }
    };
    let ring = move || {
        meant.get().map(|(row, column)| {
            view! { <rect class="heat-ring" x=column y=row width="1" height="1"/> }
        })
    };
    let tip = move || {
        meant.get().map(|cell| {
            let (x, y) = (middle(cell.1, classes), middle(cell.0, classes));
            let (left, up) = (x > 60.0, y > 60.0);
            let lines = told(&confusion, &names, cell).map(|line| view! { <span>{line}</span> });
            view! {
                <div
                    class="chart-tip"
                    class:chart-tip-left=left
                    class:chart-tip-up=up
                    style:left=format!("{x:.2}%")
                    style:top=format!("{y:.2}%")
                >
                    {lines.collect_view()}
                </div>
            }
        })
    };
    view! {
        <figure class=format!("heat heat-of-{colour}")>
            <figcaption>{title}</figcaption>
            <div
                class="heat-box"
                tabindex="0"
                role="group"
                aria-label=about
                on:pointermove=pointed
                on:pointerdown=pointed
                on:pointerleave=move |_| meant.set(None)
                on:blur=move |_| meant.set(None)
                on:keydown=pressed
            >
                <svg class="heat-map" viewBox=view_box(classes) aria-hidden="true">
                    <rect class="heat-ground" width=classes height=classes/>
                    {levels}
                    {counts}
                    <Axes classes targets/>
                    {ring}
                </svg>
                <div aria-live="polite">{tip}</div>
            </div>
            <p class="heat-scale">
                "0 %"
                {(1..=LEVELS)
                    .map(|level| view! { <span class=format!("heat-step heat-step-{level}")></span> })
                    .collect_view()}
                "100 % of the images of a class"
            </p>
        </figure>
    }
}

/// Numbers of the classes beside and above the matrix, and the target's mark: above its column where all classes have one, otherwise around
/// the cell that the attack fills of each class.
#[component]
fn Axes(classes: usize, targets: Vec<usize>) -> impl IntoView {
    let unit = classes as f64;
    let size = format!("{:.3}", 0.032 * unit);
    let gap = 0.03 * unit;
    let numbers = ticks(classes)
        .map(|class| {
            let middle = format!("{:.3}", class as f64 + 0.5);
            let before = format!("{:.3}", -gap);
            view! {
                <text class="heat-number heat-row" x=before.clone() y=middle.clone() font-size=size.clone()>
                    {class}
                </text>
                <text class="heat-number heat-column" x=middle y=before font-size=size.clone()>
                    {class}
                </text>
            }
        })
        .collect_view();
    let mark = match one_target(&targets) {
        Some(target) => (target < classes)
            .then(|| {
                let height = 0.016 * unit;
                view! {
                    <rect class="heat-target" x=target y=format!("{:.3}", -height) width="1" height=format!("{height:.3}")/>
                }
            })
            .into_any(),
        None => targets
            .into_iter()
            .enumerate()
            .map(|(class, target)| {
                view! { <rect class="heat-wanted" x=target y=class width="1" height="1"/> }
            })
            .collect_view()
            .into_any(),
    };
    view! { {numbers} {mark} }
}

/// The target that all classes have.
fn one_target(targets: &[usize]) -> Option<usize> {
    let first = *targets.first()?;
    targets.iter().all(|&target| target == first).then_some(first)
}

/// Left and upper edge and side of the map that an event belongs to, in pixels of the window.
fn event_target_outline(event: &web_sys::Event) -> Option<(f64, f64, f64)> {
    use wasm_bindgen::JsCast;
    let element = event.current_target()?.dyn_into::<web_sys::Element>().ok()?;
    let outline = element.get_bounding_client_rect();
    (outline.width() >= 1.0).then(|| (outline.left(), outline.top(), outline.width()))
}
