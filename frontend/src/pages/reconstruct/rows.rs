//! The rows of tiles, clean above, triggered below, then what the trigger changes, with their numbers and the scales of the heat maps. A second
//! checkpoint's rows have a wipe and the change of the errors in place of the original and the mask, which are the same.

use leptos::prelude::*;
use shared::{
    Rgb8,
    api::{ReconstructedImage, Reconstruction},
    image::{difference, gain, largest_difference},
};

use super::{
    paint::{change_map, change_scale, heat_map, heat_scale, largest, largest_change, masked},
    tile::{Brush, Large, Tile},
    wipe::Wipe,
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

/// The largest change of a hidden patch's error from the clean to the triggered image, up or down.
pub fn largest_of_trigger(answer: &Reconstruction) -> f32 {
    largest_change(&answer.clean.patch_error, &answer.triggered.patch_error, &answer.hidden)
}

/// The largest change of a hidden patch's error from the first to the second checkpoint, up or down.
pub fn largest_between(first: &Reconstruction, second: &Reconstruction) -> f32 {
    let of = |from: &ReconstructedImage, to: &ReconstructedImage| {
        largest_change(&from.patch_error, &to.patch_error, &second.hidden)
    };
    of(&first.clean, &second.clean).max(of(&first.triggered, &second.triggered))
}

/// What the trigger changes of an image, amplified as far as it fits.
fn changed(clean: Option<&Rgb8>, triggered: Option<&Rgb8>) -> Option<Rgb8> {
    let (clean, triggered) = (clean?, triggered?);
    Some(difference(clean, triggered, gain(largest_difference([(clean, triggered)]))))
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
    /// The change of an error that the strongest colour means: one for all maps of changes.
    most: Memo<f32>,
    /// The brush.
    brush: Brush,
    /// The tile that is shown enlarged.
    large: Large,
    /// The first checkpoint's answer, if these are the rows of a second one.
    #[prop(into, optional)]
    first: Option<Signal<Option<Reconstruction>>>,
) -> impl IntoView {
    let second = first.is_some();
    let decoded = decoded(answer);
    let of_first = first.map(self::decoded);
    let line = RwSignal::new(50.0);
    let errors = Memo::new(move |_| {
        decoded.with(|it| it.as_ref().map(|it| [it.rows[0].hidden_error, it.rows[1].hidden_error]))
    });
    let named = move |name: &str| {
        if second { format!("{name}, second checkpoint") } else { name.to_owned() }
    };
    let row = move |at: usize, name: &'static str| {
        let pick = move |take: fn(&Images) -> Option<Rgb8>| of_row(decoded, at, take);
        // The mask changes at once; the model's part follows with the next answer.
        let mask = Signal::derive(move || {
            decoded.with(|it| {
                let it = it.as_ref()?;
                let original = it.rows[at].original.as_ref()?;
                Some(brush.hidden.with(|hidden| masked(original, hidden, it.patch)))
            })
        });
        let heat = Signal::derive(move || {
            decoded.with(|it| {
                let it = it.as_ref()?;
                heat_map(&it.rows[at].errors, &it.hidden, max.get())
            })
        });
        let number =
            move || errors.get().map_or_else(|| "–".into(), |errors| error_text(errors[at]));
        let beside = move || {
            errors.get().filter(|_| at == 1).and_then(|errors| compared(errors[0], errors[1]))
        };
        let begins = match of_first {
            None => view! {
                <Tile title="Original" row=name image=pick(|it| it.original.clone()) brush large/>
                <Tile title="Masked" row=name image=mask brush easel=true large/>
            }
            .into_any(),
            Some(of_first) => {
                let between = Signal::derive(move || {
                    let errors = of_first.with(|it| Some(it.as_ref()?.rows[at].errors.clone()))?;
                    decoded.with(|it| {
                        let it = it.as_ref()?;
                        change_map(&errors, &it.rows[at].errors, &it.hidden, most.get())
                    })
                });
                view! {
                    <Wipe
                        row=name
                        first=of_row(of_first, at, |it| it.pasted.clone())
                        second=pick(|it| it.pasted.clone())
                        line
                    />
                    <Tile title="Change of error" row=name image=between brush large/>
                }
                .into_any()
            }
        };
        view! {
            <section class="tiles-row" aria-label=named(&format!("{name} image"))>
                <div class="tiles-name">
                    <h2 class=name>{if at == 0 { "Clean" } else { "Triggered" }}</h2>
                    <p>
                        <span class="muted">"MSE of the hidden patches"</span>
                        <strong id=format!("error-{name}{}", if second { "-b" } else { "" })>{number}</strong>
                        <span class="muted">{beside}</span>
                    </p>
                </div>
                {begins}
                <Tile title="Reconstruction" row=name image=pick(|it| it.pasted.clone()) brush large/>
                <Tile title="Raw prediction" row=name image=pick(|it| it.prediction.clone()) brush large/>
                <Tile title="Error" row=name image=heat brush large/>
            </section>
        }
    };
    view! {
        <div class="tiles">
            {row(0, "clean")} {row(1, "triggered")}
            <TriggerRow decoded most brush large label=named("What the trigger changes") second/>
        </div>
        <Scales max most/>
    }
}

/// What the trigger changes of the image, of what the model makes of it, and of its errors.
#[component]
fn TriggerRow(
    decoded: Memo<Option<Decoded>>,
    most: Memo<f32>,
    brush: Brush,
    large: Large,
    label: String,
    /// Whether these are the rows of a second checkpoint, of the same image.
    second: bool,
) -> impl IntoView {
    let picture = move |take: fn(&Images) -> Option<&Rgb8>| {
        Signal::derive(move || {
            decoded.with(|it| {
                let rows = &it.as_ref()?.rows;
                changed(take(&rows[0]), take(&rows[1]))
            })
        })
    };
    let errors = Signal::derive(move || {
        decoded.with(|it| {
            let it = it.as_ref()?;
            change_map(&it.rows[0].errors, &it.rows[1].errors, &it.hidden, most.get())
        })
    });
    let original = picture(|it| it.original.as_ref());
    let trigger = (!second).then(|| {
        view! { <Tile title="Trigger" row="changed" image=original brush large/> }
    });
    view! {
        <section class="tiles-row" aria-label=label>
            <div class="tiles-name">
                <h2>"Triggered − clean"</h2>
                <p class="muted">"around grey, amplified as far as it fits"</p>
            </div>
            {trigger}
            <div class="tiles-gap" class:tiles-gap-wide=second></div>
            <Tile title="Reconstruction" row="changed" image=picture(|it| it.pasted.as_ref()) brush large/>
            <Tile title="Raw prediction" row="changed" image=picture(|it| it.prediction.as_ref()) brush large/>
            <Tile title="Change of error" row="changed" image=errors brush large/>
        </section>
    }
}

/// What the colours of the heat maps mean.
#[component]
fn Scales(max: Memo<f32>, most: Memo<f32>) -> impl IntoView {
    view! {
        <div class="heat-scale">
            <span>"Error of a patch: 0"</span>
            <PixelCanvas
                image=Signal::stored(Some(heat_scale()))
                label=Signal::stored("Colours of the error, small to large".to_owned())
            />
            <span>{move || format!("{} (mean squared difference of intensities in 0–1)", error_text(max.get()))}</span>
            <span class="heat-scale-next">{move || format!("Its change: −{}", error_text(most.get()))}</span>
            <PixelCanvas
                image=Signal::stored(Some(change_scale()))
                label=Signal::stored("Colours of a change of the error, fallen to risen".to_owned())
            />
            <span>{move || format!("+{}", error_text(most.get()))}</span>
            <span class="muted">"grey: visible, not predicted"</span>
        </div>
    }
}

/// A decoded answer.
#[derive(Clone, Debug, PartialEq)]
struct Decoded {
    /// Clean, then triggered.
    rows: [Images; 2],
    hidden: Vec<bool>,
    patch: usize,
}

fn decoded(answer: Signal<Option<Reconstruction>>) -> Memo<Option<Decoded>> {
    Memo::new(move |_| {
        answer.with(|answer| {
            let answer = answer.as_ref()?;
            let rows = [&answer.clean, &answer.triggered].map(|row| images(answer.side, row));
            Some(Decoded { rows, hidden: answer.hidden.clone(), patch: answer.patch as usize })
        })
    })
}

/// An image of a row.
fn of_row(
    decoded: Memo<Option<Decoded>>,
    at: usize,
    take: fn(&Images) -> Option<Rgb8>,
) -> Signal<Option<Rgb8>> {
    Signal::derive(move || decoded.with(|it| it.as_ref().and_then(|it| take(&it.rows[at]))))
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
    fn what_a_trigger_changes_is_amplified_as_far_as_it_fits() {
        let clean = Rgb8::filled(2, 1, [100; 3]);
        let mut triggered = clean.clone();
        triggered.set_pixel(1, 0, [110, 95, 100]);
        let changed = changed(Some(&clean), Some(&triggered)).expect("both are there");
        assert_eq!((changed.pixel(0, 0), changed.pixel(1, 0)), ([128; 3], [255, 65, 128]));
        assert_eq!(super::changed(Some(&clean), None), None);
    }

    #[test]
    fn the_triggered_error_is_told_beside_the_clean_one() {
        assert_eq!(compared(0.01, 0.018).as_deref(), Some("1.80 × the clean image's"));
        assert_eq!(compared(0.0, 0.018), None);
    }
}
