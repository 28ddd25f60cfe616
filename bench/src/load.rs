//! Fills a store, with many appends in flight.

use annals_core::Tags;

use crate::Result;
use crate::driver::Entity;
use crate::payload::payload;
use crate::subject::{JournalTarget, Subject};

/// What a store is filled with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    pub(crate) events: u64,
    /// The events are spread evenly over them.
    pub(crate) entities: u64,
    pub(crate) events_per_append: u64,
    pub(crate) payload_bytes: usize,
    pub(crate) order: Order,
}

/// In what order a task writes its entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// An append to each in turn, so that histories are interleaved as widely as can be.
    InTurn,
    /// One entity's history, then the next one's.
    OneByOne,
}

/// Appends in flight.
const TASKS: u64 = 512;

/// Fills the store.
pub(crate) async fn fill(subject: &Subject, fill: Fill) -> Result<()> {
    let target = JournalTarget::new(subject.store.journal.clone(), Tags::NONE);
    let tasks = TASKS.min(fill.entities);
    let stride = usize::try_from(tasks)?;
    let mut running = Vec::new();
    for task in 0..tasks {
        let numbers: Vec<u64> = (task..fill.entities).step_by(stride).collect();
        running.push(tokio::spawn(write(target.clone(), fill, numbers)));
    }
    for task in running {
        task.await??;
    }
    Ok(())
}

impl Fill {
    /// How many events entity `number` gets.
    fn share(self, number: u64) -> u64 {
        self.events / self.entities + u64::from(number < self.events % self.entities)
    }

    async fn append_next(self, target: &JournalTarget, entity: &mut Entity) -> Result<bool> {
        let from = entity.highest + 1;
        let to = self.share(entity.number).min(entity.highest + self.events_per_append);
        if from > to {
            return Ok(false);
        }
        let payloads = (from..=to).map(|seq_nr| payload(entity.number, seq_nr, self.payload_bytes));
        target.append_all(entity, from, payloads).await?;
        entity.highest = to;
        Ok(true)
    }
}

async fn write(target: JournalTarget, fill: Fill, numbers: Vec<u64>) -> Result<()> {
    if fill.order == Order::OneByOne {
        // Made one at a time: there may be a million of them.
        for number in numbers {
            let mut entity = Entity::new(number);
            while fill.append_next(&target, &mut entity).await? {}
        }
        return Ok(());
    }
    let mut entities: Vec<Entity> = numbers.into_iter().map(Entity::new).collect();
    let mut more = true;
    while more {
        more = false;
        for entity in &mut entities {
            more |= fill.append_next(&target, entity).await?;
        }
    }
    Ok(())
}
