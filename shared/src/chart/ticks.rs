//! Round axis values. No logarithms or powers are used: their last bits differ between machines, and the browser and the
//! server must write the same bytes.

/// A round range around `low..=high` and the distance between its ticks, which is 1, 2 or 5 times a power of ten: `wanted`
/// ticks or slightly fewer. An empty range is widened.
pub(super) fn nice(low: f64, high: f64, wanted: usize) -> (f64, f64, f64) {
    let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
    let raw = (high - low) / wanted.max(1) as f64;
    let base = power_of_ten_below(raw);
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * base).find(|step| *step >= raw * 0.999_999);
    let step = step.unwrap_or(10.0 * base);
    ((low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step, step)
}

/// The largest power of ten that is at most `value`; `value` is above 0.
fn power_of_ten_below(value: f64) -> f64 {
    let mut power = 1.0;
    while power > value && power > 1e-300 {
        power /= 10.0;
    }
    while power * 10.0 <= value && power < 1e300 {
        power *= 10.0;
    }
    power
}

/// The ticks from `low` to `high`, `step` apart.
pub(super) fn ticks(low: f64, high: f64, step: f64) -> Vec<f64> {
    let count = ((high - low) / step + 1e-6).floor() as usize;
    (0..=count).map(|i| low + i as f64 * step).collect()
}

/// A range around `low..=high`, which are above 0, and its ticks: powers of ten, and if there are few of them 2 and 5 times
/// these, too.
pub(super) fn logarithmic(low: f64, high: f64, wanted: usize) -> (f64, f64, Vec<f64>) {
    let first = power_of_ten_below(low);
    let decades = (0..).map(|n| (0..n).fold(first, |power, _| power * 10.0));
    let decades: Vec<f64> = decades.take_while(|&power| power <= high).collect();
    let steps: &[f64] =
        if decades.len() * 3 <= wanted.max(3) + 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let mut ticks: Vec<f64> =
        decades.iter().flat_map(|power| steps.iter().map(move |step| step * power)).collect();
    if ticks.last().is_none_or(|&last| last < high) {
        ticks.push(decades.last().copied().unwrap_or(first) * 10.0);
    }
    // The outermost ticks that leave the data inside.
    let from = ticks.iter().rposition(|&tick| tick <= low).unwrap_or(0);
    let to = ticks.iter().position(|&tick| tick >= high).unwrap_or(ticks.len() - 1);
    let ticks = ticks[from..=to.max(from)].to_vec();
    if ticks.len() == 1 {
        return (ticks[0] / 2.0, ticks[0] * 2.0, ticks);
    }
    let every = ticks.len().div_ceil(wanted + 3);
    let (low, high) = (ticks[0], ticks[ticks.len() - 1]);
    (low, high, ticks.into_iter().step_by(every).collect())
}

/// A tick's label with as many decimals as the step needs and thousands separators; very small steps in scientific notation.
pub(super) fn tick_text(value: f64, step: f64) -> String {
    if step < 0.000_05 {
        if value.abs() < step / 2.0 {
            return "0".into();
        }
        let base = power_of_ten_below(value.abs() * 1.000_001);
        let text = format!("{:.1}", value / base);
        return format!("{}e{}", text.trim_end_matches(".0"), exponent(base));
    }
    let mut decimals = 0;
    let mut scaled = step;
    while (scaled - scaled.round()).abs() > 1e-6 && decimals < 6 {
        scaled *= 10.0;
        decimals += 1;
    }
    let text = format!("{:.decimals$}", if value.abs() < step / 2.0 { 0.0 } else { value });
    if decimals == 0 { thousands(&text) } else { text }
}

fn exponent(power: f64) -> i32 {
    let (mut value, mut exponent) = (power, 0);
    while value < 0.5 {
        value *= 10.0;
        exponent -= 1;
    }
    exponent
}

/// `12345` as `12,345`.
pub(crate) fn thousands(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn ranges_by_hand() {
        let (low, high, step) = nice(0.0, 60.0, 6);
        assert!(near(low, 0.0) && near(high, 60.0) && near(step, 10.0));
        let (low, high, step) = nice(0.41, 0.97, 5);
        assert!(near(low, 0.4) && near(high, 1.0) && near(step, 0.2), "{low} {high} {step}");
        let (low, high, step) = nice(7.0, 7.0, 5);
        assert!(near(low, 6.4) && near(high, 7.6) && near(step, 0.2), "{low} {high} {step}");
    }

    #[test]
    fn texts_by_hand() {
        assert_eq!(tick_text(12_000.0, 2_000.0), "12,000");
        assert_eq!(tick_text(0.2 + 0.1, 0.1), "0.3");
        assert_eq!(tick_text(-0.0, 0.1), "0.0");
        assert_eq!(tick_text(0.000_75, 0.000_25), "0.00075");
        assert_eq!(tick_text(0.000_02, 0.000_01), "2e-5");
        assert_eq!(tick_text(0.0, 0.000_01), "0");
        assert_eq!(ticks(0.0, 1.0, 0.25), [0.0, 0.25, 0.5, 0.75, 1.0]);
    }

    proptest! {
        #[test]
        fn a_logarithmic_range_holds_its_data_and_few_ticks(
            low in -12f64..8.0, decades in 0f64..8.0, wanted in 2usize..12
        ) {
            let (low, high) = (libm::pow(10.0, low), libm::pow(10.0, low + decades));
            let (from, to, ticks) = logarithmic(low, high, wanted);
            prop_assert!(from <= low && to >= high && from < to, "{from} {to}");
            prop_assert!(!ticks.is_empty() && ticks.len() <= wanted + 4, "{:?}", ticks);
        }

        #[test]
        fn a_range_holds_its_data_and_few_ticks(low in -1e6f64..1e6, width in 1e-4f64..1e6, wanted in 2usize..12) {
            let (from, to, step) = nice(low, low + width, wanted);
            prop_assert!(from <= low + step * 1e-6 && to >= low + width - step * 1e-6);
            let count = ticks(from, to, step).len();
            prop_assert!((2..=wanted + 2).contains(&count), "{} ticks", count);
        }
    }
}
