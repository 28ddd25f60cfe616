//! A reader: replays the entity and delivers what is permanent.

use crate::cluster::{ClaimRow, Cluster, Replicas};
use crate::ghost::Ghost;
use crate::jvm::{Jvm, NO_CLAIM, is_latest};
use crate::replay::{Next, Replay, Whole};
use crate::scope::Scope;
use crate::step::ReaderStep;
use crate::writer::check;
use crate::{Mistake, Property};

/// How far the reader is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reader {
    Idle,
    /// Only the mistake that checks first.
    Checking(ClaimRow),
    Reading(Replay, Option<bool>),
    /// Read to its end, not checked.
    Read(Replay),
    /// Checked, with the answer.
    Checked(Replay, bool),
    Done,
}

/// The reader and what it has to see: the highest number acknowledged before it began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reading {
    pub(crate) phase: Reader,
    must: u8,
}

impl Reading {
    pub(crate) fn new() -> Self {
        Self { phase: Reader::Idle, must: 0 }
    }

    /// What the reader may do next.
    pub(crate) fn steps(&self, steps: &mut Vec<ReaderStep>) {
        match &self.phase {
            Reader::Idle => steps.push(ReaderStep::Begin),
            Reader::Reading(..) => steps.extend(Replicas::PAIRS.map(ReaderStep::Read)),
            Reader::Read(_) | Reader::Checking(_) => {
                steps.extend(Replicas::PAIRS.map(ReaderStep::Check));
            }
            Reader::Checked(..) => steps.push(ReaderStep::Deliver),
            Reader::Done => {}
        }
    }

    /// Does one step.
    pub(crate) fn step(
        &mut self,
        scope: &Scope,
        cluster: &mut Cluster,
        ghost: &mut Ghost,
        jvm: &Jvm,
        step: ReaderStep,
    ) -> Result<(), Property> {
        let phase = std::mem::replace(&mut self.phase, Reader::Idle);
        self.phase = match (phase, step) {
            (Reader::Idle, ReaderStep::Begin) => {
                self.must = ghost.acknowledged();
                self.begin(scope, cluster)
            }
            (Reader::Checking(seen), ReaderStep::Check(pair)) => {
                let passed = check(scope, cluster, seen.writer, seen.claim, pair);
                Reader::Reading(Replay::new(seen), Some(passed))
            }
            (Reader::Reading(mut replay, passed), ReaderStep::Read(pair)) => {
                let rows = cluster.read(scope, replay.next, pair);
                match (replay.take(scope, &rows), passed) {
                    (Next::More, _) => Reader::Reading(replay, passed),
                    (Next::Outdated | Next::Mixed, _) => Reader::Idle,
                    (Next::Done, Some(passed)) => Reader::Checked(replay, passed),
                    // Without a claim row there is nothing to check, but the row is read again.
                    (Next::Done, None) if replay.seen.claim == 0 => Reader::Checked(replay, true),
                    (Next::Done, None) => Reader::Read(replay),
                }
            }
            (Reader::Read(replay), ReaderStep::Check(pair)) => {
                let passed = check(scope, cluster, replay.seen.writer, replay.seen.claim, pair);
                Reader::Checked(replay, passed)
            }
            (Reader::Checked(replay, passed), ReaderStep::Deliver) => {
                self.deliver(scope, cluster, ghost, jvm, replay, passed)?
            }
            (phase, _) => phase,
        };
        Ok(())
    }

    fn begin(&self, scope: &Scope, cluster: &Cluster) -> Reader {
        let seen = cluster.claim_row;
        if scope.makes(Mistake::ReaderChecksFirst) && seen.claim > 0 {
            return Reader::Checking(seen);
        }
        Reader::Reading(Replay::new(seen), None)
    }

    fn deliver(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        ghost: &mut Ghost,
        jvm: &Jvm,
        replay: Replay,
        passed: bool,
    ) -> Result<Reader, Property> {
        let now = cluster.claim_row;
        let unclaimed = replay.seen.claim == 0;
        if unclaimed && now.claim > 0 {
            return Ok(Reader::Idle);
        }
        let mut permanent = replay.whole.as_slice();
        if passed {
            let short = replay.end() < now.deleted || replay.end() + 1 < replay.seen.from;
            if short && !scope.makes(Mistake::DeletedReadBeforeOnly) {
                return Ok(Reader::Idle);
            }
            if replay.end() < self.must {
                return Err(Property::NothingLost);
            }
        } else if let Some(last) =
            permanent.iter().rposition(|whole| whole.key.claim == replay.seen.claim)
            && !scope.makes(Mistake::DoubtfulDelivered)
        {
            // Also if events of a JVM follow: they do not say that it was acknowledged.
            permanent = permanent.get(..last).unwrap_or_default();
        }
        // What a JVM that runs did not acknowledge, it may replace itself.
        let stays = |whole: &&Whole| {
            whole.key.claim != NO_CLAIM || (!jvm.runs() && is_latest(cluster, whole.key))
        };
        permanent.iter().filter(stays).try_for_each(|whole| ghost.keep(*whole))?;
        Ok(if passed { Reader::Done } else { Reader::Idle })
    }
}
