//! Whole histories with faults: processes claim and append to the same entities while replicas lag,
//! mutations get lost, answers get lost or come late, and processes die. Time is simulated, and a
//! seed repeats a run.

mod history;
mod random;
mod replay;
mod server;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annals_core::{
    Append, AppendId, ErrorKind, Ids, NewEvent, Payload, PersistenceId, RetryPolicy, SeqNr,
    SerializerId, Timestamp, WriterId,
};
use bytes::Bytes;

use super::driver::{Claims, Patience};
use crate::settings::AfterJvm;
use history::Log;
use random::Random;
use server::Server;

/// Fresh ids that a seed repeats.
#[derive(Debug)]
struct SimIds(AtomicU64);

impl SimIds {
    fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seed)))
    }
}

impl Ids for SimIds {
    fn append_id(&self) -> AppendId {
        AppendId::new(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn writer_id(&self) -> WriterId {
        WriterId::new(format!("w{}", self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn random(&self) -> u64 {
        Random::new(self.0.fetch_add(1, Ordering::Relaxed)).next()
    }
}

fn patience() -> Patience {
    let (first, max) = (Duration::from_millis(20), Duration::from_millis(400));
    let retry = RetryPolicy { first, max, retries_max: 5 };
    Patience { retry, check: Duration::from_millis(500) }
}

/// A fresh process.
fn process(server: &Arc<Server>, ids: &Arc<SimIds>) -> Arc<Claims<Server>> {
    let name = format!("p{}", ids.writer_id());
    server.enter(&name);
    Arc::new(Claims::new(name.into(), server.clone(), patience(), ids.clone()))
}

fn append(
    ids: &SimIds,
    id: &PersistenceId,
    after: SeqNr,
    writer: &WriterId,
    events: usize,
) -> Append {
    let payload =
        Payload { serializer: SerializerId::new(4), manifest: "".into(), bytes: Bytes::new() };
    let events = vec![NewEvent::new(payload, Timestamp::UNKNOWN); events];
    Append::new(ids.append_id(), id.clone(), after, writer.clone(), events).unwrap()
}

/// The application of one entity in one process, which never ends by itself.
async fn application(
    claims: Arc<Claims<Server>>,
    ids: Arc<SimIds>,
    id: PersistenceId,
    log: Arc<Log>,
    seed: u64,
) {
    let mut random = Random::new(seed);
    loop {
        tokio::time::sleep(Duration::from_millis(random.below(300))).await;
        let writer = ids.writer_id();
        let must = log.highest(&id);
        let Ok((bounds, _)) = claims.begin(&id, &writer).await else { continue };
        let highest = bounds.highest;
        assert!(highest >= must, "{id} begins at {highest}: {must} is lost");
        let mut after = bounds.highest;
        for _ in 0..random.below(6) {
            let events = if random.one_in(3) { 2 } else { 1 };
            let append = append(&ids, &id, after, &writer, events);
            match attempt(&claims, &append, &log, &mut random).await {
                Some(last) => after = last,
                None => break,
            }
            if random.one_in(8)
                && let Ok((_, to)) = claims.delete_to(&id, after).await
            {
                claims.tables().remove_rows(&id, to);
            }
        }
    }
}

/// One append, repeated while its outcome is unknown; the last number if it is stored.
async fn attempt(
    claims: &Claims<Server>,
    append: &Append,
    log: &Log,
    random: &mut Random,
) -> Option<SeqNr> {
    let mut perhaps_stored = false;
    for _ in 0..4 {
        match claims.append(append).await {
            Ok((receipt, _)) => {
                log.acknowledged(append);
                return Some(receipt.last);
            }
            Err(error) => match error.kind() {
                ErrorKind::OutcomeUnknown => perhaps_stored = true,
                // A conflict also answers a repeat whose events were stored, and deleted since.
                ErrorKind::Conflict { .. } if perhaps_stored && deleted(claims, append) => {
                    return None;
                }
                ErrorKind::Conflict { .. } | ErrorKind::Fenced => {
                    log.refused(append);
                    return None;
                }
                ErrorKind::Unavailable => {}
                kind => panic!("{kind:?}: {error}"),
            },
        }
        tokio::time::sleep(Duration::from_millis(random.below(200))).await;
    }
    if !perhaps_stored {
        log.refused(append);
    }
    None
}

fn deleted(claims: &Claims<Server>, append: &Append) -> bool {
    append.range().from <= claims.tables().deleted_to(append.id())
}

/// A reader that delivers whatever it may.
async fn reader(claims: Arc<Claims<Server>>, id: PersistenceId, log: Arc<Log>, seed: u64) {
    let mut random = Random::new(seed);
    loop {
        tokio::time::sleep(Duration::from_millis(random.below(150))).await;
        let must = log.highest(&id);
        if let Ok(read) = replay::read(&claims, &id).await {
            log.delivered(&id, &read.events);
            assert!(
                !read.complete || read.end >= must,
                "{id} ends at {}: {must} is lost",
                read.end
            );
        }
    }
}

/// Clears up what claims leave behind, and may be late with it.
async fn cleaner(server: Arc<Server>, entities: [PersistenceId; 2], seed: u64) {
    let mut random = Random::new(seed);
    loop {
        tokio::time::sleep(Duration::from_millis(random.below(400))).await;
        for id in &entities {
            // One that failed is run again.
            let _ = server.clean_voids(id).await;
        }
        server.forget_process().await;
    }
}

/// Lets two processes at a time live and die on two entities, then reads what is stored.
async fn run(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let server = Server::new(random.next());
    let ids = SimIds::new(seed.wrapping_mul(1_000_003));
    let log = Arc::new(Log::default());
    let entities = ["a", "b"].map(|name| PersistenceId::new(name).unwrap());
    let reading = process(&server, &ids);
    let mut readers = tokio::task::JoinSet::new();
    for id in &entities {
        readers.spawn(reader(reading.clone(), id.clone(), log.clone(), random.next()));
    }
    let mut cleaners = tokio::task::JoinSet::new();
    if seed % 2 == 1 {
        cleaners.spawn(cleaner(server.clone(), entities.clone(), random.next()));
    }
    let mut living = Vec::new();
    for _ in 0..5 {
        let mut applications = tokio::task::JoinSet::new();
        let claims = process(&server, &ids);
        for id in &entities {
            let (claims, ids, log) = (claims.clone(), ids.clone(), log.clone());
            applications.spawn(application(claims, ids, id.clone(), log, random.next()));
        }
        living.push(applications);
        if living.len() > 2 {
            // Dropped tasks end at whatever they wait for: the process is killed.
            living.remove(0);
        }
        tokio::time::sleep(Duration::from_millis(random.below(2_500))).await;
        assert!(living.iter_mut().all(|tasks| tasks.try_join_next().is_none()), "one ended");
    }
    living.clear();
    assert!(readers.try_join_next().is_none(), "a reader ended: see above");
    drop((readers, cleaners));
    server.heal();
    let last = process(&server, &ids);
    for id in &entities {
        last.settle(id).await.unwrap();
        let read = replay::read(&last, id).await.unwrap();
        assert!(read.complete, "nobody else claims {id}, and its last append is still doubtful");
        log.agrees(id, &read);
    }
    log.acknowledgements()
}

fn simulated<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(future)
}

#[test]
fn histories_with_faults_lose_nothing() {
    let given = std::env::var("ANNALS_SEED").ok().and_then(|seed| seed.parse().ok());
    let rounds = if std::env::var_os("ANNALS_LONG").is_some() { 20_000 } else { 150 };
    let seeds = given.map_or(0..rounds, |seed: u64| seed..seed + 1);
    let mut acknowledged = 0;
    for seed in seeds {
        let _told = Tell(seed);
        acknowledged += simulated(run(seed));
    }
    assert!(acknowledged > 0, "nothing was ever acknowledged");
}

/// Names the seed of a run that panics.
struct Tell(u64);

impl Drop for Tell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("ANNALS_SEED={} repeats this run", self.0);
        }
    }
}

/// A process that dies before its nth request, for every n, while another owns the entity; then the
/// owner goes on, and a third takes over.
#[test]
fn a_claimant_may_die_at_each_step() {
    let mut steps = HashSet::new();
    for requests in 0..40 {
        for restarts in [false, true] {
            steps.insert(simulated(dies_after(requests, restarts)));
        }
    }
    let reached: usize = steps.into_iter().max().unwrap();
    assert!(reached >= 5, "the claimant never got further than {reached} requests");
}

/// The owner either starts the entity again, or goes on appending at the number that it knows.
async fn dies_after(requests: usize, restarts: bool) -> usize {
    let server = Server::faultless();
    let ids = SimIds::new(1);
    let log = Log::default();
    let id = PersistenceId::new("a").unwrap();
    let (owner, claimant) = (process(&server, &ids), process(&server, &ids));
    let (w1, w2) = (ids.writer_id(), ids.writer_id());
    owner.begin(&id, &w1).await.unwrap();
    let first = append(&ids, &id, SeqNr::ZERO, &w1, 2);
    owner.append(&first).await.unwrap();
    log.acknowledged(&first);

    // Left waiting for ever at the request that it may not make.
    let died = server.limited(requests, async {
        let Ok((bounds, _)) = claimant.begin(&id, &w2).await else { return };
        let second = append(&ids, &id, bounds.highest, &w2, 2);
        if claimant.append(&second).await.is_ok() {
            log.acknowledged(&second);
        }
    });
    let made = died.await;

    let known = first.range().to;
    let after = if restarts { owner.begin(&id, &w1).await.unwrap().0.highest } else { known };
    let third = append(&ids, &id, after, &w1, 1);
    let mut answer = owner.append(&third).await;
    if answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::OutcomeUnknown) {
        // Its claim was revoked by one who died before it won: a claim of its own settles that.
        answer = owner.append(&third).await;
    }
    match answer {
        Ok(_) => log.acknowledged(&third),
        Err(error) => {
            assert!(error.kind() == ErrorKind::Fenced || error.is_conflict(), "{requests}: {error}")
        }
    }
    let next = process(&server, &ids);
    let (bounds, _) = next.begin(&id, &ids.writer_id()).await.unwrap();
    let fourth = append(&ids, &id, bounds.highest, &ids.writer_id(), 1);
    next.append(&fourth).await.unwrap();
    log.acknowledged(&fourth);
    let read = replay::read(&next, &id).await.unwrap();
    assert!(read.complete);
    log.agrees(&id, &read);
    made
}

/// The requests of a claim, beside the search for the last number.
#[test]
fn claims_take_few_requests() {
    simulated(async {
        let server = Server::faultless();
        let ids = SimIds::new(1);
        let id = PersistenceId::new("a").unwrap();
        let (one, two) = (process(&server, &ids), process(&server, &ids));

        let of = |claims: Arc<Claims<Server>>| {
            let (server, id, writer) = (server.clone(), id.clone(), ids.writer_id());
            async move {
                let before = server.requests();
                claims.begin(&id, &writer).await.unwrap();
                server.requests() - before
            }
        };

        assert_eq!(of(one.clone()).await, 2, "new");
        assert_eq!(of(one.clone()).await, 1, "back in the same process");
        assert_eq!(of(two.clone()).await, 3, "taken over");
        assert_eq!(of(one.clone()).await, 1 + 3, "taken over by one that thought it owned it");
    });
}

/// Many appends at once share checks, also those of different entities.
#[test]
fn checks_are_shared() {
    simulated(async {
        let server = Server::faultless();
        let ids = SimIds::new(1);
        let claims = process(&server, &ids);
        let writer = ids.writer_id();
        let entities: Vec<_> =
            (0..64).map(|n| PersistenceId::new(format!("e{n}")).unwrap()).collect();
        for id in &entities {
            claims.begin(id, &writer).await.unwrap();
        }
        let before = server.checks();
        let appends = entities.iter().map(|id| {
            let (claims, append) = (claims.clone(), append(&ids, id, SeqNr::ZERO, &writer, 1));
            async move { claims.append(&append).await.unwrap() }
        });
        futures_util::future::join_all(appends).await;
        let checks = server.checks() - before;
        assert!((1..=32).contains(&checks), "{checks} checks for 64 appends");
    });
}

/// Where an entity begins in two processes, one after the other. A JVM wrote its event 1 to all replicas, and
/// was killed when one of them had event 2.
fn begins_after_a_killed_jvm(seed: u64, after_jvm: AfterJvm) -> [u64; 2] {
    simulated(async {
        let (server, ids) = (Server::new(seed), SimIds::new(seed));
        server.heal();
        let id = PersistenceId::new("left|1").unwrap();
        server.written_by_jvm(&id, SeqNr::FIRST, &[0, 1, 2]);
        server.written_by_jvm(&id, SeqNr::FIRST.next(), &[0]);
        let mut highest = [0; 2];
        for (highest, name) in highest.iter_mut().zip(["first", "second"]) {
            server.enter(name);
            let claims = Claims::new(name.into(), server.clone(), patience(), ids.clone());
            let begun = claims.after_jvm(after_jvm).begin(&id, &ids.writer_id()).await;
            *highest = begun.unwrap().0.highest.get();
        }
        highest
    })
}

#[test]
fn what_a_killed_jvm_left_on_one_replica_counts_from_the_first_begin_on() {
    for seed in 0..40 {
        assert_eq!(begins_after_a_killed_jvm(seed, AfterJvm::All), [2, 2], "seed {seed}");
    }
}

/// What the setting gives up: the first look may miss what the second one finds.
#[test]
fn at_a_quorum_it_may_show_up_later() {
    let begins = (0..40).map(|seed| begins_after_a_killed_jvm(seed, AfterJvm::Quorum));
    assert!(begins.into_iter().any(|highest| highest == [1, 2]));
}
