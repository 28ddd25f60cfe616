//! The program, run as a person runs it: arguments and stdin in, stdout, stderr and exit code out.
//! `Program` runs it in this process on a given store, `binary` runs the built one.
#![allow(clippy::unwrap_used, clippy::as_conversions, clippy::indexing_slicing)]

mod append;
mod beside;
mod binary;
mod by_id;
#[cfg(feature = "cassandra")]
mod cassandra;
mod cleanup;
mod copy;
mod directory;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "dynamodb")]
mod dynamodb_refused;
#[cfg(feature = "dynamodb")]
mod dynamodb_tls;
mod embedded;
mod export_import;
mod faults;
mod follow;
mod operations;
mod read;
mod snapshots;
mod support;
mod verify;
