//! An actor system of the application: its entities, and Pekko's read journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{App, Error, Result};

/// How an entity writes several events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `persist`, one after the other: an append each.
    Each,
    /// `persistAll`: one append.
    All,
    /// `persistAsync` without waiting: an append each, which the plugin may group.
    Async,
}

/// What an entity reads when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Whether it takes the newest snapshot.
    pub snapshot: bool,
    /// The last sequence number that it reads.
    pub to: u64,
    /// How many events it reads at most.
    pub max: u64,
}

impl Default for Recovery {
    /// Everything, from the newest snapshot on.
    fn default() -> Self {
        // As Java's Long.MAX_VALUE says it.
        Self { snapshot: true, to: i64::MAX.unsigned_abs(), max: i64::MAX.unsigned_abs() }
    }
}

/// What an entity knows: what it recovered, and what it persisted since.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Recovered {
    /// Its last sequence number.
    pub seq_nr: u64,
    /// The snapshot that it was offered.
    pub snapshot: Option<Snapshot>,
    /// The events behind that, as its event handler saw them.
    pub events: Vec<Replayed>,
}

/// A snapshot as an entity is offered it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Snapshot {
    /// The sequence number that it includes.
    pub seq_nr: u64,
    /// When it was saved, in milliseconds since 1970.
    pub timestamp: i64,
    /// `{"kind": …, "value": …}`.
    pub value: Value,
}

/// An event as an entity's handler sees it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Replayed {
    /// Its sequence number.
    pub seq_nr: u64,
    /// `{"kind": …, "value": …}`.
    pub value: Value,
}

/// An event as a query delivers it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Envelope {
    /// The persistence id.
    pub id: String,
    /// Its sequence number.
    pub seq_nr: u64,
    /// In milliseconds since 1970; 0 where the plugin stores none.
    pub timestamp: i64,
    /// The time-based UUID, where the store has one.
    pub offset: Option<String>,
    /// `{"kind": …, "value": …}`.
    pub value: Value,
}

/// A running actor system. Entities start when they are first named, and recover then.
#[derive(Debug)]
pub struct PekkoSystem {
    app: Arc<App>,
    name: String,
}

impl PekkoSystem {
    /// Starts a system of `app` with `config`, in HOCON, over the application's configuration.
    ///
    /// # Errors
    /// The configuration is not accepted, or the application has ended.
    pub async fn open(app: Arc<App>, config: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("system-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let system = Self { app, name };
        system.ask(json!({"do": "open", "config": config})).await?;
        Ok(system)
    }

    /// Ends the system and its entities.
    ///
    /// # Errors
    /// The application has ended.
    pub async fn close(self) -> Result<()> {
        self.ask(json!({"do": "close"})).await.map(drop)
    }

    /// Stops the entity if it runs, and recovers it.
    ///
    /// # Errors
    /// Its recovery fails.
    pub async fn recover(&self, id: &str, recovery: Recovery) -> Result<Recovered> {
        self.stop(id).await?;
        let Recovery { snapshot, to, max } = recovery;
        let recovery = json!({"snapshot": snapshot, "to": to, "max": max});
        parse(self.ask(json!({"do": "start", "id": id, "recovery": recovery})).await?)
    }

    /// What the entity knows now.
    ///
    /// # Errors
    /// Its recovery fails.
    pub async fn state(&self, id: &str) -> Result<Recovered> {
        parse(self.ask(json!({"do": "state", "id": id})).await?)
    }

    /// Stops the entity: its next start is a new incarnation, with another writer id.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn stop(&self, id: &str) -> Result<()> {
        self.ask(json!({"do": "stop", "id": id})).await.map(drop)
    }

    /// Persists events, each `{"kind": …, "value": …, "tags": [ … ]}`, and gives the last sequence number.
    ///
    /// # Errors
    /// An event is rejected or fails.
    pub async fn persist(&self, id: &str, mode: Mode, events: &[Value]) -> Result<u64> {
        let mode = match mode {
            Mode::Each => "each",
            Mode::All => "all",
            Mode::Async => "async",
        };
        let request = json!({"do": "persist", "id": id, "mode": mode, "events": events});
        let answer = self.ask(request).await?;
        match answer.get("rejected").and_then(Value::as_array) {
            Some(rejected) if rejected.is_empty() => seq_nr(&answer),
            rejected => Err(Error(format!("events were rejected: {rejected:?}"))),
        }
    }

    /// Deletes the entity's events up to a sequence number.
    ///
    /// # Errors
    /// The plugin reports a failure.
    pub async fn delete(&self, id: &str, to: u64) -> Result<()> {
        self.ask(json!({"do": "delete", "id": id, "to": to})).await.map(drop)
    }

    /// Saves `{"kind": …, "value": …}` as the entity's snapshot, and gives its sequence number.
    ///
    /// # Errors
    /// The plugin reports a failure.
    pub async fn save_snapshot(&self, id: &str, value: &Value) -> Result<u64> {
        seq_nr(&self.ask(json!({"do": "save_snapshot", "id": id, "value": value})).await?)
    }

    /// Deletes the entity's snapshots from one sequence number to another.
    ///
    /// # Errors
    /// The plugin reports a failure.
    pub async fn delete_snapshots(&self, id: &str, min: u64, max: u64) -> Result<()> {
        let request = json!({"do": "delete_snapshots", "id": id, "min": min, "max": max});
        self.ask(request).await.map(drop)
    }

    /// All persistence ids, in no order.
    ///
    /// # Errors
    /// The query fails.
    pub async fn ids(&self) -> Result<Vec<String>> {
        parse(self.ask(json!({"do": "ids"})).await?)
    }

    /// An entity's events, by Pekko's read journal.
    ///
    /// # Errors
    /// The query fails.
    pub async fn events(&self, id: &str) -> Result<Vec<Envelope>> {
        parse(self.ask(json!({"do": "events", "id": id})).await?)
    }

    /// The events of a tag behind an offset, by Pekko's finite query.
    ///
    /// # Errors
    /// The query fails.
    pub async fn tagged(&self, tag: &str, after: Option<&str>) -> Result<Vec<Envelope>> {
        parse(self.ask(json!({"do": "tagged", "tag": tag, "after": after})).await?)
    }

    /// The next `take` events of a tag behind an offset, by Pekko's live query.
    ///
    /// # Errors
    /// The query fails.
    pub async fn tagged_live(
        &self,
        tag: &str,
        after: Option<&str>,
        take: usize,
    ) -> Result<Vec<Envelope>> {
        let request = json!({"do": "tagged", "tag": tag, "after": after, "take": take});
        parse(self.ask(request).await?)
    }

    /// Sends a request about this system that has no method of its own.
    ///
    /// # Errors
    /// The application answers with an exception, or has ended.
    ///
    /// # Panics
    /// `request` is not an object.
    pub async fn ask(&self, mut request: Value) -> Result<Value> {
        let fields = request.as_object_mut().expect("a request is an object");
        fields.insert("system".to_owned(), self.name.as_str().into());
        self.app.ask(request).await
    }
}

fn seq_nr(answer: &Value) -> Result<u64> {
    let number = answer.get("seq_nr").and_then(Value::as_u64);
    number.ok_or_else(|| Error(format!("an answer without a sequence number: {answer}")))
}

pub(crate) fn parse<T: DeserializeOwned>(answer: Value) -> Result<T> {
    serde_json::from_value(answer.clone()).map_err(|error| Error(format!("{error} in {answer}")))
}
