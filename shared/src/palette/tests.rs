//! Whether the colours can be read and told apart, by readers with normal sight and with each kind of colour-blindness.

use super::{Theme, colours, value};

const THEMES: [Theme; 2] = [Theme::Light, Theme::Dark];
/// Colours with a meaning that figures and tables show beside each other.
const MEANINGS: [&str; 5] = ["clean", "triggered", "target", "bad", "warn"];
const SERIES: usize = 8;
/// The least difference (CIE 1976) between colours that mean different things.
const APART: f64 = 12.0;

/// What dichromats see, as a matrix over linear RGB, severity 1.0. Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for
/// Simulation of Color Vision Deficiency".
const SIGHTS: [(&str, [[f64; 3]; 3]); 4] = [
    ("normal sight", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

fn linear(hex: &str) -> [f64; 3] {
    [1, 3, 5].map(|at| {
        let byte = u8::from_str_radix(&hex[at..at + 2], 16).expect("two hexadecimal digits");
        let share = f64::from(byte) / 255.0;
        if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    })
}

fn through(matrix: [[f64; 3]; 3], rgb: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(rgb).map(|(a, b)| a * b).sum::<f64>())
}

/// CIE XYZ under D65 of linear sRGB.
fn xyz(rgb: [f64; 3]) -> [f64; 3] {
    through(
        [
            [0.412_456_4, 0.357_576_1, 0.180_437_5],
            [0.212_672_9, 0.715_152_2, 0.072_175_0],
            [0.019_333_9, 0.119_192_0, 0.950_304_1],
        ],
        rgb,
    )
}

fn lab(rgb: [f64; 3]) -> [f64; 3] {
    let [x, y, z] = xyz(rgb);
    let [x, y, z] = [x / 0.950_47, y, z / 1.088_83]
        .map(|t| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// CIE 1976 colour difference.
fn difference(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// WCAG 2.2, contrast ratio.
fn contrast(a: &str, b: &str) -> f64 {
    let [a, b] = [a, b].map(|hex| xyz(linear(hex))[1] + 0.05);
    a.max(b) / a.min(b)
}

#[test]
fn known_colours_of_cielab() {
    // The primaries of sRGB, as Lindbloom's calculator gives them.
    for (hex, expected) in [
        ("#ff0000", [53.24, 80.09, 67.20]),
        ("#00ff00", [87.73, -86.18, 83.18]),
        ("#0000ff", [32.30, 79.19, -107.86]),
        ("#ffffff", [100.0, 0.0, 0.0]),
    ] {
        let is = lab(linear(hex));
        assert!(difference(is, expected) < 0.02, "{hex}: {is:?}");
    }
}

#[test]
fn every_row_is_a_name_and_two_colours() {
    for colour in colours() {
        for theme in THEMES {
            let hex = colour.value(theme);
            assert!(hex.len() == 7 && hex.starts_with('#'), "{}: {hex}", colour.name);
            linear(hex);
        }
    }
    let text = include_str!("../../../style/palette.csv");
    assert_eq!(colours().len(), text.lines().count() - 1);
}

#[test]
fn colours_that_mean_different_things_differ_for_everybody() {
    let series: Vec<_> = (1..=SERIES).map(|i| format!("series-{i}")).collect();
    let names: Vec<&str> = MEANINGS.into_iter().chain(series.iter().map(String::as_str)).collect();
    let mut close = Vec::new();
    for theme in THEMES {
        for (sight, matrix) in SIGHTS {
            let seen = names.iter().map(|name| {
                let rgb = through(matrix, linear(value(name, theme)));
                lab(rgb.map(|share| share.clamp(0.0, 1.0)))
            });
            let seen: Vec<_> = seen.collect();
            for (i, a) in seen.iter().enumerate() {
                for (j, b) in seen.iter().enumerate().skip(i + 1) {
                    let apart = difference(*a, *b);
                    if apart < APART {
                        close.push(format!(
                            "{theme:?}, {sight}: {} and {}: {apart:.1}",
                            names[i], names[j]
                        ));
                    }
                }
            }
        }
    }
    assert!(close.is_empty(), "{close:#?}");
}

#[test]
fn text_and_marks_stand_out() {
    let series: Vec<_> = (1..=SERIES).map(|i| format!("series-{i}")).collect();
    let texts = ["ink", "ink-2", "ink-3", "accent"].into_iter().chain(MEANINGS);
    // Text 4.5 (success criterion 1.4.3), marks and edges of controls 3 (1.4.11).
    let texts = texts.flat_map(|name| [(name, "surface", 4.5), (name, "ground", 4.5)]);
    let marks = series.iter().map(|name| (name.as_str(), "surface", 3.0));
    let rest = [
        ("ink", "sunken", 4.5),
        ("ink-2", "sunken", 4.5),
        ("ink-3", "sunken", 4.5),
        ("accent-ink", "accent", 4.5),
        ("rail-ink", "rail", 4.5),
        ("rail-here", "rail", 4.5),
        ("line-strong", "surface", 3.0),
    ];
    for (front, back, least) in texts.chain(marks).chain(rest) {
        for theme in THEMES {
            let is = contrast(value(front, theme), value(back, theme));
            assert!(is >= least, "{theme:?}: {front} on {back} has {is:.2}, below {least}");
        }
    }
}
