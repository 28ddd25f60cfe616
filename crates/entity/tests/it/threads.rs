//! Real threads and real time: regions that race over a store which fails at random.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals_core::{Codec, ErrorKind, Payload, Result, RetryPolicy, SerializerId};
use annals_entity::{Context, Effect, EventSourced, Reply, Settings};

use crate::account::Command;
use crate::faulty::Fault;
use crate::world::{World, kind_of};

const ENTITIES: usize = 16;
const CALLERS: usize = 64;
const COMMANDS: usize = 40;

/// What a caller may conclude: how much is deposited for sure, and how much perhaps.
#[derive(Default)]
struct Told {
    stored: i64,
    perhaps: i64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_callers_were_told_is_what_the_journal_holds() {
    let world = World::new();
    let retry = RetryPolicy { first: Duration::ZERO, max: Duration::ZERO, retries_max: 3 };
    let settings = Settings::default()
        .with_shards(NonZeroUsize::new(3))
        .with_write_retry(retry)
        .with_write_deadline(Duration::from_millis(20))
        .with_conflict_retries(50)
        .with_recovery_backoff(retry)
        .with_active_max(NonZeroUsize::new(8));
    // Conflicts come by themselves, since the regions race; an injected one would lie about an append
    // whose earlier attempt was stored (J5).
    let faults = [
        Fault::Fails(ErrorKind::Unavailable),
        Fault::Loses(ErrorKind::OutcomeUnknown),
        Fault::Fails(ErrorKind::OutcomeUnknown),
        Fault::HangsAfter,
        Fault::Fails(ErrorKind::Fenced),
        Fault::Panics,
    ];
    let calm = [Fault::None; 9];
    for round in 0..40 {
        world.faults.on_append([faults[round % faults.len()]]);
        world.faults.on_append(calm);
    }
    let regions = [world.start_with(settings), world.start_with(settings)];

    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let name = (caller % ENTITIES).to_string();
            let account = regions[caller / ENTITIES % 2].entity(&name);
            let caller = tokio::spawn(async move {
                let mut told = Told::default();
                for _ in 0..COMMANDS {
                    let asked = account.ask(|reply| Command::Deposit { cents: 1, reply }).await;
                    match asked.map_err(|error| error.kind()) {
                        Ok(_) => told.stored += 1,
                        Err(ErrorKind::OutcomeUnknown | ErrorKind::Internal) => told.perhaps += 1,
                        Err(_) => {}
                    }
                }
                told
            });
            (name, caller)
        })
        .collect();

    let mut told: Vec<Told> = (0..ENTITIES).map(|_| Told::default()).collect();
    for (name, caller) in callers {
        let one = caller.await.unwrap();
        let sum = &mut told[name.parse::<usize>().unwrap()];
        sum.stored += one.stored;
        sum.perhaps += one.perhaps;
    }
    for region in &regions {
        region.stop().await.unwrap();
    }
    let mut all = 0;
    for (entity, told) in told.iter().enumerate() {
        let stored = i64::try_from(world.journal(&entity.to_string()).await.len()).unwrap();
        let range = told.stored..=told.stored + told.perhaps;
        assert!(range.contains(&stored), "entity {entity}: {stored} events, told {range:?}");
        all += told.stored;
    }
    assert!(all > i64::try_from(CALLERS * COMMANDS / 2).unwrap(), "{all} deposits went through");
}

/// A behaviour that does what none should: it blocks its worker until the test lets it go.
#[derive(Debug, Default)]
struct Blocker;

#[derive(Debug, Clone)]
enum Block {
    While(Arc<AtomicBool>, Reply<()>),
    Not(Reply<()>),
}

impl EventSourced for Blocker {
    const ENTITY_TYPE: &'static str = "blocker";
    type Command = Block;
    type Event = ();

    fn handle(&self, command: Block, _: &Context<'_>) -> Effect<Self> {
        match command {
            Block::While(held, reply) => {
                while held.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Effect::reply(reply, ())
            }
            Block::Not(reply) => Effect::reply(reply, ()),
        }
    }

    fn apply(&mut self, (): &()) {}
}

#[derive(Debug)]
struct Nothing;

impl Codec<()> for Nothing {
    fn encode(&self, (): &()) -> Result<Payload> {
        Ok(Payload::new(SerializerId::BYTES, "", vec![]))
    }

    fn decode(&self, _: &Payload) -> Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn asks_end_in_time_while_their_worker_is_held_up() {
    let world = World::new();
    let settings = Settings::default().with_shards(NonZeroUsize::new(1));
    let region = world.builder_of::<Blocker>(Arc::new(Nothing)).settings(settings).start();
    region.entity("a").ask(Block::Not).await.unwrap();
    let held = Arc::new(AtomicBool::new(true));
    let (blocker, gate) = (region.entity("a"), held.clone());
    let blocked = tokio::spawn(async move { blocker.ask(|reply| Block::While(gate, reply)).await });
    let (started, deadline) = (Instant::now(), Duration::from_millis(100));
    // It waits behind the command that blocks, or comes before it; the last one certainly waits.
    let mut last = region.entity("b").ask_within(deadline, Block::Not).await;
    while last.is_ok() {
        last = region.entity("b").ask_within(deadline, Block::Not).await;
    }
    assert_eq!(kind_of(last), "unavailable");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    held.store(false, Ordering::Relaxed);
    blocked.await.unwrap().unwrap();
    region.entity("b").ask(Block::Not).await.unwrap();
}
