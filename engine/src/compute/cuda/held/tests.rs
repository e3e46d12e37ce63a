//! Crops on emulated GPUs against the processor's: the same bytes, and the same bits of a training.

use proptest::prelude::*;
use shared::{
    resize::resize,
    settings::{Pooling, Precision},
};

use super::{super::tests::*, *};
use crate::{
    compute::{Device as _, LabelledBatch, MaskedBatch, Step},
    data::augment::{CropBox, crop, normalise},
    model::{mae, vit},
};

/// Sides of images and of results: enlarged, as training's crops are, and also made smaller.
const SIDES: [(usize, usize); 5] = [(12, 12), (9, 16), (17, 5), (33, 32), (1, 3)];

/// What the processor makes of a crop.
fn by_processor(image: &Rgb8, made: &Crop, side: usize, filter: Filter) -> Rgb8 {
    let resized = resize(&crop(image, made.part), side, side, filter);
    if made.flip { resized.mirrored() } else { resized }
}

fn image_of(side: usize, seed: u64) -> Rgb8 {
    image(side, &mut rng(seed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn crops_have_the_processors_bytes(
        seed in 0u64..1000,
        places in prop::collection::vec((0u32..3, any::<[u16; 4]>(), any::<bool>()), 1..20),
        which in 0..SIDES.len(),
        is_cubic in any::<bool>(),
    ) {
        let (from, to) = SIDES[which];
        let filter = if is_cubic { Filter::Bicubic } else { Filter::Bilinear };
        let images: Vec<_> = (0..3).map(|i| image_of(from, 3 * seed + i)).collect();
        let mut held = gpu().hold(&table(from, to, filter), (3, 1)).unwrap().expect("room");
        let bytes: Vec<_> = images.iter().map(Rgb8::data).collect();
        held.write(0, &bytes[..1]).unwrap();
        held.write(1, &bytes[1..]).unwrap();
        let within = |random: u16, first: usize, end: usize| first + usize::from(random) % (end - first);
        let made: Vec<_> = places
            .iter()
            .map(|&(image, [width, height, x, y], flip)| {
                let (width, height) = (within(width, 1, from + 1), within(height, 1, from + 1));
                let x = within(x, 0, from - width + 1);
                let y = within(y, 0, from - height + 1);
                Crop { image, part: CropBox { x, y, width, height }, flip }
            })
            .collect();
        let got = held.cropped(&crops(&made)).unwrap();
        for (made, got) in made.iter().zip(got.chunks_exact(to * to * 3)) {
            let want = by_processor(&images[made.image as usize], made, to, filter);
            prop_assert_eq!(want.data(), got, "{:?}, {} to {}", made, from, to);
        }
    }
}

#[test]
fn every_box_of_a_small_image_has_the_processors_bytes() {
    let side = 12;
    let image = image_of(side, 8);
    let mut made = Vec::new();
    for width in 1..=side {
        for height in 1..=side {
            let (x, y) = ((side - width) * (height % 3) / 2, (side - height) * (width % 3) / 2);
            let part = CropBox { x, y, width, height };
            made.extend([false, true].map(|flip| Crop { image: 0, part, flip }));
        }
    }
    let windows = table(side, side, Filter::Bicubic);
    let mut held = gpu().hold(&windows, (1, 1)).unwrap().expect("room");
    held.write(0, &[image.data()]).unwrap();
    let got = held.cropped(&crops(&made)).unwrap();
    for (made, got) in made.iter().zip(got.chunks_exact(side * side * 3)) {
        assert_eq!(made.of(&image, side).data(), got, "{made:?}");
    }
    assert_eq!(windows.taps, 4, "an enlarged pixel has few sources, whatever the part");
}

/// Crops of a set of images of the micro model's size.
fn drawn(images: usize, seed: u64) -> Vec<Crop> {
    let mut rng = rng(seed);
    let draw = |i| Crop::draw((i % 4) as u32, (12, 12), 0.2, true, &mut rng);
    (0..images).map(draw).collect()
}

fn set() -> Vec<Rgb8> {
    (0..4).map(|i| image_of(12, 50 + i)).collect()
}

#[test]
fn a_pre_training_on_held_images_has_the_same_bits() {
    let (spec, images) = (micro(), set());
    let params = params(mae(&spec));
    let descend = descend(params.layout());
    for count in [1, 3] {
        let [mut host, mut device] = [(); 2].map(|()| {
            let gpus = gpus(count, Precision::Bf16);
            gpus.pretrainer(&spec, params.clone(), &descend).unwrap()
        });
        let image = |i: usize| Ok(images[i].clone());
        let set = ImageSet { count: images.len(), side: 12, image: &image };
        assert!(device.hold(&set, &masked(&spec, 5, 0), &mut ()).unwrap(), "it fits");
        for (i, images_of_batch) in [5, 5, 2].into_iter().enumerate() {
            let batch = masked(&spec, images_of_batch, i as u64);
            let made = drawn(images_of_batch, i as u64);
            let seen = made.iter().map(|made| made.of(&images[made.image as usize], 12));
            let of_host = MaskedBatch { images: seen.collect(), ..batch.clone() };
            let of_device = MaskedBatch { images: Vec::new(), crops: made, ..batch };
            let step = Step { place: 0, lr: 1e-3 };
            host.step(&of_host, step).unwrap();
            device.step(&of_device, step).unwrap();
            assert_eq!(host.loss().unwrap().to_bits(), device.loss().unwrap().to_bits());
        }
        assert_eq!(bits(&host.tensors().unwrap()), bits(&device.tensors().unwrap()));
    }
}

/// Notes what it is told, and stops the work behind so many images.
struct Told(Vec<(String, u64, u64)>, u64);

impl Watch for Told {
    fn progress(&mut self, what: &str, done: u64, total: u64) {
        self.0.push((what.to_owned(), done, total));
    }

    fn stopped(&self) -> bool {
        self.0.last().is_some_and(|(_, done, _)| *done >= self.1)
    }
}

#[test]
fn the_copy_of_a_large_set_tells_its_progress_and_can_be_stopped() {
    let image = |_: usize| Ok(image_of(2, 1));
    let set = ImageSet { count: 600, side: 2, image: &image };
    let mut told = Told(Vec::new(), u64::MAX);
    assert!(hold(&[gpu()], &set, 1, &mut told).unwrap().is_some());
    let steps = [256, 512, 600].map(|done| ("images to the GPU".to_owned(), done, 600));
    assert_eq!(told.0, steps);
    let mut stopped = Told(Vec::new(), 512);
    let error = hold(&[gpu()], &set, 1, &mut stopped).err().expect("stopped");
    assert!(matches!(error, EngineError::Data(DataError::Stopped)), "{error}");
    assert_eq!(stopped.0.len(), 2);
}

#[test]
fn a_fine_tuning_on_held_images_has_the_same_bits_however_it_mixes() {
    let (spec, images) = (micro(), set());
    let params = params(vit(&spec, 5, Pooling::Mean));
    let descend = descend(params.layout());
    let mixes = [Mix::NONE, Mix { lambda: 0.3, cut: None }, Mix::around(0.6, 2, 9, 12)];
    for count in [1, 2] {
        let [mut host, mut device] = [(); 2].map(|()| {
            let gpus = gpus(count, Precision::F32);
            gpus.finetuner(&spec, Pooling::Mean, params.clone(), &descend).unwrap()
        });
        let image = |i: usize| Ok(images[i].clone());
        let set = ImageSet { count: images.len(), side: 12, image: &image };
        assert!(device.hold(&set, &labelled(&spec, 5, 5, true), &mut ()).unwrap(), "it fits");
        for (i, (mix, images_of_batch)) in mixes.into_iter().zip([5, 5, 4]).enumerate() {
            let batch = labelled(&spec, images_of_batch, 5, true);
            let made = drawn(images_of_batch, i as u64);
            let mut planes = vec![0.0; images_of_batch * 3 * 12 * 12];
            for (planes, made) in planes.chunks_exact_mut(3 * 12 * 12).zip(&made) {
                normalise(&made.of(&images[made.image as usize], 12), planes);
            }
            mix.apply(&mut planes, 12);
            let of_host = LabelledBatch { planes, ..batch.clone() };
            let of_device = LabelledBatch { planes: Vec::new(), crops: (made, mix), ..batch };
            let step = Step { place: 0, lr: 1e-3 };
            host.step(&of_host, step).unwrap();
            device.step(&of_device, step).unwrap();
            assert_eq!(host.loss().unwrap().to_bits(), device.loss().unwrap().to_bits(), "{mix:?}");
        }
        assert_eq!(bits(&host.tensors().unwrap()), bits(&device.tensors().unwrap()));
    }
}

#[test]
fn a_set_that_takes_too_much_memory_stays_with_the_host() {
    let windows = table(12, 12, Filter::Bicubic);
    let device = Device::emulated_with_memory(1 << 20);
    // 432 bytes an image: half of the memory has room for 1,200 of them.
    assert!(device.hold(&windows, (1000, 2)).unwrap().is_some());
    assert!(device.hold(&windows, (1300, 2)).unwrap().is_none());
    assert_eq!(device.taken(), 0, "the memory is given back");
}
