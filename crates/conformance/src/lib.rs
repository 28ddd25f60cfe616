//! The conformance kit that every annals store must pass.
