//! BDMAE with the restorer that the study names: the judged autoencoder itself, or another one.

use shared::Rgb8;

use super::{Asked, Images, Verdict};
use crate::{
    EngineError,
    data::augment::eval_transform,
    defence::bdmae::{Bdmae, Models},
    eval::{Reconstructor, predictions},
    parallel::in_parallel,
    run::{
        defence::{Defence, classifier::Classifier},
        strips::Drawn,
    },
    stop::Watch as _,
    train::report::Reporter,
};

impl Defence<'_> {
    /// What BDMAE says of each image, and what it makes of those that are shown.
    pub(super) fn purified(
        &self,
        restorer: &Reconstructor,
        asked: &Asked<'_>,
        images: Images<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<(Vec<Verdict>, Vec<Drawn>), EngineError> {
        let machine = self.run.machine;
        let models = Restorers { defence: self, restorer, classifier: asked.classifier };
        let settings = &self.run.order.settings;
        let method = Bdmae::new(settings.model.patch_size as usize, settings.seed);
        let at_once = 4 * machine.threads().max(1);
        let (mut verdicts, mut kept) = (Vec::with_capacity(images.count), Vec::new());
        while verdicts.len() < images.count {
            let done = verdicts.len();
            let next = in_parallel(at_once.min(images.count - done), machine.threads(), |i| {
                let place = done + i;
                let number = (images.first + place) as u64;
                let said = method.purify(&(images.image)(place)?, number, &models)?;
                let verdict = Verdict {
                    score: said.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    flagged: said.after != said.before,
                    class: said.after,
                };
                let drawn = asked.shown.contains(&place).then_some(Drawn {
                    map: said.scores,
                    structure: said.structure,
                    label: said.label,
                    restored: said.hidden,
                    picture: said.image,
                });
                Ok::<_, EngineError>((verdict, drawn))
            })?;
            for (verdict, drawn) in next {
                verdicts.push(verdict);
                kept.extend(drawn);
            }
            report.progress("purifying images", verdicts.len() as u64, images.count as u64);
            report.intact()?;
        }
        Ok((verdicts, kept))
    }
}

/// The models that BDMAE asks.
struct Restorers<'a> {
    defence: &'a Defence<'a>,
    restorer: &'a Reconstructor,
    classifier: &'a Classifier<'a>,
}

impl Models for Restorers<'_> {
    type Error = EngineError;

    fn restored(&self, image: &Rgb8, masks: &[Vec<bool>]) -> Result<Vec<Rgb8>, EngineError> {
        masks.iter().map(|mask| self.restorer.restore(image, mask)).collect()
    }

    fn classes(&self, images: &[Rgb8]) -> Result<Vec<Option<u32>>, EngineError> {
        let Defence { encoder, pixels, .. } = self.defence;
        let seen = |i: usize| Ok(eval_transform(&images[i], pixels.side));
        let rows = encoder.features(0..images.len(), &seen)?;
        let classes = pixels.classes.len();
        Ok(predictions(&self.classifier.votes(&rows, classes)?, classes))
    }
}
