//! An event that Jackson wrote in Pekko 1.7.0, in each format and compression.
//!
//! ```java
//! class Deposited { long cents; String note; Optional<String> who = empty(); List<String> tags = List.of("a", "b");
//!   Map<String, Integer> m = Map.of("k", 1); BigDecimal amount = 12.50; BigInteger big = 123456789012345678901234567890;
//!   Instant at; LocalDate day; Duration d = ofMillis(1500); UUID id; byte[] raw = {1, 2, 3}; double x = 1.5;
//!   float f = 2.5f; boolean b = true; }
//! ```

use std::collections::BTreeMap;

use annals_core::{Payload, Serializer, SerializerId};
use annals_pekko::value::decode;
use annals_pekko::{JacksonCbor, JacksonJson};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::hex;

const JSON_OFF: &str = "7b2263656e7473223a302c226e6f7465223a6e756c6c2c2277686f223a6e756c6c2c2274616773223a5b2261222c2262225d2c226d223a7b226b223a317d2c22616d6f756e74223a31322e35302c22626967223a3132333435363738393031323334353637383930313233343536373839302c226174223a22323032332d31312d31345432323a31333a32302e3132335a222c22646179223a22323032362d30312d3032222c2264223a225054312e3553222c226964223a2230303031303230332d303430352d303630372d303830392d306130623063306430653066222c22726177223a2241514944222c2278223a312e352c2266223a322e352c2262223a747275657d";
const JSON_GZIP: &str = "1f8b08000000000000ff6d8ebd6ec2401084df65ea3b6b6eed33701d521a3aa25005519cc118146c4bce592442bc3b6b213aaa9d99fdf6e7867ddda55f041a747daa11baf17231b89efa974cb1d1fe1611061576062dc20d3f08ee6e10db7eec926ac9bcaea8cecda4f3c297b3f982ef94ce280fa1e4d639eb8a8d48707910660a7deb9143fc7f02a5a5b39429d260bd7199ff52739e1c4947616e59d05b969c59ceb9b08cacb8e781358fca0ef1aaf0f273f5a1e64f7fcbbcc11141a65a21a461acef0fca256a6d05010000";
const JSON_LZ4: &str = "87d96df600000105f40c7b2263656e7473223a302c226e6f7465223a6e756c6c2c2277686f0b00f02074616773223a5b2261222c2262225d2c226d223a7b226b223a317d2c22616d6f756e74223a31322e35302c226269670c008f33343536373839300a0001f2162c226174223a22323032332d31312d31345432323a31333a32302e3132335a222c22646179210070362d30312d30321300f04e223a225054312e3553222c226964223a2230303031303230332d303430352d303630372d303830392d306130623063306430653066222c22726177223a2241514944222c2278223a312e352c2266223a322e352c2262223a747275657d";
const CBOR_OFF: &str = "bf6563656e747300646e6f7465f66377686ff664746167738261616162616dbf616b01ff66616d6f756e74c482211904e263626967c24d018ee90ff6c373e0ee4e3f0ad26261747818323032332d31312d31345432323a31333a32302e3132335a636461796a323032362d30312d30326164665054312e355362696450000102030405060708090a0b0c0d0e0f63726177430102036178fb3ff80000000000006166fa402000006162f5ff";
const CBOR_GZIP: &str = "1f8b08000000000000ffdb9f9a9c9a5752cc9092975f92fa2db93c23ff5b4a49627a71536262625262eefec46cc6ff6989b9f9a57925479a1425591e252765a61ff265ec7bc9ffed70f183777ef65c9792124b2a248c0c8c8c750d0d750d4d428c8cac0c8dad8c0cf40c8d8ca39253122bb3809266ba0686ba06468929690121867aa6c1499929010c8c4ccc2cac6cec1c9c5cdc3cbc7cfcc94589e5ce40b1c48adff63f18c02031ed978302904afafa1f0049245e72ab000000";
const CBOR_LZ4: &str = "87d96df6000000abf08dbf6563656e747300646e6f7465f66377686ff664746167738261616162616dbf616b01ff66616d6f756e74c482211904e263626967c24d018ee90ff6c373e0ee4e3f0ad26261747818323032332d31312d31345432323a31333a32302e3132335a636461796a323032362d30312d30326164665054312e355362696450000102030405060708090a0b0c0d0e0f63726177430102036178fb3ff800000200b06166fa402000006162f5ff";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Deposited {
    cents: i64,
    note: Option<String>,
    who: Option<String>,
    tags: Vec<String>,
    m: BTreeMap<String, i32>,
    at: String,
    day: String,
    x: f64,
    f: f32,
    b: bool,
}

fn deposited() -> Deposited {
    Deposited {
        cents: 0,
        note: None,
        who: None,
        tags: vec!["a".into(), "b".into()],
        m: BTreeMap::from([("k".into(), 1)]),
        at: "2023-11-14T22:13:20.123Z".into(),
        day: "2026-01-02".into(),
        x: 1.5,
        f: 2.5,
        b: true,
    }
}

fn payload(id: i32, bytes: &str) -> Payload {
    Payload::new(SerializerId::new(id), "com.example.Deposited", hex(bytes))
}

#[test]
fn a_program_reads_what_jackson_wrote() {
    let json = JacksonJson::<Deposited>::new("com.example.Deposited");
    for bytes in [JSON_OFF, JSON_GZIP, JSON_LZ4] {
        assert_eq!(json.deserialize(&payload(31, bytes)).unwrap(), deposited());
    }
    let cbor = JacksonCbor::<Deposited>::new("com.example.Deposited");
    for bytes in [CBOR_OFF, CBOR_GZIP, CBOR_LZ4] {
        assert_eq!(cbor.deserialize(&payload(33, bytes)).unwrap(), deposited());
    }
}

#[test]
fn a_tool_reads_what_jackson_wrote() {
    let big: Value = serde_json::from_str("123456789012345678901234567890").unwrap();
    let amount: Value = serde_json::from_str("12.50").unwrap();
    let mut expected = json!({
        "cents": 0, "note": null, "who": null, "tags": ["a", "b"], "m": { "k": 1 },
        "amount": amount, "big": big, "at": "2023-11-14T22:13:20.123Z", "day": "2026-01-02",
        "d": "PT1.5S", "id": "00010203-0405-0607-0809-0a0b0c0d0e0f", "raw": "AQID",
        "x": 1.5, "f": 2.5, "b": true,
    });
    let read = |id, bytes| decode(&payload(id, bytes)).unwrap().into_json();
    for bytes in [JSON_OFF, JSON_GZIP, JSON_LZ4] {
        assert_eq!(read(31, bytes), expected);
        assert_eq!(read(32, bytes), expected);
    }
    // In CBOR they are byte strings.
    expected["id"] = json!({ "base64": "AAECAwQFBgcICQoLDA0ODw==" });
    expected["raw"] = json!({ "base64": "AQID" });
    for bytes in [CBOR_OFF, CBOR_GZIP, CBOR_LZ4] {
        assert_eq!(read(33, bytes), expected);
    }
}
