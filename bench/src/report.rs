//! What a run found: a table for people, JSON for the documentation.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::number::median;
use crate::process::machine;
use crate::{Plan, Result};

/// What a figure should reach.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reach {
    AtLeast(f64),
    AtMost(f64),
    /// Reported beside the others.
    None,
}

impl Reach {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::None => true,
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::AtLeast(least) => format!("≥ {}", short(*least)),
            Self::AtMost(most) => format!("≤ {}", short(*most)),
            Self::None => "-".to_owned(),
        };
        f.pad(&text)
    }
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
struct Row {
    figure: &'static str,
    what: String,
    unit: &'static str,
    median: f64,
    lowest: f64,
    highest: f64,
    rounds: Vec<f64>,
    reach: Reach,
    met: bool,
}

/// Everything that a run found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    command: &'static str,
    machine: String,
    /// The path taken to the disk: direct or buffered.
    path: String,
    quick: bool,
    figures: Vec<Row>,
    /// What the figures are made of, one line a round and engine.
    notes: Vec<String>,
    /// What could not be measured.
    failures: Vec<String>,
    /// Absolute values, for the documentation, by what they are: the median.
    values: BTreeMap<String, f64>,
    #[serde(skip)]
    series: BTreeMap<String, Vec<f64>>,
}

impl Report {
    /// The report of `command`.
    pub(crate) fn new(command: &'static str, plan: &Plan) -> Self {
        Self {
            command,
            machine: machine(),
            path: "unknown".to_owned(),
            quick: plan.quick,
            figures: Vec::new(),
            notes: Vec::new(),
            failures: Vec::new(),
            values: BTreeMap::new(),
            series: BTreeMap::new(),
        }
    }

    /// Tells how the store writes to the disk.
    pub(crate) fn path(&mut self, path: &str) {
        path.clone_into(&mut self.path);
    }

    /// Tells of a step, now and in the report.
    pub(crate) fn note(&mut self, note: String) {
        eprintln!("  {note}");
        self.notes.push(note);
    }

    /// Tells of a figure that could not be measured.
    pub(crate) fn failure(&mut self, failure: String) {
        eprintln!("  {failure}");
        self.failures.push(failure);
    }

    /// Whether everything that was asked for could be measured, whatever it gave.
    pub fn is_whole(&self) -> bool {
        self.failures.is_empty()
    }

    /// One measured value of `name`; the report keeps the median.
    pub(crate) fn value(&mut self, name: &str, value: f64) {
        let series = self.series.entry(name.to_owned()).or_default();
        series.push(value);
        self.values.insert(name.to_owned(), median(series));
    }

    /// A figure of several rounds.
    pub(crate) fn figure(
        &mut self,
        figure: &'static str,
        what: &str,
        unit: &'static str,
        rounds: Vec<f64>,
        reach: Reach,
    ) {
        let middle = median(&rounds);
        let row = Row {
            figure,
            what: what.to_owned(),
            unit,
            median: middle,
            lowest: rounds.iter().copied().fold(f64::INFINITY, f64::min),
            highest: rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            rounds,
            reach,
            met: reach.is_met(middle),
        };
        self.figures.push(row);
    }

    /// Writes the report as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        Ok(std::fs::write(path, json)?)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; path taken: {}", self.machine, self.path)?;
        if self.quick {
            writeln!(f, "a quick run: it shows that everything runs, its figures mean nothing")?;
        }
        let header = ("figure", "what", "median", "spread", "reach");
        writeln!(
            f,
            "\n{:<10} {:<68} {:>12} {:>19} {:>8}",
            header.0, header.1, header.2, header.3, header.4
        )?;
        for row in &self.figures {
            let value = format!("{}{}", short(row.median), row.unit);
            let spread = format!("{} – {}", short(row.lowest), short(row.highest));
            let verdict = match (row.reach, row.met) {
                (Reach::None, _) => "",
                (_, true) => "reached",
                (_, false) => "MISSED",
            };
            writeln!(
                f,
                "{:<10} {:<68} {value:>12} {spread:>19} {:>8} {verdict}",
                row.figure, row.what, row.reach
            )?;
        }
        self.failures.iter().try_for_each(|failure| writeln!(f, "{failure}"))
    }
}

/// Three significant digits, and no more than needed.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1e6 {
        format!("{:.2}M", value / 1e6)
    } else if magnitude >= 1e4 {
        format!("{:.0}k", value / 1e3)
    } else if magnitude >= 100.0 {
        format!("{value:.0}")
    } else if magnitude >= 10.0 {
        format!("{value:.1}")
    } else if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_median_of_its_rounds_and_is_judged_by_it() {
        let mut report = Report::new("bench", &Plan::quick());
        report.figure("a", "too low", "", vec![0.9, 0.5, 0.8], Reach::AtLeast(0.85));
        report.figure("b", "low enough", "", vec![0.9, 0.5, 0.8], Reach::AtMost(0.8));
        let met: Vec<bool> = report.figures.iter().map(|row| row.met).collect();
        assert_eq!(met, [false, true]);
        let table = report.to_string();
        assert!(table.contains("0.500 – 0.900"), "{table}");
        assert!(table.contains("MISSED") && table.contains("reached"), "{table}");
    }

    #[test]
    fn numbers_are_short() {
        let texts = [3.0, 0.8512, 12.34, 512.3, 40_960.0, 3_512_345.0].map(short);
        assert_eq!(texts, ["3", "0.851", "12.3", "512", "41k", "3.51M"]);
    }
}
