//! The code of the guide and of the README, so that the tests run it. The pages lie in the repository only: nothing but
//! the documentation's tests ever looks for them.

#[doc = include_str!("../../../README.md")]
mod readme {}

#[doc = include_str!("../../../docs/guide/src/first-entity.md")]
mod first_entity {}

#[doc = include_str!("../../../docs/guide/src/modelling.md")]
mod modelling {}

#[doc = include_str!("../../../docs/guide/src/testing.md")]
mod testing {}

#[cfg(feature = "pekko")]
#[doc = include_str!("../../../docs/guide/src/evolution.md")]
mod evolution {}

#[doc = include_str!("../../../docs/guide/src/reading.md")]
mod reading {}

#[doc = include_str!("../../../docs/guide/src/projections.md")]
mod projections {}

#[doc = include_str!("../../../docs/guide/src/running.md")]
mod running {}

#[cfg(feature = "pekko")]
#[doc = include_str!("../../../docs/guide/src/pekko.md")]
mod pekko {}
