//! The servers of `cargo xtask test`: each that a crate of the workspace needs, started once for all tests.
//! They end when they are dropped, so also when a test fails, and when this program is ended by Ctrl-C.

use annals_servers::{ANNALS_CASSANDRA, ANNALS_DYNAMODB};
use annals_servers::{Cassandra, CassandraOptions, DynamoDb, Storage};

use crate::Result;
use crate::workspace::Workspace;

/// Those that run.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    dynamodb: Option<DynamoDb>,
    cassandra: Option<Cassandra>,
}

impl Servers {
    /// Starts what the workspace's crates need, but for servers that the environment names.
    pub(crate) fn start(&mut self, workspace: &Workspace) -> Result<()> {
        let is_named = |variable: &str| std::env::var_os(variable).is_some_and(|it| !it.is_empty());
        let failed = |error: annals_servers::Error| error.to_string();
        if needs(workspace, "annals-dynamodb") && !is_named(ANNALS_DYNAMODB) {
            let server = DynamoDb::start(Storage::Memory).map_err(failed)?;
            println!("DynamoDB Local answers on {}", server.endpoint());
            self.dynamodb = Some(server);
        }
        if needs(workspace, "annals-cassandra") && !is_named(ANNALS_CASSANDRA) {
            let server = Cassandra::start(&CassandraOptions::default()).map_err(failed)?;
            println!("Cassandra answers on {}", server.address());
            self.cassandra = Some(server);
        }
        Ok(())
    }

    /// Environment variables that tell the tests where the servers are.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let dynamodb = self.dynamodb.as_ref().map(|it| (ANNALS_DYNAMODB, it.endpoint()));
        let cassandra = self.cassandra.as_ref().map(|it| (ANNALS_CASSANDRA, it.address()));
        dynamodb.into_iter().chain(cassandra)
    }
}

/// Whether the workspace has the store for that server, or the tests beside Pekko, which use both.
fn needs(workspace: &Workspace, store: &str) -> bool {
    let mut packages = workspace.packages.iter();
    packages.any(|package| package.name == store || package.name == "annals-interop")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::workspace::Package;

    #[test]
    fn no_server_is_started_that_no_crate_needs() {
        let packages = vec![Package::sample("annals-memory", &[])];
        let workspace = Workspace { root: PathBuf::new(), packages };
        let mut servers = Servers::default();

        servers.start(&workspace).unwrap();

        assert_eq!(servers.variables().count(), 0);
    }
}
