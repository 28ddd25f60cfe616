//! What holds on every store, on Cassandra, under each way to keep two writers apart.

use annals_cassandra::Fencing;

use super::sides;
use crate::both_ways::{annals_writes, bench, deletes, hand_over, pekko_writes, snapshots};

/// Each its own test, so that a failure names what does not hold.
macro_rules! on_cassandra {
    ($fencing:expr, $($name:ident: $scenario:path;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let sides = sides($fencing).await;
            $scenario(&sides).await;
            sides.close().await;
        }
    )*};
}

mod claims {
    use super::*;

    on_cassandra! {
        Fencing::Claims,
        every_kind_that_pekko_writes: pekko_writes::every_kind_means_the_same;
        appends_that_pekko_writes: pekko_writes::appends_are_whole_and_in_order;
        ids_of_both: pekko_writes::ids_are_the_same;
        every_kind_that_annals_writes: annals_writes::every_kind_means_the_same;
        appends_that_annals_writes: annals_writes::appends_are_whole_and_in_order;
        ten_hand_overs: hand_over::ten_times;
        a_recovery_meanwhile: hand_over::a_recovery_sees_what_came_meanwhile;
        a_begin_meanwhile: hand_over::a_begin_alone_sees_what_came_meanwhile;
        deletes_by_annals: deletes::by_annals;
        deletes_by_pekko: deletes::by_pekko;
        snapshots_by_pekko: snapshots::by_pekko;
        snapshots_by_annals: snapshots::by_annals;
        measures: bench::counts_what_is_stored;
    }
}

mod lwt {
    use super::*;

    on_cassandra! {
        Fencing::Lwt,
        appends_that_annals_writes: annals_writes::appends_are_whole_and_in_order;
        ten_hand_overs: hand_over::ten_times;
        a_recovery_meanwhile: hand_over::a_recovery_sees_what_came_meanwhile;
        a_begin_meanwhile: hand_over::a_begin_alone_sees_what_came_meanwhile;
        deletes_by_annals: deletes::by_annals;
    }
}

mod off {
    use super::*;

    on_cassandra! {
        Fencing::Off,
        appends_that_annals_writes: annals_writes::appends_are_whole_and_in_order;
        ten_hand_overs: hand_over::ten_times;
        a_recovery_meanwhile: hand_over::a_recovery_sees_what_came_meanwhile;
        a_begin_meanwhile: hand_over::a_begin_alone_sees_what_came_meanwhile;
        deletes_by_annals: deletes::by_annals;
    }
}
