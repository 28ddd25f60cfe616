//! What an application writes: the four kinds of handlers.

use annals_core::{Bounds, Envelope, NewEvent, Offset};
use async_trait::async_trait;

/// Why a handler failed: any error.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync>;

/// Handles each event at least once, in order per entity (P1).
#[async_trait]
pub trait Handler: Send + 'static {
    /// Handles one event. After a crash, events since the offset saved last are handled again: what
    /// it does must bear that.
    ///
    /// # Errors
    /// Any; what follows is [`OnFailure`](crate::OnFailure).
    async fn handle(&mut self, event: &Envelope) -> Result<(), HandlerError>;
}

/// Handles events at least once, many together.
#[async_trait]
pub trait GroupedHandler: Send + 'static {
    /// Handles at least one event. When a group keeps failing, its events are handed over one by one,
    /// so that the one at fault is found: some may be handled again.
    ///
    /// # Errors
    /// As [`Handler::handle`].
    async fn handle(&mut self, events: &[Envelope]) -> Result<(), HandlerError>;
}

/// Makes events of events: its results are appended to one entity of the same store, in one commit
/// with the offset, so that each event counts exactly once (P2).
///
/// The results of many events go out together. Its own state may run ahead of what is stored: when
/// the projection ends, a new producer is to be made from what is.
#[async_trait]
pub trait Producer: Send + 'static {
    /// Called before the first event: `results` is how far the result entity reaches. A producer with a
    /// state makes it anew here, from the results up to `results.highest`: when a predecessor's last
    /// write arrives late, it is called once more, and events are handed over again.
    ///
    /// # Errors
    /// Any; the projection does not start.
    async fn start(&mut self, results: Bounds) -> Result<(), HandlerError>;

    /// The results of one event, often none. It must leave its state alone when it fails.
    ///
    /// # Errors
    /// As [`Handler::handle`].
    async fn handle(&mut self, event: &Envelope) -> Result<Vec<NewEvent>, HandlerError>;
}

/// Stores results and offset itself, in one transaction of its own place (P2).
#[async_trait]
pub trait Transactional: Send + 'static {
    /// The offset that was committed last under `key`.
    ///
    /// # Errors
    /// Any; the projection does not start.
    async fn offset(&mut self, key: &str) -> Result<Option<Offset>, HandlerError>;

    /// Handles `events` and stores `offset` under `key`, all or nothing. `events` is empty when only
    /// the offset moves (events were skipped, or the projection was rewound). Where two instances may
    /// run, it refuses when the offset is not the one that it stored last.
    ///
    /// # Errors
    /// As [`Handler::handle`]; nothing of it may be stored then.
    async fn commit(
        &mut self,
        key: &str,
        events: &[Envelope],
        offset: &Offset,
    ) -> Result<(), HandlerError>;
}
