//! Pekko writes, annals reads.

use annals_core::SeqRange;
use annals_interop::Mode;

use super::APPENDS;
use crate::kinds::{every_kind, texts};
use crate::sides::{Sides, numbered, seq_nr};

/// Every kind of event means the same.
pub(crate) async fn every_kind_means_the_same(sides: &Sides) {
    let events = every_kind();
    sides.pekko.persist("pekko-kinds|1", Mode::Each, &events).await.unwrap();

    assert_eq!(sides.annals.events("pekko-kinds|1").await, numbered(1, events));
}

/// Appends of any size are there, whole and in order, whatever part of them is asked for.
pub(crate) async fn appends_are_whole_and_in_order(sides: &Sides) {
    let mut expected = Vec::new();
    let mut first = 1;
    for count in APPENDS {
        let events = texts(first, count);
        let last = sides.pekko.persist("pekko-appends|1", Mode::All, &events).await.unwrap();
        expected.extend(numbered(first, events));
        first += count;
        assert_eq!(last, first - 1);
    }
    let burst = texts(first, 205);
    sides.pekko.persist("pekko-appends|1", Mode::Async, &burst).await.unwrap();
    expected.extend(numbered(first, burst));

    assert_eq!(sides.annals.events("pekko-appends|1").await, expected);
    let bounds = sides.annals.bounds("pekko-appends|1").await;
    assert_eq!((bounds.deleted_to.get(), bounds.highest.get()), (0, first + 204));
    // Bounds within appends, and at the groups' ends.
    for (from, to) in [(2, 3), (28, 29), (30, 160), (99, 101), (100, 100), (199, 300)] {
        let range = SeqRange::new(seq_nr(from), seq_nr(to));
        let read = sides.annals.events_in("pekko-appends|1", range).await.unwrap();
        let within = expected.iter().filter(|event| (from..=to).contains(&event.seq_nr));
        assert_eq!(read, within.cloned().collect::<Vec<_>>(), "{from} to {to}");
    }
}

/// Both list the same ids, and an id that needs care is the same id.
pub(crate) async fn ids_are_the_same(sides: &Sides) {
    const MARK: &str = "listed ";
    let mut expected = Vec::new();
    for id in ["id-with-5|x-7", "nothing-but-a-name", "é|𝄞 /?", "x|1", "x|1-0"] {
        let id = format!("{MARK}{id}");
        let by_annals = format!("{id}-by-annals");
        sides.pekko.persist(&id, Mode::Each, &texts(1, 2)).await.unwrap();
        sides.annals.persist(&by_annals, &[&texts(1, 1)]).await;
        assert_eq!(sides.annals.events(&id).await, numbered(1, texts(1, 2)), "{id}");
        expected.extend([id, by_annals]);
    }
    expected.sort();

    // Other tests may share the tables.
    let sorted = |mut ids: Vec<String>| {
        ids.retain(|id| id.starts_with(MARK));
        ids.sort();
        ids
    };
    assert_eq!(sorted(sides.annals.ids().await), expected);
    assert_eq!(sorted(sides.pekko.ids().await.unwrap()), expected);
}
