//! The commands of AWS's command line that make a table or its index.

use std::fmt::Write as _;

use super::{Billing, Index, Reach, Table};

impl Table {
    /// The command of AWS's command line that makes the table.
    pub(crate) fn statement(&self, billing: Billing) -> String {
        let mut text = format!("aws dynamodb create-table --table-name {}", quoted(&self.name));
        text.push_str(" --attribute-definitions");
        for attribute in self.attributes() {
            let (name, kind) = (attribute.attribute_name(), attribute.attribute_type().as_str());
            let _ = write!(text, " AttributeName={name},AttributeType={kind}");
        }
        text.push_str(" --key-schema");
        for key in self.keys() {
            let (name, kind) = (key.attribute_name(), key.key_type().as_str());
            let _ = write!(text, " AttributeName={name},KeyType={kind}");
        }
        if let Some(index) = &self.index {
            let option = match index.reach {
                Reach::Global => "global",
                Reach::Local => "local",
            };
            let shorthand = index.shorthand(billing);
            let _ = write!(text, " --{option}-secondary-indexes {}", quoted(&shorthand));
        }
        text.push_str(&billing.option());
        text
    }

    /// The command of AWS's command line that adds the index to the table.
    pub(crate) fn index_statement(&self, billing: Billing) -> String {
        let mut text = format!("aws dynamodb update-table --table-name {}", quoted(&self.name));
        text.push_str(" --attribute-definitions");
        for attribute in self.attributes() {
            let (name, kind) = (attribute.attribute_name(), attribute.attribute_type().as_str());
            let _ = write!(text, " AttributeName={name},AttributeType={kind}");
        }
        if let Some(index) = &self.index {
            let create = format!("Create={{{}}}", index.shorthand(billing));
            let _ = write!(text, " --global-secondary-index-updates {}", quoted(&create));
        }
        text
    }
}

impl Index {
    fn shorthand(&self, billing: Billing) -> String {
        let keys: Vec<String> = self
            .keys()
            .iter()
            .map(|key| {
                format!("{{AttributeName={},KeyType={}}}", key.attribute_name(), key.key_type())
            })
            .collect();
        let mut text = format!(
            "IndexName={},KeySchema=[{}],Projection={{ProjectionType={}}}",
            self.name,
            keys.join(","),
            self.projection()
        );
        if let (Reach::Global, Billing::Provisioned { read_units, write_units }) =
            (self.reach, billing)
        {
            let _ = write!(
                text,
                ",ProvisionedThroughput={{ReadCapacityUnits={read_units},WriteCapacityUnits={write_units}}}"
            );
        }
        text
    }
}

impl Billing {
    fn option(self) -> String {
        match self {
            Self::OnDemand => " --billing-mode PAY_PER_REQUEST".to_owned(),
            Self::Provisioned { read_units, write_units } => format!(
                " --billing-mode PROVISIONED --provisioned-throughput \
                 ReadCapacityUnits={read_units},WriteCapacityUnits={write_units}"
            ),
        }
    }
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::IdIndex;

    #[test]
    fn the_statements_are_those_of_the_command_line_of_aws() {
        let journal =
            Table::journal("pekko-persistence", "persistence-ids-idx", IdIndex::Alphabetical);
        assert_eq!(
            journal.statement(Billing::OnDemand),
            "aws dynamodb create-table --table-name pekko-persistence \
             --attribute-definitions AttributeName=par,AttributeType=S AttributeName=num,AttributeType=N \
             --key-schema AttributeName=par,KeyType=HASH AttributeName=num,KeyType=RANGE \
             --global-secondary-indexes 'IndexName=persistence-ids-idx,KeySchema=[{AttributeName=num,\
             KeyType=HASH},{AttributeName=par,KeyType=RANGE}],Projection={ProjectionType=KEYS_ONLY}' \
             --billing-mode PAY_PER_REQUEST"
        );
        assert_eq!(
            Table::snapshots("it's")
                .statement(Billing::Provisioned { read_units: 5, write_units: 6 }),
            "aws dynamodb create-table --table-name 'it'\\''s' \
             --attribute-definitions AttributeName=par,AttributeType=S AttributeName=seq,AttributeType=N \
             AttributeName=ts,AttributeType=N \
             --key-schema AttributeName=par,KeyType=HASH AttributeName=seq,KeyType=RANGE \
             --local-secondary-indexes 'IndexName=ts-idx,KeySchema=[{AttributeName=par,KeyType=HASH},\
             {AttributeName=ts,KeyType=RANGE}],Projection={ProjectionType=KEYS_ONLY}' \
             --billing-mode PROVISIONED --provisioned-throughput ReadCapacityUnits=5,WriteCapacityUnits=6"
        );
    }
}
