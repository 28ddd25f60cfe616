//! Reading one entity: how far its history reaches, and its events in order.

mod bounds;
mod pages;
mod replay;
mod whole;

pub(crate) use bounds::{HEADER, Marks, bounds, highest, item_at, marks};
pub(crate) use replay::{Replay, replay};
pub(crate) use whole::HELD_BYTES_MAX;
