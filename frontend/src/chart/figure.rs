//! A figure with its heading, its downloads and the overlay that shows values.

use leptos::{ev, html::Div, prelude::*};
use shared::chart::{Drawing, Figure, FigureKind, Size, Style};

use super::hover::{Step, nearest, stepped};
use crate::{
    api,
    components::{Glyph, Icon},
};

/// How far from a mark the pointer may be to select it, in pixels.
const REACH: f32 = 120.0;
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
}

impl Downloads {
    /// Address of the figure as `format`: `svg`, `png`, `pdf` or `csv`.
    pub fn address(&self, kind: FigureKind, format: &str) -> String {
        let query = api::query(&[
            ("studies", &self.studies),
            ("runs", &self.runs),
            ("published", if self.published { "true" } else { "" }),
        ]);
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
        let size = Size { width: width.get().clamp(WIDTHS.0, WIDTHS.1), height };
        figure.with(|figure| figure.draw(size, Style::Page))
    });
    let kind = Memo::new(move |_| figure.with(Figure::kind));
    let title = Memo::new(move |_| figure.with(|figure| figure.title().to_owned()));
    let links = move || {
        downloads.get().filter(|_| figure.with(|figure| !figure.is_empty())).map(|downloads| {
            ["svg", "png", "pdf", "csv"]
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
            <div class="figure-place" node_ref=place>
                <Picture drawing title pick/>
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
) -> impl IntoView {
    let meant = RwSignal::new(None::<usize>);
    let svg = move || drawing.with(|drawing| drawing.svg.clone());
    let mark = Memo::new(move |_| {
        drawing.with(|drawing| meant.get().and_then(|at| drawing.marks.get(at).cloned()))
    });
    let size = move || drawing.with(|drawing| (drawing.width as f32, drawing.height as f32));
    let pointed = move |event: ev::PointerEvent| {
        let Some(element) = current_element(&event) else { return };
        let outline = element.get_bounding_client_rect();
        if outline.width() < 1.0 {
            return;
        }
        let scale = size().0 / outline.width() as f32;
        let x = (event.client_x() as f32 - outline.left() as f32) * scale;
        let y = (event.client_y() as f32 - outline.top() as f32) * scale;
        let found = drawing.with(|drawing| nearest(&drawing.marks, x, y, REACH));
        if meant.get_untracked() != found {
            meant.set(found);
        }
    };
    let pressed = move |event: ev::KeyboardEvent| {
        if let Some(step) = Step::of_key(&event.key()) {
            event.prevent_default();
            let next = drawing.with(|drawing| stepped(&drawing.marks, meant.get_untracked(), step));
            meant.set(next);
        } else if event.key() == "Escape" {
            meant.set(None);
        } else if event.key() == "Enter" {
            choose(mark, pick);
        }
    };
    let ring = move || {
        mark.get().map(|mark| view! { <circle class="chart-ring" cx=mark.x cy=mark.y r="7"/> })
    };
    let tip = move || {
        mark.get().map(|mark| {
            let (width, height) = size();
            let (left, up) = (mark.x > width * 0.6, mark.y > height * 0.6);
            let lines = mark.text.lines().map(|line| view! { <span>{line.to_owned()}</span> });
            view! {
                <div
                    class="chart-tip"
                    class:chart-tip-left=left
                    class:chart-tip-up=up
                    style:left=format!("{:.2}%", mark.x / width * 100.0)
                    style:top=format!("{:.2}%", mark.y / height * 100.0)
                >
                    {lines.collect_view()}
                </div>
            }
        })
    };
    view! {
        <div
            class="chart-box"
            class:chart-picks=pick.is_some()
            tabindex="0"
            role="group"
            aria-label=move || format!("{}. Use the arrow keys to read the values.", title.get())
            on:pointermove=pointed
            on:pointerdown=pointed
            on:pointerleave=move |_| meant.set(None)
            on:blur=move |_| meant.set(None)
            on:keydown=pressed
            on:click=move |_| choose(mark, pick)
        >
            <div inner_html=svg></div>
            <svg
                class="chart-over"
                viewBox=move || format!("0 0 {} {}", size().0, size().1)
                aria-hidden="true"
            >
                {ring}
            </svg>
            <div aria-live="polite">{tip}</div>
        </div>
    }
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
        let downloads = Downloads { studies: "a,b".into(), runs: String::new(), published: true };
        assert_eq!(
            downloads.address(FigureKind::AsrByPoison, "png"),
            "/api/v1/figures/asr-by-poison.png?studies=a%2Cb&published=true"
        );
        assert_eq!(
            Downloads::default().address(FigureKind::Tradeoff, "csv"),
            "/api/v1/figures/tradeoff.csv"
        );
    }
}
