//! AWS's DynamoDB Local.

use std::path::Path;

use crate::guard::{Guard, Step};
use crate::{Result, port};

/// Where the tables are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Storage {
    /// Gone with the process.
    #[default]
    Memory,
    /// Found again by [`DynamoDb::start_again`], whether the process was stopped or killed.
    Disk,
}

/// A running DynamoDB Local of our own, on a port of its own. Every client sees the same tables, whatever
/// its region and credentials (any that are not empty).
///
/// Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct DynamoDb {
    guard: Guard,
    endpoint: String,
}

impl DynamoDb {
    /// Starts one; returns when it answers. Takes two to ten seconds.
    ///
    /// # Errors
    /// Java or Maven is missing, or the server does not come up; the message has the end of its log.
    pub fn start(storage: Storage) -> Result<Self> {
        const ADDRESS: &str = "127.0.0.1";
        let storage = match storage {
            Storage::Memory => "memory",
            Storage::Disk => "disk",
        };
        port::retry(|| {
            let port = port::free(&[ADDRESS.to_owned()])?.to_string();
            let arguments = ["--address", ADDRESS, "--port", &port, "--storage", storage];
            let guard = Guard::new(
                format!("DynamoDB Local on {ADDRESS}:{port}"),
                "dynamodb.sh",
                &arguments.map(str::to_owned),
            )?;
            guard.step(Step::Start)?;
            Ok(Self { guard, endpoint: format!("http://{ADDRESS}:{port}") })
        })
    }

    /// `http://127.0.0.1:PORT`; it stays the same over a restart.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Ends it in an orderly way.
    ///
    /// # Errors
    /// It has not ended in time.
    pub fn stop(&self) -> Result<()> {
        self.guard.step(Step::Stop)
    }

    /// Ends it as `kill -9` does.
    ///
    /// # Errors
    /// It has not ended in time.
    pub fn kill(&self) -> Result<()> {
        self.guard.step(Step::Kill)
    }

    /// Starts it after [`stop`](Self::stop) or [`kill`](Self::kill), on the same port.
    ///
    /// # Errors
    /// It runs already, or does not come up.
    pub fn start_again(&self) -> Result<()> {
        self.guard.step(Step::Start)
    }

    /// Stops its time (SIGSTOP): connections stay open and nothing is answered.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self) -> Result<()> {
        self.guard.step(Step::Pause)
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> Result<()> {
        self.guard.step(Step::Resume)
    }

    /// The folder with its `log`, its `pid` and its data.
    pub fn directory(&self) -> &Path {
        self.guard.directory()
    }
}
