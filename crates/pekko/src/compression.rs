//! Jackson payloads may be compressed; a reader tells by magic numbers alone, whatever is configured.

use std::borrow::Cow;
use std::io::{Read, Write};

use annals_core::{Error, Result};
use flate2::GzBuilder;
use flate2::read::MultiGzDecoder;

/// The most bytes that a compressed payload may unfold to: 64 MiB.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// Whether a serializer compresses what it writes. Readers need not know: they look at the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Nothing is compressed. The default.
    #[default]
    Off,
    /// What is longer than so many bytes goes through gzip.
    Gzip {
        /// Up to this length it stays as it is.
        larger_than_bytes: usize,
    },
    /// What is longer than so many bytes becomes one LZ4 block.
    Lz4 {
        /// Up to this length it stays as it is.
        larger_than_bytes: usize,
    },
}

impl Compression {
    /// Gzip above 32 KiB: what Pekko's `jackson-json` has by default.
    pub const PEKKO_JSON: Self = Self::Gzip { larger_than_bytes: 32 << 10 };

    /// `bytes`, compressed if they are long enough; but never so that they could not be read back.
    pub(crate) fn compress(self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        let is_large =
            |larger_than| larger_than < bytes.len() && bytes.len() <= DECOMPRESSED_BYTES_MAX;
        match self {
            Self::Gzip { larger_than_bytes } if is_large(larger_than_bytes) => gzip(&bytes),
            Self::Lz4 { larger_than_bytes } if is_large(larger_than_bytes) => Ok(lz4(&bytes)),
            _ => Ok(bytes),
        }
    }
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), flate2::Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|error| Error::internal("a payload could not be compressed").with_source(error))
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let block = lz4_flex::block::compress(bytes);
    [&LZ4_MAGIC[..], &length.to_be_bytes(), &block].concat()
}

const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];
/// Pekko's own prefix of a raw LZ4 block; the uncompressed length follows, big-endian.
const LZ4_MAGIC: [u8; 4] = [0x87, 0xD9, 0x6D, 0xF6];
/// An LZ4 block unfolds at most 255 times: a larger claim is a lie, and nothing is allocated for it.
const LZ4_RATIO_MAX: usize = 255;

/// The bytes as they were before compression.
pub(crate) fn decompress(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    if bytes.starts_with(&GZIP_MAGIC) {
        return gunzip(bytes).map(Cow::Owned);
    }
    match bytes.strip_prefix(&LZ4_MAGIC) {
        Some(rest) => unlz4(rest).map(Cow::Owned),
        None => Ok(Cow::Borrowed(bytes)),
    }
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let limit = u64::try_from(DECOMPRESSED_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut unfolded = Vec::new();
    MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut unfolded).map_err(|error| {
        Error::corrupt("the gzip data of a Jackson payload is damaged").with_source(error)
    })?;
    if unfolded.len() > DECOMPRESSED_BYTES_MAX {
        return Err(too_large("gzip"));
    }
    Ok(unfolded)
}

fn unlz4(rest: &[u8]) -> Result<Vec<u8>> {
    let Some((length, block)) = rest.split_first_chunk::<4>() else {
        return Err(Error::corrupt("the LZ4 prefix of a Jackson payload is cut short"));
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > DECOMPRESSED_BYTES_MAX {
        return Err(too_large("LZ4"));
    }
    if length > block.len().saturating_mul(LZ4_RATIO_MAX) {
        let message = format!("an LZ4 block of {} bytes cannot hold {length} bytes", block.len());
        return Err(Error::corrupt(message));
    }
    let unfolded = lz4_flex::block::decompress(block, length).map_err(|error| {
        Error::corrupt("the LZ4 block of a Jackson payload is damaged").with_source(error)
    })?;
    if unfolded.len() != length {
        let found = unfolded.len();
        let message = format!("an LZ4 block should unfold to {length} bytes, but holds {found}");
        return Err(Error::corrupt(message));
    }
    Ok(unfolded)
}

fn too_large(algorithm: &str) -> Error {
    Error::unsupported(format!(
        "a {algorithm} payload unfolds to more than {DECOMPRESSED_BYTES_MAX} bytes"
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use annals_core::ErrorKind;

    use super::*;

    #[test]
    fn a_bomb_is_refused_before_it_unfolds() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..=(DECOMPRESSED_BYTES_MAX >> 20) {
            gzip.write_all(&vec![b' '; 1 << 20]).unwrap();
        }
        let bomb = gzip.finish().unwrap();
        assert_eq!(decompress(&bomb).unwrap_err().kind(), ErrorKind::Unsupported);

        let lie = [&LZ4_MAGIC[..], &[0x03, 0xFF, 0xFF, 0xFF], b"\x70{\"a\":1}"].concat();
        assert_eq!(decompress(&lie).unwrap_err().kind(), ErrorKind::Corrupt);
        let vast = [&LZ4_MAGIC[..], &[0xFF; 4], b"\x70{\"a\":1}"].concat();
        assert_eq!(decompress(&vast).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn only_what_is_longer_is_compressed() {
        let json = |length| vec![b'1'; length];
        let gzip = Compression::PEKKO_JSON;
        let lz4 = Compression::Lz4 { larger_than_bytes: 32_768 };
        for (compression, magic) in [(gzip, &GZIP_MAGIC[..]), (lz4, &LZ4_MAGIC)] {
            assert_eq!(compression.compress(json(32_768)).unwrap(), json(32_768));
            let compressed = compression.compress(json(32_769)).unwrap();
            assert!(compressed.starts_with(magic) && compressed.len() < 1_000);
            assert_eq!(*decompress(&compressed).unwrap(), json(32_769));
            let vast = json(DECOMPRESSED_BYTES_MAX + 1);
            assert_eq!(compression.compress(vast.clone()).unwrap(), vast);
        }
        assert_eq!(Compression::Off.compress(json(100_000)).unwrap(), json(100_000));
    }

    #[test]
    fn the_largest_payload_is_read_back() {
        let largest = vec![b' '; DECOMPRESSED_BYTES_MAX];
        let lz4 = Compression::Lz4 { larger_than_bytes: 0 };
        let compressed = lz4.compress(largest.clone()).unwrap();
        assert_eq!(*decompress(&compressed).unwrap(), largest);
    }

    #[test]
    fn cut_data_is_corrupt() {
        for cut in [&b"\x1f\x8b"[..], b"\x1f\x8b\x08\0\0\0", b"\x87\xd9\x6d\xf6\0\0"] {
            assert_eq!(decompress(cut).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
