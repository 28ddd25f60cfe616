//! The entity runtime against what lies below it: what does a behaviour cost beside its appends?
//!
//! ```text
//!   ask ──► handle ──► encode ──► append ──► reply        one side
//!                                 append                  the other: Journal::append, bytes at hand
//! ```

mod appends;
mod cart;
mod idle;
mod projection;
mod recovery;
mod wake;

use std::ops::Range;

use annals::{Entities, EntityRef};
use bytes::Bytes;
use clap::ValueEnum;

use super::Bench;
use crate::driver::{Entity, Target};
use crate::process::load_average;
use crate::subject::Subject;
use crate::{Report, Result};
use cart::{Ask, Cart, Line, codec};

pub use idle::heap_of_idle;

/// A figure of the entity runtime, or a group of figures that one measurement gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EntityFigure {
    /// Commands to 1,024 entities, against the same appends.
    Many,
    /// Commands to one entity, one after another and 64 at a time, against the appends of one writer.
    One,
    /// The recovery of a long history, against decoding and applying it.
    Recovery,
    /// What an idle entity costs.
    Idle,
    /// Many entities woken at once, while others write.
    Wake,
    /// An exactly-once projection that catches up.
    Projection,
}

impl Bench {
    /// Measures `figures` of the entity runtime, or all when none is named. One that fails is told of in
    /// the report, and the others are measured all the same.
    pub async fn run_entities(mut self, figures: &[EntityFigure]) -> Report {
        self.report.note(format!("load average at the beginning: {}", load_average()));
        for figure in EntityFigure::value_variants() {
            if !figures.is_empty() && !figures.contains(figure) {
                continue;
            }
            eprintln!("{figure:?}");
            if let Err(error) = self.measure_entities(*figure).await {
                self.report.failure(format!("{figure:?} could not be measured: {error}"));
            }
        }
        self.report.note(format!("load average at the end: {}", load_average()));
        self.report
    }

    async fn measure_entities(&mut self, figure: EntityFigure) -> Result<()> {
        match figure {
            EntityFigure::Many => self.many().await,
            EntityFigure::One => self.one().await,
            EntityFigure::Recovery => self.recovery().await,
            EntityFigure::Idle => self.idle(),
            EntityFigure::Wake => self.wake().await,
            EntityFigure::Projection => self.projection().await,
        }
    }
}

/// A region of carts with the default settings.
fn region_over(subject: &Subject) -> Entities<Cart> {
    annals::Store::from(subject.store.clone()).entities_as::<Cart>(codec()).start()
}

/// The handle of entity `number`.
fn handle(region: &Entities<Cart>, number: u64) -> EntityRef<Cart> {
    region.by_persistence_id(Entity::new(number).id)
}

/// Asks entities to write, through handles that are kept, as applications do: a task its own, or all
/// the same one.
struct Asking(Vec<EntityRef<Cart>>);

impl Asking {
    fn of(region: &Entities<Cart>, numbers: Range<u64>) -> Self {
        Self(numbers.map(|number| handle(region, number)).collect())
    }
}

impl Target for Asking {
    async fn append(&self, entity: &Entity, seq_nr: u64, _: Bytes) -> Result<()> {
        let number = usize::try_from(entity.number)? % self.0.len();
        let cart = self.0.get(number).expect("below their number");
        cart.ask(|reply| Ask::Add { line: Line::new(seq_nr), reply }).await?;
        Ok(())
    }
}
