//! The recipe of a defence.

use serde::{Deserialize, Serialize};

use super::{TransformerSpec, is_false};

/// What `PatchSearch` tells images with a patch on them by: a small vision transformer, in the place of its authors' five small `ResNets`.
pub const PATCH_CLASSIFIER: TransformerSpec = TransformerSpec { dim: 64, depth: 2, heads: 2 };
/// Images of a step of its training.
pub const PATCH_BATCH: u32 = 64;
/// Images of a step of the training of `DeDe`'s decoder (its authors' value).
pub const DECODER_BATCH: u32 = 256;

/// A defence against backdoors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DefenceMethod {
    /// Spectral signatures (Tran, Li and Madry 2018): a sample filter.
    #[default]
    Spectral,
    /// Activation clustering (Chen et al. 2018): a sample filter.
    ActivationClustering,
    /// SCAn (Tang et al. 2021): a sample filter.
    Scan,
    /// `PatchSearch` (Tejankar et al. 2023): a sample filter that needs no labels.
    PatchSearch,
    /// The split by loss of decoupling-based backdoor defence, DBD (Huang et al. 2022): a sample filter.
    LossSplit,
    /// STRIP (Gao et al. 2019): an input filter.
    Strip,
    /// BDMAE (Sun et al. 2023): an input filter that restores what it suspects.
    Bdmae,
    /// Patch processing (Doan et al. 2023): an input filter.
    PatchProcessing,
    /// Blocking of what the encoder attends to most, after Subramanya et al. (2022): an input filter.
    Blocking,
    /// `DeDe` (Hou, Li and Yao 2025), with the judged autoencoder's own decoder or with one that is trained: an input filter.
    Dede,
    /// A linear detector of frequencies, after Zeng et al. (2021): an input filter.
    Frequency,
    /// Beatrix (Ma et al. 2023): an input filter.
    Beatrix,
    /// DECREE (Feng et al. 2023): a detector of backdoored encoders.
    Decree,
    /// Fine-tuning on clean images: a repair.
    FineTuning,
    /// Fine-pruning (Liu, Dolan-Gavitt and Garg 2018): a repair.
    FinePruning,
    /// Neural attention distillation, NAD (Li et al. 2021): a repair.
    Nad,
}

/// What a defence judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefenceKind {
    /// The images of a training set.
    SampleFilter,
    /// Images that a classifier is asked about.
    InputFilter,
    /// An encoder, by clean images alone.
    EncoderDetector,
    /// Nothing: it changes a fine-tuned classifier by clean images.
    Repair,
}

impl DefenceMethod {
    /// All of them, the default first.
    pub const ALL: [Self; 16] = [
        Self::Spectral,
        Self::ActivationClustering,
        Self::Scan,
        Self::PatchSearch,
        Self::LossSplit,
        Self::Strip,
        Self::Bdmae,
        Self::PatchProcessing,
        Self::Blocking,
        Self::Dede,
        Self::Frequency,
        Self::Beatrix,
        Self::Decree,
        Self::FineTuning,
        Self::FinePruning,
        Self::Nad,
    ];

    /// What it judges.
    pub fn kind(self) -> DefenceKind {
        match self {
            Self::Spectral
            | Self::ActivationClustering
            | Self::Scan
            | Self::PatchSearch
            | Self::LossSplit => DefenceKind::SampleFilter,
            Self::Strip
            | Self::Bdmae
            | Self::PatchProcessing
            | Self::Blocking
            | Self::Dede
            | Self::Frequency
            | Self::Beatrix => DefenceKind::InputFilter,
            Self::Decree => DefenceKind::EncoderDetector,
            Self::FineTuning | Self::FinePruning | Self::Nad => DefenceKind::Repair,
        }
    }

    /// Whether it changes a fine-tuned classifier instead of judging anything.
    pub fn repairs(self) -> bool {
        self.kind() == DefenceKind::Repair
    }

    /// Whether it judges the images of a training set.
    pub fn filters_samples(self) -> bool {
        self.kind() == DefenceKind::SampleFilter
    }
}

/// The training set that a sample filter judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DefendedSet {
    /// That of a linear probe: the clean images and `defence.poisons`, with their labels.
    #[default]
    Probe,
    /// That of the pre-training: the clean images and `pretrain.poisons`, without labels.
    Pretrain,
}

/// The classifier that an input filter protects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProtectedClassifier {
    /// The vote of the nearest neighbours among training images.
    #[default]
    Knn,
    /// A linear probe of the whole training set, by the recipe of `probe`.
    Probe,
}

impl ProtectedClassifier {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The groups of images that a sample filter looks at one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DefenceGroups {
    /// The images of each label.
    #[default]
    Label,
    /// The images of each of some clusters, for sets without labels.
    Clusters,
    /// All images.
    All,
}

/// Which of two clusters activation clustering takes for poisons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClusterDecision {
    /// The smaller one, always: a clean group loses up to half of itself.
    #[default]
    Smaller,
    /// The smaller one if it has less than 35 % of the images.
    RelativeSize,
    /// The smaller one if it has less than 35 % of the images and the mean silhouette is above 0.10.
    Silhouette,
}

/// What `DeDe`'s decoder sees of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DecodedFrom {
    /// The CLS token of the whole image, and nothing else.
    #[default]
    Embedding,
    /// The tokens of a quarter of the patches, as in pre-training.
    Patches,
}

/// The decoder of `DeDe`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DedeDecoder {
    /// That of the judged autoencoder, as it is.
    #[default]
    Own,
    /// One that is trained to redraw images from the judged encoder's embeddings, as published.
    Trained,
}

impl DedeDecoder {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a blocked square is filled with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BlockedBy {
    /// Black, as published.
    #[default]
    Black,
    /// What an autoencoder restores from the rest of the image.
    Restored,
}

/// The autoencoder that restores what a defence hides of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Restorer {
    /// The judged one itself.
    #[default]
    Own,
    /// One of the same pre-training without poisons, into which no backdoor was implanted.
    Clean,
    /// An imported one: that of [`DefenceSpec::restorer_checkpoint`].
    Imported,
}

impl Restorer {
    /// Whether the judged autoencoder restores: the default, which is not written.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a defence needs the decoder of the judged autoencoder, and what needs none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderNeed {
    /// The setting that asks for it.
    pub field: &'static str,
    /// What the decoder does: `BDMAE restores images with the encoder's own decoder`.
    pub why: &'static str,
    /// What to take where there is none.
    pub instead: &'static str,
}

impl DefenceSpec {
    /// Whether it is an input filter that protects a linear probe.
    pub fn protects_probe(&self) -> bool {
        let filters = self.method.kind() == DefenceKind::InputFilter;
        filters && self.classifier == ProtectedClassifier::Probe
    }

    /// Whether an autoencoder restores what the method hides of an image.
    pub fn restores(&self) -> bool {
        match self.method {
            DefenceMethod::Bdmae => true,
            DefenceMethod::Blocking => self.blocked_by == BlockedBy::Restored,
            _ => false,
        }
    }

    /// Why it needs the decoder of the judged autoencoder; `None` where the encoder is enough, or another autoencoder restores in its place.
    pub fn decoder_need(&self) -> Option<DecoderNeed> {
        let need = |field, why, instead| Some(DecoderNeed { field, why, instead });
        let method = "defence.method";
        if self.restores() && !self.restorer.is_default() {
            return None;
        }
        match self.method {
            DefenceMethod::Bdmae => need(
                method,
                "BDMAE restores images with the encoder's own decoder",
                "another defence.method or defence.restorer",
            ),
            DefenceMethod::Dede if self.decoder == DedeDecoder::Own => need(
                "defence.decoder",
                "DeDe decodes with the encoder's own decoder",
                "defence.decoder = \"trained\"",
            ),
            DefenceMethod::Blocking if self.blocked_by == BlockedBy::Restored => need(
                "defence.blocked_by",
                "attention blocking restores the square with the encoder's own decoder",
                "black or another defence.restorer",
            ),
            _ => None,
        }
    }

    /// Whether it trains a decoder on the judged encoder's embeddings.
    pub fn trains_decoder(&self) -> bool {
        self.method == DefenceMethod::Dede && self.decoder == DedeDecoder::Trained
    }
}

/// The authors' recipe of `DeDe`'s decoder: epochs, learning rate for a step of 256 images, share of the patches that are hidden.
const DECODER: (u32, f64, f64) = (200, 1e-3, 0.9);

fn is_decoder_epochs(value: &impl PartialEq<u32>) -> bool {
    *value == DECODER.0
}

fn is_decoder_lr(value: &impl PartialEq<f64>) -> bool {
    *value == DECODER.1
}

fn is_decoder_mask_ratio(value: &impl PartialEq<f64>) -> bool {
    *value == DECODER.2
}

/// The authors' values for DBD's split: epochs of the head, share of the images that is not kept.
const SPLIT: (u32, f64) = (10, 0.5);

fn is_head_epochs(value: &impl PartialEq<u32>) -> bool {
    *value == SPLIT.0
}

fn is_split_share(value: &impl PartialEq<f64>) -> bool {
    *value == SPLIT.1
}

/// A defence judges images by an encoder's features. It is never told which ones are poisoned; the result compares what it says with the
/// truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DefenceSpec {
    /// The method.
    pub method: DefenceMethod,
    /// The training set that a sample filter judges.
    pub set: DefendedSet,
    /// Poisons in the set of a linear probe, or in the training set of the classifier that an input filter protects, in the attack's unit of poison
    /// counts: the images that a probe with as many poisons (LPR) trains on.
    pub poisons: u32,
    /// The classifier that an input filter protects.
    #[serde(skip_serializing_if = "ProtectedClassifier::is_default")]
    pub classifier: ProtectedClassifier,
    /// Whether a linear probe is trained on the judged set, and once more on the images that the filter keeps (sample filters of a probe's set).
    #[serde(skip_serializing_if = "is_false")]
    pub retrain: bool,
    /// The groups of images that a sample filter looks at.
    pub groups: DefenceGroups,
    /// Number of clusters, with groups of clusters and for `PatchSearch`.
    pub clusters: u32,
    /// Upper bound on the share of poisons in a group, as the defender believes (spectral signatures).
    pub assumed_share: f64,
    /// Whether scores are taken of centred features, as the paper defines them (spectral signatures).
    pub centre: bool,
    /// Principal components that the features are reduced to (activation clustering).
    pub dimensions: u32,
    /// Which cluster is taken for poisons (activation clustering).
    pub decision: ClusterDecision,
    /// Images on which a patch is pasted to see how many it moves into its cluster (`PatchSearch`).
    pub pasted_on: u32,
    /// Steps for which the classifier of patches is trained (`PatchSearch`).
    pub patch_steps: u32,
    /// Epochs for which a linear head is trained (DBD's split by loss).
    #[serde(skip_serializing_if = "is_head_epochs")]
    pub head_epochs: u32,
    /// Share of the images, those with the highest losses, that is flagged (DBD's split by loss).
    #[serde(skip_serializing_if = "is_split_share")]
    pub split_share: f64,
    /// Clean validation images per class that the defender has (SCAn, input filters but BDMAE and
    /// attention blocking, and repairs). None of them is evaluated.
    pub clean_per_class: u32,
    /// Share of the mean variance within classes that is added to each feature's (SCAn).
    pub shrinkage: f64,
    /// Clean images that are laid over each image (STRIP).
    pub overlays: u32,
    /// Weight of the overlaid image (STRIP).
    pub overlay_weight: f64,
    /// Share of clean images that may be refused (STRIP, patch processing, `DeDe`, the frequency detector, Beatrix).
    pub refused: f64,
    /// Predictions without some patches, and as many with shuffled ones (patch processing).
    pub trials: u32,
    /// Share of the patches that is left out of them (patch processing).
    pub dropped: f64,
    /// Side of the square that is blocked, in patches (attention blocking).
    pub block: u32,
    /// What it is filled with (attention blocking).
    pub blocked_by: BlockedBy,
    /// Whose decoder redraws images (`DeDe`).
    #[serde(skip_serializing_if = "DedeDecoder::is_default")]
    pub decoder: DedeDecoder,
    /// Epochs for which a decoder is trained on the training images and `poisons`, without labels (`DeDe` with a trained decoder).
    #[serde(skip_serializing_if = "is_decoder_epochs")]
    pub decoder_epochs: u32,
    /// Its learning rate for a step of 256 images.
    #[serde(skip_serializing_if = "is_decoder_lr")]
    pub decoder_lr: f64,
    /// Share of the patches that are hidden from it in training.
    #[serde(skip_serializing_if = "is_decoder_mask_ratio")]
    pub decoder_mask_ratio: f64,
    /// The autoencoder that restores (BDMAE, attention blocking that restores).
    #[serde(skip_serializing_if = "Restorer::is_default")]
    pub restorer: Restorer,
    /// The imported checkpoint that restores, by name, with the restorer `imported`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restorer_checkpoint: Option<String>,
    /// What the judged autoencoder's own decoder sees of an image (`DeDe`).
    pub decoded_from: DecodedFrom,
    /// Random masks of an image whose errors are averaged (`DeDe` from patches).
    pub masks: u32,
    /// Validation images, without labels, on which a trigger is searched for (DECREE).
    pub shadow_images: u32,
    /// Epochs of the search at most (DECREE).
    pub search_epochs: u32,
    /// Whether the mean feature of clean images is subtracted before features are compared (DECREE).
    pub subtract_mean: bool,
    /// Share of the image below which a trigger means a backdoor (DECREE).
    pub mask_limit: f64,
    /// Epochs of fine-tuning on the defender's clean images (repairs).
    pub repair_epochs: u32,
    /// Its learning rate for a step of 256 images (repairs).
    pub repair_lr: f64,
    /// Accuracy on the defender's clean images that pruning may cost, as a share (fine-pruning).
    pub most_lost: f64,
    /// Weight of the difference between the student's and the teacher's attention maps (NAD).
    pub distill_weight: f64,
}

impl Default for DefenceSpec {
    /// The papers' values, where they have one; fewer overlays than the 100 of STRIP's paper, and fewer images to paste patches on than the
    /// 1,000 of `PatchSearch`'s.
    fn default() -> Self {
        Self {
            method: DefenceMethod::default(),
            set: DefendedSet::default(),
            poisons: 0,
            classifier: ProtectedClassifier::default(),
            retrain: false,
            groups: DefenceGroups::default(),
            clusters: 10,
            assumed_share: 0.1,
            centre: true,
            dimensions: 10,
            decision: ClusterDecision::default(),
            pasted_on: 100,
            patch_steps: 1000,
            head_epochs: SPLIT.0,
            split_share: SPLIT.1,
            clean_per_class: 10,
            shrinkage: 1e-3,
            overlays: 20,
            overlay_weight: 1.0,
            refused: 0.01,
            trials: 10,
            dropped: 0.5,
            block: 2,
            blocked_by: BlockedBy::default(),
            decoder: DedeDecoder::default(),
            decoder_epochs: DECODER.0,
            decoder_lr: DECODER.1,
            decoder_mask_ratio: DECODER.2,
            restorer: Restorer::default(),
            restorer_checkpoint: None,
            decoded_from: DecodedFrom::default(),
            masks: 10,
            shadow_images: 1000,
            search_epochs: 1000,
            subtract_mean: false,
            mask_limit: 0.1,
            repair_epochs: 10,
            repair_lr: 1e-3,
            most_lost: 0.04,
            distill_weight: 1000.0,
        }
    }
}
