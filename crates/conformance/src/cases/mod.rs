//! The cases, by clause. Each is a function named in the table.

pub(crate) mod append;
pub(crate) mod decidable;
pub(crate) mod exclusive;
pub(crate) mod limits;

pub(crate) mod delete;
pub(crate) mod durable;
pub(crate) mod ingest;
pub(crate) mod replay;

pub(crate) mod snapshots;
pub(crate) mod snapshots_kept;

pub(crate) mod ids;
pub(crate) mod offsets;
pub(crate) mod reading;
pub(crate) mod reading_live;
pub(crate) mod slices;

pub(crate) mod random_operations;
pub(crate) mod random_writers;
