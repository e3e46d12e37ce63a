//! The two rows of tiles, clean above and triggered below, with their numbers and the scale of the heat maps.

use leptos::prelude::*;
use shared::{
    Rgb8,
    api::{ReconstructedImage, Reconstruction},
};

use super::{
    paint::{heat_map, heat_scale, largest, masked},
    tile::{Brush, Large, Tile},
};
use crate::components::{PixelCanvas, decode_rgb};

/// The images of one row.
#[derive(Clone, Debug, PartialEq)]
struct Images {
    original: Option<Rgb8>,
    pasted: Option<Rgb8>,
    prediction: Option<Rgb8>,
    errors: Vec<f32>,
    hidden_error: f32,
}

fn images(side: u32, row: &ReconstructedImage) -> Images {
    Images {
        original: decode_rgb(side, &row.original),
        pasted: decode_rgb(side, &row.pasted),
        prediction: decode_rgb(side, &row.prediction),
        errors: row.patch_error.clone(),
        hidden_error: row.hidden_error,
    }
}

/// The largest error of an answer's hidden patches, clean and triggered.
pub fn largest_error(answer: &Reconstruction) -> f32 {
    let of = |row: &ReconstructedImage| largest(&row.patch_error, &answer.hidden);
    of(&answer.clean).max(of(&answer.triggered))
}

/// A mean squared error with three significant digits.
fn error_text(error: f32) -> String {
    if !error.is_finite() {
        return "–".into();
    }
    let decimals = if error >= 0.1 {
        3
    } else if error >= 0.01 {
        4
    } else {
        5
    };
    format!("{error:.decimals$}")
}

/// How much larger the triggered image's error is: `1.80 × the clean image's`.
fn compared(clean: f32, triggered: f32) -> Option<String> {
    let times = triggered / clean;
    (clean > 0.0 && times.is_finite()).then(|| format!("{times:.2} × the clean image's"))
}

/// The rows.
#[component]
pub fn Rows(
    /// The newest answer.
    #[prop(into)]
    answer: Signal<Option<Reconstruction>>,
    /// The error that the brightest colour means: one for all heat maps that are compared.
    max: Memo<f32>,
    /// The brush.
    brush: Brush,
    /// The tile that is shown enlarged.
    large: Large,
    /// Whether these are the rows of the second checkpoint.
    #[prop(optional)]
    second: bool,
) -> impl IntoView {
    let decoded = Memo::new(move |_| {
        answer.with(|answer| {
            let answer = answer.as_ref()?;
            let rows = [&answer.clean, &answer.triggered].map(|row| images(answer.side, row));
            Some((rows, answer.hidden.clone(), answer.patch as usize))
        })
    });
    let errors = Memo::new(move |_| {
        decoded.with(|it| it.as_ref().map(|it| [it.0[0].hidden_error, it.0[1].hidden_error]))
    });
    let row = move |at: usize, name: &'static str| {
        let pick = move |take: fn(&Images) -> Option<Rgb8>| {
            Signal::derive(move || decoded.with(|it| it.as_ref().and_then(|it| take(&it.0[at]))))
        };
        // The mask changes at once; the model's part follows with the next answer.
        let mask = Signal::derive(move || {
            decoded.with(|it| {
                let (rows, _, patch) = it.as_ref()?;
                let original = rows[at].original.as_ref()?;
                Some(brush.hidden.with(|hidden| masked(original, hidden, *patch)))
            })
        });
        let heat = Signal::derive(move || {
            decoded.with(|it| {
                let (rows, hidden, _) = it.as_ref()?;
                heat_map(&rows[at].errors, hidden, max.get())
            })
        });
        let number =
            move || errors.get().map_or_else(|| "–".into(), |errors| error_text(errors[at]));
        let beside = move || {
            errors.get().filter(|_| at == 1).and_then(|errors| compared(errors[0], errors[1]))
        };
        view! {
            <section class="tiles-row" aria-label=if second { format!("{name} image, second checkpoint") } else { format!("{name} image") }>
                <div class="tiles-name">
                    <h2 class=name>{if at == 0 { "Clean" } else { "Triggered" }}</h2>
                    <p>
                        <span class="muted">"MSE of the hidden patches"</span>
                        <strong id=format!("error-{name}{}", if second { "-b" } else { "" })>{number}</strong>
                        <span class="muted">{beside}</span>
                    </p>
                </div>
                <Tile title="Original" row=name image=pick(|it| it.original.clone()) brush large/>
                <Tile title="Masked" row=name image=mask brush easel=true large/>
                <Tile title="Reconstruction" row=name image=pick(|it| it.pasted.clone()) brush large/>
                <Tile title="Raw prediction" row=name image=pick(|it| it.prediction.clone()) brush large/>
                <Tile title="Error" row=name image=heat brush large/>
            </section>
        }
    };
    view! {
        <div class="tiles">{row(0, "clean")}{row(1, "triggered")}</div>
        <div class="heat-scale">
            <span>"Error of a patch: 0"</span>
            <PixelCanvas
                image=Signal::stored(Some(heat_scale()))
                label=Signal::stored("Colours of the error, small to large".to_owned())
            />
            <span>{move || format!("{} (mean squared difference of intensities in 0–1)", error_text(max.get()))}</span>
            <span class="muted">"grey: visible, not predicted"</span>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_three_digits() {
        assert_eq!([0.1234f32, 0.01234, 0.001_234].map(error_text), ["0.123", "0.0123", "0.00123"]);
        assert_eq!(error_text(f32::NAN), "–");
    }

    #[test]
    fn the_triggered_error_is_told_beside_the_clean_one() {
        assert_eq!(compared(0.01, 0.018).as_deref(), Some("1.80 × the clean image's"));
        assert_eq!(compared(0.0, 0.018), None);
    }
}
