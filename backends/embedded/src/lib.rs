//! The annals store on one machine: a segmented, group-committed log.

pub mod storage;

mod index;
mod position;
