//! Tag rows that come after readers have passed their times.

use std::time::Duration;

use annals_cassandra::{Fencing, TagWriters};
use annals_core::{Offset, PersistenceId, Scope, Store, Tag, WriterId};

use crate::history::{self, PATIENCE};
use crate::lost;
use crate::support::{self, append, unique};
use crate::wire::{Act, Wire};

fn without_tag_rows(statement: &str) -> Act {
    if statement.contains(".tag_views ") { Act::Refuse } else { Act::Pass }
}

/// A reader of a tag, page by page.
struct Reading {
    store: Store,
    scope: Scope,
    after: Option<Offset>,
    found: Vec<(String, u64)>,
}

impl Reading {
    fn new(store: &Store, tag: &str, after: Option<&Offset>) -> Self {
        let scope = Scope::Tag(Tag::new(tag).unwrap());
        Self { store: store.clone(), scope, after: after.cloned(), found: Vec::new() }
    }

    async fn step(&mut self) {
        let journal = &self.store.read_journal;
        let page = journal.page(&self.scope, self.after.as_ref(), None, 10).await.unwrap();
        let events = page.events().iter();
        self.found.extend(events.map(|e| (e.persistence_id.to_string(), e.event.seq_nr.get())));
        self.after = page.next().cloned();
    }

    /// Reads on until it has found so many.
    async fn until(&mut self, count: usize) {
        let patience = tokio::time::Instant::now() + PATIENCE;
        while self.found.len() < count {
            assert!(tokio::time::Instant::now() < patience, "{:?}", self.found);
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.step().await;
        }
    }
}

/// Tag rows of another process that come late, of entities that are not tagged again: also where the reader
/// was started again, and knows them not.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_late_are_found_though_no_later_event_tells_of_them() {
    let tag = unique();
    let [known, new, other] = ["known", "new", "other"].map(history::id);
    let mut settings = lost::settings(Fencing::Lwt);
    settings.events_by_tag.first_time_bucket_millis = support::today_millis();
    settings.events_by_tag.eventual_consistency_delay = Duration::from_millis(100);
    let back = &mut settings.events_by_tag.back_track;
    // The rows come later than the short look reaches.
    (back.interval, back.period) = (Some(Duration::from_millis(50)), Some(Duration::ZERO));
    back.long_interval = Some(Duration::from_millis(300));
    let wire = Wire::to(support::server().await).await;
    let late = support::open_at(wire.address(), settings.clone()).await.unwrap().store();
    let prompt = support::open(settings.clone()).await.unwrap().store();
    let write = async |store: &Store, id: &PersistenceId, after| {
        store.journal.append(append(id, after, "w", &["x"], &[&tag])).await.unwrap();
    };
    write(&late, &known, 0).await;
    let mut reading = Reading::new(&prompt, &tag, None);
    reading.until(1).await;
    let store = support::open(settings).await.unwrap().store();
    let mut resumed = Reading::new(&store, &tag, reading.after.as_ref());
    // It learns what lies behind it when it looks back first.
    resumed.step().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    resumed.step().await;

    wire.follow(without_tag_rows);
    write(&late, &known, 1).await;
    write(&late, &new, 0).await;
    write(&prompt, &other, 0).await;
    reading.until(2).await;
    resumed.until(1).await;
    assert_eq!((reading.found.len(), resumed.found.len()), (2, 1), "the others are not there yet");
    wire.follow(|_| Act::Pass);

    for (reading, first) in [(&mut reading, 1), (&mut resumed, 0)] {
        reading.until(first + 3).await;
        let mut found = reading.found.split_off(first + 1);
        found.sort();
        assert_eq!(reading.found[first], (other.to_string(), 1));
        assert_eq!(found, [(known.to_string(), 2), (new.to_string(), 1)]);
    }
}

/// A process dies between events and their tag rows. The readers of the next ones pass their times before
/// their entities begin again, and are not behind anybody's delay.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_dead_process_left_out_reach_readers_that_passed_them() {
    for fencing in [Fencing::Claims, Fencing::Lwt, Fencing::Off] {
        let tag = unique();
        let [one, two, other] = ["one", "two", "other"].map(history::id);
        let mut settings = lost::settings(fencing);
        settings.events_by_tag.first_time_bucket_millis = support::today_millis();
        settings.tag_writers = TagWriters::Own;
        let open = async || support::open(settings.clone()).await.unwrap().store();
        let write = async |store: &Store, id: &PersistenceId, after| {
            store.journal.append(append(id, after, "w", &["x"], &[&tag])).await.unwrap();
        };
        let wire = Wire::to(support::server().await).await;
        let dies = support::open_at(wire.address(), settings.clone()).await.unwrap().store();
        wire.follow(without_tag_rows);
        for (id, after) in [(&one, 0), (&one, 1), (&two, 0), (&two, 1)] {
            write(&dies, id, after).await;
        }
        wire.follow(|_| Act::Lose);
        drop(dies);

        let next = open().await;
        let mut passed = Reading::new(&next, &tag, None);
        write(&next, &other, 0).await;
        passed.until(1).await;
        next.journal.begin(&one, &WriterId::new("next")).await.unwrap();
        passed.until(3).await;
        passed.step().await;
        let of = |id: &PersistenceId, number: u64| (id.to_string(), number);
        assert_eq!(passed.found, [of(&other, 1), of(&one, 1), of(&one, 2)], "{fencing:?}");
        next.close().await.unwrap();

        // The reader comes back where it stood, in a process that began the other entity meanwhile.
        let third = open().await;
        third.journal.begin(&two, &WriterId::new("third")).await.unwrap();
        let mut resumed = Reading::new(&third, &tag, passed.after.as_ref());
        resumed.until(2).await;
        resumed.step().await;
        assert_eq!(resumed.found, [of(&two, 1), of(&two, 2)], "{fencing:?}");
        let mut all = Reading::new(&third, &tag, None);
        all.until(5).await;
        all.step().await;
        let in_order = [of(&one, 1), of(&one, 2), of(&two, 1), of(&two, 2), of(&other, 1)];
        assert_eq!(all.found, in_order, "{fencing:?}");
    }
}
