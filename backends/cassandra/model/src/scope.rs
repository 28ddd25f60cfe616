//! How large a configuration of the model is.

use crate::Mistake;

/// The bounds of one exploration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Writers, each of which may claim the entity again and again.
    pub writers: u8,
    /// The highest claim that a writer sets out from: no claim is begun once it is reached.
    pub claims: u8,
    /// The highest sequence number.
    pub numbers: u8,
    /// The most events of one append.
    pub events: u8,
    /// A reader that replays the entity until it has delivered a whole history.
    pub reader: bool,
    /// The owner may delete.
    pub deletes: bool,
    /// Answers of conditional writes may get lost.
    pub lost_answers: bool,
    /// A claimant looks for the last number from the end, instead of reading everything.
    pub from_the_end: bool,
    /// An owner may give the entity up and start it again under the same claim.
    pub rejoin: bool,
    /// How often a JVM, which knows no claims, may have the entity in between.
    pub turns: u8,
    /// Whether a JVM may be killed, and leave a write on fewer replicas than a quorum.
    pub killed: bool,
    /// Whether each writer could go on alone is checked in each state.
    pub progress: bool,
    /// The one thing that is done wrong.
    pub mistake: Option<Mistake>,
}

impl Default for Scope {
    /// Two writers, two claims, two numbers and a reader; single events.
    fn default() -> Self {
        Self {
            writers: 2,
            claims: 2,
            numbers: 2,
            events: 1,
            reader: true,
            deletes: false,
            lost_answers: true,
            from_the_end: false,
            rejoin: false,
            turns: 0,
            killed: false,
            progress: false,
            mistake: None,
        }
    }
}

impl Scope {
    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }
}
