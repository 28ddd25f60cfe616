//! What a large store costs: opening it after a kill, and the indexes of its sealed segments.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Bench, discard};
use crate::Result;
use crate::child::run_and_kill;
use crate::driver::Entity;
use crate::load::{Fill, Order};
use crate::number::{count, float};
use crate::payload::Random;
use crate::report::Reach;
use crate::subject::Subject;

/// How many ids are looked up cold.
const LOOK_UPS: usize = 256;

impl Bench {
    pub(super) fn reopen(&mut self) -> Result<()> {
        let small = self.place("small")?;
        self.fill_and_kill(&small, self.plan.small_events)?;
        let large = self.large_store()?;
        let mut ratios = Vec::new();
        for round in 1..=self.plan.rounds.min(3) {
            let of_small = float(run_and_kill(&["open", text(&small)?])?.max(1)) / 1e3;
            let of_large = float(run_and_kill(&["open", text(&large)?])?.max(1)) / 1e3;
            self.report.note(format!("reopen {round}: {of_small:.1} ms and {of_large:.1} ms"));
            self.report.value("reopen_1_m_events_millis", of_small);
            self.report.value("reopen_10_m_events_millis", of_large);
            ratios.push(of_large / of_small);
        }
        let what = "10 M events after kill -9, times 1 M";
        self.report.figure("reopen", what, "", ratios, Reach::AtMost(2.0));
        discard(&small)
    }

    /// The large store, filled by a process that was killed.
    fn large_store(&mut self) -> Result<PathBuf> {
        if let Some(dir) = &self.large {
            return Ok(dir.clone());
        }
        let dir = self.place("large")?;
        self.fill_and_kill(&dir, self.plan.large_events)?;
        self.large = Some(dir.clone());
        Ok(dir)
    }

    fn fill_and_kill(&mut self, dir: &Path, events: u64) -> Result<()> {
        let (entities, bytes) =
            (self.plan.entities.to_string(), self.plan.payload_bytes.to_string());
        run_and_kill(&["fill", text(dir)?, &events.to_string(), &entities, &bytes])?;
        self.report.note(format!("filled a store with {events} events, and killed its process"));
        Ok(())
    }

    pub(super) async fn index(&mut self) -> Result<()> {
        let large = self.large_store()?;
        self.index_of(&large, "10,240 ids", self.plan.entities).await?;
        discard(&large)?;
        self.large = None;
        let entities = (self.plan.large_events / 10).max(1);
        let many = Fill {
            events: self.plan.large_events,
            entities,
            events_per_append: 1,
            payload_bytes: self.plan.payload_bytes,
            order: Order::OneByOne,
        };
        let dir = self.filled("many", many).await?;
        self.index_of(&dir, "an id per 10 events", entities).await?;
        discard(&dir)
    }

    async fn index_of(&mut self, dir: &Path, name: &str, entities: u64) -> Result<()> {
        let subject = Subject::open(dir)?;
        let open = subject.stats();
        self.report.path(open.write_path.name());
        // What was scanned is what is not sealed; a payload's length is the least an event takes.
        let unsealed = open.recovered_bytes / count(self.plan.payload_bytes);
        let sealed = self.plan.large_events.saturating_sub(unsealed);
        let heap = count(open.index_heap_bytes);
        self.report.note(format!(
            "index, {name}: {} sealed segments, at least {sealed} events in them, {heap} bytes of heap",
            open.sealed_segments
        ));
        if sealed == 0 || open.sealed_segments == 0 {
            return Err("the store has no sealed segment to look at".into());
        }
        let known = look_ups(&subject, entities, 0..entities).await?;
        let unknown = look_ups(&subject, entities, entities..2 * entities).await?;
        // What the look-ups brought into memory counts too.
        let heap = heap.max(count(subject.stats().index_heap_bytes));
        let per_event = float(heap) / float(sealed);
        subject.close().await?;
        let what = format!("heap of sealed indexes, {name}, an event");
        self.report.figure("index", &what, " B", vec![per_event], Reach::AtMost(2.0));
        for (which, reads) in [("known", known), ("unknown", unknown)] {
            let most = float(reads.iter().copied().max().unwrap_or(0));
            let mean = float(reads.iter().sum()) / float(count(reads.len()));
            self.report.note(format!("index, {name}: {mean:.2} blocks a look-up of {which} ids"));
            let what = format!("index blocks of a cold `bounds`, {name}, {which}, most");
            self.report.figure("index", &what, "", vec![most], Reach::AtMost(4.0));
        }
        Ok(())
    }
}

/// The index blocks that the look-up of each of [`LOOK_UPS`] ids read, drawn from `numbers`; those below
/// `entities` are known.
async fn look_ups(subject: &Subject, entities: u64, numbers: Range<u64>) -> Result<Vec<u64>> {
    let mut random = Random::new(numbers.end);
    let mut reads = Vec::with_capacity(LOOK_UPS);
    for _ in 0..LOOK_UPS {
        let number = numbers.start + random.below(numbers.end - numbers.start);
        let entity = Entity::new(number);
        let before = subject.stats().index_block_reads;
        let bounds = subject.store.journal.bounds(&entity.id).await?;
        reads.push(subject.stats().index_block_reads - before);
        if bounds.highest.is_zero() != (number >= entities) {
            return Err(format!("{}: the highest number is {}", entity.id, bounds.highest).into());
        }
    }
    Ok(reads)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()).into())
}
