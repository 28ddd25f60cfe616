//! How requests are made: consistency, repetition, deadline.

use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::{
    ExecutionProfile, ExecutionProfileBuilder, ExecutionProfileHandle,
};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::policies::speculative_execution::{
    SimpleSpeculativeExecutionPolicy, SpeculativeExecutionPolicy,
};
use scylla::statement::batch::Batch;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};

use crate::settings::{CassandraSettings, ConsistencyLevel};

/// What kind of request a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// A read of a majority.
    Read,
    /// A read of every replica.
    ReadAll,
    /// A read that first completes conditional writes that are under way.
    Serial,
    /// A plain write, which may be repeated as it is.
    Write,
    /// A conditional write, which may not.
    Conditional,
    SnapshotRead,
    SnapshotWrite,
}

/// How a store makes its requests.
#[derive(Debug)]
pub(crate) struct Profiles {
    events: Consistency,
    serial: SerialConsistency,
    snapshots: Consistency,
    /// Of reads that any replica may answer twice.
    read: ExecutionProfileHandle,
    /// Of reads that complete conditional writes: a second one would only get into its way.
    serial_read: ExecutionProfileHandle,
    write: ExecutionProfileHandle,
}

impl Profiles {
    pub(crate) fn new(settings: &CassandraSettings) -> Self {
        let serial = match settings.consistency {
            ConsistencyLevel::LocalQuorum => SerialConsistency::LocalSerial,
            ConsistencyLevel::Quorum | ConsistencyLevel::One => SerialConsistency::Serial,
        };
        let driver = &settings.driver;
        let speculative = driver.speculative.filter(|policy| policy.executions_max > 1);
        let speculative = speculative.map(|policy| -> Arc<dyn SpeculativeExecutionPolicy> {
            Arc::new(SimpleSpeculativeExecutionPolicy {
                max_retry_count: policy.executions_max - 1,
                retry_interval: policy.delay,
            })
        });
        let with = |timeout: Option<Duration>, speculative| {
            base(settings, timeout).speculative_execution_policy(speculative).build().into_handle()
        };
        Self {
            events: level(settings.consistency),
            serial,
            snapshots: level(settings.snapshot.consistency),
            read: with(driver.read_timeout, speculative),
            serial_read: with(driver.read_timeout, None),
            write: with(driver.write_timeout, None),
        }
    }

    /// The defaults of a session: deadline, and whom to ask.
    pub(crate) fn default_profile(settings: &CassandraSettings) -> ExecutionProfileHandle {
        base(settings, None).build().into_handle()
    }

    pub(crate) fn set(&self, profile: Profile, statement: &mut PreparedStatement) {
        statement.set_consistency(match profile {
            Profile::Read | Profile::Write | Profile::Conditional => self.events,
            Profile::ReadAll => Consistency::All,
            Profile::Serial => match self.serial {
                SerialConsistency::Serial => Consistency::Serial,
                SerialConsistency::LocalSerial => Consistency::LocalSerial,
            },
            Profile::SnapshotRead | Profile::SnapshotWrite => self.snapshots,
        });
        statement.set_serial_consistency(Some(self.serial));
        statement.set_is_idempotent(profile != Profile::Conditional);
        statement.set_execution_profile_handle(Some(match profile {
            Profile::Read | Profile::ReadAll | Profile::SnapshotRead => self.read.clone(),
            Profile::Serial => self.serial_read.clone(),
            Profile::Write | Profile::Conditional | Profile::SnapshotWrite => self.write.clone(),
        }));
        if !matches!(
            profile,
            Profile::Read | Profile::ReadAll | Profile::Serial | Profile::SnapshotRead
        ) {
            // The driver would forget that an attempt before the last may have been done.
            statement.set_retry_policy(Some(Arc::new(FallthroughRetryPolicy::new())));
        }
    }

    pub(crate) fn set_batch(&self, profile: Profile, batch: &mut Batch) {
        batch.set_consistency(self.events);
        batch.set_serial_consistency(Some(self.serial));
        batch.set_is_idempotent(profile != Profile::Conditional);
        batch.set_execution_profile_handle(Some(self.write.clone()));
        batch.set_retry_policy(Some(Arc::new(FallthroughRetryPolicy::new())));
    }
}

/// Deadline, and whom to ask.
fn base(settings: &CassandraSettings, timeout: Option<Duration>) -> ExecutionProfileBuilder {
    let mut policy = DefaultPolicy::builder()
        .token_aware(true)
        .permit_dc_failover(settings.driver.datacenter_failover);
    policy = match (&settings.local_datacenter, &settings.local_rack) {
        (Some(centre), Some(rack)) => {
            policy.prefer_datacenter_and_rack(centre.clone(), rack.clone())
        }
        (Some(centre), None) => policy.prefer_datacenter(centre.clone()),
        _ => policy,
    };
    ExecutionProfile::builder()
        .request_timeout(Some(timeout.unwrap_or(settings.request_timeout)))
        .load_balancing_policy(policy.build())
}

fn level(level: ConsistencyLevel) -> Consistency {
    match level {
        ConsistencyLevel::Quorum => Consistency::Quorum,
        ConsistencyLevel::LocalQuorum => Consistency::LocalQuorum,
        ConsistencyLevel::One => Consistency::One,
    }
}
