//! Serializer 40: what Replicated Event Sourcing keeps beside events and snapshots, and its counters.

use std::sync::Arc;

use annals_core::{Error, Payload, Result, SeqNr, SerializerId};

use crate::primitive::text;
use crate::protobuf::{Fields, Value, Writer};

const ID: SerializerId = SerializerId::new(40);

/// A payload of serializer 40. Its sets (manifests `CA` to `CE`) have no value here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replicated {
    /// The metadata of an event.
    Event(EventMetadata),
    /// The metadata of a snapshot.
    Snapshot(SnapshotMetadata),
    /// A version vector by itself.
    Version(VersionVector),
    /// A counter's value.
    Counter(i128),
    /// How much a counter changed.
    CounterUpdated(i128),
}

/// Where a replicated event came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMetadata {
    /// The replica that wrote the event first.
    pub origin_replica: Arc<str>,
    /// Its number there.
    pub origin_seq_nr: SeqNr,
    /// What its writer had seen.
    pub version: VersionVector,
    /// Whether it happened beside others, that is without having seen them.
    pub concurrent: bool,
}

/// What a replicated snapshot includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotMetadata {
    /// What it has seen.
    pub version: VersionVector,
    /// The last number seen of each replica.
    pub seen: Vec<(Arc<str>, SeqNr)>,
}

/// How much of each replica is included, in the order of the replicas' names as Java compares them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionVector(Vec<(Arc<str>, SeqNr)>);

impl VersionVector {
    /// The vector of `entries`. Of two with the same name the last one counts.
    pub fn new(entries: impl IntoIterator<Item = (Arc<str>, SeqNr)>) -> Self {
        let mut sorted: Vec<_> = entries.into_iter().collect();
        sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
        sorted.reverse();
        sorted.dedup_by(|(later, _), (earlier, _)| later == earlier);
        sorted.reverse();
        Self(sorted)
    }

    /// The replicas in order, each with the number seen of it.
    pub fn entries(&self) -> &[(Arc<str>, SeqNr)] {
        &self.0
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut entries = Vec::new();
        let mut fields = Fields::new("VersionVector", bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(part)) => entries.push(read_entry("Entry", part)?),
                (1, _) => return Err(fields.wrong_kind()),
                _ => {}
            }
        }
        Ok(Self::new(entries))
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for entry in &self.0 {
            writer.bytes(1, &write_entry(entry));
        }
        writer.finish()
    }
}

impl Replicated {
    /// The value that `payload` holds.
    ///
    /// # Errors
    /// `Unsupported` if serializer or manifest is another one, or if a counter passes 128 bits;
    /// `Corrupt` if the bytes are not what the manifest says.
    pub fn from_payload(payload: &Payload) -> Result<Self> {
        let bytes = &payload.bytes;
        match (payload.serializer, payload.manifest.as_ref()) {
            (ID, "RE") => EventMetadata::decode(bytes).map(Self::Event),
            (ID, "RS") => SnapshotMetadata::decode(bytes).map(Self::Snapshot),
            (ID, "DA") => VersionVector::decode(bytes).map(Self::Version),
            (ID, "AA") => big_integer("Counter", bytes).map(Self::Counter),
            (ID, "AB") => big_integer("CounterUpdate", bytes).map(Self::CounterUpdated),
            (id, manifest) => Err(Error::unsupported(format!(
                "a payload of serializer {id} with manifest {manifest:?} has no value here; it is kept as it is"
            ))),
        }
    }

    /// The payload that holds the value, byte for byte as Pekko writes it.
    pub fn to_payload(&self) -> Payload {
        let (manifest, bytes) = match self {
            Self::Event(metadata) => ("RE", metadata.encode()),
            Self::Snapshot(metadata) => ("RS", metadata.encode()),
            Self::Version(version) => ("DA", version.encode()),
            Self::Counter(value) => ("AA", write_big_integer(*value)),
            Self::CounterUpdated(delta) => ("AB", write_big_integer(*delta)),
        };
        Payload::new(ID, manifest, bytes)
    }
}

impl EventMetadata {
    fn decode(bytes: &[u8]) -> Result<Self> {
        let (mut replica, mut seq_nr, mut version, mut concurrent) = (None, None, None, None);
        let mut fields = Fields::new("ReplicatedEventMetadata", bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(value)) => replica = Some(text(value)?.into()),
                (2, Value::Varint(value)) => seq_nr = Some(number(&fields, value)?),
                (3, Value::Bytes(value)) => version = Some(VersionVector::decode(value)?),
                (4, Value::Varint(value)) => concurrent = Some(value != 0),
                (1..=4, _) => return Err(fields.wrong_kind()),
                _ => {}
            }
        }
        Ok(Self {
            origin_replica: fields.required(replica, "origin")?,
            origin_seq_nr: fields.required(seq_nr, "number")?,
            version: fields.required(version, "version")?,
            concurrent: fields.required(concurrent, "word on concurrency")?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(1, self.origin_replica.as_bytes());
        writer.int64(2, self.origin_seq_nr.get().cast_signed());
        writer.bytes(3, &self.version.encode());
        writer.int64(4, self.concurrent.into());
        writer.finish()
    }
}

impl SnapshotMetadata {
    fn decode(bytes: &[u8]) -> Result<Self> {
        let (mut version, mut seen) = (None, Vec::new());
        let mut fields = Fields::new("ReplicatedSnapshotMetadata", bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(value)) => version = Some(VersionVector::decode(value)?),
                (2, Value::Bytes(part)) => seen.push(read_entry("Seen", part)?),
                (1..=2, _) => return Err(fields.wrong_kind()),
                _ => {}
            }
        }
        Ok(Self { version: fields.required(version, "version")?, seen })
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(1, &self.version.encode());
        for seen in &self.seen {
            writer.bytes(2, &write_entry(seen));
        }
        writer.finish()
    }
}

/// A replica and a number: the entries of both kinds have the same fields.
fn read_entry(message: &'static str, bytes: &[u8]) -> Result<(Arc<str>, SeqNr)> {
    let (mut replica, mut seq_nr) = (None, None);
    let mut fields = Fields::new(message, bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(value)) => replica = Some(text(value)?.into()),
            (2, Value::Varint(value)) => seq_nr = Some(number(&fields, value)?),
            (1..=2, _) => return Err(fields.wrong_kind()),
            _ => {}
        }
    }
    Ok((fields.required(replica, "replica")?, fields.required(seq_nr, "number")?))
}

fn write_entry((replica, seq_nr): &(Arc<str>, SeqNr)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(1, replica.as_bytes());
    writer.int64(2, seq_nr.get().cast_signed());
    writer.finish()
}

fn number(fields: &Fields<'_>, value: u64) -> Result<SeqNr> {
    SeqNr::new(value).ok_or_else(|| fields.malformed("a negative number"))
}

/// The only field of a message, an integer as `java.math.BigInteger` writes it: big-endian two's
/// complement.
fn big_integer(message: &'static str, bytes: &[u8]) -> Result<i128> {
    let mut found = None;
    let mut fields = Fields::new(message, bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(value)) => found = Some(value),
            (1, _) => return Err(fields.wrong_kind()),
            _ => {}
        }
    }
    let found = fields.required(found, "value")?;
    let Some((first, _)) = found.split_first() else {
        return Err(fields.malformed("an integer without digits"));
    };
    let sign = if first & 0x80 == 0 { 0 } else { 0xFF };
    let mut value = [sign; size_of::<i128>()];
    let leading = found.len().saturating_sub(value.len());
    let (extra, digits) = found.split_at(leading);
    let digits_at = value.len() - digits.len();
    if let Some(low) = value.get_mut(digits_at..) {
        low.copy_from_slice(digits);
    }
    let value = i128::from_be_bytes(value);
    // What does not fit may only repeat the sign, which the kept digits have to show as well.
    if extra.iter().any(|byte| *byte != sign) || value.is_negative() != (sign == 0xFF) {
        return Err(Error::unsupported(
            "a replicated counter passes 128 bits; it is kept as it is",
        ));
    }
    Ok(value)
}

fn write_big_integer(value: i128) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let sign = if value.is_negative() { 0xFF } else { 0 };
    // A leading byte is needed only if the next one does not show the sign by itself.
    let redundant = bytes
        .array_windows()
        .take_while(|[byte, next]| *byte == sign && (next ^ sign) & 0x80 == 0)
        .count();
    let mut writer = Writer::default();
    writer.bytes(1, bytes.get(redundant..).unwrap_or_default());
    writer.finish()
}
