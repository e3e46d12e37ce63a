//! Settings of a defence.

use super::{Choice, Domain, Setting, Value, choice, named, positive, real, switch, whole};
use crate::{
    run_kind::RunKind,
    settings::{DecodedFrom, DefenceGroups, DefenceKind, DefenceMethod, Settings},
};

const METHODS: [Choice; 16] = [
    named("spectral", "Spectral signatures"),
    named("activation_clustering", "Activation clustering"),
    named("scan", "SCAn"),
    named("patch_search", "PatchSearch"),
    named("loss_split", "DBD's split by loss"),
    named("strip", "STRIP"),
    named("bdmae", "BDMAE"),
    named("patch_processing", "Patch processing"),
    named("blocking", "Attention blocking"),
    named("dede", "DeDe"),
    named("frequency", "Frequency detector, linear"),
    named("beatrix", "Beatrix"),
    named("decree", "DECREE"),
    named("fine_tuning", "Fine-tuning, clean"),
    named("fine_pruning", "Fine-pruning"),
    named("nad", "NAD"),
];
const SETS: [Choice; 2] = [named("probe", "Linear probe"), named("pretrain", "Pre-training")];
const CLASSIFIERS: [Choice; 2] =
    [named("knn", "Nearest neighbours"), named("probe", "Linear probe")];
const GROUPS: [Choice; 3] =
    [named("label", "Labels"), named("clusters", "Clusters"), named("all", "All images")];
const DECISIONS: [Choice; 3] = [
    named("smaller", "Smaller cluster"),
    named("relative_size", "Cluster below 35 %"),
    named("silhouette", "Cluster below 35 %, apart"),
];

const DECODERS: [Choice; 2] = [named("own", "The encoder's own"), named("trained", "Trained")];

const DECODED_FROM: [Choice; 2] =
    [named("embedding", "Embedding alone"), named("patches", "Visible patches")];

const BLOCKED_BY: [Choice; 2] =
    [named("black", "Black"), named("restored", "Restored by an autoencoder")];

const RESTORERS: [Choice; 3] = [
    named("own", "The judged autoencoder"),
    named("clean", "One without poisons"),
    named("imported", "An imported one"),
];

fn defence(_: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Defence
}

fn by(settings: &Settings, kind: RunKind, methods: &[DefenceMethod]) -> bool {
    kind == RunKind::Defence && methods.contains(&settings.defence.method)
}

fn sample_filter(settings: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Defence && settings.defence.method.filters_samples()
}

fn own_poisons(settings: &Settings, kind: RunKind) -> bool {
    let filters = [DefenceKind::SampleFilter, DefenceKind::InputFilter];
    let of_images = filters.contains(&settings.defence.method.kind());
    kind == RunKind::Defence && !settings.judges_pretraining() && of_images
}

// It came later: only where it is on, it is part of a run's digest.
fn retrains(settings: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Defence && settings.retrains()
}

// So did another classifier.
fn protects_probe(settings: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Defence && settings.defence.protects_probe()
}

fn groups(settings: &Settings, kind: RunKind) -> bool {
    let whole = [DefenceMethod::PatchSearch, DefenceMethod::LossSplit];
    sample_filter(settings, kind) && !whole.contains(&settings.defence.method)
}

fn clusters(settings: &Settings, kind: RunKind) -> bool {
    let by_cluster = settings.defence.groups == DefenceGroups::Clusters;
    patch_search(settings, kind) || groups(settings, kind) && by_cluster
}

fn patch_search(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::PatchSearch])
}

fn loss_split(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::LossSplit])
}

fn spectral(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::Spectral])
}

fn clustering(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::ActivationClustering])
}

fn scan(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::Scan])
}

fn strip(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::Strip])
}

fn with_clean(settings: &Settings, kind: RunKind) -> bool {
    let of_images = settings.defence.method.kind() == DefenceKind::InputFilter;
    let without = [DefenceMethod::Bdmae, DefenceMethod::Blocking];
    let other = of_images && !without.contains(&settings.defence.method);
    let learns = settings.defence.method == DefenceMethod::Scan;
    kind == RunKind::Defence && (other || learns || settings.defence.method.repairs())
}

fn refuses(settings: &Settings, kind: RunKind) -> bool {
    let by_limit = [
        DefenceMethod::Strip,
        DefenceMethod::PatchProcessing,
        DefenceMethod::Dede,
        DefenceMethod::Frequency,
        DefenceMethod::Beatrix,
    ];
    by(settings, kind, &by_limit)
}

fn patch_processing(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::PatchProcessing])
}

fn blocking(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::Blocking])
}

// A trained decoder came later: only where there is one, its settings are part of a run's digest.
pub(super) fn trains_decoder(settings: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Defence && settings.defence.trains_decoder()
}

fn own_decoder(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::Dede]) && !settings.defence.trains_decoder()
}

// So did another restorer.
fn restored_elsewhere(settings: &Settings, kind: RunKind) -> bool {
    let elsewhere = settings.takes_clean_restorer() || settings.takes_imported_restorer();
    kind == RunKind::Defence && elsewhere
}

fn imported_restorer(settings: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Defence && settings.takes_imported_restorer()
}

fn masked(settings: &Settings, kind: RunKind) -> bool {
    own_decoder(settings, kind) && settings.defence.decoded_from == DecodedFrom::Patches
}

fn decree(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::Decree])
}

fn repair(settings: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Defence && settings.defence.method.repairs()
}

fn nad(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::Nad])
}

fn fine_pruning(settings: &Settings, kind: RunKind) -> bool {
    by(settings, kind, &[DefenceMethod::FinePruning])
}

pub(super) static DEFENCE: [Setting; 40] = [
choice("defence.method", "Defence", &METHODS, "Spectral signatures, activation clustering, SCAn, PatchSearch and DBD's split by loss judge a training set; DECREE judges the encoder; fine-tuning, fine-pruning and NAD repair a fine-tuned classifier; the others judge images that a classifier is asked about.").matters_if(defence),
choice("defence.set", "Judged set", &SETS, "The set of a linear probe has labels; that of the pre-training has none.").matters_if(sample_filter),
whole("defence.poisons", "Poisons before the defence", "", (0, 1_000_000), "As many as in a linear probe of this LPR, in the unit of poison counts.").matters_if(own_poisons),
choice("defence.classifier", "Protected classifier", &CLASSIFIERS, "Nearest neighbours need no training; a linear probe is the study's classifier, trained on all images by the recipe of probe.").matters_if(protects_probe),
switch("defence.retrain", "Train again on what is kept", "A linear probe is trained on the judged set, and once more without the flagged images: CA, ASR and RA before and after.").matters_if(retrains),
choice("defence.groups", "Groups", &GROUPS, "Sample filters compare the images of a group with each other.").matters_if(groups),
whole("defence.clusters", "Clusters", "", (1, 1000), "Number of groups where there are no labels; as many as classes, or more.").matters_if(clusters),
positive("defence.assumed_share", "Assumed share", "of a group", 0.5, 0.01, "What the defender believes: 1.5 times this share of each group is flagged.").matters_if(spectral),
switch("defence.centre", "Centred scores", "As the paper defines them; its authors' program does not centre.").matters_if(spectral),
whole("defence.dimensions", "Principal components", "", (1, 512), "Features are reduced to them before they are clustered.").matters_if(clustering),
choice("defence.decision", "Flagged cluster", &DECISIONS, "Always flagging the smaller cluster costs a clean class up to half of its images.").matters_if(clustering),
whole("defence.pasted_on", "Images to paste on", "", (1, 100_000), "A patch is pasted on each of them to see how many move into its cluster; the paper takes 1,000.").matters_if(patch_search),
whole("defence.patch_steps", "Steps of the patch classifier", "", (1, 1_000_000), "It learns the found patches, and then scores every image.").matters_if(patch_search),
Setting {
    read: Some(|settings| Some(Value::Number(settings.defence.head_epochs.into()))),
    ..whole("defence.head_epochs", "Epochs of the head", "", (1, 10_000), "It learns the labels from the features, by symmetric cross-entropy; the longer, the more of the poisons it learns as well.").matters_if(loss_split)
},
Setting {
    read: Some(|settings| Some(Value::Number(settings.defence.split_share))),
    ..positive("defence.split_share", "Highest losses", "share", 1.0, 0.05, "The images with the highest losses are flagged, of the whole set; the paper takes half.").matters_if(loss_split)
},
whole("defence.clean_per_class", "Clean images", "per class", (1, 100_000), "Validation images that the defender has; none of them is evaluated.").matters_if(with_clean),
real("defence.shrinkage", "Shrinkage", "", (0.0, 1.0), 1e-3, "Added to the variance within classes, for fewer clean images than features.").matters_if(scan),
whole("defence.overlays", "Overlays", "images", (1, 1000), "Clean images that are laid over each image; the paper takes 100.").matters_if(strip),
positive("defence.overlay_weight", "Overlay weight", "", 1.0, 0.1, "Weight of the overlaid image; the sum is cut off at 255.").matters_if(strip),
positive("defence.refused", "Refused clean images", "share", 0.5, 0.01, "Sets the limit of the score, by clean images of the defender.").matters_if(refuses),
whole("defence.trials", "Trials", "of each kind", (1, 1000), "Predictions without some patches, and as many with shuffled ones.").matters_if(patch_processing),
positive("defence.dropped", "Patches left out", "share", 0.99, 0.05, "More weaken a local trigger more, and the object, too.").matters_if(patch_processing),
whole("defence.block", "Side of the block", "patches", (1, 64), "The square with most attention is blocked; about the trigger's size is best.").matters_if(blocking),
choice("defence.blocked_by", "Filled with", &BLOCKED_BY, "Black is as published; an autoencoder can restore the square from the rest of the image.").matters_if(blocking),
choice("defence.decoder", "Decoder", &DECODERS, "The encoder's own costs nothing; the paper trains one on the encoder's embeddings, which an encoder without a decoder needs.").matters_if(trains_decoder),
Setting {
    read: Some(|settings| Some(Value::Number(settings.defence.decoder_epochs.into()))),
    ..whole("defence.decoder_epochs", "Epochs of the decoder", "", (1, 10_000), "It learns to redraw the training images, poisons as well, from their embeddings; the paper takes 200 of CIFAR-10.").matters_if(trains_decoder)
},
Setting {
    read: Some(|settings| Some(Value::Number(settings.defence.decoder_lr))),
    ..positive("defence.decoder_lr", "Learning rate of the decoder", "per 256 images", 1.0, 1e-4, "Constant, as published.").matters_if(trains_decoder)
},
Setting {
    domain: Domain::Real { low: 0.0, above: true, high: 1.0, below: true, step: 0.01 },
    read: Some(|settings| Some(Value::Number(settings.defence.decoder_mask_ratio))),
    ..positive("defence.decoder_mask_ratio", "Patches hidden from the decoder", "share", 1.0, 0.01, "In training; the more are hidden, the more it depends on the embedding. The paper takes 0.75 for CTRL.").matters_if(trains_decoder)
},
choice("defence.restorer", "Restored by", &RESTORERS, "The judged autoencoder may redraw a trigger that it was trained with. “One without poisons” has the same pre-training without poisons; the study adds it if needed.").matters_if(restored_elsewhere),
Setting::new("defence.restorer_checkpoint", "Imported restorer", "", Domain::Name { optional: true }, "A whole MAE for images and patches of the study's sizes; its widths and depths are its own.").matters_if(imported_restorer),
choice("defence.decoded_from", "Decoded from", &DECODED_FROM, "The embedding is the CLS token of the whole image; visible patches are a quarter of them, as in pre-training.").matters_if(own_decoder),
whole("defence.masks", "Masks", "of an image", (1, 1000), "Random masks whose errors are averaged.").matters_if(masked),
whole("defence.shadow_images", "Clean images", "", (2, 1_000_000), "Validation images, without labels, on which a trigger is searched for; the paper takes 1,000 of CIFAR-10.").matters_if(decree),
whole("defence.search_epochs", "Epochs", "at most", (1, 100_000), "The search ends earlier when the trigger no longer becomes smaller.").matters_if(decree),
switch("defence.subtract_mean", "Features less their mean", "For encoders whose features of clean images are all alike; the paper does not.").matters_if(decree),
positive("defence.mask_limit", "Limit", "of the image", 1.0, 0.01, "An encoder with a smaller trigger counts as backdoored.").matters_if(decree),
whole("defence.repair_epochs", "Epochs of the repair", "", (1, 10_000), "Fine-tuning on the defender's clean images; more of them forget more of the backdoor, and of the training set.").matters_if(repair),
positive("defence.repair_lr", "Learning rate of the repair", "per 256 images", 1.0, 1e-4, "Higher rates move the classifier further from its backdoor, and from what it has learnt.").matters_if(repair),
real("defence.most_lost", "Accuracy that pruning may cost", "share", (0.0, 1.0), 0.01, "Channels are pruned as long as accuracy on the defender's clean images falls by at most this.").matters_if(fine_pruning),
real("defence.distill_weight", "Weight of the attention maps", "", (0.0, 1e6), 1.0, "How strongly the student is held to what its teacher attends to; 0 is fine-tuning alone.").matters_if(nad),
];
