//! `annals payload`: stored bytes as JSON and back, for people who look at raw rows.

use std::io::BufRead;

use annals::{Error, Payload};
use annals_pekko::value::{decode, encode};
use serde_json::Value;

use crate::args::PayloadVerb;
use crate::input;
use crate::output::Output;
use crate::report::Outcome;

/// More than any store takes in one payload.
const BYTES_MAX: usize = 256 << 20;

pub(crate) fn run(
    verb: PayloadVerb,
    stdin: Box<dyn BufRead + Send>,
    output: &mut Output,
) -> Outcome {
    let bytes = input::whole(stdin, BYTES_MAX)?;
    match verb {
        PayloadVerb::Decode(format) => {
            let payload = Payload::new(format.serializer, format.manifest, bytes);
            let value = decode(&payload)?.into_json();
            output.bytes(format!("{value}\n").as_bytes())?;
        }
        PayloadVerb::Encode(format) => {
            let payload = encode(format.serializer, format.manifest, &json(&bytes)?)?;
            output.bytes(&payload.bytes)?;
        }
    }
    Ok(())
}

/// The one JSON value that `bytes` are; it may span lines.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, Error> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Error::invalid(format!("stdin is not UTF-8 at its byte {}", error.valid_up_to() + 1))
    })?;
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| Error::invalid(format!("stdin is not one JSON value: {error}")))
}
