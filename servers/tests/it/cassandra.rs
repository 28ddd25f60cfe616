//! Cassandra. One node takes seconds; three take half a minute, so they come up in the long run only.

use std::net::TcpStream;

use annals_servers::{Cassandra, CassandraCluster, CassandraOptions};

use crate::{pid, runs};

#[test]
fn a_node_comes_back_after_a_kill() {
    let node = Cassandra::start(&CassandraOptions::default().with_heap("512M")).unwrap();
    let first = pid(node.directory());

    node.kill().unwrap();
    assert!(!runs(&first));
    TcpStream::connect(node.address()).unwrap_err();

    node.start_again().unwrap();
    TcpStream::connect(node.address()).unwrap();
    let (second, directory) = (pid(node.directory()), node.directory().to_owned());
    drop(node);
    assert!(!runs(&second) && !directory.exists());
}

#[test]
fn three_nodes_know_each_other_in_the_long_run() {
    if std::env::var_os("ANNALS_LONG").is_none() {
        println!("not run: three nodes take half a minute to start (ANNALS_LONG=1 runs it)");
        return;
    }
    let cluster = CassandraCluster::start(&CassandraOptions::default().with_heap("512M")).unwrap();
    let [first, second, third] = cluster.nodes();
    assert!([first, second, third].iter().all(|node| runs(&pid(node.directory()))));
    second.stop().unwrap();
    second.start_again().unwrap();
}
