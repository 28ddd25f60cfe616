//! What differs in the tables that are there, and what they are like.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, IndexStatus, KeySchemaElement, ProjectionType,
    ScalarAttributeType, TableDescription, TableStatus,
};

use super::{Index, PAR, Reach, Table, key_text};
use crate::schema::TableInfo;

/// Something about a table that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// Whether the store cannot work with it; otherwise it works, and the message says what is lost.
    pub wrong: bool,
    /// What differs, and what that means.
    pub message: String,
}

impl Difference {
    pub(crate) fn wrong(table: &str, message: String) -> Self {
        Self { table: table.to_owned(), wrong: true, message }
    }

    pub(crate) fn advice(table: &str, message: String) -> Self {
        Self { table: table.to_owned(), wrong: false, message }
    }
}

impl Table {
    /// That the table is not there.
    pub(crate) fn absent(&self) -> Difference {
        let Self { name, purpose, .. } = self;
        match self.without {
            Some(without) => Difference::advice(
                name,
                format!("there is no table {name} for {purpose}: {without}"),
            ),
            None => Difference::wrong(name, format!("there is no table {name} for {purpose}")),
        }
    }

    /// What the table is like that is there, if one is.
    pub(crate) fn info(&self, found: Option<&TableDescription>) -> TableInfo {
        let count = |count: Option<i64>| u64::try_from(count.unwrap_or(0)).unwrap_or(0);
        let mut info = TableInfo {
            name: self.name.clone(),
            purpose: self.purpose,
            status: None,
            key: String::new(),
            indexes: Vec::new(),
            billing: String::new(),
            items: 0,
            bytes: 0,
        };
        let Some(found) = found else { return info };
        let status = found.table_status().map_or("UNKNOWN", TableStatus::as_str);
        info.status = Some(status.to_owned());
        info.key = described(found, found.key_schema());
        let global = found.global_secondary_indexes().iter();
        let local = found.local_secondary_indexes().iter();
        let global = global.map(|index| (index.index_name(), index.key_schema()));
        let local = local.map(|index| (index.index_name(), index.key_schema()));
        let index = |(name, keys): (Option<&str>, &[KeySchemaElement])| {
            format!("{}: {}", name.unwrap_or("?"), described(found, keys))
        };
        info.indexes = global.chain(local).map(index).collect();
        let billing = found.billing_mode_summary().and_then(|summary| summary.billing_mode());
        info.billing = billing.unwrap_or(&BillingMode::Provisioned).as_str().to_owned();
        (info.items, info.bytes) = (count(found.item_count()), count(found.table_size_bytes()));
        info
    }

    /// What differs in the table that is there.
    pub(crate) fn differences(&self, found: &TableDescription) -> Vec<Difference> {
        let mut differences = Vec::new();
        let name = &self.name;
        if let Some(status) = found.table_status()
            && !matches!(status, TableStatus::Active | TableStatus::Updating)
        {
            let message = format!("the table {name} is {status}, so it cannot be used now");
            differences.push(Difference::wrong(name, message));
        }
        let wanted = key_text(self.hash, Some(self.range));
        let there = described(found, found.key_schema());
        if there != wanted {
            let message = format!(
                "the table {name} has the key {there}, but {} need {wanted}: name another table, since keys \
                 cannot be changed",
                self.purpose
            );
            differences.push(Difference::wrong(name, message));
        }
        differences.extend(self.index.as_ref().and_then(|index| index.difference(name, found)));
        differences
    }
}

impl Index {
    fn difference(&self, table: &str, found: &TableDescription) -> Option<Difference> {
        let Self { name, .. } = self;
        let (keys, status, all) = match self.reach {
            Reach::Global => {
                let indexes = found.global_secondary_indexes();
                let index = indexes.iter().find(|index| index.index_name() == Some(name));
                let status = index.and_then(|index| index.index_status());
                (index.map(|index| index.key_schema()), status, false)
            }
            Reach::Local => {
                let indexes = found.local_secondary_indexes();
                let index = indexes.iter().find(|index| index.index_name() == Some(name));
                let projection = index.and_then(|index| index.projection());
                let kind = projection.and_then(|projection| projection.projection_type());
                let all = kind == Some(&ProjectionType::All);
                (index.map(|index| index.key_schema()), None, all)
            }
        };
        let Some(keys) = keys else {
            let message = format!("the table {table} has no index {name}: {}", self.without);
            return Some(Difference::advice(table, message));
        };
        let there = described(found, keys);
        // Both variants of the index of ids have one name, and either is right.
        let right = there == key_text(self.hash, self.range)
            || self.reach == Reach::Global
                && [None, Some(PAR)].iter().any(|range| there == key_text(self.hash, *range));
        if !right {
            let wanted = key_text(self.hash, self.range);
            let message = format!(
                "the index {name} of the table {table} has the key {there} instead of {wanted}"
            );
            return Some(Difference::wrong(table, message));
        }
        if all {
            let message = format!(
                "the index {name} of the table {table} holds all attributes: DynamoDB counts an item and its copy \
                 there together, so that snapshots may be at most half as large (about 200 KB)"
            );
            return Some(Difference::advice(table, message));
        }
        match status {
            Some(IndexStatus::Active) | None => None,
            Some(status) => {
                let message = format!("the index {name} of the table {table} is {status}");
                Some(Difference::advice(table, message))
            }
        }
    }
}

/// The key of a table or index that is there, in the words of [`key_text`]. The service names the hash
/// key first.
pub(crate) fn described(found: &TableDescription, keys: &[KeySchemaElement]) -> String {
    let described = keys.iter().map(|key| {
        let name = key.attribute_name();
        let definitions = found.attribute_definitions();
        let definition = definitions.iter().find(|definition| definition.attribute_name() == name);
        let kind = match definition.map(AttributeDefinition::attribute_type) {
            Some(ScalarAttributeType::N) => "number",
            Some(ScalarAttributeType::S) => "text",
            Some(ScalarAttributeType::B) => "binary",
            _ => "unknown",
        };
        format!("{name} ({kind})")
    });
    described.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::IdIndex;

    fn journal(variant: IdIndex) -> Table {
        Table::journal("pekko-persistence", "persistence-ids-idx", variant)
    }

    fn description(table: &Table) -> TableDescription {
        use aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription as Global;
        use aws_sdk_dynamodb::types::LocalSecondaryIndexDescription as Local;
        let mut found = TableDescription::builder()
            .table_status(TableStatus::Active)
            .set_attribute_definitions(Some(table.attributes()))
            .set_key_schema(Some(table.keys()));
        if let Some(index) = &table.index {
            let (name, keys) = (&index.name, Some(index.keys()));
            found = match index.reach {
                Reach::Global => found.global_secondary_indexes(
                    Global::builder().index_name(name).set_key_schema(keys).build(),
                ),
                Reach::Local => found.local_secondary_indexes(
                    Local::builder().index_name(name).set_key_schema(keys).build(),
                ),
            };
        }
        found.build()
    }

    #[test]
    fn a_table_as_it_should_be_does_not_differ() {
        for table in [
            journal(IdIndex::Alphabetical),
            journal(IdIndex::Plain),
            journal(IdIndex::Absent),
            Table::snapshots("s"),
            Table::offsets("o"),
        ] {
            assert_eq!(table.differences(&description(&table)), []);
        }
        // Either variant of the index is right.
        let (plain, alphabetical) = (journal(IdIndex::Plain), journal(IdIndex::Alphabetical));
        assert_eq!(plain.differences(&description(&alphabetical)), []);
        assert_eq!(alphabetical.differences(&description(&plain)), []);
    }

    #[test]
    fn a_wrong_key_and_a_missing_index_are_told_apart() {
        let journal = journal(IdIndex::Alphabetical);
        let [key, index] =
            journal.differences(&description(&Table::snapshots("s"))).try_into().unwrap();
        assert!(key.wrong && !index.wrong);
        assert_eq!(
            key.message,
            "the table pekko-persistence has the key par (text), seq (number), but events need par (text), \
             num (number): name another table, since keys cannot be changed"
        );
        assert!(index.message.contains("has no index persistence-ids-idx"), "{}", index.message);
    }

    #[test]
    fn an_index_of_another_key_is_wrong() {
        let mut other = journal(IdIndex::Plain);
        if let Some(index) = &mut other.index {
            index.hash = PAR;
        }
        let [difference] =
            journal(IdIndex::Plain).differences(&description(&other)).try_into().unwrap();
        assert!(difference.wrong, "{difference:?}");
    }

    #[test]
    fn a_table_that_is_on_its_way_out_is_told() {
        let table = Table::offsets("o");
        let mut found = description(&table);
        found.table_status = Some(TableStatus::Deleting);
        let [difference] = table.differences(&found).try_into().unwrap();
        assert!(difference.message.contains("is DELETING"), "{difference:?}");
    }
}
