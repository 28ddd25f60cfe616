//! Durable appends against the physical limit: the same driver with a writer that only concatenates
//! the bytes, and a loop that only writes.

use std::sync::Arc;

use super::{Bench, Figure};
use crate::Result;
use crate::commit::GroupCommit;
use crate::driver::{Load, Outcome, drive};
use crate::number::rate;
use crate::raw::{BLOCK, Batch, RawFile, RawSink, bare_loop};
use crate::report::Reach;

const WRITERS: u64 = 256;

impl Bench {
    pub(super) async fn appends(&mut self) -> Result<()> {
        let load = self.load(WRITERS);
        let mut file = self.raw_file()?;
        let (mut against_driver, mut of_loop, mut limit_of_loop) = (vec![], vec![], vec![]);
        for round in 1..=self.plan.rounds {
            let ours = self.append_to_store(load).await?;
            let commit = Arc::new(GroupCommit::start(RawSink::new(file))?);
            let limit = drive(commit.clone(), load).await?;
            let sink = commit.stop()?;
            let batches = sink.batches.clone();
            file = sink.into_file();
            let (events, elapsed) = bare_loop(&mut file, &batches, self.plan.measure / 2)?;
            let bare = rate(events, elapsed);
            self.report.note(format!("appends {round}, annals: {}", ours.summary()));
            self.report.note(format!("appends {round}, raw writer: {}", limit.summary()));
            self.report.note(format!("appends {round}, bare loop: {bare:.0} events/s"));
            self.report.value("appends_256_writers_events_per_second", ours.rate());
            self.report.value("appends_256_writers_p99_millis", ours.millis(0.99));
            self.report.value("raw_writer_256_writers_events_per_second", limit.rate());
            self.report.value("bare_loop_events_per_second", bare);
            against_driver.push(ours.rate() / limit.rate());
            of_loop.push(ours.rate() / bare);
            limit_of_loop.push(limit.rate() / bare);
        }
        let name = name(Figure::Appends);
        let what = "256 writers, 256 B, share of the raw writer's rate";
        self.report.figure(name, what, "", against_driver, Reach::AtLeast(0.85));
        let what = "256 writers, share of a bare loop of its batches";
        self.report.figure(name, what, "", of_loop, Reach::AtLeast(0.7));
        let what = "the raw writer's own share of the bare loop";
        self.report.figure(name, what, "", limit_of_loop, Reach::None);
        Ok(())
    }

    pub(super) async fn single(&mut self) -> Result<()> {
        let load = self.load(1);
        let mut file = self.raw_file()?;
        let one = [Batch { events: 1, bytes: BLOCK }];
        let mut shares = Vec::new();
        for round in 1..=self.plan.rounds {
            let ours = self.append_to_store(load).await?;
            let (events, elapsed) = bare_loop(&mut file, &one, self.plan.measure / 2)?;
            let bare = rate(events, elapsed);
            self.report.note(format!("single {round}, annals: {}", ours.summary()));
            self.report.note(format!("single {round}, bare loop: {bare:.0} writes/s"));
            self.report.value("appends_1_writer_events_per_second", ours.rate());
            self.report.value("appends_1_writer_p99_millis", ours.millis(0.99));
            self.report.value("bare_loop_4_kib_writes_per_second", bare);
            shares.push(ours.rate() / bare);
        }
        let what = "1 writer, 256 B, share of a bare loop of 4 KiB writes";
        self.report.figure(name(Figure::Single), what, "", shares, Reach::AtLeast(0.75));
        Ok(())
    }

    pub(super) fn load(&self, writers: u64) -> Load {
        Load {
            writers,
            entities: writers,
            payload_bytes: self.plan.payload_bytes,
            warm_up: self.plan.warm_up,
            measure: self.plan.measure,
        }
    }

    fn raw_file(&mut self) -> Result<RawFile> {
        let file = RawFile::create(&self.root.path().join("raw"))?;
        self.report.note(format!("the raw file's path: {}", file.path()));
        Ok(file)
    }

    /// A run against a new store.
    pub(super) async fn append_to_store(&mut self, load: Load) -> Result<Outcome> {
        let (subject, dir) = self.fresh("store")?;
        let outcome = drive(Arc::new(subject.target()), load).await?;
        self.finish(subject, &dir).await?;
        Ok(outcome)
    }
}

fn name(figure: Figure) -> &'static str {
    match figure {
        Figure::Appends => "appends",
        _ => "single",
    }
}
