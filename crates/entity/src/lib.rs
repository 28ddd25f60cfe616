//! The entity runtime of annals: durable objects whose every change of state is an event.
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
mod reply;
mod settings;

mod machine;
mod operations;
mod passivation;
mod region;
mod shard;

pub use behaviour::{Context, EventSourced};
pub use effect::Effect;
pub use region::{Components, Entities, EntitiesBuilder, EntityRef};
pub use reply::{Answer, Reply, reply_channel};
pub use settings::{Keep, Settings, keep};
