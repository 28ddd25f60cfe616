//! The board in SQLite: points and offset change in one transaction, or not at all.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use annals::query::{HandlerError, Transactional};
use annals::{Codec, Envelope, EventSourced, Offset, Store};
use async_trait::async_trait;
use futures_util::TryStreamExt;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::Failure;
use crate::player::{Event, Player, scores};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS board
        (player TEXT PRIMARY KEY, games INTEGER NOT NULL, points INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS offsets
        (projection TEXT PRIMARY KEY, reached TEXT NOT NULL) STRICT;
";

const SCORE: &str = "
    INSERT INTO board (player, games, points) VALUES (?1, 1, ?2)
    ON CONFLICT (player) DO UPDATE SET games = games + 1, points = points + excluded.points
";

const FIRST_OFFSET: &str = "
    INSERT INTO offsets (projection, reached) VALUES (?1, ?2) ON CONFLICT DO NOTHING
";

const NEXT_OFFSET: &str = "
    UPDATE offsets SET reached = ?2 WHERE projection = ?1 AND reached = ?3
";

/// What the board says of one player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Line {
    pub(crate) games: i64,
    pub(crate) points: i64,
}

/// The lines by player.
pub(crate) type Lines = BTreeMap<String, Line>;

/// The database with the board.
pub(crate) struct Board {
    connection: Connection,
    codec: Arc<dyn Codec<Event>>,
    /// The offset of each projection that was read or stored here last: what the next one follows.
    last: HashMap<String, Option<Offset>>,
    projected: usize,
}

impl Board {
    /// Opens the database at `path`, and creates it if there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let connection = Connection::open(path)?;
        connection.execute_batch(TABLES)?;
        let codec = annals::event_codec::<Player>();
        Ok(Self { connection, codec, last: HashMap::new(), projected: 0 })
    }

    /// What the board says.
    pub(crate) fn lines(&self) -> Result<Lines, Failure> {
        let mut statement = self.connection.prepare("SELECT player, games, points FROM board")?;
        let lines = statement.query_map([], |row| {
            Ok((row.get(0)?, Line { games: row.get(1)?, points: row.get(2)? }))
        })?;
        Ok(lines.collect::<Result<_, _>>()?)
    }

    fn load(&mut self, key: &str) -> Result<Option<Offset>, HandlerError> {
        const SELECT: &str = "SELECT reached FROM offsets WHERE projection = ?1";
        let text = self.connection.query_row(SELECT, [key], |row| row.get::<_, String>(0));
        let offset: Option<Offset> = text.optional()?.map(|text| text.parse()).transpose()?;
        self.last.insert(key.to_owned(), offset.clone());
        Ok(offset)
    }

    fn store(
        &mut self,
        key: &str,
        events: &[Envelope],
        offset: &Offset,
    ) -> Result<(), HandlerError> {
        // Dropped without a commit, it is rolled back: whatever fails below leaves nothing.
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for envelope in events {
            let Some((player, points)) = score(envelope, self.codec.as_ref())? else { continue };
            transaction.prepare_cached(SCORE)?.execute(params![player, points])?;
        }
        let text = offset.to_string();
        let moved = match self.last.get(key).cloned().flatten() {
            None => transaction.execute(FIRST_OFFSET, params![key, text])?,
            Some(last) => transaction.execute(NEXT_OFFSET, params![key, text, last.to_string()])?,
        };
        if moved != 1 {
            let message = "another instance moved its offset: nothing of this one was stored";
            return Err(format!("projection {key}: {message}").into());
        }
        transaction.commit()?;
        self.last.insert(key.to_owned(), Some(offset.clone()));
        self.projected += events.len();
        eprintln!("projected  {} games in this run", self.projected);
        Ok(())
    }
}

#[async_trait]
impl Transactional for Board {
    async fn offset(&mut self, key: &str) -> Result<Option<Offset>, HandlerError> {
        tokio::task::block_in_place(|| self.load(key))
    }

    async fn commit(
        &mut self,
        key: &str,
        events: &[Envelope],
        offset: &Offset,
    ) -> Result<(), HandlerError> {
        // SQLite waits for the disk: not a thing to do on a thread that serves others.
        tokio::task::block_in_place(|| self.store(key, events, offset))
    }
}

/// Who gets how many points for an event. A tag is anybody's: events of other entities give none.
fn score<'a>(
    envelope: &'a Envelope,
    codec: &dyn Codec<Event>,
) -> annals::Result<Option<(&'a str, u32)>> {
    if envelope.persistence_id.entity_type() != Player::ENTITY_TYPE {
        return Ok(None);
    }
    let Event::Scored { points, .. } = codec.decode(&envelope.event.payload)?;
    Ok(Some((envelope.persistence_id.entity_id(), points)))
}

/// The board that the events which exist now add up to, counted without a projection, and the offset
/// behind them.
pub(crate) async fn count_straight(store: &Store) -> annals::Result<(Lines, Option<Offset>)> {
    let codec = annals::event_codec::<Player>();
    let (mut lines, mut end) = (Lines::new(), None);
    let mut events = store.query().current_events_by_tag(scores(), None);
    while let Some(envelope) = events.try_next().await? {
        if let Some((player, points)) = score(&envelope, codec.as_ref())? {
            let line = lines.entry(player.to_owned()).or_default();
            line.games += 1;
            line.points += i64::from(points);
        }
        end = Some(envelope.offset);
    }
    Ok((lines, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::player;

    const KEY: &str = "board";

    /// What each player having played `count` games is, as events and as a board.
    async fn games(count: u32) -> (Vec<Envelope>, Lines) {
        let store = annals::open("memory:").await.unwrap();
        player::play(&store, count).await.unwrap();
        let events = store.query().current_events_by_tag(scores(), None);
        let events: Vec<Envelope> = events.try_collect().await.unwrap();
        let (lines, end) = count_straight(&store).await.unwrap();
        assert_eq!(end.as_ref(), events.last().map(|last| &last.offset));
        (events, lines)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn points_and_offset_are_kept_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("board.sqlite");
        let (events, expected) = games(10).await;
        let (first, second) = events.split_at(30);

        let mut board = Board::open(&path).unwrap();
        assert_eq!(board.offset(KEY).await.unwrap(), None);
        board.commit(KEY, first, &first[29].offset).await.unwrap();
        drop(board);
        let mut board = Board::open(&path).unwrap();
        let reached = board.offset(KEY).await.unwrap();
        board.commit(KEY, second, &second[49].offset).await.unwrap();

        assert_eq!(reached.as_ref(), Some(&first[29].offset));
        assert_eq!(board.lines().unwrap(), expected);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transaction_that_fails_leaves_neither_points_nor_offset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("board.sqlite");
        let (events, _) = games(2).await;
        let mut board = Board::open(&path).unwrap();
        board.offset(KEY).await.unwrap();
        let mut broken = events.clone();
        broken[15].event.payload.bytes = "no event".into();

        board.commit(KEY, &broken, &events[15].offset).await.unwrap_err();

        assert_eq!(board.lines().unwrap(), Lines::new());
        assert_eq!(board.offset(KEY).await.unwrap(), None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_two_instances_the_second_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("board.sqlite");
        let (events, expected) = games(1).await;
        let end = &events[7].offset;
        let mut board = Board::open(&path).unwrap();
        let mut other = Board::open(&path).unwrap();
        board.offset(KEY).await.unwrap();
        other.offset(KEY).await.unwrap();
        board.commit(KEY, &events, end).await.unwrap();

        let first_time = other.commit(KEY, &events, end).await.unwrap_err();
        other.offset(KEY).await.unwrap();
        board.commit(KEY, &[], &events[3].offset).await.unwrap();
        let later = other.commit(KEY, &events, end).await.unwrap_err();

        for refused in [first_time, later] {
            let text = refused.to_string();
            assert!(text.contains("another instance moved its offset"), "{text}");
        }
        assert_eq!(board.lines().unwrap(), expected);
    }
}
