//! A classifier from a file on a data set's validation images, without and with a trigger.

use shared::{Rgb8, Stage, Trigger, TriggerSpec, api::Split, metric::Evaluation};

use super::{
    Evaluator,
    classes::{ClassOrder, InOrder},
};
use crate::{EngineError, data::Index, interchange::OpenClassifier, stop::Watch};

/// What to evaluate on.
pub struct UnderTrigger<'a> {
    /// The data set's images; those of validation are taken.
    pub index: &'a Index,
    /// The trigger.
    pub trigger: &'a TriggerSpec,
    /// The trigger's key image in its own size, where it needs one.
    pub key: Option<&'a Rgb8>,
    /// The attacker's class, of the data set.
    pub target_class: u32,
    /// Threads to evaluate on.
    pub threads: usize,
}

impl UnderTrigger<'_> {
    /// Evaluates the classifier: each image is resized as a whole to the model's side, gets the trigger, and is normalised. Its classes
    /// are those of the data set by name, or by their order; the second, and what else had to be assumed, is told in words.
    ///
    /// # Errors
    /// When the classifier has other classes, the trigger does not fit its images, an image cannot be read, or the watcher stops
    /// the work.
    pub fn evaluate(
        &self,
        classifier: &OpenClassifier,
        watch: &mut dyn Watch,
    ) -> Result<(Evaluation, Vec<String>), EngineError> {
        let model = classifier.model.as_ref();
        let mut assumed = classifier.assumed.clone();
        let order = ClassOrder::find(&classifier.class_names, model.classes(), &self.index.classes)
            .map_err(EngineError::Order)?;
        let order = match order {
            ClassOrder::Named(order) => order,
            ClassOrder::Assumed => {
                assumed.push(
                    "the classes are those of the data set in their order, as the classifier does not name the same ones".into(),
                );
                (0..model.classes()).collect()
            }
        };
        let side = model.side();
        let trigger = Trigger::prepare(self.trigger, self.key, side, Stage::Test)?;
        let load = |i| self.index.load(Split::Test, i, side);
        let ordered = InOrder { classifier: model, order: &order };
        let evaluator = Evaluator { classifier: &ordered, threads: self.threads };
        let evaluation = evaluator.evaluate_watched(
            &self.index.labels(Split::Test),
            |i| Ok(model.view(&load(i)?)),
            |i| Ok(model.view(&trigger.applied(&load(i)?))),
            self.target_class,
            watch,
        )?;
        Ok((evaluation, assumed))
    }
}
