//! The framing of a `TFRecord` file: the length of each record and the record, each followed by its checksum.
//!
//! ```text
//! u64 length | u32 masked CRC-32C of the length's bytes | the record | u32 masked CRC-32C of the record
//! ```
//!
//! All numbers little-endian. Source: `TensorFlow`'s guide on `TFRecord`, section on the details of the format.

use crc::{CRC_32_ISCSI, Crc};

/// CRC-32C (Castagnoli), also known as the CRC of iSCSI.
const CRC_32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// Added to a rotated checksum, so that a checksum of data that contains checksums stays reliable.
const MASK: u32 = 0xa282_ead8;

fn masked_crc(bytes: &[u8]) -> u32 {
    CRC_32C.checksum(bytes).rotate_right(15).wrapping_add(MASK)
}

/// A record with its framing.
pub fn framed(record: &[u8]) -> Vec<u8> {
    let length = (record.len() as u64).to_le_bytes();
    let mut bytes = Vec::with_capacity(record.len() + 16);
    bytes.extend(length);
    bytes.extend(masked_crc(&length).to_le_bytes());
    bytes.extend(record);
    bytes.extend(masked_crc(record).to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_a_printed_standard() {
        // RFC 3720, appendix B.4.
        assert_eq!(CRC_32C.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(CRC_32C.checksum(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn a_record_is_framed() {
        let bytes = framed(b"abc");
        assert_eq!(bytes.len(), 8 + 4 + 3 + 4);
        assert_eq!((&bytes[..8], &bytes[12..15]), (&[3, 0, 0, 0, 0, 0, 0, 0][..], &b"abc"[..]));
    }
}
