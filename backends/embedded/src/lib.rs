//! The annals store on one machine: a segmented, group-committed log.
