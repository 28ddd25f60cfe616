//! The tables of DynamoDB.

use annals::Error;
use annals::dynamodb::{Billing, DynamoDb, IdIndex, SchemaOptions, TableInfo};
use serde_json::json;

use crate::args::{Schema, SchemaCreate};
use crate::output::{Output, Row, done};
use crate::record::object;
use crate::report::{Outcome, Report};
use crate::session::Session;

pub(super) async fn run(
    store: &DynamoDb,
    verb: Schema,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    match verb {
        Schema::Show => show(store, output).await,
        Schema::Check => check(store, output).await,
        Schema::Create(args) => create(store, args, session, output, report).await,
    }
}

async fn show(store: &DynamoDb, output: &mut Output) -> Outcome {
    for table in store.show_schema().await? {
        let TableInfo { name, purpose, status, key, indexes, billing, items, bytes, .. } = table;
        output.row(Row {
            json: object(json!({
                "table": name, "purpose": purpose, "status": status, "key": key, "indexes": indexes,
                "billing": billing, "items": items, "bytes": bytes,
            })),
            cells: vec![
                ("TABLE", name),
                ("PURPOSE", purpose.to_owned()),
                ("STATUS", status.unwrap_or_else(|| "absent".to_owned())),
                ("ITEMS", items.to_string()),
                ("BYTES", bytes.to_string()),
                ("BILLING", billing),
                ("KEY", key),
                ("INDEXES", indexes.join("; ")),
            ],
        })?;
    }
    Ok(())
}

async fn check(store: &DynamoDb, output: &mut Output) -> Outcome {
    let differences = store.check_schema().await?;
    for found in &differences {
        output.row(Row {
            json: object(json!({
                "table": found.table, "wrong": found.wrong, "message": found.message,
            })),
            cells: vec![
                ("TABLE", found.table.clone()),
                ("WRONG", if found.wrong { "yes" } else { "no" }.to_owned()),
                ("MESSAGE", found.message.clone()),
            ],
        })?;
    }
    match differences.iter().filter(|found| found.wrong).count() {
        0 => Ok(()),
        wrong => {
            let message = format!(
                "{wrong} of the tables are not as the store needs them; `annals schema create` makes what is \
                 missing"
            );
            Err(Error::invalid(message).into())
        }
    }
}

async fn create(
    store: &DynamoDb,
    args: SchemaCreate,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let SchemaCreate { read_units, write_units, .. } = args;
    let billing = match args.billing {
        crate::args::Billing::OnDemand => Billing::OnDemand,
        crate::args::Billing::Provisioned => Billing::Provisioned { read_units, write_units },
    };
    let id_index = match args.id_index {
        crate::args::IdIndex::Alphabetical => IdIndex::Alphabetical,
        crate::args::IdIndex::Plain => IdIndex::Plain,
        crate::args::IdIndex::None => IdIndex::Absent,
    };
    let options = SchemaOptions::default().with_billing(billing).with_id_index(id_index);
    let statements = store.missing_schema(options).await?;
    if statements.is_empty() {
        report.note("nothing is missing: `annals schema check` says whether it is right");
    }
    for statement in statements {
        if session.yes() {
            store.create(&statement, options).await?;
        }
        output.row(Row {
            json: object(json!({
                "table": statement.table, "statement": statement.text, "done": session.yes(),
            })),
            cells: vec![
                ("TABLE", statement.table),
                ("DONE", done(!session.yes())),
                ("STATEMENT", statement.text),
            ],
        })?;
        output.flush()?;
    }
    if !session.yes() {
        report.note("dry run: give --yes to run the statements");
    }
    Ok(())
}
