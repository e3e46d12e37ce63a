//! Attention blocking (after Subramanya et al. 2022, "Backdoor attacks on vision transformers"): the square to which most attention goes is
//! hidden, and the image is classified again. The authors weight the attention by gradients; here its roll-out is taken as it is.

use shared::{Rgb8, settings::BlockedBy};

use super::{Asked, Images, Verdict, Verdicts};
use crate::{
    EngineError,
    compute::{Device as _, Encode, Params},
    defence::window::heaviest,
    eval::{Reconstructor, predictions},
    parallel::in_parallel,
    run::defence::{Defence, classifier::Classifier},
    stop::Watch as _,
    train::report::Reporter,
};

/// The models that block.
struct Blocker<'a> {
    looker: &'a dyn Encode,
    /// Where the square is restored.
    restorer: Option<Reconstructor>,
    size: usize,
}

impl Blocker<'_> {
    /// The image without the square to which most attention goes.
    fn blocked(&self, image: &Rgb8) -> Result<Rgb8, EngineError> {
        let patch = self.looker.spec().patch_size as usize;
        let columns = image.width() / patch;
        let size = self.size.min(columns);
        let (left, top) = heaviest(&self.looker.roll_out(image)?, columns, size);
        let inside = |column: usize, row: usize| {
            (left..left + size).contains(&column) && (top..top + size).contains(&row)
        };
        match &self.restorer {
            Some(restorer) => {
                let hidden: Vec<bool> =
                    (0..columns * columns).map(|at| inside(at % columns, at / columns)).collect();
                restorer.restore(image, &hidden)
            }
            None => Ok(Rgb8::from_fn(image.width(), image.height(), |x, y| {
                if inside(x / patch, y / patch) { [0; 3] } else { image.pixel(x, y) }
            })),
        }
    }
}

impl Defence<'_> {
    /// The score is by how much the share of the votes for the predicted class falls; an image is flagged when its class changes.
    pub(super) fn blocked(
        &self,
        asked: &Asked<'_>,
        params: Params,
        report: &mut Reporter<'_>,
    ) -> Result<Verdicts, EngineError> {
        let (run, settings) = (self.run, &self.run.order.settings);
        // Only the processor tells what an encoder attends to.
        let looker = run.machine.cpu(settings.precision).encoder(self.encoder.spec(), params)?;
        let restorer = match settings.defence.blocked_by {
            BlockedBy::Black => None,
            BlockedBy::Restored => Some(self.restorer()?),
        };
        let blocker = Blocker { looker: &*looker, restorer, size: settings.defence.block as usize };
        let verdicts = asked.of_each(|images, votes| {
            self.without_square(&blocker, asked.classifier, (images, votes), report)
        });
        Ok((None, verdicts?))
    }

    fn without_square(
        &self,
        blocker: &Blocker<'_>,
        classifier: &Classifier<'_>,
        (images, votes): (Images<'_>, &[f32]),
        report: &mut Reporter<'_>,
    ) -> Result<Vec<Verdict>, EngineError> {
        let (classes, threads) = (self.pixels.classes.len(), self.run.machine.threads());
        let mut blocked = Vec::with_capacity(images.count);
        let at_once = 8 * threads.max(1);
        while blocked.len() < images.count {
            let done = blocked.len();
            let next = at_once.min(images.count - done);
            blocked.extend(in_parallel(next, threads, |i| {
                blocker.blocked(&self.seen(images, done + i)?)
            })?);
            report.progress("blocking squares", blocked.len() as u64, images.count as u64);
            report.intact()?;
        }
        let image = |i: usize| Ok(blocked[i].clone());
        let rows = self.features(images.count, &image, "features (blocked)", report)?;
        let after = classifier.votes(&rows, classes)?;
        let (was, now) = (predictions(votes, classes), predictions(&after, classes));
        let verdict = |i: usize| {
            let of = |votes: &[f32], class: u32| share(&votes[i * classes..][..classes], class);
            let fall = was[i].map_or(0.0, |class| of(votes, class) - of(&after, class));
            Verdict { score: fall, flagged: now[i] != was[i], class: now[i] }
        };
        Ok((0..images.count).map(verdict).collect())
    }
}

/// A class's share of the votes; 0 where there are none.
fn share(votes: &[f32], class: u32) -> f64 {
    let all: f64 = votes.iter().map(|&votes| f64::from(votes)).sum();
    if all > 0.0 { f64::from(votes[class as usize]) / all } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use shared::settings::{ModelSpec, Precision, TransformerSpec};

    use super::*;
    use crate::{compute::Machine, model::mae};

    #[test]
    fn one_square_is_black() {
        let transformer = TransformerSpec { dim: 16, depth: 2, heads: 2 };
        let spec =
            ModelSpec { image_size: 16, patch_size: 4, encoder: transformer, decoder: transformer };
        let machine = Machine::with_threads(1);
        let looker =
            machine.cpu(Precision::F32).encoder(&spec, Params::draw(mae(&spec), 3)).unwrap();
        let image = Rgb8::from_fn(16, 16, |x, y| [100 + x as u8, 100 + y as u8, 99]);
        for (size, black) in [(1, 16), (2, 64), (9, 256)] {
            let blocker = Blocker { looker: &*looker, restorer: None, size };
            let blocked = blocker.blocked(&image).unwrap();
            let at: Vec<usize> =
                (0..256).filter(|at| blocked.pixel(at % 16, at / 16) == [0; 3]).collect();
            assert_eq!(at.len(), black);
            let corner = [at[0] % 16, at[0] / 16];
            assert!(corner.iter().all(|at| at.is_multiple_of(4)), "whole patches");
        }
    }

    #[test]
    fn shares_of_votes_by_hand() {
        assert!((share(&[1.0, 3.0], 1) - 0.75).abs() < 1e-12);
        assert!(share(&[0.0, 0.0], 1).abs() < 1e-12);
        assert!(share(&[f32::NAN, 1.0], 1).abs() < 1e-12);
    }
}
