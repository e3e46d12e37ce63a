//! The canvas that shows the markers of a plot with many of them: as SVG elements they would make every hover slow.

use std::f64::consts::TAU;

use leptos::{html::Canvas, prelude::*};
use shared::chart::Drawing;
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use crate::components::theme_changes;

/// Radius of a dot in pixels of the view box.
const RADIUS: f64 = 2.5;
/// Opacity of a dot: places with many of them are darker.
const OPACITY: f64 = 0.7;

/// The canvas; nothing unless the drawing leaves dots to it.
#[component]
pub fn Dots(drawing: Memo<Drawing>) -> impl IntoView {
    let canvas = NodeRef::<Canvas>::new();
    let many = Memo::new(move |_| drawing.with(|drawing| !drawing.dots.is_empty()));
    let themes = theme_changes();
    Effect::new(move |_| {
        themes.track();
        if let Some(canvas) = canvas.get() {
            drawing.with(|drawing| draw(&canvas, drawing));
        }
    });
    view! {
        <Show when=move || many.get()>
            <canvas class="chart-dots" node_ref=canvas aria-hidden="true"></canvas>
        </Show>
    }
}

/// A browser without a 2-d canvas shows the axes only.
fn draw(canvas: &HtmlCanvasElement, drawing: &Drawing) -> Option<()> {
    let ratio = window().device_pixel_ratio().clamp(1.0, 3.0);
    canvas.set_width((f64::from(drawing.width) * ratio) as u32);
    canvas.set_height((f64::from(drawing.height) * ratio) as u32);
    let context = canvas.get_context("2d").ok()??.dyn_into::<CanvasRenderingContext2d>().ok()?;
    let styles = window().get_computed_style(&document().document_element()?).ok()??;
    context.scale(ratio, ratio).ok()?;
    context.set_global_alpha(OPACITY);
    for dots in &drawing.dots {
        let colour = styles.get_property_value(&format!("--{}", dots.colour)).ok()?;
        context.set_fill_style_str(colour.trim());
        for &(x, y) in &dots.places {
            // One path for all would be one area: dots on one another would not be darker.
            context.begin_path();
            context.arc(x.into(), y.into(), RADIUS, 0.0, TAU).ok()?;
            context.fill();
        }
    }
    Some(())
}
