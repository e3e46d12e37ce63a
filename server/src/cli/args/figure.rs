//! The arguments of `maskdoor figure`.

use std::path::PathBuf;

use clap::Args;
use shared::{
    StudyId,
    api::{MatrixShows, PlotKind, PlotScale, Projection},
    chart::{CurveLook, FigureKind},
};

use super::{super::run_ref::RunRef, DataDirArg};

#[derive(Debug, Args)]
pub(in crate::cli) struct FigureArgs {
    #[command(flatten)]
    pub(in crate::cli) data: DataDirArg,
    /// Clean accuracy against attack success rate, attack success rate by number of poisons, any column of the results against another,
    /// attacks against defences, accuracies before and after them, encoders by their smallest trigger, what defences find by false alarms, the scores that a defence gave, its search for a trigger, a map of an encoder's features,
    /// accuracies by epoch, or a training's loss, learning rate or speed.
    #[arg(
        value_name = "tradeoff|asr-by-poison|plot|defence-matrix|before-after|encoders|roc|scores|search|features|accuracy-by-epoch|loss|lr|speed"
    )]
    pub(in crate::cli) figure: FigureKind,
    /// File to write: .svg, .png, .pdf or .csv; .tex for defence-matrix.
    pub(in crate::cli) file: PathBuf,
    /// Only this study's runs; may be repeated [default: all studies].
    #[arg(long, value_name = "STUDY")]
    pub(in crate::cli) study: Vec<StudyId>,
    /// Only runs that satisfy this expression, as for `maskdoor runs`.
    #[arg(long, value_name = "EXPRESSION", conflicts_with = "study")]
    pub(in crate::cli) filter: Option<String>,
    /// Only this run, by its identifier or the first digits of its digest; may be repeated. The last seven figures need it: scores, search and features take one run, and the others draw a line for each.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["study", "filter"])]
    pub(in crate::cli) run: Vec<RunRef>,
    /// Also draws the published series.
    #[arg(long)]
    pub(in crate::cli) published: bool,
    #[command(flatten)]
    pub(in crate::cli) features: FeaturesArgs,
    #[command(flatten)]
    pub(in crate::cli) curve: CurveArgs,
    #[command(flatten)]
    pub(in crate::cli) plot: PlotArgs,
    #[command(flatten)]
    pub(in crate::cli) matrix: MatrixArgs,
    /// Draws for a dark background.
    #[arg(long)]
    pub(in crate::cli) dark: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of features")]
pub(in crate::cli) struct FeaturesArgs {
    /// The run's checkpoint after this many epochs [default: the last one].
    #[arg(long, value_name = "EPOCH")]
    pub(in crate::cli) epoch: Option<u32>,
    /// An imported checkpoint instead, by name; images and trigger are the run's.
    #[arg(long, value_name = "NAME", conflicts_with = "epoch")]
    pub(in crate::cli) imported: Option<String>,
    /// Validation images of each class.
    #[arg(long, value_name = "IMAGES")]
    pub(in crate::cli) per_class: Option<u32>,
    /// How features become places: pca, the first two principal components, or tsne, with about 30 neighbours of each image or as many as
    /// tsne:5 names.
    #[arg(long, value_name = "pca|tsne", default_value = "pca")]
    pub(in crate::cli) projection: Projection,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of loss, lr and speed")]
pub(in crate::cli) struct CurveArgs {
    /// The weight of the past in a running mean over the values, from 0 (none) to below 1.
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = smoothing)]
    pub(in crate::cli) smoothing: f64,
    /// The first and the last epoch to show [default: all].
    #[arg(long, value_name = "FIRST,LAST", value_parser = epochs)]
    pub(in crate::cli) epochs: Option<(f64, f64)>,
    /// A logarithmic axis.
    #[arg(long)]
    pub(in crate::cli) log: bool,
}

fn smoothing(text: &str) -> Result<f64, String> {
    let weight = text.parse().ok().filter(|weight| (0.0..1.0).contains(weight));
    weight.ok_or_else(|| "must be a number of at least 0 and below 1".into())
}

fn epochs(text: &str) -> Result<(f64, f64), String> {
    let message = "must be two numbers, the smaller one first, such as 10,20";
    CurveLook::read_epochs(text).ok_or_else(|| message.into())
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of defence-matrix and before-after")]
pub(in crate::cli) struct MatrixArgs {
    /// Setting from top to bottom, or with a panel for each value.
    #[arg(long, value_name = "COLUMN", default_value = "attack.trigger.kind")]
    pub(in crate::cli) rows: String,
    /// Setting from left to right, or with an arrow for each value.
    #[arg(long, value_name = "COLUMN", default_value = "defence.method")]
    pub(in crate::cli) columns: String,
    /// What the cells show: a detection rate with that of the same labels without the trigger, or accuracies before and after the defence,
    /// or PL1 with the mean cosine of clean features (defence-matrix only).
    #[arg(long, value_name = "auroc|tpr_at_1|tpr_at_5|asr|ca|ra|pl1", default_value = "auroc")]
    pub(in crate::cli) shows: MatrixShows,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of plot")]
pub(in crate::cli) struct PlotArgs {
    /// What a mark stands for: a run, the mean over runs with equal x and colour, or a cell of a grid.
    #[arg(long, value_name = "runs|means|heat", default_value = "runs")]
    pub(in crate::cli) kind: PlotKind,
    /// Setting or metric from left to right.
    #[arg(long, value_name = "COLUMN", default_value = "ca")]
    pub(in crate::cli) x: String,
    /// Metric or setting from bottom to top.
    #[arg(long, value_name = "COLUMN", default_value = "asr")]
    pub(in crate::cli) y: String,
    /// Second metric of means with y's unit, drawn dashed.
    #[arg(long, value_name = "COLUMN")]
    pub(in crate::cli) beside: Option<String>,
    /// What gives the colour; the metric of a grid.
    #[arg(long, value_name = "COLUMN")]
    pub(in crate::cli) colour: Option<String>,
    /// Setting with a panel for each of its values; the panels share their axes.
    #[arg(long, value_name = "COLUMN")]
    pub(in crate::cli) facet: Option<String>,
    /// Leaves a group out, by its value of the colour; can be repeated. `*` for all groups without a colour of their own.
    #[arg(long, value_name = "VALUE")]
    pub(in crate::cli) hide: Vec<String>,
    /// How x is placed; even gives each value a slot.
    #[arg(long, value_name = "auto|linear|log|even", default_value = "auto")]
    pub(in crate::cli) x_scale: PlotScale,
    /// How y is placed.
    #[arg(long, value_name = "auto|linear|log|even", default_value = "auto")]
    pub(in crate::cli) y_scale: PlotScale,
    /// Axes in percent go from 0 to 100.
    #[arg(long)]
    pub(in crate::cli) whole: bool,
    /// Draws the Pareto front: runs that no other exceeds in both x and y.
    #[arg(long)]
    pub(in crate::cli) front: bool,
    /// Draws the least-squares line through the runs of each panel.
    #[arg(long)]
    pub(in crate::cli) trend: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_curve_takes() {
        assert_eq!((smoothing("0.5"), smoothing("0")), (Ok(0.5), Ok(0.0)));
        for wrong in ["1", "-0.1", "much"] {
            assert!(smoothing(wrong).is_err_and(|why| why.contains("below 1")), "{wrong}");
        }
        assert_eq!(epochs("10,20"), Ok((10.0, 20.0)));
        assert!(epochs("20,10").is_err_and(|why| why.contains("the smaller one first")));
    }
}
