//! Opening stores by URL: what is there opens, and everything else says what is wrong.

use annals::environment::System;
use annals::{
    Append, Clock, ErrorKind, Ids, JournalExt, NewEvent, Payload, PersistenceId, Result, SeqNr,
    SeqRange, SerializerId, Store,
};

async fn refused(url: &str) -> (ErrorKind, String) {
    failed(annals::open(url).await)
}

fn failed(result: Result<Store>) -> (ErrorKind, String) {
    let error = result.expect_err("the URL is refused");
    (error.kind(), error.message().to_owned())
}

#[tokio::test]
async fn a_memory_store_opens_empty() {
    let store = annals::open("memory:").await.unwrap();
    assert_eq!(store.capabilities().name, "memory");
    assert!(store.read_journal.ids(None, 1).await.unwrap().ids.is_empty());
}

#[tokio::test]
async fn a_setting_that_nobody_knows_is_named() {
    let (kind, message) = refused("memory:?speed=high&colour=red").await;
    assert_eq!(kind, ErrorKind::Invalid);
    assert_eq!(message, "memory: stores have no setting named speed, colour");
    let (kind, message) = refused("embedded:data?segmnt=1").await;
    assert_eq!(kind, ErrorKind::Invalid);
    assert_eq!(message, "embedded: stores have no setting named segmnt");
}

#[cfg(not(all(feature = "dynamodb", feature = "cassandra")))]
#[tokio::test]
async fn a_store_that_this_build_lacks_is_unsupported_and_names_its_feature() {
    let absent = [
        #[cfg(not(feature = "dynamodb"))]
        ("dynamodb:", "`dynamodb`"),
        #[cfg(not(feature = "cassandra"))]
        ("cassandra://localhost", "`cassandra`"),
    ];
    for (url, feature) in absent {
        let (kind, message) = refused(url).await;
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(message.contains(feature), "{message}");
    }
}

#[cfg(feature = "dynamodb")]
#[tokio::test]
async fn a_dynamodb_store_that_nobody_serves_is_unavailable_and_named() {
    let url = "dynamodb://127.0.0.1:1?aws-client-config.max-error-retry=1";
    let store = annals::open(url).await.unwrap();
    let id = PersistenceId::of("account", "alice").unwrap();
    let error = store.journal.bounds(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("account|alice"), "{error}");
    assert!(error.message().contains("cannot be reached"), "{error}");
}

#[cfg(feature = "dynamodb")]
#[tokio::test]
async fn settings_of_dynamodb_are_checked_when_it_is_opened() {
    for (url, said) in [
        ("dynamodb://h:1?jurnal-table=x", "have no setting named jurnal-table"),
        ("dynamodb://h:1?sequence-shards=0", "must be at least 1"),
        ("dynamodb://h:1?sequence-shards=x", "setting sequence-shards"),
        ("dynamodb:?aws-secret-access-key=hidden", "set both, or neither"),
        ("dynamodb:here", "dynamodb://HOST:PORT"),
    ] {
        let (kind, message) = refused(url).await;
        assert_eq!(kind, ErrorKind::Invalid, "{url}: {message}");
        assert!(message.contains(said), "{message}");
        assert!(!message.contains("hidden"), "{message}");
    }
}

#[tokio::test]
async fn a_configuration_that_is_not_there_is_named() {
    let error = annals::open_config("no/such.conf").await.unwrap_err();
    assert!(error.message().contains("no/such.conf"), "{error}");
}

#[tokio::test]
async fn what_is_no_store_url_is_invalid() {
    for url in ["", "data", "postgres:x", "memory:x", "embedded:"] {
        let (kind, message) = refused(url).await;
        assert_eq!(kind, ErrorKind::Invalid, "{url}: {message}");
    }
}

#[tokio::test]
async fn a_memory_store_has_nothing_to_read_only() {
    let (kind, _) = failed(annals::open_read_only("memory:").await);
    assert_eq!(kind, ErrorKind::Unsupported);
}

/// The append of one event to an entity that has none.
fn first_append(id: &PersistenceId) -> Append {
    let system = System::new();
    let event = NewEvent::new(Payload::new(SerializerId::STRING, "", "opened"), system.now());
    let (append_id, writer) = (system.append_id(), system.writer_id());
    Append::new(append_id, id.clone(), SeqNr::ZERO, writer, vec![event]).unwrap()
}

#[tokio::test]
async fn an_embedded_store_keeps_what_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("embedded:{}?segment-bytes=1048576", folder.path().join("store").display());
    let alice = PersistenceId::of("account", "alice").unwrap();
    let append = first_append(&alice);

    let store = annals::open(&url).await.unwrap();
    store.journal.append(append.clone()).await.unwrap();
    store.close().await.unwrap();

    let store = annals::open(&url).await.unwrap();
    let events = store.journal.read_all(&alice, SeqRange::ALL).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].payload, append.events()[0].payload);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_store_is_read_beside_its_writer_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("embedded:{}", folder.path().display());
    let alice = PersistenceId::of("account", "alice").unwrap();
    let writer = annals::open(&url).await.unwrap();
    writer.journal.append(first_append(&alice)).await.unwrap();

    let reader = annals::open_read_only(&url).await.unwrap();
    assert_eq!(reader.journal.read_all(&alice, SeqRange::ALL).await.unwrap().len(), 1);
    let bob = PersistenceId::of("account", "bob").unwrap();
    let error = reader.journal.append(first_append(&bob)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);

    reader.close().await.unwrap();
    writer.close().await.unwrap();
}

#[tokio::test]
async fn reading_makes_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent");
    let (kind, message) =
        failed(annals::open_read_only(&format!("embedded:{}", path.display())).await);
    assert_eq!(kind, ErrorKind::Invalid);
    assert!(message.contains("there is no store in"), "{message}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_store_has_one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("embedded:{}", folder.path().display());
    let store = annals::open(&url).await.unwrap();
    let (kind, message) = refused(&url).await;
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(message.contains("open for writing already"), "{message}");
    store.close().await.unwrap();
    annals::open(&url).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_setting_of_another_kind_is_named() {
    let (kind, message) = refused("embedded:data?direct=perhaps").await;
    assert_eq!(kind, ErrorKind::Invalid);
    assert_eq!(message, "embedded: stores take no direct of \"perhaps\"");
}
