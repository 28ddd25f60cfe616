//! Answers and statements that get lost or come late, and claimants that die at each step: whatever an
//! append was answered, the history has it once or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use annals_cassandra::{CassandraSettings, CassandraStore, Fencing, PartitionSize};
use annals_core::{Append, Appended, ErrorKind, Journal, Result, WriterId};
use tokio::sync::Notify;

use crate::history::{Log, PATIENCE, append, history, id, nr, text};
use crate::support;
use crate::wire::{Act, Gate, Wire};

const FENCED: [Fencing; 2] = [Fencing::Claims, Fencing::Lwt];
const ALL: [Fencing; 3] = [Fencing::Claims, Fencing::Lwt, Fencing::Off];

/// Settings with tables that tests of every fencing share.
pub(crate) fn settings(fencing: Fencing) -> CassandraSettings {
    let name = format!("lost_{}", fencing.name());
    let mut settings = support::settings(&name).with_fencing(fencing);
    settings.journal.target_partition_size = PartitionSize::new(7).unwrap();
    settings
}

/// A store over a wire, and the wire.
async fn over_a_wire(fencing: Fencing) -> (CassandraStore, Wire) {
    let wire = Wire::to(support::server().await).await;
    let store = support::open_at(wire.address(), settings(fencing)).await.unwrap();
    (store, wire)
}

fn writes_events(statement: &str) -> bool {
    !statement.starts_with("SELECT") && statement.contains(".messages ")
}

/// The very same append again, until its outcome is known.
async fn resolved(store: &CassandraStore, append: &Append) -> Result<Appended> {
    loop {
        match store.append(append.clone()).await {
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {}
            Err(error) if error.kind() == ErrorKind::Unavailable => {}
            answer => return answer,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_statement_or_answer_was_lost_is_stored_once() {
    for fencing in ALL {
        let (store, wire) = over_a_wire(fencing).await;
        let reader = support::open(settings(fencing)).await.unwrap();
        for (lost, act) in [("timed-out", Act::TimeOut), ("cut", Act::Cut), ("lost", Act::Lose)] {
            let id = id(lost);
            let mut after = nr(0);
            for round in 0..10 {
                // Every third write of events, so that repetitions are lost as well.
                let act = act.clone();
                let mut count = round;
                wire.follow(move |statement| {
                    count += usize::from(writes_events(statement));
                    if writes_events(statement) && count % 3 != 0 { act.clone() } else { Act::Pass }
                });
                let append = append(&id, after, "writer", &format!("{round}"), round % 3 + 1);
                let receipt = resolved(&store, &append).await.unwrap();
                assert_eq!(receipt, append.receipt(), "{fencing:?} {lost}");
                after = receipt.last;
            }
            let found: Vec<String> = history(&reader, &id).await.iter().map(text).collect();
            let wanted = (0..10).flat_map(|round| vec![format!("{round}"); round % 3 + 1]);
            assert_eq!(found, wanted.collect::<Vec<_>>(), "{fencing:?} {lost}");
        }
    }
}

/// A write that the network held back arrives after another process took its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_comes_late_changes_nothing() {
    for fencing in FENCED {
        let (store, wire) = over_a_wire(fencing).await;
        let other = support::open(settings(fencing)).await.unwrap();
        let id = id("late");
        store.begin(&id, &WriterId::new("one")).await.unwrap();
        store.append(append(&id, nr(0), "one", "first", 1)).await.unwrap();
        let gate = Arc::new(Gate::default());
        let held = gate.clone();
        let held_back = Arc::new(AtomicUsize::new(0));
        let count = held_back.clone();
        wire.follow(move |statement| {
            if !writes_events(statement) {
                return Act::Pass;
            }
            match count.fetch_add(1, Ordering::Relaxed) {
                0 => Act::Late(held.clone()),
                _ => Act::Refuse,
            }
        });
        let late = append(&id, nr(1), "one", "late", 2);
        let unknown = store.append(late.clone()).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown, "{fencing:?}: {unknown}");

        other.begin(&id, &WriterId::new("two")).await.unwrap();
        other.append(append(&id, nr(1), "two", "second", 1)).await.unwrap();
        gate.open.notify_one();
        gate.passed.notified().await;
        other.append(append(&id, nr(2), "two", "third", 2)).await.unwrap();

        let found: Vec<String> = history(&other, &id).await.iter().map(text).collect();
        assert_eq!(found, ["first", "second", "third", "third"], "{fencing:?}");
        wire.follow(|_| Act::Pass);
        let refused = resolved(&store, &late).await.unwrap_err();
        let highest = nr(4);
        assert_eq!(refused.kind(), ErrorKind::Conflict { highest }, "{fencing:?}: {refused}");
        let found: Vec<String> = history(&store, &id).await.iter().map(text).collect();
        assert_eq!(found, ["first", "second", "third", "third"], "{fencing:?}");
    }
}

/// A process whose time ends at its statement `step` (0 first) after `begins`: that statement is performed or
/// not, and nothing of the process arrives any more.
struct Dying {
    store: CassandraStore,
    reached: Arc<Notify>,
    _wire: Wire,
}

impl Dying {
    async fn at(step: usize, performed: bool) -> Self {
        let (store, wire) = over_a_wire(Fencing::Claims).await;
        let reached = Arc::new(Notify::new());
        let (dead, mut count) = (reached.clone(), 0);
        wire.follow(move |_| {
            count += 1;
            if count <= step {
                return Act::Pass;
            }
            dead.notify_one();
            if performed && count == step + 1 { Act::Cut } else { Act::Lose }
        });
        Self { store, reached, _wire: wire }
    }

    /// Claims the entity and appends to it; whether its time did not end.
    async fn claim(&self, id: &annals_core::PersistenceId, log: &Log, text: &str) -> bool {
        let writing = async {
            let bounds = self.store.begin(id, &WriterId::new(text)).await?;
            let append = append(id, bounds.highest, text, text, 2);
            self.store.append(append.clone()).await.map(|_| append)
        };
        tokio::select! {
            biased;
            () = self.reached.notified() => false,
            written = writing => match written {
                Ok(append) => {
                    log.acknowledged(&append).await;
                    true
                }
                // Its time ended between the two looks, or else it would have had an answer.
                Err(error) => {
                    let ended = tokio::time::timeout(PATIENCE, self.reached.notified()).await;
                    assert!(ended.is_ok(), "{error}");
                    false
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimant_that_dies_at_any_step_loses_nothing() {
    let mut steps = 0;
    for performed in [false, true] {
        for step in 0.. {
            let log = Log::default();
            let id = id(&format!("dies-{step}"));
            let owner = support::open(settings(Fencing::Claims)).await.unwrap();
            owner.begin(&id, &WriterId::new("owner")).await.unwrap();
            let first = append(&id, nr(0), "owner", "first", 2);
            owner.append(first.clone()).await.unwrap();
            log.acknowledged(&first).await;

            let claimant = Dying::at(step, performed).await;
            let survived = claimant.claim(&id, &log, "claimant").await;
            drop(claimant);

            // The owner goes on where it was, or learns that it was fenced and claims again.
            let mut after = nr(2);
            let mut count = 0;
            while log.count(&id).await < if survived { 6 } else { 4 } {
                count += 1;
                let again = append(&id, after, "owner", &format!("again {count}"), 2);
                match resolved(&owner, &again).await {
                    Ok(_) => log.acknowledged(&again).await,
                    Err(error) => {
                        let kind = error.kind();
                        let lost = matches!(kind, ErrorKind::Fenced | ErrorKind::Conflict { .. });
                        assert!(lost && count < 5, "step {step}: {error}");
                        let writer = WriterId::new("owner");
                        after = owner.begin(&id, &writer).await.unwrap().highest;
                    }
                }
            }
            // And whoever comes next finds it all.
            let next = support::open(settings(Fencing::Claims)).await.unwrap();
            let bounds = next.begin(&id, &WriterId::new("next")).await.unwrap();
            let last = append(&id, bounds.highest, "next", "last", 1);
            next.append(last.clone()).await.unwrap();
            log.acknowledged(&last).await;
            let events = history(&next, &id).await;
            log.agrees(&id, &events).await;
            if survived {
                steps += step;
                break;
            }
        }
    }
    // Reading the row, revoking, finding the end, claiming, inserting, checking: each was cut off.
    assert!(steps >= 12, "only {steps} steps were met");
}

/// Requests that arrive late, as at a node that is slow, are waited for; what takes too long is told, and
/// resolved.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_node_loses_and_doubles_nothing() {
    for fencing in ALL {
        let wire = Wire::to(support::server().await).await;
        let mut settings = settings(fencing);
        settings.request_timeout = Duration::from_secs(1);
        let store = support::open_at(wire.address(), settings).await.unwrap();
        let (id, log) = (id("slow"), Log::default());
        wire.follow(|_| {
            let drawn: u8 = rand::random();
            // Now and then longer than the store waits.
            let millis = if drawn < 16 { 1_500 } else { u64::from(drawn) / 8 };
            Act::Delay(Duration::from_millis(millis))
        });
        for round in 0..5 {
            let bounds = loop {
                match store.begin(&id, &WriterId::new("writer")).await {
                    Ok(bounds) => break bounds,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
                }
            };
            let append = append(&id, bounds.highest, "writer", &format!("{round}"), 2);
            match resolved(&store, &append).await {
                Ok(_) => log.acknowledged(&append).await,
                Err(error) => panic!("{fencing:?}: {error}"),
            }
        }
        let reader = support::open(self::settings(fencing)).await.unwrap();
        let events = history(&reader, &id).await;
        assert_eq!(log.agrees(&id, &events).await, 10, "{fencing:?}");
        assert_eq!(events.len(), 10, "{fencing:?}");
    }
}
