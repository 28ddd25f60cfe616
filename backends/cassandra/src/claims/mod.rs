//! `fencing = claims`: plain writes, a numbered claim per entity, and one check that many writes
//! share before they are acknowledged. `docs/claims.md` has the protocol and why it holds;
//! `backends/cassandra/model` checks it.
//!
//! ```text
//!  begin ──▶ Claimant: read the claim row, revoke its owner, find the last number, write the claim
//!                                                                   │ won
//!                                                                   ▼
//!  append ─▶ Owner: insert under the claim ─▶ SharedCheck: a read that began later ─▶ acknowledge
//!                                                                   │ revoked
//!  replay ─▶ History: which rows count, which append is doubtful    ▼
//!                                                            read what became of it
//! ```
//!
//! What is decided is pure (`check`, `claim`, `claimant`, `history`, `owner`): no clock, no task, no input or
//! output. `driver` and `checks` carry it out on [`Tables`], which the server implements, and the simulation.

mod check;
mod claim;
mod claimant;
mod history;
mod owner;

mod checks;
mod driver;
mod tables;

mod reader;
mod rows;
mod server;
mod statements;

mod leftovers;

#[cfg(test)]
mod simulation;

pub(crate) use claim::{Claim, claim_of};
pub(crate) use driver::Claims;
pub(crate) use reader::{ClaimReader, bounds};
pub(crate) use server::{Server, start};
pub(crate) use statements::TABLES;
