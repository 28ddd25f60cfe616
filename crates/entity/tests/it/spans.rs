//! The spans from a command to its append, under their documented names.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use annals_core::ErrorKind;
use annals_entity::{Causation, keep};
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::account::Command;
use crate::faulty::Fault;
use crate::world::{World, asking, deposit, settle};

#[derive(Debug, Default, Clone)]
struct Seen {
    name: &'static str,
    fields: HashMap<&'static str, String>,
    follows: Vec<&'static str>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        self.fields.insert(field.name(), value.trim_matches('"').to_owned());
    }
}

/// Keeps every span of this crate's namespace, in order.
#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>);

impl Spans {
    fn named(&self, name: &str) -> Vec<Seen> {
        self.0.lock().iter().filter(|seen| seen.name == name).cloned().collect()
    }

    fn at(id: &Id) -> usize {
        usize::try_from(id.into_u64()).unwrap() - 1
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name().starts_with("annals.")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut seen = Seen { name: span.metadata().name(), ..Seen::default() };
        span.record(&mut seen);
        let mut spans = self.0.lock();
        spans.push(seen);
        Id::from_u64(u64::try_from(spans.len()).unwrap())
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        values.record(&mut self.0.lock()[Self::at(span)]);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        let mut spans = self.0.lock();
        let follows = spans[Self::at(follows)].name;
        spans[Self::at(span)].follows.push(follows);
    }

    fn event(&self, _event: &Event<'_>) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn an_append_follows_from_the_commands_that_are_in_it() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let world = World::new();
    let alice = world.start().entity("alice");
    deposit(&alice.because(Causation::new().with_correlation_id("r")), 1).await.unwrap();
    world.faults.close_gate();
    let asked: Vec<_> =
        (0..3).map(|_| asking(&alice, |reply| Command::Deposit { cents: 1, reply })).collect();
    settle().await;
    world.faults.open_gate();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    let commands = spans.named("annals.command");
    assert_eq!(commands.len(), 4);
    assert_eq!(commands[0].fields["persistence_id"], "account|alice");
    assert_eq!(commands[0].fields["correlation_id"], "r");
    let appends = spans.named("annals.append");
    let counted = |seen: &Seen| (seen.fields["after"].clone(), seen.follows.len());
    let counted: Vec<_> = appends.iter().map(counted).collect();
    assert_eq!(counted, [("0".into(), 1), ("1".into(), 1), ("2".into(), 2)]);
    assert_eq!(appends[2].follows, ["annals.command"; 2]);
    assert_eq!(appends[2].fields["events"], "2");
    assert_eq!(appends[2].fields["commands"], "2");
    assert!(appends.iter().all(|append| append.fields["outcome"] == "ok"));
}

#[tokio::test(start_paused = true)]
async fn recoveries_saves_and_failures_tell_their_outcome() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let world = World::new();
    let alice = world.builder_with_snapshots().snapshot_every(2, keep(1)).start().entity("alice");
    deposit(&alice, 1).await.unwrap();
    world.faults.on_append([Fault::Fails(ErrorKind::Invalid)]);
    deposit(&alice, 1).await.unwrap_err();
    world.faults.saves.lock().push_back(Fault::Fails(ErrorKind::Unavailable));
    deposit(&alice, 1).await.unwrap();
    settle().await;
    let outcomes = |name| -> Vec<String> {
        spans.named(name).iter().map(|seen| seen.fields["outcome"].clone()).collect()
    };
    assert_eq!(outcomes("annals.append"), ["ok", "invalid", "ok"]);
    assert_eq!(outcomes("annals.recover"), ["ok", "ok"]);
    assert_eq!(spans.named("annals.recover")[1].fields["events"], "1");
    assert_eq!(outcomes("annals.save"), ["unavailable"]);
}
