//! One entity that goes back and forth.

use annals_core::{ErrorKind, SeqNr};
use annals_interop::Mode;

use crate::kinds::{every_kind, texts};
use crate::sides::{Incarnation, Sides, numbered, seq_nr};

/// Ten times over, each side recovers what the other wrote and goes on from there.
pub(crate) async fn ten_times(sides: &Sides) {
    const ID: &str = "handed|1";
    let mut expected = Vec::new();
    for round in 0..10 {
        let next = |expected: &Vec<_>| u64::try_from(expected.len()).unwrap() + 1;

        let recovered = sides.pekko_recovers(ID).await;
        assert_eq!(recovered.events, expected, "by Pekko in round {round}");
        let first = next(&expected);
        let (together, alone) = (texts(first, 7), texts(first + 7, 5));
        sides.pekko.persist(ID, Mode::All, &together).await.unwrap();
        let last = sides.pekko.persist(ID, Mode::Each, &alone).await.unwrap();
        assert_eq!(last, first + 11);
        sides.pekko.stop(ID).await.unwrap();
        expected.extend(numbered(first, [together, alone].concat()));

        assert_eq!(sides.annals.events(ID).await, expected, "by annals in round {round}");
        let first = next(&expected);
        let (together, kinds) = (texts(first, 3), every_kind());
        let mut appends = vec![&together[..]];
        appends.extend(kinds.chunks(4));
        let last = sides.annals.persist(ID, &appends).await;
        assert_eq!(last, first + 18);
        expected.extend(numbered(first, [together, kinds].concat()));
    }
    assert_eq!(sides.pekko_recovers(ID).await.events, expected);
    assert_eq!(sides.annals.bounds(ID).await.highest.get(), 310);
}

/// A writer of annals that slept while Pekko went on is refused, and Pekko's events stay.
pub(crate) async fn a_writer_that_slept_is_refused(sides: &Sides) {
    const ID: &str = "slept|1";
    sides.annals.persist(ID, &[&texts(1, 3)]).await;
    let sleeper = Incarnation::begin(&sides.annals, ID).await;
    assert_eq!(sleeper.highest, seq_nr(3));

    sides.pekko.persist(ID, Mode::Each, &texts(4, 2)).await.unwrap();

    for events in [texts(100, 1), texts(100, 2), texts(100, 3)] {
        let error = sleeper.append(&sides.annals, seq_nr(3), &events).await.unwrap_err();
        let refused = matches!(error.kind(), ErrorKind::Conflict { .. } | ErrorKind::Fenced);
        assert!(refused, "{error:?}");
    }
    let expected = numbered(1, [texts(1, 3), texts(4, 2)].concat());
    assert_eq!(sides.annals.events(ID).await, expected);
    assert_eq!(sides.pekko_recovers(ID).await.events, expected);
}

/// A store that stays open while the other side writes does not go by what it knew: a new incarnation, which
/// recovers as entities do, goes on behind what came meanwhile.
pub(crate) async fn a_recovery_sees_what_came_meanwhile(sides: &Sides) {
    const ID: &str = "meanwhile|1";
    sides.annals.persist(ID, &[&texts(1, 3)]).await;
    sides.pekko.persist(ID, Mode::Each, &texts(4, 2)).await.unwrap();
    sides.pekko.stop(ID).await.unwrap();

    let writer = Incarnation::begin(&sides.annals, ID).await;
    let recovered = sides.annals.events(ID).await;
    let last = recovered.last().map_or(SeqNr::ZERO, |event| seq_nr(event.seq_nr));
    let last = last.max(writer.highest);
    assert_eq!(writer.append(&sides.annals, last, &texts(6, 1)).await.unwrap(), seq_nr(6));

    let expected = numbered(1, [texts(1, 3), texts(4, 2), texts(6, 1)].concat());
    assert_eq!(sides.annals.events(ID).await, expected);
    assert_eq!(sides.pekko_recovers(ID).await.events, expected);
}

/// The same without having read anything, as a writer does whose snapshot is at the end that it is told.
pub(crate) async fn a_begin_alone_sees_what_came_meanwhile(sides: &Sides) {
    const ID: &str = "meanwhile|2";
    sides.annals.persist(ID, &[&texts(1, 3)]).await;
    sides.pekko.persist(ID, Mode::Each, &texts(4, 2)).await.unwrap();
    sides.pekko.stop(ID).await.unwrap();

    assert_eq!(sides.annals.persist(ID, &[&texts(6, 1)]).await, 6);

    let expected = numbered(1, [texts(1, 3), texts(4, 2), texts(6, 1)].concat());
    assert_eq!(sides.annals.events(ID).await, expected);
    assert_eq!(sides.pekko_recovers(ID).await.events, expected);
}
