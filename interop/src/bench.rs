//! Measures of the plugin at work, to compare ours with. The application's process is one client; what it
//! uses is counted by its JVM, compilers and garbage collectors included, as they are in production.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::system::parse;
use crate::{Error, PekkoSystem, Result};

/// What to append: strings, evenly over entities of which each has one append in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appends {
    /// What the persistence ids begin with; a number follows.
    pub prefix: String,
    /// How many entities, and so how many appends in flight.
    pub entities: u64,
    /// How many events in all; rounded down to whole appends of each entity.
    pub events: u64,
    /// Events in one append.
    pub batch: u64,
    /// Characters in each event's string.
    pub event_bytes: u64,
    /// Tags of each event.
    pub tags: Vec<String>,
}

/// What a run took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Events that were stored or recovered.
    pub events: u64,
    /// From the first request to the last answer.
    pub time: Duration,
    /// User and system time of the application's process meanwhile.
    pub cpu: Duration,
    /// The median and the 99th percentile of the appends' latencies, each from the command that persists to
    /// the handler of its last event; zero for recoveries.
    pub latencies: [Duration; 2],
}

impl PekkoSystem {
    /// Recovers the entities, and then measures their appends. Compilers warm up in a first run.
    ///
    /// # Errors
    /// A recovery or an append fails.
    pub async fn bench_append(&self, appends: &Appends) -> Result<Figures> {
        let Appends { prefix, entities, events, batch, event_bytes, tags } = appends;
        let mut request = json!({"do": "bench_append", "prefix": prefix, "entities": entities,
            "events": events, "batch": batch, "bytes": event_bytes});
        if let (false, Some(fields)) = (tags.is_empty(), request.as_object_mut()) {
            fields.insert("tags".to_owned(), tags.as_slice().into());
        }
        parse::<Answer>(self.ask(request).await?).map(Answer::figures)
    }

    /// Recovers an entity so many times, one after the other.
    ///
    /// # Errors
    /// A recovery fails.
    pub async fn bench_recover(&self, id: &str, times: u64) -> Result<Vec<Figures>> {
        let request = json!({"do": "bench_recover", "id": id, "times": times});
        let answers: Vec<Answer> = parse(self.ask(request).await?)?;
        if answers.iter().any(|answer| answer.events == 0) {
            return Err(Error(format!("{id} has no events to recover")));
        }
        Ok(answers.into_iter().map(Answer::figures).collect())
    }
}

#[derive(Deserialize)]
struct Answer {
    events: u64,
    nanos: u64,
    cpu_nanos: u64,
    #[serde(default)]
    p50_nanos: u64,
    #[serde(default)]
    p99_nanos: u64,
}

impl Answer {
    fn figures(self) -> Figures {
        Figures {
            events: self.events,
            time: Duration::from_nanos(self.nanos),
            cpu: Duration::from_nanos(self.cpu_nanos),
            latencies: [self.p50_nanos, self.p99_nanos].map(Duration::from_nanos),
        }
    }
}
