//! Real threads and real time: regions that race over a store which fails at random.

use std::num::NonZeroUsize;
use std::time::Duration;

use annals_core::{ErrorKind, RetryPolicy};
use annals_entity::Settings;

use crate::account::Command;
use crate::faulty::Fault;
use crate::world::World;

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
