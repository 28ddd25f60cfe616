//! Proxies, and a server of the snapshots' own.

use annals_core::{ErrorKind, JournalExt, Payload, SeqRange, SerializerId, Snapshot, Timestamp};
use annals_dynamodb::{DynamoDb, Settings};
use annals_servers::{Behind, Front};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::{append, id, nr, open, runtime, settings};

/// A name that no resolver knows, by RFC 2606: only a proxy can make anything of it.
const NOWHERE: &str = "dynamodb.invalid:8000";

/// Stands before the server of the tests.
fn front() -> Front {
    let server = annals_servers::dynamodb().trim_start_matches("http://");
    Front::start(Behind::Server(server.to_owned())).unwrap()
}

fn through(front: &Front, endpoint: String) -> Settings {
    let mut settings = settings();
    settings.client.endpoint = Some(endpoint);
    settings.client.retry.retries_max = 1;
    let (host, port) = front.address().split_once(':').unwrap();
    settings.client.proxy.host = host.to_owned();
    settings.client.proxy.port = port.parse().unwrap();
    settings.client.proxy.username = "me@here".to_owned();
    settings.client.proxy.password = "p:/% ä".to_owned();
    settings
}

#[test]
fn a_proxy_of_the_settings_is_gone_through_with_its_password() {
    runtime().block_on(async {
        let front = front();
        let store = open(through(&front, format!("http://{NOWHERE}"))).await.unwrap().store();
        store.journal.append(append("first", &id("a"), 0, 3)).await.unwrap();
        assert_eq!(store.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap().len(), 3);
        let heads = front.heads();
        let password = BASE64_STANDARD.encode("me@here:p:/% ä");
        for head in &heads {
            assert!(head.starts_with(&format!("POST http://{NOWHERE}/ ")), "{head}");
            assert!(head.contains(&format!("Basic {password}")), "{head}");
        }
        assert!(!heads.is_empty());
    });
}

/// What a proxy does not let through has certainly not been written.
#[test]
fn a_proxy_that_refuses_is_told_so() {
    runtime().block_on(async {
        let front = front();
        let settings = through(&front, "https://dynamodb.invalid".to_owned());
        let store = DynamoDb::builder().settings(settings).open().await.unwrap().store();
        let error = store.journal.append(append("first", &id("a"), 0, 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(
            error.message().contains("nothing was written: DynamoDB cannot be reached"),
            "{error}"
        );
        assert!(error.message().contains("and the proxy"), "{error}");
        assert!(format!("{error:?}").contains("ProxyAuthRequired"), "{error:?}");
        assert!(
            front.heads()[0].starts_with("CONNECT dynamodb.invalid:443 "),
            "{:?}",
            front.heads()
        );
    });
}

#[test]
fn snapshots_may_be_on_a_server_of_their_own() {
    runtime().block_on(async {
        let (front, events) = (front(), front());
        let mut settings = settings();
        settings.client.endpoint = Some(format!("http://{}", events.address()));
        let mut snapshots = settings.client.clone();
        snapshots.endpoint = Some(format!("http://{}", front.address()));
        snapshots.limits.max_item_size = 20_000;
        settings.snapshot_client = Some(snapshots);
        let store = open(settings).await.unwrap();
        let contracts = store.store();
        let before = store.stats().requests;
        let asked = (front.heads().len(), events.heads().len());
        assert!(asked.0 > 0 && asked.1 > 0, "each made its own table: {asked:?}");

        let snapshot = |bytes: usize| Snapshot {
            persistence_id: id("a"),
            seq_nr: nr(1),
            timestamp: Timestamp::from_millis(7),
            payload: Payload::new(SerializerId::BYTES, "", vec![7; bytes]),
            metadata: None,
        };
        contracts.journal.append(append("first", &id("a"), 0, 1)).await.unwrap();
        contracts.snapshots.save(snapshot(9)).await.unwrap();
        let criteria = annals_core::SnapshotCriteria::ALL;
        let found = contracts.snapshots.load(&id("a"), &criteria).await.unwrap();
        assert_eq!(found, Some(snapshot(9)));
        assert_eq!(contracts.snapshots.list(&id("a"), &criteria, 9).await.unwrap().len(), 1);
        contracts.snapshots.delete(&id("a"), &criteria).await.unwrap();
        assert_eq!(contracts.snapshots.load(&id("a"), &criteria).await.unwrap(), None);
        assert_eq!(store.stats().requests - before, 7, "of both servers");
        // Its own limits count.
        let error = contracts.snapshots.save(snapshot(20_000)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(store.check_schema().await.unwrap().is_empty());
    });
}
