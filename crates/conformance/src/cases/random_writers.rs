//! Random writers beside each other. How they interleave is not repeatable, so there is no model of
//! each step; what each writer was told is checked against what is stored in the end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use annals_core::{Append, ErrorKind, PersistenceId, Scope, SeqRange, StoredEvent};

use super::random_operations::{SEED_VARIABLE, seeds};
use crate::Missing;
use crate::context::{Context, Subject, count, event, summary, text};
use crate::random::Random;
use crate::verdict::{Outcome, Stop, ensure, ensure_eq, locked};

const WRITERS: u64 = 6;

/// What a writer was told about an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Stored,
    Refused,
    /// Nothing yet: the answer is under way, or was lost in the crash.
    Nothing,
}

type Log = Arc<Mutex<Vec<(Append, Told)>>>;

pub(crate) async fn model_random_writers(cx: Context) -> Outcome {
    for seed in seeds(&cx)? {
        of_seed(seed, ends_in_order(&cx, seed).await)?;
    }
    Ok(())
}

pub(crate) async fn model_random_writers_and_crashes(cx: Context) -> Outcome {
    for seed in seeds(&cx)? {
        of_seed(seed, ends_in_a_crash(&cx, seed).await)?;
    }
    Ok(())
}

/// Adds to a failure what its writers did; how they interleaved is not repeatable.
fn of_seed(seed: u64, outcome: Outcome) -> Outcome {
    outcome.map_err(|stop| match stop {
        Stop::Failed(reason) => Stop::Failed(format!("{reason}\n  with {SEED_VARIABLE}={seed}")),
        ignored => ignored,
    })
}

async fn open(cx: &Context, seed: u64) -> Outcome<Subject> {
    let subject = cx.open_at(&format!("seed-{seed}")).await?;
    subject.needs(subject.capabilities().exclusive, Missing::Exclusive)?;
    Ok(subject)
}

async fn ends_in_order(cx: &Context, seed: u64) -> Outcome {
    let subject = open(cx, seed).await?;
    let steps = cx.scale().model_steps / WRITERS;
    let (ids, logs, tasks) = spawn_writers(cx, &subject, seed, steps);
    for task in tasks {
        task.await.expect("a writer does not panic")?;
    }
    check(&subject, &ids, &logs).await
}

async fn ends_in_a_crash(cx: &Context, seed: u64) -> Outcome {
    let mut subject = open(cx, seed).await?;
    subject.needs(subject.capabilities().durable, Missing::Durable)?;
    let (ids, logs, tasks) = spawn_writers(cx, &subject, seed, u64::MAX);
    let wanted = Random::new(seed).between(1, cx.scale().model_steps);
    let told = || logs.iter().map(|log| locked(log).len()).sum::<usize>();
    while told() < count(wanted) && !tasks.iter().all(|task| task.is_finished()) {
        tokio::task::yield_now().await;
    }
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    for task in tasks {
        if let Ok(ended) = task.await {
            ended?;
        }
    }
    subject = subject.crash().await?;
    check(&subject, &ids, &logs).await
}

type Writers = (Vec<PersistenceId>, Vec<Log>, Vec<tokio::task::JoinHandle<Outcome>>);

fn spawn_writers(cx: &Context, subject: &Subject, seed: u64, steps: u64) -> Writers {
    let ids: Vec<_> = ["a", "b", "c"].map(|name| cx.id(format!("{seed}-{name}"))).into();
    let logs: Vec<Log> = (0..WRITERS).map(|_| Log::default()).collect();
    let spawn = |(number, log): (u64, &Log)| {
        let mut writer = Writer {
            cx: cx.clone(),
            subject: subject.clone(),
            name: format!("writer-{number}"),
            random: Random::new(seed.wrapping_mul(1000).wrapping_add(number)),
            highest: HashMap::new(),
            log: log.clone(),
            texts: 0,
        };
        let ids = ids.clone();
        tokio::spawn(async move {
            for _ in 0..steps {
                writer.step(&ids).await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        })
    };
    let tasks = (0..).zip(&logs).map(spawn).collect();
    (ids, logs, tasks)
}

struct Writer {
    cx: Context,
    subject: Subject,
    name: String,
    random: Random,
    /// The highest numbers that it learned.
    highest: HashMap<PersistenceId, u64>,
    log: Log,
    texts: u64,
}

impl Writer {
    async fn step(&mut self, ids: &[PersistenceId]) -> Outcome {
        let id = self.random.pick(ids).clone();
        match self.random.below(12) {
            0 => {
                let highest = self.subject.bounds(&id).await?.1;
                self.highest.insert(id, highest);
            }
            1 => {
                let to = self.highest.get(&id).copied().unwrap_or(0).saturating_sub(3);
                self.subject.delete_to(&id, to).await?;
            }
            2 => self.repeat().await?,
            _ => self.append(&id).await?,
        }
        Ok(())
    }

    async fn append(&mut self, id: &PersistenceId) -> Outcome {
        let after = self.highest.get(id).copied().unwrap_or(0);
        let mut events = Vec::new();
        for _ in 0..self.random.between(1, 4) {
            self.texts += 1;
            events.push(event(format!("{}-{}", self.name, self.texts)));
        }
        let append = self.cx.append_by(&self.name, id, after, events)?;
        let place = {
            let mut log = locked(&self.log);
            log.push((append.clone(), Told::Nothing));
            log.len() - 1
        };
        let told = match self.subject.append(append).await {
            Ok(receipt) => {
                self.highest.insert(id.clone(), receipt.last.get());
                Told::Stored
            }
            Err(error) => match error.kind() {
                ErrorKind::Conflict { highest } => {
                    self.highest.insert(id.clone(), highest.get());
                    Told::Refused
                }
                _ => return Err(error.into()),
            },
        };
        if let Some(entry) = locked(&self.log).get_mut(place) {
            entry.1 = told;
        }
        Ok(())
    }

    /// Repeats its newest append that was stored.
    async fn repeat(&self) -> Outcome {
        let stored = |entry: &&(Append, Told)| entry.1 == Told::Stored;
        let newest = locked(&self.log).iter().rev().find(stored).cloned();
        let Some((append, _)) = newest else { return Ok(()) };
        match self.subject.append(append.clone()).await {
            Ok(receipt) => ensure_eq!(receipt, append.receipt(), "the receipt of a repeat"),
            Err(error) => ensure!(error.is_conflict(), "a repeat was answered: {error}"),
        }
        Ok(())
    }
}

/// Checks what is stored against what the writers were told.
async fn check(subject: &Subject, ids: &[PersistenceId], logs: &[Log]) -> Outcome {
    let log: Vec<_> = logs.iter().flat_map(|log| locked(log).clone()).collect();
    let mut all = Vec::new();
    for id in ids {
        let events = subject.replay(id, SeqRange::ALL).await?;
        let own = log.iter().filter(|(append, _)| append.id() == id);
        check_history(subject.bounds(id).await?, &events, own)?;
        let read = subject.read(&Scope::Id(id.clone(), SeqRange::ALL), None, 20).await?;
        let wanted: Vec<_> =
            events.iter().map(|e| (id.to_string(), e.seq_nr.get(), text(e))).collect();
        ensure_eq!(summary(&read), wanted, "what readers across entities see of {id}");
        all.extend(wanted);
    }
    if subject.capabilities().all_events {
        let mut read = summary(&subject.read(&Scope::All, None, 20).await?);
        read.retain(|event| ids.iter().any(|id| event.0 == id.as_str()));
        // A stable sort by id leaves each entity's order as it was read.
        read.sort_by(|left, right| left.0.cmp(&right.0));
        all.sort_by(|left, right| left.0.cmp(&right.0));
        ensure_eq!(read, all, "all events");
    }
    Ok(())
}

fn check_history<'a>(
    (deleted_to, highest): (u64, u64),
    events: &[StoredEvent],
    log: impl Iterator<Item = &'a (Append, Told)>,
) -> Outcome {
    let found: BTreeMap<u64, String> = events.iter().map(|e| (e.seq_nr.get(), text(e))).collect();
    let mut explained: BTreeMap<u64, &Append> = BTreeMap::new();
    for (append, told) in log {
        let first = append.range().from.get();
        let numbered = (first..).zip(append.events());
        let texts: BTreeMap<u64, String> = numbered
            .map(|(seq_nr, event)| {
                (seq_nr, String::from_utf8_lossy(&event.payload.bytes).into_owned())
            })
            .collect();
        let there = texts.iter().filter(|(seq_nr, text)| found.get(seq_nr) == Some(text)).count();
        let visible = texts.keys().filter(|seq_nr| **seq_nr > deleted_to).count();
        let what = format!("the append of {first}-{} by {}", append.range().to, append.writer());
        match told {
            Told::Stored => ensure_eq!(there, visible, "events that are left of {what}"),
            Told::Refused => ensure_eq!(there, 0, "events of {what}, which was refused"),
            Told::Nothing if there == 0 => continue,
            Told::Nothing => ensure_eq!(there, visible, "events of {what}, whose answer was lost"),
        }
        if *told == Told::Refused {
            continue;
        }
        for seq_nr in texts.into_keys() {
            if let Some(other) = explained.insert(seq_nr, append) {
                let other = other.writer();
                return Err(Stop::Failed(format!(
                    "{what} and one by {other} have number {seq_nr}"
                )));
            }
        }
    }
    let unexplained = found.keys().find(|seq_nr| !explained.contains_key(seq_nr));
    ensure!(unexplained.is_none(), "event {unexplained:?} was written by nobody");
    let last = explained.keys().last().copied().unwrap_or(0);
    // An append whose answer was lost may have been stored and deleted since.
    ensure!(highest >= last, "the highest number is {highest}, though {last} was stored");
    ensure_eq!(found.len(), count(highest - deleted_to), "the events left");
    Ok(())
}
