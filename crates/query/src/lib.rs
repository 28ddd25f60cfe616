//! Live and finite streams over the read journals of annals, written once for every store.
//!
//! A store serves pages ([`ReadJournal::page`](annals_core::ReadJournal::page)) and a wake-up; a
//! [`Query`] makes streams of them:
//!
//! ```text
//!              finite                          live
//!   end() ── the bound                changed() ─────────┐ made before the page is read
//!     │                                  │               │
//!   page(after, bound) ─┐              page(after) ──┐   │
//!     ▲   not at end    │                ▲  not at   │   │
//!     └─────────────────┤                │  end      │   │
//!                at end │                ├───────────┤   │
//!                       ▼                │    at end ▼   │
//!                   the stream           └──── await it ◄┘
//!                     ends
//! ```
//!
//! Since the wake-up is older than the page, a commit between the two is seen at once: a live
//! stream misses nothing and never polls. Pages are pulled, so a slow reader delays nobody (Q7).
//!
//! Each query has two layers: a stream of pages, whose decoded events many readers share, and on
//! top of it a stream of single events. Errors are items; after an error the stream ends, and
//! whoever wants to go on asks again with the offset of the last event that was handled.
//!
//! ```
//! use annals_core::Tag;
//! use annals_memory::MemoryStore;
//! use annals_query::Query;
//! use futures_util::StreamExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> annals_core::Result<()> {
//! let store = MemoryStore::new().store();
//! let query = Query::new(store.read_journal.clone());
//! let mut after = None; // or the offset that was saved last
//! let mut cancelled = query.current_events_by_tag(Tag::new("cancelled")?, after);
//! while let Some(event) = cancelled.next().await {
//!     let event = event?;
//!     println!("{} #{}", event.persistence_id, event.event.seq_nr);
//!     after = Some(event.offset);
//! }
//! # Ok(())
//! # }
//! ```

mod options;
mod query;

mod events;
mod ids;
mod order;
mod pages;

pub use options::{Extent, Gaps, QueryOptions};
pub use query::Query;
