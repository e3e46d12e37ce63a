use shared::stream::{Purpose, stream};

use super::*;

fn rng(seed: u64) -> ChaCha8Rng {
    stream(seed, Purpose::Augment, 0, 0)
}

fn picture(width: usize, height: usize) -> Rgb8 {
    Rgb8::from_fn(width, height, |x, y| [(x * 7) as u8, (y * 5) as u8, (x * y) as u8])
}

#[test]
fn a_scale_of_one_keeps_the_image() {
    let image = picture(32, 32);
    assert_eq!(random_resized_crop(&image, 32, 1.0, Filter::Bicubic, &mut rng(9)), image);
    assert_eq!(random_resized_crop_single(&image, 32, 1.0, Filter::Bicubic, &mut rng(9)), image);
}

#[test]
fn one_stream_gives_one_crop() {
    let image = picture(40, 30);
    let crop = |seed| random_resized_crop(&image, 16, 0.2, Filter::Bicubic, &mut rng(seed));
    assert_eq!(crop(5), crop(5));
    assert_ne!(crop(5), crop(6));
    assert_eq!((crop(5).width(), crop(5).height()), (16, 16));
}

#[test]
fn flips_are_half() {
    let image = picture(3, 2);
    let mut rng = rng(2);
    let flipped =
        (0..1000).filter(|_| random_flip(image.clone(), &mut rng) == image.mirrored()).count();
    assert!((450..550).contains(&flipped), "{flipped}");
}

#[test]
fn a_crop_is_cut_before_it_is_resized() {
    let image = Rgb8::from_fn(8, 8, |x, _| if x < 4 { [10; 3] } else { [200; 3] });
    let part = CropBox { x: 0, y: 2, width: 4, height: 4 };
    // Resized within the image, the bright half would shine into the last column.
    let resized = resize(&crop(&image, part), 16, 16, Filter::Bicubic);
    assert_eq!(resized, Rgb8::filled(16, 16, [10; 3]));
}

#[test]
fn bicubic_by_hand() {
    // Two pixels to four. At the distances 0.25, 0.75, 1.25, 1.75 the Catmull-Rom weights are 0.8672, 0.2266, -0.0703,
    // -0.0234; pixels outside count nothing and the rest is brought to a sum of 1: 0.8672 / 1.0938 for the nearer pixel
    // of an inner column, and 0.8672 / 0.7969 = 1.0882 for an outer one (its other pixel is 1.25 away).
    let image = Rgb8::from_raw(2, 1, vec![0, 0, 0, 100, 100, 100]).expect("size");
    let row: Vec<u8> =
        resize(&image, 4, 1, Filter::Bicubic).data().chunks_exact(3).map(|p| p[0]).collect();
    assert_eq!(row, [0, 21, 79, 109]);
}

#[test]
fn evaluation_leaves_small_images_and_cuts_large_ones() {
    let small = picture(32, 32);
    assert_eq!(eval_transform(&small, 32), small);
    let large = picture(224, 224);
    let seen = eval_transform(&large, 224);
    assert_eq!((seen.width(), seen.height()), (224, 224));
    assert_eq!(
        seen,
        crop(
            &resize(&large, 256, 256, Filter::Bicubic),
            CropBox { x: 16, y: 16, width: 224, height: 224 }
        )
    );
    // 16 px at [112, 128) land near [112, 130): 128 * 8/7 - 16 = 130.3.
    let patch =
        Rgb8::from_fn(224, 224, |x, _| if (112..128).contains(&x) { [255; 3] } else { [0; 3] });
    let bright: Vec<usize> =
        (0..224).filter(|&x| eval_transform(&patch, 224).pixel(x, 9)[0] > 127).collect();
    assert_eq!((bright[0], bright[bright.len() - 1]), (112, 129));
}

#[test]
fn normalisation_by_hand() {
    let image = Rgb8::from_raw(2, 1, vec![255, 0, 51, 0, 255, 102]).expect("size");
    let mut out = [0.0; 6];
    normalise(&image, &mut out);
    let expected = [
        (1.0 - 0.485) / 0.229,
        -0.485 / 0.229,
        -0.456 / 0.224,
        (1.0 - 0.456) / 0.224,
        (0.2 - 0.406) / 0.225,
        (0.4 - 0.406) / 0.225,
    ];
    for (value, wanted) in out.iter().zip(expected) {
        assert!((value - wanted).abs() < 1e-6, "{value} {wanted}");
    }
}
