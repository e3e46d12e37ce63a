//! Images of the data set, decoded once.

use shared::{
    Rgb8,
    api::{Samples, Split},
    study::DatasetSpec,
};

use crate::{api, components::decode_rgb};

/// Which images of a part of a data set.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// This many at random; the seed chooses them.
    Drawn(u32, u64),
    /// Those with these numbers.
    Listed(&'a [u32]),
    /// The first reference and support images of composed poisons.
    References {
        /// The target class.
        class: u32,
        /// How many.
        count: u32,
        /// The study's seed.
        seed: u64,
    },
}

/// The address of images of a data set, `side` x `side` pixels, under a study's limits.
pub fn samples_path(dataset: &DatasetSpec, side: u32, split: Split, which: Which<'_>) -> String {
    let limit = |limit: Option<u32>| {
        limit.filter(|&limit| limit > 0).map_or_else(String::new, |limit| limit.to_string())
    };
    let [mut indices, mut count, mut seed, mut references_of] = <[String; 4]>::default();
    match which {
        Which::Drawn(most, drawn_by) => (count, seed) = (most.to_string(), drawn_by.to_string()),
        Which::Listed(listed) => {
            indices = listed.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        }
        Which::References { class, count: most, seed: drawn_by } => {
            (count, seed) = (most.to_string(), drawn_by.to_string());
            references_of = class.to_string();
        }
    }
    let query = api::query(&[
        ("split", split_name(split)),
        ("side", &side.to_string()),
        ("indices", &indices),
        ("count", &count),
        ("seed", &seed),
        ("references_of", &references_of),
        ("train_per_class", &limit(dataset.train_per_class)),
        ("test_per_class", &limit(dataset.test_per_class)),
    ]);
    format!("/datasets/{}/samples{query}", api::escape(&dataset.name))
}

/// The part's name in addresses.
pub fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Test => "test",
    }
}

/// An image of the data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Its place in its part of the data set.
    pub index: u32,
    /// Its file, or its name if it was generated.
    pub name: String,
    /// Its class.
    pub class: u32,
    /// Its pixels.
    pub image: Rgb8,
}

/// The images of an answer, in its order. An image with the wrong number of bytes is left out.
pub fn pictures(samples: &Samples) -> Vec<Picture> {
    samples
        .items
        .iter()
        .filter_map(|item| {
            let image = decode_rgb(samples.side, &item.rgb)?;
            Some(Picture { index: item.index, name: item.name.clone(), class: item.class, image })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use shared::api::SampleImage;

    use super::*;

    #[test]
    fn images_are_asked_for_under_the_studys_limits() {
        let mut dataset =
            DatasetSpec { name: "my set".into(), train_per_class: Some(5), test_per_class: None };
        assert_eq!(
            samples_path(&dataset, 32, Split::Test, Which::Drawn(12, 2)),
            "/datasets/my%20set/samples?split=test&side=32&count=12&seed=2&train_per_class=5"
        );
        (dataset.train_per_class, dataset.test_per_class) = (Some(0), Some(7));
        assert_eq!(
            samples_path(&dataset, 8, Split::Train, Which::Listed(&[0, 3])),
            "/datasets/my%20set/samples?split=train&side=8&indices=0%2C3&test_per_class=7"
        );
    }

    #[test]
    fn an_image_of_the_wrong_size_is_left_out() {
        let item =
            |rgb: &str| SampleImage { index: 4, class: 3, name: "a.png".into(), rgb: rgb.into() };
        let samples = Samples { side: 1, items: vec![item("AQID"), item("AQIDBA==")] };
        let made = pictures(&samples);
        assert_eq!(made.len(), 1);
        assert_eq!((made[0].index, made[0].class, made[0].image.pixel(0, 0)), (4, 3, [1, 2, 3]));
    }
}
