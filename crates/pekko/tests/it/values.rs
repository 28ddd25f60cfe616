//! Payloads as JSON and back.

use annals_core::{ErrorKind, Payload, SerializerId};
use annals_pekko::value::{decode, encode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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

#[test]
fn messages_of_pekkos_own_are_shown() {
    let of = |id: i32, manifest: &str, bytes: &str| {
        let payload = Payload::new(SerializerId::new(id), manifest, hex(bytes));
        // They are written back from their bytes only.
        let raw = json!({ "base64": STANDARD.encode(&payload.bytes) });
        assert_eq!(encode(payload.serializer, manifest, &raw).unwrap(), payload);
        decode(&payload).unwrap().into_json()
    };
    let x = json!({ "serializer_id": 20, "manifest": "", "payload": "x" });
    let event = "0a0508141201781007 1a0170 6a0177".replace(' ', "");
    assert_eq!(
        of(7, "akka.persistence.PersistentImpl", &event),
        json!({
            "persistence_id": "p", "sequence_nr": 7, "timestamp": 0, "writer": "w", "deleted": false,
            "event_manifest": "", "metadata": null, "payload": x,
        })
    );
    let change = "org.apache.pekko.persistence.fsm.PersistentFSM$StateChangeEvent";
    let paid = json!({ "state": "paid", "timeout_millis": 1500 });
    assert_eq!(of(7, change, "0a04706169641880dea0cb05"), paid);
    assert_eq!(of(8, "", "040000001400000078"), x);
    assert_eq!(of(16, "C", "0a050a01781014"), x);
    assert_eq!(of(16, "C", ""), json!(null));
    assert_eq!(of(16, "DONE", ""), json!("Done"));
    assert_eq!(of(16, "CF", "7b2261223a317d"), json!({ "a": 1 }));
    assert_eq!(of(40, "AA", "0a0200ff"), json!({ "value": 255 }));
    assert_eq!(
        of(40, "RE", "0a0444432d4110071a140a080a0444432d4110070a080a0444432d4210032000"),
        json!({
            "origin_replica": "DC-A", "origin_sequence_nr": 7, "concurrent": false,
            "version": { "DC-A": 7, "DC-B": 3 },
        })
    );
    assert_eq!(of(1, "", "aced0005740003616263"), json!("abc"));
    // An event inside that nobody here knows stays as bytes.
    let unknown = json!({ "serializer_id": 77, "manifest": "", "payload": { "base64": "eA==" } });
    assert_eq!(of(16, "C", "0a050a0178104d"), unknown);
}

#[test]
fn a_filtered_event_is_null() {
    let filtered = Payload::new(SerializerId::new(34), "F", Vec::new());
    assert_eq!(decode(&filtered).unwrap().into_json(), json!(null));
    assert_eq!(encode(filtered.serializer, "F", &json!(null)).unwrap(), filtered);
}

#[test]
fn payloads_inside_payloads_have_an_end() {
    let mut payload = Payload::new(SerializerId::new(20), "", "x");
    for _ in 0..500 {
        payload = annals_pekko::Misc::Option(Some(payload)).to_payload();
    }
    let text = decode(&payload).unwrap().into_json().to_string();
    assert!(text.matches("serializer_id").count() < 12, "{text}");
    assert!(text.contains("base64"));
}
