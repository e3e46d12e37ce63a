//! The head of a linear probe.

use shared::settings::HeadInit;

use super::layout::{Init, Layout};

/// The tensors of a linear layer on normalised features of `width` numbers: `head.1.*`. The normalisation before it, `head.0`, has
/// running moments and no parameters.
pub fn head(width: usize, classes: usize, init: HeadInit) -> Layout {
    let init = match init {
        HeadInit::Normal => (Init::Normal { deviation: 0.01 }, Init::Zero),
        HeadInit::Uniform => (Init::Uniform { inputs: width }, Init::Uniform { inputs: width }),
    };
    let mut layout = Layout::default();
    layout.add_linear_with("head.1", width, classes, init);
    layout
}
