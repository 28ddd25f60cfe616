//! The streams over a read journal that the tests control.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod desk;

mod finite;
mod ids;
mod invariants;
mod live;
mod over_memory;
mod projection;

use std::time::Duration;

use annals_core::{BoxStream, Error, PersistenceId, Result};
use futures_util::StreamExt;

/// An id of the tests.
fn id(text: &str) -> PersistenceId {
    PersistenceId::new(text).unwrap()
}

/// Everything that a finite stream gives.
async fn all<T>(stream: BoxStream<'static, Result<T>>) -> Vec<T> {
    stream.map(Result::unwrap).collect().await
}

/// The next item, which must come without a commit.
async fn next<T>(stream: &mut BoxStream<'static, Result<T>>) -> T {
    tokio::time::timeout(Duration::from_secs(10), stream.next())
        .await
        .expect("an item should be there")
        .expect("the stream should go on")
        .unwrap()
}

/// The error that ends a stream; what comes before it is counted.
async fn error<T>(mut stream: BoxStream<'static, Result<T>>) -> (usize, Error) {
    let mut items = 0;
    loop {
        match stream.next().await.expect("the stream should end with an error") {
            Ok(_) => items += 1,
            Err(error) => {
                assert!(stream.next().await.is_none(), "a stream ends after its error");
                return (items, error);
            }
        }
    }
}
