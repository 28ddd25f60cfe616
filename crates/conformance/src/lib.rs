//! The conformance kit of annals: one table of cases, each named after the clause of the contract
//! that it checks (J1-J11, S1-S5, Q1-Q8, P2-P3). A store that passes them all can stand under every
//! annals application.
//!
//! # Using it
//!
//! A store's tests implement [`Fixture`], which opens stores, and name it once:
//!
//! ```
//! use annals_conformance::{Fixture, Missing, suite};
//! use annals_core::{Result, Store};
//! # use annals_core::Error;
//!
//! #[derive(Debug, Default)]
//! struct MyFixture; // usually owns a temporary directory, or a namespace on a server
//!
//! #[async_trait::async_trait]
//! impl Fixture for MyFixture {
//!     async fn open(&self, place: &str) -> Result<Store> {
//!         // Open the store at `place` below the fixture's own directory: a fresh one the first
//!         // time, the same one when the kit closed or crashed it.
//! #       Err(Error::unsupported(place))
//!     }
//!
//!     fn lacks(&self) -> &[Missing] {
//!         &[Missing::SnapshotDamage] // what may show as ignored; anything else is a failure
//!     }
//! }
//!
//! mod conformance {
//!     use super::*;
//!     suite!(MyFixture::default());
//! }
//! # fn main() {}
//! ```
//!
//! [`suite!`] makes one `#[test]` of every case in the table, so a new case reaches every store when
//! it updates the kit; there is no list to keep by hand. Each test evaluates the expression anew:
//! cases share nothing unless the fixture makes them.
//!
//! # Verdicts
//!
//! A case passes, fails with a reason, or is *ignored* because the store lacks a capability or the
//! fixture a fault (see [`Missing`]). What is ignored is written to standard error, past the capture
//! of the test harness, and fails unless [`Fixture::lacks`] declares it: nothing is skipped in silence.
//! Where a capability is missing, the case still checks that its use answers `Unsupported`. An
//! unreachable server is a failure.
//!
//! # Random operations
//!
//! The `model` cases run random operations and compare every answer with an obviously right model. The
//! seed is part of each failure; `ANNALS_SEED=<seed>` runs that one alone.
//!

mod fixture;
mod table;
mod verdict;

mod context;
mod faults;
mod model;
mod random;
mod run;

mod cases;

pub use fixture::{Fixture, Missing, Scale};
pub use run::{check, run};
pub use table::{CASES, Case};
pub use verdict::Verdict;

/// Makes one `#[test]` of each case of the table, run over the [`Fixture`] that the expression gives.
/// Use it once in a module of its own.
#[macro_export]
macro_rules! suite {
    ($fixture:expr) => {
        $crate::__with_cases! { __suite ($fixture) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __suite {
    (($fixture:expr) $($module:ident :: $name:ident $title:literal;)*) => {
        $(
            #[test]
            fn $name() {
                $crate::check(::std::sync::Arc::new($fixture), stringify!($name));
            }
        )*
    };
}
