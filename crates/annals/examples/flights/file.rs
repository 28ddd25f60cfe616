//! The file of flights: plain or gzip, read whole before anything is recorded.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::{ByteRecord, ReaderBuilder, StringRecord};
use flate2::read::MultiGzDecoder;

use super::Failure;
use super::row::{Columns, Fields, FlightKey, Row};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What a file holds.
#[derive(Debug)]
pub(crate) struct File {
    /// The well-formed rows, each flight once.
    pub(crate) rows: Vec<Arc<Row>>,
    /// The other ones.
    pub(crate) rejected: Vec<Rejected>,
}

/// A row that is not recorded, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// Its line, or the flight it is about.
    pub(crate) place: String,
    pub(crate) reason: String,
}

impl File {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let bytes = fs::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
        let text = if bytes.starts_with(&GZIP_MAGIC) {
            let mut text = Vec::new();
            MultiGzDecoder::new(bytes.as_slice())
                .read_to_end(&mut text)
                .map_err(|error| format!("{shown} is no whole gzip file: {error}"))?;
            text
        } else {
            bytes
        };
        let file = Self::parse(&text).map_err(|error| format!("{shown}: {error}"))?;
        if file.rows.is_empty() {
            let first = file.rejected.first().map_or(String::new(), |rejected| {
                format!(" ({}: {})", rejected.place, rejected.reason)
            });
            return Err(format!("{shown} holds no flight that can be recorded{first}").into());
        }
        Ok(file)
    }

    fn parse(text: &[u8]) -> Result<Self, Failure> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(text);
        let columns = Columns::of(reader.headers()?)?;
        let mut rows = Vec::new();
        let mut rejected = Vec::new();
        let mut lines: HashMap<FlightKey, u64> = HashMap::new();
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record)? {
            let line = record.position().map_or(0, csv::Position::line);
            let row = StringRecord::from_byte_record(record.clone())
                .map_err(|error| format!("it is not UTF-8: {error}"))
                .and_then(|record| Fields::new(&columns, &record).row())
                .and_then(|row| match lines.insert(row.key.clone(), line) {
                    None => Ok(row),
                    Some(first) => {
                        let reason = format!("flight {} stands in line {first} already", row.key);
                        // The first line keeps the flight, also for a third row that names it.
                        lines.insert(row.key, first);
                        Err(reason)
                    }
                });
            match row {
                Ok(row) => rows.push(Arc::new(row)),
                Err(reason) => rejected.push(Rejected { place: format!("line {line}"), reason }),
            }
        }
        Ok(Self { rows, rejected })
    }
}

/// The folder of this example's own data.
pub(crate) fn data_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/flights/data")
}

/// The names of the carriers, by code.
pub(crate) fn carrier_names() -> Result<HashMap<String, String>, Failure> {
    let path = data_folder().join("airlines.csv");
    let mut reader = csv::Reader::from_path(path)?;
    Ok(reader.deserialize().collect::<Result<_, _>>()?)
}
