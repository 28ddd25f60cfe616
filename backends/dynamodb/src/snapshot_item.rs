//! Items of the snapshot table, as Pekko's plugin writes them and wrote them before, and what annals
//! adds to them. Pure: the requests are in [`snapshot`](crate::snapshot).
//!
//! | attribute | type | |
//! | --- | --- | --- |
//! | `par` | S | `journal-name` + `-P-` + persistence id: the hash key |
//! | `seq` | N | sequence number: the range key |
//! | `ts` | N | milliseconds since 1970 |
//! | `pay_data`, `ser_id`, `ser_manifest` | B, N, S | the payload; the manifest only if there is one |
//! | `pay` | B | instead of these three in the old format: serializer 8's container of them |
//! | `annals_meta`, `annals_meta_ser_id`, `annals_meta_ser_manifest` | B, N, S | metadata, which Pekko neither stores here nor looks at |

use std::collections::HashMap;

use annals_core::{
    Error, Payload, PersistenceId, Result, SeqNr, SerializerId, Snapshot, SnapshotInfo, Timestamp,
};
use annals_pekko::{ManifestNames, java, read_snapshot};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;

/// An item, as the SDK gives and takes it.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) const PAR: &str = "par";
pub(crate) const SEQ: &str = "seq";
pub(crate) const TS: &str = "ts";
const PAY_DATA: &str = "pay_data";
const SER_ID: &str = "ser_id";
const SER_MANIFEST: &str = "ser_manifest";
const PAY: &str = "pay";
const META: &str = "annals_meta";
const META_SER_ID: &str = "annals_meta_ser_id";
const META_SER_MANIFEST: &str = "annals_meta_ser_manifest";

/// What DynamoDB takes of one item: names and values together, in bytes.
const ITEM_BYTES_MAX: usize = 400 * 1024;

/// What Pekko's formula adds to the key and the payload of a snapshot.
const PEKKO_OVERHEAD_BYTES: usize = 253;

/// The hash key of the snapshots of `id`.
pub(crate) fn par(journal_name: &str, id: &PersistenceId) -> String {
    format!("{journal_name}-P-{id}")
}

/// The key of one snapshot.
pub(crate) fn key(journal_name: &str, id: &PersistenceId, seq_nr: SeqNr) -> Item {
    let par = AttributeValue::S(par(journal_name, id));
    Item::from([(PAR.to_owned(), par), (SEQ.to_owned(), number(seq_nr))])
}

/// The item of `snapshot`, in the format that Pekko writes today.
///
/// # Errors
/// `Invalid` if it is larger than Pekko's formula (up to `item_bytes_max`) or DynamoDB allows.
pub(crate) fn encode(
    journal_name: &str,
    snapshot: &Snapshot,
    item_bytes_max: usize,
) -> Result<Item> {
    let mut item = key(journal_name, &snapshot.persistence_id, snapshot.seq_nr);
    item.insert(TS.to_owned(), number(snapshot.timestamp));
    put_payload(&mut item, [PAY_DATA, SER_ID, SER_MANIFEST], &snapshot.payload);
    if let Some(metadata) = &snapshot.metadata {
        put_payload(&mut item, [META, META_SER_ID, META_SER_MANIFEST], metadata);
    }
    let par = par(journal_name, &snapshot.persistence_id);
    let pekko = PEKKO_OVERHEAD_BYTES + java::string_length(&par) + snapshot.payload.bytes.len();
    let own = item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum();
    for (bytes, bytes_max, rule) in [
        (pekko, item_bytes_max, "max-item-size as Pekko counts it"),
        (own, ITEM_BYTES_MAX, "what DynamoDB takes of one item"),
    ] {
        if bytes > bytes_max {
            return Err(Error::invalid(format!(
                "the snapshot of {} at {} needs {bytes} bytes, more than {bytes_max}, which is {rule}: nothing was \
                 written; the older ones stay",
                snapshot.persistence_id, snapshot.seq_nr
            )));
        }
    }
    Ok(item)
}

/// What a listing tells of `item`. An item without a readable time is listed all the same (with
/// [`Timestamp::UNKNOWN`]), so that a reader can step over it to the next older one.
///
/// # Errors
/// `Corrupt` if the range key is no sequence number, which nobody should have written.
pub(crate) fn info(id: &PersistenceId, item: &Item) -> Result<SnapshotInfo> {
    let seq_nr = seq_nr(id, item)?;
    let timestamp = int(item, TS).ok().flatten().map_or(Timestamp::UNKNOWN, Timestamp::from_millis);
    Ok(SnapshotInfo { seq_nr, timestamp })
}

/// The snapshot of `id` that `item` holds, in either format.
///
/// # Errors
/// `Corrupt` if it holds none; `Unsupported` if its old container is one of Akka 2.3.
pub(crate) fn decode(id: &PersistenceId, item: &Item, names: ManifestNames) -> Result<Snapshot> {
    let seq_nr = seq_nr(id, item)?;
    decode_at(id, seq_nr, item, names)
        .map_err(|error| error.context(format!("the snapshot of {id} at {seq_nr}")))
}

fn decode_at(
    id: &PersistenceId,
    seq_nr: SeqNr,
    item: &Item,
    names: ManifestNames,
) -> Result<Snapshot> {
    let millis = int(item, TS)?.ok_or_else(|| missing(TS))?;
    let payload = match (payload(item, [PAY_DATA, SER_ID, SER_MANIFEST])?, bytes(item, PAY)?) {
        (Some(payload), _) => payload,
        (None, Some(container)) => read_snapshot(&container, names)?,
        (None, None) => {
            let message = format!("it has neither {PAY_DATA} nor {PAY}, so no state at all");
            return Err(Error::corrupt(message));
        }
    };
    Ok(Snapshot {
        persistence_id: id.clone(),
        seq_nr,
        timestamp: Timestamp::from_millis(millis),
        payload,
        metadata: payload_of_metadata(item)?,
    })
}

fn payload_of_metadata(item: &Item) -> Result<Option<Payload>> {
    payload(item, [META, META_SER_ID, META_SER_MANIFEST])
}

/// The number of the snapshot in `item`, whose range key it is.
fn seq_nr(id: &PersistenceId, item: &Item) -> Result<SeqNr> {
    let number = int(item, SEQ).ok().flatten();
    number.and_then(|number| SeqNr::new(u64::try_from(number).ok()?)).ok_or_else(|| {
        let shown = item.get(SEQ).map_or("none".to_owned(), |value| format!("{value:?}"));
        Error::corrupt(format!(
            "the snapshot table holds an item of {id} whose {SEQ} is {shown}, which is no sequence \
             number: no snapshot is lost by deleting that item"
        ))
    })
}

fn put_payload(item: &mut Item, [bytes, id, manifest]: [&str; 3], payload: &Payload) {
    item.insert(bytes.to_owned(), AttributeValue::B(Blob::new(payload.bytes.to_vec())));
    item.insert(id.to_owned(), number(payload.serializer));
    if !payload.manifest.is_empty() {
        item.insert(manifest.to_owned(), AttributeValue::S(payload.manifest.to_string()));
    }
}

fn payload(item: &Item, [data, id, manifest]: [&str; 3]) -> Result<Option<Payload>> {
    let Some(data) = bytes(item, data)? else { return Ok(None) };
    let serializer = int(item, id)?.ok_or_else(|| missing(id))?;
    let serializer = i32::try_from(serializer).map_err(|_| {
        Error::corrupt(format!("its {id} is {serializer}, which no serializer has"))
    })?;
    let manifest = match item.get(manifest) {
        None => "",
        Some(AttributeValue::S(text)) => text,
        Some(_) => return Err(mistyped(manifest, "a text")),
    };
    Ok(Some(Payload::new(SerializerId::new(serializer), manifest, data)))
}

fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn int(item: &Item, name: &str) -> Result<Option<i64>> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::N(digits)) => {
            digits.parse().map(Some).map_err(|_| mistyped(name, "a whole number of 64 bits"))
        }
        Some(_) => Err(mistyped(name, "a number")),
    }
}

fn bytes(item: &Item, name: &str) -> Result<Option<Bytes>> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::B(blob)) => Ok(Some(Bytes::copy_from_slice(blob.as_ref()))),
        Some(_) => Err(mistyped(name, "binary")),
    }
}

fn missing(name: &str) -> Error {
    Error::corrupt(format!("it has no {name}"))
}

fn mistyped(name: &str, wanted: &str) -> Error {
    Error::corrupt(format!("its {name} is not {wanted}"))
}

/// What a value counts towards the size of an item: an upper bound for numbers, exact otherwise.
fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use annals_core::ErrorKind;

    use super::*;

    const PEKKO_BYTES_MAX: usize = 400_000;

    fn id() -> PersistenceId {
        PersistenceId::new("p-1").unwrap()
    }

    fn snapshot() -> Snapshot {
        Snapshot {
            persistence_id: id(),
            seq_nr: SeqNr::new(42).unwrap(),
            timestamp: Timestamp::from_millis(1_700_000_000_000),
            payload: Payload::new(SerializerId::new(-5), "com.example.State#2", "state"),
            metadata: None,
        }
    }

    fn n(digits: &str) -> AttributeValue {
        AttributeValue::N(digits.to_owned())
    }

    fn b(bytes: &[u8]) -> AttributeValue {
        AttributeValue::B(Blob::new(bytes))
    }

    fn with(mut item: Item, name: &str, value: Option<AttributeValue>) -> Item {
        item.remove(name);
        item.extend(value.map(|value| (name.to_owned(), value)));
        item
    }

    #[test]
    fn an_item_is_that_of_pekko() {
        let item = encode("journal", &snapshot(), PEKKO_BYTES_MAX).unwrap();
        let wanted = Item::from([
            ("par".to_owned(), AttributeValue::S("journal-P-p-1".to_owned())),
            ("seq".to_owned(), n("42")),
            ("ts".to_owned(), n("1700000000000")),
            ("pay_data".to_owned(), b(b"state")),
            ("ser_id".to_owned(), n("-5")),
            ("ser_manifest".to_owned(), AttributeValue::S("com.example.State#2".to_owned())),
        ]);
        assert_eq!(item, wanted);
        assert_eq!(decode(&id(), &item, ManifestNames::default()).unwrap(), snapshot());
    }

    #[test]
    fn an_empty_manifest_is_absent_and_metadata_comes_back() {
        let mut snapshot = snapshot();
        snapshot.payload.manifest = "".into();
        snapshot.metadata = Some(Payload::new(SerializerId::new(40), "RS", "meta"));
        let item = encode("journal", &snapshot, PEKKO_BYTES_MAX).unwrap();
        assert!(!item.contains_key("ser_manifest"), "{item:?}");
        assert_eq!(decode(&id(), &item, ManifestNames::default()).unwrap(), snapshot);
    }

    #[test]
    fn the_old_format_is_read() {
        // V9 and V28: containers that Pekko and Akka published.
        let old = Item::from([
            ("par".to_owned(), AttributeValue::S("journal-P-p-1".to_owned())),
            ("seq".to_owned(), n("7")),
            ("ts".to_owned(), n("5")),
            ("pay".to_owned(), b(b"\x04\0\0\0\x14\0\0\0hello")),
        ]);
        let read = decode(&id(), &old, ManifestNames::default()).unwrap();
        assert_eq!(read.payload, Payload::new(SerializerId::STRING, "", "hello"));
        assert_eq!((read.seq_nr.get(), read.timestamp.as_millis()), (7, 5));

        let akka = b"\x09\0\0\0\x07\0\0\0akka.x\x01"; // cut: the header holds "akka."
        let old = with(old, "pay", Some(b(akka)));
        let read = decode(&id(), &old, ManifestNames::default()).unwrap();
        assert_eq!(&*read.payload.manifest, "org.apache.pekko.");
        let read = decode(&id(), &old, ManifestNames::AsGiven).unwrap();
        assert_eq!(&*read.payload.manifest, "akka.");
    }

    #[test]
    fn a_snapshot_of_akka_2_3_is_kept_as_it_is() {
        // V30: a header in Java's serialization.
        let item = with(encode("journal", &snapshot(), PEKKO_BYTES_MAX).unwrap(), "pay_data", None);
        let item = with(
            item,
            "pay",
            Some(b(&[&[0xa8, 0, 0, 0, 0xac, 0xed, 0, 5], &[0; 200][..]].concat())),
        );
        let error = decode(&id(), &item, ManifestNames::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().starts_with("the snapshot of p-1 at 42: "), "{error}");
    }

    #[test]
    fn what_nobody_should_have_written_is_corrupt_and_named() {
        let good = encode("journal", &snapshot(), PEKKO_BYTES_MAX).unwrap();
        let cases = [
            ("ts", None, "it has no ts"),
            ("ts", Some(b(b"x")), "its ts is not a number"),
            ("ts", Some(n("1.5")), "its ts is not a whole number"),
            ("pay_data", None, "neither pay_data nor pay"),
            ("pay_data", Some(n("1")), "its pay_data is not binary"),
            ("ser_id", None, "it has no ser_id"),
            ("ser_id", Some(n("2147483648")), "which no serializer has"),
            ("ser_manifest", Some(n("1")), "its ser_manifest is not a text"),
            ("annals_meta", Some(n("1")), "its annals_meta is not binary"),
            ("annals_meta", Some(b(b"x")), "it has no annals_meta_ser_id"),
        ];
        for (name, value, wanted) in cases {
            let item = with(good.clone(), name, value);
            let error = decode(&id(), &item, ManifestNames::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error}");
            assert!(error.message().contains(wanted), "{error}");
            assert!(error.message().contains("p-1 at 42"), "{error}");
            // It is listed all the same, so that a recovery can fall back.
            assert_eq!(info(&id(), &item).unwrap().seq_nr.get(), 42);
        }
        for seq in [Some(n("-1")), Some(n("1.5")), Some(n("1E+40")), Some(b(b"x")), None] {
            let item = with(good.clone(), "seq", seq);
            for error in [
                decode(&id(), &item, ManifestNames::default()).unwrap_err(),
                info(&id(), &item).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                assert!(error.message().contains("no sequence number"), "{error}");
            }
        }
    }

    #[test]
    fn the_size_is_counted_as_pekko_does() {
        // 253 + the 13 UTF-16 units of journal-P-p-1 + the payload.
        let sized = |bytes: usize| {
            let mut snapshot = snapshot();
            snapshot.payload = Payload::new(SerializerId::BYTES, "", vec![7; bytes]);
            encode("journal", &snapshot, 1_000)
        };
        assert!(sized(734).is_ok());
        let error = sized(735).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("needs 1001 bytes, more than 1000"), "{error}");
    }

    #[test]
    fn what_dynamodb_would_refuse_is_invalid() {
        let mut snapshot = snapshot();
        snapshot.payload = Payload::new(SerializerId::BYTES, "", vec![7; 390_000]);
        assert!(encode("journal", &snapshot, PEKKO_BYTES_MAX).is_ok());
        snapshot.metadata = Some(Payload::new(SerializerId::BYTES, "", vec![7; 20_000]));
        let error = encode("journal", &snapshot, PEKKO_BYTES_MAX).unwrap_err();
        assert!(error.message().contains("what DynamoDB takes of one item"), "{error}");
    }
}
