//! Jackson payloads: versions both ways, Scala objects, enums of several classes, compression.

use annals_core::{ErrorKind, Payload, Serializer, SerializerId};
use annals_pekko::{
    Cbor, Compression, JacksonCbor, JacksonClass, JacksonFormat, JacksonJson, JacksonOldCbor,
    JacksonVariants, Json, ManifestVersion,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::hex;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Amount {
    a: i64,
}

fn of(id: i32, manifest: &str, bytes: impl Into<Vec<u8>>) -> Payload {
    Payload::new(SerializerId::new(id), manifest, bytes.into())
}

#[test]
fn a_newer_version_is_read_where_that_is_allowed() {
    let forward = ManifestVersion::new(3);
    let json = JacksonJson::<Amount>::new("A#2").with_forward_version(forward).with_upcaster(
        |version, other| match version.get() {
            1 => Ok(json!({ "a": other["one"] })),
            3 => Ok(json!({ "a": other["three"] })),
            version => panic!("version {version} is the current one"),
        },
    );
    for (manifest, bytes) in
        [("A", r#"{"one":5}"#), ("A#2", r#"{"a":5}"#), ("A#3", r#"{"three":5}"#)]
    {
        assert_eq!(json.deserialize(&of(31, manifest, bytes)).unwrap(), Amount { a: 5 });
    }
    let error = json.deserialize(&of(31, "A#4", r#"{"a":5}"#)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let plain = JacksonJson::<Amount>::new("A#2").with_forward_version(forward);
    assert_eq!(plain.deserialize(&of(31, "A#3", r#"{"a":5,"b":1}"#)).unwrap(), Amount { a: 5 });
}

#[test]
fn manifests_without_a_type() {
    let json = JacksonJson::<Amount>::new("#7").with_upcaster(|_, _| Ok(json!({ "a": 1 })));
    assert_eq!(json.serialize(&Amount { a: 2 }).unwrap().manifest.as_ref(), "#7");
    assert_eq!(json.deserialize(&of(31, "#7", r#"{"a":2}"#)).unwrap(), Amount { a: 2 });
    assert_eq!(json.deserialize(&of(31, "", "{}")).unwrap(), Amount { a: 1 });
}

#[test]
fn cbor_has_versions_too_and_keeps_byte_strings() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Named {
        id: Bytes16,
        name: String,
    }
    let cbor = JacksonCbor::<Named>::new("N#2").with_upcaster(|_, mut old| {
        old["name"] = old["title"].take();
        Ok(old)
    });
    let uuid = "50000102030405060708090a0b0c0d0e0f";
    let old = hex(&format!("bf626964{uuid}657469746c65617aff"));
    let read = cbor.deserialize(&of(33, "N", old)).unwrap();
    assert_eq!(read, Named { id: Bytes16((0..16).collect()), name: "z".into() });
    let written = cbor.serialize(&read).unwrap();
    assert_eq!(written.bytes, hex(&format!("a2626964{uuid}646e616d65617a")));
    assert_eq!(cbor.deserialize(&written).unwrap(), read);
}

/// Bytes as a byte string.
#[derive(Debug, PartialEq)]
struct Bytes16(Vec<u8>);

impl Serialize for Bytes16 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes16 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes16;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes16, E> {
                Ok(Bytes16(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

#[test]
fn the_content_of_an_object_means_nothing() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Empty {}
    let json = JacksonJson::<Unit>::new("Closed$");
    assert_eq!(json.serialize(&Unit).unwrap(), of(31, "Closed$", "{}"));
    for content in [&b"{}"[..], b"", b"\x1f\x8b\xff", b"{\"a\":"] {
        assert_eq!(json.deserialize(&of(31, "Closed$", content)).unwrap(), Unit);
    }
    let empty = JacksonJson::<Empty>::new("Closed$");
    assert_eq!(
        empty.deserialize(&of(31, "Closed$#2", "")).unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(empty.deserialize(&of(31, "Closed$", "")).unwrap(), Empty {});
    let cbor = JacksonCbor::<Unit>::new("Closed$");
    assert_eq!(cbor.serialize(&Unit).unwrap().bytes, hex("a0"));
    assert_eq!(cbor.deserialize(&of(33, "Closed$", "")).unwrap(), Unit);
}

#[test]
fn what_akka_called_cbor_is_json() {
    let old = JacksonOldCbor::<Amount>::new("A");
    assert_eq!(Serializer::<Amount>::id(&old).get(), 32);
    assert_eq!(old.deserialize(&of(32, "A", r#"{"a":1}"#)).unwrap(), Amount { a: 1 });
    let lz4 = hex("87d96df600000007707b2261223a317d");
    assert_eq!(old.deserialize(&of(32, "A", lz4)).unwrap(), Amount { a: 1 });
}

#[test]
fn large_payloads_are_compressed_and_read_by_anyone() {
    let long = vec!["x".repeat(1000); 40];
    let plain = JacksonJson::<Vec<String>>::new("L");
    let gzip = JacksonJson::<Vec<String>>::new("L").with_compression(Compression::PEKKO_JSON);
    let written = gzip.serialize(&long).unwrap();
    assert!(written.bytes.starts_with(&[0x1F, 0x8B]) && written.bytes.len() < 2_000);
    assert_eq!(plain.deserialize(&written).unwrap(), long);
    let short = vec!["x".to_owned()];
    assert_eq!(gzip.serialize(&short).unwrap(), plain.serialize(&short).unwrap());

    let lz4 = Compression::Lz4 { larger_than_bytes: 100 };
    let cbor = JacksonCbor::<Vec<String>>::new("L").with_compression(lz4);
    let written = cbor.serialize(&long).unwrap();
    assert!(written.bytes.starts_with(&[0x87, 0xD9, 0x6D, 0xF6]));
    assert_eq!(JacksonCbor::<Vec<String>>::new("L").deserialize(&written).unwrap(), long);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Event {
    Deposited {
        cents: i64,
    },
    Renamed(Name),
    Closed,
    Frozen,
    #[serde(rename = "odd \"name\"")]
    Odd {},
    Unmapped,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Name {
    name: String,
}

fn variants<F: JacksonFormat>() -> JacksonVariants<F, Event> {
    JacksonVariants::new([
        (
            "Deposited",
            JacksonClass::new("Account$Deposited#2").with_upcaster(|_, old| {
                Ok(json!({ "cents": old.get("euros").and_then(Value::as_i64).unwrap_or(0) * 100 }))
            }),
        ),
        ("Renamed", JacksonClass::new("Account$Renamed").with_alias("Old")),
        ("Closed", "Account$Closed$".into()),
        ("Frozen", "Account$Frozen".into()),
        ("odd \"name\"", "Account$Odd".into()),
    ])
}

#[test]
fn each_variant_is_a_class_of_its_own() {
    let json = variants::<Json>();
    let cbor = variants::<Cbor>();
    let name = || Name { name: "n".into() };
    for (event, manifest, text) in [
        (Event::Deposited { cents: 5 }, "Account$Deposited#2", r#"{"cents":5}"#),
        (Event::Renamed(name()), "Account$Renamed", r#"{"name":"n"}"#),
        (Event::Closed, "Account$Closed$", "{}"),
        (Event::Frozen, "Account$Frozen", "{}"),
        (Event::Odd {}, "Account$Odd", "{}"),
    ] {
        let written = json.serialize(&event).unwrap();
        assert_eq!(written, of(31, manifest, text));
        assert_eq!(json.deserialize(&written).unwrap(), event);
        let written = cbor.serialize(&event).unwrap();
        assert_eq!((written.serializer.get(), &*written.manifest), (33, manifest));
        assert_eq!(cbor.deserialize(&written).unwrap(), event);
    }
    let jackson = of(33, "Account$Deposited#2", hex("bf6563656e747305ff"));
    assert_eq!(cbor.deserialize(&jackson).unwrap(), Event::Deposited { cents: 5 });
    for old in [
        of(31, "Account$Deposited", r#"{"euros":2}"#),
        of(31, "Account$Deposited#1", r#"{"euros":2}"#),
    ] {
        assert_eq!(json.deserialize(&old).unwrap(), Event::Deposited { cents: 200 });
    }
    let old = of(33, "Account$Deposited", hex("bf656575726f7302ff"));
    assert_eq!(cbor.deserialize(&old).unwrap(), Event::Deposited { cents: 200 });
    let renamed = of(31, "Old", r#"{"name":"n","more":[1]}"#);
    assert_eq!(json.deserialize(&renamed).unwrap(), Event::Renamed(name()));
}

#[test]
fn a_variant_without_a_class_is_named() {
    let json = variants::<Json>();
    assert_eq!(json.serialize(&Event::Unmapped).unwrap_err().kind(), ErrorKind::Invalid);
    let error = json.deserialize(&of(31, "Account$Other", "{}")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("Account$Other") && error.message().contains("31"), "{error}");
    let error = json.deserialize(&of(31, "Account$Deposited#3", "{}")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let damaged = of(31, "Account$Frozen", "{");
    assert_eq!(json.deserialize(&damaged).unwrap_err().kind(), ErrorKind::Corrupt);
    // Content that would close the map early is not taken for a second variant.
    let broken = of(31, "Account$Renamed", r#"{"name":"n"},"Closed":null"#);
    assert_eq!(json.deserialize(&broken).unwrap_err().kind(), ErrorKind::Corrupt);
}
