//! Bytes of a file in memory, up to a limit.

use std::io::{self, Write};

/// Takes bytes up to a limit, and refuses those that would go beyond it.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    most: usize,
    full: bool,
}

impl Buffer {
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most, full: false }
    }

    /// Whether bytes were refused.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_beyond_the_limit_are_refused() {
        let mut buffer = Buffer::new(4);
        buffer.write_all(b"abc").expect("within");
        assert!(!buffer.is_full());
        assert!(buffer.write_all(b"de").is_err() && buffer.is_full());
        buffer.write_all(b"f").expect("within");
        assert_eq!(buffer.into_bytes(), b"abcf");
    }
}
