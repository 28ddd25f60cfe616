//! What holds on every store that annals shares with Pekko. Each test of a store calls one of these with
//! both sides of tables of its own.

pub(crate) mod annals_writes;
pub(crate) mod bench;
pub(crate) mod deletes;
pub(crate) mod hand_over;
pub(crate) mod pekko_writes;
pub(crate) mod snapshots;

/// Sizes of appends that meet the limits of the stores' requests and the groups that they keep events in.
pub(crate) const APPENDS: [u64; 8] = [1, 2, 25, 26, 100, 101, 130, 1];
