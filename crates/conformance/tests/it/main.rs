//! The kit, tested: a plain store passes it, also where it lacks what a store may lack; and stores that
//! break one clause each fail the cases of that clause.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod data;
mod fixture;
mod flaw;
mod guide;

mod plain;
mod plain_kept;
mod plain_read;
mod plain_replay;

mod mutants;

mod healthy {
    use super::fixture::PlainFixture;

    annals_conformance::suite!(PlainFixture::new(None));
}

mod modest {
    use super::fixture::PlainFixture;

    annals_conformance::suite!(PlainFixture::modest());
}

mod unfenced {
    use super::fixture::PlainFixture;

    annals_conformance::suite!(PlainFixture::unfenced());
}
