//! The journal of an embedded store.

use annals_core::{
    Append, AppendMode, Appended, Batch, Bounds, BoxStream, Capabilities, Error, Journal,
    PersistenceId, Result, SeqNr, SeqRange, StoredOffset, Tag, WriterId,
};
use async_trait::async_trait;
use futures_util::stream;

use crate::catalog::Change;
use crate::engine::{Draft, Ensured};
use crate::format::{Delete, FrameKind, byte_count, decode_events_head, encode_events};
use crate::log::{Answer, Reading};
use crate::read::{FrameReader, LogOffset, Replay};
use crate::store::{EmbeddedStore, run_blocking};

#[async_trait]
impl Journal for EmbeddedStore {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn begin(&self, id: &PersistenceId, _writer: &WriterId) -> Result<Bounds> {
        self.bounds(id).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        self.check_writable()?;
        self.limits().check_append(&append)?;
        let offset = append.offset_save().map(|save| StoredOffset {
            name: save.name.clone(),
            offset: save.offset.clone(),
            revision: save.expected.next(),
        });
        if let Some(offset) = &offset {
            LogOffset::decode(&offset.offset, self.engine.store_id)?;
        }
        let tags = tags_of(&append);
        let make = || {
            let Ensured { entry, planned } = self.engine.ensure(append.id(), false)?;
            let begins = planned == Bounds::default();
            let ingest = begins && append.mode() == AppendMode::Ingest && !append.after().is_zero();
            let frame = encode_events(&append, planned.deleted_to, ingest);
            let change = Change::Events {
                id: append.id().clone(),
                first: append.range().from,
                count: byte_count(append.events().len()),
                deleted_to: planned.deleted_to,
                ingest,
                tags: tags.clone(),
                offset: offset.clone().map(Box::new),
            };
            Ok(Draft { frame, change, entry: Some(entry) })
        };
        match self.engine.write(FrameKind::Events, make).await? {
            // Boxed, so that the common case does not carry its state.
            Answer::Conflict { highest } => {
                Box::pin(self.repeated_or_conflict(append, highest)).await
            }
            _ => Ok(append.receipt()),
        }
    }

    async fn end(&self, _id: &PersistenceId, _writer: &WriterId) -> Result<()> {
        self.check_open()
    }

    fn replay(&self, id: &PersistenceId, range: SeqRange) -> BoxStream<'static, Result<Batch>> {
        let start = match self.check_open().and_then(|()| self.limits().check_id(id)) {
            Ok(()) => Step::Start(self.engine.clone(), id.clone(), range),
            Err(error) => Step::Failed(error),
        };
        Box::pin(stream::unfold(start, |step| async move {
            let read = match step {
                Step::Done => return None,
                // Nothing is left to be read: that takes no thread.
                Step::Next(replay) if replay.is_done() => return None,
                Step::Failed(error) => return Some((Err(error), Step::Done)),
                Step::Start(engine, id, range) => {
                    run_blocking(engine, move |engine| {
                        engine.read_again(|engine| {
                            let mut replay =
                                Box::new(Replay::new(engine.clone(), id.clone(), range)?);
                            Ok((replay.next_batch()?, replay))
                        })
                    })
                    .await
                }
                Step::Next(mut replay) => {
                    let engine = replay.engine().clone();
                    run_blocking(engine, move |_| Ok((replay.next_batch()?, replay))).await
                }
            };
            match read {
                Ok((Some(batch), replay)) => Some((Ok(batch), Step::Next(replay))),
                Ok((None, _)) => None,
                Err(error) => Some((Err(error), Step::Done)),
            }
        }))
    }

    async fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        self.check_open()?;
        self.engine.refresh()?;
        let id = id.clone();
        self.engine.check_certain(&id)?;
        if let Some(head) = self.engine.state.read().head_in_memory(&id) {
            return Ok(head.bounds);
        }
        self.blocking_read(move |engine| engine.bounds(&id)).await
    }

    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        self.check_writable()?;
        let bounds = self.bounds(id).await?;
        let to = to.min(bounds.highest);
        if to <= bounds.deleted_to {
            return Ok(());
        }
        let make = || {
            let entry = self.engine.ensure(id, false)?.entry;
            let frame = Delete { id: id.clone(), to }.encode();
            let change = Change::Delete { id: id.clone(), to };
            Ok(Draft { frame, change, entry: Some(entry) })
        };
        self.engine.write(FrameKind::Delete, make).await.map(|_| ())
    }

    async fn close(&self) -> Result<()> {
        let engine = self.engine.clone();
        engine.queue.close();
        self.stop_off_the_runtime().await?;
        let failed = match engine.closed.lock().take() {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => error.to_string(),
            None => match engine.poisoned() {
                Some(reason) => reason,
                None => return Ok(()),
            },
        };
        let location = engine.location();
        Err(Error::unavailable(format!(
            "the orderly end of the store in {location} was not recorded ({failed}); nothing acknowledged \
             is lost, and the next opening checks the log"
        )))
    }
}

enum Step {
    Start(std::sync::Arc<crate::engine::Engine>, PersistenceId, SeqRange),
    Next(Box<Replay>),
    Failed(Error),
    Done,
}

fn tags_of(append: &Append) -> Vec<Tag> {
    if append.events().iter().all(|event| event.tags.is_empty()) {
        return Vec::new();
    }
    let mut tags: Vec<Tag> =
        append.events().iter().flat_map(|event| event.tags.iter().cloned()).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

impl EmbeddedStore {
    /// A conflict is none if the events that stand there came with this very append (J5).
    async fn repeated_or_conflict(&self, append: Append, highest: SeqNr) -> Result<Appended> {
        self.blocking(move |engine| {
            let range = append.range();
            if range.to <= highest {
                let reading = Reading::begin(&engine.files);
                let first = SeqRange::new(range.from, range.from);
                for segment in engine.segments_of(append.id(), first)? {
                    for byte in engine.id_frames(segment, append.id(), first)? {
                        let position = crate::position::Position::new(segment, byte);
                        let frame = FrameReader::read_one(engine, &reading, position)?;
                        let head = decode_events_head(&frame.body)
                            .map_err(|malformed| Error::corrupt(malformed.to_string()))?;
                        if head.append_id == append.append_id() {
                            return Ok(append.receipt());
                        }
                    }
                }
            }
            let (id, after) = (append.id(), append.after());
            if let Some(save) = append.offset_save()
                && highest == after
            {
                let (name, expected) = (&save.name, save.expected.get());
                return Err(Error::conflict(
                    highest,
                    format!(
                        "the offset of {name} does not stand at revision {expected}: another instance \
                         runs it; nothing was written, also to {id}"
                    ),
                ));
            }
            Err(Error::conflict(
                highest,
                format!("{id} stands at {highest}, not at {after}: nothing was written"),
            ))
        })
        .await
    }

    /// Stops the threads without blocking the runtime.
    async fn stop_off_the_runtime(&self) -> Result<()> {
        let Some(stop) = self.stopping() else { return Ok(()) };
        run_blocking(self.engine.clone(), move |engine| {
            stop.run(engine);
            Ok(())
        })
        .await
    }
}
