//! Opening stores by URL: what is there opens, and everything else says what is wrong.

use annals::{ErrorKind, Result, Store};

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

#[tokio::test]
async fn a_store_that_is_not_there_yet_is_unsupported_and_names_its_feature() {
    for (url, feature) in [("dynamodb:", "`dynamodb`"), ("cassandra://localhost", "`cassandra`")] {
        let (kind, message) = refused(url).await;
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(message.contains(feature), "{message}");
    }
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
