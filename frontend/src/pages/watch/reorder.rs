//! From a step, a drop or a study to the request that changes the order of the queue.

use shared::{
    RunId,
    api::{QueueMove, RunRow},
};

/// A step of a run that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    First,
    Up,
    Down,
    Last,
}

impl Step {
    /// All steps, as their buttons stand beside each other.
    pub const ALL: [Self; 4] = [Self::First, Self::Up, Self::Down, Self::Last];

    /// The step's name in identifiers.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Up => "up",
            Self::Down => "down",
            Self::Last => "last",
        }
    }

    /// What its button is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::First => "Move to the top",
            Self::Up => "Move up",
            Self::Down => "Move down",
            Self::Last => "Move to the bottom",
        }
    }

    /// The step that a key stands for.
    pub fn of_key(key: &str) -> Option<Self> {
        Some(match key {
            "ArrowUp" => Self::Up,
            "ArrowDown" => Self::Down,
            "Home" => Self::First,
            "End" => Self::Last,
            _ => return None,
        })
    }

    /// The request that takes this step of `run` among those that wait; `None` where it leads nowhere.
    pub fn of(self, run: RunId, waiting: &[RunId]) -> Option<QueueMove> {
        let at = waiting.iter().position(|&id| id == run)?;
        let before = match self {
            Self::Up => Some(*waiting.get(at.checked_sub(1)?)?),
            Self::First if at > 0 => waiting.first().copied(),
            Self::Down | Self::Last if at + 1 == waiting.len() => return None,
            Self::Down => waiting.get(at + 2).copied(),
            Self::Last => None,
            Self::First => return None,
        };
        Some(QueueMove { run: Some(run), study: None, before })
    }
}

/// The request that puts `run` in the place of `target`: before it if it comes from below, behind it if from above.
pub fn dropped(run: RunId, target: RunId, waiting: &[RunId]) -> Option<QueueMove> {
    let from = waiting.iter().position(|&id| id == run)?;
    let to = waiting.iter().position(|&id| id == target)?;
    if from == to {
        return None;
    }
    let before = if from > to { Some(target) } else { waiting.get(to + 1).copied() };
    Some(QueueMove { run: Some(run), study: None, before })
}

/// The request that moves all runs of a run's study to the front; `None` if they are there.
pub fn study_first(run: RunId, waiting: &[RunRow]) -> Option<QueueMove> {
    let study = waiting.iter().find(|row| row.id == run)?.study;
    let others = waiting.iter().skip_while(|row| row.study == study).any(|row| row.study == study);
    let first = waiting.first()?;
    if first.study == study && !others {
        return None;
    }
    Some(QueueMove { run: None, study: Some(study), before: Some(first.id) })
}

/// What a move came to, for who cannot see it. Places count from 0; `None` is a run that waits no longer.
pub fn place_in_words(before: Option<usize>, after: Option<usize>, all: usize) -> String {
    match after {
        None => "The run waits no longer".into(),
        Some(place) if before == Some(place) => {
            format!(
                "Stays at place {} of {all}: a run comes after those that it starts from",
                place + 1
            )
        }
        Some(place) => format!("Place {} of {all}", place + 1),
    }
}

#[cfg(test)]
mod tests {
    use shared::{RunKind, StudyId, run::RunPoint};

    use super::*;
    use crate::fixture::row;

    fn id(at: u64) -> RunId {
        RunId::from_parts(at, [1; 10])
    }

    /// The request that moves a run of four before another, or to the end.
    fn request(run: u64, before: Option<u64>) -> QueueMove {
        QueueMove { run: Some(id(run)), study: None, before: before.map(id) }
    }

    #[test]
    fn steps_by_hand() {
        let step = |step: Step, at| step.of(id(at), &[id(1), id(2), id(3), id(4)]);
        assert_eq!(step(Step::Up, 3), Some(request(3, Some(2))));
        assert_eq!(step(Step::Up, 1), None);
        assert_eq!(step(Step::Down, 1), Some(request(1, Some(3))));
        assert_eq!(step(Step::Down, 3), Some(request(3, None)), "to the end");
        assert_eq!(step(Step::Down, 4), None);
        assert_eq!(step(Step::First, 4), Some(request(4, Some(1))));
        assert_eq!(step(Step::First, 1), None);
        assert_eq!((step(Step::Last, 2), step(Step::Last, 4)), (Some(request(2, None)), None));
        assert_eq!(step(Step::Up, 9), None, "it has started");
        assert_eq!((Step::of_key("Home"), Step::of_key("a")), (Some(Step::First), None));
    }

    #[test]
    fn drops_by_hand() {
        let drop = |run, target| dropped(id(run), id(target), &[id(1), id(2), id(3)]);
        assert_eq!(drop(3, 1), Some(request(3, Some(1))));
        assert_eq!(drop(1, 2), Some(request(1, Some(3))), "behind the one that it is dropped on");
        assert_eq!(drop(1, 3), Some(request(1, None)));
        assert_eq!((drop(2, 2), drop(9, 1)), (None, None));
    }

    #[test]
    fn moves_are_told_in_words() {
        assert_eq!(place_in_words(Some(4), Some(0), 6), "Place 1 of 6");
        let stays = place_in_words(Some(1), Some(1), 6);
        assert_eq!(stays, "Stays at place 2 of 6: a run comes after those that it starts from");
        assert_eq!(place_in_words(Some(1), None, 6), "The run waits no longer");
    }

    #[test]
    fn a_study_is_moved_as_a_whole() {
        let point = RunPoint {
            kind: RunKind::Probe,
            ppr: 0,
            lpr: 0,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let study = |at: u64| StudyId::from_parts(at, [2; 10]);
        let of = |run: u64, at: u64| RunRow { id: id(run), study: study(at), ..row(point) };
        let waiting = [of(1, 1), of(2, 2), of(3, 1)];
        let wanted = study_first(id(2), &waiting).expect("a move");
        assert_eq!((wanted.study, wanted.before), (Some(study(2)), Some(id(1))));
        assert!(study_first(id(1), &waiting).is_some(), "another study is between its runs");
        assert!(study_first(id(1), &waiting[..2]).is_none());
    }
}
