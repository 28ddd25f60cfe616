//! Runs the shared checks of this process: a few reads at a time, each for all that waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{Error, PersistenceId, Result};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::check::{SharedCheck, Ticket, Verdict};
use super::claim::Claim;
use super::tables::Tables;

/// Between a check that failed and the next one.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct State {
    check: SharedCheck,
    waiters: HashMap<Ticket, oneshot::Sender<Verdict>>,
    failed: bool,
    /// A check is about to begin, for all that wait by then.
    begins: bool,
    /// It was told that this process's rows are gone.
    gone: bool,
}

/// The checks of one process.
pub(crate) struct Checks<T> {
    process: Arc<str>,
    tables: Arc<T>,
    state: Mutex<State>,
}

impl<T: Tables> Checks<T> {
    pub(crate) fn new(process: Arc<str>, tables: Arc<T>) -> Arc<Self> {
        Arc::new(Self { process, tables, state: Mutex::default() })
    }

    /// Waits for a check of this claim that begins after this call.
    ///
    /// # Errors
    /// `Unavailable` if none was answered in time; the claim may be checked again.
    pub(crate) async fn verdict(
        self: &Arc<Self>,
        id: &PersistenceId,
        claim: Claim,
        deadline: Duration,
    ) -> Result<Verdict> {
        let (sender, receiver) = oneshot::channel();
        let ticket = {
            let mut state = self.state.lock();
            let ticket = state.check.wait(id.clone(), claim);
            state.waiters.insert(ticket, sender);
            ticket
        };
        // Also where this future is dropped.
        let _forget = Forget { checks: self, ticket };
        self.pump();
        match tokio::time::timeout(deadline, receiver).await {
            Ok(Ok(verdict)) => Ok(verdict),
            Ok(Err(_)) | Err(_) => Err(Error::unavailable(format!(
                "{id}: whether claim {claim} still stands was not answered in time"
            ))),
        }
    }

    /// Begins the check that is wanted, if any. It ends with its request's own timeout, and begins the next.
    fn pump(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.begins || !state.check.wants() {
            return;
        }
        state.begins = true;
        drop(state);
        let checks = Arc::clone(self);
        tokio::spawn(async move {
            // Inserts that went out together finish together: one check for all of them.
            tokio::task::yield_now().await;
            let (number, question, failed) = {
                let mut state = checks.state.lock();
                state.begins = false;
                let Some((number, question)) = state.check.begin() else { return };
                (number, question, std::mem::take(&mut state.failed))
            };
            if failed {
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
            let answer = checks.tables.check(&checks.process, &question).await;
            checks.answered(number, answer);
            checks.pump();
        });
    }

    fn answered(&self, number: u64, answer: Result<super::tables::Revocations>) {
        let mut state = self.state.lock();
        let verdicts = match answer {
            Ok(found) => {
                if !found.alive && !std::mem::replace(&mut state.gone, true) {
                    tracing::error!(
                        process = %self.process,
                        "a clean-up removed this process from annals_writers while it ran: nothing is lost, but \
                         each append is in doubt first, and settled by a new claim, until the store is opened again"
                    );
                }
                state.check.answered(number, found.alive, &found.revoked)
            }
            Err(_) => {
                state.check.failed(number);
                state.failed = true;
                return;
            }
        };
        for (ticket, verdict) in verdicts {
            if let Some(waiter) = state.waiters.remove(&ticket) {
                // Who dropped its receiver waits no more.
                let _ = waiter.send(verdict);
            }
        }
    }
}

struct Forget<'a, T> {
    checks: &'a Checks<T>,
    ticket: Ticket,
}

impl<T> Drop for Forget<'_, T> {
    fn drop(&mut self) {
        let mut state = self.checks.state.lock();
        if state.waiters.remove(&self.ticket).is_some() {
            state.check.forget(self.ticket);
        }
    }
}
