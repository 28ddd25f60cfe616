//! How requests are made: consistency, repetition, deadline.

use std::sync::Arc;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::statement::batch::Batch;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};

use crate::settings::{CassandraSettings, ConsistencyLevel};

/// What kind of request a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// A read of a majority.
    Read,
    /// A read that first completes conditional writes that are under way.
    Serial,
    /// A plain write, which may be repeated as it is.
    Write,
    /// A conditional write, which may not.
    Conditional,
    SnapshotRead,
    SnapshotWrite,
}

/// The consistency levels of a store.
#[derive(Debug)]
pub(crate) struct Profiles {
    events: Consistency,
    serial: SerialConsistency,
    snapshots: Consistency,
}

impl Profiles {
    pub(crate) fn new(settings: &CassandraSettings) -> Self {
        let serial = match settings.consistency {
            ConsistencyLevel::LocalQuorum => SerialConsistency::LocalSerial,
            ConsistencyLevel::Quorum | ConsistencyLevel::One => SerialConsistency::Serial,
        };
        let events = level(settings.consistency);
        Self { events, serial, snapshots: level(settings.snapshot.consistency) }
    }

    /// The defaults of a session: deadline, and whom to ask.
    pub(crate) fn default_profile(settings: &CassandraSettings) -> ExecutionProfileHandle {
        let mut policy = DefaultPolicy::builder().token_aware(true);
        policy = match (&settings.local_datacenter, &settings.local_rack) {
            (Some(centre), Some(rack)) => {
                policy.prefer_datacenter_and_rack(centre.clone(), rack.clone())
            }
            (Some(centre), None) => policy.prefer_datacenter(centre.clone()),
            _ => policy,
        };
        let profile = ExecutionProfile::builder()
            .request_timeout(Some(settings.request_timeout))
            .load_balancing_policy(policy.build())
            .build();
        profile.into_handle()
    }

    pub(crate) fn set(&self, profile: Profile, statement: &mut PreparedStatement) {
        statement.set_consistency(match profile {
            Profile::Read | Profile::Write | Profile::Conditional => self.events,
            Profile::Serial => match self.serial {
                SerialConsistency::Serial => Consistency::Serial,
                SerialConsistency::LocalSerial => Consistency::LocalSerial,
            },
            Profile::SnapshotRead | Profile::SnapshotWrite => self.snapshots,
        });
        statement.set_serial_consistency(Some(self.serial));
        statement.set_is_idempotent(profile != Profile::Conditional);
        if !matches!(profile, Profile::Read | Profile::Serial | Profile::SnapshotRead) {
            // The driver would forget that an attempt before the last may have been done.
            statement.set_retry_policy(Some(Arc::new(FallthroughRetryPolicy::new())));
        }
    }

    pub(crate) fn set_batch(&self, profile: Profile, batch: &mut Batch) {
        batch.set_consistency(self.events);
        batch.set_serial_consistency(Some(self.serial));
        batch.set_is_idempotent(profile != Profile::Conditional);
        batch.set_retry_policy(Some(Arc::new(FallthroughRetryPolicy::new())));
    }
}

fn level(level: ConsistencyLevel) -> Consistency {
    match level {
        ConsistencyLevel::Quorum => Consistency::Quorum,
        ConsistencyLevel::LocalQuorum => Consistency::LocalQuorum,
        ConsistencyLevel::One => Consistency::One,
    }
}
