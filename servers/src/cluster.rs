//! Three nodes of Apache Cassandra, for tests of replication and of nodes that fail.

use std::time::{Duration, Instant};

use crate::cassandra::Place;
use crate::{Cassandra, CassandraOptions, Error, Result, cql, port};

/// Three running nodes of our own, on 127.0.0.1 to 127.0.0.3. Dropping it kills them.
#[derive(Debug)]
pub struct CassandraCluster {
    nodes: [Cassandra; 3],
}

impl CassandraCluster {
    /// Starts three nodes at once; returns when each of them knows the other two. Takes 25 to 60 seconds and
    /// half a gigabyte of memory for each node.
    ///
    /// # Errors
    /// Java or Maven is missing, or a node does not come up; the message has the end of its log.
    pub fn start(options: &CassandraOptions) -> Result<Self> {
        port::retry(|| {
            let addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(str::to_owned);
            let place = Place::choose(&addresses)?;
            let [seed, ..] = &addresses;
            let node = |address: &String| Cassandra::new(address, place, seed, options);
            let [first, second, third] = &addresses;
            let nodes = [node(first)?, node(second)?, node(third)?];
            // The others give up soon if the seed does not answer, which on a busy machine it may not.
            let [seed_node, others @ ..] = &nodes;
            seed_node.start_again()?;
            std::thread::scope(|scope| {
                let starts = others.each_ref().map(|node| scope.spawn(|| node.start_again()));
                starts
                    .into_iter()
                    .try_for_each(|start| start.join().expect("a start does not panic"))
            })?;
            let cluster = Self { nodes };
            cluster.await_peers(Duration::from_secs(60))?;
            Ok(cluster)
        })
    }

    /// The nodes, the seed first.
    pub fn nodes(&self) -> &[Cassandra; 3] {
        &self.nodes
    }

    /// Waits until each node knows the other two: started at once, they answer CQL some seconds earlier.
    fn await_peers(&self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        for node in &self.nodes {
            loop {
                let peers = cql::count(node.address(), "SELECT count(*) FROM system.peers_v2");
                match peers {
                    Ok(2) => break,
                    _ if Instant::now() < deadline => {
                        std::thread::sleep(Duration::from_millis(200));
                    }
                    peers => {
                        return Err(Error::new(format!(
                            "Cassandra on {} does not know its two peers within {timeout:?}: {peers:?}",
                            node.address()
                        )));
                    }
                }
            }
        }
        Ok(())
    }
}
