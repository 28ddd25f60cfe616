//! As much of CQL's protocol (version 4) as it takes to read one number: a driver would be the largest
//! dependency of this crate by far.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

const STARTUP: u8 = 0x01;
const READY: u8 = 0x02;
const QUERY: u8 = 0x07;
const RESULT: u8 = 0x08;
const CONSISTENCY_ONE: u16 = 1;
/// A number is what is asked for; no answer to that is longer.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The answer of a `SELECT count(*)` on a node that asks for no password.
pub(crate) fn count(address: &str, query: &str) -> Result<i64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;

    // A map of one string to another.
    let mut startup = 1_u16.to_be_bytes().to_vec();
    for text in ["CQL_VERSION", "3.0.0"] {
        startup.extend(length16(text)?);
        startup.extend(text.as_bytes());
    }
    ask(&mut stream, STARTUP, &startup, READY)?;

    let mut request = length32(query.as_bytes())?.to_vec();
    request.extend(query.as_bytes());
    request.extend(CONSISTENCY_ONE.to_be_bytes());
    request.push(0);
    let rows = ask(&mut stream, QUERY, &request, RESULT)?;
    // The one column of the one row ends the answer.
    let number = rows.last_chunk().ok_or_else(|| malformed("a result without a number"))?;
    Ok(i64::from_be_bytes(*number))
}

fn ask(stream: &mut TcpStream, opcode: u8, body: &[u8], expected: u8) -> Result<Vec<u8>> {
    let mut frame = vec![0x04, 0x00, 0x00, 0x00, opcode];
    frame.extend(length32(body)?);
    frame.extend(body);
    stream.write_all(&frame)?;

    let mut header = [0; 9];
    stream.read_exact(&mut header)?;
    let [_, _, _, _, opcode, length @ ..] = header;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > BODY_BYTES_MAX {
        return Err(malformed("an answer that is too long"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    if opcode != expected {
        let text = String::from_utf8_lossy(&body);
        return Err(malformed(&format!("opcode {opcode} instead of {expected}: {text}")));
    }
    Ok(body)
}

fn length16(text: &str) -> Result<[u8; 2]> {
    let length = u16::try_from(text.len()).map_err(|_| malformed("a text that is too long"))?;
    Ok(length.to_be_bytes())
}

fn length32(bytes: &[u8]) -> Result<[u8; 4]> {
    let length = u32::try_from(bytes.len()).map_err(|_| malformed("a text that is too long"))?;
    Ok(length.to_be_bytes())
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what.to_owned())
}
