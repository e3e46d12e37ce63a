//! Evaluates a classifier from a file on a data set's validation images, without and with a trigger.

use shared::{
    Rgb8, Stage, Trigger, TriggerSpec,
    api::{ClassMatching, Split},
    metric::{Evaluation, Goal},
};

use super::{
    Evaluator,
    classes::{self, InOrder},
};
use crate::{EngineError, data::Index, interchange::OpenClassifier, stop::Watch};

/// What to evaluate on.
pub struct UnderTrigger<'a> {
    /// The data set's images; only the validation images are used.
    pub index: &'a Index,
    /// The trigger.
    pub trigger: &'a TriggerSpec,
    /// The trigger's key image in its original size, if it needs one.
    pub key: Option<&'a Rgb8>,
    /// What triggered images should be taken for, in classes of the data set.
    pub goal: &'a Goal,
    /// How the classifier's classes are matched with those of the data set.
    pub matching: &'a ClassMatching,
    /// Threads to evaluate on.
    pub threads: usize,
}

impl UnderTrigger<'_> {
    /// Evaluates the classifier: each image is resized as a whole to the model's side, gets the trigger, and is normalised. Its classes
    /// are matched with the data set's as asked for; an order that was taken is reported among the assumptions.
    ///
    /// # Errors
    /// When the classifier has other classes, the trigger does not fit its images, an image cannot be read, or the watch stops
    /// the work.
    pub fn evaluate(
        &self,
        classifier: &OpenClassifier,
        watch: &mut dyn Watch,
    ) -> Result<(Evaluation, Vec<String>), EngineError> {
        let model = classifier.model.as_ref();
        let mut assumed = classifier.assumed.clone();
        let (names, classes) = (&classifier.class_names, &self.index.classes);
        let order = classes::matched(self.matching, names, model.classes(), classes)
            .map_err(EngineError::Order)?;
        if *self.matching == ClassMatching::Order {
            assumed.push("the classes are in the data set's order, as asked for".into());
        }
        let side = model.side();
        let trigger = Trigger::prepare(self.trigger, self.key, side, Stage::Test)?;
        let load = |i| self.index.load(Split::Test, i, side);
        let ordered = InOrder { classifier: model, order: &order };
        let evaluator = Evaluator { classifier: &ordered, threads: self.threads };
        let evaluated = evaluator.evaluate_watched(
            &self.index.labels(Split::Test),
            |i| Ok(model.view(&load(i)?)),
            |i| Ok(model.view(&trigger.applied(&load(i)?))),
            self.goal,
            watch,
        )?;
        Ok((evaluated.counts, assumed))
    }
}
