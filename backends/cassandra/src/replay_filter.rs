//! Pekko's replay filter: what becomes of events that two writers wrote for one history. Pure.
//!
//! Each incarnation of an entity is a writer of its own. Where a second one took over while the first
//! still wrote, the later one in the history wins, as far as the window of held events reaches back.

use std::collections::VecDeque;

use annals_core::{Error, PersistenceId, Result, SeqNr};

/// What the filter does when it meets interleaved writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReplayFilterMode {
    /// `repair-by-discard-old`: the older writer's events are dropped. The default.
    #[default]
    RepairByDiscardOld,
    /// `fail`: the replay fails as `Corrupt`.
    Fail,
    /// `warn`: everything is delivered, with a warning.
    Warn,
    /// `off`: nothing is looked at.
    Off,
}

impl ReplayFilterMode {
    /// The mode that settings call `name`.
    ///
    /// # Errors
    /// `Invalid` for any other name.
    pub fn of_name(name: &str) -> Result<Self> {
        match name {
            "repair-by-discard-old" => Ok(Self::RepairByDiscardOld),
            "fail" => Ok(Self::Fail),
            "warn" => Ok(Self::Warn),
            "off" => Ok(Self::Off),
            _ => Err(Error::invalid(format!(
                "a replay-filter.mode is repair-by-discard-old, fail, warn or off, not {name:?}"
            ))),
        }
    }
}

/// The section `replay-filter` of the journal's fallback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayFilterSettings {
    /// `mode`.
    pub mode: ReplayFilterMode,
    /// `window-size`: how many events are held back. Default 100.
    pub window_size: usize,
    /// `max-old-writers`: how many are remembered. Default 10.
    pub max_old_writers: usize,
}

impl Default for ReplayFilterSettings {
    fn default() -> Self {
        Self { mode: ReplayFilterMode::default(), window_size: 100, max_old_writers: 10 }
    }
}

/// What the filter looks at.
pub(crate) trait Written {
    fn seq_nr(&self) -> SeqNr;
    /// The writer as it is stored.
    fn writer_text(&self) -> &str;
}

/// The filter of one replay. Events go in in the order of the store and come out in order.
#[derive(Debug)]
pub(crate) struct ReplayFilter<E> {
    id: PersistenceId,
    settings: ReplayFilterSettings,
    held: VecDeque<E>,
    old_writers: VecDeque<String>,
    writer: Option<String>,
    last: SeqNr,
}

impl<E: Written> ReplayFilter<E> {
    pub(crate) fn new(id: PersistenceId, settings: ReplayFilterSettings) -> Self {
        let (held, old_writers) = (VecDeque::new(), VecDeque::new());
        Self { id, settings, held, old_writers, writer: None, last: SeqNr::ZERO }
    }

    /// Takes the next event; gives those that can no longer be repaired to `out`.
    ///
    /// # Errors
    /// `Corrupt` in the mode `fail`.
    pub(crate) fn push(&mut self, event: E, out: &mut Vec<E>) -> Result<()> {
        if self.settings.mode == ReplayFilterMode::Off {
            out.push(event);
            return Ok(());
        }
        while self.held.len() >= self.settings.window_size.max(1) {
            out.extend(self.held.pop_front());
        }
        let seq_nr = event.seq_nr();
        if self.writer.as_deref() == Some(event.writer_text()) {
            // Equal numbers are one event that was adapted into several.
            if seq_nr < self.last {
                return self.drop_new(event, "its numbers go back");
            }
            self.last = seq_nr;
        } else if self.old_writers.iter().any(|old| old == event.writer_text()) {
            return self.drop_new(event, "another writer has taken over");
        } else {
            self.take_over(&event)?;
        }
        self.held.push_back(event);
        Ok(())
    }

    /// The replay is at its end: gives all that is held.
    pub(crate) fn finish(&mut self, out: &mut Vec<E>) {
        out.extend(self.held.drain(..));
    }

    fn take_over(&mut self, event: &E) -> Result<()> {
        if let Some(old) = self.writer.replace(event.writer_text().to_owned()) {
            self.old_writers.push_back(old);
            if self.old_writers.len() > self.settings.max_old_writers {
                self.old_writers.pop_front();
            }
        }
        self.last = event.seq_nr();
        let Some(overtaken) = self.held.iter().find(|held| held.seq_nr() >= self.last) else {
            return Ok(());
        };
        self.issue(overtaken, "a newer writer wrote the same number")?;
        if self.settings.mode == ReplayFilterMode::RepairByDiscardOld {
            let first = self.last;
            self.held.retain(|held| held.seq_nr() < first);
        }
        Ok(())
    }

    fn drop_new(&mut self, event: E, why: &str) -> Result<()> {
        self.issue(&event, why)?;
        if self.settings.mode == ReplayFilterMode::Warn {
            self.held.push_back(event);
        }
        Ok(())
    }

    fn issue(&self, event: &E, why: &str) -> Result<()> {
        let message = format!(
            "event {} of {}, by writer {}, is of interleaved writers: {why}",
            event.seq_nr(),
            self.id,
            event.writer_text(),
        );
        if self.settings.mode == ReplayFilterMode::Fail {
            return Err(Error::corrupt(format!(
                "{message}; replay-filter.mode = repair-by-discard-old would drop the older one's"
            )));
        }
        tracing::warn!(mode = ?self.settings.mode, "{message}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Event(&'static str, u64);

    impl Written for Event {
        fn seq_nr(&self) -> SeqNr {
            SeqNr::new(self.1).unwrap()
        }

        fn writer_text(&self) -> &str {
            self.0
        }
    }

    /// `A1 B1 A2` through the filter.
    fn replay(mode: ReplayFilterMode, window_size: usize, events: &str) -> Result<String> {
        let settings = ReplayFilterSettings { mode, window_size, max_old_writers: 2 };
        let mut filter = ReplayFilter::new(PersistenceId::new("p").unwrap(), settings);
        let mut out = Vec::new();
        for event in events.split(' ') {
            let (writer, seq_nr) = event.split_at(1);
            let writer = ["A", "B", "C", "D"].into_iter().find(|w| *w == writer).unwrap();
            filter.push(Event(writer, seq_nr.parse().unwrap()), &mut out)?;
        }
        filter.finish(&mut out);
        let out: Vec<String> = out.iter().map(|event| format!("{}{}", event.0, event.1)).collect();
        Ok(out.join(" "))
    }

    fn repaired(events: &str) -> String {
        replay(ReplayFilterMode::RepairByDiscardOld, 100, events).unwrap()
    }

    #[test]
    fn one_writer_after_the_other_is_no_issue() {
        assert_eq!(repaired("A1 A2 A2 B3 C4"), "A1 A2 A2 B3 C4");
        let failing = replay(ReplayFilterMode::Fail, 100, "A1 A2 B3 C4 C5");
        assert_eq!(failing.unwrap(), "A1 A2 B3 C4 C5");
    }

    #[test]
    fn the_newest_writer_wins() {
        assert_eq!(repaired("A1 B1 A2"), "B1");
        assert_eq!(repaired("A1 A2 A3 B2 B3 A4 B4"), "A1 B2 B3 B4");
        assert_eq!(repaired("A1 A3 A2 A4"), "A1 A3 A4");
    }

    #[test]
    fn a_warning_keeps_everything() {
        let events = "A1 B1 A2 B2";
        assert_eq!(replay(ReplayFilterMode::Warn, 100, events).unwrap(), events);
        assert_eq!(replay(ReplayFilterMode::Off, 100, events).unwrap(), events);
    }

    #[test]
    fn the_failing_mode_names_the_event() {
        for events in ["A1 B1", "A1 B2 A3", "A2 A1"] {
            let error = replay(ReplayFilterMode::Fail, 100, events).unwrap_err();
            assert!(error.message().contains("of p, by writer A"), "{error}");
        }
    }

    #[test]
    fn what_left_the_window_is_not_repaired() {
        let mode = ReplayFilterMode::RepairByDiscardOld;
        assert_eq!(replay(mode, 2, "A1 A2 A3 B1 B2").unwrap(), "A1 A2 B1 B2");
        // The third writer back is forgotten, and counts as a new one.
        assert_eq!(replay(mode, 100, "A1 B2 C3 D4 A5").unwrap(), "A1 B2 C3 D4 A5");
        assert_eq!(replay(mode, 100, "A1 B2 C3 D4 B5").unwrap(), "A1 B2 C3 D4");
    }
}
