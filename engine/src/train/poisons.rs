//! What the attacker does to a training set: the plan, and its poisoned copies and cover samples, made on demand.

use std::{borrow::Cow, collections::HashMap};

use shared::{
    PoisonPlan, Rgb8, RunKind, Trigger,
    composition::Canvas,
    poison::{Amount, resolve_list},
    settings::AttackSpec,
};

use super::report::Reporter;
use crate::{
    EngineError,
    compute::{DynTrainer, ImageSet},
    data::{DataError, Entry, Pixels, Sample},
};

/// The plan of one phase of a run on these training images of `classes` classes: drawn at random, or the first images on the study's list.
/// What is composed of several images is not yet in it: [`PoisonPlan::composed`].
///
/// # Errors
/// When a class has too few images, or the study's list cannot be applied.
pub fn plan(
    attack: &AttackSpec,
    train: &[Entry],
    classes: u32,
    phase: RunKind,
    amount: Amount,
    seed: u64,
) -> Result<PoisonPlan, EngineError> {
    let labels = labels(train);
    let Some(list) = &attack.poisons else {
        return Ok(PoisonPlan::draw(phase, &labels, classes, attack, amount, seed)?);
    };
    let images = train.iter().map(|entry| (entry.name.as_str(), entry.class));
    let listed = resolve_list(list, images, attack)
        .map_err(|errors| errors.into_iter().next().expect("a refused list has an error"))?;
    Ok(PoisonPlan::from_list(phase, &labels, classes, &listed, attack, amount, seed)?)
}

/// The classes of training images.
pub fn labels(train: &[Entry]) -> Vec<u32> {
    train.iter().map(|entry| entry.class).collect()
}

/// Where a sample of an attacked training set comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The clean training image with this index.
    Clean(usize),
    /// The attacker: made sample with this index.
    Made(usize),
}

/// The samples of an attacked training set, in its order: the clean images, of which made samples take the place of some, or come behind.
#[derive(Clone, Debug)]
pub struct Members {
    clean: usize,
    added: usize,
    /// The made sample in the place of a clean image.
    replaced: HashMap<usize, usize>,
}

impl Members {
    /// The samples of a training set of `clean` images that the plan changes.
    pub fn of(clean: usize, plan: &PoisonPlan) -> Self {
        let made = plan.made().map(|sample| sample.index as usize).zip(0..);
        Self { clean, added: plan.added(), replaced: made.filter(|_| plan.replaces).collect() }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.clean + self.added
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where sample `i` comes from.
    pub fn origin(&self, i: usize) -> Origin {
        match (i.checked_sub(self.clean), self.replaced.get(&i)) {
            (Some(made), _) | (None, Some(&made)) => Origin::Made(made),
            (None, None) => Origin::Clean(i),
        }
    }

    /// The origins of all samples.
    pub fn origins(&self) -> impl Iterator<Item = Origin> + '_ {
        (0..self.len()).map(|i| self.origin(i))
    }
}

/// The samples that the attacker makes: the poisoned ones, then the cover samples.
#[derive(Clone, Copy)]
pub struct Poisons<'a> {
    /// Which images are copied.
    pub plan: &'a PoisonPlan,
    /// The trigger of each backdoor, the main one first, ready for training images.
    pub triggers: &'a [Trigger],
    /// The clean training images.
    pub train: &'a [Sample],
}

impl Poisons<'_> {
    /// Number of made samples.
    pub fn len(&self) -> usize {
        self.plan.made().count()
    }

    /// The samples of the attacked training set.
    pub fn members(&self) -> Members {
        Members::of(self.train.len(), self.plan)
    }

    /// The label of a sample.
    pub fn label_of(&self, origin: Origin) -> u32 {
        match origin {
            Origin::Clean(i) => self.train[i].class,
            Origin::Made(i) => self.label(i),
        }
    }

    /// Whether the training set is clean.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The labels of the made samples.
    pub fn labels(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len()).map(|i| self.label(i))
    }

    /// The label of made sample `i`. Panics when there are fewer.
    pub fn label(&self, i: usize) -> u32 {
        match i.checked_sub(self.plan.samples.len()) {
            None => self.plan.label_of(&self.plan.samples[i]),
            Some(cover) => self.plan.covers[cover].class,
        }
    }

    /// Made sample `i`, square unless it is composed. Panics when there are fewer.
    ///
    /// # Errors
    /// When the original is read from a file that has become unreadable.
    pub fn image(&self, i: usize) -> Result<Rgb8, DataError> {
        made(self.plan, self.triggers, i, |index| self.train[index as usize].image())
    }

    /// Width and height of a sample in pixels.
    pub fn size_of(&self, origin: Origin) -> (usize, usize) {
        let side = self.triggers[0].side();
        match origin {
            Origin::Made(i) if i < self.plan.compositions.len() => Canvas::size(side),
            _ => (side, side),
        }
    }
}

/// Made sample `i` of a plan, from the clean training images that `original` gives by their index. Panics when there are fewer, or no trigger of
/// the sample's backdoor.
///
/// # Errors
/// When an original cannot be read.
pub fn made<'a>(
    plan: &PoisonPlan,
    triggers: &[Trigger],
    i: usize,
    original: impl Fn(u32) -> Result<Cow<'a, Rgb8>, DataError>,
) -> Result<Rgb8, DataError> {
    let trigger = |backdoor: u32| &triggers[backdoor as usize];
    if let Some(poison) = plan.samples.get(i) {
        let trigger = trigger(poison.backdoor);
        return match plan.compositions.get(i) {
            Some(composition) => composition.picture(poison.index, trigger, original),
            None => Ok(trigger.applied(&*original(poison.index)?)),
        };
    }
    let cover = plan.covers[i - plan.samples.len()];
    let (trigger, cover) = (trigger(cover.backdoor), original(cover.index)?);
    Ok(if plan.triggered_covers { trigger.applied(&cover) } else { trigger.cover(&cover) })
}

/// The training set that an attacker has changed.
pub struct AttackedSet<'a> {
    poisons: Poisons<'a>,
    members: Members,
    /// The made samples; empty when the clean images are not in memory either.
    made: Vec<Rgb8>,
}

impl<'a> AttackedSet<'a> {
    /// Makes the attacker's samples, unless the clean images are read from their files: then each is made on demand.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn new(pixels: &'a Pixels, poisons: Poisons<'a>) -> Result<Self, DataError> {
        let kept = if pixels.train_kept { poisons.len() } else { 0 };
        let made = (0..kept).map(|i| poisons.image(i)).collect::<Result<_, _>>()?;
        Ok(Self { members: poisons.members(), poisons, made })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Has a trainer hold all images, `side` x `side`, beside batches like this, if it can. Composed poisons are not square, so nothing is
    /// held beside them: crops are then made here.
    ///
    /// # Errors
    /// When an image cannot be read; when the device or an event fails.
    pub fn hold<B: Send, V: ?Sized>(
        &self,
        trainer: &mut DynTrainer<B, V>,
        side: usize,
        like: impl FnOnce() -> Result<B, DataError>,
        report: &mut Reporter<'_>,
    ) -> Result<bool, EngineError> {
        if !self.poisons.plan.compositions.is_empty() {
            return Ok(false);
        }
        let image = |i: usize| self.image(i).map(Cow::into_owned);
        let set = ImageSet { count: self.len(), side, image: &image };
        let held = trainer.hold(&set, &like()?, report);
        // An event that failed stopped the copying.
        report.intact()?;
        let held = held?;
        if held {
            let count = self.len();
            report.log(format!("{count} images are in the GPU's memory, and are cropped there"))?;
        }
        Ok(held)
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The label of sample `i`. Panics when there are fewer.
    pub fn label(&self, i: usize) -> u32 {
        self.poisons.label_of(self.members.origin(i))
    }

    /// Width and height of image `i` in pixels. Panics when there are fewer.
    pub fn size(&self, i: usize) -> (usize, usize) {
        self.poisons.size_of(self.members.origin(i))
    }

    /// Image `i`. Panics when there are fewer.
    ///
    /// # Errors
    /// When it is read from a file that has become unreadable.
    pub fn image(&self, i: usize) -> Result<Cow<'_, Rgb8>, DataError> {
        match self.members.origin(i) {
            Origin::Clean(i) => self.poisons.train[i].image(),
            Origin::Made(i) => match self.made.get(i) {
                Some(image) => Ok(Cow::Borrowed(image)),
                None => self.poisons.image(i).map(Cow::Owned),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        Stage, TriggerSpec,
        api::Split,
        run::DataSource,
        settings::{ComposeMethod, ComposeSpec, DatasetSpec},
        trigger::{RandomPatchSpec, WaNetSpec},
    };

    use super::*;
    use crate::data::{Index, load_within};

    #[test]
    fn poisons_get_the_trigger_and_the_target_covers_neither() {
        let image = |i: u8| Rgb8::from_fn(8, 8, |x, y| [i * 20, 30 * x as u8, 30 * y as u8]);
        let train: Vec<Sample> = (0..6).map(|i| Sample::kept(image(i), u32::from(i) / 3)).collect();
        let labels: Vec<u32> = train.iter().map(|sample| sample.class).collect();
        let trigger = TriggerSpec::WaNet(WaNetSpec::default());
        let attack = AttackSpec { trigger, ..AttackSpec::default() };
        let plan = PoisonPlan::draw(RunKind::Probe, &labels, 2, &attack, 1, 7).unwrap();
        let trigger = Trigger::prepare(&attack.trigger, None, 8, Stage::Train).unwrap();
        let poisons =
            Poisons { plan: &plan, triggers: std::slice::from_ref(&trigger), train: &train };
        assert_eq!(poisons.labels().collect::<Vec<_>>(), [0, 1, 1]);
        let added = |i| poisons.image(i).unwrap();
        let original = train[plan.samples[0].index as usize].image().unwrap();
        assert_eq!(added(0), trigger.applied(&original));
        let covered = train[plan.covers[1].index as usize].image().unwrap();
        assert_eq!(added(2), trigger.cover(&covered));
        assert_ne!(added(2), trigger.applied(&covered));
    }

    #[test]
    fn covers_of_any_trigger_get_it_and_keep_their_label() {
        let image = |i: u8| Rgb8::from_fn(8, 8, |x, y| [i * 20, 30 * x as u8, 30 * y as u8]);
        let train: Vec<Sample> = (0..9).map(|i| Sample::kept(image(i), u32::from(i) / 3)).collect();
        let labels: Vec<u32> = train.iter().map(|sample| sample.class).collect();
        let trigger = TriggerSpec::Bpp(shared::trigger::BppSpec::default());
        let attack =
            AttackSpec { sources: vec![1], cover_ratio: 1.0, trigger, ..AttackSpec::default() };
        let plan = PoisonPlan::draw(RunKind::Probe, &labels, 3, &attack, 2, 7).unwrap();
        let trigger = Trigger::prepare(&attack.trigger, None, 8, Stage::Train).unwrap();
        let poisons =
            Poisons { plan: &plan, triggers: std::slice::from_ref(&trigger), train: &train };
        assert_eq!(poisons.labels().collect::<Vec<_>>(), [0, 0, 2, 2]);
        for (i, sample) in plan.made().enumerate() {
            let original = train[sample.index as usize].image().unwrap();
            assert_eq!(poisons.image(i).unwrap(), trigger.applied(&original));
        }
    }

    #[test]
    fn an_all_to_all_set_has_the_next_label_of_each_poison_and_its_own_of_each_cover() {
        let image = |i: u8| Rgb8::from_fn(8, 8, |x, y| [i * 20, 30 * x as u8, 30 * y as u8]);
        let train: Vec<Sample> = (0..9).map(|i| Sample::kept(image(i), u32::from(i) / 3)).collect();
        let labels: Vec<u32> = train.iter().map(|sample| sample.class).collect();
        let trigger = TriggerSpec::Bpp(shared::trigger::BppSpec::default());
        let goal = shared::settings::AttackGoal::AllToAll;
        let attack = AttackSpec { goal, cover_ratio: 1.0, trigger, ..AttackSpec::default() };
        let plan = PoisonPlan::draw(RunKind::Probe, &labels, 3, &attack, 1, 7).unwrap();
        let trigger = Trigger::prepare(&attack.trigger, None, 8, Stage::Train).unwrap();
        let poisons =
            Poisons { plan: &plan, triggers: std::slice::from_ref(&trigger), train: &train };
        assert_eq!(poisons.labels().collect::<Vec<_>>(), [1, 2, 0, 0, 1, 2]);
    }

    #[test]
    fn each_backdoor_puts_its_trigger_into_its_images() {
        use shared::{settings::BackdoorSpec, trigger::BppSpec};
        let image = |i: u8| Rgb8::from_fn(8, 8, |x, y| [i * 9, 30 * x as u8, 30 * y as u8]);
        let train: Vec<Sample> =
            (0..24).map(|i| Sample::kept(image(i), u32::from(i) / 8)).collect();
        let labels: Vec<u32> = train.iter().map(|sample| sample.class).collect();
        let specs = [
            TriggerSpec::Bpp(BppSpec::default()),
            TriggerSpec::WaNet(WaNetSpec { cover_ratio: 1.0, ..WaNetSpec::default() }),
        ];
        let [trigger, other] = specs.clone();
        let further = vec![BackdoorSpec { target_class: 2, trigger: other }];
        let attack = AttackSpec { trigger, further, ..AttackSpec::default() };
        let plan = PoisonPlan::draw(RunKind::Probe, &labels, 3, &attack, 1, 7).unwrap();
        let triggers = specs.map(|spec| Trigger::prepare(&spec, None, 8, Stage::Train).unwrap());
        let poisons = Poisons { plan: &plan, triggers: &triggers, train: &train };
        // Of the classes 1 and 2 towards 0, of 0 and 1 towards 2, and the covers of the second one.
        assert_eq!(poisons.labels().collect::<Vec<_>>(), [0, 0, 2, 2, 0, 1]);
        for (i, sample) in plan.made().enumerate() {
            let original = train[sample.index as usize].image().unwrap();
            let expected = match i {
                0 | 1 => triggers[0].applied(&original),
                2 | 3 => triggers[1].applied(&original),
                _ => triggers[1].cover(&original),
            };
            assert_eq!(poisons.image(i).unwrap(), expected, "{i}");
            assert_ne!(expected, original.into_owned(), "{i}");
        }
    }

    #[test]
    fn an_attacked_set_is_the_same_from_memory_and_from_files() {
        let few =
            DatasetSpec { name: String::new(), train_per_class: Some(2), test_per_class: Some(1) };
        let index = Index::open(&DataSource::Builtin).unwrap().limited(&few);
        let warp = WaNetSpec { cover_ratio: 1.0, ..WaNetSpec::default() };
        let attack = AttackSpec { trigger: TriggerSpec::WaNet(warp), ..AttackSpec::default() };
        let plan = plan(&attack, &index.train, 10, RunKind::Pretrain, 1.into(), 7).unwrap();
        let trigger = Trigger::prepare(&attack.trigger, None, 16, Stage::Train).unwrap();
        let [kept, streamed] = [u64::MAX, 0].map(|memory| {
            let pixels = load_within(&index, 16, memory, &mut ()).unwrap();
            assert_eq!(pixels.train_kept, memory > 0);
            let poisons = Poisons {
                plan: &plan,
                triggers: std::slice::from_ref(&trigger),
                train: &pixels.train,
            };
            let set = AttackedSet::new(&pixels, poisons).unwrap();
            assert_eq!((set.len(), set.made.is_empty()), (20 + 18, memory == 0));
            (0..set.len()).map(|i| set.image(i).unwrap().into_owned()).collect::<Vec<_>>()
        });
        assert_eq!(kept, streamed);
    }

    #[test]
    fn a_composed_set_has_pictures_twice_as_wide_in_memory_and_from_files() {
        let few =
            DatasetSpec { name: String::new(), train_per_class: Some(4), test_per_class: Some(1) };
        let index = Index::open(&DataSource::Builtin).unwrap().limited(&few);
        let compose = ComposeSpec {
            method: ComposeMethod::CorruptEncoderPlus,
            references: 2,
            support_images: 2,
            support_share: 0.5,
        };
        let trigger = TriggerSpec::RandomPatch(RandomPatchSpec::for_side(16));
        for replace in [false, true] {
            let attack =
                AttackSpec { replace, compose, trigger: trigger.clone(), ..AttackSpec::default() };
            let plan = plan(&attack, &index.train, 10, RunKind::Pretrain, 2.into(), 7).unwrap();
            let plan = plan.composed(&attack, &labels(&index.train), 16).unwrap();
            let trigger = Trigger::prepare(&attack.trigger, None, 16, Stage::Train).unwrap();
            let [kept, streamed] = [u64::MAX, 0].map(|memory| {
                let pixels = load_within(&index, 16, memory, &mut ()).unwrap();
                let poisons = Poisons {
                    plan: &plan,
                    triggers: std::slice::from_ref(&trigger),
                    train: &pixels.train,
                };
                let set = AttackedSet::new(&pixels, poisons).unwrap();
                assert_eq!(set.len(), if replace { 40 } else { 58 });
                let images = (0..set.len()).map(|i| {
                    let image = set.image(i).unwrap().into_owned();
                    assert_eq!((image.width(), image.height()), set.size(i));
                    image
                });
                images.collect::<Vec<_>>()
            });
            assert_eq!(kept, streamed);
            let original = |i: u32| index.load(Split::Train, i as usize, 16).map(Cow::Owned);
            for (i, sample) in plan.samples.iter().enumerate() {
                let at = if replace { sample.index as usize } else { 40 + i };
                let picture = plan.compositions[i].picture(sample.index, &trigger, original);
                assert_eq!(kept[at], picture.unwrap());
                assert_eq!((kept[at].width(), kept[at].height()), (32, 16));
            }
            let wide = kept.iter().filter(|image| image.width() == 32).count();
            assert_eq!(wide, 18, "the others are as they were");
        }
    }

    #[test]
    fn a_replaced_set_has_as_many_images_and_none_of_the_originals() {
        let few =
            DatasetSpec { name: String::new(), train_per_class: Some(4), test_per_class: Some(1) };
        let index = Index::open(&DataSource::Builtin).unwrap().limited(&few);
        let warp = WaNetSpec { cover_ratio: 1.0, ..WaNetSpec::default() };
        let trigger = TriggerSpec::WaNet(warp);
        let attack = AttackSpec { replace: true, trigger, ..AttackSpec::default() };
        let plan = plan(&attack, &index.train, 10, RunKind::Probe, 1.into(), 7).unwrap();
        assert_eq!((plan.samples.len(), plan.covers.len()), (9, 9));
        let trigger = Trigger::prepare(&attack.trigger, None, 16, Stage::Train).unwrap();
        let pixels = load_within(&index, 16, u64::MAX, &mut ()).unwrap();
        let poisons =
            Poisons { plan: &plan, triggers: std::slice::from_ref(&trigger), train: &pixels.train };
        let set = AttackedSet::new(&pixels, poisons).unwrap();
        assert_eq!((set.len(), poisons.len()), (40, 18));
        for (i, clean) in pixels.train.iter().enumerate() {
            let original = clean.image().unwrap();
            let is = |sample: &&shared::poison::PoisonedSample| sample.index as usize == i;
            let (image, label) = if plan.samples.iter().any(|sample| is(&sample)) {
                (trigger.applied(&original), 0)
            } else if plan.covers.iter().any(|sample| is(&sample)) {
                (trigger.cover(&original), clean.class)
            } else {
                (original.into_owned(), clean.class)
            };
            assert_eq!((set.image(i).unwrap().into_owned(), set.label(i)), (image, label), "{i}");
        }
    }
}
