//! Events by tag, in Pekko's tables and in its order, so that either side can continue the other's work:
//!
//! ```text
//! messages ─► tag_views ─► tag_write_progress ─────► tag_scanning
//!  (acknowledged)  a copy per tag    how far each tag's    up to where the
//!                  with a counter    counter has come      progress is stored
//! ```
//!
//! The counter of a (tag, entity) is 1, 2, 3 … in the order of its events: readers see by it what is
//! missing. It is a function of the history and of the stored progress alone, so rows that are written
//! again, by whomever, are the same rows. Tag rows that fail or are late never change what an append
//! answers; they are repaired in the background, or when the entity is begun again.

mod background;
mod counters;
mod gaps;
mod in_flight;
mod late;
mod progress;
mod reading;
mod rebuild;
mod recovered;
mod recovery;
mod sessions;
mod statements;
mod sweep;
mod views;

pub(crate) use background::{Background, Backlog};
pub(crate) use counters::{TagState, TaggedEvent};
pub(crate) use in_flight::InFlight;
pub use rebuild::{RebuiltTags, TagRebuild};
pub(crate) use sessions::Sessions;
pub(crate) use statements::RebuildStatements;
