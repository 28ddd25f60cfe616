//! Rules for the files of the repository: headers, sizes, holes left open, local paths, numbers of decisions.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Result, command};

const LINES_MAX: usize = 500;

/// Where the decisions are, each of them named by its number and its words.
const DECISIONS: &str = "docs/adr/";

/// Written in parts, so that this file does not break its own rule.
const HOLES: [&str; 3] =
    [concat!("to", "do!("), concat!("un", "implemented!("), concat!("#[", "ignore")];

/// Directories that only the author's machine has.
const LOCAL_PATHS: [&str; 5] = [
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("C:\\Us", "ers\\"),
];

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the repository's root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The repository's text files: tracked, or new and not ignored.
pub(crate) fn read(root: &Path) -> Result<Vec<Source>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listing = command::output(root, "git", &arguments)?;
    let listing = String::from_utf8(listing)
        .map_err(|error| format!("a file name of the repository is not UTF-8: {error}"))?;
    let mut sources = Vec::new();
    for path in listing.split_terminator('\0') {
        // A tracked file may be deleted and not yet committed so.
        let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    if sources.is_empty() {
        return Err(format!("git lists no file in {}, so nothing was checked", root.display()));
    }
    Ok(sources)
}

/// Every file that breaks a rule.
pub(crate) fn problems(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        let path = &source.path;
        for (index, line) in source.text.lines().enumerate() {
            let number = index + 1;
            if let Some(local) = LOCAL_PATHS.iter().find(|local| names_path(line, local)) {
                problems.push(format!("{path}:{number}: names the local path {local}"));
            }
            if is_rust(path)
                && let Some(hole) = HOLES.iter().find(|hole| line.contains(*hole))
            {
                problems.push(format!("{path}:{number}: leaves a hole open: {hole}"));
            }
        }
        if !is_rust(path) {
            continue;
        }
        if !source.text.starts_with("//!") {
            problems.push(format!("{path}: does not open with `//!`: what is it for?"));
        }
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            problems.push(format!("{path}: has {lines} lines; at most {LINES_MAX} are allowed"));
        }
    }
    problems.extend(decisions_of_one_number(sources));
    problems
}

/// The decisions whose number another one has too.
fn decisions_of_one_number(sources: &[Source]) -> Vec<String> {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for Source { path, .. } in sources {
        let name = path.strip_prefix(DECISIONS).unwrap_or_default();
        let Some((number, _)) = name.split_once('-') else { continue };
        if let Some(other) = first.insert(number, path) {
            problems.push(format!("{path}: has the number of {other}"));
        }
    }
    problems
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

/// Whether `line` names `local` as an absolute path, and not as the end of a longer one or of a URL.
fn names_path(line: &str, local: &str) -> bool {
    line.match_indices(local).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | '*' | '/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(path: &str, text: impl Into<String>) -> Vec<String> {
        problems(&[Source { path: path.to_owned(), text: text.into() }])
    }

    #[test]
    fn a_plain_file_passes() {
        let text = "//! What it is for.\n\nfn main() {}\n";
        assert_eq!(problems_of("src/main.rs", text), Vec::<String>::new());
    }

    #[test]
    fn a_rust_file_opens_with_its_purpose() {
        let problems = problems_of("src/main.rs", "fn main() {}\n");
        assert_eq!(problems, ["src/main.rs: does not open with `//!`: what is it for?"]);
    }

    #[test]
    fn a_rust_file_has_at_most_500_lines() {
        let lines = |count: usize| format!("//! Long.\n{}", "\n".repeat(count - 1));
        assert_eq!(problems_of("a.rs", lines(500)), Vec::<String>::new());
        assert_eq!(
            problems_of("a.rs", lines(501)),
            ["a.rs: has 501 lines; at most 500 are allowed"]
        );
    }

    #[test]
    fn a_hole_left_open_is_named_with_its_line() {
        for hole in HOLES {
            let problems = problems_of("a.rs", format!("//! Open.\n    {hole}"));
            assert_eq!(problems, [format!("a.rs:2: leaves a hole open: {hole}")]);
        }
    }

    #[test]
    fn a_local_path_is_found_in_any_file() {
        for local in LOCAL_PATHS {
            let problems = problems_of("notes.md", format!("see\n(embedded:{local}me)"));
            assert_eq!(problems, [format!("notes.md:2: names the local path {local}")]);
        }
    }

    #[test]
    fn two_decisions_of_one_number_are_found() {
        let named = |path: &str| Source { path: path.to_owned(), text: String::new() };
        let one = [named("docs/adr/0001-a.md"), named("docs/adr/0002-a.md"), named("a/0001-b.md")];
        assert_eq!(problems(&one), Vec::<String>::new());
        let two = [named("docs/adr/0001-a.md"), named("docs/adr/0001-b.md")];
        assert_eq!(problems(&two), ["docs/adr/0001-b.md: has the number of docs/adr/0001-a.md"]);
    }

    #[test]
    fn the_end_of_another_path_is_no_local_path() {
        let local = LOCAL_PATHS[0];
        let text = format!("https://example.org{local}x crates{local}y");
        assert_eq!(problems_of("notes.md", text), Vec::<String>::new());
    }
}
