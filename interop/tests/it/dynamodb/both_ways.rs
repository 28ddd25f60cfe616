//! What holds on every store, on DynamoDB.

use super::sides;
use crate::both_ways::{annals_writes, bench, deletes, hand_over, pekko_writes, snapshots};

/// Each its own test, so that a failure names what does not hold.
macro_rules! on_dynamodb {
    ($($name:ident: $scenario:path;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let sides = sides().await;
            $scenario(&sides).await;
            sides.close().await;
        }
    )*};
}

on_dynamodb! {
    every_kind_that_pekko_writes: pekko_writes::every_kind_means_the_same;
    appends_that_pekko_writes: pekko_writes::appends_are_whole_and_in_order;
    every_kind_that_annals_writes: annals_writes::every_kind_means_the_same;
    appends_that_annals_writes: annals_writes::appends_are_whole_and_in_order;
    ten_hand_overs: hand_over::ten_times;
    a_recovery_meanwhile: hand_over::a_recovery_sees_what_came_meanwhile;
    a_begin_meanwhile: hand_over::a_begin_alone_sees_what_came_meanwhile;
    a_writer_that_slept: hand_over::a_writer_that_slept_is_refused;
    deletes_by_pekko: deletes::by_pekko;
    deletes_by_annals: deletes::by_annals;
    ids_of_both: pekko_writes::ids_are_the_same;
    snapshots_by_pekko: snapshots::by_pekko;
    snapshots_by_annals: snapshots::by_annals;
    measures: bench::counts_what_is_stored;
}
