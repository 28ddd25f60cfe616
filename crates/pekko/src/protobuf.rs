//! The part of protobuf's wire format that Pekko's messages need: fields read one after another
//! without copying, unknown ones skipped, and fields written in the order they are given.
//!
//! Written out here instead of generated: a dozen small messages, whose bytes stay shared with the row
//! they came from, do not pay for a code generator.

use annals_core::{Error, Result};

/// How deep groups may nest that are skipped; protobuf's own limit.
const GROUPS_MAX: usize = 100;

/// The value of one field, by how it lies in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// An integer of up to 64 bits, as it stands: not zigzag, not cut to the field's width.
    Varint(u64),
    /// A text, bytes, or a message.
    Bytes(&'a [u8]),
    /// Of a kind that no message here has; its bytes are skipped.
    Other,
}

/// The fields of one message.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    message: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields that `bytes` hold, which are a `message` (named in errors).
    pub(crate) fn new(message: &'static str, bytes: &'a [u8]) -> Self {
        Self { message, rest: bytes }
    }

    /// The next field's number and value.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, kind) = self.key()?;
        let value = match kind {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => Value::Bytes(self.block()?),
            3 => self.skip_group(number).map(|()| Value::Other)?,
            5 => self.take(4).map(|_| Value::Other)?,
            _ => return Err(self.malformed("a field of an unknown kind")),
        };
        Ok(Some((number, value)))
    }

    /// An error about this message.
    pub(crate) fn malformed(&self, what: impl std::fmt::Display) -> Error {
        Error::corrupt(format!("a {} in protobuf has {what}", self.message))
    }

    /// An error about a known field that lies in the bytes in another way than it should.
    pub(crate) fn wrong_kind(&self) -> Error {
        self.malformed("a field of the wrong kind")
    }

    /// The field `what`, which no such message lacks.
    pub(crate) fn required<T>(&self, field: Option<T>, what: &str) -> Result<T> {
        field.ok_or_else(|| self.malformed(format_args!("no {what}")))
    }

    /// Skips to the end of the group `number`, and of those in it, without recursion.
    fn skip_group(&mut self, number: u32) -> Result<()> {
        let mut open = vec![number];
        while let Some(innermost) = open.last().copied() {
            let (number, kind) = self.key()?;
            match kind {
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                2 => drop(self.block()?),
                3 if open.len() < GROUPS_MAX => open.push(number),
                4 if number == innermost => drop(open.pop()),
                5 => drop(self.take(4)?),
                _ => return Err(self.malformed("a group without its end")),
            }
        }
        Ok(())
    }

    fn key(&mut self) -> Result<(u32, u8)> {
        let key = u32::try_from(self.varint()?)
            .map_err(|_| self.malformed("a field number that is too large"))?;
        let [low, ..] = key.to_le_bytes();
        match key >> 3 {
            0 => Err(self.malformed("a field of number 0")),
            number => Ok((number, low & 7)),
        }
    }

    /// Seven bits a byte, the lowest first; at most ten bytes.
    fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte has room for one bit; protobuf drops the others.
            value |= u64::from(byte & 0x7F).wrapping_shl(7 * u32::try_from(index).unwrap_or(0));
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(self.malformed("an integer without its end"))
    }

    fn block(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            let left = self.rest.len();
            return Err(
                self.malformed(format_args!("a field of {length} bytes, where {left} are left"))
            );
        };
        self.rest = rest;
        Ok(taken)
    }
}

/// An `int32`: protobuf writes it with the sign of 64 bits, and reads the low half.
pub(crate) fn int32(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// A `sint64`.
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Writes fields in the order they are given.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// An `int64`, or what is written as one.
    pub(crate) fn int64(&mut self, number: u32, value: i64) {
        self.key(number, 0);
        self.varint(value.cast_unsigned());
    }

    /// A `sint64`.
    pub(crate) fn sint64(&mut self, number: u32, value: i64) {
        self.int64(number, (value << 1) ^ (value >> 63));
    }

    /// A text, bytes, or a message.
    pub(crate) fn bytes(&mut self, number: u32, value: &[u8]) {
        self.key(number, 2);
        self.varint(u64::try_from(value.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(value);
    }

    /// A text, unless it is empty.
    pub(crate) fn text(&mut self, number: u32, value: &str) {
        if !value.is_empty() {
            self.bytes(number, value.as_bytes());
        }
    }

    /// What was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, number: u32, kind: u32) {
        self.varint(u64::from(number << 3 | kind));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            let [low, ..] = value.to_le_bytes();
            self.0.push(low | 0x80);
            value >>= 7;
        }
        let [low, ..] = value.to_le_bytes();
        self.0.push(low);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>> {
        let mut fields = Fields::new("message", bytes);
        std::iter::from_fn(|| fields.next().transpose()).collect()
    }

    #[test]
    fn fields_come_back_as_written() {
        let mut writer = Writer::default();
        writer.int64(1, -1);
        writer.sint64(2, i64::MIN);
        writer.bytes(300, b"ab");
        writer.text(4, "");
        let bytes = writer.finish();
        let read = all(&bytes).unwrap();
        assert_eq!(
            read,
            [
                (1, Value::Varint(u64::MAX)),
                (2, Value::Varint(u64::MAX)),
                (300, Value::Bytes(b"ab"))
            ]
        );
        assert_eq!(
            (int32(u64::MAX), unzigzag(u64::MAX), unzigzag(1), unzigzag(2)),
            (-1, i64::MIN, -1, 1)
        );
    }

    #[test]
    fn other_kinds_are_skipped() {
        // fixed32, fixed64, a group within a group, then an integer.
        let bytes = b"\x0d\0\0\0\0\x11\0\0\0\0\0\0\0\0\x1b\x08\x01\x23\x24\x12\x01x\x1c\x28\x07";
        let read = all(bytes).unwrap();
        assert_eq!(
            read,
            [(1, Value::Other), (2, Value::Other), (3, Value::Other), (5, Value::Varint(7))]
        );
    }

    #[test]
    fn malformed_bytes_are_errors() {
        let deep = b"\x0b".repeat(1_000_000);
        for bytes in [
            &b"\x08"[..],
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x0a\x05abc",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7fabc",
            b"\x0c",
            b"\x0e",
            b"\x00\x01",
            b"\x0b\x14",
            b"\x0d\0\0",
            &deep,
        ] {
            assert!(all(bytes).is_err(), "{bytes:x?}");
        }
    }
}
