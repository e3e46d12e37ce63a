//! What a layer of a network attends to, and the loss by which a student learns it from a teacher.

/// The attention map of an image (Zagoruyko and Komodakis 2017): of each patch the sum of its squared features, the whole divided by its length.
/// `tokens` is `(patches, width)`; also returns that length.
fn attention_map(tokens: &[f32], width: usize) -> (Vec<f64>, f64) {
    let squares = |token: &[f32]| token.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
    let map: Vec<f64> = tokens.chunks_exact(width).map(squares).collect();
    let length = map.iter().map(|value| value * value).sum::<f64>().sqrt().max(1e-12);
    (map.iter().map(|value| value / length).collect(), length)
}

/// The attention distillation loss of neural attention distillation (NAD; Li et al. 2021, equations 1 to 3, with p = 2) of one image: the mean
/// squared difference of the student's and the teacher's maps over the patches. Adds `weight` times its gradient in the student's tokens to
/// `gradient`. All are `(patches, width)`.
pub fn attention_loss(
    student: &[f32],
    teacher: &[f32],
    width: usize,
    weight: f64,
    gradient: &mut [f32],
) -> f64 {
    let ((map, length), (wanted, _)) =
        (attention_map(student, width), attention_map(teacher, width));
    let patches = map.len().max(1) as f64;
    let apart: Vec<f64> = map.iter().zip(&wanted).map(|(a, b)| a - b).collect();
    // The gradient in the map, and its part along the map, which the division by the length takes away.
    let pull: Vec<f64> = apart.iter().map(|apart| 2.0 * weight * apart / patches).collect();
    let along: f64 = pull.iter().zip(&map).map(|(pull, value)| pull * value).sum();
    let rows = gradient.chunks_exact_mut(width).zip(student.chunks_exact(width));
    for ((row, token), (pull, value)) in rows.zip(pull.iter().zip(&map)) {
        let of_square = 2.0 * (pull - along * value) / length;
        for (gradient, &feature) in row.iter_mut().zip(token) {
            *gradient += (of_square * f64::from(feature)) as f32;
        }
    }
    apart.iter().map(|apart| apart * apart).sum::<f64>() / patches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_by_hand() {
        // Squares 25 and 0, and 9 and 16 (divided by their length: 0.4903 and 0.8716).
        let (student, teacher) = ([3.0, 4.0, 0.0, 0.0], [3.0, 0.0, 0.0, -4.0]);
        let mut gradient = [0.0; 4];
        let loss = attention_loss(&student, &teacher, 2, 1.0, &mut gradient);
        let length = 337f64.sqrt();
        let expected = f64::midpoint((1.0 - 9.0 / length).powi(2), (16.0 / length).powi(2));
        assert!((loss - expected).abs() < 1e-9, "{loss}");
        // A patch without features has no slope, and a map of one patch cannot grow.
        assert!(gradient.iter().all(|slope| slope.abs() < 1e-9), "{gradient:?}");
        assert!(attention_loss(&student, &student, 2, 1.0, &mut gradient).abs() < 1e-12);
    }

    #[test]
    fn the_gradient_is_the_slope() {
        let wave = |at: usize, phase: f64| ((at as f64 * 1.3 + phase).sin() + 0.3) as f32;
        let mut student: Vec<f32> = (0..12).map(|at| wave(at, 0.0)).collect();
        let teacher: Vec<f32> = (0..12).map(|at| wave(at, 2.0)).collect();
        let mut gradient = vec![0.0; 12];
        attention_loss(&student, &teacher, 3, 5.0, &mut gradient);
        for at in 0..12 {
            let before = student[at];
            let mut of = |value: f32| {
                student[at] = value;
                5.0 * attention_loss(&student, &teacher, 3, 5.0, &mut [0.0; 12])
            };
            let (above, below) = (of(before + 1e-2), of(before - 1e-2));
            let slope = (above - below) / f64::from((before + 1e-2) - (before - 1e-2));
            of(before);
            let got = f64::from(gradient[at]);
            assert!((got - slope).abs() < 1e-3 * (1.0 + slope.abs()), "{at}: {got}, {slope}");
        }
    }
}
