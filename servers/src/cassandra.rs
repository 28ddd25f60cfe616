//! One node of Apache Cassandra.

use std::path::Path;

use crate::guard::{Guard, Step};
use crate::{Error, Result, port};

/// How a node is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CassandraOptions {
    heap: String,
    settings: Vec<(String, String)>,
    files: Vec<(String, String)>,
}

impl Default for CassandraOptions {
    /// A maximum heap of 1 GiB, of which it takes half at first, and the settings of the script.
    fn default() -> Self {
        Self { heap: "1G".to_owned(), settings: Vec::new(), files: Vec::new() }
    }
}

impl CassandraOptions {
    /// The maximum heap as Java writes it: `512M`.
    #[must_use]
    pub fn with_heap(mut self, heap: impl Into<String>) -> Self {
        self.heap = heap.into();
        self
    }

    /// A line of `cassandra.yaml`; `@DIR@` in its value stands for the node's folder.
    #[must_use]
    pub fn with_setting(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// A file in the node's folder, there before it starts and gone with it: keys and certificates.
    #[must_use]
    pub fn with_file(mut self, name: impl Into<String>, contents: impl Into<String>) -> Self {
        self.files.push((name.into(), contents.into()));
        self
    }
}

/// A running node of our own, on ports of its own. Its data centre is `datacenter1`.
///
/// Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Cassandra {
    guard: Guard,
    address: String,
}

impl Cassandra {
    /// Starts a cluster of one node on 127.0.0.1; returns when it answers CQL. Takes 5 to 20 seconds.
    ///
    /// # Errors
    /// Java or Maven is missing, or the node does not come up; the message has the end of its log.
    pub fn start(options: &CassandraOptions) -> Result<Self> {
        port::retry(|| {
            let address = "127.0.0.1".to_owned();
            let place = Place::choose(std::slice::from_ref(&address))?;
            let node = Self::new(&address, place, &address, options)?;
            node.start_again()?;
            Ok(node)
        })
    }

    /// A node that is not started yet.
    pub(crate) fn new(
        address: &str,
        place: Place,
        seeds: &str,
        options: &CassandraOptions,
    ) -> Result<Self> {
        let (port, storage_port) = (place.port.to_string(), place.storage_port.to_string());
        let mut arguments = vec!["--address", address, "--port", &port, "--seeds", seeds];
        arguments.extend(["--storage-port", &storage_port, "--heap", &options.heap]);
        let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        for (key, value) in &options.settings {
            arguments.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        let address = format!("{address}:{port}");
        let guard = Guard::new(format!("Cassandra on {address}"), "cassandra.sh", &arguments)?;
        for (name, contents) in &options.files {
            let written = std::fs::write(guard.directory().join(name), contents);
            written.map_err(|error| Error::new(format!("{name} was not written: {error}")))?;
        }
        Ok(Self { guard, address })
    }

    /// `127.0.0.1:PORT`, where it answers CQL; it stays the same over a restart.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Drains it and ends it.
    ///
    /// # Errors
    /// It has not ended in time.
    pub fn stop(&self) -> Result<()> {
        self.guard.step(Step::Stop)
    }

    /// Ends it as `kill -9` does. Other nodes learn of it after about 20 seconds.
    ///
    /// # Errors
    /// It has not ended in time.
    pub fn kill(&self) -> Result<()> {
        self.guard.step(Step::Kill)
    }

    /// Starts it after [`stop`](Self::stop) or [`kill`](Self::kill), on the same ports and data.
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

/// The ports of a cluster; all its nodes use the same ones, each on an address of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    port: u16,
    storage_port: u16,
}

impl Place {
    pub(crate) fn choose(addresses: &[String]) -> Result<Self> {
        let port = port::free(addresses)?;
        loop {
            let storage_port = port::free(addresses)?;
            if storage_port != port {
                return Ok(Self { port, storage_port });
            }
        }
    }
}
