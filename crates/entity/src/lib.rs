//! The entity runtime of annals: durable objects whose every change of state is an event.
//!
//! ```
//! use annals_entity::{Context, Effect, EventSourced, Reply};
//!
//! #[derive(Default)]
//! struct Account {
//!     cents: i64,
//! }
//!
//! #[derive(Clone)]
//! enum Command {
//!     Deposit { cents: i64, reply: Reply<i64> },
//!     Balance { reply: Reply<i64> },
//! }
//!
//! #[derive(Debug, PartialEq)]
//! enum Event {
//!     Deposited { cents: i64 },
//! }
//!
//! impl EventSourced for Account {
//!     const ENTITY_TYPE: &'static str = "account";
//!     type Command = Command;
//!     type Event = Event;
//!
//!     fn handle(&self, command: Command, cx: &Context) -> Effect<Self> {
//!         match command {
//!             Command::Deposit { cents, reply } => Effect::persist(Event::Deposited { cents })
//!                 .then_reply(reply, |account: &Self| account.cents),
//!             Command::Balance { reply } => Effect::reply(reply, self.cents),
//!         }
//!     }
//!
//!     fn apply(&mut self, event: &Event) {
//!         match event {
//!             Event::Deposited { cents } => self.cents += cents,
//!         }
//!     }
//! }
//!
//! // Without a store, as a test would.
//! annals_entity::testkit::given::<Account>([Event::Deposited { cents: 20 }])
//!     .when(|reply| Command::Deposit { cents: 100, reply })
//!     .then([Event::Deposited { cents: 100 }], 120);
//! ```
//!
//! A behaviour ([`EventSourced`]) says how an entity decides and how it changes; a region
//! ([`Entities`]) keeps the entities of one type awake in this process, recovers them from the
//! journal, and stores what they decide. Rules:
//!
//! * Replies and side effects happen only after the events are stored, and at most once.
//! * Commands that wait while an append is in flight are handled together and go out as one append.
//! * A write has three outcomes. An unknown one is resolved by repeating the very same append until
//!   its deadline; only then the caller gets `OutcomeUnknown`, and the entity recovers anew.
//! * After a `Conflict` the entity recovers and handles the command again: nothing of it was written.
//! * Everything has a bound: mailboxes, batches, recoveries, waiting. Nobody is left without answer.
//!
//! Decisions are made by a pure state machine per entity; a few shard workers, each owning many
//! entities, do the input and output. An idle entity is no task.
//!
//! # What is told to the outside
//!
//! Spans (`tracing`, level debug, target `annals_entity`):
//!
//! | span | from, to | fields |
//! | --- | --- | --- |
//! | `annals.command` | the ask, the answer; the handler and its steps run inside | `persistence_id`, `correlation_id`, `causation_id` |
//! | `annals.append` | the decision, the store's answer, repetitions included; follows from the spans of its commands | `persistence_id`, `append_id`, `after`, `events`, `commands`, `outcome` |
//! | `annals.recover` | its permit, the state | `persistence_id`, `events`, `outcome` |
//! | `annals.save` | one snapshot | `persistence_id`, `seq_nr`, `outcome` |
//!
//! Measures (`metrics`, with the feature `metrics`). Each has the label `entity_type`; `outcome` is `ok`
//! or the name of the error's kind:
//!
//! | name | kind | other labels | what |
//! | --- | --- | --- | --- |
//! | `annals_entity_commands_total` | counter | `outcome` | commands that ended |
//! | `annals_entity_append_seconds` | histogram | `outcome` | appends, repetitions included |
//! | `annals_entity_append_events` | histogram | | events of an append |
//! | `annals_entity_append_repeats_total` | counter | | attempts after the first one |
//! | `annals_entity_recovery_seconds` | histogram | `outcome` | recoveries, without waiting for a permit |
//! | `annals_entity_recovery_events` | histogram | | events that a recovery replayed |
//! | `annals_entity_snapshots_total` | counter | `outcome` | saves of snapshots |
//! | `annals_entity_active` | gauge | | entities in memory |
//!
//! Why a command came ([`Causation`]) is stored as metadata beside its events.
//!
//! # Coming from Pekko
//!
//! What `EventSourcedBehavior` offers, and its name here; what is *better* says how.
//!
//! | Pekko | here | |
//! | --- | --- | --- |
//! | `commandHandler`, `eventHandler`, `emptyState` | [`EventSourced::handle`], [`EventSourced::apply`], [`EventSourced::empty`] | same |
//! | `persist`, `persist(list)`, `none`, `unhandled` | [`Effect::persist`], [`Effect::persist_all`], [`Effect::none`], [`Effect::unhandled`] | better: the caller of an unhandled command learns it |
//! | `reply`, `thenReply`, `noReply` | [`Effect::reply`], [`Effect::then_reply`], no step | better: a reply that is forgotten is an error to the caller |
//! | `withEnforcedReplies` | | not done, since it would make two of every effect: the compiler warns of a `reply` that a branch binds and does not use, the test kit fails on a command that is not answered, and its caller learns it at once |
//! | `thenRun`, `thenStop`, `stop` | [`Effect::then_run`], [`Effect::then_stop`], [`Effect::stop`] | same |
//! | `stash`, `unstashAll`, `stash-capacity` | [`Effect::stash`], [`Effect::then_unstash_all`], [`Settings::stash_max`] | better: a stash survives any failure of its entity, and overflow is told to the caller |
//! | one write at a time | commands that wait go out as one append | better: many events per round trip |
//! | write without deadline | [`Settings::write_deadline`] | better: and an unknown outcome is resolved by repeating the same append |
//! | `JournalPersistFailed`, `JournalPersistRejected` | [`Signal::PersistFailed`], its error's kind | better: never with a state that is not stored |
//! | after a failed write a restart, always | [`EventSourced::copy`]: goes on with it if nothing was written | better: no recovery, and reads are answered while the store is out of order |
//! | `onPersistFailure` with back-off | always; [`Settings::recovery_backoff`] | better: what is certain not to be written because of others is handled again |
//! | `RecoveryCompleted`, `RecoveryFailed`, `PostStop` | [`Signal::RecoveryCompleted`], [`Signal::RecoveryFailed`], [`Signal::Stopped`] | same |
//! | `SnapshotCompleted`, `DeleteEventsCompleted`, … | [`Signal::SnapshotSaved`], [`Signal::EventsDeleted`], … | same |
//! | `snapshotWhen` | [`EventSourced::snapshot_when`] | better: always sees the state after the event |
//! | `snapshotEvery(n, keep)` | [`EntitiesBuilder::snapshot_every`] | better: delays no reply, and keeps as many as it says |
//! | `withDeleteEventsOnSnapshot` | [`Keep::and_delete_events`] | better: only up to a snapshot that is there |
//! | `Recovery.disabled`, snapshot selection | [`Recover`] | same |
//! | `max-concurrent-recoveries` | [`Settings::recoveries_max`] | same, by default as many as the machine has use for |
//! | `withTagger`, `withTaggerForState` | [`EventSourced::tags`] | same |
//! | `EventAdapter` | [`EventAdapter`], [`EntitiesBuilder::event_adapter`] | better: readers across entities can use the same [`EventFormat`] |
//! | `SnapshotAdapter` | [`SnapshotAdapter`], [`adapted_snapshots`] | same |
//! | Jackson migrations (`Name#2`) | [`Upcasting`], or the upcaster of `annals-pekko`'s JSON | same |
//! | metadata of an event | [`Effect::with_metadata`], [`Effect::with_metadata_of`], [`Causation`] | better: correlation and causation ids without code |
//! | `withTimers` | [`Effect::then_timer`], [`Effect::then_cancel_timer`] | better: survive a failed write |
//! | `context.self`, `pipeToSelf` | [`Context::myself`], [`Effect::then_work`], [`Effect::then_after`] | same |
//! | `ask` with a timeout | [`EntityRef::ask`] | better: says whether the command was taken |
//! | passivation, active-entity limit | [`Settings::passivate_after`], [`Settings::active_max`] | same, with one strategy: those idle longest |
//! | `EventSourcedBehaviorTestKit`, `PersistenceTestKit` | [`testkit`] | better: without a store or a runtime stash, signals, timers and failed appends are simulated, too |
//! | `withEventPublishing` | [`EntitiesBuilder::publish`] | better: with the real timestamps; and what must not be missed is read from the journal live |
//! | durable state, replication, reliable delivery, cluster sharding | | not done: not part of annals yet |

mod behaviour;
mod effect;
mod format;
mod measures;
mod myself;
mod reply;
mod settings;
mod signal;

mod alarm;
mod entity_ref;
mod in_flight;
mod machine;
mod operations;
mod passivation;
mod region;
mod shard;

pub mod testkit;

pub use annals_core::Causation;
pub use behaviour::{Context, EventSourced};
pub use effect::{Effect, Timer};
pub use entity_ref::EntityRef;
pub use format::{
    EventAdapter, EventFormat, SnapshotAdapter, Upcasting, Written, adapted, adapted_snapshots,
    plain,
};
pub use myself::Myself;
pub use region::{Components, Entities, EntitiesBuilder};
pub use reply::{Answer, Reply, reply_channel};
pub use settings::{Keep, Recover, Settings, keep};
pub use signal::Signal;
