//! The spans from a command to its append, under their documented names.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Once;

use annals_core::ErrorKind;
use annals_entity::{Causation, keep};
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

thread_local! {
    /// The spans of a test that listens, in order: all of it runs on one thread.
    static SEEN: RefCell<Option<Vec<Seen>>> = const { RefCell::new(None) };
}

/// Keeps the spans of tests that listen.
#[derive(Debug)]
struct Spans;

/// The id of spans that nobody keeps.
const UNKNOWN: u64 = u64::MAX;

fn with(id: &Id, change: impl FnOnce(&mut Seen)) {
    SEEN.with_borrow_mut(|seen| {
        let at = usize::try_from(id.into_u64() - 1).unwrap();
        if let Some(seen) = seen.as_mut().and_then(|seen| seen.get_mut(at)) {
            change(seen);
        }
    });
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name().starts_with("annals.")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        SEEN.with_borrow_mut(|all| {
            let Some(all) = all else { return Id::from_u64(UNKNOWN) };
            let mut seen = Seen { name: span.metadata().name(), ..Seen::default() };
            span.record(&mut seen);
            all.push(seen);
            Id::from_u64(u64::try_from(all.len()).unwrap())
        })
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        with(span, |seen| values.record(seen));
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        let mut name = "unknown";
        with(follows, |seen| name = seen.name);
        with(span, |seen| seen.follows.push(name));
    }

    fn event(&self, _event: &Event<'_>) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// Installs the subscriber for all tests, before any span: whether somebody wants a span is cached
/// when its place in the code is first reached, by whichever test.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Spans).unwrap());
}

fn listen() {
    install();
    SEEN.set(Some(Vec::new()));
}

fn named(name: &str) -> Vec<Seen> {
    SEEN.with_borrow(|seen| {
        let of_name = |seen: &&Seen| seen.name == name;
        seen.iter().flatten().filter(of_name).cloned().collect()
    })
}

#[tokio::test(start_paused = true)]
async fn an_append_follows_from_the_commands_that_are_in_it() {
    listen();
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
    let commands = named("annals.command");
    assert_eq!(commands.len(), 4);
    assert_eq!(commands[0].fields["persistence_id"], "account|alice");
    assert_eq!(commands[0].fields["correlation_id"], "r");
    let appends = named("annals.append");
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
    listen();
    let world = World::new();
    let alice = world.builder_with_snapshots().snapshot_every(2, keep(1)).start().entity("alice");
    deposit(&alice, 1).await.unwrap();
    world.faults.on_append([Fault::Fails(ErrorKind::Invalid)]);
    deposit(&alice, 1).await.unwrap_err();
    world.faults.saves.lock().push_back(Fault::Fails(ErrorKind::Unavailable));
    deposit(&alice, 1).await.unwrap();
    settle().await;
    let outcomes = |name| -> Vec<String> {
        named(name).iter().map(|seen| seen.fields["outcome"].clone()).collect()
    };
    assert_eq!(outcomes("annals.append"), ["ok", "invalid", "ok"]);
    assert_eq!(outcomes("annals.recover"), ["ok", "ok"]);
    assert_eq!(named("annals.recover")[1].fields["events"], "1");
    assert_eq!(outcomes("annals.save"), ["unavailable"]);
}
