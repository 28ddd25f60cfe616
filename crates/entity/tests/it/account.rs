//! The behaviour under test: an account, with commands for every effect and every way to misbehave.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{Error, Payload, Result, SeqNr, Serializer, SerializerId, Tag, Tags};
use annals_entity::{Causation, Context, Effect, EventSourced, Myself, Reply, Signal, Timer};
use parking_lot::Mutex;

/// What happened beside the journal, in order.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) cents: i64,
    pub(crate) events: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum Command {
    Deposit {
        cents: i64,
        reply: Reply<i64>,
    },
    DepositAll {
        cents: Vec<i64>,
        reply: Reply<i64>,
    },
    Withdraw {
        cents: i64,
        reply: Reply<Option<i64>>,
    },
    Balance {
        reply: Reply<i64>,
    },
    Position {
        reply: Reply<SeqNr>,
    },
    Note {
        text: String,
        reply: Reply<()>,
    },
    DepositThenLog {
        cents: i64,
        log: Log,
        reply: Reply<i64>,
    },
    DepositThenStop {
        cents: i64,
        reply: Reply<i64>,
    },
    Stop {
        reply: Reply<()>,
    },
    Unknown {
        _reply: Reply<()>,
    },
    DropReply {
        cents: i64,
        _reply: Reply<()>,
    },
    PanicInHandler {
        _reply: Reply<()>,
    },
    PanicInApply {
        _reply: Reply<()>,
    },
    PanicAfterDeposit {
        cents: i64,
        _reply: Reply<()>,
    },
    NotEncodable {
        _reply: Reply<()>,
    },
    DepositBecause {
        cents: Vec<i64>,
        cause: Payload,
        reply: Reply<i64>,
    },
    /// Deposits, with metadata of their own beside the odd ones.
    DepositEachBecause {
        cents: Vec<i64>,
        reply: Reply<i64>,
    },
    Why {
        reply: Reply<Option<Causation>>,
    },
    /// Answered once the account has the money; put off until then.
    WhenRich {
        reply: Reply<i64>,
    },
    DepositThenUnstash {
        cents: i64,
        reply: Reply<i64>,
    },
    /// Deposits `cents` whenever the timer `key` says so.
    DepositBy {
        key: &'static str,
        timer: Timer,
        cents: i64,
        reply: Reply<()>,
    },
    CancelTimer {
        key: &'static str,
        reply: Reply<()>,
    },
    /// Gives a handle to the entity itself.
    WhoAreYou {
        reply: Reply<Myself<Account>>,
    },
    /// Deposits and tells nobody.
    DepositQuietly {
        cents: i64,
    },
    /// Deposits now what comes later: by work, and after a delay.
    DepositLater {
        cents: i64,
        delay: Option<Duration>,
        reply: Reply<i64>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Deposited(i64),
    Withdrawn(i64),
    Noted(String),
    Poison,
    NotEncodable,
}

impl EventSourced for Account {
    const ENTITY_TYPE: &'static str = "account";
    type Command = Command;
    type Event = Event;

    fn handle(&self, command: Command, cx: &Context<'_>) -> Effect<Self> {
        match command {
            Command::Deposit { cents, reply } => Effect::persist(Event::Deposited(cents))
                .then_reply(reply, |account: &Self| account.cents),
            Command::DepositAll { cents, reply } => {
                Effect::persist_all(cents.into_iter().map(Event::Deposited))
                    .then_reply(reply, |account: &Self| account.cents)
            }
            Command::Withdraw { cents, reply } if cents > self.cents => Effect::reply(reply, None),
            Command::Withdraw { cents, reply } => Effect::persist(Event::Withdrawn(cents))
                .then_reply(reply, |account: &Self| Some(account.cents)),
            Command::Balance { reply } => Effect::reply(reply, self.cents),
            Command::Position { reply } => Effect::reply(reply, cx.seq_nr()),
            Command::Note { text, reply } => {
                Effect::persist(Event::Noted(text)).then_reply(reply, |_: &Self| ())
            }
            Command::DepositThenLog { cents, log, reply } => {
                Effect::persist(Event::Deposited(cents))
                    .then_run(move |account: &Self| log.lock().push(account.cents.to_string()))
                    .then_reply(reply, |account: &Self| account.cents)
            }
            Command::DepositThenStop { cents, reply } => Effect::persist(Event::Deposited(cents))
                .then_reply(reply, |account: &Self| account.cents)
                .then_stop(),
            Command::Stop { reply } => Effect::reply(reply, ()).then_stop(),
            Command::Unknown { .. } => Effect::unhandled(),
            Command::DropReply { cents, .. } => Effect::persist(Event::Deposited(cents)),
            Command::PanicInHandler { .. } => panic!("no such account"),
            Command::PanicInApply { .. } => Effect::persist(Event::Poison),
            Command::PanicAfterDeposit { cents, .. } => Effect::persist(Event::Deposited(cents))
                .then_run(|account: &Self| panic!("after {}", account.cents)),
            Command::NotEncodable { .. } => Effect::persist(Event::NotEncodable),
            Command::DepositBecause { cents, cause, reply } => {
                Effect::persist_all(cents.into_iter().map(Event::Deposited))
                    .with_metadata(cause)
                    .then_reply(reply, |account: &Self| account.cents)
            }
            Command::DepositEachBecause { cents, reply } => {
                Effect::persist_all(cents.into_iter().map(Event::Deposited))
                    .with_metadata_of(Event::metadata)
                    .then_reply(reply, |account: &Self| account.cents)
            }
            Command::Why { reply } => Effect::reply(reply, cx.causation().cloned()),
            Command::WhenRich { .. } if self.cents < 1_000 => Effect::stash(),
            Command::WhenRich { reply } => Effect::reply(reply, self.cents),
            Command::DepositThenUnstash { cents, reply } => {
                Effect::persist(Event::Deposited(cents))
                    .then_reply(reply, |account: &Self| account.cents)
                    .then_unstash_all()
            }
            Command::DepositBy { key, timer, cents, reply } => {
                Effect::reply(reply, ()).then_timer(key, timer, Command::DepositQuietly { cents })
            }
            Command::CancelTimer { key, reply } => {
                Effect::none().then_cancel_timer(key).then_reply(reply, |_: &Self| ())
            }
            Command::WhoAreYou { reply } => Effect::reply(reply, cx.myself()),
            Command::DepositQuietly { cents } => Effect::persist(Event::Deposited(cents)),
            Command::DepositLater { cents, delay: Some(delay), reply } => {
                Effect::none().then_after(delay, Command::Deposit { cents, reply })
            }
            Command::DepositLater { cents, delay: None, reply } => {
                Effect::persist(Event::Noted("begun".to_owned())).then_work(async move {
                    tokio::task::yield_now().await;
                    Command::Deposit { cents, reply }
                })
            }
        }
    }

    fn apply(&mut self, event: &Event) {
        self.events += 1;
        match event {
            Event::Deposited(cents) => self.cents += cents,
            Event::Withdrawn(cents) => self.cents -= cents,
            Event::Poison => panic!("cannot be applied"),
            Event::Noted(_) | Event::NotEncodable => {}
        }
    }

    fn on_signal(signal: Signal<'_, Self>, cx: &Context<'_>) {
        let text = text(&signal);
        let panics = PANIC_AT.with_borrow(|at| at.is_some_and(|at| text.starts_with(at)));
        SIGNALS.with_borrow_mut(|signals| signals.push(format!("{} @{}", text, cx.seq_nr())));
        assert!(!panics, "as the test wants");
    }

    fn tags(&self, event: &Event) -> Tags {
        match event {
            // Of the state after the event.
            Event::Deposited(_) if self.cents >= 1_000 => {
                [Tag::new("rich").unwrap()].into_iter().collect()
            }
            _ => Tags::NONE,
        }
    }
}

impl Event {
    fn metadata(&self) -> Option<Payload> {
        let odd = Payload::new(SerializerId::STRING, "", "odd");
        matches!(self, Self::Deposited(cents) if cents % 2 == 1).then_some(odd)
    }
}

thread_local! {
    /// What the entities of this test were told, in order, with the last stored event.
    static SIGNALS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// The beginning of the signals at which the behaviour panics.
    static PANIC_AT: RefCell<Option<&'static str>> = const { RefCell::new(None) };
}

/// The signals since the last call.
pub(crate) fn signals() -> Vec<String> {
    SIGNALS.take()
}

/// Panics at signals that begin so.
pub(crate) fn panic_at(signal: Option<&'static str>) {
    PANIC_AT.set(signal);
}

fn text(signal: &Signal<'_, Account>) -> String {
    let because = |what: &str, error: &Error| format!("{what}: {}", error.kind().name());
    match signal {
        Signal::RecoveryCompleted { state } => format!("recovered with {}", state.cents),
        Signal::RecoveryFailed { error } => because("not recovered", error),
        Signal::PersistFailed { error } => because("not persisted", error),
        Signal::SnapshotSaved { seq_nr } => format!("saved {seq_nr}"),
        Signal::SnapshotFailed { seq_nr, error } => because(&format!("not saved {seq_nr}"), error),
        Signal::EventsDeleted { to } => format!("events to {to} deleted"),
        Signal::EventsNotDeleted { to, error } => because(&format!("events to {to}"), error),
        Signal::SnapshotsDeleted { to } => format!("snapshots to {to} deleted"),
        Signal::SnapshotsNotDeleted { to, error } => because(&format!("snapshots to {to}"), error),
        Signal::Stopped => "stopped".to_owned(),
        other => panic!("a signal that no test expects: {other:?}"),
    }
}

/// Events and states as text.
#[derive(Debug)]
pub(crate) struct Text;

const ID: SerializerId = SerializerId::new(9_001);

impl Serializer<Event> for Text {
    fn id(&self) -> SerializerId {
        ID
    }

    fn serialize(&self, event: &Event) -> Result<Payload> {
        let text = match event {
            Event::Deposited(cents) => format!("+{cents}"),
            Event::Withdrawn(cents) => format!("-{cents}"),
            Event::Noted(text) => format!("n{text}"),
            Event::Poison => "p".to_owned(),
            Event::NotEncodable => return Err(Error::invalid("no form for this event")),
        };
        Ok(Payload::new(ID, "", text.into_bytes()))
    }

    fn deserialize(&self, payload: &Payload) -> Result<Event> {
        let text = std::str::from_utf8(&payload.bytes).unwrap();
        let number = || text[1..].parse().map_err(|_| Error::corrupt(format!("no number: {text}")));
        match text.chars().next() {
            Some('+') => Ok(Event::Deposited(number()?)),
            Some('-') => Ok(Event::Withdrawn(number()?)),
            Some('n') => Ok(Event::Noted(text[1..].to_owned())),
            Some('p') => Ok(Event::Poison),
            _ => Err(Error::corrupt(format!("no event: {text}"))),
        }
    }
}

impl Serializer<Account> for Text {
    fn id(&self) -> SerializerId {
        ID
    }

    fn serialize(&self, account: &Account) -> Result<Payload> {
        let text = format!("{} {}", account.cents, account.events);
        Ok(Payload::new(ID, "", text.into_bytes()))
    }

    fn deserialize(&self, payload: &Payload) -> Result<Account> {
        let text = std::str::from_utf8(&payload.bytes).unwrap();
        let unreadable = || Error::corrupt(format!("no account: {text}"));
        let (cents, events) = text.split_once(' ').ok_or_else(unreadable)?;
        Ok(Account {
            cents: cents.parse().map_err(|_| unreadable())?,
            events: events.parse().map_err(|_| unreadable())?,
        })
    }
}
