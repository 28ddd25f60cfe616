//! Partitions of a few events, so that appends end in one, begin one and skip one wholly.

use annals_interop::Mode;

use super::{SMALL_PARTITION, sides_on_small_partitions};
use crate::both_ways::hand_over;
use crate::kinds::texts;
use crate::sides::numbered;

#[tokio::test]
async fn ten_hand_overs_cross_partitions() {
    let sides = sides_on_small_partitions().await;
    hand_over::ten_times(&sides).await;
    sides.close().await;
}

#[tokio::test]
async fn appends_of_any_size_lie_at_any_place_of_a_partition() {
    let sides = sides_on_small_partitions().await;
    // Every length that a partition takes, at every place where it can begin.
    for begin in 1..=SMALL_PARTITION {
        for count in 1..=SMALL_PARTITION {
            let id = format!("places|{begin}-{count}");
            let next = begin + count;
            let events = [texts(1, begin), texts(begin + 1, count), texts(next + 1, 3)];
            if begin % 2 == 0 {
                sides.pekko.persist(&id, Mode::All, &events[0]).await.unwrap();
                sides.pekko.stop(&id).await.unwrap();
                sides.annals.persist(&id, &[&events[1]]).await;
                sides.pekko.persist(&id, Mode::Each, &events[2]).await.unwrap();
            } else {
                sides.annals.persist(&id, &[&events[0]]).await;
                sides.pekko.persist(&id, Mode::All, &events[1]).await.unwrap();
                sides.pekko.stop(&id).await.unwrap();
                sides.annals.persist(&id, &[&events[2]]).await;
            }
            let expected = numbered(1, events.concat());
            assert_eq!(sides.annals.events(&id).await, expected, "{id}");
            assert_eq!(sides.pekko_recovers(&id).await.events, expected, "{id}");
        }
    }
    sides.close().await;
}
