//! Values of every serializer that applications use, in the application's notation `{"kind": …,
//! "value": …}`, as payloads and back.

use annals_core::{Payload, SerializerId};
use annals_pekko::value::{decode, encode, raw_bytes, raw_json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(crate) const JSON_CLASS: &str = "annals.interop.Order$Json";
pub(crate) const CBOR_CLASS: &str = "annals.interop.Order$Cbor";
pub(crate) const NOTE_CLASS: &str = "annals.interop.Note$Stored";
/// What the application's event adapter gives the notes that it stores.
pub(crate) const NOTE_MANIFEST: &str = "note-v2";

const BYTES: i32 = 4;
const INT: i32 = 19;
const BYTE_STRING: i32 = 21;
const BOOLEAN: i32 = 35;
const JAVA: i32 = 1;

/// One value of a kind.
pub(crate) fn value(kind: &str, value: impl Into<Value>) -> Value {
    json!({"kind": kind, "value": value.into()})
}

/// A string, for tests to which the kind of an event does not matter.
pub(crate) fn text(text: impl Into<String>) -> Value {
    value("string", text.into())
}

/// `count` strings, told apart by the number of the first one and of themselves.
pub(crate) fn texts(first: u64, count: u64) -> Vec<Value> {
    (first..first + count).map(|number| text(format!("event {number} of {first}"))).collect()
}

/// Every kind, with what is special about its form: empty values, texts and bytes of any sort, documents
/// above the length where Jackson compresses JSON and where it cuts texts in CBOR.
pub(crate) fn every_kind() -> Vec<Value> {
    let (above_32_kib, above_3996) = ("long ".repeat(8_000), "long ".repeat(800));
    vec![
        text("é€𝄞 text"),
        text(""),
        value("int", 300),
        value("int", -1),
        value("long", 1_099_511_627_776_i64),
        value("long", i64::MIN),
        value("boolean", true),
        value("boolean", false),
        value("bytes", "AAH/"),
        value("bytes", ""),
        value("bytestring", "/wEA"),
        order("json", "short", Value::Null),
        order("json", &above_32_kib, "remarked".into()),
        order("cbor", "short", "remarked".into()),
        order("cbor", &above_3996, Value::Null),
        value("note", "stored as something else"),
    ]
}

/// A document with the types that Jackson has conventions for.
pub(crate) fn order(kind: &str, name: &str, remark: Value) -> Value {
    // As many digits as an f64 keeps, so that it is the same number however JSON is read.
    let price: Value = serde_json::from_str("1234567890.1234567").unwrap();
    let order = json!({
        "name": name, "amount": -9_007_199_254_740_995_i64, "weight": 0.125, "paid": true,
        "price": price, "at": "2024-02-29T12:34:56.789Z",
        "uuid": "11111111-2222-3333-4444-555555555555", "data": "AAEC/w==",
        "labels": ["a", "é"], "counts": {"x": 1, "y": -2}, "remark": remark,
    });
    value(kind, order)
}

/// What a payload means, in the application's notation.
pub(crate) fn meaning(payload: &Payload, event_manifest: &str) -> Value {
    let id = payload.serializer.get();
    let manifest = &*payload.manifest;
    if id == JAVA {
        return value("java", raw_json(&payload.bytes));
    }
    let decoded = decode(payload).unwrap().into_json();
    let (kind, decoded) = match (id, manifest) {
        (20, "") => ("string", decoded),
        (18, "") => ("long", decoded),
        (INT, "") => ("int", decoded),
        (BOOLEAN, "") => ("boolean", decoded),
        (BYTES, "") => ("bytes", base64_of(&decoded)),
        (BYTE_STRING, "") => ("bytestring", base64_of(&decoded)),
        (31, JSON_CLASS) => ("json", decoded),
        (33, CBOR_CLASS) => ("cbor", cbor_as_json(decoded)),
        (31, NOTE_CLASS) => {
            assert_eq!(event_manifest, NOTE_MANIFEST);
            return value("note", decoded["body"].clone());
        }
        other => panic!("a payload of serializer and manifest {other:?}"),
    };
    assert_eq!(event_manifest, "", "of {kind}");
    value(kind, decoded)
}

/// The payload for a value, and the manifest of its event adapter.
pub(crate) fn payload(value: &Value) -> (Payload, &'static str) {
    let plain = &value["value"];
    let raw = || json!({"base64": plain});
    let of = |id: i32, manifest: &str, value: &Value| {
        encode(SerializerId::new(id), manifest, value).unwrap()
    };
    let payload = match value["kind"].as_str().unwrap() {
        "string" => of(20, "", plain),
        "long" => of(18, "", plain),
        "int" => of(INT, "", plain),
        "boolean" => of(BOOLEAN, "", plain),
        "bytes" => of(BYTES, "", &raw()),
        "bytestring" => of(BYTE_STRING, "", &raw()),
        "json" => of(31, JSON_CLASS, plain),
        "cbor" => of(33, CBOR_CLASS, &json_as_cbor(plain.clone())),
        "note" => return (of(31, NOTE_CLASS, &json!({"body": plain})), NOTE_MANIFEST),
        other => panic!("no serializer of annals writes the kind {other}"),
    };
    (payload, "")
}

/// A value in the notation of [`decode`].
pub(crate) fn decoded(value: &Value) -> Value {
    let plain = &value["value"];
    match value["kind"].as_str().unwrap() {
        "bytes" | "bytestring" => json!({"base64": plain}),
        "cbor" => json_as_cbor(plain.clone()),
        "note" => json!({"body": plain}),
        _ => plain.clone(),
    }
}

fn base64_of(raw: &Value) -> Value {
    STANDARD.encode(raw_bytes(raw).unwrap()).into()
}

/// Jackson writes byte arrays and UUIDs as bytes into CBOR, and as texts into JSON.
fn cbor_as_json(mut order: Value) -> Value {
    order["data"] = base64_of(&order["data"]);
    let uuid = raw_bytes(&order["uuid"]).unwrap();
    let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    let (parts, mut at) = ([8, 4, 4, 4, 12], 0);
    let parts = parts.map(|length| {
        at += length;
        &hex[at - length..at]
    });
    order["uuid"] = parts.join("-").into();
    order
}

fn json_as_cbor(mut order: Value) -> Value {
    order["data"] = json!({"base64": order["data"]});
    let hex: Vec<char> = order["uuid"].as_str().unwrap().chars().filter(|c| *c != '-').collect();
    let bytes: Vec<u8> = hex
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect();
    order["uuid"] = raw_json(&bytes);
    order
}
