//! A JVM that writes the entity between claims, by Pekko's plugin: plain inserts, and no notion of claims.
//!
//! ```text
//!  annals at rest ──start──▶ recovering ──▶ running ──insert──▶ inserting ──acknowledged──▶ running
//!                                ▲             │                    │
//!                                └─────────────┼────── gave up ─────┤
//!  annals begins  ◀─────────end────────────────┘                    │
//!       ▲                                                           │
//!       └──────────────── killed, whatever it does ◀────────────────┘
//! ```
//!
//! A JVM is not fenced, so the hand-over is what the model assumes, and no more is promised:
//!
//! * One side runs at a time. Before a JVM starts, annals has ended the entity in order: its last append is
//!   acknowledged, or settled by a newer claim; void rows are gone, and nothing of them arrives later.
//! * Before annals begins, the JVM has ended, and nothing that it wrote arrives later. In order: of the
//!   events that it wrote at a number, the one that counts is on a quorum. Killed: at the last number it may
//!   be on one replica alone, if another event of a JVM precedes it, by which annals sees whom it follows.
//!
//! An annals process may hold its claim all the while, and readers may read.

use crate::Mistake;
use crate::Property;
use crate::cluster::{AppendKey, Cluster, Replicas, Row};
use crate::ghost::Ghost;
use crate::replay::{Replay, Whole};
use crate::scope::Scope;
use crate::step::JvmStep;
use crate::writer::Writer;

/// What a JVM's rows carry instead of a claim.
pub(crate) const NO_CLAIM: u8 = 0;
/// Tries at one number: a second one shows all that a third would.
const ATTEMPTS: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase {
    Away,
    Recovering,
    /// Knows the last number.
    Running(u8),
    Inserting(AppendKey),
}

/// The JVM, and how often it has had the entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Jvm {
    phase: Phase,
    turns: u8,
}

impl Jvm {
    pub(crate) fn new() -> Self {
        Self { phase: Phase::Away, turns: 0 }
    }

    /// Whether it has the entity.
    pub(crate) fn runs(&self) -> bool {
        self.phase != Phase::Away
    }

    /// What it may do next.
    pub(crate) fn steps(
        &self,
        scope: &Scope,
        at: &Cluster,
        writers: &[Writer],
        steps: &mut Vec<JvmStep>,
    ) {
        match self.phase {
            Phase::Away => {
                if self.turns < scope.turns && is_handed_over(scope, at, writers) {
                    steps.push(JvmStep::Start);
                }
            }
            Phase::Recovering => steps.extend(Replicas::PAIRS.map(JvmStep::Read)),
            Phase::Running(last) => {
                if last < scope.numbers && attempts(at, last + 1) < ATTEMPTS {
                    steps.push(JvmStep::Append);
                }
                if unsettled(at).next().is_none() {
                    steps.push(JvmStep::End);
                }
            }
            Phase::Inserting(key) => {
                if at.holders(key).is_quorum() {
                    steps.push(JvmStep::Inserted);
                }
                steps.push(JvmStep::GiveUp);
            }
        }
        if scope.killed && self.runs() && may_die(scope, at) {
            steps.push(JvmStep::Die);
        }
    }

    /// Does one step.
    pub(crate) fn step(
        &mut self,
        scope: &Scope,
        cluster: &mut Cluster,
        ghost: &mut Ghost,
        step: JvmStep,
    ) -> Result<(), Property> {
        self.phase = match (self.phase, step) {
            (Phase::Away, JvmStep::Start) => {
                self.turns += 1;
                hand_over(scope, cluster);
                Phase::Recovering
            }
            (Phase::Recovering, JvmStep::Read(pair)) => {
                Phase::Running(highest(scope, cluster, pair))
            }
            (Phase::Running(last), JvmStep::Append) => {
                let first = last + 1;
                let attempt = attempts(cluster, first);
                let key = AppendKey { writer: 0, claim: NO_CLAIM, first, attempt };
                cluster.insert(key, 1);
                Phase::Inserting(key)
            }
            (Phase::Inserting(key), JvmStep::Inserted) => {
                let AppendKey { first, .. } = key;
                ghost.acknowledge(Whole { key, cnt: 0, first, last: first })?;
                Phase::Running(first)
            }
            (Phase::Inserting(_), JvmStep::GiveUp) => Phase::Recovering,
            (Phase::Running(_), JvmStep::End) | (_, JvmStep::Die) => {
                if !scope.makes(Mistake::HandedBackEarly) {
                    forget_pending(cluster, |key| key.claim == NO_CLAIM);
                }
                Phase::Away
            }
            (phase, _) => phase,
        };
        Ok(())
    }
}

fn attempts(at: &Cluster, number: u8) -> u8 {
    let own = at.rows.iter().filter(|row| row.key.claim == NO_CLAIM && row.number() == number);
    own.fold(0, |attempts, _| attempts + 1)
}

/// The events of a JVM that count among those at their numbers, and that a quorum may not show.
fn unsettled(at: &Cluster) -> impl Iterator<Item = &Row> {
    let counts = |row: &&Row| is_latest(at, row.key);
    at.rows.iter().filter(counts).filter(|row| !row.on.is_quorum())
}

/// Whether this is the latest event of a JVM at its number that any replica has.
pub(crate) fn is_latest(at: &Cluster, key: AppendKey) -> bool {
    let mut there =
        at.rows.iter().filter(|row| row.key.claim == NO_CLAIM && row.on != Replicas::NONE);
    let later = |row: &Row| row.number() == key.first && row.key.attempt > key.attempt;
    key.claim == NO_CLAIM && at.holders(key) != Replicas::NONE && !there.any(later)
}

/// Whether what it leaves is at the end, and follows an event of a JVM.
fn may_die(scope: &Scope, at: &Cluster) -> bool {
    let jvms =
        || at.rows.iter().filter(|row| row.key.claim == NO_CLAIM && row.on != Replicas::NONE);
    let last = jvms().map(Row::number).max();
    let follows = |row: &Row| {
        let before = row.number() - 1;
        let rows = at.rows.iter().filter(|row| row.number() == before);
        let counts = rows.max_by_key(|row| row.key.claim);
        before > at.claim_row.deleted && counts.is_some_and(|row| row.key.claim == NO_CLAIM)
    };
    let any = scope.makes(Mistake::KilledAtFirstEvent);
    unsettled(at).all(|row| Some(row.number()) == last && (any || follows(row)))
}

/// Whether annals has ended the entity in order.
fn is_handed_over(scope: &Scope, at: &Cluster, writers: &[Writer]) -> bool {
    if scope.makes(Mistake::BothAtOnce) {
        return true;
    }
    let newest = at.claim_row.claim;
    let settled = newest == 0
        || scope.makes(Mistake::HandedOverUnsettled)
        || writers.iter().any(|writer| writer.claim() == Some(newest));
    settled && at.updates.is_empty() && writers.iter().all(Writer::is_at_rest)
}

/// Removes void rows, wherever they are or may still arrive.
fn hand_over(scope: &Scope, cluster: &mut Cluster) {
    if scope.makes(Mistake::BothAtOnce) || scope.makes(Mistake::HandedOverWithVoidRows) {
        return;
    }
    if scope.makes(Mistake::HandedOverUnsettled) {
        forget_pending(cluster, |_| true);
    }
    let history = Replay::view(scope, cluster, Replicas::ALL);
    let deleted = cluster.claim_row.deleted;
    cluster.rows.retain(|row| {
        row.number() <= deleted || history.whole.iter().any(|whole| whole.key == row.key)
    });
}

fn forget_pending(cluster: &mut Cluster, of: impl Fn(AppendKey) -> bool) {
    for row in cluster.rows.iter_mut().filter(|row| of(row.key)) {
        row.pending = Replicas::NONE;
    }
}

/// The last number that Pekko's recovery finds, which takes every row for an event.
fn highest(scope: &Scope, cluster: &mut Cluster, pair: Replicas) -> u8 {
    let mut highest = cluster.claim_row.deleted;
    for number in 1..=scope.numbers {
        if !cluster.read(scope, number, pair).is_empty() {
            highest = highest.max(number);
        }
    }
    highest
}
