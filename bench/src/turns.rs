//! Whose turn it is first.
//!
//! A server that two contestants share compacts and collects for the one what the other wrote, and warms
//! up as time goes on. So the order changes from round to round, and what the place costs or gains
//! shows in the spread instead of the median.

use std::future::Future;

use crate::Result;

/// Awaits both, one after the other: `one` first in even rounds, `other` in odd ones. Nothing of a future
/// may have begun before its turn.
pub(crate) async fn in_turns<A, B>(
    round: usize,
    one: impl Future<Output = Result<A>>,
    other: impl Future<Output = Result<B>>,
) -> Result<(A, B)> {
    if round.is_multiple_of(2) {
        let one = one.await?;
        return Ok((one, other.await?));
    }
    let other = other.await?;
    Ok((one.await?, other))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test]
    async fn the_first_is_another_in_each_round() {
        let order = RefCell::new(String::new());
        let step = |name: char| {
            let order = &order;
            async move {
                order.borrow_mut().push(name);
                Ok(name)
            }
        };
        for round in 0..3 {
            let three = in_turns(round, step('a'), in_turns(round, step('b'), step('c')));
            assert_eq!(three.await.unwrap(), ('a', ('b', 'c')));
        }
        assert_eq!(order.into_inner(), "abccbaabc");
    }
}
