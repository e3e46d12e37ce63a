//! The fields of `TensorBoard`'s messages needed for scalars, in the protocol buffer wire format.
//!
//! ```text
//! Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//! Summary { repeated Value value = 1; }
//! Value   { string tag = 1; float simple_value = 2; }
//! ```
//!
//! Source: `tensorboard/compat/proto/event.proto` and `summary.proto`; the wire format: protobuf.dev, "Encoding". Fields are written
//! in the order of their numbers and a step of 0 is omitted, as protobuf's own writers do.

/// The wire type of a field.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// The version that a file states in its first event.
const FILE_VERSION: &str = "brain.Event:2";

/// The first event of a file; the time in seconds since 1970.
pub fn version_event(wall_time: f64) -> Vec<u8> {
    let mut event = head(wall_time, 0);
    push_bytes(&mut event, 3, FILE_VERSION.as_bytes());
    event
}

/// An event with scalars by tag.
pub fn scalars_event(wall_time: f64, step: u64, scalars: &[(&str, f32)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, number) in scalars {
        let mut value = Vec::new();
        push_bytes(&mut value, 1, tag.as_bytes());
        push_key(&mut value, 2, Wire::Fixed32);
        value.extend(number.to_le_bytes());
        push_bytes(&mut summary, 1, &value);
    }
    let mut event = head(wall_time, step);
    push_bytes(&mut event, 5, &summary);
    event
}

fn head(wall_time: f64, step: u64) -> Vec<u8> {
    let mut event = Vec::new();
    push_key(&mut event, 1, Wire::Fixed64);
    event.extend(wall_time.to_le_bytes());
    if step > 0 {
        push_key(&mut event, 2, Wire::Varint);
        push_varint(&mut event, step);
    }
    event
}

fn push_key(bytes: &mut Vec<u8>, field: u64, wire: Wire) {
    push_varint(bytes, field << 3 | wire as u64);
}

fn push_bytes(bytes: &mut Vec<u8>, field: u64, content: &[u8]) {
    push_key(bytes, field, Wire::Bytes);
    push_varint(bytes, content.len() as u64);
    bytes.extend(content);
}

/// Seven bits per byte, the lowest first; the high bit marks that more bytes follow.
fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_by_hand() {
        let mut bytes = Vec::new();
        push_varint(&mut bytes, 1);
        push_varint(&mut bytes, 150);
        push_varint(&mut bytes, u64::MAX);
        assert_eq!(bytes[..3], [1, 0x96, 0x01]);
        assert_eq!((bytes.len(), bytes[12]), (13, 1));
    }

    #[test]
    fn an_event_by_hand() {
        let event = scalars_event(1.5, 3, &[("loss", 0.5)]);
        let expected = [
            &[0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 3, 0x2a, 13, 0x0a, 11, 0x0a, 4][..],
            b"loss",
            &[0x15, 0, 0, 0, 0x3f],
        ];
        assert_eq!(event, expected.concat());
    }
}
