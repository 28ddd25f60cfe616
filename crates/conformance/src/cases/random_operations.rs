//! Random operations, each answer compared with the model's.

mod kept;

use annals_core::{
    Append, AppendMode, ErrorKind, Journal, Offset, OffsetRevision, PersistenceId, Scope, SeqNr,
    SeqRange, Slice, SliceRange, SnapshotCriteria, Tag,
};

use crate::Missing;
use crate::context::{Context, Subject, event, nr, summary, text};
use crate::faults::LosesAcknowledgements;
use crate::model::{Expected, Model};
use crate::random::Random;
use crate::verdict::{Outcome, Stop, ensure, ensure_eq, expect_conflict, expect_kind};

/// Which seeds to run: `ANNALS_SEED`, or the first ones.
pub(super) const SEED_VARIABLE: &str = "ANNALS_SEED";

pub(crate) async fn model_random_operations(cx: Context) -> Outcome {
    random_operations(cx, false).await
}

pub(crate) async fn model_random_operations_and_crashes(cx: Context) -> Outcome {
    random_operations(cx, true).await
}

/// The seeds of this run.
pub(super) fn seeds(cx: &Context) -> Outcome<Vec<u64>> {
    match std::env::var(SEED_VARIABLE) {
        Ok(seed) => match seed.parse() {
            Ok(seed) => Ok(vec![seed]),
            Err(_) => Err(Stop::Failed(format!("{SEED_VARIABLE}={seed} is not a number"))),
        },
        Err(_) => Ok((1..=cx.scale().model_seeds).collect()),
    }
}

async fn random_operations(cx: Context, with_crashes: bool) -> Outcome {
    for seed in seeds(&cx)? {
        let mut run = Run::new(&cx, seed, with_crashes).await?;
        for step in 0..cx.scale().model_steps {
            run.doing.clear();
            let outcome = run.step().await;
            run.located(outcome, seed, step)?;
        }
        run.doing = "checking everything at the end".to_owned();
        let outcome = run.check_everything().await;
        run.located(outcome, seed, cx.scale().model_steps)?;
    }
    Ok(())
}

const ALWAYS_OPEN: &str = "the store is open between two steps";

/// One run of one seed.
struct Run {
    cx: Context,
    /// Absent only while it is opened again.
    subject: Option<Subject>,
    model: Model,
    random: Random,
    with_crashes: bool,
    ids: Vec<PersistenceId>,
    tags: Vec<Tag>,
    scopes: Vec<Scope>,
    /// The offsets that each scope gave, with the place of their event in the order of commits.
    offsets: Vec<Vec<(usize, Offset)>>,
    /// The projection's offset as it was saved last.
    projection: (OffsetRevision, Option<Offset>),
    projection_name: String,
    /// Appends that were stored, to repeat them.
    stored: Vec<Append>,
    texts: u64,
    /// The operation under way, for the message of a failure.
    doing: String,
}

impl Run {
    async fn new(cx: &Context, seed: u64, with_crashes: bool) -> Outcome<Self> {
        let subject = cx.open_at(&format!("seed-{seed}")).await?;
        let limits = subject.capabilities();
        if with_crashes {
            subject.needs(limits.durable, Missing::Durable)?;
        }
        let ids: Vec<_> = ["a", "a-", "b", "c"].map(|name| cx.id(format!("{seed}-{name}"))).into();
        let tags: Vec<_> = ["t", "u", "v"].map(|name| cx.tag(format!("{seed}-{name}"))).into();
        let mut scopes: Vec<Scope> =
            ids.iter().map(|id| Scope::Id(id.clone(), SeqRange::ALL)).collect();
        if limits.all_events {
            scopes.push(Scope::All);
            if limits.tags {
                scopes.extend(tags.iter().cloned().map(Scope::Tag));
            }
            if limits.slices {
                let middle = Slice::new(Slice::COUNT / 2).unwrap_or(Slice::MAX);
                scopes.push(Scope::Slices(SliceRange::new(Slice::MIN, middle)?));
                scopes.push(Scope::Slices(SliceRange::ALL));
            }
        }
        Ok(Self {
            cx: cx.clone(),
            subject: Some(subject),
            model: Model::default(),
            random: Random::new(seed),
            with_crashes,
            offsets: vec![Vec::new(); scopes.len()],
            ids,
            tags,
            scopes,
            projection: (OffsetRevision::NONE, None),
            projection_name: cx.tag(format!("{seed}-projection")).to_string(),
            stored: Vec::new(),
            texts: 0,
            doing: String::new(),
        })
    }

    /// Adds to a failure where it happened and how to repeat it.
    fn located(&self, outcome: Outcome, seed: u64, step: u64) -> Outcome {
        outcome.map_err(|stop| match stop {
            Stop::Failed(reason) => Stop::Failed(format!(
                "{reason}\n  in step {step}, {}\n  repeat it with {SEED_VARIABLE}={seed}",
                self.doing
            )),
            ignored => ignored,
        })
    }

    async fn step(&mut self) -> Outcome {
        if self.with_crashes && self.random.one_in(40) {
            return self.open_again().await;
        }
        match self.random.below(20) {
            0..8 => self.append().await,
            8 => self.repeat().await,
            9 => self.lose_acknowledgement().await,
            10 => self.delete().await,
            11 => self.replay().await,
            12..15 => self.page().await,
            15 => self.list_ids().await,
            16 => self.save_snapshot().await,
            17 => self.load_snapshot().await,
            18 => self.delete_snapshots().await,
            _ => self.save_offset().await,
        }
    }

    fn subject(&self) -> &Subject {
        self.subject.as_ref().expect(ALWAYS_OPEN)
    }

    fn some_id(&mut self) -> PersistenceId {
        self.random.pick(&self.ids).clone()
    }

    /// A number around the highest of `id`.
    fn some_number(&mut self, id: &PersistenceId) -> SeqNr {
        let highest = self.model.highest(id).get();
        let low = highest.saturating_sub(6);
        nr(self.random.between(low, highest + 3))
    }

    fn some_append(&mut self, id: &PersistenceId, after: SeqNr) -> Outcome<Append> {
        let count = self.random.between(1, 4);
        let mut events = Vec::new();
        for _ in 0..count {
            self.texts += 1;
            let tags = self.tags.clone().into_iter().filter(|_| self.random.one_in(3)).collect();
            events.push(event(self.texts).with_tags(tags));
        }
        let writer = *self.random.pick(&["one", "two", "three"]);
        Ok(self.cx.append_by(writer, id, after.get(), events)?)
    }

    async fn append(&mut self) -> Outcome {
        let id = self.some_id();
        let highest = self.model.highest(&id);
        let after = if self.random.one_in(3) { self.some_number(&id) } else { highest };
        let limits = self.subject().capabilities();
        if after > highest && !limits.detects_ahead || after < highest && !limits.exclusive {
            return Ok(());
        }
        let mut append = self.some_append(&id, after)?;
        if self.random.one_in(8) {
            append = append.with_mode(AppendMode::Ingest);
        }
        self.doing = format!("{:?} append to {id} after {after}", append.mode());
        let answer = self.subject().append(append.clone()).await;
        self.expect(append, answer)
    }

    async fn repeat(&mut self) -> Outcome {
        if self.stored.is_empty() {
            return Ok(());
        }
        let append = self.random.pick(&self.stored).clone();
        self.doing = format!("repeating the append of {:?} to {}", append.range(), append.id());
        let answer = self.subject().append(append.clone()).await;
        self.expect(append, answer)
    }

    async fn lose_acknowledgement(&mut self) -> Outcome {
        let id = self.some_id();
        let append = self.some_append(&id, self.model.highest(&id))?;
        self.doing = format!("losing the acknowledgement of {:?} of {id}", append.range());
        let losing = LosesAcknowledgements::new(self.subject().store.journal.clone(), 1);
        let lost = losing.append(append.clone()).await;
        expect_kind(lost, ErrorKind::OutcomeUnknown, "the append whose acknowledgement is lost")?;
        let answer = self.subject().append(append.clone()).await;
        self.expect(append, answer)
    }

    /// Compares the answer to `append` with the model's, and the bounds after it.
    fn expect(
        &mut self,
        append: Append,
        answer: annals_core::Result<annals_core::Appended>,
    ) -> Outcome {
        match (self.model.append(&append), answer) {
            (Expected::Stored(wanted), answer) => {
                ensure_eq!(answer?, wanted, "the receipt");
                self.stored.push(append);
            }
            (Expected::Repeated(wanted, _), Ok(found)) => {
                ensure_eq!(found, wanted, "the receipt of a repeat");
            }
            (Expected::Repeated(_, highest) | Expected::Conflict(highest), refused) => {
                expect_conflict(refused, highest.get(), "the append")?;
            }
        }
        Ok(())
    }

    async fn delete(&mut self) -> Outcome {
        let id = self.some_id();
        let to = if self.random.one_in(10) { SeqNr::MAX } else { self.some_number(&id) };
        self.doing = format!("deleting {id} to {to}");
        self.subject().store.journal.delete_to(&id, to).await?;
        self.model.delete_to(&id, to);
        self.check_history(&id, SeqRange::ALL).await
    }

    async fn replay(&mut self) -> Outcome {
        let id = self.some_id();
        let range = SeqRange::new(self.some_number(&id), self.some_number(&id));
        self.doing = format!("replaying {range:?} of {id}");
        self.check_history(&id, range).await
    }

    async fn check_history(&self, id: &PersistenceId, range: SeqRange) -> Outcome {
        let found = self.subject().replay(id, range).await?;
        let found: Vec<_> = found.iter().map(|e| (e.seq_nr, text(e), e.tags.clone())).collect();
        let wanted = self.model.events(&Scope::Id(id.clone(), range));
        let wanted: Vec<_> =
            wanted.iter().map(|(_, e)| (e.seq_nr, e.text.clone(), e.tags.clone())).collect();
        ensure_eq!(found, wanted, "the replay of {range:?} of {id}");
        let wanted = (self.model.deleted_to(id).get(), self.model.highest(id).get());
        ensure_eq!(self.subject().bounds(id).await?, wanted, "the bounds of {id}");
        Ok(())
    }

    async fn page(&mut self) -> Outcome {
        let places: Vec<usize> = (0..self.scopes.len()).collect();
        let place = *self.random.pick(&places);
        let events_max = crate::context::count(self.random.between(1, 12));
        let after = self.some_offset(place);
        let until = self.some_offset(place);
        self.doing = format!(
            "reading scope {place} after {after:?} until {until:?} in pages of {events_max}"
        );
        self.check_pages(place, after, until, events_max).await
    }

    /// An offset that the scope gave, or none.
    fn some_offset(&mut self, place: usize) -> Option<(usize, Offset)> {
        let known = self.offsets.get(place).filter(|known| !known.is_empty())?;
        if self.random.one_in(3) { None } else { Some(self.random.pick(known).clone()) }
    }

    async fn check_pages(
        &mut self,
        place: usize,
        after: Option<(usize, Offset)>,
        until: Option<(usize, Offset)>,
        events_max: usize,
    ) -> Outcome {
        let Some(scope) = self.scopes.get(place).cloned() else { return Ok(()) };
        let (start, after) = after.map_or((0, None), |(at, offset)| (at + 1, Some(offset)));
        let (end, until) = until.map_or((usize::MAX, None), |(at, offset)| (at, Some(offset)));
        let read = self.subject().read_until(&scope, after.as_ref(), until.as_ref(), events_max);
        let mut found = read.await?;
        // Another seed's ids may stand in the same store.
        found.retain(|envelope| self.ids.contains(&envelope.persistence_id));
        let wanted = self.model.events(&scope);
        let wanted: Vec<_> =
            wanted.into_iter().filter(|(at, _)| (start..=end).contains(at)).collect();
        let texts: Vec<_> = wanted
            .iter()
            .map(|(_, e)| (e.id.to_string(), e.seq_nr.get(), e.text.clone()))
            .collect();
        ensure_eq!(summary(&found), texts, "the events of {scope:?}");
        let places: Vec<usize> = wanted.iter().map(|(at, _)| *at).collect();
        if let Some(known) = self.offsets.get_mut(place) {
            known.extend(places.into_iter().zip(found.into_iter().map(|e| e.offset)));
            // The newest are enough, and the list stays small.
            let old = known.len().saturating_sub(100);
            known.drain(..old);
        }
        Ok(())
    }

    async fn list_ids(&mut self) -> Outcome {
        let ids_max = crate::context::count(self.random.between(1, 6));
        self.doing = format!("listing the ids in pages of {ids_max}");
        let mut found = self.subject().ids(None, ids_max).await?;
        found.retain(|id| self.ids.contains(id));
        let found = self.subject().comparable(found);
        ensure_eq!(found, self.subject().comparable(self.model.ids()), "the ids");
        Ok(())
    }

    async fn open_again(&mut self) -> Outcome {
        let crash = self.random.one_in(2);
        self.doing = if crash { "crashing" } else { "closing and opening" }.to_owned();
        // Taken, not cloned: a second handle would keep the store open.
        let subject = self.subject.take().expect(ALWAYS_OPEN);
        self.subject = Some(if crash { subject.crash().await? } else { subject.reopen().await? });
        self.check_everything().await
    }

    async fn check_everything(&mut self) -> Outcome {
        for id in self.ids.clone() {
            self.check_history(&id, SeqRange::ALL).await?;
            self.check_snapshots(&id, &SnapshotCriteria::ALL).await?;
        }
        for place in 0..self.scopes.len() {
            self.check_pages(place, None, None, 50).await?;
        }
        self.check_offset().await?;
        self.list_ids().await?;
        ensure!(self.model.commits.len() < 100_000, "the model grew beyond measure");
        Ok(())
    }
}
