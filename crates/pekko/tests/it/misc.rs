//! Serializer 16 against bytes that Pekko wrote.

use annals_core::{ErrorKind, Payload, SerializerId};
use annals_pekko::Misc;

use crate::hex;

fn string(text: &str) -> Payload {
    Payload::new(SerializerId::STRING, "", text.to_owned())
}

#[test]
fn what_pekko_wrote_is_read_and_written_the_same() {
    let long = Payload::new(SerializerId::LONG, "", hex("0700000000000000"));
    let vectors = [
        ("C", "", Misc::Option(None)),
        ("C", "0a050a01781014", Misc::Option(Some(string("x")))),
        ("H", "0a0c0a0807000000000000001012", Misc::Optional(Some(long))),
        ("DONE", "", Misc::Done),
        ("NU", "", Misc::NotUsed),
        ("P", "", Misc::PoisonPill),
        ("K", "", Misc::Kill),
        ("D", "0a01781014", Misc::StatusSuccess(string("x"))),
        ("SA", "", Misc::ReplyAck),
        ("S", "0a01781014", Misc::ReplySuccess(string("x"))),
        ("SM", "0a03626164", Misc::ReplyError("bad".into())),
        ("CF", "7b2261223a317d", Misc::Config(r#"{"a":1}"#.into())),
        (
            "G",
            "0a1570656b6b6f3a2f2f732f646561644c657474657273",
            Misc::ActorRef("pekko://s/deadLetters".into()),
        ),
    ];
    for (manifest, bytes, value) in vectors {
        let payload = Payload::new(SerializerId::new(16), manifest, hex(bytes));
        assert_eq!(Misc::from_payload(&payload).unwrap(), value, "{manifest} {bytes}");
        assert_eq!(value.to_payload(), payload, "{manifest} {bytes}");
    }
}

#[test]
fn a_manifest_of_a_payload_inside_survives() {
    let inner = Payload::new(SerializerId::JACKSON_JSON, "com.example.A#2", "{}");
    let value = Misc::Option(Some(inner));
    assert_eq!(Misc::from_payload(&value.to_payload()).unwrap(), value);
}

#[test]
fn other_kinds_and_damage_are_errors() {
    for (manifest, bytes, kind) in [
        ("AD", "", ErrorKind::Unsupported),
        ("", "", ErrorKind::Unsupported),
        ("G", "", ErrorKind::Corrupt),
        ("S", "0a0178", ErrorKind::Corrupt),
        ("C", "0a060a01781014", ErrorKind::Corrupt),
        ("C", "0801", ErrorKind::Corrupt),
        ("CF", "c328", ErrorKind::Corrupt),
    ] {
        let payload = Payload::new(SerializerId::new(16), manifest, hex(bytes));
        assert_eq!(Misc::from_payload(&payload).unwrap_err().kind(), kind, "{manifest} {bytes}");
    }
}
