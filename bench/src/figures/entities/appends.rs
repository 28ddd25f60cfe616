//! Commands whose events are stored, against the same appends with their bytes at hand.

use std::sync::Arc;

use super::{Asking, Bench, region_over};
use crate::Result;
use crate::driver::{Load, Outcome, drive};
use crate::report::Reach;

const MANY: u64 = 1_024;
const WAITING: u64 = 64;

impl Bench {
    pub(super) async fn many(&mut self) -> Result<()> {
        let mut ratios = Vec::new();
        for round in 1..=self.plan.rounds {
            let bare = self.bare(MANY).await?;
            let asked = self.asked(MANY, MANY).await?;
            self.note_outcome(&format!("many {round}, Journal::append"), &bare);
            self.note_outcome(&format!("many {round}, asked"), &asked);
            self.report.value("journal_1024_writers_events_per_second", bare.rate());
            self.report.value("entities_1024_commands_per_second", asked.rate());
            self.report.value("entities_1024_p99_millis", asked.millis(0.99));
            ratios.push(asked.rate() / bare.rate());
        }
        let what = "1,024 entities, a command at a time each / Journal::append";
        self.report.figure("many", what, "", ratios, Reach::AtLeast(0.6));
        Ok(())
    }

    pub(super) async fn one(&mut self) -> Result<()> {
        let (mut alone, mut waiting) = (Vec::new(), Vec::new());
        for round in 1..=self.plan.rounds {
            let bare = self.bare(1).await?;
            let asked = self.asked(1, 1).await?;
            let together = self.asked(WAITING, 1).await?;
            self.note_outcome(&format!("one {round}, Journal::append"), &bare);
            self.note_outcome(&format!("one {round}, asked"), &asked);
            self.note_outcome(&format!("one {round}, asked {WAITING} at a time"), &together);
            self.report.value("journal_1_writer_events_per_second", bare.rate());
            self.report.value("entity_commands_per_second", asked.rate());
            self.report.value("entity_64_waiting_commands_per_second", together.rate());
            alone.push(asked.rate() / bare.rate());
            waiting.push(together.rate() / bare.rate());
        }
        let what = "one entity, one command after another / Journal::append by one";
        self.report.figure("one", what, "", alone, Reach::AtLeast(0.85));
        let what = "one entity, 64 commands waiting / Journal::append by one";
        self.report.figure("one", what, "", waiting, Reach::AtLeast(10.0));
        Ok(())
    }

    fn note_outcome(&mut self, what: &str, outcome: &Outcome) {
        self.report.note(format!("{what}: {}", outcome.summary()));
    }

    async fn bare(&mut self, writers: u64) -> Result<Outcome> {
        let load = self.load(writers);
        self.append_to_store(load).await
    }

    async fn asked(&mut self, tasks: u64, entities: u64) -> Result<Outcome> {
        // The driver's payloads are not used: carts make lines of their own.
        let load = Load { payload_bytes: 0, ..self.load(tasks) };
        let (subject, dir) = self.fresh("asked")?;
        let region = region_over(&subject);
        let outcome = drive(Arc::new(Asking::of(&region, 0..entities)), load).await?;
        region.stop().await?;
        self.finish(subject, &dir).await?;
        Ok(outcome)
    }
}
