//! The entity that is measured, whose events are stored as JSON, as those of applications are.

use std::sync::Arc;

use annals::{Context, Effect, EventSourced, Reply};
use annals_core::{Append, AppendId, Codec, Journal, NewEvent, SeqNr, Timestamp, WriterId};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::driver::Entity;
use crate::number::count;

/// An event: about 256 bytes of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Line {
    number: u64,
    product: String,
    text: String,
}

impl Line {
    pub(super) fn new(number: u64) -> Self {
        const TEXT: &str = "a bicycle lamp with a dynamo, a switch and a light sensor, for the handlebar \
                            of a city bicycle; wrapped as a present, to be left with the neighbours of \
                            the second floor when nobody is at home";
        Self { number, product: "lamp 4711/0815-3".to_owned(), text: TEXT.to_owned() }
    }
}

/// What a cart is asked; it answers with the number of its lines.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Add { line: Line, reply: Reply<u64> },
    Lines { reply: Reply<u64> },
}

/// A cart. Its state is so small that what is measured is the runtime.
#[derive(Debug, Default)]
pub(super) struct Cart {
    pub(super) lines: u64,
    digest: u64,
}

impl EventSourced for Cart {
    const ENTITY_TYPE: &'static str = "cart";
    type Command = Ask;
    type Event = Line;

    fn handle(&self, ask: Ask, _: &Context<'_>) -> Effect<Self> {
        match ask {
            Ask::Add { line, reply } => {
                Effect::persist(line).then_reply(reply, |cart: &Self| cart.lines)
            }
            Ask::Lines { reply } => Effect::reply(reply, self.lines),
        }
    }

    fn apply(&mut self, line: &Line) {
        self.lines += 1;
        self.digest = self.digest.rotate_left(1) ^ line.number ^ count(line.text.len());
    }
}

/// Lines as JSON.
pub(super) fn codec() -> Arc<dyn Codec<Line>> {
    annals::json("cart.Line")
}

/// Writes `events` lines to each of `entities`, with many appends in flight.
pub(super) async fn write_histories(
    journal: &Arc<dyn Journal>,
    entities: u64,
    events: u64,
) -> Result<()> {
    const AT_ONCE: usize = 512;
    let write = |number| tokio::spawn(write_history(journal.clone(), number, events));
    let mut writing = stream::iter(0..entities).map(write).buffer_unordered(AT_ONCE);
    while let Some(written) = writing.next().await {
        written??;
    }
    Ok(())
}

async fn write_history(journal: Arc<dyn Journal>, number: u64, events: u64) -> Result<()> {
    const EVENTS_PER_APPEND: u64 = 500;
    let (entity, codec, writer) = (Entity::new(number), codec(), WriterId::new("bench"));
    let mut after = SeqNr::ZERO;
    while after.get() < events {
        let numbers = after.get() + 1..=events.min(after.get() + EVENTS_PER_APPEND);
        let event = |number| -> Result<NewEvent> {
            let payload = codec.encode(&Line::new(number))?;
            Ok(NewEvent::new(payload, Timestamp::UNKNOWN))
        };
        let batch = numbers.map(event).collect::<Result<Vec<_>>>()?;
        let append_id = AppendId::new(u128::from(number) << 64 | u128::from(after.get()));
        let append = Append::new(append_id, entity.id.clone(), after, writer.clone(), batch)?;
        after = journal.append(append).await?.last;
    }
    Ok(())
}
