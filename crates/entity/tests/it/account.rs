//! The behaviour under test: an account, with commands for every effect and every way to misbehave.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{Error, Payload, Result, SeqNr, Serializer, SerializerId, Tag, Tags};
use annals_entity::{Context, Effect, EventSourced, Reply};
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
    /// Answered once the account has the money; put off until then.
    WhenRich {
        reply: Reply<i64>,
    },
    DepositThenUnstash {
        cents: i64,
        reply: Reply<i64>,
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
            Command::WhenRich { .. } if self.cents < 1_000 => Effect::stash(),
            Command::WhenRich { reply } => Effect::reply(reply, self.cents),
            Command::DepositThenUnstash { cents, reply } => {
                Effect::persist(Event::Deposited(cents))
                    .then_reply(reply, |account: &Self| account.cents)
                    .then_unstash_all()
            }
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
