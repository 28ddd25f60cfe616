//! Serializer 40 against published bytes.

use std::sync::Arc;

use annals_core::{ErrorKind, Payload, SeqNr, SerializerId};
use annals_pekko::{EventMetadata, Replicated, SnapshotMetadata, VersionVector};

use crate::hex;

fn entry(replica: &str, seq_nr: u64) -> (Arc<str>, SeqNr) {
    (replica.into(), SeqNr::new(seq_nr).unwrap())
}

fn check(manifest: &str, bytes: &str, value: Replicated) {
    let payload = Payload::new(SerializerId::new(40), manifest, hex(bytes));
    assert_eq!(Replicated::from_payload(&payload).unwrap(), value, "{bytes}");
    assert_eq!(value.to_payload(), payload, "{bytes}");
}

#[test]
fn metadata_of_events_and_snapshots() {
    let version = VersionVector::new([entry("DC-B", 3), entry("DC-A", 7)]);
    check(
        "RE",
        "0a0444432d4110071a140a080a0444432d4110070a080a0444432d4210032000",
        Replicated::Event(EventMetadata {
            origin_replica: "DC-A".into(),
            origin_seq_nr: SeqNr::new(7).unwrap(),
            version,
            concurrent: false,
        }),
    );
    check(
        "RS",
        "0a0a0a080a0444432d41100712080a0444432d411007",
        Replicated::Snapshot(SnapshotMetadata {
            version: VersionVector::new([entry("DC-A", 7)]),
            seen: vec![entry("DC-A", 7)],
        }),
    );
    check("DA", "", Replicated::Version(VersionVector::default()));
}

#[test]
fn counters_are_integers_of_java() {
    for (value, bytes) in [
        (0, "00"),
        (255, "00ff"),
        (-1, "ff"),
        (127, "7f"),
        (128, "0080"),
        (-128, "80"),
        (-129, "ff7f"),
        (i128::MAX, "7fffffffffffffffffffffffffffffff"),
        (i128::MIN, "80000000000000000000000000000000"),
    ] {
        let field = format!("0a{:02x}{bytes}", bytes.len() / 2);
        check("AA", &field, Replicated::Counter(value));
        check("AB", &field, Replicated::CounterUpdated(value));
    }
    // Longer than needed, as nobody writes it, and too large.
    let of = |digits: &str| {
        let field = format!("0a{:02x}{digits}", digits.len() / 2);
        Replicated::from_payload(&Payload::new(SerializerId::new(40), "AA", hex(&field)))
    };
    assert_eq!(of(&format!("{}05", "00".repeat(20))).unwrap(), Replicated::Counter(5));
    assert_eq!(of(&format!("{}fe", "ff".repeat(20))).unwrap(), Replicated::Counter(-2));
    for large in ["0080000000000000000000000000000000", "ff7fffffffffffffffffffffffffffffff"] {
        assert_eq!(of(large).unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert_eq!(of("").unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn names_are_ordered_as_java_orders_them() {
    // U+1F600 begins with D83D in UTF-16, below U+FFFD; in UTF-8 it is above.
    let vector = VersionVector::new([
        entry("\u{FFFD}", 1),
        entry("\u{1F600}", 2),
        entry("a", 3),
        entry("a", 4),
    ]);
    let names: Vec<_> = vector.entries().iter().map(|(name, n)| (&**name, n.get())).collect();
    assert_eq!(names, [("a", 4), ("\u{1F600}", 2), ("\u{FFFD}", 1)]);
}

#[test]
fn sets_and_damage_are_errors() {
    for (manifest, bytes, kind) in [
        ("CA", "", ErrorKind::Unsupported),
        ("RE", "0a0444432d411007", ErrorKind::Corrupt),
        ("DA", "0a080a0444432d4110", ErrorKind::Corrupt),
        ("DA", "0a040a024443", ErrorKind::Corrupt),
    ] {
        let payload = Payload::new(SerializerId::new(40), manifest, hex(bytes));
        assert_eq!(Replicated::from_payload(&payload).unwrap_err().kind(), kind, "{manifest}");
    }
}
