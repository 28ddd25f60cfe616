//! Appends over many entities for long enough that caches, compactions and check-points count,
//! against the engines that a user would otherwise pick.

use super::Bench;
use crate::Result;

#[cfg(not(feature = "peers"))]
impl Bench {
    pub(super) async fn sustained(&mut self) -> Result<()> {
        self.report.note("left out: built without the feature `peers`".to_owned());
        Ok(())
    }
}

#[cfg(feature = "peers")]
mod with_peers {
    use std::sync::Arc;

    use super::{Bench, Result};
    use crate::commit::{GroupCommit, Sink};
    use crate::driver::{Load, Outcome, drive};
    use crate::figures::discard;
    use crate::peers::{FjallSink, RedbSink, SqliteSink};
    use crate::report::Reach;

    impl Bench {
        pub(in crate::figures) async fn sustained(&mut self) -> Result<()> {
            let load = Load {
                writers: 256,
                entities: self.plan.entities,
                payload_bytes: self.plan.payload_bytes,
                warm_up: self.plan.warm_up,
                measure: self.plan.sustained,
            };
            let (mut rates, mut tails, mut fastest_tails) = (vec![], vec![], vec![]);
            for round in 1..=self.plan.sustained_rounds {
                let ours = self.append_to_store(load).await?;
                self.tell(round, "annals", &ours);
                let dir = self.place("peer")?;
                let mut peers = Vec::new();
                peers.push(("fjall", run(FjallSink::create(&dir)?, load).await?));
                discard(&dir)?;
                peers.push(("redb", run(RedbSink::create(&dir)?, load).await?));
                discard(&dir)?;
                peers.push(("sqlite", run(SqliteSink::create(&dir)?, load).await?));
                discard(&dir)?;
                for (name, outcome) in &peers {
                    self.tell(round, name, outcome);
                }
                let outcomes = || peers.iter().map(|(_, outcome)| outcome);
                let best_rate = outcomes().map(Outcome::rate).fold(0.0, f64::max);
                let best_tail = outcomes().map(|outcome| outcome.millis(0.999));
                let best_tail = best_tail.fold(f64::INFINITY, f64::min);
                let fastest = outcomes().max_by(|left, right| left.rate().total_cmp(&right.rate()));
                let fastest_tail = fastest.map_or(f64::INFINITY, |outcome| outcome.millis(0.999));
                fastest_tails.push(ours.millis(0.999) / fastest_tail);
                rates.push(ours.rate() / best_rate);
                tails.push(ours.millis(0.999) / best_tail);
            }
            let what = "256 writers, 10,240 ids, times the best of fjall, redb, SQLite";
            self.report.figure("sustained", what, "", rates, Reach::AtLeast(3.0));
            let what = "its p99.9, share of the fastest one's";
            self.report.figure("sustained", what, "", fastest_tails, Reach::AtMost(0.2));
            let what = "its p99.9, share of the lowest of theirs";
            self.report.figure("sustained", what, "", tails, Reach::None);
            Ok(())
        }

        fn tell(&mut self, round: usize, name: &str, outcome: &Outcome) {
            self.report.note(format!("sustained {round}, {name}: {}", outcome.summary()));
            self.report.value(&format!("sustained_{name}_events_per_second"), outcome.rate());
            self.report.value(&format!("sustained_{name}_p999_millis"), outcome.millis(0.999));
        }
    }

    async fn run(sink: impl Sink, load: Load) -> Result<Outcome> {
        let commit = Arc::new(GroupCommit::start(sink)?);
        let outcome = drive(commit.clone(), load).await?;
        commit.stop()?;
        Ok(outcome)
    }
}
