//! Images of the data set, decoded once.

use shared::{Rgb8, api::Samples};

use crate::components::decode_rgb;

/// An image of the data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
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
            Some(Picture { name: item.name.clone(), class: item.class, image })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use shared::api::SampleImage;

    use super::*;

    #[test]
    fn an_image_of_the_wrong_size_is_left_out() {
        let item =
            |rgb: &str| SampleImage { index: 0, class: 3, name: "a.png".into(), rgb: rgb.into() };
        let samples = Samples { side: 1, items: vec![item("AQID"), item("AQIDBA==")] };
        let made = pictures(&samples);
        assert_eq!(made.len(), 1);
        assert_eq!((made[0].class, made[0].image.pixel(0, 0)), (3, [1, 2, 3]));
    }
}
