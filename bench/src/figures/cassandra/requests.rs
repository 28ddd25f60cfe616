//! Requests, counted by the server: its table of clients has a number for each connection.

use scylla::client::session::Session;

use crate::Result;

/// Whose requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// The driver of annals, and of the session that asks.
    Rust,
    /// The driver of Pekko's plugin.
    Java,
}

/// The requests of this client's open connections so far. Asking is a request of the Rust driver.
pub(super) async fn requests_of(session: &Session, client: Client) -> Result<u64> {
    let query = "SELECT driver_name, request_count FROM system_views.clients";
    let rows = session.query_unpaged(query, ()).await?.into_rows_result()?;
    let mut requests = 0;
    for row in rows.rows::<(Option<String>, Option<i64>)>()? {
        let (driver, count) = row?;
        let driver = driver.unwrap_or_default().to_lowercase();
        let wanted = match client {
            Client::Rust => driver.contains("rust"),
            Client::Java => driver.contains("java"),
        };
        if wanted {
            requests += u64::try_from(count.unwrap_or_default())?;
        }
    }
    Ok(requests)
}
