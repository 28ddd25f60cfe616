//! A store on the shared node, in keyspaces of this process.

use std::collections::HashSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_cassandra::{CassandraSettings, CassandraStore};
use annals_core::ErrorKind;
use tokio::sync::Mutex;

/// The keyspaces that this process has made.
static MADE: OnceLock<Mutex<HashSet<String>>> = OnceLock::new();

/// Settings with keyspaces of this process; `name` tells the tests' tables apart.
pub(crate) fn settings(name: &str) -> CassandraSettings {
    let process = std::process::id();
    let keyspace = format!("annals_{process}_{name}");
    let snapshots = format!("annals_{process}_{name}_s");
    CassandraSettings::new().with_keyspaces(keyspace, snapshots)
}

/// Opens a store with these settings; makes its tables the first time.
pub(crate) async fn open(settings: CassandraSettings) -> annals_core::Result<CassandraStore> {
    open_at(server().await, settings).await
}

/// The same over `address`, which leads to the shared node.
pub(crate) async fn open_at(
    address: &str,
    settings: CassandraSettings,
) -> annals_core::Result<CassandraStore> {
    let keyspace = settings.journal.keyspace.clone();
    {
        let mut made = MADE.get_or_init(Mutex::default).lock().await;
        if !made.contains(&keyspace) {
            let builder = CassandraStore::builder([address]).settings(settings.clone());
            // On a busy machine the server takes longer than a store waits for it.
            let mut created = builder.create_schema().await;
            for _ in 0..5 {
                if created.as_ref().is_err_and(|e| e.kind() == ErrorKind::OutcomeUnknown) {
                    created = builder.create_schema().await;
                }
            }
            created?;
            made.insert(keyspace);
        }
    }
    CassandraStore::builder([address]).settings(settings).open().await
}

/// The address of the shared node. Starting it blocks.
pub(crate) async fn server() -> &'static str {
    tokio::task::spawn_blocking(annals_servers::cassandra).await.unwrap()
}

/// A text that no other test of this process, nor of another on the same server, uses.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}-", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The time of day, in milliseconds since 1970.
pub(crate) fn now_millis() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// Some hours ago.
pub(crate) fn today_millis() -> i64 {
    now_millis() - 3 * 3_600_000
}

/// A session beside the store, as a JVM would have it.
pub(crate) async fn session() -> scylla::client::session::Session {
    let builder = scylla::client::session_builder::SessionBuilder::new();
    builder.known_node(server().await).build().await.unwrap()
}

/// The number `value`.
pub(crate) fn nr(value: u64) -> annals_core::SeqNr {
    annals_core::SeqNr::new(value).unwrap()
}

/// An append of strings, all with these tags.
pub(crate) fn append(
    id: &annals_core::PersistenceId,
    after: u64,
    writer: &str,
    texts: &[&str],
    tags: &[&str],
) -> annals_core::Append {
    use annals_core::{AppendId, NewEvent, Payload, SerializerId, Tag, Timestamp, WriterId};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let tags: annals_core::Tags = tags.iter().map(|tag| Tag::new(*tag).unwrap()).collect();
    let event = |text: &&str| {
        let payload = Payload::new(SerializerId::STRING, "", text.as_bytes().to_vec());
        NewEvent::new(payload, Timestamp::UNKNOWN).with_tags(tags.clone())
    };
    let append_id = AppendId::new(u128::from(NEXT.fetch_add(1, Ordering::Relaxed)));
    let events = texts.iter().map(event).collect();
    annals_core::Append::new(append_id, id.clone(), nr(after), WriterId::new(writer), events)
        .unwrap()
}

/// The texts of a whole history.
pub(crate) async fn texts(
    store: &annals_core::Store,
    id: &annals_core::PersistenceId,
) -> annals_core::Result<Vec<String>> {
    use annals_core::JournalExt;
    let events = store.journal.read_all(id, annals_core::SeqRange::ALL).await?;
    Ok(events
        .iter()
        .map(|event| String::from_utf8(event.payload.bytes.to_vec()).unwrap())
        .collect())
}

/// Whose event, which number: all that a tag holds now.
pub(crate) async fn tagged(store: &annals_core::Store, tag: &str) -> Vec<(String, u64)> {
    let scope = annals_core::Scope::Tag(annals_core::Tag::new(tag).unwrap());
    let end = store.read_journal.end(&scope).await.unwrap();
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.read_journal.page(&scope, after.as_ref(), end.as_ref(), 3).await.unwrap();
        let events = page.events().iter();
        found.extend(events.map(|e| (e.persistence_id.to_string(), e.event.seq_nr.get())));
        after = page.next().cloned();
        if page.at_end() {
            return found;
        }
    }
}
