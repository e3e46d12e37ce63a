//! The position table against transformers' own.

use engine::compute::sin_cos_table;
use serde::Deserialize;

use crate::case::Case;

#[derive(Deserialize)]
struct Config {
    width: usize,
    grid: usize,
}

#[test]
fn tables_agree() {
    for case in Case::all("positions") {
        let config: Config = case.config();
        let (got, expected) = (sin_cos_table(config.width, config.grid), case.floats("table"));
        assert_eq!(got.len(), expected.len(), "{}", case.name());
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            assert!((got - expected).abs() <= 1e-6, "{}: {i}: {got} {expected}", case.name());
        }
    }
}
