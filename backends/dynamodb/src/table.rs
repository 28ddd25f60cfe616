//! The tables as they should be, and what differs in those that are there. Pure: the requests are in
//! [`schema`](crate::schema).

mod compare;
mod statement;

use std::fmt;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    LocalSecondaryIndex, Projection, ProjectionType, ProvisionedThroughput, ScalarAttributeType,
};

pub use compare::Difference;
pub(crate) use compare::described;

/// How the capacity of a new table is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Billing {
    /// By request (`PAY_PER_REQUEST`). The default.
    #[default]
    OnDemand,
    /// By what is set aside (`PROVISIONED`).
    Provisioned {
        /// Read capacity units, of the table and of its index each.
        read_units: u32,
        /// Write capacity units, of the table and of its index each.
        write_units: u32,
    },
}

/// The index of persistence ids, which readers of ids use; without one they scan the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IdIndex {
    /// Hash `num`, range `par`: ids come by name, and those of one journal are found at once. The
    /// default.
    #[default]
    Alphabetical,
    /// Hash `num` only, as Pekko's helper makes it.
    Plain,
    /// None.
    Absent,
}

/// An attribute that is a key: its name and whether it is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    name: &'static str,
    number: bool,
}

pub(crate) const PAR: Key = Key { name: "par", number: false };
pub(crate) const NUM: Key = Key { name: "num", number: true };
pub(crate) const SEQ: Key = Key { name: "seq", number: true };
pub(crate) const TS: Key = Key { name: "ts", number: true };
pub(crate) const JOURNAL: Key = Key { name: "journal", number: false };
pub(crate) const NAME: Key = Key { name: "name", number: false };

impl Key {
    fn scalar(self) -> ScalarAttributeType {
        if self.number { ScalarAttributeType::N } else { ScalarAttributeType::S }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, if self.number { "number" } else { "text" })
    }
}

/// Which kind of index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Global,
    Local,
}

/// An index as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) reach: Reach,
    pub(crate) hash: Key,
    pub(crate) range: Option<Key>,
    /// Whether all attributes are in it, or keys only.
    pub(crate) all: bool,
    /// What is lost without it.
    pub(crate) without: &'static str,
}

/// A table as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// What is in it.
    pub(crate) purpose: &'static str,
    pub(crate) hash: Key,
    pub(crate) range: Key,
    pub(crate) index: Option<Index>,
    /// What cannot be done without the table, if that is not everything.
    pub(crate) without: Option<&'static str>,
}

impl Table {
    /// The events: Pekko's.
    pub(crate) fn journal(name: &str, index_name: &str, variant: IdIndex) -> Self {
        let index = Index {
            name: index_name.to_owned(),
            reach: Reach::Global,
            hash: NUM,
            range: (variant == IdIndex::Alphabetical).then_some(PAR),
            all: false,
            without: "ids are listed by scanning the whole table, and Pekko's currentPersistenceIds fails",
        };
        Self {
            name: name.to_owned(),
            purpose: "events",
            hash: PAR,
            range: NUM,
            index: (variant != IdIndex::Absent).then_some(index),
            without: None,
        }
    }

    /// The snapshots: Pekko's.
    pub(crate) fn snapshots(name: &str) -> Self {
        let index = Index {
            name: "ts-idx".to_owned(),
            reach: Reach::Local,
            hash: PAR,
            range: Some(TS),
            // A local index with all attributes would halve the largest snapshot: DynamoDB counts an item
            // and its copies there together. Pekko's plugin asks the table for the rest since 1.1.
            all: false,
            without: "annals needs it not, but Pekko's plugin loads no snapshot without it; a local index \
                      cannot be added to a table that is there",
        };
        Self {
            name: name.to_owned(),
            purpose: "snapshots",
            hash: PAR,
            range: SEQ,
            index: Some(index),
            without: Some("snapshots cannot be saved or loaded"),
        }
    }

    /// Whether it is the one of snapshots, which may be on a server of its own.
    pub(crate) fn holds_snapshots(&self) -> bool {
        self.range == SEQ
    }

    /// The projections' offsets: ours.
    pub(crate) fn offsets(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            purpose: "projection offsets",
            hash: JOURNAL,
            range: NAME,
            index: None,
            without: Some("projections cannot keep their offsets; everything else works"),
        }
    }

    /// The attributes that are keys of the table or of its index.
    pub(crate) fn attributes(&self) -> Vec<AttributeDefinition> {
        let mut keys = vec![self.hash, self.range];
        if let Some(index) = &self.index {
            keys.push(index.hash);
            keys.extend(index.range);
        }
        let mut names = Vec::new();
        keys.retain(|key| {
            let fresh = !names.contains(&key.name);
            names.push(key.name);
            fresh
        });
        keys.into_iter().map(attribute).collect()
    }

    pub(crate) fn keys(&self) -> Vec<KeySchemaElement> {
        keys(self.hash, Some(self.range))
    }
}

impl Index {
    pub(crate) fn keys(&self) -> Vec<KeySchemaElement> {
        keys(self.hash, self.range)
    }

    fn projection(&self) -> ProjectionType {
        if self.all { ProjectionType::All } else { ProjectionType::KeysOnly }
    }

    pub(crate) fn global(&self, billing: Billing) -> Option<GlobalSecondaryIndex> {
        let index = GlobalSecondaryIndex::builder()
            .index_name(&self.name)
            .set_key_schema(Some(self.keys()))
            .projection(Projection::builder().projection_type(self.projection()).build())
            .set_provisioned_throughput(billing.throughput())
            .build();
        (self.reach == Reach::Global).then(|| index.expect("name, keys and projection are set"))
    }

    pub(crate) fn local(&self) -> Option<LocalSecondaryIndex> {
        let index = LocalSecondaryIndex::builder()
            .index_name(&self.name)
            .set_key_schema(Some(self.keys()))
            .projection(Projection::builder().projection_type(self.projection()).build())
            .build();
        (self.reach == Reach::Local).then(|| index.expect("name, keys and projection are set"))
    }
}

impl Billing {
    pub(crate) fn mode(self) -> BillingMode {
        match self {
            Self::OnDemand => BillingMode::PayPerRequest,
            Self::Provisioned { .. } => BillingMode::Provisioned,
        }
    }

    pub(crate) fn throughput(self) -> Option<ProvisionedThroughput> {
        let Self::Provisioned { read_units, write_units } = self else { return None };
        let throughput = ProvisionedThroughput::builder()
            .read_capacity_units(read_units.into())
            .write_capacity_units(write_units.into())
            .build();
        Some(throughput.expect("both units are set"))
    }
}

pub(crate) fn attribute(key: Key) -> AttributeDefinition {
    let attribute = AttributeDefinition::builder().attribute_name(key.name);
    attribute.attribute_type(key.scalar()).build().expect("name and type are set")
}

fn keys(hash: Key, range: Option<Key>) -> Vec<KeySchemaElement> {
    let element = |key: Key, kind| {
        let element = KeySchemaElement::builder().attribute_name(key.name).key_type(kind);
        element.build().expect("name and type are set")
    };
    let hash = element(hash, KeyType::Hash);
    std::iter::once(hash).chain(range.map(|key| element(key, KeyType::Range))).collect()
}

fn key_text(hash: Key, range: Option<Key>) -> String {
    match range {
        Some(range) => format!("{hash}, {range}"),
        None => hash.to_string(),
    }
}
