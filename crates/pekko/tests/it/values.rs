//! Payloads as JSON and back.

use annals_core::{ErrorKind, Payload, SerializerId};
use annals_pekko::value::{decode, encode};
use serde_json::{Value, json};

use crate::hex;

fn payload(id: i32, bytes: impl Into<Vec<u8>>) -> Payload {
    Payload::new(SerializerId::new(id), "m", bytes.into())
}

fn read(id: i32, bytes: impl Into<Vec<u8>>) -> Value {
    decode(&payload(id, bytes)).unwrap().into_json()
}

#[test]
fn each_known_serializer_has_a_value() {
    assert_eq!(read(0, []), json!(null));
    assert_eq!(read(4, [1, 2]), json!({"base64": "AQI="}));
    assert_eq!(read(21, [1, 2]), json!({"base64": "AQI="}));
    assert_eq!(read(18, hex("cb04fb711f010000")), json!(1_234_567_890_123_i64));
    assert_eq!(read(19, hex("2c010000")), json!(300));
    assert_eq!(read(19, hex("ffffffff")), json!(-1));
    assert_eq!(read(20, hex("c3a9e282ac")), json!("é€"));
    assert_eq!((read(35, [1]), read(35, [0])), (json!(true), json!(false)));
    for compressed in [
        "7b2261223a317d",
        "1f8b08000000000000ffab564a54b232ac0500afac1b5607000000",
        "87d96df600000007707b2261223a317d",
    ] {
        assert_eq!(read(31, hex(compressed)), json!({"a": 1}));
        assert_eq!(read(32, hex(compressed)), json!({"a": 1}));
    }
    assert_eq!(read(33, hex("bf616101ff")), json!({"a": 1}));
    assert_eq!(read(33, hex("87d96df60000000440a1616101")), json!({"a": 1}));
}

#[test]
fn values_survive_being_written_and_read() {
    let values = [
        (0, "null"),
        (4, r#"{"base64":"AP8="}"#),
        (18, "-9223372036854775808"),
        (19, "-5"),
        (20, r#""é€""#),
        (35, "true"),
        (31, r#"{"z":9007199254740993,"a":[1.50,123456789012345678901234567890,null,"\u0000"]}"#),
        (33, r#"{"z":9007199254740993,"a":[18446744073709551615,-18446744073709551617,0.5]}"#),
        (33, r#"[123456789012345678901234567890,{"base64":"AP8="},{},[],""]"#),
        (-7, r#"{"base64":"AP8="}"#),
    ];
    for (id, text) in values {
        let value: Value = serde_json::from_str(text).unwrap();
        let written = encode(SerializerId::new(id), "m", &value).unwrap();
        assert_eq!(written.manifest.as_ref(), "m");
        let read = decode(&written).map_or_else(|_| value.clone(), |read| read.into_json());
        assert_eq!(read, value, "{id}: {text}");
    }
}

#[test]
fn what_jackson_writes_in_cbor_has_a_value() {
    let vectors = [
        ("fb7ff8000000000000", r#""NaN""#),
        ("fa3fc00000", "1.5"),
        ("c48221196ab3", "273.15"),
        ("c48221c249010000000000000000", "184467440737095516.16"),
        ("c482390fff01", "1e-4096"),
        ("c348ffffffffffffffff", "-18446744073709551616"),
        ("50000102030405060708090a0b0c0d0e0f", r#"{"base64":"AAECAwQFBgcICQoLDA0ODw=="}"#),
        ("bf01f6f5fbbff0000000000000ff", r#"{"1":null,"true":-1.0}"#),
        ("9f01ff", "[1]"),
        ("80", "[]"),
    ];
    for (bytes, text) in vectors {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read(33, hex(bytes)), value, "{bytes}");
    }
}

#[test]
fn an_unknown_serializer_is_named() {
    let error = decode(&payload(1042, [1])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("1042") && error.message().contains("\"m\""), "{error}");
    let error = encode(SerializerId::new(1042), "m", &json!({"a": 1})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn a_value_of_the_wrong_kind_is_invalid() {
    let wrong = [
        (0, json!(1)),
        (4, json!("AP8=")),
        (4, json!({"base64": "?"})),
        (18, json!(1.5)),
        (18, json!(u64::MAX)),
        (19, json!(1_i64 << 31)),
        (20, json!(1)),
        (35, json!(0)),
    ];
    for (id, value) in wrong {
        let error = encode(SerializerId::new(id), "", &value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{id}: {value}");
    }
    assert_eq!(decode(&payload(35, [2])).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(decode(&payload(18, [0; 7])).unwrap_err().kind(), ErrorKind::Corrupt);
}
