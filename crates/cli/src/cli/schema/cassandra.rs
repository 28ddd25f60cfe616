//! The tables of a store on Cassandra.

use annals::Error;

use crate::args::Schema;
use crate::output::{Output, Row};
use crate::record::object;
use crate::report::{Outcome, Report};
use crate::session::Session;

/// Runs `verb` on the tables of a store, which may not be there yet.
pub(super) async fn run(
    schema: annals::Schema,
    verb: Schema,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    match verb {
        Schema::Show => statements(schema.statements()?, output),
        Schema::Check => {
            let missing = schema.missing().await?;
            for name in &missing {
                output.row(Row {
                    json: object(serde_json::json!({ "missing": name })),
                    cells: vec![("MISSING", name.clone())],
                })?;
            }
            if missing.is_empty() {
                return Ok(());
            }
            let count = missing.len();
            let message = format!("the store lacks {count} tables and columns: `schema create`");
            Err(Error::invalid(message).into())
        }
        Schema::Create(_) if session.yes() => statements(schema.create().await?, output),
        Schema::Create(_) => {
            statements(schema.statements()?, output)?;
            report.note("dry run: would run those that are needed; give --yes to do it");
            Ok(())
        }
    }
}

fn statements(statements: Vec<String>, output: &mut Output) -> Outcome {
    for statement in statements {
        output.row(Row {
            json: object(serde_json::json!({ "statement": statement })),
            cells: vec![("STATEMENT", statement.clone())],
        })?;
    }
    Ok(())
}
