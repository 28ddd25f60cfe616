//! The serializers against published vectors and against damaged bytes.
#![allow(clippy::unwrap_used, clippy::as_conversions, clippy::indexing_slicing)]

#[cfg(feature = "config")]
mod config;
mod damage;
mod golden;
mod jackson;
mod java;
mod messages;
mod misc;
mod replicated;
mod snapshots;
mod typed;
mod values;

/// The bytes that hexadecimal `text` writes.
fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}
