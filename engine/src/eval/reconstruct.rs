//! What an MAE reconstructs from an image with hidden patches.

use std::path::Path;

use shared::{
    Rgb8,
    settings::{ModelSpec, Precision},
};

use crate::{
    EngineError,
    checkpoint::{self, CheckpointInfo},
    compute::{Device as _, Encode, Machine, MaskedBatch, patch_moments},
    data::augment::{MEAN, STD, normalise, to_image, to_intensity},
    model::PatchGrid,
};

/// An MAE ready to reconstruct.
pub struct Reconstructor {
    mae: Box<dyn Encode>,
    info: CheckpointInfo,
}

/// A reconstruction. A model that predicts normalised patches does not predict a patch's brightness and contrast; they are taken
/// from the true patch, as in MAE's own demonstration.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconstructed {
    /// The raw prediction of every patch.
    pub prediction: Rgb8,
    /// The image, with its hidden patches replaced by their prediction.
    pub pasted: Rgb8,
    /// Mean squared error of each patch, row by row, in squared intensities of 0–1.
    pub patch_error: Vec<f32>,
    /// Mean of `patch_error` over the hidden patches; 0 when none is hidden.
    pub hidden_error: f32,
}

impl Reconstructor {
    /// Reads the checkpoint of a pre-training.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no MAE with a decoder.
    pub fn open(checkpoint: &Path, machine: &Machine) -> Result<Self, EngineError> {
        let (params, info) = checkpoint::open(checkpoint)?;
        if !info.has_decoder {
            return Err(EngineError::Checkpoint {
                path: checkpoint.into(),
                reason: "it holds only an encoder, and reconstruction needs a decoder; linear probes can start from it".into(),
            });
        }
        let mae = machine.cpu(Precision::F32).encoder(&info.model, params)?;
        Ok(Self { mae, info })
    }

    /// The model's sizes.
    pub fn model(&self) -> &ModelSpec {
        self.mae.spec()
    }

    /// Reconstructs an image of the model's size; `hidden` has an entry for each patch, row by row.
    ///
    /// # Errors
    /// When the image or the mask does not fit the model.
    pub fn reconstruct(&self, image: &Rgb8, hidden: &[bool]) -> Result<Reconstructed, EngineError> {
        self.predicted(image, hidden, |_, truth| patch_moments(truth))
    }

    /// The image with its hidden patches restored from the visible ones alone: brightness and contrast that the model does not predict
    /// are means over the visible patches, weighted by the inverse of their squared distance. Nothing of a hidden patch is used.
    ///
    /// # Errors
    /// As for [`reconstruct`](Self::reconstruct).
    pub fn restore(&self, image: &Rgb8, hidden: &[bool]) -> Result<Rgb8, EngineError> {
        let grid = PatchGrid::of(self.mae.spec());
        let columns = (grid.side / grid.patch) as i64;
        let mut pixels = vec![0.0; grid.image_len()];
        normalise(image, &mut pixels);
        let visible: Vec<(usize, (f32, f32))> = (0..hidden.len())
            .filter(|&patch| !hidden[patch])
            .map(|patch| {
                let mut truth = Vec::with_capacity(grid.patch_len());
                grid.push_interleaved(&pixels, patch, &mut truth);
                (patch, patch_moments(&truth))
            })
            .collect();
        let place = |patch: usize| (patch as i64 % columns, patch as i64 / columns);
        let around = |patch: usize| {
            let (x, y) = place(patch);
            let mut sums = (0.0, 0.0, 0.0);
            for &(other, (mean, deviation)) in &visible {
                let (u, v) = place(other);
                let weight = 1.0 / ((x - u).pow(2) + (y - v).pow(2)).max(1) as f32;
                sums.0 += weight * mean;
                sums.1 += weight * deviation;
                sums.2 += weight;
            }
            // Without a visible patch: those of all images.
            if sums.2 > 0.0 { (sums.0 / sums.2, sums.1 / sums.2) } else { (0.0, 1.0) }
        };
        Ok(self.predicted(image, hidden, |patch, _| around(patch))?.pasted)
    }

    /// The prediction; `moments` are mean and deviation of a patch by its place and its true pixels, where the model predicts neither.
    fn predicted(
        &self,
        image: &Rgb8,
        hidden: &[bool],
        moments: impl Fn(usize, &[f32]) -> (f32, f32),
    ) -> Result<Reconstructed, EngineError> {
        let grid = PatchGrid::of(self.mae.spec());
        if (image.width(), image.height()) != (grid.side, grid.side) {
            let (side, width, height) = (grid.side, image.width(), image.height());
            return Err(EngineError::Order(format!(
                "the model takes images of {side} x {side} pixels, not {width} x {height}"
            )));
        }
        if hidden.len() != grid.count() {
            let (patches, got) = (grid.count(), hidden.len());
            return Err(EngineError::Order(format!("the mask has {patches} patches, not {got}")));
        }
        let mut pixels = vec![0.0; grid.image_len()];
        normalise(image, &mut pixels);
        let order =
            |want: bool| (0..hidden.len() as u32).filter(move |&i| hidden[i as usize] == want);
        let order: Vec<u32> = order(false).chain(order(true)).collect();
        let visible = hidden.iter().filter(|&&hidden| !hidden).count();
        let predictions = self.mae.predict(&MaskedBatch {
            images: vec![image.clone()],
            crops: Vec::new(),
            orders: order.clone(),
            visible,
            norm_pix_loss: false,
        })?;

        let mut predicted = vec![0.0; grid.image_len()];
        let mut pasted = pixels.clone();
        let mut patch_error = vec![0.0; grid.count()];
        for (&index, prediction) in order.iter().zip(predictions.chunks_exact(grid.patch_len())) {
            let index = index as usize;
            let mut truth = Vec::with_capacity(grid.patch_len());
            grid.push_interleaved(&pixels, index, &mut truth);
            let mut prediction = prediction.to_vec();
            if self.info.norm_pix_loss {
                let (mean, deviation) = moments(index, &truth);
                for value in &mut prediction {
                    *value = *value * deviation + mean;
                }
            }
            for (i, value) in prediction.iter_mut().enumerate() {
                *value = from_intensity(to_intensity(*value, i % 3).clamp(0.0, 1.0), i % 3);
            }
            patch_error[index] = squared_error(&prediction, &truth);
            grid.write_interleaved(&prediction, index, &mut predicted);
            if hidden[index] {
                grid.write_interleaved(&prediction, index, &mut pasted);
            }
        }
        let errors = patch_error.iter().zip(hidden).filter(|&(_, &hidden)| hidden);
        let hidden_count = (hidden.len() - visible).max(1) as f32;
        Ok(Reconstructed {
            hidden_error: errors.map(|(error, _)| error).sum::<f32>() / hidden_count,
            prediction: to_image(&predicted, grid.side),
            pasted: to_image(&pasted, grid.side),
            patch_error,
        })
    }
}

fn from_intensity(intensity: f32, channel: usize) -> f32 {
    (intensity - MEAN[channel]) / STD[channel]
}

/// Mean squared difference of two patches, pixel by pixel, in intensities.
fn squared_error(prediction: &[f32], truth: &[f32]) -> f32 {
    let pairs = prediction.iter().zip(truth).enumerate();
    let squares = pairs.map(|(i, (p, t))| ((p - t) * STD[i % 3]).powi(2));
    squares.sum::<f32>() / prediction.len() as f32
}
