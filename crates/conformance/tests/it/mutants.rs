//! Each flaw must make a case of its clause fail. `MUTANTS.md` shows which cases fail for which flaw,
//! and is checked here; `ANNALS_BLESS=1` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use annals_conformance::{CASES, Case, Verdict};

use crate::fixture::PlainFixture;
use crate::flaw::Flaw;

/// Runs one case on one thread whose clock stands still while there is work: the order of tasks is the
/// same each time, and a case that waits in vain ends at once.
fn run(flaw: Option<Flaw>, case: &Case) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(annals_conformance::run(Arc::new(PlainFixture::new(flaw)), case))
}

fn failing(flaw: Flaw) -> Vec<&'static Case> {
    CASES.iter().filter(|case| matches!(run(Some(flaw), case), Verdict::Failed(_))).collect()
}

/// All flaws and the cases that notice them, computed by two threads.
fn matrix() -> Vec<(Flaw, Vec<&'static Case>)> {
    let (left, right) = Flaw::ALL.split_at(Flaw::ALL.len() / 2);
    let all = |flaws: &[Flaw]| flaws.iter().map(|flaw| (*flaw, failing(*flaw))).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let left = scope.spawn(|| all(left));
        let mut rows = all(right);
        rows.splice(0..0, left.join().unwrap());
        rows
    })
}

fn document(rows: &[(Flaw, Vec<&'static Case>)]) -> String {
    let mut text = String::from(
        "# Which cases notice which flaw\n\n\
         The kit is tested with a plain store that passes it and with copies of that store which break\n\
         one clause each. The kit's tests compute this table and fail when it differs\n\
         (`ANNALS_BLESS=1 cargo test -p annals-conformance` writes it anew).\n\n\
         | clause | flaw | cases that fail |\n| --- | --- | --- |\n",
    );
    for (flaw, cases) in rows {
        let names: Vec<_> = cases.iter().map(|case| format!("`{}`", case.name)).collect();
        let row = format!("| {} | {} | {} |", flaw.clause(), flaw.what(), names.join(", "));
        writeln!(text, "{row}").unwrap();
    }
    let noticed: BTreeSet<_> = rows.iter().flat_map(|(_, cases)| cases).map(|c| c.name).collect();
    let blind: Vec<_> = CASES.iter().filter(|case| !noticed.contains(case.name)).collect();
    text.push_str("\n## Cases that no flaw above fails\n\n");
    for case in &blind {
        writeln!(text, "- `{}`", case.name).unwrap();
    }
    if blind.is_empty() {
        text.push_str("None.\n");
    }
    text
}

#[test]
fn each_flaw_fails_a_case_of_its_clause() {
    let rows = matrix();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("MUTANTS.md");
    let computed = document(&rows);
    if std::env::var_os("ANNALS_BLESS").is_some() && std::env::var_os("ANNALS_SEED").is_none() {
        std::fs::write(&file, &computed).unwrap();
    }
    for (flaw, cases) in &rows {
        let own = cases.iter().any(|case| case.clause() == flaw.clause());
        let names: Vec<_> = cases.iter().map(|case| case.name).collect();
        assert!(own, "no case of {} notices {flaw:?}; these fail: {names:?}", flaw.clause());
    }
    if std::env::var_os("ANNALS_SEED").is_some() {
        // With another seed other flaws may show; the table is that of the default ones.
        eprintln!("MUTANTS.md was not compared, since ANNALS_SEED is set");
        return;
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(written, computed, "MUTANTS.md is not what the kit finds now");
}

#[test]
fn a_case_that_lacks_something_undeclared_fails() {
    struct Bare;

    #[async_trait::async_trait]
    impl annals_conformance::Fixture for Bare {
        async fn open(&self, place: &str) -> annals_core::Result<annals_core::Store> {
            PlainFixture::new(None).open(place).await
        }
    }

    let case = CASES.iter().find(|case| case.name == "s2_damaged_falls_back").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let verdict = runtime.block_on(annals_conformance::run(Arc::new(Bare), case));
    let Verdict::Failed(reason) = verdict else { panic!("{verdict:?}") };
    assert!(reason.contains("SnapshotDamage"), "{reason}");
}

#[test]
fn a_store_that_does_not_open_fails() {
    struct Unreachable;

    #[async_trait::async_trait]
    impl annals_conformance::Fixture for Unreachable {
        async fn open(&self, _place: &str) -> annals_core::Result<annals_core::Store> {
            Err(annals_core::Error::unavailable("no server"))
        }
    }

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for case in CASES {
        let verdict = runtime.block_on(annals_conformance::run(Arc::new(Unreachable), case));
        assert!(matches!(verdict, Verdict::Failed(_)), "{}: {verdict:?}", case.name);
    }
}
