//! Fine-pruning (Liu, Dolan-Gavitt and Garg 2018, "Fine-pruning: defending against backdooring attacks on deep neural networks"): channels that clean
//! images leave dormant are removed, the most dormant first, as long as clean accuracy stays; fine-tuning on clean images follows.
//!
//! The paper prunes the last convolution, whose channels the classifier reads. Here these are the channels of the pooled features after the last norm,
//! which have no rectifier: their activation is the mean absolute value.

/// Mean absolute value of each channel over rows of `width` numbers. Panics when the rows are not whole.
pub fn activations(features: &[f32], width: usize) -> Vec<f64> {
    assert_eq!(features.len() % width.max(1), 0, "whole rows");
    let rows = (features.len() / width.max(1)).max(1) as f64;
    let mut sums = vec![0.0; width];
    for row in features.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value.abs());
        }
    }
    sums.into_iter().map(|sum| sum / rows).collect()
}

/// The channels from the most dormant to the most active; of equal ones the first comes first.
pub fn dormant_first(activations: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..activations.len()).collect();
    order.sort_by(|&a, &b| activations[a].total_cmp(&activations[b]).then(a.cmp(&b)));
    order
}

/// How many channels of `order` are pruned: the most, counted from the first, up to which no number of them costs more than `most_lost` of accuracy
/// (a share). `accuracy` gives the share of the clean images that is classified rightly without these channels. At least one channel stays.
///
/// # Errors
/// That of `accuracy`.
pub fn pruned<E>(
    order: &[usize],
    most_lost: f64,
    mut accuracy: impl FnMut(&[usize]) -> Result<f64, E>,
) -> Result<usize, E> {
    let whole = accuracy(&[])?;
    let most = order.len().saturating_sub(1);
    for count in 1..=most {
        if accuracy(&order[..count])? < whole - most_lost {
            return Ok(count - 1);
        }
    }
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_and_their_order_by_hand() {
        let features = [1.0, -4.0, 0.0, -3.0, 2.0, 0.0];
        assert_eq!(activations(&features, 3), [2.0, 3.0, 0.0]);
        assert_eq!(dormant_first(&[2.0, 3.0, 0.0, 2.0]), [2, 0, 3, 1]);
    }

    #[test]
    fn pruning_stops_before_it_costs_too_much() {
        // Accuracy without 0, 1, 2, 3 channels.
        let by_count = [0.9, 0.9, 0.87, 0.8];
        let of = |most_lost: f64| {
            let accuracy = |gone: &[usize]| Ok::<_, ()>(by_count[gone.len()]);
            pruned(&[3, 1, 0, 2], most_lost, accuracy).unwrap()
        };
        assert_eq!([0.0, 0.04, 0.2].map(of), [1, 2, 3]);
        let error = |gone: &[usize]| if gone.is_empty() { Ok(1.0) } else { Err("read") };
        assert_eq!(pruned(&[0, 1], 0.5, error), Err("read"));
    }

    #[test]
    fn what_only_the_backdoor_uses_is_pruned_first() {
        // Channels 0 and 1 tell two classes apart; channel 2 is silent on clean images, and outvotes them when it is not.
        let clean: Vec<f32> = (0..20)
            .flat_map(|i| if i % 2 == 0 { [2.0, 0.1, 0.01] } else { [0.1, 2.0, -0.01] })
            .collect();
        let class = |row: &[f32], gone: &[usize]| {
            let on = |channel: usize| if gone.contains(&channel) { 0.0 } else { row[channel] };
            u32::from(on(1) - 10.0 * on(2).max(0.0) > on(0))
        };
        let accuracy = |gone: &[usize]| {
            let right =
                clean.chunks(3).enumerate().filter(|(i, row)| class(row, gone) == *i as u32 % 2);
            Ok::<_, ()>(right.count() as f64 / 20.0)
        };
        let order = dormant_first(&activations(&clean, 3));
        let count = pruned(&order, 0.04, accuracy).unwrap();
        assert_eq!(order[..count], [2]);
        let triggered = [0.1, 2.0, 5.0];
        assert_eq!((class(&triggered, &[]), class(&triggered, &order[..count])), (0, 1));
    }
}
