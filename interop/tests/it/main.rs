//! A real Pekko application and annals on one journal: what either writes, the other reads as the same
//! values and continues.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod both_ways;
mod cassandra;
mod dynamodb;
mod kinds;
mod sides;
