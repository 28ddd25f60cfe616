//! The steps that lead from one state to the next.

use std::fmt;

use crate::cluster::{AppendKey, Replicas};
use crate::jvm::NO_CLAIM;

/// Whether the answer of a conditional write arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It does.
    Arrives,
    /// It does not, and the write may still happen, or never.
    Lost,
}

/// The two replicas that a quorum read asks.
pub type Pair = Replicas;

/// One step of the cluster or of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The rows of an append reach a replica.
    LandAppend(AppendKey, u8),
    /// A revocation (of a writer, of a claim) reaches a replica.
    LandRevocation(u8, u8, u8),
    /// The deletion of rows reaches a replica.
    LandDeletion(u8),
    /// A conditional write whose answer was lost happens after all, if its condition holds.
    Happen(usize),
    /// A writer does something.
    Writer(u8, WriterStep),
    /// The reader does something.
    Reader(ReaderStep),
    /// The JVM does something.
    Jvm(JvmStep),
}

/// A step of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriterStep {
    /// Reads the claim row and issues the revocation of the claim found there.
    Begin,
    /// Learns that the revocation has finished.
    Revoked,
    /// Reads the rows of the next number from two replicas.
    Read(Pair),
    /// Writes the claim on its condition.
    Claim(Answer),
    /// Reads the claim row back after an unknown or negative answer.
    ReadBack,
    /// Inserts an append of so many events.
    Append(u8),
    /// Repeats an insert with another content.
    Repeat,
    /// Learns that the insert has finished.
    Inserted,
    /// Takes the outcome of its insert as unknown.
    GiveUp,
    /// Checks its claim on two replicas.
    Check(Pair),
    /// Deletes up to a number.
    Delete(u8, Answer),
    /// Starts the entity again under the claim that it holds.
    Rejoin,
}

/// A step of the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReaderStep {
    /// Reads the claim row.
    Begin,
    /// Reads the rows of the next number from two replicas.
    Read(Pair),
    /// Checks the newest claim on two replicas.
    Check(Pair),
    /// Reads the claim row again and delivers what is permanent.
    Deliver,
}

/// A step of the JVM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JvmStep {
    /// Gets the entity from annals, which has ended it.
    Start,
    /// Looks for the last number on two replicas.
    Read(Pair),
    /// Inserts an event.
    Append,
    /// Learns that the insert has finished, and acknowledges.
    Inserted,
    /// Takes the outcome of its insert as unknown, and recovers.
    GiveUp,
    /// Ends, so that annals may begin.
    End,
    /// Is killed.
    Die,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LandAppend(key, replica) => {
                let AppendKey { claim, first, .. } = key;
                if *claim == NO_CLAIM {
                    return write!(f, "the JVM's insert at {first} lands on {replica}");
                }
                let second = if key.attempt > 0 { "second " } else { "" };
                write!(f, "the {second}insert at {first} of claim {claim} lands on {replica}")
            }
            Self::LandRevocation(writer, claim, replica) => {
                write!(f, "the revocation of writer {writer}, claim {claim}, lands on {replica}")
            }
            Self::LandDeletion(replica) => write!(f, "the deletion of rows lands on {replica}"),
            Self::Happen(_) => write!(f, "a conditional write happens whose answer was lost"),
            Self::Writer(me, step) => write!(f, "writer {me} {step}"),
            Self::Reader(step) => write!(f, "the reader {step}"),
            Self::Jvm(step) => write!(f, "the JVM {step}"),
        }
    }
}

impl fmt::Display for WriterStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin => write!(f, "begins to claim the entity"),
            Self::Revoked => write!(f, "goes on to replay"),
            Self::Read(pair) => write!(f, "reads the next number from {pair}"),
            Self::Claim(answer) => write!(f, "writes its claim, and the answer {answer}"),
            Self::ReadBack => write!(f, "reads the claim row back"),
            Self::Append(events) => write!(f, "inserts an append (events: {events})"),
            Self::Repeat => write!(f, "inserts another content at the same number"),
            Self::Inserted => write!(f, "learns that the insert has finished"),
            Self::GiveUp => write!(f, "takes the outcome of its insert as unknown"),
            Self::Check(pair) => write!(f, "checks its claim on {pair}"),
            Self::Delete(to, answer) => write!(f, "deletes up to {to}, and the answer {answer}"),
            Self::Rejoin => write!(f, "starts the entity again under its claim"),
        }
    }
}

impl fmt::Display for ReaderStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin => write!(f, "reads the claim row"),
            Self::Read(pair) => write!(f, "reads the next number from {pair}"),
            Self::Check(pair) => write!(f, "checks the newest claim on {pair}"),
            Self::Deliver => write!(f, "reads the claim row again and delivers"),
        }
    }
}

impl fmt::Display for JvmStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => write!(f, "starts the entity"),
            Self::Read(pair) => write!(f, "looks for the last number on {pair}"),
            Self::Append => write!(f, "inserts an event"),
            Self::Inserted => write!(f, "learns that the insert has finished"),
            Self::GiveUp => write!(f, "takes the outcome of its insert as unknown"),
            Self::End => write!(f, "ends"),
            Self::Die => write!(f, "is killed"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arrives => "arrives",
            Self::Lost => "is lost",
        })
    }
}
