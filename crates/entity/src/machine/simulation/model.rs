//! The simulated application and store: a ledger whose events say what their handler saw, and a
//! journal that keeps the clauses of the contract.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{
    Append, AppendId, Appended, Codec, Error, Ids, Payload, Result, SeqNr, SerializerId, WriterId,
};
use parking_lot::Mutex;

use crate::{Context, Effect, EventSourced, Reply, Signal, Timer};

/// A fixed sequence of pseudo-random numbers (splitmix64, by Sebastiano Vigna).
#[derive(Debug)]
pub(super) struct Random(Mutex<u64>);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    pub(super) fn next(&self) -> u64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(*state)
    }

    pub(super) fn below(&self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub(super) fn percent(&self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

impl Ids for Random {
    fn append_id(&self) -> AppendId {
        AppendId::new(u128::from(self.next()))
    }

    fn writer_id(&self) -> WriterId {
        WriterId::new(self.next().to_string())
    }

    fn random(&self) -> u64 {
        self.next()
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A state: how many events, and a digest of all of them in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    pub(super) count: u64,
    pub(super) digest: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Persist(u64),
    PersistThenRun,
    PersistThenStop,
    PersistThenPanic,
    PersistThenUnstash,
    Read,
    /// Put off while the count is odd.
    ReadWhenEven,
    Stop,
    Unhandled,
    Unanswered,
    PanicInHandler,
    PanicInApply,
    NotEncodable,
    StartTimer {
        key: u8,
        periodic: bool,
        persists: bool,
    },
    CancelTimer(u8),
    /// Comes from the timer of this key.
    Tick(u8),
}

#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) reply: Reply<Ledger>,
    pub(super) runs: Runs,
}

/// What the behaviour notes while an input is handled.
#[derive(Debug)]
pub(super) enum Entry {
    TimerStarted { number: u64, key: u8 },
    TimerCancelled { key: u8 },
    Tick { number: u64, key: u8 },
    Stopping,
    Recovered(Ledger),
    Stopped,
    Deleted,
}

thread_local! {
    /// Whether ledgers make copies of their state, in the history at hand.
    pub(super) static COPIES: Cell<bool> = const { Cell::new(false) };

    static ENTRIES: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

impl Entry {
    fn note(self) {
        ENTRIES.with_borrow_mut(|entries| entries.push(self));
    }

    pub(super) fn take_all() -> Vec<Self> {
        ENTRIES.take()
    }
}

/// The commands whose `then_run` ran, and what each saw.
pub(super) type Runs = Arc<Mutex<Vec<(u64, Ledger)>>>;

/// The `index`th of `of` events of a command, and the state on which it was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) command: u64,
    pub(super) index: u64,
    pub(super) of: u64,
    pub(super) decided_on: Ledger,
    kind: Kind,
}

impl EventSourced for Ledger {
    const ENTITY_TYPE: &'static str = "ledger";
    type Command = Command;
    type Event = Event;

    fn handle(&self, command: Command, cx: &Context<'_>) -> Effect<Self> {
        assert_eq!(cx.seq_nr().get(), self.count);
        let Command { number, kind, reply, runs } = command.clone();
        let event = |index, of| Event { command: number, index, of, decided_on: *self, kind };
        let persist = |of| Effect::persist_all((0..of).map(move |index| event(index, of)));
        match kind {
            Kind::Persist(of) => persist(of).then_reply(reply, |ledger: &Self| *ledger),
            Kind::PersistThenRun => persist(1)
                .then_run(move |ledger: &Self| runs.lock().push((number, *ledger)))
                .then_reply(reply, |ledger: &Self| *ledger),
            Kind::PersistThenStop => {
                persist(2).then_reply(reply, |ledger: &Self| *ledger).then_stop()
            }
            Kind::PersistThenPanic => persist(1).then_run(|_: &Self| quiet_panic()),
            Kind::PersistThenUnstash => {
                persist(1).then_reply(reply, |ledger: &Self| *ledger).then_unstash_all()
            }
            Kind::ReadWhenEven if self.count % 2 == 1 => Effect::stash(),
            Kind::Read | Kind::ReadWhenEven => Effect::reply(reply, *self),
            Kind::Stop => {
                Effect::reply(reply, *self).then_run(|_: &Self| Entry::Stopping.note()).then_stop()
            }
            Kind::Unhandled => Effect::unhandled(),
            Kind::Unanswered | Kind::PanicInApply | Kind::NotEncodable => persist(1),
            Kind::PanicInHandler => quiet_panic(),
            Kind::StartTimer { key, periodic, persists } => {
                let after = Duration::from_secs(1);
                let timer = if periodic { Timer::Every(after) } else { Timer::Once(after) };
                persist(u64::from(persists))
                    .then_reply(reply, |ledger: &Self| *ledger)
                    .then_run(move |_: &Self| Entry::TimerStarted { number, key }.note())
                    .then_timer(
                        key.to_string(),
                        timer,
                        Command { kind: Kind::Tick(key), ..command },
                    )
            }
            Kind::CancelTimer(key) => Effect::reply(reply, *self)
                .then_run(move |_: &Self| Entry::TimerCancelled { key }.note())
                .then_cancel_timer(key.to_string()),
            Kind::Tick(key) => {
                Entry::Tick { number, key }.note();
                Effect::none()
            }
        }
    }

    fn apply(&mut self, event: &Event) {
        if event.kind == Kind::PanicInApply {
            self.digest = 0;
            quiet_panic();
        }
        self.count += 1;
        self.digest = mix(self.digest ^ (event.command << 8 | event.index));
    }

    fn on_signal(signal: Signal<'_, Self>, cx: &Context<'_>) {
        match signal {
            Signal::RecoveryCompleted { state } => {
                assert_eq!(cx.seq_nr().get(), state.count);
                Entry::Recovered(*state).note();
            }
            Signal::Stopped => Entry::Stopped.note(),
            Signal::EventsDeleted { to } if !to.is_zero() => Entry::Deleted.note(),
            _ => {}
        }
    }

    fn copy(&self) -> Option<Self> {
        COPIES.get().then_some(*self)
    }

    fn snapshot_when(&self, event: &Event, seq_nr: SeqNr) -> bool {
        assert_eq!(seq_nr.get(), self.count);
        event.command.is_multiple_of(7)
    }
}

/// A panic that the panic hook does not print.
fn quiet_panic() -> ! {
    resume_unwind(Box::new("as simulated"))
}

/// Events by reference: the payload is the place of the event in a list. States as two numbers.
#[derive(Debug, Default)]
pub(super) struct InMemory(Mutex<Vec<Event>>);

fn payload(bytes: Vec<u8>) -> Payload {
    Payload::new(SerializerId::BYTES, "", bytes)
}

impl Codec<Event> for InMemory {
    fn encode(&self, event: &Event) -> Result<Payload> {
        if event.kind == Kind::NotEncodable {
            return Err(Error::invalid("as simulated"));
        }
        let mut events = self.0.lock();
        events.push(*event);
        Ok(payload((events.len() - 1).to_be_bytes().to_vec()))
    }

    fn decode(&self, payload: &Payload) -> Result<Event> {
        let place = usize::from_be_bytes(payload.bytes.as_ref().try_into().unwrap());
        Ok(self.0.lock()[place])
    }
}

impl Codec<Ledger> for InMemory {
    fn encode(&self, ledger: &Ledger) -> Result<Payload> {
        Ok(payload([ledger.count.to_be_bytes(), ledger.digest.to_be_bytes()].concat()))
    }

    fn decode(&self, payload: &Payload) -> Result<Ledger> {
        let (count, digest) = payload.bytes.split_at(8);
        Ok(Ledger {
            count: u64::from_be_bytes(count.try_into().unwrap()),
            digest: u64::from_be_bytes(digest.try_into().unwrap()),
        })
    }
}

/// One entity's history, with the receipts by which a repeated append is recognised (J5).
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) events: Vec<Payload>,
    receipts: HashMap<AppendId, Appended>,
    pub(super) snapshots: BTreeMap<SeqNr, Payload>,
    /// Still in `events`, for the checks; no recovery reads them.
    pub(super) deleted_to: SeqNr,
}

impl History {
    pub(super) fn highest(&self) -> SeqNr {
        SeqNr::new(u64::try_from(self.events.len()).unwrap()).unwrap()
    }

    pub(super) fn append(&mut self, append: &Append) -> Result<Appended> {
        if let Some(receipt) = self.receipts.get(&append.append_id()) {
            return Ok(*receipt);
        }
        if append.after() != self.highest() {
            return Err(Error::conflict(self.highest(), "as simulated"));
        }
        self.events.extend(append.events().iter().map(|event| event.payload.clone()));
        self.receipts.insert(append.append_id(), append.receipt());
        Ok(append.receipt())
    }
}
