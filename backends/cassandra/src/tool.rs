//! What the tools have in common: those that mend tables, and those that clear them up.

/// Whether a tool does what it finds to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// It only tells; nothing is written.
    DryRun,
    /// It does it.
    Apply,
}

impl Execution {
    pub(crate) fn applies(self) -> bool {
        self == Self::Apply
    }
}
