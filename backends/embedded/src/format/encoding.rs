//! Primitives: varints (LEB128), zigzag, texts, and a reader that never reads past its bytes.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

/// Appends primitives to a vector.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer with room for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// What was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// One byte.
    pub(crate) fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// LEB128: seven bits a byte, the lowest first, the top bit set on all but the last.
    pub(crate) fn varint(&mut self, mut value: u64) {
        loop {
            let low = value.to_le_bytes()[0] & 0x7f;
            value >>= 7;
            if value == 0 {
                self.bytes.push(low);
                return;
            }
            self.bytes.push(low | 0x80);
        }
    }

    /// A length as a varint.
    pub(crate) fn length(&mut self, value: usize) {
        self.varint(u64::try_from(value).expect("a length fits in 64 bits"));
    }

    /// Zigzag, so that small negative numbers stay short.
    pub(crate) fn signed(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// A length and that many bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.raw(bytes);
    }

    /// A length and that many bytes of UTF-8.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
}

/// Takes primitives from the front of some bytes. What it gives shares their memory.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    whole: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`.
    pub(crate) fn new(bytes: &'a Bytes) -> Self {
        Self { whole: bytes, at: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        self.whole.get(self.at..).unwrap_or_default()
    }

    /// Whether everything was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// How many bytes are left: the upper bound of any count that follows.
    pub(crate) fn remaining(&self) -> usize {
        self.rest().len()
    }

    /// One byte.
    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = self.rest().first().ok_or(Malformed("it ends too early"))?;
        self.at += 1;
        Ok(*byte)
    }

    /// `N` bytes as they are.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let array = self.rest().first_chunk().ok_or(Malformed("it ends too early"))?;
        self.at += N;
        Ok(*array)
    }

    /// A varint.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (count, byte) in self.rest().iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if count == 9 && bits > 1 {
                break;
            }
            value |= bits << (7 * count);
            if byte & 0x80 == 0 {
                self.at += count + 1;
                return Ok(value);
            }
        }
        Err(Malformed("a number ends too early or is too long"))
    }

    /// A length, which cannot be greater than what is left.
    pub(crate) fn length(&mut self) -> Result<usize, Malformed> {
        let value = self.varint()?;
        match usize::try_from(value) {
            Ok(length) if length <= self.remaining() => Ok(length),
            _ => Err(Malformed("a length is greater than what follows")),
        }
    }

    /// A zigzag number.
    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A zigzag number of 32 bits.
    pub(crate) fn signed_32(&mut self) -> Result<i32, Malformed> {
        i32::try_from(self.signed()?).map_err(|_| Malformed("a number is out of range"))
    }

    /// A length and that many bytes, borrowed.
    pub(crate) fn slice(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.length()?;
        let slice = self.rest().get(..length).ok_or(Malformed("it ends too early"))?;
        self.at += length;
        Ok(slice)
    }

    /// A length and that many bytes, sharing the memory.
    pub(crate) fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let length = self.length()?;
        let bytes = self.whole.slice(self.at..self.at + length);
        self.at += length;
        Ok(bytes)
    }

    /// A length and that many bytes of UTF-8.
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.slice()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    /// A text that is often the same as the one before: then `last` is shared, not copied.
    pub(crate) fn shared_text(&mut self, last: &mut Arc<str>) -> Result<Arc<str>, Malformed> {
        let text = self.slice()?;
        if text != last.as_bytes() {
            *last = std::str::from_utf8(text).map_err(|_| Malformed("a text is not UTF-8"))?.into();
        }
        Ok(last.clone())
    }
}
