//! The typed serializers: published vectors, versions, manifests.

use annals_core::{ErrorKind, Payload, Serializer, SerializerId};
use annals_pekko::{Boolean, ByteArray, ByteString, Int, JacksonCbor, JacksonJson, Long, Text};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::hex;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Amount {
    a: i64,
}

#[test]
fn longs_are_little_endian() {
    let vectors = [
        (1, "0100000000000000"),
        (-2, "feffffffffffffff"),
        (1_099_511_627_776, "0000000000010000"),
        (1_234_567_890_123, "cb04fb711f010000"),
        (i64::MIN, "0000000000000080"),
    ];
    for (value, bytes) in vectors {
        let payload = Long.serialize(&value).unwrap();
        assert_eq!((payload.serializer.get(), &payload.bytes[..]), (18, &hex(bytes)[..]));
        assert_eq!(Long.deserialize(&payload).unwrap(), value);
    }
    let short = Payload::new(SerializerId::LONG, "", vec![0; 7]);
    assert_eq!(Long.deserialize(&short).unwrap_err().kind(), ErrorKind::Corrupt);
    let long = Payload::new(SerializerId::LONG, "", hex("0700000000000000ff"));
    assert_eq!(Long.deserialize(&long).unwrap(), 7, "extra bytes are ignored");
}

#[test]
fn ints_and_booleans() {
    for (value, bytes) in [(300, "2c010000"), (-1, "ffffffff"), (i32::MIN, "00000080")] {
        let payload = Int.serialize(&value).unwrap();
        assert_eq!((payload.serializer.get(), &payload.bytes[..]), (19, &hex(bytes)[..]));
        assert_eq!(Int.deserialize(&payload).unwrap(), value);
    }
    for (value, bytes) in [(true, [1]), (false, [0])] {
        let payload = Boolean.serialize(&value).unwrap();
        assert_eq!((payload.serializer.get(), &payload.bytes[..]), (35, &bytes[..]));
        assert_eq!(Boolean.deserialize(&payload).unwrap(), value);
    }
    for bytes in [&[2_u8][..], &[]] {
        let payload = Payload::new(SerializerId::new(35), "", bytes.to_vec());
        assert_eq!(Boolean.deserialize(&payload).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn strings_and_bytes_stand_as_they_are() {
    let text = Text.serialize(&"é€".to_owned()).unwrap();
    assert_eq!((text.serializer.get(), &text.bytes[..]), (20, &hex("c3a9e282ac")[..]));
    let read: String = Text.deserialize(&text).unwrap();
    assert_eq!(read, "é€");
    let latin1 = Payload::new(SerializerId::STRING, "", vec![0xE9]);
    let error = Serializer::<String>::deserialize(&Text, &latin1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);

    let bytes = ByteArray.serialize(&vec![0_u8, 255]).unwrap();
    assert_eq!((bytes.serializer.get(), &bytes.bytes[..]), (4, &[0, 255][..]));
    let string = ByteString.serialize(&Bytes::from_static(&[0, 255])).unwrap();
    assert_eq!((string.serializer.get(), &string.bytes[..]), (21, &[0, 255][..]));
    assert_eq!(ByteString.deserialize(&string).unwrap(), string.bytes);
}

#[test]
fn json_is_read_raw_and_compressed() {
    let vectors = [
        "7b2261223a317d",
        "1f8b08000000000000ffab564a54b232ac0500afac1b5607000000",
        "87d96df600000007707b2261223a317d",
    ];
    let json = JacksonJson::<Amount>::new("com.example.Amount");
    for bytes in vectors {
        let payload = Payload::new(SerializerId::JACKSON_JSON, "com.example.Amount", hex(bytes));
        assert_eq!(json.deserialize(&payload).unwrap(), Amount { a: 1 }, "{bytes}");
    }
    let written = json.serialize(&Amount { a: 1 }).unwrap();
    assert_eq!(&written.bytes[..], br#"{"a":1}"#);
}

#[test]
fn another_class_or_a_newer_version_is_unsupported() {
    let json = JacksonJson::<Amount>::new("com.example.Amount#2").with_alias("Old");
    let of = |manifest: &str| Payload::new(SerializerId::JACKSON_JSON, manifest, r#"{"a":1}"#);
    for readable in ["com.example.Amount", "com.example.Amount#2", "Old#1"] {
        assert_eq!(json.deserialize(&of(readable)).unwrap(), Amount { a: 1 });
    }
    for unreadable in ["com.example.Amount#3", "Other", ""] {
        let error = json.deserialize(&of(unreadable)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains(&format!("{unreadable:?}")), "{error}");
        assert!(error.message().contains("31"), "{error}");
    }
}

#[test]
fn an_older_version_goes_through_the_upcaster() {
    let json = JacksonJson::<Amount>::new("Amount#3").with_upcaster(|version, old| {
        assert_eq!(version.get(), 1);
        Ok(serde_json::json!({ "a": old["amount"] }))
    });
    let old = Payload::new(SerializerId::JACKSON_JSON, "Amount", r#"{"amount":5}"#);
    assert_eq!(json.deserialize(&old).unwrap(), Amount { a: 5 });
    let current = Payload::new(SerializerId::JACKSON_JSON, "Amount#3", r#"{"a":6}"#);
    assert_eq!(json.deserialize(&current).unwrap(), Amount { a: 6 });
}

#[test]
fn cbor_is_read_in_definite_and_indefinite_form() {
    let cbor = JacksonCbor::<Amount>::new("A");
    for bytes in ["bf616101ff", "a1616101"] {
        let payload = Payload::new(SerializerId::JACKSON_CBOR, "A", hex(bytes));
        assert_eq!(cbor.deserialize(&payload).unwrap(), Amount { a: 1 });
    }
    let payload = cbor.serialize(&Amount { a: -7 }).unwrap();
    assert_eq!(cbor.deserialize(&payload).unwrap(), Amount { a: -7 });
    let trailing = Payload::new(SerializerId::JACKSON_CBOR, "A", hex("a161610100"));
    assert_eq!(cbor.deserialize(&trailing).unwrap_err().kind(), ErrorKind::Corrupt);
    let other = Payload::new(SerializerId::JACKSON_CBOR, "B", hex("a1616101"));
    assert_eq!(cbor.deserialize(&other).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_chunked_text_is_one_text() {
    let chunk = "x".repeat(3996);
    let mut bytes = vec![0x7F];
    for _ in 0..2 {
        bytes.extend([0x79, 0x0F, 0x9C]);
        bytes.extend(chunk.as_bytes());
    }
    bytes.extend([0x61, b'y', 0xFF]);
    let payload = Payload::new(SerializerId::JACKSON_CBOR, "S", bytes);
    let text = JacksonCbor::<String>::new("S").deserialize(&payload).unwrap();
    assert_eq!(text, format!("{chunk}{chunk}y"));
}
