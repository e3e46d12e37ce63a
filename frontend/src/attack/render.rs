//! What the preview shows: triggered images, and the numbers beside them.

use shared::{
    Rgb8, Settings, Trigger,
    image::{gain, largest_difference},
    metric::{Quality, Spread, Survival},
    patches::{any_visible, touched, visible_count},
    quality::quality,
    survival::{Views, survival},
};

use super::picture::Picture;

/// Most pixels of the images whose quality is measured: similarity takes time, and a slider moves.
const PIXELS: usize = 100_000;

/// Random views of each image that tell what training sees.
const VIEWS: u32 = 100;

/// An image with the trigger.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The image.
    pub triggered: Rgb8,
    /// The largest difference of a channel, in levels of 0–255.
    pub largest: u8,
    /// ViT patches, row by row, that the trigger changes; none if the patch does not divide the side.
    pub touched: Vec<bool>,
}

impl Drawn {
    /// Puts the trigger into an image of its side.
    pub fn of(image: &Rgb8, trigger: &Trigger, training: Training) -> Self {
        let triggered = trigger.applied(image);
        let touched = match training.patch as usize {
            patch if patch > 0 && trigger.side().is_multiple_of(patch) => {
                touched(image, &triggered, patch)
            }
            _ => Vec::new(),
        };
        Self { largest: largest_difference([(image, &triggered)]), touched, triggered }
    }
}

/// The preview of one trigger, in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// The largest difference of a channel of all images, in levels of 0–255.
    pub largest: u8,
    /// How visible the trigger is, by the first pictures.
    pub quality: Quality,
    /// ViT patches, row by row, that the trigger changes in at least one image.
    pub touched: Vec<bool>,
    /// Mean probability that the mask leaves at least one of the patches that the trigger changes, without a crop; `None` when it
    /// changes none.
    pub any_visible: Option<f64>,
    /// What pre-training sees of it; `None` when it changes nothing.
    pub survival: Option<Survival>,
}

impl Numbers {
    /// Counts what the images say together: the largest difference and the patches.
    pub fn count<'d>(&mut self, drawn: impl IntoIterator<Item = &'d Drawn>, training: Training) {
        self.largest = 0;
        self.touched.clear();
        let mut seen = Vec::new();
        for Drawn { largest, touched: here, .. } in drawn {
            self.largest = self.largest.max(*largest);
            self.touched.resize(here.len(), false);
            let changed = here.iter().filter(|&&touched| touched).count();
            if changed > 0 {
                let visible = visible_count(here.len(), training.mask_ratio);
                seen.push(any_visible(here.len(), visible, changed));
            }
            for (any, here) in self.touched.iter_mut().zip(here) {
                *any |= here;
            }
        }
        self.any_visible = Spread::of(&seen).map(|spread| spread.mean);
    }

    /// Measures how visible the trigger is, and what pre-training sees of it, on images of one side without and with it. It takes longer than
    /// drawing them.
    pub fn measure(&mut self, pairs: &[(&Rgb8, &Rgb8)], training: Training) {
        let side = pairs.first().map_or(0, |(image, _)| image.width());
        let some = (PIXELS / (side * side).max(1)).clamp(1, pairs.len().max(1));
        self.quality = quality(pairs.iter().take(some).copied()).unwrap_or_default();
        let patch = training.patch as usize;
        self.survival = if patch > 0 && side.is_multiple_of(patch) {
            let views = Views {
                grid: side / patch,
                min_scale: training.crop_min_scale,
                mask_ratio: training.mask_ratio,
            };
            survival(pairs, views, VIEWS)
        } else {
            None
        };
    }

    /// What the differences are multiplied by: `× 2.5`; nothing where none differs.
    pub fn gain_text(&self) -> String {
        match self.largest {
            0 => String::new(),
            largest if gain(largest) < 10.0 => format!("× {:.1}", gain(largest)),
            largest => format!("× {:.0}", gain(largest)),
        }
    }

    /// `6 of 64 patches`.
    pub fn touched_text(&self) -> String {
        let count = self.touched.iter().filter(|&&touched| touched).count();
        format!("{count} of {} patches", self.touched.len())
    }

    /// How often the mask leaves some of it: `in 68 % of masks`.
    pub fn any_visible_text(&self) -> String {
        let share = |share: f64| format!("in {:.0} % of masks", 100.0 * share);
        self.any_visible.map_or_else(|| "never".into(), share)
    }

    /// `13 % on average; nothing in 4 % of views`.
    pub fn seen_text(&self) -> String {
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        self.survival.map_or_else(
            || "nothing".into(),
            |seen| {
                let (visible, unseen) = (percent(seen.visible), percent(seen.unseen));
                format!("{visible} on average; nothing in {unseen} of views")
            },
        )
    }

    /// What is left of it after the crop: `54 %`.
    pub fn cropped_text(&self) -> String {
        self.survival
            .map_or_else(|| "nothing".into(), |seen| format!("{:.0} %", 100.0 * seen.cropped))
    }

    /// `18.2 dB`.
    pub fn psnr_text(&self) -> String {
        self.quality.psnr.map_or_else(|| "no change".into(), |psnr| format!("{psnr:.1} dB"))
    }

    /// `0.912`.
    pub fn ssim_text(&self) -> String {
        let text = |ssim: f64| format!("{ssim:.3}");
        self.quality.ssim.map_or_else(|| "none below 11 px".into(), text)
    }
}

/// How pre-training sees images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// Side of a ViT patch in pixels.
    pub patch: u32,
    /// Smallest area of a crop, as a share of the image's.
    pub crop_min_scale: f64,
    /// Share of the patches that are hidden.
    pub mask_ratio: f64,
}

impl Training {
    /// That of a study's settings.
    pub fn of(settings: &Settings) -> Self {
        Self {
            patch: settings.model.patch_size,
            crop_min_scale: settings.pretrain.crop_min_scale,
            mask_ratio: settings.pretrain.mask_ratio,
        }
    }
}

/// Puts the trigger into every picture of its side and tells what comes out.
pub fn numbers(pictures: &[Picture], trigger: &Trigger, training: Training) -> Numbers {
    let images = pictures.iter().map(|picture| &picture.image);
    let images: Vec<&Rgb8> = images.filter(|image| image.width() == trigger.side()).collect();
    let drawn: Vec<Drawn> =
        images.iter().map(|image| Drawn::of(image, trigger, training)).collect();
    let mut numbers = Numbers::default();
    numbers.count(&drawn, training);
    let triggered = drawn.iter().map(|drawn| &drawn.triggered);
    let pairs: Vec<_> = images.iter().copied().zip(triggered).collect();
    numbers.measure(&pairs, training);
    numbers
}

#[cfg(test)]
pub(super) mod tests {
    use shared::{
        Stage, TriggerSpec,
        trigger::{Fill, PatchedSpec},
    };

    use super::*;

    /// A picture of 8 px in one colour.
    pub fn picture(colour: [u8; 3]) -> Picture {
        Picture { index: 0, name: "p".into(), class: 0, image: Rgb8::filled(8, 8, colour) }
    }

    fn training(patch: u32) -> Training {
        Training { patch, crop_min_scale: 1.0, mask_ratio: 0.75 }
    }

    /// A white square of 2 px.
    pub fn square(x: u32, y: u32) -> Trigger {
        let spec = PatchedSpec {
            size: 2,
            x,
            y,
            count: 1,
            step: 2,
            fill: Fill::default(),
            ..PatchedSpec::default()
        };
        Trigger::prepare(&TriggerSpec::Patched(spec), None, 8, Stage::Train)
            .expect("inside the image")
    }

    #[test]
    fn a_square_inside_a_patch_touches_it_alone() {
        let numbers = numbers(&[picture([0; 3]), picture([9; 3])], &square(5, 1), training(4));
        assert_eq!(numbers.touched, [false, true, false, false]);
        assert_eq!(numbers.touched_text(), "1 of 4 patches");
        // White on black is the largest difference there is, white on grey a little less.
        assert_eq!((numbers.largest, numbers.gain_text()), (255, "× 0.5".into()));
        let faint = Numbers { largest: 5, ..Numbers::default() };
        assert_eq!(
            (faint.gain_text(), Numbers::default().gain_text()),
            ("× 25".into(), String::new())
        );
        // One of the four patches is visible.
        let seen = numbers.survival.expect("a change");
        assert!((seen.visible - 0.25).abs() < 0.1 && (seen.unseen - 0.75).abs() < 0.1, "{seen:?}");
        assert_eq!(numbers.cropped_text(), "100 %");
        assert_eq!(numbers.any_visible_text(), "in 25 % of masks");
    }

    #[test]
    fn psnr_is_the_mean_over_changed_images() {
        // White on black, 4 of 64 pixels: 10 log10(16) = 12.04 dB. The white picture does not change and is not counted.
        let both = [picture([0; 3]), picture([255; 3])];
        let seen = numbers(&both, &square(0, 0), training(4));
        assert_eq!(seen.psnr_text(), "12.0 dB");
        assert_eq!(numbers(&both[1..], &square(0, 0), training(4)).psnr_text(), "no change");
        assert_eq!(seen.ssim_text(), "none below 11 px");
    }

    #[test]
    fn a_patch_that_does_not_divide_leaves_the_grid_untold() {
        assert!(numbers(&[picture([0; 3])], &square(0, 0), training(3)).touched.is_empty());
    }
}
