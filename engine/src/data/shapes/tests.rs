use std::collections::HashSet;

use super::*;

/// SHA-256 of all pixels of all pictures.
const HASH: &str = "fa0c313a56512186cb99a887b2236228511d078dff3cb38b7391312aef1fa2a9";

fn hash_of_all() -> String {
    let mut hash = Sha256::new();
    for split in [Split::Train, Split::Test] {
        for picture in 0..per_class(split) * 10 {
            hash.update(draw(split, picture).data());
        }
    }
    hex(&hash.finalize())
}

#[test]
fn every_pixel_is_the_same_on_every_machine() {
    // A change of this hash changes every result on the data set: raise VERSION with it.
    assert_eq!((VERSION, hash_of_all().as_str()), (2, HASH));
}

#[test]
fn no_two_pictures_are_equal() {
    let mut seen = HashSet::new();
    for split in [Split::Train, Split::Test] {
        for picture in 0..per_class(split) * 10 {
            assert!(seen.insert(draw(split, picture).into_raw()), "{split:?} {picture}");
        }
    }
}

#[test]
fn entries_are_classes_in_order_with_numbered_pictures() {
    let test = entries(Split::Test);
    assert_eq!(test.len(), 1000);
    assert_eq!(test[0].name, "val/arrow/0000");
    assert_eq!(test[199].name, "val/circle/0099");
    assert!(test.is_sorted_by_key(|entry| (entry.class, entry.name.clone())));
    assert_eq!(entries(Split::Train).len(), 5000);
}

/// Mean colour of the pixels that lie wholly inside and wholly outside the shape.
#[test]
fn every_shape_stands_out_from_its_ground() {
    for picture in 0..TEST_PER_CLASS * 10 {
        let image = draw(Split::Test, picture);
        let mut numbers = Draw(stream(SEED, Purpose::Draw, 1, u64::from(picture)));
        let placement = Placement::draw(&mut numbers);
        let outline = Outline::ALL[(picture / TEST_PER_CLASS) as usize];
        let mut sums = [[0.0; 4]; 2];
        for y in 0..SIDE {
            for x in 0..SIDE {
                let coverage = placement.coverage(outline, x, y);
                if coverage <= 0.0 || coverage >= 1.0 {
                    let sum = &mut sums[coverage as usize];
                    for (total, value) in sum.iter_mut().zip(image.pixel(x, y)) {
                        *total += f64::from(value);
                    }
                    sum[3] += 1.0;
                }
            }
        }
        let mean = |sum: [f64; 4]| [0, 1, 2].map(|i| sum[i] / sum[3]);
        let (outside, inside) = (mean(sums[0]), mean(sums[1]));
        assert!(sums[1][3] >= 12.0, "picture {picture} has {} pixels of shape", sums[1][3]);
        let distance = colour::distance_to_segment(inside, outside, outside);
        assert!(distance > 60.0, "picture {picture}: {distance}");
    }
}
