//! Moving what a store holds into another one, by way of JSON lines or directly.
//!
//! ```text
//!  Store ── Source ──► export ──► lines ──► import ──► Target ──► Store
//!              └────────────────── copy ─────────────────┘└─ Check ─┘
//! ```

mod check;
mod compare;
mod counts;
mod deleted;
mod source;
mod target;

pub(crate) use check::Check;
pub(crate) use source::Source;
pub(crate) use target::Target;
