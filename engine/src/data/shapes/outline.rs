//! The ten shapes, each as the set of points of the unit disc that lie inside it; `v` points down.

/// A shape. The order is that of the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outline {
    Arrow,
    Circle,
    Crescent,
    Cross,
    Heart,
    Hourglass,
    Ring,
    Square,
    Star,
    Triangle,
}

const ARROW: [(f64, f64); 7] = [
    (0.0, -1.0),
    (0.85, -0.1),
    (0.3, -0.1),
    (0.3, 0.95),
    (-0.3, 0.95),
    (-0.3, -0.1),
    (-0.85, -0.1),
];

/// Outer points on the unit circle, inner points at 0.42.
const STAR: [(f64, f64); 10] = [
    (0.0, -1.0),
    (0.246_869, -0.339_787),
    (0.951_057, -0.309_017),
    (0.399_444, 0.129_787),
    (0.587_785, 0.809_017),
    (0.0, 0.42),
    (-0.587_785, 0.809_017),
    (-0.399_444, 0.129_787),
    (-0.951_057, -0.309_017),
    (-0.246_869, -0.339_787),
];

/// Radius of the heart's two lobes and distance of their centres from the middle, where they touch.
const LOBE: f64 = 0.44;

/// The heart below its lobes, its long edges their tangents.
const HEART: [(f64, f64); 5] =
    [(0.0, 0.88), (0.782, -0.083), (LOBE, -0.36), (-LOBE, -0.36), (-0.782, -0.083)];

const TRIANGLE: [(f64, f64); 3] = [(0.0, -1.0), (0.9, 0.43), (-0.9, 0.43)];

impl Outline {
    pub(super) const ALL: [Self; 10] = [
        Self::Arrow,
        Self::Circle,
        Self::Crescent,
        Self::Cross,
        Self::Heart,
        Self::Hourglass,
        Self::Ring,
        Self::Square,
        Self::Star,
        Self::Triangle,
    ];

    /// The class's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Arrow => "arrow",
            Self::Circle => "circle",
            Self::Crescent => "crescent",
            Self::Cross => "cross",
            Self::Heart => "heart",
            Self::Hourglass => "hourglass",
            Self::Ring => "ring",
            Self::Square => "square",
            Self::Star => "star",
            Self::Triangle => "triangle",
        }
    }

    /// Whether a point lies inside.
    pub(super) fn contains(self, u: f64, v: f64) -> bool {
        let square = u * u + v * v;
        if square > 1.0 {
            return false;
        }
        match self {
            Self::Arrow => within(&ARROW, u, v),
            Self::Circle => square <= 0.9 * 0.9,
            Self::Crescent => {
                let (du, dv) = (u - 0.45, v);
                du * du + dv * dv > 0.8 * 0.8
            }
            Self::Cross => {
                let (u, v) = (u.abs(), v.abs());
                u.min(v) <= 0.28 && u.max(v) <= 0.95
            }
            Self::Heart => {
                let (du, dv) = (u.abs() - LOBE, v + 0.36);
                du * du + dv * dv <= LOBE * LOBE || within(&HEART, u, v)
            }
            Self::Hourglass => v.abs() <= 0.8 && u.abs() <= 0.08 + 0.64 * v.abs(),
            Self::Ring => square >= 0.55 * 0.55,
            Self::Square => u.abs().max(v.abs()) <= 0.7,
            Self::Star => within(&STAR, u, v),
            Self::Triangle => within(&TRIANGLE, u, v),
        }
    }
}

/// Whether a ray to the right of the point crosses the polygon's edges an odd number of times.
fn within(polygon: &[(f64, f64)], u: f64, v: f64) -> bool {
    let mut inside = false;
    let mut previous = polygon[polygon.len() - 1];
    for &corner in polygon {
        let ((u0, v0), (u1, v1)) = (previous, corner);
        if (v0 > v) != (v1 > v) && u < u0 + (u1 - u0) * (v - v0) / (v1 - v0) {
            inside = !inside;
        }
        previous = corner;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(Outline::ALL.is_sorted_by_key(|outline| outline.name()));
    }

    #[test]
    fn points_by_hand() {
        for (outline, inside, outside) in [
            (Outline::Arrow, (0.0, 0.9), (0.5, 0.5)),
            (Outline::Circle, (0.6, 0.6), (0.7, 0.7)),
            (Outline::Crescent, (-0.7, 0.0), (0.4, 0.0)),
            (Outline::Cross, (0.9, 0.2), (0.5, 0.5)),
            (Outline::Heart, (0.5, -0.6), (0.0, -0.5)),
            (Outline::Hourglass, (0.5, 0.7), (0.5, 0.0)),
            (Outline::Ring, (0.0, 0.8), (0.0, 0.3)),
            (Outline::Square, (0.65, 0.65), (0.0, 0.8)),
            (Outline::Star, (0.0, -0.9), (0.5, -0.6)),
            (Outline::Triangle, (0.0, -0.9), (0.5, -0.6)),
        ] {
            assert!(outline.contains(inside.0, inside.1), "{outline:?} holds {inside:?}");
            assert!(!outline.contains(outside.0, outside.1), "{outline:?} lacks {outside:?}");
        }
    }

    #[test]
    fn no_two_shapes_cover_nearly_the_same_points() {
        let cover = |outline: Outline| -> Vec<bool> {
            let at = |i: usize| (i as f64 + 0.5) / 20.0 - 1.0;
            (0..1600).map(|i| outline.contains(at(i % 40), at(i / 40))).collect()
        };
        for (i, &a) in Outline::ALL.iter().enumerate() {
            for &b in &Outline::ALL[i + 1..] {
                let (a_cover, b_cover) = (cover(a), cover(b));
                let both = a_cover.iter().zip(&b_cover).filter(|(p, q)| **p && **q).count();
                let either = a_cover.iter().zip(&b_cover).filter(|(p, q)| **p || **q).count();
                assert!(both * 100 < either * 85, "{a:?} and {b:?}: {both} of {either}");
            }
        }
    }
}
