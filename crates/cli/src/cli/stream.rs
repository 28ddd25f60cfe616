//! Printing a stream that may never end.

use annals::{BoxStream, Result};
use futures_util::{FutureExt, StreamExt};

use crate::output::{Output, Row};
use crate::report::Outcome;
use crate::session::Session;

/// Prints what `row` makes of the items of `stream`, up to `max` rows. Whenever the stream has to wait,
/// what there is is brought to the reader; with `follow` it ends in order when the person interrupts.
pub(crate) async fn print<T>(
    mut stream: BoxStream<'static, Result<T>>,
    follow: bool,
    max: Option<u64>,
    session: &Session,
    output: &mut Output,
    mut row: impl FnMut(&T) -> Option<Row>,
) -> Outcome {
    let mut left = max.unwrap_or(u64::MAX);
    let mut stopped = Box::pin(async {
        match follow {
            true => session.stopped().await,
            false => std::future::pending().await,
        }
    });
    while left > 0 {
        let next = match stream.next().now_or_never() {
            // Polled here too: a stream that always has something must be stoppable as well.
            Some(_) if (&mut stopped).now_or_never().is_some() => break,
            Some(next) => next,
            None => {
                output.flush()?;
                tokio::select! {
                    next = stream.next() => next,
                    () = &mut stopped => break,
                }
            }
        };
        let Some(item) = next else { break };
        if let Some(row) = row(&item?) {
            output.row(row)?;
            left -= 1;
        }
    }
    output.flush()?;
    Ok(())
}
