//! Beside pekko-persistence-dynamodb, on one DynamoDB Local.

mod both_ways;
mod golden;
mod items;
mod old_format;
mod pekko_writes;

use annals_interop::{App, Tables};

use items::Item;

use crate::sides::{Annals, Sides};

/// New tables, of one test.
async fn tables() -> Tables {
    Tables::create(App::shared(), annals_servers::dynamodb()).await.unwrap()
}

/// A store of annals on them.
async fn annals(tables: &Tables) -> Annals {
    let builder = annals_dynamodb::DynamoDb::builder()
        .endpoint(annals_servers::dynamodb())
        .static_credentials("annals", "annals")
        .tables(&tables.journal, &tables.snapshots);
    Annals(builder.open().await.unwrap().store())
}

/// Both sides on new tables.
async fn sides() -> Sides {
    let tables = tables().await;
    Sides { pekko: tables.pekko("").await.unwrap(), annals: annals(&tables).await }
}

/// The items of one of the tables, in the order of their keys.
async fn items(tables: &Tables, table: &str) -> Vec<Item> {
    let items = tables.items(table).await.unwrap();
    let mut items: Vec<Item> = items.into_iter().map(Item::new).collect();
    items.sort_by_key(Item::key);
    items
}
