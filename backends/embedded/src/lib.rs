//! The annals store on one machine: a segmented, group-committed log.

pub mod storage;

#[allow(dead_code, unused_imports, reason = "the log that uses it follows")]
mod index;
#[allow(dead_code, reason = "the log that uses it follows")]
mod position;
