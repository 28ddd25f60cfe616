//! Ports that nobody listens on.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;

use crate::{Error, Result};

/// Below the range from which Linux takes the local ports of outgoing connections, any of which could
/// take the port before the server does.
const PORTS: std::ops::Range<u16> = 10_000..32_000;
const ATTEMPTS: u32 = 100;

/// A port that is free on each of the addresses.
pub(crate) fn free(addresses: &[String]) -> Result<u16> {
    for attempt in 0..ATTEMPTS {
        let random = RandomState::new().hash_one((std::process::id(), attempt));
        let offset = random % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(offset).expect("below the length of a u16 range");
        // All are held at once, so that the answer is about one moment.
        let listeners: Vec<_> =
            addresses.iter().map(|address| TcpListener::bind((address.as_str(), port))).collect();
        if listeners.iter().all(|listener| listener.is_ok()) {
            return Ok(port);
        }
    }
    Err(Error::new(format!("found no port that is free on {}", addresses.join(", "))))
}

/// Starts with fresh ports until none of them is taken by another process meanwhile.
pub(crate) fn retry<T>(mut start: impl FnMut() -> Result<T>) -> Result<T> {
    const STARTS: u32 = 5;
    let mut result = start();
    for _ in 1..STARTS {
        match &result {
            Err(error) if error.is_port_in_use() => result = start(),
            _ => break,
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_on_one_address_is_not_given() {
        let addresses = ["127.0.0.1".to_owned(), "127.0.0.2".to_owned()];
        let port = free(&addresses).unwrap();

        let both = addresses.map(|address| TcpListener::bind((address, port)));

        assert!(both.iter().all(|listener| listener.is_ok()), "{both:?}");
    }

    #[test]
    fn only_a_taken_port_is_a_reason_to_try_again() {
        for (message, expected) in [("127.0.0.1:9 is in use by another process", 5), ("no java", 1)]
        {
            let mut starts = 0;
            let result: Result<()> = retry(|| {
                starts += 1;
                Err(Error::new(message))
            });
            assert_eq!((result, starts), (Err(Error::new(message)), expected));
        }
    }
}
