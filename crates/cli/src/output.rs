//! Results on stdout: a JSON object a line, or a table for people.

use std::io::{self, BufWriter, Write};

use serde_json::{Map, Value};

/// Rows that a table holds back to learn how wide its columns are.
const ROWS_HELD_MAX: usize = 200;
/// A column is not made wider than this for the sake of one long cell.
const WIDTH_MAX: usize = 48;

/// One result: its JSON form, and what a table shows of it.
#[derive(Debug)]
pub(crate) struct Row {
    /// The JSON object.
    pub(crate) json: Map<String, Value>,
    /// The cells: title and text.
    pub(crate) cells: Vec<(&'static str, String)>,
}

/// The cell that says whether something was done, or only told.
pub(crate) fn done(dry_run: bool) -> String {
    if dry_run { "no (dry run)" } else { "yes" }.to_owned()
}

/// Writes to stdout.
pub(crate) struct Output {
    stdout: BufWriter<Box<dyn Write + Send>>,
    json: bool,
    held: Vec<Vec<String>>,
    titles: Vec<&'static str>,
    widths: Vec<usize>,
}

impl Output {
    pub(crate) fn new(stdout: Box<dyn Write + Send>, json: bool) -> Self {
        let stdout = BufWriter::with_capacity(64 << 10, stdout);
        Self { stdout, json, held: Vec::new(), titles: Vec::new(), widths: Vec::new() }
    }

    /// Writes one result; it may be held back until [`Output::flush`].
    pub(crate) fn row(&mut self, row: Row) -> io::Result<()> {
        if self.json {
            return self.json_line(&row.json);
        }
        let titles: Vec<&'static str> = row.cells.iter().map(|(title, _)| *title).collect();
        if titles != self.titles {
            self.write_held()?;
            if !self.titles.is_empty() {
                writeln!(self.stdout)?;
            }
            self.widths = titles.iter().map(|title| title.len()).collect();
            self.held.push(titles.iter().map(|title| (*title).to_owned()).collect());
            self.titles = titles;
        }
        let cells = row.cells.into_iter().map(|(_, text)| printable(&text)).collect();
        self.held.push(cells);
        if self.held.len() > ROWS_HELD_MAX { self.write_held() } else { Ok(()) }
    }

    /// Writes `json` as one line, whether JSON was asked for or not.
    pub(crate) fn json_line(&mut self, json: &Map<String, Value>) -> io::Result<()> {
        serde_json::to_writer(&mut self.stdout, json)?;
        self.stdout.write_all(b"\n")
    }

    /// Writes `bytes` as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    /// Brings everything to the reader.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.write_held()?;
        self.stdout.flush()
    }

    /// Brings everything to the reader, at the end.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()
    }

    fn write_held(&mut self) -> io::Result<()> {
        for cells in &self.held {
            for (width, cell) in self.widths.iter_mut().zip(cells) {
                *width = cell.chars().count().min(WIDTH_MAX).max(*width);
            }
        }
        for cells in self.held.drain(..) {
            let mut line = String::new();
            for (cell, width) in cells.iter().zip(&self.widths) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            writeln!(self.stdout, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// `text` without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = (!c.is_control()).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(json: bool, rows: Vec<Row>) -> String {
        let shared = Shared::default();
        let mut output = Output::new(Box::new(shared.clone()), json);
        rows.into_iter().for_each(|row| output.row(row).unwrap());
        output.finish().unwrap();
        String::from_utf8(shared.0.lock().unwrap().clone()).unwrap()
    }

    fn row(id: &str, number: u64) -> Row {
        let json = json!({ "id": id, "number": number }).as_object().unwrap().clone();
        Row { json, cells: vec![("ID", id.to_owned()), ("NUMBER", number.to_string())] }
    }

    #[test]
    fn a_table_has_one_head_and_aligned_columns() {
        let table = printed(false, vec![row("a", 1), row("a long one", 20)]);
        assert_eq!(table, "ID          NUMBER\na           1\na long one  20\n");
    }

    #[test]
    fn a_cell_cannot_move_the_cursor() {
        let table = printed(false, vec![row("a\n\u{1b}[2J", 1)]);
        assert_eq!(table.lines().count(), 2);
        assert!(table.contains("a\\n\\u{1b}[2J"), "{table}");
    }

    #[test]
    fn json_is_one_object_a_line_in_the_order_of_its_fields() {
        let lines = printed(true, vec![row("a", 1), row("b", 2)]);
        assert_eq!(lines, "{\"id\":\"a\",\"number\":1}\n{\"id\":\"b\",\"number\":2}\n");
    }
}
