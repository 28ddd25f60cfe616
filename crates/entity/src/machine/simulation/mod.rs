//! Thousands of short histories of a few machines, drawn from a seed: two nodes race for the same
//! entities, every answer of the store can be late, lost or an error, callers give up, nodes crash.
//! What must hold is checked at each step and at the end of each history:
//!
//! * an answer comes, and a step runs, only when the command's events are in the journal; and what it
//!   saw is the fold of the journal up to them
//! * every event was decided on the fold of the events before it
//! * nothing is carried out twice, nothing that was told *not written* is ever written
//! * nobody is left without an answer, no entity is stuck
//! * a timer's command comes only while that timer runs: not once it is replaced, cancelled, or its entity
//!   stopped
//! * an entity that makes copies of its state goes on with one exactly when an append was certainly not
//!   stored
//! * an entity can always be recovered, whatever retention deleted; recoveries and ends are told in turn

mod checks;
mod model;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use annals_core::{
    Append, Batch as StoredBatch, Bounds, Codec, Error, ErrorKind, PersistenceId, Result,
    RetryPolicy, SeqNr, StoredEvent, Tags, Timestamp, WriterId,
};

use super::{
    Attempts, Cadence, Config, Cx, Envelope, Input, Machine, Next, Output, Recovered, Recovery,
    Save, Saved, TimerId,
};
use crate::myself::Nowhere;
use crate::reply::{Answer, reply_channel};
use crate::{Settings, keep, plain};
use model::{COPIES, Command, Entry, History, InMemory, Kind, Ledger, Random, Runs};

const HISTORIES: u64 = 3_000;
const NODES: usize = 2;
const ENTITIES: usize = 2;

#[test]
fn thousands_of_histories_keep_every_promise() {
    let mut answers = BTreeMap::new();
    let (mut ticks, mut deletes, mut kept) = (0, 0, 0);
    for seed in 0..HISTORIES {
        let mut world = World::new(seed);
        for _ in 0..world.random.below(120) {
            world.step();
        }
        world.finish();
        world.check();
        ticks += world.ticks;
        deletes += world.deletes;
        kept += world.kept;
        for (_, outcome) in world.outcomes {
            *answers.entry(outcome).or_insert(0_u32) += 1;
        }
    }
    assert!(ticks > 1_000 && deletes > 100, "{ticks} ticks, {deletes} deletions");
    assert!(kept > 200, "{kept} times a state was kept");
    // The histories reach every outcome, or they would prove little.
    for outcome in [
        "ok",
        "conflict",
        "fenced",
        "invalid",
        "unavailable",
        "outcome unknown",
        "closed",
        "internal",
    ] {
        assert!(answers.get(outcome).is_some_and(|count| *count > 50), "{outcome}: {answers:?}");
    }
}

type Place = (usize, PersistenceId);

/// An operation on its way.
enum Op {
    Write(Append, Box<Attempts>),
    Recover,
    /// What a recovery read; the journal may have moved on since.
    Deliver(Result<Recovered<Ledger>>),
    Save(Box<Save>),
    BackOff,
    Leave,
    Timer(TimerId),
}

struct Asked {
    number: u64,
    kind: Kind,
    id: PersistenceId,
    node: usize,
    answer: Option<Answer<Ledger>>,
}

struct World {
    seed: u64,
    random: Arc<Random>,
    /// How many of 100 answers of the store are errors.
    faults: usize,
    codec: Arc<InMemory>,
    config: Config<Ledger>,
    histories: BTreeMap<PersistenceId, History>,
    machines: HashMap<Place, Machine<Ledger>>,
    ops: Vec<(Place, Op)>,
    /// Attempts that nobody waits for any more, and that may still reach the store.
    ghosts: Vec<Append>,
    asked: Vec<Asked>,
    outcomes: HashMap<u64, &'static str>,
    runs: Runs,
    /// The starts of timers whose commands may come, by key.
    timers: HashMap<(Place, u8), u64>,
    /// Where an entity is recovered.
    alive: HashSet<Place>,
    ticks: usize,
    deletes: usize,
    /// How often an entity went on after an append that was not stored.
    kept: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let random = Arc::new(Random::new(seed));
        let codec = Arc::new(InMemory::default());
        let retry = RetryPolicy::default().with_retries_max(2);
        let settings = Settings::default()
            .with_mailbox_max(8)
            .with_write_retry(retry)
            .with_conflict_retries(1)
            .with_batch_commands_max(4);
        COPIES.set(random.percent(50));
        let retention = match random.percent(50) {
            true => keep(1).and_delete_events(),
            false => keep(2),
        };
        let config = Config {
            settings,
            format: plain(codec.clone()),
            snapshot_codec: Some(codec.clone()),
            cadence: Some(Cadence::new(5, retention)),
            ids: random.clone(),
            mail: std::sync::Weak::<Nowhere>::new(),
            batch_events_max: 6,
            batch_bytes_max: 1_000,
        };
        let ids = (0..ENTITIES).map(|number| PersistenceId::of("ledger", &number.to_string()));
        Self {
            seed,
            faults: random.below(60),
            codec,
            config,
            histories: ids.map(|id| (id.unwrap(), History::default())).collect(),
            machines: HashMap::new(),
            ops: Vec::new(),
            ghosts: Vec::new(),
            asked: Vec::new(),
            outcomes: HashMap::new(),
            runs: Runs::default(),
            timers: HashMap::new(),
            alive: HashSet::new(),
            ticks: 0,
            deletes: 0,
            kept: 0,
            random,
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..40 => self.ask(),
            40..90 => self.progress(),
            90..94 => self.land_ghost(),
            94..96 => self.give_up(),
            96 => self.passivate(),
            _ => self.crash(),
        }
        self.collect_answers();
    }

    fn ask(&mut self) {
        let kind = match self.random.below(28) {
            0..9 => Kind::Persist(self.random.next() % 4),
            9 => Kind::PersistThenRun,
            10 => Kind::PersistThenStop,
            11 => Kind::PersistThenPanic,
            12..14 => Kind::Read,
            14 => Kind::Stop,
            15 => Kind::Unhandled,
            16 => Kind::Unanswered,
            17 => Kind::PanicInHandler,
            18 => Kind::PanicInApply,
            19 => Kind::NotEncodable,
            20 => Kind::PersistThenUnstash,
            21..25 => Kind::StartTimer {
                key: self.timer_key(),
                periodic: self.random.percent(50),
                persists: self.random.percent(50),
            },
            25 => Kind::CancelTimer(self.timer_key()),
            _ => Kind::ReadWhenEven,
        };
        let number = u64::try_from(self.asked.len()).unwrap() + 1;
        let (node, entity) = (self.random.below(NODES), self.random.below(ENTITIES));
        let id = self.histories.keys().nth(entity).unwrap().clone();
        let (reply, answer) = reply_channel();
        let caller = answer.caller();
        let command = Command { number, kind, reply, runs: self.runs.clone() };
        let asked = Asked { number, kind, id: id.clone(), node, answer: Some(answer) };
        self.asked.push(asked);
        let place = (node, id);
        self.machines.entry(place.clone()).or_insert_with(|| Machine::new(place.1.clone()));
        self.on(place, Input::Command(Envelope::new(command, Some(caller), None)));
    }

    fn timer_key(&self) -> u8 {
        u8::try_from(self.random.below(2)).unwrap()
    }

    fn on(&mut self, place: Place, input: Input<Ledger>) {
        let Some(machine) = self.machines.get_mut(&place) else { return };
        let mut out = Vec::new();
        let mut cx = Cx { now: Timestamp::UNKNOWN, config: &self.config, out: &mut out };
        let failed = match &input {
            Input::Written(Err(error)) => Some(error.kind()),
            _ => None,
        };
        machine.on(input, &mut cx);
        let entries = Entry::take_all();
        if let Some(kind) = failed {
            let goes_on = !entries.iter().any(|entry| matches!(entry, Entry::Stopped));
            self.kept += usize::from(goes_on);
            let certain = [ErrorKind::Unavailable, ErrorKind::Invalid].contains(&kind);
            assert!(COPIES.get() && certain || !goes_on, "seed {}: {kind:?}", self.seed);
        }
        self.check_entries(&place, entries);
        for output in out {
            let op = match output {
                Output::Write(append, _) => {
                    let retry = self.config.settings.write_retry;
                    Op::Write(append, Box::new(Attempts::new(retry, self.random.clone())))
                }
                Output::Recover(_) => Op::Recover,
                Output::Save(save) => Op::Save(save),
                Output::BackOff(_) => Op::BackOff,
                Output::Leave(_) => Op::Leave,
                Output::Work(..) => continue,
                Output::StartTimer(timer, _) => Op::Timer(timer),
                Output::CancelTimer(timer) => {
                    // Or it is over at this very moment: then it must be ignored.
                    if self.random.percent(50) {
                        self.ops.retain(|op| !is_timer(op, &place, Some(timer)));
                    }
                    continue;
                }
                Output::Remove => {
                    self.machines.remove(&place);
                    self.ops.retain(|op| !is_timer(op, &place, None));
                    self.timers.retain(|(of, _), _| *of != place);
                    continue;
                }
            };
            self.ops.push((place.clone(), op));
        }
        let writes = self.ops.iter().filter(|op| op.0 == place && matches!(op.1, Op::Write(..)));
        assert!(writes.count() <= 1, "seed {}: two appends of one entity in flight", self.seed);
    }

    fn progress(&mut self) {
        if self.ops.is_empty() {
            return;
        }
        let (place, op) = self.ops.swap_remove(self.random.below(self.ops.len()));
        match op {
            Op::Write(append, attempts) => self.attempt(place, append, attempts),
            Op::Recover => {
                let result = match self.random.percent(self.faults / 3) {
                    true => Err(Error::unavailable("as simulated")),
                    false => {
                        let recovered = self.recover(&place.1);
                        let error = recovered.as_ref().err();
                        assert!(error.is_none(), "seed {}: {error:?}", self.seed);
                        recovered
                    }
                };
                self.ops.push((place, Op::Deliver(result)));
            }
            Op::Deliver(result) => self.on(place, Input::Recovered(result)),
            Op::Save(save) => {
                let saved = self.save(&place.1, *save);
                self.on(place, Input::Saved(Box::new(saved)));
            }
            Op::BackOff => self.on(place, Input::BackedOff),
            Op::Leave => self.on(place, Input::Left),
            Op::Timer(timer) => self.on(place, Input::Timer(timer)),
        }
    }

    fn attempt(&mut self, place: Place, append: Append, mut attempts: Box<Attempts>) {
        let history = self.histories.get_mut(&place.1).unwrap();
        let fails = |kind| Err(Error::new(kind, "as simulated"));
        let answer = match self.random.percent(self.faults) {
            false => history.append(&append),
            true => match self.random.below(16) {
                0..5 => fails(ErrorKind::Unavailable),
                5..8 => fails(ErrorKind::OutcomeUnknown),
                8..10 => history.append(&append).and(fails(ErrorKind::OutcomeUnknown)),
                10 => fails(ErrorKind::Fenced),
                11 => fails(ErrorKind::Invalid),
                12 => fails(ErrorKind::Closed),
                13 => fails(ErrorKind::Internal),
                14 => {
                    let error = attempts.deadline_passed(&append, false);
                    return self.on(place, Input::Written(Err(error)));
                }
                _ => {
                    let error = attempts.deadline_passed(&append, true);
                    self.ghosts.push(append);
                    return self.on(place, Input::Written(Err(error)));
                }
            },
        };
        match attempts.answered(&append, answer) {
            Next::Done(result) => self.on(place, Input::Written(result)),
            Next::Repeat(_) => self.ops.push((place, Op::Write(append, attempts))),
        }
    }

    fn recover(&self, id: &PersistenceId) -> Result<Recovered<Ledger>> {
        let history = &self.histories[id];
        let bounds = Bounds { deleted_to: history.deleted_to, highest: history.highest() };
        let mut recovery = match history.snapshots.last_key_value() {
            Some((seq_nr, payload)) => {
                self.config.settings.deleted_prefix.check(id, *seq_nr, bounds)?;
                Recovery::from_snapshot(id, self.codec.decode(payload)?, *seq_nr)
            }
            None => {
                self.config.settings.deleted_prefix.check(id, SeqNr::ZERO, bounds)?;
                Recovery::empty(id, SeqNr::ZERO)?
            }
        };
        let numbered = history.events.iter().zip(1..);
        let events = numbered.map(|(payload, number)| StoredEvent {
            seq_nr: SeqNr::new(number).unwrap(),
            writer: WriterId::new("any"),
            timestamp: Timestamp::UNKNOWN,
            payload: payload.clone(),
            event_manifest: Arc::from(""),
            tags: Tags::NONE,
            metadata: None,
        });
        let next = recovery.next();
        let is_there =
            |event: &StoredEvent| event.seq_nr > bounds.deleted_to && event.seq_nr >= next;
        let events = events.filter(is_there).collect();
        recovery.apply(&StoredBatch { events }, self.config.format.as_ref())?;
        recovery.finish(bounds.highest)
    }

    fn save(&mut self, id: &PersistenceId, save: Save) -> Saved {
        let Save { snapshot, retention } = save;
        let state: Ledger = self.codec.decode(&snapshot.payload).unwrap();
        assert_eq!(self.fold(id).get(&state.count), Some(&state), "S5, seed {}", self.seed);
        assert_eq!(state.count, snapshot.seq_nr.get());
        let seq_nr = snapshot.seq_nr;
        let fails = || Err(Error::unavailable("as simulated"));
        if self.random.percent(self.faults) {
            return Saved::only(seq_nr, fails());
        }
        let mut saved = Saved::only(seq_nr, Ok(()));
        let history = self.histories.get_mut(id).unwrap();
        history.snapshots.insert(seq_nr, snapshot.payload);
        let newest: Vec<_> = history.snapshots.keys().rev().copied().collect();
        let superfluous = retention.unwrap().superfluous(&newest);
        if self.random.percent(self.faults / 3) {
            saved.events = Some((superfluous.events_to, fails()));
            return saved;
        }
        history.deleted_to = history.deleted_to.max(superfluous.events_to);
        saved.events = Some((superfluous.events_to, Ok(())));
        if self.random.percent(self.faults / 3) {
            saved.snapshots = Some((superfluous.snapshots_to, fails()));
            return saved;
        }
        history.snapshots.retain(|at, _| *at > superfluous.snapshots_to);
        let has_base =
            history.deleted_to.is_zero() || history.snapshots.contains_key(&history.deleted_to);
        assert!(has_base, "seed {}: the oldest event that is left has no base", self.seed);
        saved.snapshots = Some((superfluous.snapshots_to, Ok(())));
        saved
    }

    fn land_ghost(&mut self) {
        if !self.ghosts.is_empty() {
            let append = self.ghosts.swap_remove(self.random.below(self.ghosts.len()));
            let _ = self.histories.get_mut(append.id()).unwrap().append(&append);
        }
    }

    fn passivate(&mut self) {
        let places: Vec<_> = self.machines.keys().cloned().collect();
        for place in places {
            self.on(place, Input::Passivate);
        }
    }

    fn give_up(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let asked = self.random.below(self.asked.len());
        let asked = &mut self.asked[asked];
        if let Some(answer) = asked.answer.take() {
            let outcome = match answer.give_up() {
                Ok(answer) => answer.err().map_or("gone", |error| error.kind().name()),
                Err(given_up) if given_up.taken => "outcome unknown",
                Err(_) => "withdrawn",
            };
            self.outcomes.insert(asked.number, outcome);
        }
    }

    /// A node dies: what it had in flight may still reach the store, its callers learn nothing.
    fn crash(&mut self) {
        let node = self.random.below(NODES);
        let (gone, left) = std::mem::take(&mut self.ops).into_iter().partition(|op| op.0.0 == node);
        self.ops = left;
        let gone: Vec<(Place, Op)> = gone;
        self.ghosts.extend(gone.into_iter().filter_map(|(_, op)| match op {
            Op::Write(append, _) => Some(append),
            _ => None,
        }));
        for asked in self.asked.iter_mut().filter(|asked| asked.node == node) {
            if asked.answer.take().is_some() {
                self.outcomes.insert(asked.number, "crashed");
            }
        }
        self.machines.retain(|place, _| place.0 != node);
        self.timers.retain(|(place, _), _| place.0 != node);
        self.alive.retain(|place| place.0 != node);
    }

    /// The store works again; everything ends.
    fn finish(&mut self) {
        self.faults = 0;
        let places: Vec<_> = self.machines.keys().cloned().collect();
        for place in places {
            self.on(place, Input::Stop);
        }
        for _ in 0..10_000 {
            if self.ops.is_empty() {
                break;
            }
            self.progress();
        }
        self.collect_answers();
        while !self.ghosts.is_empty() {
            self.land_ghost();
        }
        assert!(self.ops.is_empty(), "seed {}: an operation never ends", self.seed);
        assert!(self.machines.is_empty(), "seed {}: an entity is stuck", self.seed);
        assert!(self.alive.is_empty(), "seed {}: an end was not told", self.seed);
    }
}

fn is_timer((of, op): &(Place, Op), place: &Place, timer: Option<TimerId>) -> bool {
    of == place && matches!(op, Op::Timer(other) if timer.is_none_or(|timer| timer == *other))
}
