//! Each mistake must break a property. `MUTANTS.md` shows how, and is checked here; `ANNALS_BLESS=1`
//! writes it anew.

use std::fmt::Write;
use std::path::Path;

use annals_cassandra_model::{Found, Mistake, Model, Scope, explore};

/// Far more than any mistake needs: who gets here has found none.
const STATES_MAX: usize = 300_000;

/// The smallest scope in which the mistake shows.
fn scope(mistake: Mistake) -> Scope {
    let base = Scope { numbers: 1, reader: false, lost_answers: false, ..Scope::default() };
    let alone = Scope { writers: 1, reader: true, ..base };
    let scope = match mistake {
        Mistake::RevocationWithoutNumber => Scope { writers: 1, progress: true, ..base },
        Mistake::OwnClaimNotRevoked
        | Mistake::RewritesLastAppend
        | Mistake::NoFromSeq
        | Mistake::ReaderChecksFirst
        | Mistake::DoubtfulDelivered => alone,
        Mistake::UnknownTakenAsWon => Scope { lost_answers: true, ..base },
        Mistake::TwoInFlight => Scope { numbers: 2, ..base },
        Mistake::NotDelimited => Scope { numbers: 2, events: 2, ..base },
        Mistake::LowestClaim => Scope { writers: 1, claims: 3, ..base },
        Mistake::ClaimIgnoresDeleted => Scope { deletes: true, ..base },
        Mistake::EndNotLookedFor
        | Mistake::BothAtOnce
        | Mistake::HandedOverUnsettled
        | Mistake::HandedOverWithVoidRows
        | Mistake::HandedBackEarly => Scope { writers: 1, turns: 1, ..base },
        Mistake::EndAtQuorum => Scope { writers: 1, numbers: 2, turns: 1, killed: true, ..base },
        Mistake::KilledAtFirstEvent => Scope { writers: 1, turns: 1, killed: true, ..base },
        Mistake::DeletedReadBeforeOnly => Scope { numbers: 2, claims: 1, deletes: true, ..alone },
        _ => base,
    };
    Scope { mistake: Some(mistake), ..scope }
}

fn in_words(scope: &Scope) -> String {
    let Scope { writers, claims, numbers, events, .. } = scope;
    let mut text = format!("{writers} / {claims} / {numbers} / {events}");
    for (on, what) in [
        (scope.reader, "reader"),
        (scope.deletes, "deletes"),
        (scope.lost_answers, "lost answers"),
        (scope.turns > 0, "JVM"),
        (scope.killed, "killed"),
        (scope.progress, "progress"),
    ] {
        if on {
            text.push_str(", ");
            text.push_str(what);
        }
    }
    text
}

fn document(rows: &[(Mistake, Scope, usize, Found)]) -> String {
    let mut text = String::from(
        "# Mistakes, and what each leads to\n\n\
         Each row is the model of `fencing = claims` with one mistake, explored until a property was\n\
         broken; below is the shortest way there. The scope is writers / claims / numbers / events of an\n\
         append. The model's tests compute this file and fail when it differs\n\
         (`ANNALS_BLESS=1 cargo test -p annals-cassandra-model` writes it anew).\n\n\
         | mistake | broken | scope | steps | states seen |\n| --- | --- | --- | --- | --- |\n",
    );
    for (mistake, scope, states, found) in rows {
        let (what, broken) = (mistake.what(), found.property.what());
        let (scope, steps) = (in_words(scope), found.steps.len());
        writeln!(text, "| {what} | {broken} | {scope} | {steps} | {states} |").unwrap();
    }
    text.push_str("\nReplicas are called 0, 1 and 2.\n");
    for (mistake, _, _, found) in rows {
        writeln!(text, "\n## {}\n", mistake.what()).unwrap();
        for (number, step) in (1..).zip(&found.steps) {
            writeln!(text, "{number}. {step}").unwrap();
        }
        writeln!(text, "\nBroken: {}.", found.property.what()).unwrap();
    }
    text
}

#[test]
fn each_mistake_breaks_a_property() {
    let mut rows = Vec::new();
    for mistake in Mistake::ALL {
        let scope = scope(mistake);
        let report = explore(&Model::new(scope), STATES_MAX);
        let Some(found) = report.found else {
            panic!("{mistake:?} breaks nothing in {} states", report.states);
        };
        rows.push((mistake, scope, report.states, found));
    }

    let computed = document(&rows);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("MUTANTS.md");
    if std::env::var_os("ANNALS_BLESS").is_some() {
        std::fs::write(&file, &computed).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(written, computed, "MUTANTS.md is not what the model finds now");
}

#[test]
fn each_scope_of_a_mistake_is_sound_without_it() {
    for mistake in Mistake::ALL {
        let scope = Scope { mistake: None, ..scope(mistake) };
        let report = explore(&Model::new(scope), STATES_MAX);
        assert!(report.found.is_none(), "{scope:?}: {:?}", report.found);
        assert!(!report.cut, "{scope:?} is too large: {} states", report.states);
    }
}
