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

mod behaviour;
mod effect;
mod format;
mod myself;
mod reply;
mod settings;
mod signal;

mod machine;
mod operations;
mod passivation;
mod region;
mod shard;

pub mod testkit;

pub use behaviour::{Context, EventSourced};
pub use effect::{Effect, Timer};
pub use format::{
    EventAdapter, EventFormat, SnapshotAdapter, Upcasting, Written, adapted, adapted_snapshots,
    plain,
};
pub use myself::Myself;
pub use region::{Components, Entities, EntitiesBuilder, EntityRef};
pub use reply::{Answer, Reply, reply_channel};
pub use settings::{Keep, Recover, Settings, keep};
pub use signal::Signal;
