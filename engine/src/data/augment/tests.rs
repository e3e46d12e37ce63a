use proptest::prelude::*;
use shared::stream::{Purpose, stream};

use super::*;

fn rng(seed: u64) -> ChaCha8Rng {
    stream(seed, Purpose::Augment, 0, 0)
}

fn picture(width: usize, height: usize) -> Rgb8 {
    Rgb8::from_fn(width, height, |x, y| [(x * 7) as u8, (y * 5) as u8, (x * y) as u8])
}

proptest! {
    #[test]
    fn a_crop_lies_inside(width in 1usize..300, height in 1usize..300, min_scale in 0.01f64..1.2, seed: u64) {
        for part in [
            CropBox::draw(width, height, min_scale, &mut rng(seed)),
            CropBox::draw_single(width, height, min_scale, &mut rng(seed)),
        ] {
            prop_assert!(part.width >= 1 && part.x + part.width <= width, "{part:?}");
            prop_assert!(part.height >= 1 && part.y + part.height <= height, "{part:?}");
        }
    }

    #[test]
    fn a_crop_of_a_large_square_has_the_wanted_area_and_aspect(min_scale in 0.05f64..0.6, seed: u64) {
        let part = CropBox::draw(1000, 1000, min_scale, &mut rng(seed));
        let area = (part.width * part.height) as f64 / 1e6;
        let aspect = part.width as f64 / part.height as f64;
        prop_assert!(area > min_scale - 0.01 && area <= 1.0, "{area}");
        prop_assert!((0.74..1.345).contains(&aspect), "{aspect}");
    }
}

#[test]
fn sizes_and_places_are_spread_evenly() {
    let mut rng = rng(3);
    let (mut area, mut wide, mut left, mut fallback) = (0.0, 0, 0.0, 0);
    let n = 4000;
    for _ in 0..n {
        let part = CropBox::draw(1000, 1000, 0.2, &mut rng);
        area += (part.width * part.height) as f64 / 1e6 / f64::from(n);
        wide += i32::from(part.width > part.height);
        fallback += i32::from(part == CropBox::whole(1000, 1000));
        left += part.x as f64 / (1000 - part.width).max(1) as f64 / f64::from(n);
    }
    // An area a is drawn evenly from 0.2..1 and fits when |ln aspect| <= -ln a: always up to 3/4, above with the
    // probability -ln a / ln(4/3). Its mean is (0.26125 + 0.09895) / (0.55 + 0.11902) = 0.5384.
    assert!((0.528..0.548).contains(&area), "{area}");
    assert!((1850..2150).contains(&wide), "{wide}");
    assert!((0.48..0.52).contains(&left), "{left}");
    assert!(fallback < 40, "{fallback}");
}

#[test]
fn an_image_too_flat_for_any_draw_gives_its_centre() {
    // Every crop of at least 0.9 of the area of 1000 x 10 is far higher than 10 rows.
    assert_eq!(
        CropBox::draw(1000, 10, 0.9, &mut rng(1)),
        CropBox { x: 493, y: 0, width: 13, height: 10 }
    );
    assert_eq!(
        CropBox::draw(10, 1000, 0.9, &mut rng(1)),
        CropBox { x: 0, y: 493, width: 10, height: 13 }
    );
    let single = CropBox::draw_single(1000, 10, 0.9, &mut rng(1));
    assert_eq!((single.y, single.height), (0, 10));
    assert!((82..=110).contains(&single.width), "{single:?}");
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
