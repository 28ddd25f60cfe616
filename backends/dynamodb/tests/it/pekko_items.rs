//! Histories that Pekko's plugin wrote, whole or in part: both item forms, appends of which events are
//! missing, numbers that were rejected, marks that were lost.

use std::collections::HashMap;

use annals_core::{
    ErrorKind, JournalExt, Payload, SeqRange, SerializerId, Store, StoredEvent, Timestamp,
};
use annals_dynamodb::{DynamoDb, Holes, Settings};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::support::{append, id, nr, open, runtime, sdk, settings};

/// A journal that Pekko wrote.
struct Pekko {
    settings: Settings,
    sdk: aws_sdk_dynamodb::Client,
}

impl Pekko {
    async fn new() -> Self {
        let mut settings = settings();
        settings.replay_parallelism = 2;
        open(settings.clone()).await.unwrap();
        Self { settings, sdk: sdk() }
    }

    async fn store(&self, holes: Holes) -> Store {
        let settings = self.settings.clone();
        DynamoDb::builder().settings(settings).holes(holes).open().await.unwrap().store()
    }

    async fn put(&self, par: String, num: u64, attributes: &[(&str, AttributeValue)]) {
        let mut item = HashMap::from([
            ("par".to_owned(), AttributeValue::S(par)),
            ("num".to_owned(), AttributeValue::N(num.to_string())),
        ]);
        item.extend(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let put = self.sdk.put_item().table_name(&self.settings.journal_table);
        put.set_item(Some(item)).send().await.unwrap();
    }

    fn key(&self, seq_nr: u64) -> String {
        format!("{}-P-test|a-{}", self.settings.journal_name, seq_nr / 100)
    }

    async fn mark(&self, kind: &str, shard: u64, value: u64) {
        let par = format!("{}-{kind}-test|a-{shard}", self.settings.journal_name);
        self.put(par, 0, &[("seq", AttributeValue::N(value.to_string()))]).await;
    }

    /// An event, its place in its `persistAll` and the last such place.
    async fn event(&self, seq_nr: u64, place: Option<(u64, u64)>) {
        let number = |value: u64| AttributeValue::N(value.to_string());
        let mut attributes = vec![
            ("persistence_id", AttributeValue::S("test|a".to_owned())),
            ("seq", number(seq_nr)),
            ("event", AttributeValue::B(Blob::new(format!("e-{seq_nr}")))),
            ("ev_ser_id", number(20)),
            ("writer_uuid", AttributeValue::S("jvm".to_owned())),
        ];
        if let Some((index, last_index)) = place {
            attributes.extend([("idx", number(index)), ("cnt", number(last_index))]);
        }
        self.put(self.key(seq_nr), seq_nr % 100, &attributes).await;
    }

    /// A `persistAll` of events `from` to `to`, without those `missing`.
    async fn persist_all(&self, from: u64, to: u64, missing: &[u64]) {
        for seq_nr in (from..=to).filter(|seq_nr| !missing.contains(seq_nr)) {
            self.event(seq_nr, Some((seq_nr - from, to - from))).await;
        }
    }

    async fn numbers(&self, holes: Holes, from: u64, to: u64) -> annals_core::Result<Vec<u64>> {
        let range = SeqRange::new(nr(from), nr(to));
        let events = self.store(holes).await.journal.read_all(&id("a"), range).await?;
        Ok(events.iter().map(|event| event.seq_nr.get()).collect())
    }

    async fn highest(&self) -> u64 {
        let store = self.store(Holes::Refuse).await;
        store.journal.bounds(&id("a")).await.unwrap().highest.get()
    }
}

#[test]
fn events_of_pekko_come_back_as_they_are() {
    runtime().block_on(async {
        let pekko = Pekko::new().await;
        pekko.event(1, None).await;
        pekko.persist_all(2, 4, &[]).await;
        let store = pekko.store(Holes::Refuse).await;
        let events = store.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap();
        let StoredEvent { seq_nr, writer, timestamp, payload, event_manifest, tags, metadata } =
            &events[0];
        assert_eq!((seq_nr.get(), writer.as_str()), (1, "jvm"));
        assert_eq!(*timestamp, Timestamp::UNKNOWN);
        assert_eq!(*payload, Payload::new(SerializerId::STRING, "", "e-1"));
        assert_eq!((&**event_manifest, tags.len(), metadata), ("", 0, &None));
        // And it goes on from there.
        let next = append("next", &id("a"), 4, 120);
        store.journal.append(next).await.unwrap();
        assert_eq!(store.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap().len(), 124);
    });
}

/// Published bytes of the old form: 20 items, of which only the number and the text differ. There is no
/// high mark.
#[test]
fn the_old_form_is_read() {
    const PAY: &[u8] =
        b"\x0a\x11\x08\x01\x12\x0d\xac\xed\x00\x05t\x00\x06a-0001\x10\x01\x1a\x06test|a\
        j$295fa116-fa95-4f5b-af96-80d9861a898d";
    runtime().block_on(async {
        let pekko = Pekko::new().await;
        for seq_nr in 1..=20_u8 {
            let mut pay = PAY.to_vec();
            let text = pay.windows(6).position(|window| window == b"a-0001").unwrap();
            pay[text..text + 6].copy_from_slice(format!("a-{seq_nr:04}").as_bytes());
            pay[text + 7] = seq_nr;
            let par = pekko.key(u64::from(seq_nr));
            pekko.put(par, seq_nr.into(), &[("pay", AttributeValue::B(Blob::new(pay)))]).await;
        }
        // One in the new form behind them.
        pekko.event(21, None).await;
        let store = pekko.store(Holes::Refuse).await;
        assert_eq!(pekko.highest().await, 21);
        let events = store.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap();
        assert_eq!(events.len(), 21);
        assert_eq!(events[0].writer.as_str(), "295fa116-fa95-4f5b-af96-80d9861a898d");
        assert_eq!(events[19].payload.serializer, SerializerId::new(1));
        assert!(events[19].payload.bytes.ends_with(b"a-0020"));
    });
}

/// The scenario of Pekko's own recovery test.
#[test]
fn only_whole_appends_are_read() {
    runtime().block_on(async {
        let pekko = Pekko::new().await;
        for seq_nr in 1..=20 {
            pekko.event(seq_nr, None).await;
        }
        for (from, missing) in [(21, 22), (24, 24), (27, 0), (30, 32), (33, 35), (37, 39)] {
            pekko.persist_all(from, from + 2, &[missing]).await;
        }
        pekko.event(36, None).await;
        assert_eq!(pekko.highest().await, 38);
        let found = pekko.numbers(Holes::Skip, 1, 1000).await.unwrap();
        let wanted: Vec<u64> = (1..=20).chain([27, 28, 29, 36]).collect();
        assert_eq!(found, wanted);
        let skipping = DynamoDb::builder().settings(pekko.settings.clone()).holes(Holes::Skip);
        let skipping = skipping.open().await.unwrap();
        skipping.store().journal.read_all(&id("a"), SeqRange::ALL).await.unwrap();
        // 21-26, 30-35 and 37-38.
        assert_eq!(skipping.stats().holes_skipped, 14);
        // Without the setting it is an error that says what is the matter, and what is not lost.
        let error = pekko.numbers(Holes::Refuse, 1, 1000).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains("never acknowledged"), "{error}");
        assert!(error.message().contains("holes = skip"), "{error}");
        // Behind the holes all is well.
        assert_eq!(pekko.numbers(Holes::Refuse, 27, 29).await.unwrap(), vec![27, 28, 29]);
    });
}

#[test]
fn an_append_that_took_over_the_place_of_a_part_is_read() {
    runtime().block_on(async {
        let pekko = Pekko::new().await;
        pekko.event(39, None).await;
        pekko.persist_all(40, 42, &[42]).await;
        pekko.persist_all(42, 44, &[]).await;
        assert_eq!(pekko.numbers(Holes::Skip, 39, 50).await.unwrap(), vec![39, 42, 43, 44]);
    });
}

/// Pekko itself loses these: a range that cuts a `persistAll` gives its part of it.
#[test]
fn bounds_that_cut_an_append_lose_nothing() {
    runtime().block_on(async {
        let pekko = Pekko::new().await;
        pekko.event(1, None).await;
        pekko.event(2, None).await;
        pekko.persist_all(3, 5, &[]).await;
        pekko.event(6, None).await;
        for (from, to) in [(4, 6), (5, 6), (1, 3), (1, 4), (4, 4), (3, 5)] {
            let wanted: Vec<u64> = (from..=to).collect();
            assert_eq!(pekko.numbers(Holes::Refuse, from, to).await.unwrap(), wanted);
        }
        // A delete of Pekko's that ends inside of it.
        pekko.mark("SL", 0, 4).await;
        for seq_nr in 1..=3_u64 {
            let key = HashMap::from([
                ("par".to_owned(), AttributeValue::S(pekko.key(seq_nr))),
                ("num".to_owned(), AttributeValue::N(seq_nr.to_string())),
            ]);
            let delete = pekko.sdk.delete_item().table_name(&pekko.settings.journal_table);
            delete.set_key(Some(key)).send().await.unwrap();
        }
        assert_eq!(pekko.numbers(Holes::Refuse, 1, 100).await.unwrap(), vec![4, 5, 6]);
    });
}

/// Over several groups, and over several pages: more than a page of each is held back until it is whole.
#[test]
fn a_large_append_of_pekko_is_read_and_cut() {
    runtime().block_on(async {
        let pekko = Pekko::new().await;
        pekko.persist_all(1, 250, &[]).await;
        pekko.mark("SH", 2, 200).await;
        assert_eq!(pekko.highest().await, 250);
        let all: Vec<u64> = (1..=250).collect();
        assert_eq!(pekko.numbers(Holes::Refuse, 1, 1000).await.unwrap(), all);
        for (from, to) in [(99, 101), (150, 250), (1, 100), (200, 200)] {
            let wanted: Vec<u64> = (from..=to).collect();
            assert_eq!(pekko.numbers(Holes::Refuse, from, to).await.unwrap(), wanted);
        }
        // Without its last event nothing of it counts.
        let pekko = Pekko::new().await;
        pekko.persist_all(1, 250, &[250]).await;
        for (from, to) in [(1, 1000), (99, 101), (200, 200)] {
            assert_eq!(pekko.numbers(Holes::Skip, from, to).await.unwrap(), Vec::<u64>::new());
        }
    });
}

#[test]
fn a_lost_high_mark_hides_nothing() {
    runtime().block_on(async {
        let pekko = Pekko::new().await;
        // The rejected event 199 leaves a hole just where Pekko would stop looking.
        for seq_nr in (1..=305).filter(|seq_nr| *seq_nr != 199) {
            pekko.event(seq_nr, None).await;
        }
        pekko.mark("SH", 1, 100).await;
        assert_eq!(pekko.highest().await, 305);
        let found = pekko.numbers(Holes::Skip, 1, 1000).await.unwrap();
        assert_eq!(found.len(), 304);
        let error = pekko.numbers(Holes::Refuse, 1, 1000).await.unwrap_err();
        assert!(error.message().contains("has no events 199-199"), "{error}");
    });
}

/// As above, in the group that is looked at beside the marks.
#[test]
fn a_lost_first_high_mark_hides_nothing() {
    runtime().block_on(async {
        let pekko = Pekko::new().await;
        for seq_nr in (1..=105).filter(|seq_nr| *seq_nr != 99) {
            pekko.event(seq_nr, None).await;
        }
        assert_eq!(pekko.highest().await, 105);
        assert_eq!(pekko.numbers(Holes::Skip, 1, 1000).await.unwrap().len(), 104);
        let error = pekko.numbers(Holes::Refuse, 1, 1000).await.unwrap_err();
        assert!(error.message().contains("has no events 99-99"), "{error}");
    });
}

#[test]
fn a_mark_without_its_event_still_counts() {
    runtime().block_on(async {
        let pekko = Pekko::new().await;
        for seq_nr in 1..=99 {
            pekko.event(seq_nr, None).await;
        }
        pekko.mark("SH", 1, 100).await;
        assert_eq!(pekko.highest().await, 100);
        let store = pekko.store(Holes::Refuse).await;
        store.journal.append(append("next", &id("a"), 100, 1)).await.unwrap();
        assert_eq!(pekko.highest().await, 101);
    });
}

/// Everything was deleted by Pekko: its low marks alone remember the number.
#[test]
fn what_pekko_deleted_is_not_given_out_again() {
    runtime().block_on(async {
        let pekko = Pekko::new().await;
        pekko.mark("SL", 0, 6).await;
        pekko.mark("SL", 2, 201).await;
        assert_eq!(pekko.highest().await, 200);
        let store = pekko.store(Holes::Refuse).await;
        let bounds = store.journal.bounds(&id("a")).await.unwrap();
        assert_eq!((bounds.deleted_to.get(), bounds.highest.get()), (200, 200));
        store.journal.append(append("next", &id("a"), 200, 2)).await.unwrap();
        assert_eq!(pekko.numbers(Holes::Refuse, 1, 1000).await.unwrap(), vec![201, 202]);
        store.journal.delete_to(&id("a"), nr(201)).await.unwrap();
        assert_eq!(pekko.numbers(Holes::Refuse, 1, 1000).await.unwrap(), vec![202]);
    });
}

/// Marks that stand where fewer shards put them.
#[test]
fn marks_of_fewer_shards_are_found() {
    runtime().block_on(async {
        let mut pekko = Pekko::new().await;
        pekko.settings.sequence_shards = 3;
        let store = pekko.store(Holes::Refuse).await;
        store.journal.append(append("first", &id("a"), 0, 90)).await.unwrap();
        for after in (90..500).step_by(10) {
            store.journal.append(append("more", &id("a"), after, 10)).await.unwrap();
        }
        store.journal.delete_to(&id("a"), nr(405)).await.unwrap();
        pekko.settings.sequence_shards = 10;
        let store = pekko.store(Holes::Refuse).await;
        let bounds = store.journal.bounds(&id("a")).await.unwrap();
        assert_eq!((bounds.deleted_to.get(), bounds.highest.get()), (405, 500));
    });
}

#[test]
fn items_that_nobody_should_have_written_are_corrupt_and_named() {
    runtime().block_on(async {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = |value: u64| AttributeValue::N(value.to_string());
        let bytes = || AttributeValue::B(Blob::new("x"));
        let whole = [
            ("persistence_id", text("test|a")),
            ("seq", number(2)),
            ("event", bytes()),
            ("ev_ser_id", number(20)),
            ("writer_uuid", text("w")),
        ];
        for (name, value) in [
            ("event", text("not binary")),
            ("ev_ser_id", text("not a number")),
            ("ev_ser_id", number(1 << 40)),
            ("persistence_id", text("test|b")),
            ("seq", number(3)),
            ("idx", number(1)),
            ("annals_append", bytes()),
            ("annals_tags", number(1)),
        ] {
            let pekko = Pekko::new().await;
            pekko.event(1, None).await;
            let mut attributes = whole.to_vec();
            attributes.retain(|(found, _)| *found != name);
            attributes.push((name, value));
            pekko.put(pekko.key(2), 2, &attributes).await;
            let error = pekko.numbers(Holes::Skip, 1, 1000).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error}");
            assert!(error.message().contains("test|a"), "{name}: {error}");
        }
    });
}

/// `Tagged("abc", Set("t0"))` in Java's serialization, as the plugin stores it where that is allowed.
const TAGGED: &str = "aced00057372002b6f72672e6170616368652e70656b6b6f2e70657273697374656e63652e6a6f75726e616c2e546167676564a0ab117085645fdd0200024c00077061796c6f61647400124c6a6176612f6c616e672f4f626a6563743b4c0004746167737400204c7363616c612f636f6c6c656374696f6e2f696d6d757461626c652f5365743b7870740003616263737200237363616c612e636f6c6c656374696f6e2e696d6d757461626c652e536574245365743100000000000000030200014c0005656c656d3171007e000178707400027430";

#[test]
fn events_are_taken_out_of_tagged() {
    let tagged: Vec<u8> = (0..TAGGED.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&TAGGED[at..at + 2], 16).unwrap())
        .collect();
    runtime().block_on(async {
        let pekko = Pekko::new().await;
        let attributes = [
            ("persistence_id", AttributeValue::S("test|a".to_owned())),
            ("seq", AttributeValue::N("1".to_owned())),
            ("event", AttributeValue::B(Blob::new(tagged))),
            ("ev_ser_id", AttributeValue::N("1".to_owned())),
            ("writer_uuid", AttributeValue::S("jvm".to_owned())),
        ];
        pekko.put(pekko.key(1), 1, &attributes).await;
        let store = pekko.store(Holes::Refuse).await;
        let events = store.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap();
        assert_eq!(events[0].payload, Payload::new(SerializerId::STRING, "", "abc"));
        assert_eq!(events[0].tags, [annals_core::Tag::new("t0").unwrap()].into_iter().collect());
    });
}
