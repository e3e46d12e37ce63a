//! A figure with its heading, its downloads and the overlay that shows values.

use leptos::{ev, html::Div, prelude::*};
use shared::chart::{Drawing, Figure, FigureKind, Mark, Size, Style};

use super::{
    brush::{Brushed, Dragged},
    dots::Dots,
    hover::{Step, across, nearest, stepped},
    legend::{Hiding, Legend},
};
use crate::{
    api,
    components::{Glyph, Icon},
};

/// How far from a mark the pointer may be to select it, in pixels.
const REACH: f32 = 120.0;
/// Lines that a tip lists beside the one under the pointer.
const MOST_LISTED: usize = 12;
/// Width of a drawing before its container is measured, in pixels.
const FIRST_WIDTH: u32 = 640;
/// The narrowest and the widest drawing, in pixels.
const WIDTHS: (u32, u32) = (260, 1200);

/// What the download links of a figure request: the same data that the page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Downloads {
    /// Studies, separated by commas; empty for all.
    pub studies: String,
    /// Runs instead of studies, separated by commas.
    pub runs: String,
    /// Whether the published series are shown.
    pub published: bool,
    /// Further parameters.
    pub more: Vec<(&'static str, String)>,
}

impl Downloads {
    /// Address of the figure as `format`: `svg`, `png`, `pdf` or `csv`; `tex` for one that is a table.
    pub fn address(&self, kind: FigureKind, format: &str) -> String {
        let mut pairs = vec![
            ("studies", self.studies.as_str()),
            ("runs", &self.runs),
            ("published", if self.published { "true" } else { "" }),
        ];
        pairs.extend(self.more.iter().map(|(name, value)| (*name, value.as_str())));
        let query = api::query(&pairs);
        api::address(format!("/figures/{}.{format}{query}", kind.as_str()))
    }
}

/// A figure under its own heading. While the drawing has the focus, the arrow keys step through the values.
#[component]
pub fn FigureBox(
    /// The figure.
    #[prop(into)]
    figure: Signal<Figure>,
    /// Height in pixels.
    #[prop(default = 360)]
    height: u32,
    /// Where its files are; without it, there are no download links.
    #[prop(into, optional)]
    downloads: Signal<Option<Downloads>>,
    /// Called with the identifier of the run whose mark was clicked.
    #[prop(optional)]
    pick: Option<Callback<String>>,
    /// Called with the rectangle that was dragged over the plot.
    #[prop(optional)]
    brush: Option<Callback<Brushed>>,
    /// Called with the identifier of the mark that the pointer or the arrow keys mean.
    #[prop(optional)]
    hover: Option<Callback<Option<String>>>,
    /// What its legend hides; without it, the legend is no switch.
    #[prop(optional)]
    hiding: Option<Hiding>,
) -> impl IntoView {
    let place = NodeRef::<Div>::new();
    let width = RwSignal::new(FIRST_WIDTH);
    let measure = move || {
        if let Some(element) = place.get_untracked() {
            let measured = element.get_bounding_client_rect().width() as u32;
            if measured > 0 && width.get_untracked() != measured {
                width.set(measured);
            }
        }
    };
    Effect::new(move |_| {
        place.track();
        measure();
    });
    let listener = window_event_listener(ev::resize, move |_| measure());
    on_cleanup(move || listener.remove());
    let drawing = Memo::new(move |_| {
        figure.with(|figure| {
            let least = WIDTHS.0.max(figure.least_width());
            let size = Size { width: width.get().clamp(least, WIDTHS.1.max(least)), height };
            figure.draw(size, Style::Page)
        })
    });
    // A figure with columns of texts scrolls where there is no room for them.
    let wide = Memo::new(move |_| figure.with(Figure::least_width) > width.get());
    let kind = Memo::new(move |_| figure.with(Figure::kind));
    let title = Memo::new(move |_| figure.with(|figure| figure.title().to_owned()));
    let links = move || {
        downloads.get().filter(|_| figure.with(|figure| !figure.is_empty())).map(|downloads| {
            let table = figure.with(|figure| figure.latex().is_some()).then_some("tex");
            ["svg", "png", "pdf", "csv"]
                .into_iter()
                .chain(table)
                .map(|format| {
                    let name = format.to_uppercase();
                    let label = format!("Download \"{}\" as {name}", title.get());
                    view! {
                        <a
                            class="button button-quiet button-small"
                            href=downloads.address(kind.get(), format)
                            download
                            rel="external"
                            aria-label=label
                        >
                            <Icon glyph=Glyph::Download/>
                            {name}
                        </a>
                    }
                })
                .collect_view()
        })
    };
    view! {
        <figure class="figure" data-figure=move || kind.get().as_str()>
            <figcaption class="figure-head">
                <h3>{title}</h3>
                <div class="figure-links">{links}</div>
            </figcaption>
            <div class="figure-place" class:figure-wide=wide node_ref=place>
                <Picture drawing title pick brush hover hiding/>
            </div>
        </figure>
    }
}

/// The drawing under its overlay.
#[component]
fn Picture(
    drawing: Memo<Drawing>,
    title: Memo<String>,
    pick: Option<Callback<String>>,
    brush: Option<Callback<Brushed>>,
    hover: Option<Callback<Option<String>>>,
    hiding: Option<Hiding>,
) -> impl IntoView {
    let meant = RwSignal::new(None::<usize>);
    let dragged = RwSignal::new(None::<Dragged>);
    let svg = move || drawing.with(|drawing| drawing.svg.clone());
    let mark = Memo::new(move |_| {
        drawing.with(|drawing| meant.get().and_then(|at| drawing.marks.get(at).cloned()))
    });
    Effect::new(move |_| {
        if let Some(hover) = hover {
            hover.run(mark.with(|mark| mark.as_ref().and_then(|mark| mark.id.clone())));
        }
    });
    let size = move || drawing.with(|drawing| (drawing.width as f32, drawing.height as f32));
    // Where an event is, in pixels of the view box.
    let place = move |event: &ev::PointerEvent| {
        let outline = current_element(event)?.get_bounding_client_rect();
        let scale = size().0 / (outline.width() as f32).max(1.0);
        Some((
            (event.client_x() as f32 - outline.left() as f32) * scale,
            (event.client_y() as f32 - outline.top() as f32) * scale,
        ))
    };
    let pointed = move |event: ev::PointerEvent| {
        let Some((x, y)) = place(&event) else { return };
        if let Some(drag) = dragged.get_untracked() {
            dragged.set(Some(Dragged { to: (x, y), ..drag }));
            return;
        }
        let found = drawing.with_untracked(|drawing| nearest(&drawing.marks, x, y, REACH));
        if meant.get_untracked() != found {
            meant.set(found);
        }
    };
    let pressed_down = move |event: ev::PointerEvent| {
        // A finger scrolls the page.
        if brush.is_some() && event.button() == 0 && event.pointer_type() == "mouse" {
            dragged.set(place(&event).map(Dragged::from));
        }
        pointed(event);
    };
    let released = move |_| {
        let Some(drag) = dragged.get_untracked() else { return };
        let area = drawing
            .with_untracked(|drawing| drawing.panel(drag.from).map(|panel| drawing.areas[panel]));
        dragged.set(None);
        if drag.is_click() {
            choose(mark, pick);
        } else if let (Some(brush), Some(area)) = (brush, area) {
            brush.run(drag.within(&area));
        }
    };
    let pressed = move |event: ev::KeyboardEvent| {
        if let Some(step) = Step::of_key(&event.key()) {
            event.prevent_default();
            let next = drawing.with(|drawing| stepped(&drawing.marks, meant.get_untracked(), step));
            meant.set(next);
        } else if event.key() == "Escape" {
            dragged.set(None);
            meant.set(None);
        } else if event.key() == "Enter" {
            choose(mark, pick);
        }
    };
    let ring = move || {
        mark.get().map(|mark| view! { <circle class="chart-ring" cx=mark.x cy=mark.y r="7"/> })
    };
    // Where the values of several lines are listed, a line through all of them says where that is.
    let others = Memo::new(move |_| {
        drawing.with(|drawing| meant.get().map(|at| across(&drawing.marks, at)).unwrap_or_default())
    });
    let hair = move || {
        let mark = mark.get().filter(|_| !others.read().is_empty())?;
        let area = drawing.with(|drawing| drawing.areas.get(mark.panel).copied())?;
        Some(view! {
            <line class="chart-hair" x1=mark.x x2=mark.x y1=area.y.to y2=area.y.from/>
        })
    };
    let frame = move || {
        dragged.get().filter(|drag| !drag.is_click()).map(|drag| {
            let ((left, top), (right, bottom)) = drag.corners();
            view! {
                <rect class="chart-brush" x=left y=top width=right - left height=bottom - top/>
            }
        })
    };
    let tip = move || {
        mark.get().filter(|_| dragged.with(Option::is_none)).map(|mark| {
            let (width, height) = size();
            let (left, up) = (mark.x > width * 0.6, mark.y > height * 0.6);
            let lines = mark.text.lines().map(|line| view! { <span>{line.to_owned()}</span> });
            let listed = drawing.with(|drawing| listed(drawing, &others.read()));
            view! {
                <div
                    class="chart-tip"
                    class:chart-tip-left=left
                    class:chart-tip-up=up
                    style:left=format!("{:.2}%", mark.x / width * 100.0)
                    style:top=format!("{:.2}%", mark.y / height * 100.0)
                >
                    {lines.collect_view()}
                    {listed}
                </div>
            }
        })
    };
    let leave = move || {
        dragged.set(None);
        meant.set(None);
    };
    view! {
        <div
            class="chart-box"
            style:min-width=move || format!("{}px", drawing.with(|drawing| drawing.least))
            class:chart-picks=pick.is_some()
            class:chart-brushes=brush.is_some()
            tabindex="0"
            role="group"
            aria-label=move || format!("{}. Use the arrow keys to read the values.", title.get())
            on:pointermove=pointed
            on:pointerdown=pressed_down
            on:pointerup=released
            on:pointerleave=move |_| leave()
            on:blur=move |_| leave()
            on:keydown=pressed
            on:click=move |_| {
                // With a brush, the end of the press tells a click from a drag.
                if brush.is_none() {
                    choose(mark, pick);
                }
            }
        >
            <div inner_html=svg></div>
            <Dots drawing/>
            <svg
                class="chart-over"
                viewBox=move || format!("0 0 {} {}", size().0, size().1)
                aria-hidden="true"
            >
                {hair}
                {frame}
                {ring}
            </svg>
            {hiding.map(|hiding| view! { <Legend drawing hiding/> })}
            <div aria-live="polite">{tip}</div>
        </div>
    }
}

/// The values of other lines at the same place, each with its colour and name.
fn listed(drawing: &Drawing, others: &[usize]) -> impl IntoView + use<> {
    let line = |mark: &Mark| {
        let named = drawing.lines.get(mark.series)?.clone()?;
        let colour = format!("var(--{})", named.colour);
        Some(view! {
            <li>
                <i style:background=colour></i>
                <span>{named.name}</span>
                <b>{mark.value.clone()}</b>
            </li>
        })
    };
    let marks = others.iter().filter_map(|&at| drawing.marks.get(at));
    let lines: Vec<_> = marks.take(MOST_LISTED).filter_map(line).collect();
    let more = others.len().saturating_sub(MOST_LISTED);
    (!lines.is_empty()).then(|| {
        view! {
            <ul class="chart-listed" aria-label="Other lines here">
                {lines}
                {(more > 0).then(|| view! { <li>{format!("and {more} more")}</li> })}
            </ul>
        }
    })
}

fn choose(mark: Memo<Option<shared::chart::Mark>>, pick: Option<Callback<String>>) {
    if let (Some(pick), Some(id)) = (pick, mark.get_untracked().and_then(|mark| mark.id)) {
        pick.run(id);
    }
}

fn current_element(event: &web_sys::Event) -> Option<web_sys::Element> {
    use wasm_bindgen::JsCast;
    event.current_target().and_then(|target| target.dyn_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_ask_for_the_same_data() {
        let downloads =
            Downloads { studies: "a,b".into(), published: true, ..Downloads::default() };
        assert_eq!(
            downloads.address(FigureKind::AsrByPoison, "png"),
            "/api/v1/figures/asr-by-poison.png?studies=a%2Cb&published=true"
        );
        assert_eq!(
            Downloads::default().address(FigureKind::Tradeoff, "csv"),
            "/api/v1/figures/tradeoff.csv"
        );
        let plot = Downloads { more: vec![("x", "ca".into())], ..Downloads::default() };
        assert_eq!(plot.address(FigureKind::Plot, "svg"), "/api/v1/figures/plot.svg?x=ca");
    }
}
