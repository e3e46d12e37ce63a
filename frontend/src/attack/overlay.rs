//! The ViT patch grid over an image, as paths in units of one patch.

use std::fmt::Write;

/// The squares of some patches as one path, with `columns` patches per row.
pub fn patches_path(patches: &[bool], columns: usize) -> String {
    let columns = columns.max(1);
    let mut path = String::new();
    for (at, _) in patches.iter().enumerate().filter(|&(_, &is_one)| is_one) {
        // Writing to a string cannot fail.
        let _ = write!(path, "M{} {}h1v1h-1z", at % columns, at / columns);
    }
    path
}

/// The lines between the patches.
pub fn lines_path(columns: usize) -> String {
    let mut path = String::new();
    for at in 1..columns {
        let _ = write!(path, "M{at} 0V{columns}M0 {at}H{columns}");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_by_hand() {
        assert_eq!(patches_path(&[false, true, true, false], 2), "M1 0h1v1h-1zM0 1h1v1h-1z");
        assert_eq!(lines_path(2), "M1 0V2M0 1H2");
        assert_eq!(lines_path(1), "");
    }
}
