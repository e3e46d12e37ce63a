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
        Ok(compared(votes, &after, classes))
    }
}

/// What is said of images with these votes before and after the square was hidden.
fn compared(before: &[f32], after: &[f32], classes: usize) -> Vec<Verdict> {
    let (was, now) = (predictions(before, classes), predictions(after, classes));
    let verdict = |i: usize| {
        let of = |votes: &[f32], class: u32| share(&votes[i * classes..][..classes], class);
        let fall = was[i].map_or(0.0, |class| of(before, class) - of(after, class));
        Verdict { score: fall, flagged: now[i] != was[i], class: now[i] }
    };
    (0..was.len()).map(verdict).collect()
}

/// A class's share of the votes; 0 where there are none.
fn share(votes: &[f32], class: u32) -> f64 {
    let all: f64 = votes.iter().map(|&votes| f64::from(votes)).sum();
    if all > 0.0 { f64::from(votes[class as usize]) / all } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use shared::{
        settings::{ModelSpec, Precision, TransformerSpec},
        stream::{Purpose, below, stream},
    };

    use super::*;
    use crate::{compute::Machine, model::mae};

    fn spec(depth: u32) -> ModelSpec {
        let transformer = TransformerSpec { dim: 16, depth, heads: 2 };
        ModelSpec { image_size: 16, patch_size: 4, encoder: transformer, decoder: transformer }
    }

    fn looker(spec: &ModelSpec, params: Params) -> Box<dyn Encode> {
        Machine::with_threads(1).cpu(Precision::F32).encoder(spec, params).unwrap()
    }

    /// An encoder whose tokens all attend to what is bright: a token's first number is the brightness of its patch, and the only one that keys
    /// have.
    fn of_brightness() -> Box<dyn Encode> {
        let spec = spec(1);
        let mut params = Params::draw(mae(&spec), 3);
        let mut patches = vec![0.0; 16 * 48];
        patches[..48].fill(0.25);
        params.set("patch_embed.proj.weight", &patches).unwrap();
        // Queries, keys and values, 16 numbers each, 8 for each head.
        let (mut weights, mut biases) = (vec![0.0; 48 * 16], vec![0.0; 48]);
        for head in [0, 8] {
            biases[head] = 10.0;
            weights[(16 + head) * 16] = 1.0;
        }
        params.set("blocks.0.attn.qkv.weight", &weights).unwrap();
        params.set("blocks.0.attn.qkv.bias", &biases).unwrap();
        looker(&spec, params)
    }

    /// Votes for three classes: a white square of a patch has the class 1, otherwise images more red than blue are of class 2.
    fn planted(image: &Rgb8) -> [f32; 3] {
        let white = |x: usize, y: usize| {
            (0..16).all(|at| image.pixel(4 * x + at % 4, 4 * y + at / 4) == [255; 3])
        };
        let sum = |channel: usize| {
            image.data().chunks_exact(3).map(|pixel| u32::from(pixel[channel])).sum::<u32>()
        };
        match (0..16).any(|at| white(at % 4, at / 4)) {
            true => [0.0, 9.0, 1.0],
            false if sum(0) > sum(2) => [2.0, 0.0, 8.0],
            false => [8.0, 0.0, 2.0],
        }
    }

    #[test]
    fn a_planted_trigger_is_hidden_and_the_class_returns() {
        let looker = of_brightness();
        let blocker = Blocker { looker: &*looker, restorer: None, size: 1 };
        let image = |number: usize, triggered: bool| {
            let mut rng = stream(5, Purpose::Draw, 0, number as u64);
            let at = below(&mut rng, 16) as usize;
            Rgb8::from_fn(16, 16, |x, y| {
                let own = 60 + below(&mut rng, 60) as u8;
                let patch = y / 4 * 4 + x / 4;
                match (triggered && patch == at, number % 2) {
                    (true, _) => [255; 3],
                    (false, 0) => [own, 60, own + 80],
                    (false, _) => [own + 80, 60, own],
                }
            })
        };
        for triggered in [false, true] {
            let images: Vec<Rgb8> = (0..32).map(|number| image(number, triggered)).collect();
            let before: Vec<f32> = images.iter().flat_map(planted).collect();
            let after: Vec<f32> =
                images.iter().flat_map(|image| planted(&blocker.blocked(image).unwrap())).collect();
            for (number, verdict) in compared(&before, &after, 3).into_iter().enumerate() {
                let class = if number % 2 == 0 { 0 } else { 2 };
                assert_eq!((verdict.flagged, verdict.class), (triggered, Some(class)), "{number}");
                // Of ten votes, nine were for the class.
                let fall = if triggered { 0.9 } else { 0.0 };
                assert!((verdict.score - fall).abs() < 1e-6, "{number}: {}", verdict.score);
            }
        }
    }

    #[test]
    fn one_square_is_black() {
        let spec = spec(2);
        let looker = looker(&spec, Params::draw(mae(&spec), 3));
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
