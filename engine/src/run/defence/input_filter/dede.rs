//! `DeDe`: images that a decoder does not redraw from their embedding. The decoder is the judged autoencoder's own, or one that is trained on the judged
//! encoder's embeddings.

use std::ops::Range;

use rayon::prelude::*;
use shared::{
    Rgb8, RunKind,
    patches::{random_order, visible_count},
    settings::{DECODER_BATCH, DecodedFrom},
};

use super::{Asked, Images, Verdicts};
use crate::{
    EngineError,
    compute::{
        Descend, MaskedBatch, Params,
        cpu::{DecoderTrainer, EmbeddedBatch, MaeParts, Redrawn, decoder_trainer},
    },
    data::{DataError, augment::eval_transform},
    defence::patch_processing,
    model::{PatchGrid, embedding_decoder, plain_groups},
    run::{defence::Defence, strips::Drawn},
    train::{
        batches::{Batch, Batches},
        features::features,
        fit::{Course, fit_beside},
        poisons::AttackedSet,
        report::Reporter,
        schedule::Schedule,
    },
};

/// Share of the patches that a random mask of the own decoder's second form hides: that of MAE's pre-training.
const HIDDEN: f64 = 0.75;
/// Adam's moments and weight decay in the authors' training of a decoder.
const BETAS: (f64, f64) = (0.9, 0.999);
const WEIGHT_DECAY: f64 = 1e-6;

/// What `DeDe` says, and what its decoder makes of the images that are shown.
type Decoded = (Verdicts, [Vec<Drawn>; 2]);

impl From<Redrawn> for Drawn {
    fn from(redrawn: Redrawn) -> Self {
        Self {
            map: redrawn.errors,
            structure: Vec::new(),
            label: Vec::new(),
            restored: Vec::new(),
            picture: redrawn.picture,
        }
    }
}

impl Defence<'_> {
    /// `DeDe` with the judged autoencoder's own decoder: how badly it decodes an image from its embedding, or from some of its patches; and what it
    /// makes of the images that are shown.
    pub(super) fn decoded(
        &self,
        asked: &Asked<'_>,
        parts: &MaeParts,
        report: &mut Reporter<'_>,
    ) -> Result<Decoded, EngineError> {
        let normalised = self.run.encoder()?.2.norm_pix_loss;
        let verdicts = self.scored(asked, "DeDe", report, |images, at| {
            self.decoding_errors(parts, normalised, images, at)
        })?;
        let drawn = shown(asked, |images, place| self.redrawn(parts, normalised, images, place))?;
        Ok((verdicts, drawn))
    }

    /// `DeDe` as published: a decoder is trained to redraw the training images from their embeddings, and then how badly it redraws an
    /// image from its embedding alone; and what it makes of the images that are shown.
    pub(super) fn decoded_by_trained(
        &self,
        asked: &Asked<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<Decoded, EngineError> {
        let trainer = self.trained_decoder(report)?;
        let (decoder, cpu) =
            (trainer.view(), self.run.machine.cpu(self.run.order.settings.precision));
        let verdicts = self.scored(asked, "DeDe", report, |images, at| {
            let seen = |i: usize| self.seen(images, at.start + i);
            let embeddings = features(self.encoder, at.len(), &seen, "embeddings", &mut ())?;
            Ok(decoder.errors(cpu, &embeddings, seen)?)
        })?;
        let drawn = shown(asked, |images, place| {
            let seen = |_: usize| self.seen(images, place);
            let embedding = features(self.encoder, 1, &seen, "embeddings", &mut ())?;
            Ok(decoder.redrawn(cpu, &seen(0)?, &embedding).into())
        })?;
        Ok((verdicts, drawn))
    }

    /// A decoder that is trained on the training images and the poisons among the neighbours, without their labels. The encoder stays as it is,
    /// so each image is embedded once.
    fn trained_decoder(
        &self,
        report: &mut Reporter<'_>,
    ) -> Result<Box<DecoderTrainer>, EngineError> {
        let settings = &self.run.order.settings;
        let spec = &settings.defence;
        let set = AttackedSet::new(self.pixels, self.poisons)?;
        let image = |i: usize| Ok(eval_transform(&*set.image(i)?, self.pixels.side));
        let embeddings = self.features(set.len(), &image, "embeddings (decoder)", report)?;
        let (model, width) = (settings.model.embedding_decoder(), self.encoder.width());
        let layout = embedding_decoder(&model, width);
        let descend = Descend {
            betas: BETAS,
            weight_decay: WEIGHT_DECAY,
            groups: plain_groups(&layout),
            accumulate: 1,
            clip_norm: 0.0,
        };
        let params = Params::draw(layout, settings.seed);
        let cpu = self.run.machine.cpu(settings.precision);
        let mut trainer = decoder_trainer(cpu, (&model, width), params, &descend)?;
        let samples = set.len();
        let size = samples.min(DECODER_BATCH as usize);
        let batches = Batches { samples, size, epochs: spec.decoder_epochs, seed: settings.seed };
        // The authors' rate is constant.
        let peak = Schedule::new(spec.decoder_lr, 0.0, size as u32, 0, spec.decoder_epochs).peak;
        let epochs = f64::from(spec.decoder_epochs);
        let schedule = Schedule { peak, floor: peak, warmup: 0.0, epochs };
        let course = Course { phase: RunKind::Defence, batches, accumulate: 1, schedule };
        let training = Training {
            image: &image,
            embeddings: &embeddings,
            width,
            grid: PatchGrid::of(&model),
            mask_ratio: spec.decoder_mask_ratio,
            seed: settings.seed,
        };
        let make = |batch: &Batch| training.batch(batch);
        fit_beside(&course, &mut *trainer, make, "training the decoder", report)?;
        Ok(trainer)
    }

    /// Redraws an image with the judged autoencoder's decoder, from the same input as its score.
    fn redrawn(
        &self,
        parts: &MaeParts,
        normalised: bool,
        images: Images<'_>,
        place: usize,
    ) -> Result<Drawn, EngineError> {
        let image = self.seen(images, place)?;
        let redrawn = match self.run.order.settings.defence.decoded_from {
            DecodedFrom::Embedding => parts.redrawn_from_embedding(&image, normalised),
            DecodedFrom::Patches => {
                let masks = self.run.order.settings.defence.masks as usize;
                let visible = visible_count(parts.grid().count(), HIDDEN);
                let orders: Vec<Vec<u32>> =
                    (0..masks).map(|mask| self.order(parts, images, place, mask)).collect();
                parts.redrawn_hidden(&image, &orders, visible, normalised)
            }
        };
        Ok(redrawn.into())
    }

    /// The order of an image's patches under one of the masks of the own decoder's second form, the visible ones first.
    fn order(&self, parts: &MaeParts, images: Images<'_>, place: usize, mask: usize) -> Vec<u32> {
        let (patches, seed) = (parts.grid().count(), self.run.order.settings.seed);
        patch_processing::order(patches, seed, mask, images.first + place)
    }

    /// The mean squared errors of the images in `at`, as the own decoder redraws them.
    fn decoding_errors(
        &self,
        parts: &MaeParts,
        normalised: bool,
        images: Images<'_>,
        at: Range<usize>,
    ) -> Result<Vec<f64>, EngineError> {
        let spec = &self.run.order.settings.defence;
        let n = at.len();
        if spec.decoded_from == DecodedFrom::Embedding {
            return Ok(parts.embedding_errors(n, normalised, |i| self.seen(images, at.start + i))?);
        }
        let masks = spec.masks as usize;
        let visible = visible_count(parts.grid().count(), HIDDEN);
        let errors = parts.hidden_errors(n * masks, visible, normalised, |k| {
            let place = at.start + k / masks;
            let order = self.order(parts, images, place, k % masks);
            Ok::<_, EngineError>((self.seen(images, place)?, order))
        })?;
        Ok(errors.chunks(masks).map(|of| of.iter().sum::<f64>() / masks as f64).collect())
    }
}

/// What a decoder makes of the images that are shown, of each set.
fn shown(
    asked: &Asked<'_>,
    redrawn: impl Fn(Images<'_>, usize) -> Result<Drawn, EngineError>,
) -> Result<[Vec<Drawn>; 2], EngineError> {
    asked.of_each(|images, _| asked.shown.iter().map(|&place| redrawn(images, place)).collect())
}

/// What a decoder of embeddings is trained on.
struct Training<'a> {
    image: &'a (dyn Fn(usize) -> Result<Rgb8, DataError> + Sync),
    /// `(images, width)`
    embeddings: &'a [f32],
    width: usize,
    grid: PatchGrid,
    mask_ratio: f64,
    seed: u64,
}

impl Training<'_> {
    /// The images of a batch under random masks, as the authors have them: whole, neither cropped nor mirrored.
    fn batch(&self, batch: &Batch) -> Result<EmbeddedBatch, DataError> {
        let made = batch.samples.par_iter().map(|&sample| (self.image)(sample as usize));
        let images = made.collect::<Result<Vec<Rgb8>, DataError>>()?;
        let epoch = u64::from(batch.epoch);
        let order =
            |&sample: &u32| random_order(self.grid.count(), self.seed, epoch, u64::from(sample));
        let orders = batch.samples.iter().flat_map(order).collect();
        let row = |&sample: &u32| &self.embeddings[sample as usize * self.width..][..self.width];
        let embeddings = batch.samples.iter().flat_map(row).copied().collect();
        let masked =
            MaskedBatch { images, orders, ..MaskedBatch::new(self.grid, self.mask_ratio, false) };
        Ok(EmbeddedBatch { masked, embeddings })
    }
}
