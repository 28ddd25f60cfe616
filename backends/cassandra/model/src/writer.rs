//! A writer: claims the entity, appends to it, deletes, and claims it again when it was revoked.

use crate::cluster::{AppendKey, Change, ClaimRow, Cluster, Replicas, Update};
use crate::ghost::Ghost;
use crate::replay::{Next, Replay, Whole};
use crate::scope::Scope;
use crate::step::{Answer, WriterStep};
use crate::{Mistake, Property};

/// A claim that a writer holds, as far as it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Held {
    claim: u8,
    from: u8,
    /// The last number acknowledged, or found when the claim was won.
    last: u8,
    /// How far the entity is deleted, as far as the writer knows.
    deleted: u8,
}

/// An insert whose end is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Insert {
    held: Held,
    key: AppendKey,
    events: u8,
    /// Only the mistake that checks too early.
    checked: bool,
}

impl Insert {
    fn whole(self) -> Whole {
        let first = self.key.first;
        Whole { key: self.key, cnt: self.events - 1, first, last: first + self.events - 1 }
    }
}

/// How far a writer is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Writer {
    Idle,
    Revoking(ClaimRow),
    Replaying(Replay),
    /// Knows the last number, and writes the claim.
    Claiming(Replay),
    /// Reads the claim row, since it does not know whether it won.
    Unsure(Replay),
    Owner(Held),
    /// Has ended the entity, and holds its claim.
    Resting(Held),
    Rejoining(Held, Replay),
    Rejoined(Held, Replay),
    Inserting(Insert),
    Checking(Insert),
}

/// Everything but the writer itself.
pub(crate) struct World<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) cluster: &'a mut Cluster,
    pub(crate) ghost: &'a mut Ghost,
}

/// Whether two replicas show the writer's claim as not revoked.
pub(crate) fn check(scope: &Scope, at: &Cluster, writer: u8, claim: u8, pair: Replicas) -> bool {
    let claim = if scope.makes(Mistake::RevocationWithoutNumber) { 0 } else { claim };
    !at.revoked_on(writer, claim).meets(pair)
}

impl Writer {
    /// What writer `me` may do next.
    pub(crate) fn steps(&self, me: u8, scope: &Scope, at: &Cluster, steps: &mut Vec<WriterStep>) {
        match self {
            Self::Idle if at.claim_row.claim < scope.claims => steps.push(WriterStep::Begin),
            Self::Idle => {}
            Self::Revoking(seen) => {
                if scope.makes(Mistake::ReplayBeforeRevoked) || is_revoked(scope, at, *seen) {
                    steps.push(WriterStep::Revoked);
                }
            }
            Self::Replaying(replay) | Self::Rejoining(_, replay) => {
                steps.extend(replay.asks().iter().copied().map(WriterStep::Read));
            }
            Self::Claiming(replay) => {
                if !may_claim(me, scope, at, replay) {
                    return;
                }
                steps.push(WriterStep::Claim(Answer::Arrives));
                if loses(me, scope, at) {
                    steps.push(WriterStep::Claim(Answer::Lost));
                }
            }
            Self::Unsure(_) => steps.push(WriterStep::ReadBack),
            Self::Owner(held) => owner_steps(*held, me, scope, at, steps),
            Self::Resting(_) => steps.push(WriterStep::Rejoin),
            Self::Rejoined(..) => steps.extend(Replicas::PAIRS.map(WriterStep::Check)),
            Self::Inserting(insert) => {
                if is_inserted(scope, at, insert.key) {
                    steps.push(WriterStep::Inserted);
                } else if scope.makes(Mistake::CheckBeforeInserted) && !insert.checked {
                    steps.extend(Replicas::PAIRS.map(WriterStep::Check));
                }
                steps.push(WriterStep::GiveUp);
                if scope.makes(Mistake::RepeatedWithNewContent) && insert.key.attempt == 0 {
                    steps.push(WriterStep::Repeat);
                }
                let behind = insert.key.first + insert.events;
                if scope.makes(Mistake::TwoInFlight) && behind <= scope.numbers {
                    steps.push(WriterStep::Append(1));
                }
            }
            Self::Checking(_) => steps.extend(Replicas::PAIRS.map(WriterStep::Check)),
        }
    }

    /// Does one step of writer `me`.
    pub(crate) fn step(
        self,
        me: u8,
        world: &mut World<'_>,
        step: WriterStep,
    ) -> Result<Self, Property> {
        let scope = world.scope;
        Ok(match (self, step) {
            (Self::Idle, WriterStep::Begin) => begin(me, world),
            (Self::Revoking(seen), WriterStep::Revoked) => replaying(world, seen),
            (Self::Replaying(mut replay), WriterStep::Read(pair)) => {
                let rows = world.cluster.read(scope, replay.next, pair);
                match replay.take(scope, &rows) {
                    Next::More => Self::Replaying(replay),
                    Next::Done if replay.may_go_on(scope) => {
                        Self::Replaying(begin_replay(world, replay.seen).of_all())
                    }
                    Next::Done => claiming(world, replay),
                    Next::Outdated | Next::Mixed => Self::Idle,
                }
            }
            (Self::Claiming(replay), WriterStep::Claim(answer)) => {
                claim(me, world, replay, answer)?
            }
            (Self::Unsure(replay), WriterStep::ReadBack) => {
                let row = world.cluster.claim_row;
                let (claim, from) = (replay.seen.claim + 1, from_seq(scope, &replay));
                if (row.claim, row.writer, row.from) == (claim, me, from) {
                    won(world, &replay)?
                } else {
                    Self::Idle
                }
            }
            (Self::Owner(held), WriterStep::Append(events)) => append(me, world, held, events),
            (Self::Owner(held), WriterStep::Delete(to, answer)) => {
                delete(me, world, held, to, answer)
            }
            (Self::Owner(held) | Self::Resting(held), WriterStep::Rejoin) => {
                rejoining(me, world, held)
            }
            (Self::Rejoining(held, mut replay), WriterStep::Read(pair)) => {
                let rows = world.cluster.read(scope, replay.next, pair);
                match replay.take(scope, &rows) {
                    Next::More => Self::Rejoining(held, replay),
                    Next::Done if replay.may_go_on(scope) => {
                        Self::Rejoining(held, begin_replay(world, replay.seen).of_all())
                    }
                    Next::Done => Self::Rejoined(held, replay),
                    Next::Outdated | Next::Mixed => Self::Idle,
                }
            }
            (Self::Rejoined(held, replay), WriterStep::Check(pair)) => {
                rejoined(me, world, held, &replay, pair)?
            }
            (Self::Inserting(insert), step) => inserting(me, world, insert, step)?,
            (Self::Checking(insert), WriterStep::Check(pair)) => {
                if check(scope, world.cluster, me, insert.held.claim, pair) {
                    acknowledged(world, insert)?
                } else {
                    Self::Idle
                }
            }
            (writer, _) => writer,
        })
    }
}

fn owner_steps(held: Held, me: u8, scope: &Scope, at: &Cluster, steps: &mut Vec<WriterStep>) {
    for events in 1..=scope.events {
        if held.last + events <= scope.numbers {
            steps.push(WriterStep::Append(events));
        }
    }
    if scope.deletes {
        for to in held.deleted + 1..=held.last {
            steps.push(WriterStep::Delete(to, Answer::Arrives));
            if loses(me, scope, at) {
                steps.push(WriterStep::Delete(to, Answer::Lost));
            }
        }
    }
    if scope.rejoin {
        steps.push(WriterStep::Rejoin);
    }
}

/// Whether the answer of another conditional write may get lost: one in flight for each writer.
fn loses(me: u8, scope: &Scope, at: &Cluster) -> bool {
    scope.lost_answers && !at.updates.iter().any(|update| update.by == me)
}

fn is_inserted(scope: &Scope, at: &Cluster, key: AppendKey) -> bool {
    let holders = at.holders(key);
    if scope.makes(Mistake::InsertedOnOneReplica) {
        return holders.count() >= 1;
    }
    holders.is_quorum()
}

fn is_revoked(scope: &Scope, at: &Cluster, seen: ClaimRow) -> bool {
    let claim = if scope.makes(Mistake::RevocationWithoutNumber) { 0 } else { seen.claim };
    let on = at.revoked_on(seen.writer, claim);
    if scope.makes(Mistake::RevokedOnOneReplica) { on.count() >= 1 } else { on.is_quorum() }
}

/// Whether the claimant has done all that precedes the claim.
fn may_claim(me: u8, scope: &Scope, at: &Cluster, replay: &Replay) -> bool {
    if scope.makes(Mistake::ReplayBeforeRevoked) && replay.seen.claim > 0 {
        return is_revoked(scope, at, replay.seen) || replay.seen.writer == me;
    }
    if scope.makes(Mistake::RewritesLastAppend)
        && let Some(last) = replay.whole.last()
    {
        return at.holders(last.key).is_quorum();
    }
    true
}

fn begin(me: u8, world: &mut World<'_>) -> Writer {
    let (scope, seen) = (world.scope, world.cluster.claim_row);
    let own = seen.writer == me && scope.makes(Mistake::OwnClaimNotRevoked);
    if seen.claim == 0 || own || scope.makes(Mistake::NoRevocation) {
        return replaying(world, seen);
    }
    let claim = if scope.makes(Mistake::RevocationWithoutNumber) { 0 } else { seen.claim };
    world.cluster.revoke(seen.writer, claim);
    Writer::Revoking(seen)
}

fn replaying(world: &World<'_>, seen: ClaimRow) -> Writer {
    let replay = begin_replay(world, seen);
    if replay.is_done() { Writer::Claiming(replay) } else { Writer::Replaying(replay) }
}

/// What finds the end of the history.
fn begin_replay(world: &World<'_>, seen: ClaimRow) -> Replay {
    if !world.scope.from_the_end {
        return Replay::new(seen);
    }
    let top = world.cluster.rows.iter().map(|row| row.number()).max().unwrap_or(0);
    Replay::from_the_end(seen, top)
}

fn claiming(world: &mut World<'_>, replay: Replay) -> Writer {
    if world.scope.makes(Mistake::RewritesLastAppend)
        && let Some(last) = replay.whole.last()
    {
        for row in world.cluster.rows.iter_mut().filter(|row| row.key == last.key) {
            row.pending = Replicas::ALL;
        }
    }
    Writer::Claiming(replay)
}

fn from_seq(scope: &Scope, replay: &Replay) -> u8 {
    match scope.mistake {
        Some(Mistake::FromSeqTooLow) => replay.highest().max(1),
        Some(Mistake::FromSeqTooHigh) => replay.highest() + 2,
        _ => replay.highest() + 1,
    }
}

fn claim(
    me: u8,
    world: &mut World<'_>,
    replay: Replay,
    answer: Answer,
) -> Result<Writer, Property> {
    let change = Change::Claim { from: from_seq(world.scope, &replay) };
    let ClaimRow { claim, deleted, .. } = replay.seen;
    let update = Update { by: me, claim, deleted, change };
    match answer {
        Answer::Arrives if world.cluster.apply(world.scope, update) => won(world, &replay),
        Answer::Arrives => Ok(Writer::Unsure(replay)),
        Answer::Lost => {
            lose(world, update);
            if world.scope.makes(Mistake::UnknownTakenAsWon) {
                return won(world, &replay);
            }
            Ok(Writer::Unsure(replay))
        }
    }
}

fn lose(world: &mut World<'_>, update: Update) {
    world.cluster.updates.push(update);
    world.cluster.updates.sort_unstable();
}

fn won(world: &mut World<'_>, replay: &Replay) -> Result<Writer, Property> {
    replay.whole.iter().try_for_each(|whole| world.ghost.keep(*whole))?;
    let (claim, last) = (replay.seen.claim + 1, replay.highest());
    let from = from_seq(world.scope, replay);
    Ok(Writer::Owner(Held { claim, from, last, deleted: replay.seen.deleted }))
}

fn append(me: u8, world: &mut World<'_>, held: Held, events: u8) -> Writer {
    let key = AppendKey { writer: me, claim: held.claim, first: held.last + 1, attempt: 0 };
    world.cluster.insert(key, events);
    Writer::Inserting(Insert { held, key, events, checked: false })
}

fn inserting(
    me: u8,
    world: &mut World<'_>,
    mut insert: Insert,
    step: WriterStep,
) -> Result<Writer, Property> {
    Ok(match step {
        WriterStep::Inserted if insert.checked => acknowledged(world, insert)?,
        WriterStep::Inserted => Writer::Checking(insert),
        WriterStep::GiveUp => Writer::Idle,
        WriterStep::Check(pair) => {
            if !check(world.scope, world.cluster, me, insert.held.claim, pair) {
                return Ok(Writer::Idle);
            }
            insert.checked = true;
            Writer::Inserting(insert)
        }
        WriterStep::Repeat => {
            insert.key.attempt += 1;
            world.cluster.insert(insert.key, insert.events);
            Writer::Inserting(insert)
        }
        WriterStep::Append(events) => {
            let last = insert.held.last + insert.events;
            append(me, world, Held { last, ..insert.held }, events)
        }
        _ => Writer::Inserting(insert),
    })
}

fn acknowledged(world: &mut World<'_>, insert: Insert) -> Result<Writer, Property> {
    world.ghost.acknowledge(insert.whole())?;
    let last = insert.held.last + insert.events;
    Ok(Writer::Owner(Held { last, ..insert.held }))
}

fn rejoining(me: u8, world: &World<'_>, held: Held) -> Writer {
    let Held { claim, from, deleted, .. } = held;
    let seen = ClaimRow { claim, writer: me, from, deleted };
    if world.scope.makes(Mistake::EndNotLookedFor) {
        return Writer::Rejoined(held, Replay::new(seen));
    }
    let replay = begin_replay(world, seen);
    if replay.is_done() {
        return Writer::Rejoined(held, replay);
    }
    Writer::Rejoining(held, replay)
}

fn rejoined(
    me: u8,
    world: &mut World<'_>,
    held: Held,
    replay: &Replay,
    pair: Replicas,
) -> Result<Writer, Property> {
    if !check(world.scope, world.cluster, me, held.claim, pair) {
        return Ok(Writer::Idle);
    }
    if world.scope.makes(Mistake::EndNotLookedFor) {
        return Ok(Writer::Owner(held));
    }
    if replay.highest() < held.last {
        return Err(Property::NothingLost);
    }
    if replay.highest() > held.last {
        // A JVM wrote meanwhile: the entity is claimed anew, from its new end on.
        return Ok(Writer::Idle);
    }
    replay.whole.iter().try_for_each(|whole| world.ghost.keep(*whole))?;
    Ok(Writer::Owner(held))
}

/// The claim row says so first; then the rows go.
fn delete(me: u8, world: &mut World<'_>, held: Held, to: u8, answer: Answer) -> Writer {
    let update =
        Update { by: me, claim: held.claim, deleted: held.deleted, change: Change::Delete { to } };
    match answer {
        Answer::Arrives if world.cluster.apply(world.scope, update) => {
            world.cluster.deletion = world.cluster.deletion.max(to);
            Writer::Owner(Held { deleted: to, ..held })
        }
        // Not the owner any more, or a lost delete happened meanwhile.
        Answer::Arrives => {
            let row = world.cluster.claim_row;
            if row.claim == held.claim {
                world.cluster.deletion = world.cluster.deletion.max(to);
                return Writer::Owner(Held { deleted: row.deleted, ..held });
            }
            Writer::Idle
        }
        Answer::Lost => {
            lose(world, update);
            Writer::Owner(held)
        }
    }
}

impl Writer {
    /// What a writer does that goes on alone, when everything that it asks for happens at once.
    pub(crate) fn alone(&self, pair: Replicas) -> WriterStep {
        match self {
            Self::Idle => WriterStep::Begin,
            Self::Revoking(_) => WriterStep::Revoked,
            Self::Replaying(replay) | Self::Rejoining(_, replay) => {
                WriterStep::Read(if replay.asks().contains(&pair) { pair } else { Replicas::ALL })
            }
            Self::Claiming(_) => WriterStep::Claim(Answer::Arrives),
            Self::Unsure(_) => WriterStep::ReadBack,
            Self::Owner(_) => WriterStep::Append(1),
            Self::Resting(_) => WriterStep::Rejoin,
            Self::Inserting(_) => WriterStep::Inserted,
            Self::Checking(_) | Self::Rejoined(..) => WriterStep::Check(pair),
        }
    }

    /// The mutations that the writer waits for.
    pub(crate) fn awaits(&self) -> (Option<ClaimRow>, Option<AppendKey>) {
        match self {
            Self::Revoking(seen) => (Some(*seen), None),
            Self::Claiming(replay) => (Some(replay.seen), replay.whole.last().map(|w| w.key)),
            Self::Inserting(insert) => (None, Some(insert.key)),
            _ => (None, None),
        }
    }

    /// The claim that it holds, if its last append is settled.
    pub(crate) fn claim(&self) -> Option<u8> {
        match self {
            Self::Owner(held) | Self::Resting(held) => Some(held.claim),
            _ => None,
        }
    }

    /// Whether it does nothing with the entity.
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(self, Self::Idle | Self::Owner(_) | Self::Resting(_))
    }

    /// Ends the entity, and keeps its claim.
    pub(crate) fn rest(&mut self) {
        if let Self::Owner(held) = self {
            *self = Self::Resting(*held);
        }
    }
}
