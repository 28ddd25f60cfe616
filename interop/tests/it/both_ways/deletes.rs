//! Events that one side deleted are gone for the other, and their numbers stay used.

use annals_interop::Mode;

use crate::kinds::texts;
use crate::sides::{Sides, numbered};

/// Pekko deletes; annals begins behind it and goes on with the next number.
pub(crate) async fn by_pekko(sides: &Sides) {
    const ID: &str = "deleted-by-pekko|1";
    sides.pekko.persist(ID, Mode::All, &texts(1, 120)).await.unwrap();
    sides.pekko.persist(ID, Mode::Each, &texts(121, 3)).await.unwrap();
    sides.pekko.delete(ID, 120).await.unwrap();

    assert_eq!(sides.annals.events(ID).await, numbered(121, texts(121, 3)));
    assert_eq!(sides.annals.bounds(ID).await.deleted_to.get(), 120);

    sides.pekko.delete(ID, u64::MAX / 2).await.unwrap();
    assert_eq!(sides.annals.events(ID).await, []);
    sides.pekko.stop(ID).await.unwrap();
    let last = sides.annals.persist(ID, &[&texts(124, 2)]).await;
    assert_eq!(last, 125);
    assert_eq!(sides.pekko_recovers(ID).await.events, numbered(124, texts(124, 2)));
}

/// Annals deletes; Pekko begins behind it and goes on with the next number.
pub(crate) async fn by_annals(sides: &Sides) {
    const ID: &str = "deleted-by-annals|1";
    let appends = [texts(1, 60), texts(61, 69), texts(130, 1), texts(131, 2)];
    sides.annals.persist(ID, &appends.each_ref().map(|events| &events[..])).await;
    sides.annals.delete(ID, 129).await;

    let recovered = sides.pekko_recovers(ID).await;
    assert_eq!(recovered.events, numbered(130, [texts(130, 1), texts(131, 2)].concat()));
    assert_eq!(sides.pekko.persist(ID, Mode::All, &texts(133, 2)).await.unwrap(), 134);
    sides.pekko.stop(ID).await.unwrap();

    sides.annals.delete(ID, 134).await;
    let recovered = sides.pekko_recovers(ID).await;
    assert_eq!((recovered.seq_nr, recovered.events), (134, vec![]));
    assert_eq!(sides.pekko.persist(ID, Mode::Each, &texts(135, 1)).await.unwrap(), 135);
    assert_eq!(sides.annals.events(ID).await, numbered(135, texts(135, 1)));
}
