//! Serializer 7 against published bytes.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{
    ErrorKind, Payload, PersistenceId, SeqNr, SerializerId, StoredEvent, Tags, Timestamp, WriterId,
};
use annals_pekko::{
    AtomicWrite, DeliverySnapshot, FsmSnapshot, FsmStateChange, Message, PersistentRepr,
    UnconfirmedDelivery,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::hex;

fn string(text: &str) -> Payload {
    Payload::new(SerializerId::STRING, "", text.to_owned())
}

fn event(seq_nr: u64, text: &str) -> StoredEvent {
    StoredEvent {
        seq_nr: SeqNr::new(seq_nr).unwrap(),
        writer: WriterId::new("11111111-2222-3333-4444-555555555555"),
        timestamp: Timestamp::UNKNOWN,
        payload: string(text),
        event_manifest: Arc::default(),
        tags: Tags::NONE,
        metadata: None,
    }
}

const ABC: &str = "0a0708141203616263102a1a03702d316a2431313131313131312d323232322d333333332d343434342d353535353535353535353535";
const DEF: &str = "0a0708141203646566102b1a03702d316a2431313131313131312d323232322d333333332d343434342d353535353535353535353535";

fn check(repr: &PersistentRepr, bytes: &str) {
    assert_eq!(repr.encode(), hex(bytes));
    assert_eq!(&PersistentRepr::decode(&hex(bytes).into()).unwrap(), repr);
}

#[test]
fn an_event_in_one_message() {
    let id = PersistenceId::new("p-1").unwrap();
    let repr = PersistentRepr::of(&id, event(42, "abc"));
    check(&repr, ABC);
    assert_eq!(repr.into_event().unwrap(), (id.clone(), event(42, "abc")));

    let full = StoredEvent {
        writer: WriterId::new("w"),
        timestamp: Timestamp::from_millis(1_700_000_000_000),
        event_manifest: "em1".into(),
        metadata: Some(string("meta")),
        ..event(42, "abc")
    };
    check(
        &PersistentRepr::of(&id, full.clone()),
        "0a0708141203616263102a1a03702d316203656d316a01777080a0abfef9627a08081412046d657461",
    );
    assert_eq!(PersistentRepr::of(&id, full.clone()).into_event().unwrap(), (id, full));
}

#[test]
fn what_is_absent_is_empty() {
    let repr = PersistentRepr::decode(&hex("0a04080412001000").into()).unwrap();
    assert_eq!(repr.payload, Payload::new(SerializerId::BYTES, "", Bytes::new()));
    assert_eq!((repr.seq_nr, repr.persistence_id.as_ref()), (SeqNr::ZERO, ""));
    assert_eq!(repr.encode(), hex("0a04080412001000"));
    assert_eq!(repr.into_event().unwrap_err().kind(), ErrorKind::Corrupt);

    let nothing = PersistentRepr::decode(&Bytes::new()).unwrap();
    assert_eq!(nothing.payload, Payload::new(SerializerId::new(0), "", Bytes::new()));
}

#[test]
fn ids_of_serializers_may_be_negative() {
    let payload = Payload::new(SerializerId::new(-5), "m", Bytes::new());
    let id = PersistenceId::new("p").unwrap();
    let repr = PersistentRepr::of(&id, StoredEvent { payload, ..event(1, "") });
    let bytes = repr.encode();
    assert_eq!(bytes[2..13], hex("08fbffffffffffffffff01"));
    assert_eq!(PersistentRepr::decode(&bytes).unwrap(), repr);
}

#[test]
fn a_deleted_event_says_so() {
    let repr = PersistentRepr::decode(&hex("0a05081412017810071a01702001").into()).unwrap();
    assert!(repr.deleted);
    assert_eq!((repr.seq_nr.get(), repr.persistence_id.as_ref()), (7, "p"));
    assert_eq!(repr.payload, string("x"));
}

#[test]
fn events_written_together() {
    let id = PersistenceId::new("p-1").unwrap();
    let events = [event(42, "abc"), event(43, "def")];
    let write = AtomicWrite { events: events.map(|e| PersistentRepr::of(&id, e)).to_vec() };
    let bytes = hex(&format!("0a36{ABC}0a36{DEF}"));
    assert_eq!(write.encode(), bytes);
    assert_eq!(AtomicWrite::decode(&bytes.into()).unwrap(), write);
}

#[test]
fn an_item_of_the_old_dynamodb_format() {
    let pay = "ChEIARINrO0ABXQABmEtMDAwMRABGg9PbGRGb3JtYXRFdmVudHNqJDI5NWZhMTE2LWZhOTUtNGY1Yi1hZjk2LTgwZDk4NjFhODk4ZA==";
    let bytes = Bytes::from(STANDARD.decode(pay).unwrap());
    let repr = PersistentRepr::decode(&bytes).unwrap();
    assert_eq!(repr.encode(), bytes, "written the same way");
    let (id, event) = repr.into_event().unwrap();
    assert_eq!((id.as_str(), event.seq_nr.get()), ("OldFormatEvents", 1));
    assert_eq!(event.writer.as_str(), "295fa116-fa95-4f5b-af96-80d9861a898d");
    assert_eq!(event.payload.serializer.get(), 1);
    assert_eq!(event.payload.bytes, hex("aced0005740006612d30303031"));
}

#[test]
fn retired_fields_are_skipped() {
    // Redeliveries, confirms, confirmable, confirmMessage and confirmTarget; deleted; sender.
    let bytes = hex("0a0508141201781007")
        .into_iter()
        .chain(hex("1a017020013002"))
        .chain(hex("3a026331"))
        .chain(hex("40014a020802520174"))
        .chain(hex("5a0161"))
        .collect::<Bytes>();
    let repr = PersistentRepr::decode(&bytes).unwrap();
    assert!(repr.deleted);
    assert_eq!((repr.seq_nr.get(), repr.sender.as_ref()), (7, "a"));
}

#[test]
fn an_event_of_akka_2_3() {
    // Written by Akka 2.3.11: redeliveries, confirms, a confirm message and target, a sender, deleted.
    let bytes = concat!(
        "0a3208c3da0412022e611a28616b6b612e70657273697374656e63652e73657269616c697a6174696f6e2e4d795061",
        "796c6f6164100d1a027031200130033a0263313a02633240014a0c0a02703212026332180e20005244616b6b613a2f",
        "2f4d65737361676553657269616c697a657250657273697374656e6365537065632f73797374656d2f746573744163",
        "746f7232232d3434373233313933375a44616b6b613a2f2f4d65737361676553657269616c697a6572506572736973",
        "74656e6365537065632f73797374656d2f746573744163746f7232232d343437323331393337",
    );
    let repr = PersistentRepr::decode(&hex(bytes).into()).unwrap();
    assert!(repr.deleted);
    assert_eq!((repr.seq_nr.get(), &*repr.persistence_id), (13, "p1"));
    assert!(repr.sender.ends_with("/system/testActor2#-447231937"), "{}", repr.sender);
    let class = "akka.persistence.serialization.MyPayload";
    assert_eq!(repr.payload, Payload::new(SerializerId::new(77_123), class, ".a"));
    assert_eq!((repr.manifest.as_ref(), repr.writer.as_str(), repr.metadata), ("", "", None));
}

#[test]
fn what_is_no_message_is_corrupt() {
    for bytes in [
        "0a0308141005",           // a payload that is cut short
        "0a020814",               // a payload without bytes
        "0a021200",               // a payload without a serializer
        "10ffffffffffffffffff01", // a negative number
        "1a02c328",               // an id that is no UTF-8
        "1200",                   // a number that is no integer
    ] {
        let error = PersistentRepr::decode(&hex(bytes).into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{bytes}");
    }
}

/// Payloads that Pekko 1.7.0 wrote, and what they say.
fn written_by_pekko() -> Vec<(&'static str, &'static str, Message)> {
    let unconfirmed = UnconfirmedDelivery {
        delivery_id: 12,
        destination: "pekko://s/user/a".into(),
        payload: string("m"),
    };
    vec![
        (
            "persistence.fsm.PersistentFSM$StateChangeEvent",
            "0a04706169641880dea0cb05",
            Message::StateChange(FsmStateChange {
                state: "paid".into(),
                timeout: Some(Duration::from_millis(1500)),
            }),
        ),
        (
            "persistence.fsm.PersistentFSM$StateChangeEvent",
            "0a0470616964",
            Message::StateChange(FsmStateChange { state: "paid".into(), timeout: None }),
        ),
        (
            "persistence.fsm.PersistentFSM$PersistentFSMSnapshot",
            "0a047061696412080814120464617461",
            Message::FsmSnapshot(FsmSnapshot {
                state: "paid".into(),
                data: string("data"),
                timeout: None,
            }),
        ),
        (
            "persistence.AtLeastOnceDelivery$AtLeastOnceDeliverySnapshot",
            "080d121b080c121070656b6b6f3a2f2f732f757365722f611a05081412016d",
            Message::Delivery(DeliverySnapshot {
                current_delivery_id: 13,
                unconfirmed: vec![unconfirmed],
            }),
        ),
        (
            "persistence.AtLeastOnceDelivery$AtLeastOnceDeliverySnapshot",
            "080d",
            Message::Delivery(DeliverySnapshot { current_delivery_id: 13, unconfirmed: vec![] }),
        ),
        (
            "persistence.PersistentImpl",
            "0a04080412001000",
            Message::Repr(PersistentRepr::decode(&hex("0a04080412001000").into()).unwrap()),
        ),
        ("persistence.AtomicWrite", "", Message::AtomicWrite(AtomicWrite::default())),
    ]
}

#[test]
fn the_manifest_says_which_message_it_is() {
    for (class, bytes, message) in written_by_pekko() {
        let of = |manifest: String| Payload::new(SerializerId::new(7), manifest, hex(bytes));
        let pekko = of(format!("org.apache.pekko.{class}"));
        assert_eq!(Message::from_payload(&pekko).unwrap(), message, "{class}");
        assert_eq!(message.to_payload(), pekko, "{class}");
        let akka = of(format!("akka.{class}"));
        assert_eq!(Message::from_payload(&akka).unwrap(), message, "{class} of Akka");
    }
    let none = Payload::new(SerializerId::new(7), "", hex("0a04080412001000"));
    assert!(matches!(Message::from_payload(&none), Ok(Message::Repr(_))));
}

#[test]
fn another_message_is_unsupported_by_name() {
    for (id, manifest) in [(7, "akka.persistence.Other"), (7, "persistence.AtomicWrite"), (8, "")] {
        let payload = Payload::new(SerializerId::new(id), manifest, Bytes::new());
        let error = Message::from_payload(&payload).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains(&format!("{manifest:?}")), "{error}");
    }
}

#[test]
fn old_timeouts_are_texts() {
    let of = |text: &str| {
        let bytes = [hex("0a0161"), vec![0x12, text.len() as u8], text.as_bytes().to_vec()];
        FsmStateChange::decode(&bytes.concat().into())
    };
    for (text, timeout) in [
        ("10 seconds", Duration::from_secs(10)),
        ("1 second", Duration::from_secs(1)),
        ("250 milliseconds", Duration::from_millis(250)),
        ("2 days", Duration::from_secs(2 * 86_400)),
    ] {
        assert_eq!(of(text).unwrap().timeout, Some(timeout), "{text}");
    }
    for text in ["Duration.Inf", "10", "99999999999999999999 days", "999999999999 days"] {
        assert_eq!(of(text).unwrap_err().kind(), ErrorKind::Corrupt, "{text}");
    }
}
