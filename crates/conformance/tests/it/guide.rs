//! The guide says which cases check each clause, and is right: `ANNALS_BLESS=1` writes the column anew.

use std::collections::BTreeSet;
use std::path::Path;

use annals_conformance::CASES;

/// Clauses that are not about a store, and what is said of them.
const ELSEWHERE: [(&str, &str); 1] = [("P1", "the tests of projections in `annals-query`")];

fn cases(clause: &str) -> String {
    if let Some((_, what)) = ELSEWHERE.iter().find(|(known, _)| *known == clause) {
        return (*what).to_owned();
    }
    let of_clause = CASES.iter().filter(|case| case.clause() == clause);
    of_clause.map(|case| format!("`{}`", case.name)).collect::<Vec<_>>().join(", ")
}

/// The clause and the promise of a row of one of the tables.
fn row(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let (clause, promise) = (cells.next()?, cells.next()?);
    let known = CASES.iter().any(|case| case.clause() == clause);
    (known || ELSEWHERE.iter().any(|(other, _)| *other == clause)).then_some((clause, promise))
}

#[test]
fn the_guide_names_the_cases_of_each_clause() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/src/guarantees.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut missing: BTreeSet<&str> = CASES.iter().map(|case| case.clause()).collect();
    let mut expected = String::new();
    for line in page.lines() {
        match row(line) {
            Some((clause, promise)) => {
                missing.remove(clause);
                expected.push_str(&format!("| {clause} | {promise} | {} |\n", cases(clause)));
            }
            None => expected.push_str(&format!("{line}\n")),
        }
    }
    assert!(missing.is_empty(), "the guide says nothing of {missing:?}");
    if std::env::var_os("ANNALS_BLESS").is_some() {
        std::fs::write(&path, &expected).unwrap();
        return;
    }
    for (line, expected) in page.lines().zip(expected.lines()) {
        assert_eq!(line, expected, "ANNALS_BLESS=1 writes it anew");
    }
}
