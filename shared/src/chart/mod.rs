//! Figures, drawn identically in the browser and on the server.
//!
//! A builder ([`tradeoff`], [`asr_by_poison`], [`accuracy_by_epoch`], [`curve`], [`plot`], [`feature_map`], [`defence_matrix`],
//! [`roc`], [`scores`]) turns results into a [`Figure`]: series,
//! axes, legend and the underlying table. [`Figure::draw`] lays it out and draws it with plotters and our own backend, which
//! writes CSS classes instead of colours and measures no fonts, so that the browser and the server write the same bytes.
//! [`Figure::csv`] returns the numbers.
//!
//! | file | holds |
//! |---|---|
//! | `figure` | the model: [`Figure`], its axes, series and legend |
//! | `tradeoff`, `asr_by_poison`, `accuracy`, `curve`, `plot`, `features`, `defence_matrix`, `roc`, `scores`, `before_after`, `encoders`, `search` | one builder each |
//! | `draw`, `layout`, `marker` | drawing the model |
//! | `backend`, `canvas`, `role`, `theme` | the plotters backend, colour roles, the inlined style of a file |
//! | `ticks`, `text`, `table` | round axis values, text widths, the table of a figure |

mod accuracy;
mod asr_by_poison;
mod axis;
mod backend;
mod before_after;
mod canvas;
mod curve;
mod defence_matrix;
mod draw;
mod encoders;
mod features;
mod figure;
mod layout;
mod marker;
mod plot;
mod roc;
mod role;
mod scores;
mod search;
mod table;
mod text;
mod theme;
mod ticks;
mod tradeoff;

#[cfg(test)]
mod tests;

pub use crate::palette::Theme;
pub use accuracy::{EpochPoint, EpochSeries, accuracy_by_epoch};
pub use asr_by_poison::asr_by_poison;
pub use before_after::before_after;
pub use curve::{CurveKind, CurveLook, CurvePoint, CurveSeries, curve};
pub use defence_matrix::defence_matrix;
pub use encoders::encoders;
pub use features::{feature_map, mapped_image};
pub use figure::{Area, Dots, Drawing, Figure, FigureKind, Mark, Named, Size, Span, Style, Switch};
pub use plot::{OTHERS, PlotLook, note_of_means, plot};
pub use roc::roc;
pub use scores::scores;
pub use search::trigger_search;
pub use text::{interval_text, percent_text};
pub use theme::css;
pub(crate) use ticks::thousands;
pub use tradeoff::tradeoff;
