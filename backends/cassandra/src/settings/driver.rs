//! How the servers are reached: connections, deadlines, encryption. The keys of ours that set it stand at
//! the top of the settings; [`driver_keys`](super::driver_keys) reads those of the Java driver.

use std::path::PathBuf;
use std::time::Duration;

/// How the servers are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverSettings {
    /// `contact-points`: the nodes that are asked first, `HOST:PORT` each, where the builder names none.
    pub contact_points: Vec<String>,
    /// `connect-timeout`: how long making a connection may take. Default 5 s.
    pub connect_timeout: Duration,
    /// `connections-per-node`. Default 1, on ScyllaDB for each of its shards.
    pub connections_per_node: usize,
    /// `reconnect-on-init`: whether opening the store waits for servers that are not there yet. Default
    /// no: it fails as `Unavailable`.
    pub reconnect_on_init: bool,
    /// `reconnect-first`: how long it waits before the second attempt; each later wait is twice as long.
    /// Default 1 s.
    pub reconnect_first: Duration,
    /// `reconnect-max`: the longest wait. Default 60 s.
    pub reconnect_max: Duration,
    /// `heartbeat-interval` of connections that are idle. Default 30 s.
    pub heartbeat_interval: Duration,
    /// `heartbeat-timeout`: after which silence a connection is given up. Default 30 s.
    pub heartbeat_timeout: Duration,
    /// `tcp-no-delay`. Default yes.
    pub tcp_no_delay: bool,
    /// `compression` of what goes over the wire. Default none.
    pub compression: Option<Compression>,
    /// `datacenter-failover`: whether nodes outside the local data centre are asked when none of its own
    /// answers. Default no.
    pub datacenter_failover: bool,
    /// `read-timeout`: the read profile's deadline. Default: `request-timeout`.
    pub read_timeout: Option<Duration>,
    /// `write-timeout`: the write profile's deadline. Default: `request-timeout`.
    pub write_timeout: Option<Duration>,
    /// `speculative-executions` and `speculative-delay`: whether a slow read is also asked of another
    /// node. Never a write, nor a read that completes conditional writes. Default no.
    pub speculative: Option<Speculative>,
    /// `tls`, `tls-…`: encryption. Default none.
    pub tls: Option<TlsSettings>,
}

impl Default for DriverSettings {
    fn default() -> Self {
        Self {
            contact_points: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            connections_per_node: 1,
            reconnect_on_init: false,
            reconnect_first: Duration::from_secs(1),
            reconnect_max: Duration::from_secs(60),
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(30),
            tcp_no_delay: true,
            compression: None,
            datacenter_failover: false,
            read_timeout: None,
            write_timeout: None,
            speculative: None,
            tls: None,
        }
    }
}

/// How requests and results are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// LZ4.
    Lz4,
    /// Snappy.
    Snappy,
}

/// When a read is also asked of another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speculative {
    /// The most nodes that are asked at a time, the first one included. Default 2.
    pub executions_max: usize,
    /// How long each of them has before the next one is asked too. Default 100 ms.
    pub delay: Duration,
}

impl Default for Speculative {
    fn default() -> Self {
        Self { executions_max: 2, delay: Duration::from_millis(100) }
    }
}

/// Encrypted connections, in builds with the feature `tls`. Files are in PEM, and hold no passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// `tls-ca-file`: the certificates of those who may vouch for servers. Default: whom the operating system
    /// trusts.
    pub ca_file: Option<PathBuf>,
    /// `tls-certificate-file`: who we are, for servers that ask: our certificate, then those of its issuers.
    pub certificate_file: Option<PathBuf>,
    /// `tls-key-file`: the key of our certificate, not encrypted. Default: it stands in the same file.
    pub key_file: Option<PathBuf>,
    /// `tls-check-host`: whether a server's certificate has to name its address, or the host of a contact point
    /// that is given by name. Default yes.
    pub check_host: bool,
    /// `tls-ciphers`, by the names of Java or of OpenSSL. Default: those that are held to be safe.
    pub ciphers: Vec<String>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            ca_file: None,
            certificate_file: None,
            key_file: None,
            check_host: true,
            ciphers: Vec::new(),
        }
    }
}
