//! The entity: a player, whose games give points.

use annals::{Context, Effect, Entities, EventSourced, Reply, Store, Tag, Tags};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

const PLAYERS: [&str; 8] =
    ["ada", "barbara", "edsger", "frances", "grace", "john", "kathleen", "niklaus"];

/// What happened to a player.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// A game was played, and gave points.
    Scored { game: u32, points: u32 },
}

/// What a player is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Play so many games, unless they are played already; the answer is how many were.
    PlayUpTo { games: u32, reply: Reply<u32> },
}

/// A player: how many games the events are.
#[derive(Debug, Default)]
pub(crate) struct Player {
    name: String,
    games: u32,
}

/// The most games of one append.
const ROUND: u32 = 50;

impl EventSourced for Player {
    const ENTITY_TYPE: &'static str = "player";
    type Command = Command;
    type Event = Event;

    fn empty(entity_id: &str) -> Self {
        Self { name: entity_id.to_owned(), games: 0 }
    }

    fn handle(&self, command: Command, _: &Context<'_>) -> Effect<Self> {
        let Command::PlayUpTo { games, reply } = command;
        let last = games.min(self.games.saturating_add(ROUND));
        let events: Vec<Event> = (self.games + 1..=last)
            .map(|game| Event::Scored { game, points: points(&self.name, game) })
            .collect();
        let played = last.saturating_sub(self.games);
        if events.is_empty() {
            return Effect::reply(reply, 0);
        }
        Effect::persist_all(events).then_reply(reply, move |_| played)
    }

    fn apply(&mut self, event: &Event) {
        let Event::Scored { game, .. } = event;
        self.games = *game;
    }

    fn tags(&self, _: &Event) -> Tags {
        Tags::from_iter([scores()])
    }
}

/// The tag of the events that give points.
pub(crate) fn scores() -> Tag {
    Tag::new("scores").expect("it is not empty")
}

/// Some points from 0 to 100, the same each time.
fn points(player: &str, game: u32) -> u32 {
    player.bytes().fold(game, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 101
}

/// Has each player play up to `games` games; gives how many that were.
pub(crate) async fn play(store: &Store, games: u32) -> annals::Result<u32> {
    let players = store.entities::<Player>().start();
    let played = stream::iter(PLAYERS)
        .map(|player| play_rounds(&players, player, games))
        .buffer_unordered(PLAYERS.len())
        .try_fold(0, |sum, played| async move { Ok(sum + played) })
        .await;
    players.stop().await?;
    played
}

async fn play_rounds(players: &Entities<Player>, player: &str, games: u32) -> annals::Result<u32> {
    let player = players.entity(player);
    let mut sum = 0;
    loop {
        let played = player.ask(|reply| Command::PlayUpTo { games, reply }).await?;
        if played == 0 {
            return Ok(sum);
        }
        sum += played;
    }
}
