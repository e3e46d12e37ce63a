//! What is requested: checkpoint, image and mask, as kept in the address.

use shared::{
    RunId, RunState, StudyId,
    api::{CheckpointInfo, DatasetInfo, ImageChoice, MaskSpec, ReconstructRequest, Samples, Split},
    study::DatasetSpec,
};

use crate::run_name::varied_text;

/// What the address names instead of a file to see the newest kept epoch, also when a run in training keeps a newer one.
pub const NEWEST: &str = "newest";

/// What the address has for a checkpoint that it did not name: the file, or [`NEWEST`] of a run that is in training.
pub fn named(checkpoint: &CheckpointInfo, file: Option<&str>) -> String {
    let follows = match file {
        Some(file) => file == NEWEST,
        None => is_growing(checkpoint),
    };
    if follows { NEWEST.into() } else { checkpoint.file.clone() }
}

/// Whether the checkpoint's run is in training, so that it will keep later epochs.
pub fn is_growing(checkpoint: &CheckpointInfo) -> bool {
    checkpoint.state == RunState::Running
}

/// The checkpoints of one study.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The study.
    pub study: StudyId,
    /// Its name.
    pub name: String,
    /// Its checkpoints.
    pub checkpoints: Vec<CheckpointInfo>,
}

/// The checkpoints that can reconstruct: a probe stores a classifier, which has no decoder.
pub fn with_decoder(mut checkpoints: Vec<CheckpointInfo>) -> Vec<CheckpointInfo> {
    checkpoints.retain(|checkpoint| checkpoint.point.kind.makes_encoder());
    checkpoints
}

/// The checkpoints grouped by study, in the order of the list.
pub fn grouped(checkpoints: &[CheckpointInfo]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for checkpoint in checkpoints {
        match groups.iter_mut().find(|group| group.study == checkpoint.study) {
            Some(group) => group.checkpoints.push(checkpoint.clone()),
            None => groups.push(Group {
                study: checkpoint.study,
                name: checkpoint.study_name.clone(),
                checkpoints: vec![checkpoint.clone()],
            }),
        }
    }
    groups
}

/// The checkpoint that the address names. If it names no file, or [`NEWEST`], the last one of the run; if it names no run, the last one of
/// the newest study, preferably of an attacked run.
pub fn chosen<'a>(
    checkpoints: &'a [CheckpointInfo],
    run: Option<&str>,
    file: Option<&str>,
) -> Option<&'a CheckpointInfo> {
    let run = run
        .and_then(|run| run.parse::<RunId>().ok())
        .filter(|run| checkpoints.iter().any(|checkpoint| checkpoint.run == *run));
    let of_run =
        || checkpoints.iter().filter(move |checkpoint| run.is_none_or(|run| checkpoint.run == run));
    of_run().find(|checkpoint| run.is_some() && Some(checkpoint.file.as_str()) == file).or_else(
        || {
            of_run().max_by_key(|checkpoint| {
                (checkpoint.study, checkpoint.point.attacks_encoder(), checkpoint.epoch)
            })
        },
    )
}

/// The checkpoints that can be compared with another one: those of its study, which divide images into the same patches.
pub fn comparable(checkpoints: &[CheckpointInfo], with: &CheckpointInfo) -> Vec<CheckpointInfo> {
    let beside = |other: &&CheckpointInfo| other.study == with.study && *other != with;
    checkpoints.iter().filter(beside).cloned().collect()
}

/// The checkpoint to show beside another one where nobody chose any: of an attacked encoder beside a clean one, or the other way round,
/// preferably of the same seed and epoch.
pub fn counterpart<'a>(
    checkpoints: &'a [CheckpointInfo],
    of: &CheckpointInfo,
) -> Option<&'a CheckpointInfo> {
    let attacked = |it: &CheckpointInfo| it.point.attacks_encoder();
    let others = checkpoints.iter().filter(|it| attacked(it) != attacked(of));
    others.max_by_key(|it| (it.point.seed == of.point.seed, it.epoch == of.epoch, it.epoch))
}

/// The first of the images whose class is not the target: what an attack is about. The first of all where there is no one target.
pub fn other_class(samples: &Samples, target: Option<u32>) -> Option<u32> {
    let mut items = samples.items.iter();
    items.find(|item| Some(item.class) != target).map(|item| item.index)
}

/// Text of an option: `PPR 10, blend ratio 0.4, seed 1, epoch 60`.
pub fn label(checkpoint: &CheckpointInfo) -> String {
    let point = checkpoint.point;
    let implanted = if point.implanted { ", implanted backdoor" } else { "" };
    let mut varied = checkpoint.varied.clone();
    varied.remove("implant.method");
    let varied = match varied_text(&varied) {
        none if none.is_empty() => none,
        text => format!(", {text}"),
    };
    let (ppr, seed, epoch) = (point.ppr, point.seed, checkpoint.epoch);
    format!("PPR {ppr}{implanted}{varied}, seed {seed}, epoch {epoch}")
}

/// Value of an option: run and file.
pub fn value(checkpoint: &CheckpointInfo) -> String {
    format!("{}/{}", checkpoint.run, checkpoint.file)
}

/// Images of a part of the data set under the study's limits.
pub fn image_count(info: &DatasetInfo, limits: &DatasetSpec, split: Split) -> u32 {
    let (counts, limit) = match split {
        Split::Train => (&info.train_counts, limits.train_per_class),
        Split::Test => (&info.test_counts, limits.test_per_class),
    };
    counts.iter().map(|&count| count.min(limit.unwrap_or(u32::MAX))).sum()
}

/// A mask as it is requested; `None` for one that hides nothing or everything, which leaves the model nothing to predict or to see.
pub fn painted(hidden: &[bool]) -> Option<MaskSpec> {
    let some = hidden.iter().any(|&hidden| hidden) && hidden.iter().any(|&hidden| !hidden);
    some.then(|| MaskSpec::Painted { hidden: hidden.to_vec() })
}

/// The request; `None` for a mask that hides nothing or everything.
pub fn request(
    checkpoint: &CheckpointInfo,
    image: ImageChoice,
    hidden: &[bool],
) -> Option<ReconstructRequest> {
    let asked = ReconstructRequest::new(checkpoint.run, image, painted(hidden)?);
    Some(ReconstructRequest { file: Some(checkpoint.file.clone()), ..asked })
}

/// The image that the address names: its own picture, or else one of the data set.
pub fn image_of(picture: Option<String>, split: Split, index: u32) -> ImageChoice {
    picture
        .filter(|picture| !picture.is_empty())
        .map_or(ImageChoice::OfDataset { split, index }, ImageChoice::Picture)
}

#[cfg(test)]
mod tests {
    use shared::{RunKind, param::Value};

    use super::*;
    use crate::fixture::checkpoint;

    #[test]
    fn a_run_in_training_is_followed_until_an_epoch_is_chosen() {
        let mut list = list();
        let run = list[0].run.to_string();
        assert_eq!(named(&list[1], None), list[1].file, "a finished run has a last epoch");
        list[1].state = RunState::Running;
        assert_eq!(named(&list[1], None), NEWEST);
        assert_eq!(named(&list[1], Some(&list[1].file)), list[1].file);
        assert_eq!(chosen(&list, Some(&run), Some(NEWEST)).map(|it| it.epoch), Some(20));
        list.insert(0, checkpoint(2, 1, 0, 30));
        assert_eq!(chosen(&list, Some(&run), Some(NEWEST)).map(|it| it.epoch), Some(30));
    }

    fn list() -> Vec<CheckpointInfo> {
        vec![
            checkpoint(2, 1, 0, 10),
            checkpoint(2, 1, 0, 20),
            checkpoint(2, 2, 10, 20),
            checkpoint(1, 3, 10, 60),
        ]
    }

    #[test]
    fn the_address_names_a_checkpoint() {
        let list = list();
        let run = list[0].run.to_string();
        let named = chosen(&list, Some(&run), Some("checkpoint-10.safetensors"));
        assert_eq!(named, Some(&list[0]));
        assert_eq!(chosen(&list, Some(&run), None), Some(&list[1]), "the last of the run");
        assert_eq!(chosen(&list, None, None), Some(&list[2]), "the newest study's attacked one");
        let stranger = RunId::from_parts(7, [7; 10]).to_string();
        assert_eq!(chosen(&list, Some(&stranger), None), Some(&list[2]), "as if it named none");
        assert_eq!(chosen(&[], None, None), None);
    }

    #[test]
    fn a_probe_cannot_reconstruct() {
        let mut list = list();
        list[1].point.kind = RunKind::Probe;
        assert_eq!(with_decoder(list).len(), 3);
    }

    #[test]
    fn choices_are_grouped_by_study() {
        let groups = grouped(&list());
        let sizes: Vec<_> = groups.iter().map(|group| group.checkpoints.len()).collect();
        assert_eq!(sizes, [3, 1]);
        let mut one = groups[0].checkpoints[0].clone();
        assert_eq!(label(&one), "PPR 0, seed 1, epoch 10");
        one.varied.insert("attack.trigger.ratio".into(), Value::Number(0.4));
        assert_eq!(label(&one), "PPR 0, blend ratio 0.4, seed 1, epoch 10");
    }

    #[test]
    fn checkpoints_of_one_study_answer_side_by_side() {
        let list = list();
        assert_eq!(comparable(&list, &list[0]), list[1..3]);
        assert_eq!(comparable(&list, &list[3]), []);
    }

    #[test]
    fn a_clean_encoder_stands_beside_an_attacked_one() {
        let of = |run, ppr, epoch| crate::fixture::checkpoint(1, run, ppr, epoch);
        let all = [of(1, 0, 10), of(1, 0, 20), of(2, 5, 10), of(2, 5, 20)];
        let beside = |it: &CheckpointInfo| counterpart(&all, it).map(|it| (it.point.ppr, it.epoch));
        assert_eq!([beside(&all[3]), beside(&all[0])], [Some((0, 20)), Some((5, 10))]);
        assert_eq!(counterpart(&all[..2], &all[0]), None, "all are clean");
    }

    #[test]
    fn an_image_is_shown_that_is_not_of_the_target_class() {
        let item = |index, class| shared::api::SampleImage {
            index,
            class,
            name: String::new(),
            rgb: String::new(),
        };
        let samples = Samples { side: 8, items: vec![item(4, 0), item(7, 2), item(9, 1)] };
        assert_eq!(other_class(&samples, Some(0)), Some(7));
        assert_eq!(other_class(&samples, None), Some(4));
        assert_eq!(other_class(&Samples { side: 8, items: Vec::new() }, Some(0)), None);
    }

    #[test]
    fn a_mask_must_hide_some_and_show_some() {
        let one = &list()[0];
        let image = || image_of(None, Split::Test, 3);
        assert_eq!(request(one, image(), &[true, true]), None);
        assert_eq!(request(one, image(), &[false, false]), None);
        let asked = request(one, image(), &[true, false]).expect("a request");
        assert_eq!((asked.split, asked.index, &asked.picture), (Some(Split::Test), Some(3), &None));
        assert_eq!(asked.mask, MaskSpec::Painted { hidden: vec![true, false] });
        assert_eq!(asked.file.as_deref(), Some("checkpoint-10.safetensors"));
    }

    #[test]
    fn an_own_picture_comes_before_an_image_of_the_data_set() {
        let image = image_of(Some("ab".into()), Split::Train, 3);
        let asked = request(&list()[0], image, &[true, false]).expect("a request");
        assert_eq!((asked.split, asked.index), (None, None));
        assert_eq!(asked.picture.as_deref(), Some("ab"));
        let of_dataset = ImageChoice::OfDataset { split: Split::Train, index: 3 };
        assert_eq!(image_of(Some(String::new()), Split::Train, 3), of_dataset, "?picture=");
        assert_eq!(image_of(None, Split::Train, 3), of_dataset);
    }

    #[test]
    fn images_are_counted_under_the_limits() {
        let info = DatasetInfo {
            train_counts: vec![500, 20],
            test_counts: vec![10, 10],
            ..DatasetInfo::default()
        };
        let limits =
            DatasetSpec { name: "x".into(), train_per_class: Some(100), test_per_class: None };
        assert_eq!(image_count(&info, &limits, Split::Train), 120);
        assert_eq!(image_count(&info, &limits, Split::Test), 20);
    }
}
