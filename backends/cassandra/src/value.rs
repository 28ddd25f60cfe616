//! Values bound to statements, borrowed from what they are made of.

use annals_core::Tags;
use scylla::cluster::metadata::ColumnType;
use scylla::serialize::SerializationError;
use scylla::serialize::value::SerializeValue;
use scylla::serialize::writers::{CellWriter, WrittenCellProof};
use scylla::value::CqlTimeuuid;

use crate::timeuuid::TimeUuid;

/// A value of a row; rows of different statements can stand in one batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Int(i32),
    BigInt(i64),
    Blob(&'a [u8]),
    /// A number as text.
    Decimal(i64),
    TimeUuid(TimeUuid),
    Tags(&'a Tags),
}

impl SerializeValue for Value<'_> {
    fn serialize<'b>(
        &self,
        column: &ColumnType,
        writer: CellWriter<'b>,
    ) -> Result<WrittenCellProof<'b>, SerializationError> {
        match self {
            Self::Text(text) => text.serialize(column, writer),
            Self::Int(int) => int.serialize(column, writer),
            Self::BigInt(int) => int.serialize(column, writer),
            Self::Decimal(number) => number.to_string().serialize(column, writer),
            Self::Blob(bytes) => bytes.serialize(column, writer),
            Self::TimeUuid(uuid) => {
                CqlTimeuuid::from_bytes(*uuid.uuid().as_bytes()).serialize(column, writer)
            }
            Self::Tags(tags) => {
                let texts: Vec<&str> = tags.iter().map(annals_core::Tag::as_str).collect();
                texts.serialize(column, writer)
            }
        }
    }
}
