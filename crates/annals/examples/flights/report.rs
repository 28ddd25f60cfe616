//! What the example tells a person: on stdout, or on stderr where stdout is for `--json`.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use super::board::{Board, Line};
use super::file::Rejected;

/// The most rejected rows that are listed one by one.
const REJECTED_SHOWN: usize = 20;

/// Where text for people goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    json: bool,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// A line for people. That nobody reads it is no reason to stop recording.
    pub(crate) fn line(&self, text: impl Display) {
        let _ = match self.json {
            true => writeln!(io::stderr(), "{text}"),
            false => writeln!(io::stdout(), "{text}"),
        };
    }

    /// The rows that were not recorded, with the reasons.
    pub(crate) fn rejected(&self, rejected: &[Rejected]) {
        for Rejected { place, reason } in rejected.iter().take(REJECTED_SHOWN) {
            self.line(format_args!("rejected  {place}: {reason}"));
        }
        if let Some(more) = rejected.len().checked_sub(REJECTED_SHOWN).filter(|more| *more > 0) {
            self.line(format_args!("rejected  and {} more rows", grouped(more)));
        }
    }

    /// The board: JSON lines on stdout, or a table.
    pub(crate) fn board(&self, board: &Board, names: &HashMap<String, String>) -> io::Result<()> {
        if self.json {
            let mut stdout = io::stdout().lock();
            return board
                .lines()
                .iter()
                .try_for_each(|line| writeln!(stdout, "{}", line.to_json()));
        }
        self.line("");
        let heads = ["carrier", "flights", "cancelled", "miles", "delay (min)"];
        let [carrier, flights, cancelled, miles, delay] = heads;
        self.line(format_args!("{carrier:<8}{flights:>9}{cancelled:>11}{miles:>13}{delay:>13}"));
        let total = board.total();
        for line in board.lines().into_iter().chain([&total]) {
            let Line { carrier, flights, cancelled, miles, arrival_delay_minutes: delay } = line;
            let name = names.get(carrier).map_or("", String::as_str);
            self.line(format_args!(
                "{carrier:<8}{:>9}{:>11}{:>13}{:>13}  {name}",
                grouped(flights),
                grouped(cancelled),
                grouped(miles),
                grouped(delay),
            ));
        }
        Ok(())
    }
}

/// An integer with its digits in groups of three: `27,004`.
pub(crate) fn grouped(number: impl Display) -> String {
    let number = number.to_string();
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number.as_str()),
    };
    let groups: Vec<String> = digits
        .chars()
        .rev()
        .collect::<Vec<_>>()
        .chunks(3)
        .map(|group| group.iter().rev().collect())
        .rev()
        .collect();
    format!("{sign}{}", groups.join(","))
}

/// A duration in the unit that fits it.
pub(crate) fn short(duration: Duration) -> String {
    match duration.as_micros() {
        micros if micros < 1_000 => format!("{micros} µs"),
        micros if micros >= 1_000_000 => format!("{:.2} s", duration.as_secs_f64()),
        _ => format!("{:.1} ms", duration.as_secs_f64() * 1_000.0),
    }
}
