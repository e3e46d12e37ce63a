//! A detector of backdoored encoders: DECREE. It has clean images without labels, and knows neither the trigger nor the training set.

use sha2::{Digest, Sha256};
use shared::{
    Rgb8,
    metric::{Judgement, OfEncoder},
    settings::Precision,
};

use super::{Defence, EpochSaid, Said, SearchSaid};
use crate::{
    EngineError, checkpoint,
    compute::{Params, cpu::PixelGradient},
    data::augment::eval_transform,
    decode::encode_png,
    defence::decree::{ALIKE, Decree, Embed, Epoch, Inverted, Smallest},
    files,
    hash::hex,
    run::inverted::searched_on,
    stop::Watch as _,
    train::report::Reporter,
};

/// Images of a step, as the authors take for CIFAR-10.
const BATCH: usize = 128;
/// Epochs between two lines of the log.
const TOLD: usize = 50;

struct Encoder {
    model: PixelGradient,
    width: usize,
}

impl Embed for Encoder {
    fn features(&mut self, planes: &[f32]) -> Vec<f32> {
        self.model.features(planes)
    }

    fn pixel_gradient(&mut self, dfeatures: &[f32]) -> Vec<f32> {
        self.model.pixel_gradient(dfeatures)
    }

    fn width(&self) -> usize {
        self.width
    }
}

impl Defence<'_> {
    /// Searches for the smallest trigger that makes all features alike, in single precision on the processor.
    pub(super) fn encoder_detector(
        &self,
        params: Params,
        report: &mut Reporter<'_>,
    ) -> Result<Said, EngineError> {
        let settings = &self.run.order.settings;
        let (spec, seed, side) = (&settings.defence, settings.seed, self.pixels.side);
        let chosen = searched_on(settings, self.pixels.test.len());
        let images: Vec<Rgb8> = chosen
            .iter()
            .map(|&i| Ok(eval_transform(&*self.pixels.test[i].image()?, side)))
            .collect::<Result<_, EngineError>>()?;
        let cpu = self.run.machine.cpu(Precision::F32);
        let model = PixelGradient::new(cpu, self.encoder.spec(), params)?;
        let mut encoder = Encoder { model, width: self.encoder.width() };
        let (epochs, centred) = (spec.search_epochs as usize, spec.subtract_mean);
        let method = Decree { side, batch: BATCH, epochs, centred, seed };
        let mut lines = Vec::new();
        let found = method.invert(&images, &mut encoder, |epoch, told| {
            if epoch % TOLD == 0 {
                lines.push(line(epoch, told));
            }
            report.progress("searching for a trigger", epoch as u64 + 1, epochs as u64);
            !report.stopped()
        })?;
        report.intact()?;
        for line in lines {
            report.log(line)?;
        }
        let trigger = found.smallest.as_ref().map(|smallest| encode_png(&picture(smallest, side)));
        if let Some(file) = &trigger {
            report.written(|| checkpoint::write(&self.run.folder.join(files::INVERTED), file))?;
        }
        let trigger = trigger.map(|file| hex(&Sha256::digest(file)));
        let encoder = Some(verdict(&found, spec.mask_limit));
        let judgement = Judgement { encoder, ..Judgement::default() };
        let epoch =
            |told: &Epoch| EpochSaid { cosine: told.cosine, pl1: told.share, weight: told.weight };
        Ok(Said {
            method: spec.method,
            judgement,
            clean_images: images.len(),
            search: Some(SearchSaid {
                limit: spec.mask_limit,
                cosine: found.smallest.as_ref().map(|smallest| smallest.cosine),
                trigger,
                epochs: found.epochs.iter().map(epoch).collect(),
            }),
            ..Said::default()
        })
    }
}

fn line(epoch: usize, told: &Epoch) -> String {
    let Epoch { cosine, share, weight } = told;
    format!(
        "search, epoch {}: mean cosine {cosine:.4}, trigger on {:.2} % of the image, weight {weight:.0e}",
        epoch + 1,
        100.0 * share
    )
}

/// What the search says of the encoder.
fn verdict(found: &Inverted, limit: f64) -> OfEncoder {
    let pl1 = found.smallest.as_ref().map(|smallest| smallest.share);
    let says = found.clean_cosine <= ALIKE;
    OfEncoder {
        clean_cosine: found.clean_cosine,
        pl1,
        flagged: says.then(|| pl1.is_some_and(|pl1| pl1 < limit)),
    }
}

/// The mask, bright where it replaces pixels, and beside it the trigger on black.
fn picture(smallest: &Smallest, side: usize) -> Rgb8 {
    let byte = |intensity: f64| (intensity * 255.0).round().clamp(0.0, 255.0) as u8;
    Rgb8::from_fn(2 * side, side, |x, y| {
        let at = y * side + x % side;
        let mask = smallest.mask[at];
        if x < side {
            return [byte(mask); 3];
        }
        [0, 1, 2].map(|channel| byte(mask * smallest.pattern[channel * side * side + at]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_by_hand() {
        let of = |clean_cosine: f64, share: Option<f64>| {
            let smallest = share.map(|share| Smallest {
                share,
                cosine: 1.0,
                mask: Vec::new(),
                pattern: Vec::new(),
            });
            verdict(&Inverted { clean_cosine, smallest, epochs: Vec::new() }, 0.1).flagged
        };
        assert_eq!(of(0.5, Some(0.09)), Some(true));
        assert_eq!(of(0.5, Some(0.1)), Some(false));
        assert_eq!(of(0.5, None), Some(false));
        assert_eq!(of(0.995, None), None);
    }

    #[test]
    fn the_picture_by_hand() {
        let smallest = Smallest {
            share: 0.25,
            cosine: 1.0,
            mask: vec![1.0, 0.0, 0.0, 0.5],
            pattern: vec![1.0, 1.0, 1.0, 0.2, 0.0, 1.0, 1.0, 0.4, 0.5, 1.0, 1.0, 0.6],
        };
        let drawn = picture(&smallest, 2);
        assert_eq!((drawn.width(), drawn.height()), (4, 2));
        assert_eq!(
            [drawn.pixel(0, 0), drawn.pixel(1, 0), drawn.pixel(1, 1)],
            [[255; 3], [0; 3], [128; 3]]
        );
        assert_eq!([drawn.pixel(2, 0), drawn.pixel(3, 1)], [[255, 0, 128], [26, 51, 77]]);
    }
}
