//! One request followed by its spans: from the command to its append, to the projection that handles the
//! event, and to the command that this sends to another entity.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::query::{Handler, HandlerError};
use annals::{
    Causation, Context, Effect, Entities, Envelope, EventSourced, JournalExt, PersistenceId, Reply,
    SeqRange, Source, open,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

#[derive(Debug, Default, Clone)]
struct Seen {
    name: &'static str,
    fields: HashMap<&'static str, String>,
    within: Option<usize>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        self.fields.insert(field.name(), value.trim_matches('"').to_owned());
    }
}

#[derive(Debug, Default)]
struct Found {
    spans: Vec<Seen>,
    entered: Vec<usize>,
}

/// Keeps all spans of a thread.
#[derive(Debug, Default, Clone)]
struct Spans(Arc<Mutex<Found>>);

fn index(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).unwrap()
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name().starts_with("annals.")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut found = self.0.lock().unwrap();
        let within = found.entered.last().copied();
        let mut seen = Seen { name: span.metadata().name(), within, ..Seen::default() };
        span.record(&mut seen);
        found.spans.push(seen);
        Id::from_u64(u64::try_from(found.spans.len()).unwrap())
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        values.record(&mut self.0.lock().unwrap().spans[index(span)]);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().entered.push(index(span));
    }

    fn exit(&self, span: &Id) {
        let entered = &mut self.0.lock().unwrap().entered;
        let at = entered.iter().rposition(|entered| *entered == index(span)).unwrap();
        entered.remove(at);
    }
}

impl Spans {
    /// The first span `name` of the entity `id`, and its place.
    fn find(&self, name: &str, id: &str) -> (usize, Seen) {
        let found = self.0.lock().unwrap();
        let is = |seen: &Seen| {
            seen.name == name && seen.fields.get("persistence_id").is_some_and(|of| of == id)
        };
        let at = found.spans.iter().position(is).unwrap_or_else(|| panic!("no {name} of {id}"));
        (at, found.spans[at].clone())
    }
}

#[derive(Debug, Default)]
struct Counter;

#[derive(Clone)]
struct Count(Reply<()>);

#[derive(Debug, Serialize, Deserialize)]
struct Counted;

impl EventSourced for Counter {
    const ENTITY_TYPE: &'static str = "counter";
    type Command = Count;
    type Event = Counted;

    fn handle(&self, Count(reply): Count, _: &Context<'_>) -> Effect<Self> {
        Effect::persist(Counted).then_reply(reply, |_: &Self| ())
    }

    fn apply(&mut self, Counted: &Counted) {}
}

/// Counts again, on another entity, what one counted.
struct Again(Entities<Counter>);

#[async_trait]
impl Handler for Again {
    async fn handle(&mut self, event: &Envelope) -> Result<(), HandlerError> {
        if event.persistence_id.entity_id() == "first" {
            let second = self.0.entity("second").because(Causation::by(event));
            second.ask(Count).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_request_is_followed_over_its_events_and_what_comes_of_them() {
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(spans.clone());
    let store = open("memory:").await.unwrap();
    let counters = store.entities::<Counter>().start();
    let request = Causation::new().with_correlation_id("request-7");
    counters.entity("first").because(request).ask(Count).await.unwrap();
    let projection = store.projection("again", Source::All);
    let (runner, handle) = projection.at_least_once(Again(counters.clone())).unwrap();
    let running = tokio::spawn(runner.run());
    let handled = handle.wait_for(|status| status.handled == 2);
    tokio::time::timeout(Duration::from_secs(30), handled).await.unwrap().unwrap();
    handle.stop().await;
    running.await.unwrap().unwrap();
    counters.stop().await.unwrap();

    let field = |seen: &Seen, name: &str| seen.fields.get(name).cloned().unwrap_or_default();
    let (_, first) = spans.find("annals.command", "counter|first");
    let (at, handled) = spans.find("annals.handle", "counter|first");
    let (_, second) = spans.find("annals.command", "counter|second");
    for seen in [&first, &handled, &second] {
        assert_eq!(field(seen, "correlation_id"), "request-7", "{seen:?}");
    }
    assert_eq!(
        (field(&handled, "projection"), field(&handled, "outcome")),
        ("again".into(), "ok".into())
    );
    assert_eq!(field(&second, "causation_id"), "counter|first#1");
    assert_eq!(second.within, Some(at), "a command of the handler is a child of its span");

    let id = PersistenceId::of("counter", "second").unwrap();
    let events = store.journal.read_all(&id, SeqRange::ALL).await.unwrap();
    let stored = Causation::from_metadata(events[0].metadata.as_ref().unwrap()).unwrap();
    assert_eq!(stored.correlation_id(), Some("request-7"));
}
