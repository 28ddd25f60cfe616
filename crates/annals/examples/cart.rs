//! A shopping cart: an entity whose rules refuse what makes no sense, and its tests, which need no
//! store.
//!
//! ```sh
//! cargo run --example cart            # fills a cart, checks it out, recovers it
//! cargo test -p annals --example cart # the tests at the end of this file
//! ```
//!
//! A refusal that belongs to the business is an answer ([`Refusal`]); an error of `ask` says that the
//! command could not be carried out.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use annals::{Context, Effect, EventSourced, Reply, Timestamp};
use serde::{Deserialize, Serialize};

/// What a cart holds: items, and how many of each.
type Items = BTreeMap<String, NonZeroU32>;

/// What became of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Event {
    /// An item is in the cart that was not before.
    Added { item: String, quantity: NonZeroU32 },
    /// There are now so many of an item.
    Adjusted { item: String, quantity: NonZeroU32 },
    /// An item is in the cart no more.
    Removed { item: String },
    /// The customer ordered what is in it.
    CheckedOut { at_millis: i64 },
}

/// What a cart is asked for. Each change answers with the cart after it.
#[derive(Debug, Clone)]
enum Command {
    /// Put an item into it.
    Add { item: String, quantity: NonZeroU32, reply: Answer },
    /// Change how many there are of an item that is in it.
    Adjust { item: String, quantity: NonZeroU32, reply: Answer },
    /// Take an item out of it.
    Remove { item: String, reply: Answer },
    /// Order what is in it.
    CheckOut { reply: Answer },
    /// Show it.
    Show { reply: Reply<Summary> },
}

type Answer = Reply<Result<Summary, Refusal>>;

/// A cart as its customer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Summary {
    items: Items,
    checked_out: Option<Timestamp>,
}

/// Why a cart does not do what it was asked for. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    InCartAlready,
    NotInCart,
    Empty,
    CheckedOut,
}

/// A cart: what its events add up to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cart {
    items: Items,
    checked_out: Option<Timestamp>,
}

impl EventSourced for Cart {
    const ENTITY_TYPE: &'static str = "cart";
    type Command = Command;
    type Event = Event;

    fn handle(&self, command: Command, cx: &Context<'_>) -> Effect<Self> {
        let (decision, reply) = match command {
            Command::Show { reply } => return Effect::reply(reply, self.summary()),
            Command::Add { item, quantity, reply } => (self.add(item, quantity), reply),
            Command::Adjust { item, quantity, reply } => (self.adjust(item, quantity), reply),
            Command::Remove { item, reply } => (self.remove(item), reply),
            Command::CheckOut { reply } => (self.check_out(cx.now()), reply),
        };
        match decision {
            Ok(event) => Effect::persist(event).then_reply(reply, |cart: &Self| Ok(cart.summary())),
            Err(refusal) => Effect::reply(reply, Err(refusal)),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Added { item, quantity } | Event::Adjusted { item, quantity } => {
                self.items.insert(item.clone(), *quantity);
            }
            Event::Removed { item } => drop(self.items.remove(item)),
            Event::CheckedOut { at_millis } => {
                self.checked_out = Some(Timestamp::from_millis(*at_millis));
            }
        }
    }
}

/// The rules: each gives the event, or why there is none.
impl Cart {
    fn add(&self, item: String, quantity: NonZeroU32) -> Result<Event, Refusal> {
        self.check_open()?;
        match self.items.contains_key(&item) {
            false => Ok(Event::Added { item, quantity }),
            true => Err(Refusal::InCartAlready),
        }
    }

    fn adjust(&self, item: String, quantity: NonZeroU32) -> Result<Event, Refusal> {
        self.check_holds(&item)?;
        Ok(Event::Adjusted { item, quantity })
    }

    fn remove(&self, item: String) -> Result<Event, Refusal> {
        self.check_holds(&item)?;
        Ok(Event::Removed { item })
    }

    /// The time is in the event, and so the same in each recovery.
    fn check_out(&self, now: Timestamp) -> Result<Event, Refusal> {
        self.check_open()?;
        match self.items.is_empty() {
            false => Ok(Event::CheckedOut { at_millis: now.as_millis() }),
            true => Err(Refusal::Empty),
        }
    }

    fn check_open(&self) -> Result<(), Refusal> {
        self.checked_out.map_or(Ok(()), |_| Err(Refusal::CheckedOut))
    }

    fn check_holds(&self, item: &str) -> Result<(), Refusal> {
        self.check_open()?;
        if self.items.contains_key(item) { Ok(()) } else { Err(Refusal::NotInCart) }
    }

    fn summary(&self) -> Summary {
        Summary { items: self.items.clone(), checked_out: self.checked_out }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InCartAlready => "it is in the cart already: adjust its quantity",
            Self::NotInCart => "it is not in the cart",
            Self::Empty => "there is nothing in the cart",
            Self::CheckedOut => "the cart is checked out: begin another one",
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<String> =
            self.items.iter().map(|(item, quantity)| format!("{quantity} × {item}")).collect();
        let state = if self.checked_out.is_some() { "checked out" } else { "open" };
        write!(f, "[{}] {state}", items.join(", "))
    }
}

#[tokio::main]
async fn main() -> annals::Result<()> {
    // Another URL keeps the cart: embedded:./data
    let store = annals::open("memory:").await?;
    let carts = store.entities::<Cart>().start();
    let cart = carts.entity("alice-1");
    let (one, three) = (NonZeroU32::MIN, NonZeroU32::MIN.saturating_add(2));
    let (item, quantity) = (|| "socks".to_owned(), one);

    let answer = cart.ask(|reply| Command::Add { item: item(), quantity, reply }).await?;
    show("add socks", answer);
    let answer = cart.ask(|reply| Command::Add { item: item(), quantity, reply }).await?;
    show("add socks again", answer);
    let answer = cart.ask(|reply| Command::Adjust { item: item(), quantity: three, reply }).await?;
    show("make it three", answer);
    let umbrella = || "umbrella".to_owned();
    let answer = cart.ask(|reply| Command::Add { item: umbrella(), quantity, reply }).await?;
    show("add an umbrella", answer);
    let answer = cart.ask(|reply| Command::Remove { item: umbrella(), reply }).await?;
    show("take it out", answer);
    let answer = cart.ask(|reply| Command::CheckOut { reply }).await?;
    show("check out", answer);
    carts.stop().await?;

    // Another incarnation, which knows nothing but the events.
    let carts = store.entities::<Cart>().start();
    let recovered = carts.entity("alice-1").ask(|reply| Command::Show { reply }).await?;
    show("recovered", Ok(recovered));
    let cart = carts.entity("alice-1");
    let answer = cart.ask(|reply| Command::Add { item: umbrella(), quantity, reply }).await?;
    show("add an umbrella", answer);
    carts.stop().await?;
    store.close().await
}

fn show(what: &str, answer: Result<Summary, Refusal>) {
    match answer {
        Ok(cart) => println!("{what:<16} {cart}"),
        Err(refusal) => println!("{what:<16} refused: {refusal}"),
    }
}

#[cfg(test)]
mod tests {
    use annals::entity::testkit::{Given, given};

    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_767_268_800_000);

    fn quantity(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    fn added(item: &str, number: u32) -> Event {
        Event::Added { item: item.to_owned(), quantity: quantity(number) }
    }

    fn add(item: &str, number: u32) -> impl FnOnce(Answer) -> Command {
        let (item, quantity) = (item.to_owned(), quantity(number));
        move |reply| Command::Add { item, quantity, reply }
    }

    fn remove(item: &str) -> impl FnOnce(Answer) -> Command {
        let item = item.to_owned();
        move |reply| Command::Remove { item, reply }
    }

    fn summary(items: &[(&str, u32)], checked_out: Option<Timestamp>) -> Summary {
        let items = items.iter().map(|(item, number)| ((*item).to_owned(), quantity(*number)));
        Summary { items: items.collect(), checked_out }
    }

    /// A cart at noon, whose events go through their stored form and back.
    fn cart(events: impl IntoIterator<Item = Event>) -> Given<Cart> {
        given::<Cart>(events).at(NOON).with_codec(annals::event_codec::<Cart>())
    }

    #[test]
    fn an_item_is_added_once() {
        cart([])
            .when(add("socks", 2))
            .then([added("socks", 2)], Ok(summary(&[("socks", 2)], None)))
            .when(add("socks", 1))
            .then([], Err(Refusal::InCartAlready));
    }

    #[test]
    fn an_item_is_adjusted_and_removed_while_it_is_in_the_cart() {
        let adjusted = Event::Adjusted { item: "socks".to_owned(), quantity: quantity(5) };
        let removed = Event::Removed { item: "socks".to_owned() };
        let adjust =
            |reply| Command::Adjust { item: "socks".to_owned(), quantity: quantity(5), reply };

        cart([added("socks", 2)])
            .when(adjust)
            .then([adjusted], Ok(summary(&[("socks", 5)], None)))
            .when(remove("socks"))
            .then([removed], Ok(summary(&[], None)))
            .when(adjust)
            .then([], Err(Refusal::NotInCart))
            .when(remove("socks"))
            .then([], Err(Refusal::NotInCart))
            .recovers();
    }

    #[test]
    fn an_empty_cart_is_not_checked_out() {
        cart([]).when(|reply| Command::CheckOut { reply }).then([], Err(Refusal::Empty));
    }

    #[test]
    fn a_cart_that_is_checked_out_changes_no_more() {
        let checked_out = Event::CheckedOut { at_millis: NOON.as_millis() };
        let ordered = summary(&[("socks", 2)], Some(NOON));

        cart([added("socks", 2)])
            .when(|reply| Command::CheckOut { reply })
            .then([checked_out], Ok(ordered.clone()))
            .when(add("umbrella", 1))
            .then([], Err(Refusal::CheckedOut))
            .when(remove("socks"))
            .then([], Err(Refusal::CheckedOut))
            .when(|reply| Command::CheckOut { reply })
            .then([], Err(Refusal::CheckedOut))
            .when(|reply| Command::Show { reply })
            .then([], ordered)
            .recovers();
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refused = cart([added("socks", 1)]).when(add("socks", 1)).answer();
        let refusal = refused.unwrap().unwrap().unwrap_err();
        assert_eq!(refusal.to_string(), "it is in the cart already: adjust its quantity");
    }
}
