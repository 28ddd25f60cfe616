//! What has been promised to somebody, which no later history may take back.

use crate::Property;
use crate::cluster::AppendKey;
use crate::replay::Whole;

/// The event that a number has for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Promise {
    pub(crate) key: AppendKey,
    pub(crate) cnt: u8,
    pub(crate) acknowledged: bool,
}

/// The promises by number, the first number first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Ghost {
    promises: Vec<Option<Promise>>,
}

impl Ghost {
    /// The number's promise.
    pub(crate) fn promised(&self, number: u8) -> Option<Promise> {
        let index = usize::from(number).checked_sub(1)?;
        self.promises.get(index).copied().flatten()
    }

    /// All promises with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, Promise)> {
        (1..).zip(&self.promises).filter_map(|(number, promise)| Some((number, (*promise)?)))
    }

    /// The highest number that was acknowledged.
    pub(crate) fn acknowledged(&self) -> u8 {
        self.iter().filter(|(_, promise)| promise.acknowledged).map(|(n, _)| n).max().unwrap_or(0)
    }

    /// An append was delivered by a reader, or kept by a claimant that won.
    pub(crate) fn keep(&mut self, whole: Whole) -> Result<(), Property> {
        (whole.first..=whole.last).try_for_each(|number| self.promise(number, whole, false))
    }

    /// An append was acknowledged.
    pub(crate) fn acknowledge(&mut self, whole: Whole) -> Result<(), Property> {
        (whole.first..=whole.last).try_for_each(|number| self.promise(number, whole, true))
    }

    fn promise(&mut self, number: u8, whole: Whole, acknowledged: bool) -> Result<(), Property> {
        let index = usize::from(number) - 1;
        if self.promises.len() <= index {
            self.promises.resize(index + 1, None);
        }
        let Some(place) = self.promises.get_mut(index) else { return Ok(()) };
        let before = place.filter(|before| before.acknowledged);
        if acknowledged && before.is_some() {
            return Err(Property::NothingTwice);
        }
        if place.is_some_and(|before| before.key != whole.key) {
            return Err(Property::NothingLost);
        }
        let acknowledged = acknowledged || before.is_some();
        *place = Some(Promise { key: whole.key, cnt: whole.cnt, acknowledged });
        Ok(())
    }
}
