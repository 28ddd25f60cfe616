//! What every command shares: the global options, the store, the environment.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use annals::Store;
use annals::environment::System;

use crate::args::Global;
use crate::report::{Failure, Outcome};
use crate::run::Stores;

/// How often a command that waits looks whether anybody still reads.
const CLOSED_CHECK_EVERY: Duration = Duration::from_millis(200);

/// Where a store is named.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// By its URL.
    Url(&'a str),
    /// In a Pekko configuration file.
    Config(&'a Path),
}

/// One run of the program.
pub(crate) struct Session {
    global: Global,
    stores: Stores,
    stdout_closed: fn() -> bool,
    pub(crate) system: Arc<System>,
}

impl Session {
    pub(crate) fn new(global: Global, stores: Stores, stdout_closed: fn() -> bool) -> Self {
        Self { global, stores, stdout_closed, system: Arc::new(System::new()) }
    }

    /// Whether destructive work is to be done, not only told.
    pub(crate) fn yes(&self) -> bool {
        self.global.yes
    }

    /// The same, for the tools of a store on Cassandra.
    #[cfg(feature = "cassandra")]
    pub(crate) fn execution(&self) -> annals::cassandra::Execution {
        use annals::cassandra::Execution;
        if self.yes() { Execution::Apply } else { Execution::DryRun }
    }

    /// Runs `work` on the store, opened for writing, and closes it.
    pub(crate) async fn writing(&self, work: impl AsyncFnOnce(Store) -> Outcome) -> Outcome {
        let store = match &self.stores {
            Stores::Given(store) => return work(store.clone()).await,
            Stores::ByUrl => match self.place()? {
                Place::Url(url) => annals::open(url).await?,
                Place::Config(path) => annals::open_config(path).await?,
            },
        };
        finish(store, work).await
    }

    /// Runs `work` on the store, opened for reading only (beside a process that writes), and closes it.
    pub(crate) async fn reading(&self, work: impl AsyncFnOnce(Store) -> Outcome) -> Outcome {
        let store = match &self.stores {
            Stores::Given(store) => return work(store.clone()).await,
            Stores::ByUrl => match self.place()? {
                Place::Url(url) => annals::open_read_only(url).await?,
                Place::Config(path) => annals::open_config_read_only(path).await?,
            },
        };
        finish(store, work).await
    }

    /// Runs `work` on the store, opened for writing if what it does is to be done, and else for reading only;
    /// and closes it.
    pub(crate) async fn applying(&self, work: impl AsyncFnOnce(Store) -> Outcome) -> Outcome {
        if self.yes() { self.writing(work).await } else { self.reading(work).await }
    }

    /// Runs `work` on the stores at `from`, opened for reading only, and at `to`, opened for writing, and
    /// closes both.
    pub(crate) async fn between(
        &self,
        from: &str,
        to: &str,
        work: impl AsyncFnOnce(Store, Store) -> Outcome,
    ) -> Outcome {
        // First, so that a source that is not there leaves no empty target behind.
        let source = annals::open_read_only(from).await?;
        finish(source, async |source| {
            finish(annals::open(to).await?, async |target| work(source, target).await).await
        })
        .await
    }

    /// Completes when the person interrupts (SIGINT), or when nobody reads stdout any more.
    pub(crate) async fn stopped(&self) {
        let closed = async {
            while !(self.stdout_closed)() {
                tokio::time::sleep(CLOSED_CHECK_EVERY).await;
            }
        };
        let interrupted = async {
            if tokio::signal::ctrl_c().await.is_err() {
                // Signals cannot be listened to: the system's default, which ends us, is left.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = closed => {}
            () = interrupted => {}
        }
    }

    /// Where the store is, as the arguments or the environment say.
    pub(crate) fn place(&self) -> Outcome<Place<'_>> {
        match (&self.global.store, &self.global.config) {
            (Some(_), Some(_)) => Err(Failure::Usage(
                "--store (or ANNALS_STORE) and --config both name a store: give one of them",
            )),
            (None, Some(path)) => Ok(Place::Config(path)),
            (Some(url), None) => Ok(Place::Url(url)),
            (None, None) => Err(Failure::Usage(
                "no store is named: give --store URL or set ANNALS_STORE, for example embedded:./data",
            )),
        }
    }
}

async fn finish(store: Store, work: impl AsyncFnOnce(Store) -> Outcome) -> Outcome {
    let done = work(store.clone()).await;
    let closed = store.close().await;
    // What went wrong first matters more than that the end was not orderly.
    done?;
    Ok(closed?)
}
