//! The annals store in memory, for tests.
