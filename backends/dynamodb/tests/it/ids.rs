//! Listing ids: by the index in both variants, by a scan, beside other journals in the table, and ids
//! whose events Pekko deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use annals_core::{
    Append, AppendId, ErrorKind, Journal, NewEvent, Payload, PersistenceId, ReadJournal, SeqNr,
    SerializerId, Timestamp, WriterId,
};
use annals_dynamodb::{DynamoDb, IdIndex, IdListing, SchemaOptions, Settings};

use crate::raw::{self, item, n, s};
use crate::support::{fresh, settings};

/// Settings of a table of its own, with this index.
async fn table(index: IdIndex) -> Settings {
    let mut settings = settings();
    settings.journal_table = fresh("ids");
    let store = DynamoDb::builder().settings(settings.clone()).open().await.unwrap();
    let options = SchemaOptions::default().with_id_index(index);
    for statement in store.missing_schema(options).await.unwrap() {
        store.create(&statement, options).await.unwrap();
    }
    settings
}

async fn open(settings: &Settings, journal_name: &str) -> Arc<DynamoDb> {
    let mut settings = settings.clone();
    settings.journal_name = journal_name.to_owned();
    DynamoDb::builder().settings(settings).open().await.unwrap()
}

async fn append(store: &DynamoDb, id: &str, after: u64, count: u64) {
    let event = |seq_nr: u64| {
        let payload = Payload::new(SerializerId::STRING, "", seq_nr.to_string());
        NewEvent::new(payload, Timestamp::from_millis(1))
    };
    let id = PersistenceId::new(id).unwrap();
    let events = (0..count).map(event).collect();
    let append_id = AppendId::new(rand(&id, after));
    let writer = WriterId::new("w");
    let append = Append::new(append_id, id, SeqNr::new(after).unwrap(), writer, events).unwrap();
    store.append(append).await.unwrap();
}

/// An append id of its own for each append of a test.
fn rand(id: &PersistenceId, after: u64) -> u128 {
    u128::from(after) << 64 | id.as_str().bytes().map(u128::from).sum::<u128>()
}

/// All ids, in pages of `ids_max`.
async fn ids(store: &DynamoDb, ids_max: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = store.ids(after.as_ref(), ids_max).await.unwrap();
        assert!(page.ids.len() <= ids_max);
        ids.extend(page.ids.into_iter().map(|entry| entry.persistence_id.to_string()));
        if page.at_end {
            return ids;
        }
        assert!(page.next.is_some() && page.next != after, "a page neither ends nor goes on");
        after = page.next;
    }
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[tokio::test]
async fn every_way_of_listing_gives_each_id_of_its_journal_once() {
    for index in [IdIndex::Alphabetical, IdIndex::Plain, IdIndex::Absent] {
        let settings = table(index).await;
        let journal = open(&settings, "journal").await;
        // Events 101 and 201 have `num` 1 as well.
        append(&journal, "long-1", 0, 90).await;
        append(&journal, "long-1", 90, 90).await;
        append(&journal, "long-1", 180, 40).await;
        for id in ["a", "type|b-0", "c-", "ü"] {
            append(&journal, id, 0, 1).await;
        }
        // Neighbours in the same table: none of theirs is ours, mangled or not.
        for name in ["jour", "journal2", "journal-P", "journal-P-x", "other"] {
            let other = open(&settings, name).await;
            append(&other, "foreign", 0, 2).await;
        }
        let wanted = ["a", "c-", "long-1", "type|b-0", "ü"];
        for ids_max in [1, 2, 100] {
            let listed = ids(&journal, ids_max).await;
            if index == IdIndex::Alphabetical {
                assert_eq!(listed, wanted, "pages of {ids_max}");
            }
            assert_eq!(sorted(listed), wanted, "{index:?}, pages of {ids_max}");
        }
        let other = open(&settings, "journal-P").await;
        assert_eq!(ids(&other, 10).await, ["foreign"], "{index:?}");
        // An id that only looks like a neighbour's.
        append(&journal, "P-foreign2", 0, 1).await;
        assert!(ids(&journal, 10).await.contains(&"P-foreign2".to_owned()), "{index:?}");
    }
}

#[tokio::test]
async fn a_listing_resumes_behind_each_id() {
    for index in [IdIndex::Alphabetical, IdIndex::Plain, IdIndex::Absent] {
        let settings = table(index).await;
        let store = open(&settings, "journal").await;
        for id in ["a", "b", "c", "d", "e", "f"] {
            append(&store, id, 0, 1).await;
        }
        let all = store.ids(None, 100).await.unwrap().ids;
        assert_eq!(all.len(), 6);
        for (place, entry) in all.iter().enumerate() {
            let rest = store.ids(Some(&entry.offset), 100).await.unwrap().ids;
            assert_eq!(rest, all[place + 1..], "{index:?} after {}", entry.persistence_id);
        }
        // The place stays where it was when the id behind it is gone.
        let key = item([("par", s("journal-P-c-0")), ("num", n(1))]);
        raw::remove(&settings, &settings.journal_table, key).await;
        let behind = all.iter().position(|entry| entry.persistence_id.as_str() == "c").unwrap();
        let rest = store.ids(Some(&all[behind].offset), 100).await.unwrap().ids;
        assert_eq!(rest, all[behind + 1..], "{index:?} after one that is gone");
    }
}

#[tokio::test]
async fn an_offset_of_another_kind_of_listing_is_refused() {
    let settings = table(IdIndex::Plain).await;
    let store = open(&settings, "journal").await;
    append(&store, "a", 0, 1).await;
    let page = store.ids(None, 1).await.unwrap();
    let mut scanning = settings.clone();
    scanning.ids = IdListing::Scan;
    let scanning = open(&scanning, "journal").await;
    let error = scanning.ids(page.next.as_ref(), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("list them anew"), "{error}");
}

#[tokio::test]
async fn a_scan_finds_ids_whose_events_pekko_deleted() {
    let settings = table(IdIndex::Absent).await;
    let store = open(&settings, "journal").await;
    append(&store, "kept", 0, 1).await;
    let put = async |par: &str, num: u64, seq: u64| {
        let item = item([("par", s(par)), ("num", n(num)), ("seq", n(seq))]);
        raw::put(&settings, &settings.journal_table, item).await;
    };
    // Pekko's deletes remove the events; low marks of several shards stay.
    put("journal-SL-gone-0", 0, 6).await;
    put("journal-SL-gone-2", 0, 201).await;
    put("journal-SH-gone-2", 0, 200).await;
    put("journal-SL-kept-0", 0, 1).await;
    put("other-SL-foreign-0", 0, 6).await;
    assert_eq!(sorted(ids(&store, 1).await), ["gone", "kept"]);
}

#[tokio::test]
async fn an_index_of_another_key_is_named() {
    let mut settings = table(IdIndex::Absent).await;
    // Some index of this name, on other attributes.
    let sdk = raw::sdk(&settings);
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        Projection, ProjectionType, ScalarAttributeType,
    };
    settings.journal_table = fresh("odd");
    let attribute = |name: &str, kind| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
    };
    let key = |name: &str, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("persistence-ids-idx")
        .key_schema(key("par", KeyType::Hash))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    sdk.create_table()
        .table_name(&settings.journal_table)
        .attribute_definitions(attribute("par", ScalarAttributeType::S))
        .attribute_definitions(attribute("num", ScalarAttributeType::N))
        .key_schema(key("par", KeyType::Hash))
        .key_schema(key("num", KeyType::Range))
        .global_secondary_indexes(index)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    let store = open(&settings, "journal").await;
    let error = store.ids(None, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("has the key par (text) instead of num (number)"), "{error}");
    let told: BTreeSet<String> =
        store.check_schema().await.unwrap().into_iter().map(|found| found.table).collect();
    assert!(told.contains(&settings.journal_table), "{told:?}");
}
