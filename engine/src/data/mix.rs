//! Mixing of a batch's images: mixup (Zhang et al. 2018) and `CutMix` (Yun et al. 2019), in timm's batch mode: one draw for the
//! whole batch, each image with the one at the other end.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};
use shared::{
    settings::FinetuneSpec,
    stream::{below, uniform},
};

use super::augment::CropBox;

/// How a batch is mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    /// Share of an image's own label, and with mixup of its own pixels.
    pub lambda: f64,
    /// With `CutMix`, the part that comes from the other image.
    pub cut: Option<CropBox>,
}

impl Mix {
    /// Leaves a batch as it is.
    pub const NONE: Self = Self { lambda: 1.0, cut: None };

    /// Draws by the recipe for images of `side` x `side` pixels.
    pub fn draw(recipe: &FinetuneSpec, side: usize, rng: &mut ChaCha8Rng) -> Self {
        let (mixup, cutmix) = (recipe.mixup > 0.0, recipe.cutmix > 0.0);
        let mut chance = |probability: f64| f64::from(uniform(rng)) < probability;
        if !(mixup || cutmix) || !chance(recipe.mix_probability) {
            return Self::NONE;
        }
        let cut = cutmix && (!mixup || chance(recipe.switch_probability));
        let alpha = if cut { recipe.cutmix } else { recipe.mixup };
        let beta = Beta::new(alpha, alpha).expect("alpha is above 0");
        let lambda = beta.sample(rng);
        if !cut {
            return Self { lambda, cut: None };
        }
        let (x, y) = (below(rng, side as u32) as usize, below(rng, side as u32) as usize);
        Self::around(lambda, x, y, side)
    }

    /// `CutMix` around a pixel: a square of `1 - lambda` of the area, cut off at the edges. Its share of the label is that of the
    /// pixels that stay.
    pub fn around(lambda: f64, x: usize, y: usize, side: usize) -> Self {
        let half = (side as f64 * (1.0 - lambda).sqrt()) as usize / 2;
        let reach = |centre: usize| (centre.saturating_sub(half), (centre + half).min(side));
        let ((left, right), (top, bottom)) = (reach(x), reach(y));
        let cut = CropBox { x: left, y: top, width: right - left, height: bottom - top };
        let lambda = 1.0 - (cut.width * cut.height) as f64 / (side * side) as f64;
        Self { lambda, cut: Some(cut) }
    }

    /// Mixes a batch `(images, 3, side, side)` in place.
    pub fn apply(&self, planes: &mut [f32], side: usize) {
        let length = 3 * side * side;
        let images = planes.len() / length;
        for i in 0..images / 2 {
            let (front, back) = planes.split_at_mut((images - 1 - i) * length);
            self.apply_pair(&mut front[i * length..][..length], &mut back[..length], side);
        }
    }

    fn apply_pair(&self, one: &mut [f32], other: &mut [f32], side: usize) {
        let Some(cut) = self.cut else {
            if self.lambda < 1.0 {
                let (own, rest) = (self.lambda as f32, (1.0 - self.lambda) as f32);
                for (a, b) in one.iter_mut().zip(other) {
                    (*a, *b) = (*a * own + *b * rest, *b * own + *a * rest);
                }
            }
            return;
        };
        for row in
            (0..3).flat_map(|plane| (cut.y..cut.y + cut.height).map(move |y| plane * side + y))
        {
            let part = row * side + cut.x..row * side + cut.x + cut.width;
            one[part.clone()].swap_with_slice(&mut other[part]);
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::stream::{Purpose, stream};

    use super::*;

    fn batch(images: usize) -> Vec<f32> {
        (0..images).flat_map(|i| std::iter::repeat_n(i as f32, 3 * 16)).collect()
    }

    #[test]
    fn mixup_by_hand() {
        let mut planes = batch(3);
        Mix { lambda: 0.75, cut: None }.apply(&mut planes, 4);
        for (image, want) in planes.chunks(48).zip([0.5, 1.0, 1.5]) {
            assert!(image.iter().all(|value| (value - want).abs() < 1e-6), "{want}: {image:?}");
        }
    }

    #[test]
    fn cutmix_by_hand() {
        // A quarter of the area is a square of 2 px: rows and columns 1 and 2, around pixel (2, 2).
        let mix = Mix::around(0.75, 2, 2, 4);
        assert_eq!(mix.cut, Some(CropBox { x: 1, y: 1, width: 2, height: 2 }));
        let mut planes = batch(2);
        mix.apply(&mut planes, 4);
        for channel in 0..3 {
            assert_eq!(planes[channel * 16..][..8], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
            assert_eq!(planes[48 + channel * 16..][..8], [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
        }
        // At the corner only a quarter of the square is inside, and the label follows.
        assert!((Mix::around(0.75, 0, 0, 4).lambda - 15.0 / 16.0).abs() < 1e-12);
    }

    #[test]
    fn draws_follow_the_recipe() {
        let draws = |recipe: FinetuneSpec| {
            let mut rng = stream(1, Purpose::Mix, 0, 0);
            (0..2000).map(|_| Mix::draw(&recipe, 8, &mut rng)).collect::<Vec<_>>()
        };
        let off = FinetuneSpec::default();
        assert!(draws(off).iter().all(|&mix| mix == Mix::NONE));
        let both = FinetuneSpec { mixup: 0.8, cutmix: 1.0, mix_probability: 0.6, ..off };
        let mixes = draws(both);
        let share = |which: &dyn Fn(&Mix) -> bool| {
            mixes.iter().filter(|mix| which(mix)).count() as f64 / mixes.len() as f64
        };
        assert!((share(&|mix| *mix == Mix::NONE) - 0.4).abs() < 0.05);
        assert!((share(&|mix| mix.cut.is_some()) - 0.3).abs() < 0.05);
        assert!(mixes.iter().all(|mix| (0.0..=1.0).contains(&mix.lambda)));
        let only = FinetuneSpec { cutmix: 1.0, ..off };
        assert!(draws(only).iter().all(|mix| mix.cut.is_some()));
    }
}
