//! The parts of a masked autoencoder one by one: what defences ask of it beside features and predictions.

use shared::{Rgb8, settings::ModelSpec};

use super::{Cpu, Mae, MaskedImages};
use crate::{
    compute::{Params, patch_moments},
    data::augment::{normalise, to_image},
    model::PatchGrid,
    parallel::in_parallel,
};

/// Images that pass through at once on a thread.
pub(super) const CHUNK: usize = 32;

/// A masked autoencoder on the processor, with its tokens and with its decoder on its own.
pub struct MaeParts {
    mae: Mae,
    cpu: Cpu,
}

/// What a decoder makes of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Redrawn {
    /// Each patch as it is predicted, in the mean over its predictions; a patch that is never hidden is the image's own. Brightness and contrast
    /// that the model does not predict are those of the true patch.
    pub picture: Rgb8,
    /// Mean squared error of each patch in the space of the targets, in the mean over its predictions; 0 where there is none.
    pub errors: Vec<f64>,
}

/// An image with the order of its patches, the visible ones first.
pub type Ordered = (Rgb8, Vec<u32>);

impl MaeParts {
    /// The model with these parameters.
    pub fn new(cpu: Cpu, spec: &ModelSpec, params: Params) -> Self {
        Self { mae: Mae::new(spec, params), cpu }
    }

    /// The patch grid of its images.
    pub fn grid(&self) -> PatchGrid {
        self.mae.grid()
    }

    /// The encoder's tokens after the final norm, `(images, 1 + visible, width)`: CLS, then the visible patches in the order of the image.
    /// Hidden patches are not seen. `image` is asked for images `0..n`, from several threads; an image's tokens do not depend on the others.
    ///
    /// # Errors
    /// When an image cannot be made.
    pub fn tokens<E: Send>(
        &self,
        n: usize,
        visible: usize,
        image: impl Fn(usize) -> Result<Ordered, E> + Sync,
    ) -> Result<Vec<f32>, E> {
        let parts = self.chunks(n, visible, false, &image, |masked| {
            self.mae.encode(masked, self.mae.packed(self.cpu.kernels))
        })?;
        Ok(parts.concat())
    }

    /// The CLS features of the same images, `(images, width)`.
    ///
    /// # Errors
    /// When an image cannot be made.
    pub fn features<E: Send>(
        &self,
        n: usize,
        visible: usize,
        image: impl Fn(usize) -> Result<Ordered, E> + Sync,
    ) -> Result<Vec<f32>, E> {
        let parts = self.chunks(n, visible, false, &image, |masked| {
            self.mae.features(masked, self.cpu.kernels)
        })?;
        Ok(parts.concat())
    }

    /// The mean squared error of each image's hidden patches, as the decoder predicts them from the visible ones, in the space of the targets:
    /// patches normalised by their moments with `normalised`.
    ///
    /// # Errors
    /// When an image cannot be made.
    pub fn hidden_errors<E: Send>(
        &self,
        n: usize,
        visible: usize,
        normalised: bool,
        image: impl Fn(usize) -> Result<Ordered, E> + Sync,
    ) -> Result<Vec<f64>, E> {
        let parts = self.chunks(n, visible, normalised, &image, |masked| {
            let predicted = self.mae.predict(masked, self.cpu.kernels);
            errors(self.grid(), masked, &predicted)
        })?;
        Ok(parts.concat())
    }

    /// The mean squared error of all patches, as the decoder predicts them from the image's CLS token alone: it sees no other token, while the
    /// encoder sees the whole image. Errors are in the space of the targets, as for [`hidden_errors`](Self::hidden_errors).
    ///
    /// # Errors
    /// When an image cannot be made.
    pub fn embedding_errors<E: Send>(
        &self,
        n: usize,
        normalised: bool,
        image: impl Fn(usize) -> Result<Rgb8, E> + Sync,
    ) -> Result<Vec<f64>, E> {
        let patches = self.grid().count();
        let ordered = |i: usize| Ok((image(i)?, (0..patches as u32).collect()));
        let parts = self.chunks(n, patches, false, &ordered, |seen| {
            let (hidden, predicted) = self.decoded_from_cls(seen, normalised);
            errors(self.grid(), &hidden, &predicted)
        })?;
        Ok(parts.concat())
    }

    /// What the decoder makes of an image from its CLS token alone; the mean of the errors is that of
    /// [`embedding_errors`](Self::embedding_errors).
    pub fn redrawn_from_embedding(&self, image: &Rgb8, normalised: bool) -> Redrawn {
        let grid = self.grid();
        let whole: Vec<u32> = (0..grid.count() as u32).collect();
        let mut planes = vec![0.0; grid.image_len()];
        normalise(image, &mut planes);
        let mut seen = MaskedImages { visible: grid.count(), ..MaskedImages::default() };
        seen.push(grid, &planes, &whole, false);
        let (hidden, predicted) = self.decoded_from_cls(&seen, normalised);
        redrawn(grid, planes, &hidden, &predicted, normalised)
    }

    /// What the decoder makes of an image's patches where they are hidden. Each order has the `visible` ones first, as for
    /// [`hidden_errors`](Self::hidden_errors).
    pub fn redrawn_hidden(
        &self,
        image: &Rgb8,
        orders: &[Vec<u32>],
        visible: usize,
        normalised: bool,
    ) -> Redrawn {
        let grid = self.grid();
        let mut planes = vec![0.0; grid.image_len()];
        normalise(image, &mut planes);
        let mut masked = MaskedImages { visible, ..MaskedImages::default() };
        for order in orders {
            masked.push(grid, &planes, order, normalised);
        }
        let predicted = self.mae.predict(&masked, self.cpu.kernels);
        redrawn(grid, planes, &masked, &predicted, normalised)
    }

    /// How much of what distinguishes the second image of a pair from the first is in what the decoder predicts of the patches that the order hides, from
    /// the visible ones of each: `sum <p2 - p1, t2 - t1> / sum |t2 - t1|^2` over `n` pairs, with predictions `p` and targets `t` in the space of the targets.
    /// 1 if all of it is redrawn, 0 if nothing is; `None` where no hidden patch differs. `pair` is asked for pairs `0..n`, more than once.
    ///
    /// # Errors
    /// When an image cannot be made.
    pub fn change_redrawn<E: Send>(
        &self,
        n: usize,
        visible: usize,
        normalised: bool,
        pair: impl Fn(usize) -> Result<([Rgb8; 2], Vec<u32>), E> + Sync,
    ) -> Result<Option<f64>, E> {
        // A chunk has whole pairs.
        let image = |i: usize| {
            let ([first, second], order) = pair(i / 2)?;
            Ok((if i.is_multiple_of(2) { first } else { second }, order))
        };
        let parts = self.chunks(2 * n, visible, normalised, &image, |masked| {
            let predicted = self.mae.predict(masked, self.cpu.kernels);
            changes(self.grid(), masked, &predicted)
        })?;
        let (redrawn, all) =
            parts.into_iter().fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        Ok((all > 0.0).then(|| redrawn / all))
    }

    /// The images with every patch hidden, and the decoder's prediction of all of them from the CLS tokens alone.
    fn decoded_from_cls(&self, seen: &MaskedImages, normalised: bool) -> (MaskedImages, Vec<f32>) {
        let grid = self.grid();
        let cls = self.mae.features(seen, self.cpu.kernels);
        let whole: Vec<u32> = (0..grid.count() as u32).collect();
        let mut hidden = MaskedImages { visible: 0, ..MaskedImages::default() };
        let mut planes = vec![0.0; grid.image_len()];
        for pixels in seen.pixels.chunks_exact(grid.image_len()) {
            for (at, patch) in pixels.chunks_exact(grid.patch_len()).enumerate() {
                grid.write_planar(patch, at, &mut planes);
            }
            hidden.push(grid, &planes, &whole, normalised);
        }
        let predicted = self.mae.decode(&cls, &hidden, self.cpu.kernels);
        (hidden, predicted)
    }

    /// `work` of all images, a chunk after the other on each thread.
    fn chunks<T: Send, E: Send>(
        &self,
        n: usize,
        visible: usize,
        normalised: bool,
        image: &(impl Fn(usize) -> Result<Ordered, E> + Sync),
        work: impl Fn(&MaskedImages) -> T + Sync,
    ) -> Result<Vec<T>, E> {
        let grid = self.grid();
        in_parallel(n.div_ceil(CHUNK), self.cpu.threads, |chunk| {
            let mut masked = MaskedImages { visible, ..MaskedImages::default() };
            let mut planes = vec![0.0; grid.image_len()];
            for i in chunk * CHUNK..n.min((chunk + 1) * CHUNK) {
                let (image, order) = image(i)?;
                normalise(&image, &mut planes);
                masked.push(grid, &planes, &order, normalised);
            }
            Ok(work(&masked))
        })
    }
}

/// What predictions make of the image of these planes. `masked` has it once or more often, under other orders; predictions are of all patches,
/// the visible ones first.
pub(super) fn redrawn(
    grid: PatchGrid,
    mut planes: Vec<f32>,
    masked: &MaskedImages,
    predicted: &[f32],
    normalised: bool,
) -> Redrawn {
    let len = grid.patch_len();
    let hidden = grid.count() - masked.visible;
    let mut sums = vec![0.0; grid.image_len()];
    let (mut errors, mut times) = (vec![0.0; grid.count()], vec![0u32; grid.count()]);
    for (mask, predicted) in predicted.chunks_exact(grid.image_len()).enumerate() {
        let order = &masked.order_of(mask)[masked.visible..];
        let targets = masked.targets[mask * hidden * len..].chunks_exact(len);
        let predicted = predicted[masked.visible * len..].chunks_exact(len);
        for ((&patch, own), target) in order.iter().zip(predicted).zip(targets) {
            let patch = patch as usize;
            let squares = own.iter().zip(target).map(|(p, t)| f64::from(p - t).powi(2));
            errors[patch] += squares.sum::<f64>() / len as f64;
            times[patch] += 1;
            for (sum, &value) in sums[patch * len..][..len].iter_mut().zip(own) {
                *sum += f64::from(value);
            }
        }
    }
    let mut truth = Vec::with_capacity(len);
    for (patch, &times) in times.iter().enumerate().filter(|&(_, &times)| times > 0) {
        errors[patch] /= f64::from(times);
        truth.clear();
        grid.push_interleaved(&planes, patch, &mut truth);
        let (mean, deviation) = if normalised { patch_moments(&truth) } else { (0.0, 1.0) };
        let own = sums[patch * len..][..len].iter();
        let own: Vec<f32> =
            own.map(|sum| (sum / f64::from(times)) as f32 * deviation + mean).collect();
        grid.write_interleaved(&own, patch, &mut planes);
    }
    Redrawn { picture: to_image(&planes, grid.side), errors }
}

/// Of pairs of images under the same order: the sums of `<p2 - p1, t2 - t1>` and of `|t2 - t1|^2` over the hidden patches; predictions of all patches, the
/// visible ones first.
fn changes(grid: PatchGrid, masked: &MaskedImages, predicted: &[f32]) -> (f64, f64) {
    let hidden = (grid.count() - masked.visible) * grid.patch_len();
    let predicted = predicted.chunks_exact(2 * grid.image_len());
    let targets = masked.targets.chunks_exact((2 * hidden).max(1));
    let mut sums = (0.0, 0.0);
    for (predicted, targets) in predicted.zip(targets) {
        let (first, second) = predicted.split_at(grid.image_len());
        let own = |image: &[f32], at: usize| f64::from(image[grid.image_len() - hidden + at]);
        let (before, after) = targets.split_at(hidden);
        for (at, (before, after)) in before.iter().zip(after).enumerate() {
            let change = f64::from(after - before);
            sums.0 += (own(second, at) - own(first, at)) * change;
            sums.1 += change * change;
        }
    }
    sums
}

/// The mean squared error of the hidden patches of each image; predictions of all patches, the visible ones first.
pub(super) fn errors(grid: PatchGrid, masked: &MaskedImages, predicted: &[f32]) -> Vec<f64> {
    let hidden = (grid.count() - masked.visible) * grid.patch_len();
    let of_image = predicted.chunks_exact(grid.image_len());
    let targets = masked.targets.chunks_exact(hidden.max(1));
    of_image
        .zip(targets)
        .map(|(predicted, targets)| {
            let own = &predicted[grid.image_len() - hidden..];
            let squares = own.iter().zip(targets).map(|(p, t)| f64::from(p - t).powi(2));
            squares.sum::<f64>() / hidden as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Tensor};
    use shared::settings::TransformerSpec;

    use super::*;
    use crate::{
        compute::cpu::nn::{
            Composed,
            testing::{assert_close, numbers, single},
        },
        data::DataError,
    };

    const ENCODER: TransformerSpec = TransformerSpec { dim: 16, depth: 2, heads: 2 };
    const DECODER: TransformerSpec = TransformerSpec { dim: 8, depth: 1, heads: 2 };

    fn model() -> (ModelSpec, Params) {
        let spec = ModelSpec { image_size: 8, patch_size: 2, encoder: ENCODER, decoder: DECODER };
        let mut mae = Mae::drawn(&spec, 3);
        let noise = numbers(mae.params().values().len(), 0.1, 4);
        let values = mae.params_mut().values_mut();
        values.iter_mut().zip(noise).for_each(|(value, noise)| *value += noise);
        (spec, mae.params().clone())
    }

    fn image(i: usize) -> Rgb8 {
        Rgb8::from_fn(8, 8, |x, y| [(i * 31 + x * 17) as u8, (y * 29) as u8, (x * y * 3) as u8])
    }

    fn parts(threads: usize) -> MaeParts {
        let (spec, params) = model();
        MaeParts::new(Cpu { threads, kernels: single() }, &spec, params)
    }

    #[test]
    fn errors_from_the_embedding_agree_with_the_composed_model() {
        let (spec, params) = model();
        let (mae, w) =
            (Mae::new(&spec, params.clone()), Composed::new(&params, DType::F64).unwrap());
        let grid = mae.grid();
        let order: Vec<u32> = (0..16).collect();
        let (mut seen, mut hidden) =
            (MaskedImages::new(grid, 0.0), MaskedImages { visible: 0, ..MaskedImages::default() });
        let mut planes = vec![0.0; grid.image_len()];
        for i in 0..3 {
            normalise(&image(i), &mut planes);
            seen.push(grid, &planes, &order, false);
            hidden.push(grid, &planes, &order, true);
        }
        let cls = mae.composed_encode(&w, &seen).unwrap().narrow(1, 0, 1).unwrap();
        let predicted: Tensor =
            mae.composed_decode(&w, &cls.contiguous().unwrap(), &hidden).unwrap();
        let target = w.constant(&hidden.targets, (3, 16, 12)).unwrap();
        let squares = (predicted - target).unwrap().sqr().unwrap();
        let expected: Vec<f64> = squares.mean((1, 2)).unwrap().to_vec1().unwrap();
        let errors = parts(2).embedding_errors(3, true, |i| Ok::<_, DataError>(image(i))).unwrap();
        let got: Vec<f32> = errors.iter().map(|&error| error as f32).collect();
        assert_close(&got, &expected, 2e-5, "errors");
    }

    #[test]
    fn errors_of_hidden_patches_are_the_loss_of_pretraining() {
        let (spec, params) = model();
        let (mae, w) =
            (Mae::new(&spec, params.clone()), Composed::new(&params, DType::F64).unwrap());
        let order: Vec<u32> = (0..16).rev().collect();
        let mut masked = MaskedImages { visible: 4, ..MaskedImages::default() };
        let mut planes = vec![0.0; mae.grid().image_len()];
        normalise(&image(5), &mut planes);
        masked.push(mae.grid(), &planes, &order, true);
        let loss: f64 = mae.composed_loss(&w, &masked).unwrap().to_scalar().unwrap();
        let of = |i: usize| Ok::<_, DataError>((image(i), order.clone()));
        let errors = parts(2).hidden_errors(6, 4, true, of).unwrap();
        assert!((errors[5] - loss).abs() < 2e-5 * loss, "{} {loss}", errors[5]);
    }

    #[test]
    fn what_is_redrawn_has_the_errors_of_the_score() {
        let (parts, grid) = (parts(1), PatchGrid { side: 8, patch: 2 });
        let order: Vec<u32> = (0..16).map(|i| i * 7 % 16).collect();
        for normalised in [true, false] {
            let redrawn = parts.redrawn_from_embedding(&image(3), normalised);
            let of = |_: usize| Ok::<_, DataError>(image(3));
            let error = parts.embedding_errors(1, normalised, of).unwrap()[0];
            let mean = redrawn.errors.iter().sum::<f64>() / 16.0;
            assert!((mean - error).abs() < 1e-9 * error, "{mean} {error}");

            let redrawn =
                parts.redrawn_hidden(&image(3), std::slice::from_ref(&order), 4, normalised);
            let of = |_: usize| Ok::<_, DataError>((image(3), order.clone()));
            let error = parts.hidden_errors(1, 4, normalised, of).unwrap()[0];
            let mean = redrawn.errors.iter().sum::<f64>() / 12.0;
            assert!((mean - error).abs() < 1e-9 * error, "{mean} {error}");
            for y in 0..8 {
                for x in 0..8 {
                    let patch = (y / 2 * 4 + x / 2) as u32;
                    let hidden = order[4..].contains(&patch);
                    assert_eq!(redrawn.errors[patch as usize] > 0.0, hidden);
                    let own = image(3).pixel(x, y);
                    assert!(hidden || redrawn.picture.pixel(x, y) == own, "{x}, {y}");
                }
            }
            assert_ne!(redrawn.picture, image(3));

            // Two masks that predict the targets themselves, but for one number in one of them.
            let mut masked = MaskedImages { visible: 4, ..MaskedImages::default() };
            let mut planes = vec![0.0; grid.image_len()];
            normalise(&image(3), &mut planes);
            masked.push(grid, &planes, &order, normalised);
            masked.push(grid, &planes, &order, normalised);
            let targets = masked.targets.chunks_exact(12 * 12);
            let mut predicted: Vec<f32> =
                targets.flat_map(|of| vec![0.0; 4 * 12].into_iter().chain(of.to_vec())).collect();
            predicted[4 * 12] += 2.0;
            let redrawn = super::redrawn(grid, planes, &masked, &predicted, normalised);
            let wrong = order[4] as usize;
            for (patch, &error) in redrawn.errors.iter().enumerate() {
                // A squared error of 4 in one of twelve numbers and in one of two masks.
                let expected = if patch == wrong { 4.0 / 12.0 / 2.0 } else { 0.0 };
                assert!((error - expected).abs() < 1e-6, "{patch}: {error}");
            }
            let (left, top) = (wrong % 4 * 2, wrong / 4 * 2);
            let differs =
                |&(x, y): &(usize, usize)| redrawn.picture.pixel(x, y) != image(3).pixel(x, y);
            let places = (0..8).flat_map(|y| (0..8).map(move |x| (x, y)));
            assert!(places.filter(differs).all(|at| at == (left, top)));
        }
    }

    #[test]
    fn what_is_redrawn_of_a_change_by_hand() {
        let grid = PatchGrid { side: 8, patch: 2 };
        let order: Vec<u32> = (0..16).rev().collect();
        let mut masked = MaskedImages { visible: 4, ..MaskedImages::default() };
        let mut planes = vec![0.0; grid.image_len()];
        for i in [1, 2, 3, 3] {
            normalise(&image(i), &mut planes);
            masked.push(grid, &planes, &order, false);
        }
        let (hidden, seen) = (12 * 12, vec![0.0f32; 4 * 12]);
        let of = |image: usize| masked.targets[image * hidden..][..hidden].to_vec();
        let all: f64 = of(1).iter().zip(&of(0)).map(|(b, a)| f64::from(b - a).powi(2)).sum();
        let half: Vec<f32> = of(0).iter().zip(&of(1)).map(|(a, b)| 0.5 * (a + b)).collect();
        for (second, share) in [(of(1), 1.0), (of(0), 0.0), (half, 0.5)] {
            // Images that do not differ count nothing, whatever is predicted of them.
            let predicted = [of(0), second, of(2), of(0)];
            let predicted: Vec<f32> =
                predicted.iter().flat_map(|of| [&seen[..], of].concat()).collect();
            let (redrawn, changed) = changes(grid, &masked, &predicted);
            assert!((changed - all).abs() < 1e-9 * all, "{changed} {all}");
            assert!((redrawn - share * all).abs() < 1e-6 * all, "{redrawn} of {all}");
        }
    }

    #[test]
    fn what_is_redrawn_of_a_change_is_that_of_all_pairs() {
        let order: Vec<u32> = (0..16).map(|i| i * 7 % 16).collect();
        // More pairs than a chunk has.
        let pair = |i: usize| Ok::<_, DataError>(([image(i), image(2 * i + 1)], order.clone()));
        let shares = [1, 3].map(|threads| parts(threads).change_redrawn(40, 4, true, pair));
        let share = shares[0].as_ref().unwrap().unwrap();
        assert_eq!(shares[1].as_ref().unwrap(), &Some(share), "threads change nothing");
        let parts = parts(1);
        let mut sums = (0.0, 0.0);
        for i in 0..40 {
            let mut masked = MaskedImages { visible: 4, ..MaskedImages::default() };
            let mut planes = vec![0.0; parts.grid().image_len()];
            for image in pair(i).unwrap().0 {
                normalise(&image, &mut planes);
                masked.push(parts.grid(), &planes, &order, true);
            }
            let predicted = parts.mae.predict(&masked, single());
            let part = changes(parts.grid(), &masked, &predicted);
            sums = (sums.0 + part.0, sums.1 + part.1);
        }
        assert!((share - sums.0 / sums.1).abs() < 1e-5 * share.abs(), "{share} {sums:?}");
        let same = |i: usize| Ok::<_, DataError>(([image(i), image(i)], order.clone()));
        assert_eq!(parts.change_redrawn(3, 4, true, same).unwrap(), None);
    }

    #[test]
    fn tokens_of_all_patches_begin_with_the_features() {
        let (spec, params) = model();
        let mae = Mae::new(&spec, params);
        let order: Vec<u32> = (0..16).collect();
        let of = |i: usize| Ok::<_, DataError>((image(i), order.clone()));
        // More than a chunk.
        let tokens = [1, 3].map(|threads| parts(threads).tokens(40, 16, of).unwrap());
        assert_eq!(tokens[0], tokens[1]);
        let mut seen = MaskedImages::new(mae.grid(), 0.0);
        let mut planes = vec![0.0; mae.grid().image_len()];
        normalise(&image(37), &mut planes);
        seen.push(mae.grid(), &planes, &order, false);
        let features = mae.features(&seen, single());
        assert_eq!(tokens[0][37 * 17 * 16..][..16], features);
        // Of four patches alone, in any order up to rounding.
        let some = |order: [u32; 4]| {
            let rest = (0..16).filter(|at| !order.contains(at));
            let order: Vec<u32> = order.into_iter().chain(rest).collect();
            let of = |i: usize| Ok::<_, DataError>((image(i), order.clone()));
            parts(2).features(2, 4, of).unwrap()
        };
        let (one, other) = (some([3, 1, 9, 15]), some([15, 9, 3, 1]));
        assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-4));
        assert_ne!(one[..16], features);
    }
}
