//! Live and finite streams over the read journals of annals, and projections on top of them, written
//! once for every store.
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
//!
//! # Projections
//!
//! A [`Projection`] feeds all events of a [`Source`] to a handler, and keeps how far it came, so that
//! it goes on where it ended. The handler decides on the guarantee:
//!
//! | handler | an event counts | result and offset |
//! | --- | --- | --- |
//! | [`Handler`] | at least once (P1) | the offset is saved after some events, or a while |
//! | [`GroupedHandler`] | at least once, many together | the same |
//! | [`Producer`] | exactly once (P2) | events of the same store, in one commit with the offset |
//! | [`Transactional`] | exactly once (P2) | one transaction of the handler's own, anywhere |
//!
//! A handler that fails is tried again with back-off; then, as [`OnFailure`] says, the projection
//! stops, skips the event, or parks it: it is recorded, and its entity's later events wait with it.
//! The offset never moves past an event that was none of handled, skipped and parked (P3). Several
//! [`Instance`]s share the work by slices; of two that run the same range, one stops with `Conflict`.
//!
//! Building one gives a [`ProjectionRunner`], whose future the application spawns, and a
//! [`ProjectionHandle`] that pauses, resumes, rewinds and stops it, retries what is parked, and tells
//! its status and lag. Nothing is spawned here, and time comes from the [`Components`].
//!
//! ```
//! use annals_core::Envelope;
//! use annals_query::{Handler, HandlerError, Projection, Source};
//! # use annals_query::Components;
//! # use annals_core::{Append, AppendId, Clock, Ids, NewEvent, Payload, PersistenceId, SeqNr};
//! # use annals_core::{SerializerId, Sleep, Timestamp, WriterId};
//! # #[derive(Debug)]
//! # struct Fixed;
//! # impl Clock for Fixed { fn now(&self) -> Timestamp { Timestamp::from_millis(0) } }
//! # impl Ids for Fixed {
//! #     fn append_id(&self) -> AppendId { AppendId::new(1) }
//! #     fn writer_id(&self) -> WriterId { WriterId::new("w") }
//! #     fn random(&self) -> u64 { 4 }
//! # }
//! # impl Sleep for Fixed {
//! #     fn sleep(&self, time: std::time::Duration)
//! #         -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
//! #     { Box::pin(tokio::time::sleep(time)) }
//! # }
//!
//! struct Mailer;
//!
//! #[async_trait::async_trait]
//! impl Handler for Mailer {
//!     async fn handle(&mut self, event: &Envelope) -> Result<(), HandlerError> {
//!         println!("to the owner of {}: event {}", event.persistence_id, event.event.seq_nr);
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> annals_core::Result<()> {
//! # use std::sync::Arc;
//! # let store = annals_memory::MemoryStore::new().store();
//! # let text = Payload::new(SerializerId::STRING, "", "opened".as_bytes());
//! # let event = NewEvent::new(text, Timestamp::from_millis(0));
//! # let id = PersistenceId::of("account", "alice")?;
//! # let writer = WriterId::new("w");
//! # let append = Append::new(AppendId::new(2), id, SeqNr::ZERO, writer, vec![event])?;
//! # store.journal.append(append).await?;
//! # let components =
//! #     Components { clock: Arc::new(Fixed), ids: Arc::new(Fixed), sleep: Arc::new(Fixed) };
//! let projection = Projection::new("mails", Source::All, store, components);
//! let (runner, handle) = projection.at_least_once(Mailer)?;
//! let running = tokio::spawn(runner.run());
//!
//! handle.wait_for(|status| status.handled == 1).await?;
//! assert_eq!(handle.lag(1_000).await?.events, 0);
//! handle.stop().await;
//! running.await.expect("the handler does not panic")
//! # }
//! ```

//!
//! # What is told to the outside
//!
//! Why an event was written, and what follows from it, is read from its metadata
//! ([`Causation::of`](annals_core::Causation::of), [`Causation::by`](annals_core::Causation::by)): a handler
//! that sends a command because of an event hands it on, and the results of a [`Producer`] carry it unless
//! they have metadata of their own.
//!
//! Spans (`tracing`, level debug, target `annals_query`):
//!
//! | span | from, to | fields |
//! | --- | --- | --- |
//! | `annals.handle` | a call of the handler, its answer; what the handler does is inside, commands to entities too | `projection`, `persistence_id` and `seq_nr` (of the first event), `events`, `correlation_id`, `causation_id`, `outcome` (`ok`, `failed`) |
//! | `annals.save_offset` | the save of an offset, with the results that go with it | `projection`, `outcome` |
//!
//! So one request is followed by its `correlation_id`: from `annals.command` to `annals.append` in
//! annals-entity, and by `persistence_id` and number to `annals.handle` here, in whatever process.
//!
//! Measures (`metrics`, with the feature `metrics`). Each has the label `projection`, the name of its
//! offset ([`ProjectionHandle::key`]):
//!
//! | name | kind | other labels | what |
//! | --- | --- | --- | --- |
//! | `annals_projection_events_total` | counter | `outcome`: `handled`, `skipped` | events that were dealt with |
//! | `annals_projection_handle_seconds` | histogram | `outcome`: `ok`, `failed` | calls of the handler |
//! | `annals_projection_retries_total` | counter | | calls that failed and are tried again |
//! | `annals_projection_save_seconds` | histogram | `outcome`: `ok` or the error's kind | saves of offsets, with results |
//! | `annals_projection_parked` | gauge | | events that are parked |
//! | `annals_projection_behind_seconds` | gauge | | how old the newest handled event was then |

mod options;
mod query;

mod events;
mod ids;
mod order;
mod pages;

mod projection;

pub use options::{Extent, Gaps, QueryOptions};
pub use projection::{
    Components, GiveUp, GroupedHandler, Handler, HandlerError, Instance, Lag, OnFailure,
    ParkedEvent, Producer, Projection, ProjectionHandle, ProjectionPhase, ProjectionRunner,
    ProjectionSettings, ProjectionStatus, Source, Transactional,
};
pub use query::Query;
