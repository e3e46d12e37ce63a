//! Files packed by gzip: records are read by their place, so such a file is unpacked into a temporary file without a name,
//! which goes when nobody reads it any more.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use crate::data::{DataError, error::Unreadable};

/// Largest file that is unpacked, in bytes: EMNIST's largest has 547 MB.
const MAX_UNPACKED: u64 = 2 << 30;

/// The content of a packed file.
///
/// # Errors
/// When it is no whole gzip file, or unpacks to more than 2 GiB.
pub fn unpacked(packed: File, path: &Path) -> Result<File, DataError> {
    let failed =
        |source| DataError::Unreadable { path: path.into(), reason: Unreadable::Io(source) };
    let mut file = tempfile::tempfile().map_err(failed)?;
    let mut content = MultiGzDecoder::new(packed).take(MAX_UNPACKED + 1);
    let bytes = io::copy(&mut content, &mut file).map_err(|error| DataError::Member {
        file: path.into(),
        reason: format!("it is no whole gzip file: {error}"),
    })?;
    if bytes > MAX_UNPACKED {
        let reason = format!("it unpacks to more than {MAX_UNPACKED} bytes");
        return Err(DataError::Member { file: path.into(), reason });
    }
    Ok(file)
}
