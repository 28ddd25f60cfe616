//! Lines of stdin: numbered, bounded, checked to be UTF-8, read by a thread of their own so that an
//! idle stdin blocks nothing else.

use std::io::{BufRead, Read};

use annals::{Error, Result};
use tokio::sync::mpsc;

/// The longest line, in bytes.
const LINE_BYTES_MAX: usize = 256 << 20;
/// Lines read ahead of the work.
const LINES_AHEAD_MAX: usize = 64;

/// A line of stdin that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its number; the first line is 1, blank ones count.
    pub(crate) number: u64,
    pub(crate) text: String,
}

impl Line {
    /// `error`, said to be of this line.
    pub(crate) fn at(&self, error: Error) -> Error {
        error.context(format!("line {}", self.number))
    }
}

/// The lines of `stdin`; ends after an error.
pub(crate) fn lines(stdin: Box<dyn BufRead + Send>) -> mpsc::Receiver<Result<Line>> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD_MAX);
    // Not one of the runtime's threads: those are waited for at the end, and this one may be waiting
    // for a person who types nothing. It ends with its receiver, or with the process.
    std::thread::spawn(move || {
        let mut reader = LineReader { stdin, number: 0 };
        while let Some(line) = reader.next_line().transpose() {
            let last = line.is_err();
            if sender.blocking_send(line).is_err() || last {
                return;
            }
        }
    });
    receiver
}

/// All of `stdin`.
///
/// # Errors
/// `Invalid` past `bytes_max`.
pub(crate) fn whole(stdin: Box<dyn BufRead + Send>, bytes_max: usize) -> Result<Vec<u8>> {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    stdin
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::unavailable("stdin could not be read").with_source(error))?;
    if bytes.len() > bytes_max {
        return Err(Error::invalid(format!("stdin holds more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

struct LineReader {
    stdin: Box<dyn BufRead + Send>,
    number: u64,
}

impl LineReader {
    /// The next line that is not blank.
    fn next_line(&mut self) -> Result<Option<Line>> {
        loop {
            let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
            let mut bytes = Vec::new();
            let number = self.number + 1;
            self.stdin.by_ref().take(limit).read_until(b'\n', &mut bytes).map_err(|error| {
                Error::unavailable(format!("stdin could not be read at line {number}"))
                    .with_source(error)
            })?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.number = number;
            if bytes.len() > LINE_BYTES_MAX {
                let message = format!("line {number} is longer than {LINE_BYTES_MAX} bytes");
                return Err(Error::invalid(message));
            }
            let text = String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                Error::invalid(format!("line {number} is not UTF-8 at its byte {}", at + 1))
            })?;
            // The mark that some editors put in front of UTF-8 text.
            let text = if number == 1 { text.trim_start_matches('\u{feff}') } else { &text };
            let text = text.trim();
            if !text.is_empty() {
                return Ok(Some(Line { number, text: text.to_owned() }));
            }
        }
    }
}

/// What is wrong with JSON text of one line, without the line number that `serde_json` would give.
pub(crate) fn json_error(error: serde_json::Error) -> Error {
    let text = error.to_string();
    let what = match text.rfind(" at line ") {
        Some(end) => text.get(..end).unwrap_or(&text),
        None => &text,
    };
    let place = match error.column() {
        0 => String::new(),
        column => format!(" (column {column})"),
    };
    Error::invalid(format!("{what}{place}"))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(input: &'static [u8]) -> Vec<std::result::Result<(u64, String), String>> {
        let mut lines = lines(Box::new(Cursor::new(input)));
        std::iter::from_fn(|| lines.blocking_recv())
            .map(|line| match line {
                Ok(line) => Ok((line.number, line.text)),
                Err(error) => Err(error.message().to_owned()),
            })
            .collect()
    }

    #[test]
    fn blank_lines_count_and_line_ends_of_either_kind_are_taken() {
        let expected = [Ok((1, "a".into())), Ok((3, "b".into())), Ok((5, "c".into()))];
        assert_eq!(read(b"\xef\xbb\xbfa\r\n\r\nb\n  \nc"), expected);
        assert_eq!(read(b""), []);
        assert_eq!(read(b"\n\n"), []);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_named_and_the_last() {
        let expected = [Ok((1, "a".into())), Err("line 2 is not UTF-8 at its byte 2".into())];
        assert_eq!(read(b"a\nb\xff\nc\n"), expected);
    }
}
