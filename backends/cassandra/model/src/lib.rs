//! A model of `fencing = claims`, by which writers of one entity on Cassandra exclude each other with
//! plain writes, a numbered claim and one check before they acknowledge; and the explorer that visits
//! every state of it.
//!
//! The model was written from the protocol's description, not from the code that implements it, and
//! knows nothing of that code. It has one entity and three replicas. Time is a sequence of steps:
//!
//! ```text
//!  writer ──insert──▶ ┌───────────┐     each mutation lands on each replica in a step of its own,
//!  writer ──revoke──▶ │ replica 0 │     at any time or never
//!  owner  ──delete──▶ │ replica 1 │ ◀── a quorum read asks two of them and mends what it read
//!                     │ replica 2 │
//!                     └───────────┘
//!  claimant ──if──▶ the claim row       conditional writes are one step, but the answer may get
//!                                       lost, and the write may happen later or never
//! ```
//!
//! A JVM that knows no claims may have the entity in between, as `jvm` describes.
//!
//! A writer may stand still after any step for ever, which is how a crash looks to the others. A
//! [`Mistake`] makes the model do one thing wrong; the explorer then has to find a [`Property`] broken.

mod cluster;
mod explore;
mod ghost;
mod jvm;
mod mistake;
mod model;
mod properties;
mod reader;
mod replay;
mod scope;
mod step;
mod writer;

pub use explore::{Found, Report, explore};
pub use mistake::Mistake;
pub use model::{Model, State};
pub use properties::Property;
pub use scope::Scope;
pub use step::{Answer, Pair, Step};
