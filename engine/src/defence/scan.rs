//! SCAn (Tang et al. 2021, "Demon in the variant"): a class that holds two groups of features where one, with the variation that all classes
//! share, should be.

use shared::metric::anomaly_index;

use super::{
    DefenceError, Features, Filtered, Groups,
    eigen::Eigen,
    features::{add, dot, squared_distance},
    kmeans::KMeans,
};

/// Index above which a class holds two groups (the paper's e^2).
pub const THRESHOLD: f64 = 7.389_056_098_930_65;
/// Rounds of the estimates, at most.
const ROUNDS: usize = 100;

/// How the features of all classes vary: between the classes' means, and around them.
#[derive(Clone, Debug, PartialEq)]
pub struct Variation {
    /// Covariance of the classes' means, `(width, width)`.
    pub between: Vec<f64>,
    /// Covariance around the mean of a class, `(width, width)`.
    pub within: Vec<f64>,
    /// What of the mean variance was added to `within`'s diagonal.
    shrinkage: f64,
    /// The root of the inverse of `within`: features times it vary alike in all directions.
    whitening: Vec<f64>,
}

impl Variation {
    /// Estimates both covariances from clean images by expectation and maximisation (section 4.2), until they change by less than
    /// `tolerance` (the authors take 1e-2). `shrinkage` times the mean variance within classes is added to its diagonal at the end, for
    /// fewer images than the features would need.
    ///
    /// # Errors
    /// With fewer than two images.
    pub fn of(
        features: &Features,
        labels: &[u32],
        tolerance: f64,
        shrinkage: f64,
    ) -> Result<Self, DefenceError> {
        let (n, width) = (features.len(), features.width());
        if n < 2 {
            let of = "clean images";
            return Err(DefenceError::TooFew { method: "SCAn", of, wanted: 2, got: n });
        }
        let centred = features.minus(&mean(features));
        let groups = Groups::by_label(&centred, labels);
        let own: Vec<Vec<usize>> =
            groups.iter().filter(|images| !images.is_empty()).map(<[usize]>::to_vec).collect();
        let means: Vec<Vec<f64>> = own.iter().map(|images| centred.select(images).mean()).collect();
        let (mut between, mut within) = covariances(&centred, &own, &means);
        for _ in 0..ROUNDS {
            let identities: Vec<Vec<f64>> = own
                .iter()
                .zip(&means)
                .map(|(images, mean)| identity(&between, &within, images.len(), mean))
                .collect();
            let next = covariances(&centred, &own, &identities);
            let change = distance(&next.0, &between) + distance(&next.1, &within);
            (between, within) = next;
            if change < tolerance {
                break;
            }
        }
        let trace: f64 = (0..width).map(|i| within[i * width + i]).sum();
        for i in 0..width {
            within[i * width + i] += shrinkage * trace / width as f64;
        }
        let eigen = Eigen::of(within.clone(), width);
        let least = Eigen::NEGLIGIBLE * eigen.values[0];
        let whitening =
            eigen.mapped(|value| if value > least { value.sqrt().recip() } else { 0.0 });
        Ok(Self { between, within, shrinkage, whitening })
    }

    /// What of the mean variance was added to the diagonal of [`Variation::within`].
    pub fn shrinkage(&self) -> f64 {
        self.shrinkage
    }
}

/// The mean of all images, whatever their order.
fn mean(features: &Features) -> Vec<f64> {
    features.select(&features.sorted((0..features.len()).collect())).mean()
}

/// The mean of a class's identity given the mean of its `n` images: `n S_mu (n S_mu + S_eps)^-1 mean`.
fn identity(between: &[f64], within: &[f64], n: usize, mean: &[f64]) -> Vec<f64> {
    let width = mean.len();
    let mut sum = within.to_vec();
    add(&mut sum, between, n as f64);
    let inverse = Eigen::of(sum, width).pseudo_inverse();
    let solved = times(&inverse, mean);
    times(between, &solved).into_iter().map(|value| n as f64 * value).collect()
}

fn times(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(vector.len()).map(|row| dot(row, vector)).collect()
}

/// Sample covariances of the classes' means, counted once for each image, and of the images around them.
fn covariances(centred: &Features, own: &[Vec<usize>], means: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let mut of_means = Vec::new();
    let mut rests = Vec::new();
    for (images, mean) in own.iter().zip(means) {
        for &image in images {
            of_means.extend_from_slice(mean);
            let mut rest = centred.row(image).to_vec();
            add(&mut rest, mean, -1.0);
            rests.extend(rest);
        }
    }
    let covariance = |values: Vec<f64>| {
        let rows = Features::new(values, centred.width()).expect("sums of finite features");
        let n = rows.len() as f64;
        let mut gram = rows.minus(&rows.mean()).gram();
        for entry in &mut gram {
            *entry /= n - 1.0;
        }
        gram
    };
    (covariance(of_means), covariance(rests))
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    squared_distance(a, b).sqrt()
}

/// Judges the images of each group. `clean` are images among them that are known to be clean. The index of a group is its anomaly index,
/// positive when its two groups fit better than those of other classes; above [`THRESHOLD`] the one of the two with fewer of the clean
/// images is flagged. The score of an image says how much better that one fits it than the other.
///
/// A group that is empty has no index; when most groups are alike, none has.
pub fn filter(
    variation: &Variation,
    features: &Features,
    groups: &Groups,
    clean: &[bool],
    seed: u64,
) -> Filtered {
    let mut said = Filtered::nothing(features.len());
    let centred = features.minus(&mean(features));
    let splits: Vec<Option<Split>> = groups
        .iter()
        .map(|images| {
            (!images.is_empty()).then(|| Split::of(variation, &centred.select(images), seed))
        })
        .collect();
    let statistics: Vec<f64> = splits.iter().flatten().map(|split| split.statistic).collect();
    let index = anomaly_index(&statistics);
    let mut place = 0;
    for (images, split) in groups.iter().zip(&splits) {
        let Some(split) = split else {
            said.indices.push(None);
            continue;
        };
        let index = index.as_ref().map(|index| index[place]);
        place += 1;
        said.indices.push(index);
        let known = |group: bool| {
            images.iter().zip(&split.in_first).filter(|&(&i, &f)| clean[i] && f == group).count()
        };
        let suspected = known(true) < known(false);
        for (i, &image) in images.iter().enumerate() {
            said.scores[image] = if suspected { split.margins[i] } else { -split.margins[i] };
            said.flagged[image] =
                index.is_some_and(|index| index > THRESHOLD) && split.in_first[i] == suspected;
        }
    }
    said
}

/// Two groups within a class.
struct Split {
    in_first: Vec<bool>,
    /// How much nearer each image is to the first group than to the second.
    margins: Vec<f64>,
    /// Twice the logarithm of the likelihood ratio of two groups to one, per image (equation 9).
    statistic: f64,
}

impl Split {
    /// In the metric of the variation within classes, the two groups of greatest likelihood are the clusters of 2-means.
    fn of(variation: &Variation, centred: &Features, seed: u64) -> Self {
        let (n, width) = (centred.len(), centred.width());
        let one = identity(&variation.between, &variation.within, n, &centred.mean());
        let one = times(&variation.whitening, &one);
        let white = centred.rows().flat_map(|row| times(&variation.whitening, row)).collect();
        let white = Features::new(white, width).expect("products of finite features");
        let found = KMeans::fit(&white, 2, seed);
        let margin = |row: &[f64]| {
            let [first, second] = [&found.centres[..width], &found.centres[width..]];
            squared_distance(row, second) - squared_distance(row, first)
        };
        let alone: f64 = white.rows().map(|row| squared_distance(row, &one)).sum();
        Self {
            in_first: found.clusters.iter().map(|&cluster| cluster == 0).collect(),
            margins: white.rows().map(margin).collect(),
            statistic: (alone - found.inertia) / n as f64,
        }
    }
}

#[cfg(test)]
mod tests;
