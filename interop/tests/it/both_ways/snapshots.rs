//! Snapshots that one side saved, the other recovers from.

use annals_interop::Mode;
use serde_json::{Value, json};

use crate::kinds::{order, text, texts, value};
use crate::sides::{Sides, numbered};

/// Pekko saves states of several kinds; annals loads the newest, and others after it is deleted.
pub(crate) async fn by_pekko(sides: &Sides) {
    const ID: &str = "snapshot-by-pekko|1";
    let states = [
        text("state"),
        value("bytes", "AAH/"),
        order("cbor", "state", Value::Null),
        order("json", &"long ".repeat(8_000), Value::Null),
    ];
    assert_eq!(sides.annals.snapshot(ID).await, None);
    for (at, state) in (1..).zip(&states) {
        sides.pekko.persist(ID, Mode::Each, &texts(at, 1)).await.unwrap();
        assert_eq!(sides.pekko.save_snapshot(ID, state).await.unwrap(), at);
        assert_eq!(sides.annals.snapshot(ID).await, Some((at, state.clone())));
    }

    sides.pekko.delete_snapshots(ID, 3, 4).await.unwrap();
    assert_eq!(sides.annals.snapshot(ID).await, Some((2, states[1].clone())));
}

/// Annals saves; Pekko is offered it and replays the rest only, also after annals deleted what it holds.
pub(crate) async fn by_annals(sides: &Sides) {
    const ID: &str = "snapshot-by-annals|1";
    sides.annals.persist(ID, &[&texts(1, 2), &texts(3, 1)]).await;
    let states = [
        (1, text("older")),
        (2, order("json", &"long ".repeat(8_000), json!("remark"))),
        (2, order("cbor", "saved again", Value::Null)),
    ];
    for (at, state) in &states {
        sides.annals.save_snapshot(ID, *at, state).await;
        let recovered = sides.pekko_recovers(ID).await;
        let snapshot = recovered.snapshot.unwrap();
        assert_eq!((snapshot.seq_nr, &snapshot.value), (*at, state));
    }

    sides.annals.delete(ID, 2).await;
    let recovered = sides.pekko_recovers(ID).await;
    assert_eq!(recovered.snapshot.unwrap().seq_nr, 2);
    assert_eq!(recovered.events, numbered(3, texts(3, 1)));
    assert_eq!(recovered.seq_nr, 3);
}
