//! Annals writes, Pekko reads: its entities recover, and its read journal lists.

use annals_interop::{Recovery, Replayed};
use serde_json::Value;

use super::APPENDS;
use crate::kinds::{every_kind, texts};
use crate::sides::{Sides, numbered};

/// Every kind of event means the same, and goes through the application's event adapter.
pub(crate) async fn every_kind_means_the_same(sides: &Sides) {
    let events = every_kind();
    let appends: Vec<&[Value]> = events.iter().map(std::slice::from_ref).collect();
    sides.annals.persist("annals-kinds|1", &appends).await;

    let recovered = sides.pekko_recovers("annals-kinds|1").await;
    assert_eq!(recovered.events, numbered(1, events));
}

/// Appends of any size are recovered whole and in order, and listed by Pekko's read journal.
pub(crate) async fn appends_are_whole_and_in_order(sides: &Sides) {
    let mut expected = Vec::new();
    let mut first = 1;
    let appends_max = sides.annals.0.capabilities().events_per_append_max;
    for count in APPENDS.into_iter().filter(|count| usize::try_from(*count).unwrap() <= appends_max)
    {
        let events = texts(first, count);
        sides.annals.persist("annals-appends|1", &[&events]).await;
        expected.extend(numbered(first, events));
        first += count;
    }

    let recovered = sides.pekko_recovers("annals-appends|1").await;
    assert_eq!((recovered.seq_nr, recovered.events), (first - 1, expected.clone()));
    let part = Recovery { to: 150, ..Recovery::default() };
    let part = sides.pekko.recover("annals-appends|1", part).await.unwrap();
    // An append that a bound cuts is not given by all plugins; those before it are.
    let whole = expected.iter().take_while(|event| event.seq_nr <= 54);
    assert_eq!(part.events[..54], whole.cloned().collect::<Vec<_>>());

    let listed: Vec<Replayed> = sides
        .pekko
        .events("annals-appends|1")
        .await
        .unwrap()
        .into_iter()
        .map(|event| Replayed { seq_nr: event.seq_nr, value: event.value })
        .collect();
    assert_eq!(listed, expected);
}
