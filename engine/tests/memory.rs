//! Memory at its peak: that of images is bounded by their pixels, that of runs is what their estimate says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
};

use engine::{compute::Machine, decode::Room, run::run};
use flate2::{Compression, write::ZlibEncoder};
use peak_alloc::PeakAlloc;
use shared::{
    Digest, RunId, RunKind, RunOrder, Settings,
    dataset::{DataSource, DatasetInfo, Transparency},
    settings::{BUILTIN_DATASET, DatasetSpec, ModelSpec, TransformerSpec},
    study::run_memory,
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
/// One measurement at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes that some work takes at its peak, beside what was taken before.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = work();
    (MEMORY.peak_usage().saturating_sub(before), result)
}

fn zeros(bytes: usize) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    let part = vec![0; 1 << 20];
    for _ in 0..bytes >> 20 {
        packed.write_all(&part).unwrap();
    }
    packed.finish().unwrap()
}

/// A PNG file of one colour.
fn png(width: u32, height: u32, color: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    let mut writer = encoder.write_header().unwrap();
    let bits = color.samples() * if depth == png::BitDepth::Sixteen { 16 } else { 8 };
    let pixels = vec![200; width as usize * height as usize * bits / 8];
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    file
}

/// The file with a chunk behind its header.
fn with_chunk(file: &[u8], kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let (head, rest) = file.split_at(8 + 25);
    let body = [&kind, content].concat();
    let (length, sum) = (content.len() as u32, crc32fast::hash(&body));
    [head, &length.to_be_bytes(), &body, &sum.to_be_bytes(), rest].concat()
}

#[test]
fn an_image_takes_a_few_bytes_a_pixel() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (width, height) = (4_000, 3_000);
    let pixels = (width * height) as usize;
    for (color, depth, most) in [
        (png::ColorType::Rgb, png::BitDepth::Eight, 4),
        (png::ColorType::Rgba, png::BitDepth::Eight, 5),
        (png::ColorType::Rgba, png::BitDepth::Sixteen, 5),
        (png::ColorType::Grayscale, png::BitDepth::Eight, 5),
        (png::ColorType::GrayscaleAlpha, png::BitDepth::Eight, 7),
    ] {
        let file = png(width, height, color, depth);
        let decode = || Room::default().decode(&file, Transparency::White).unwrap();
        let (taken, image) = peak(decode);
        assert_eq!((image.width(), image.height()), (4_000, 3_000));
        assert!(taken <= most * pixels, "{color:?} {depth:?}: {taken} bytes");
    }
}

#[test]
fn what_is_beside_the_pixels_of_a_png_takes_no_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let plain = png(8, 8, png::ColorType::Rgb, png::BitDepth::Eight);
    let packed = zeros(256 << 20);
    for (kind, head) in [
        (*b"iCCP", &b"profile\0\0"[..]),
        (*b"zTXt", b"Comment\0\0"),
        (*b"iTXt", b"Comment\0\x01\0\0\0"),
        (*b"eXIf", b"II*\0"),
        (*b"abCd", b""),
    ] {
        let mut file = with_chunk(&plain, kind, &[head, &packed].concat());
        // Several of them, and a file without an end.
        file = with_chunk(&file, *b"abCd", &packed);
        for file in [&file[..], &file[..file.len() - 12]] {
            let decode = || Room::default().decode(file, Transparency::Drop).unwrap();
            let (taken, image) = peak(decode);
            assert_eq!(image.pixel(7, 7), [200; 3]);
            let most = 2 * file.len() + (1 << 20);
            assert!(taken <= most, "{kind:?}: {taken} bytes for a file of {}", file.len());
        }
    }
}

fn settings(dim: u32, batch_size: u32) -> Settings {
    let mut settings = Settings {
        dataset: DatasetSpec {
            name: BUILTIN_DATASET.into(),
            train_per_class: Some(16),
            test_per_class: Some(8),
        },
        model: ModelSpec {
            image_size: 32,
            patch_size: 4,
            encoder: TransformerSpec { dim, depth: 3, heads: 4 },
            decoder: TransformerSpec { dim: dim / 2, depth: 1, heads: 4 },
        },
        ..Settings::default()
    };
    settings.pretrain.epochs = 2;
    settings.pretrain.warmup_epochs = 1;
    settings.pretrain.checkpoint_every = 1;
    settings.pretrain.batch_size = batch_size;
    settings.probe.epochs = 2;
    settings.probe.warmup_epochs = 1;
    settings.finetune.epochs = 2;
    settings.finetune.warmup_epochs = 1;
    settings.finetune.evaluate_every = 1;
    settings.finetune.batch_size = batch_size;
    settings
}

fn taken(kind: RunKind, settings: &Settings, encoder: Option<&Path>, folder: &Path) -> usize {
    let order = RunOrder {
        run: RunId::from_parts(1, [1; 10]),
        kind,
        digest: Digest::stored("digest"),
        settings: settings.clone(),
        source: DataSource::Builtin,
        encoder: encoder.map(|folder| folder.display().to_string()),
        restorer: None,
        program: "test".into(),
    };
    let machine = Machine::with_threads(2);
    let (taken, done) = peak(|| run(&order, folder, None, &[], &machine, &mut (), &mut |_| Ok(())));
    done.unwrap();
    taken
}

#[test]
fn a_run_takes_what_its_estimate_says() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dataset = DatasetInfo {
        classes: vec![String::new(); 10],
        train_counts: vec![500; 10],
        test_counts: vec![100; 10],
        ..DatasetInfo::default()
    };
    // A large model with a small batch, and a small model with a large batch.
    for (dim, batch_size) in [(256, 8), (64, 128)] {
        let settings = settings(dim, batch_size);
        let encoder = tempfile::tempdir().unwrap();
        for kind in RunKind::ALL {
            let own = tempfile::tempdir().unwrap();
            let (folder, start) = match kind {
                RunKind::Pretrain => (encoder.path(), None),
                _ => (own.path(), Some(encoder.path())),
            };
            let taken = taken(kind, &settings, start, folder) as f64;
            let memory = run_memory(kind, &settings, &dataset, 2, 2 << 30);
            let estimate = memory.model + memory.batch + memory.data;
            let text = format!(
                "{kind:?} of width {dim} and batches of {batch_size}: {:.1} MB, estimated {:.1} MB: {memory:?}",
                taken / 1e6,
                estimate / 1e6
            );
            assert!(taken < 1.25 * estimate + 8e6, "{text}");
            let trains = matches!(kind, RunKind::Pretrain | RunKind::Finetune);
            assert!(!trains || taken > 0.6 * estimate, "{text}");
        }
    }
}
