//! The rule of reading: which rows of an entity are its history, given its claim row.
//!
//! * Below `from_seq` the row of the highest claim counts; from there on only rows of the newest claim,
//!   and Pekko's, which have no claim. All other rows are void.
//! * An append counts when it is whole: each of its rows is there, as far as it is not deleted.
//! * The history ends before the first append that is not whole.
//! * The newest claim's last append, and what a JVM wrote behind it, is doubtful until a check, begun after
//!   the rows were read, has passed; everything before it is permanent.

use annals_core::SeqNr;

use super::claim::{Claim, ClaimRow};
use super::claimant::{End, LastAppend};

/// What the rule looks at in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) seq_nr: SeqNr,
    /// `None`: Pekko's.
    pub(crate) claim: Option<Claim>,
    /// The index within its append, and that of the append's last event; 0 and 0 for Pekko's rows.
    pub(crate) idx: u32,
    pub(crate) cnt: u32,
}

impl Mark {
    /// The number of its append's first event.
    fn first(self) -> SeqNr {
        SeqNr::new(self.seq_nr.get().saturating_sub(u64::from(self.idx))).unwrap_or(SeqNr::MAX)
    }

    fn continues(self, before: Self) -> bool {
        let next = before.idx.checked_add(1) == Some(self.idx);
        next && self.claim == before.claim && self.cnt == before.cnt
    }

    fn is_last(self) -> bool {
        self.idx == self.cnt
    }
}

/// A row as the rule needs it. A row that was seen only in part (no writer, no event, or a claim
/// without `idx` and `cnt`) counts as absent, and is not handed over.
pub(crate) trait Marked {
    fn mark(&self) -> Mark;
}

/// What a number leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next number is wanted.
    More,
    /// The history ends before this number, or before the append that it belongs to.
    End,
    /// The reading began within an append, whose first number this is: it has to begin there, or what
    /// precedes is not known to be whole.
    Earlier(SeqNr),
    /// A row of a newer claim: the claim row has to be read again.
    Outdated,
}

/// The row of a number that counts, if one does.
fn counting<R: Marked>(claim_row: &ClaimRow, number: SeqNr, rows: Vec<R>) -> Option<R> {
    let below = number < claim_row.from_seq;
    let counts = |claim: Option<Claim>| below || claim.is_none_or(|c| c == claim_row.claim);
    // `None` is the lowest; of two rows of Pekko's the later one stands last.
    let rows = rows.into_iter().filter(|row| counts(row.mark().claim));
    rows.max_by_key(|row| row.mark().claim)
}

fn outdated<R: Marked>(claim_row: &ClaimRow, rows: &[R]) -> bool {
    rows.iter().any(|row| row.mark().claim.is_some_and(|claim| claim > claim_row.claim))
}

/// The rows of a number at or past `from_seq` that make it impossible to tell what happened: one
/// without a claim, and one of an older claim.
pub(crate) fn mixed<R: Marked>(claim_row: &ClaimRow, number: SeqNr, rows: &[R]) -> Option<Claim> {
    let claims = || rows.iter().map(|row| row.mark().claim);
    let old = claims().flatten().find(|claim| *claim < claim_row.claim);
    old.filter(|_| number >= claim_row.from_seq && claims().any(|claim| claim.is_none()))
}

/// Of all rows of a number those that are void, and stay so: their claim is older than the newest, or than
/// that of the row that counts. `None` if the claim row is out of date.
pub(crate) fn voids<R: Marked>(
    claim_row: &ClaimRow,
    number: SeqNr,
    rows: Vec<R>,
) -> Option<Vec<R>> {
    if outdated(claim_row, &rows) {
        return None;
    }
    let counts = match number < claim_row.from_seq {
        true => rows.iter().filter_map(|row| row.mark().claim).max(),
        false => Some(claim_row.claim),
    };
    let is_void = |row: &R| row.mark().claim.is_some_and(|claim| Some(claim) < counts);
    Some(rows.into_iter().filter(is_void).collect())
}

/// A replay upwards, number by number.
#[derive(Debug)]
pub(crate) struct History<R> {
    claim_row: ClaimRow,
    deleted_to: SeqNr,
    start: SeqNr,
    next: SeqNr,
    /// The append that is being read.
    open: Vec<R>,
    /// The newest claim's last whole append and what follows it, which wait for a check.
    doubtful: Vec<R>,
    permanent: Vec<R>,
    end: SeqNr,
    foreign: bool,
}

impl<R: Marked> History<R> {
    /// The history after `end`, which is at least `deleted_to`: the larger of what the claim row and
    /// `metadata` say.
    pub(crate) fn after(claim_row: ClaimRow, deleted_to: SeqNr, end: SeqNr) -> Self {
        let (start, open, doubtful, permanent) = (end.next(), vec![], vec![], vec![]);
        let (next, foreign) = (start, false);
        Self { claim_row, deleted_to, start, next, open, doubtful, permanent, end, foreign }
    }

    /// The number whose rows are wanted.
    pub(crate) fn next(&self) -> SeqNr {
        self.next
    }

    /// The last number of the last whole append.
    pub(crate) fn end(&self) -> SeqNr {
        self.end
    }

    /// Whether an append was read in part.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether a check has to pass before all may be delivered.
    pub(crate) fn is_doubtful(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// Whether a row without a claim was met at or past `from_seq`: a JVM wrote there.
    pub(crate) fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Takes the rows of [`Self::next`], all of them, from whichever partition.
    pub(crate) fn take(&mut self, rows: Vec<R>) -> Next {
        if outdated(&self.claim_row, &rows) {
            return Next::Outdated;
        }
        let number = self.next;
        let Some(row) = counting(&self.claim_row, number, rows) else { return Next::End };
        let mark = row.mark();
        let fits = match self.open.last() {
            Some(before) => mark.continues(before.mark()),
            // What precedes it in its append may be deleted.
            None => mark.idx == 0 || number == self.deleted_to.next(),
        };
        if !fits && number == self.start && self.open.is_empty() {
            return Next::Earlier(mark.first().max(self.deleted_to.next()));
        }
        if !fits {
            return Next::End;
        }
        self.foreign |= mark.claim.is_none() && number >= self.claim_row.from_seq;
        self.next = number.next();
        self.open.push(row);
        if mark.is_last() {
            self.end = number;
            let newest = mark.claim.is_some_and(|claim| claim == self.claim_row.claim);
            if newest {
                self.settle();
            }
            // An event of a JVM does not say that what precedes it was acknowledged.
            let doubtful = newest || self.is_doubtful();
            let to = if doubtful { &mut self.doubtful } else { &mut self.permanent };
            to.append(&mut self.open);
        }
        Next::More
    }

    /// A check has passed that began after what was taken so far was read.
    pub(crate) fn settle(&mut self) {
        self.permanent.append(&mut self.doubtful);
    }

    /// What may be delivered without a check; each row once.
    pub(crate) fn permanent(&mut self) -> Vec<R> {
        std::mem::take(&mut self.permanent)
    }

    /// The rest, which may be delivered if a check that began now or later passes.
    pub(crate) fn doubtful(&mut self) -> Vec<R> {
        std::mem::take(&mut self.doubtful)
    }
}

/// Finds the last whole append, from the highest row downwards.
#[derive(Debug)]
pub(crate) struct EndSearch {
    claim_row: ClaimRow,
    deleted_to: SeqNr,
    /// The lowest row so far of an append whose last rows were seen, and that append's last number.
    open: Option<(Mark, SeqNr)>,
}

/// What a number leads to on the way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The next lower number that has rows is wanted.
    More,
    /// Here it ends.
    End(End),
    /// A row of a newer claim: the claim row has to be read again.
    Outdated,
}

impl EndSearch {
    /// A search under this claim row; `deleted_to` is the larger of what it and `metadata` say.
    pub(crate) fn new(claim_row: ClaimRow, deleted_to: SeqNr) -> Self {
        Self { claim_row, deleted_to, open: None }
    }

    /// Takes all rows of a number, each number lower than the one before; numbers without rows may be
    /// left out.
    pub(crate) fn take<R: Marked>(&mut self, number: SeqNr, rows: Vec<R>) -> Found {
        if outdated(&self.claim_row, &rows) {
            return Found::Outdated;
        }
        if number <= self.deleted_to {
            return Found::End(self.nothing());
        }
        let open = self.open.take();
        let Some(row) = counting(&self.claim_row, number, rows) else { return Found::More };
        let mark = row.mark();
        let follows =
            open.filter(|(above, _)| above.seq_nr == number.next() && above.continues(mark));
        let last = match follows {
            Some((_, last)) => last,
            None if mark.is_last() => number,
            None => return Found::More,
        };
        if mark.idx == 0 || number == self.deleted_to.next() {
            let append = LastAppend { claim: mark.claim, first: mark.first() };
            return Found::End(End {
                highest: last.max(self.nothing().highest),
                deleted_to: self.deleted_to,
                last: Some(append),
            });
        }
        self.open = Some((mark, last));
        Found::More
    }

    /// The end of a history of which no row was found.
    pub(crate) fn nothing(&self) -> End {
        let highest = self.deleted_to.max(self.claim_row.from_seq.previous());
        End { highest, deleted_to: self.deleted_to, last: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn void_rows_are_those_that_can_never_count() {
        let claim_row =
            ClaimRow { claim: Claim::new(4).unwrap(), from_seq: nr(10), ..ClaimRow::none() };
        let of = |number: u64, claims: &[i64]| {
            let mark = |claim: &i64| Mark {
                seq_nr: nr(number),
                claim: Claim::new(*claim).filter(|claim| !claim.is_none()),
                idx: 0,
                cnt: 0,
            };
            let voids = voids(&claim_row, nr(number), claims.iter().map(mark).collect())?;
            Some(voids.into_iter().map(|row| row.claim.unwrap().get()).collect::<Vec<_>>())
        };
        assert_eq!(of(9, &[3]), Some(vec![]), "the only one");
        assert_eq!(of(9, &[1, 3, 2]), Some(vec![1, 2]));
        assert_eq!(of(9, &[0, 3]), Some(vec![]), "a JVM's");
        assert_eq!(of(10, &[3]), Some(vec![3]), "past the newest claim's begin");
        assert_eq!(of(10, &[4, 3]), Some(vec![3]));
        assert_eq!(of(11, &[4]), Some(vec![]), "under way, perhaps");
        assert_eq!(of(10, &[5, 3]), None, "a newer claim");
    }

    impl Marked for Mark {
        fn mark(&self) -> Mark {
            *self
        }
    }

    fn nr(number: u64) -> SeqNr {
        SeqNr::new(number).unwrap()
    }

    /// Number, claim (0: Pekko's), index, count.
    fn row(number: u64, claim: i64, idx: u32, cnt: u32) -> Mark {
        let claim = Claim::new(claim).filter(|claim| !claim.is_none());
        Mark { seq_nr: nr(number), claim, idx, cnt }
    }

    fn claim_row(claim: i64, from_seq: u64) -> ClaimRow {
        let claim = Claim::new(claim).unwrap();
        ClaimRow { claim, from_seq: nr(from_seq), ..ClaimRow::none() }
    }

    /// The numbers and claims that are permanent, those that are doubtful, and the end.
    fn read(claim_row: &ClaimRow, deleted_to: u64, rows: &[Mark]) -> (Vec<u64>, Vec<u64>, u64) {
        let mut history = History::after(claim_row.clone(), nr(deleted_to), nr(deleted_to));
        let at = |number| rows.iter().copied().filter(|row| row.seq_nr == number).collect();
        while history.take(at(history.next())) == Next::More {}
        let numbers = |rows: Vec<Mark>| rows.iter().map(|row| row.seq_nr.get()).collect();
        (numbers(history.permanent()), numbers(history.doubtful()), history.end().get())
    }

    fn find(claim_row: &ClaimRow, deleted_to: u64, rows: &[Mark]) -> u64 {
        let mut search = EndSearch::new(claim_row.clone(), nr(deleted_to));
        let mut numbers: Vec<SeqNr> = rows.iter().map(|row| row.seq_nr).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers.into_iter().rev() {
            let at = rows.iter().copied().filter(|row| row.seq_nr == number).collect();
            match search.take::<Mark>(number, at) {
                Found::More => {}
                Found::End(end) => return end.highest.get(),
                Found::Outdated => panic!("outdated"),
            }
        }
        search.nothing().highest.get()
    }

    #[test]
    fn the_newest_claims_last_append_is_doubtful() {
        let rows = [row(1, 1, 0, 0), row(2, 2, 0, 0), row(3, 2, 0, 1), row(4, 2, 1, 1)];
        assert_eq!(read(&claim_row(2, 2), 0, &rows), (vec![1, 2], vec![3, 4], 4));
        assert_eq!(find(&claim_row(2, 2), 0, &rows), 4);
    }

    #[test]
    fn rows_of_older_claims_past_the_newest_ones_begin_are_void() {
        let rows = [row(1, 1, 0, 0), row(2, 1, 0, 0), row(3, 1, 0, 0)];
        assert_eq!(read(&claim_row(2, 2), 0, &rows), (vec![1], vec![], 1));
        assert_eq!(find(&claim_row(2, 2), 0, &rows), 1);
    }

    #[test]
    fn below_it_the_highest_claim_counts() {
        let rows = [row(1, 1, 0, 1), row(2, 1, 1, 1), row(1, 2, 0, 0), row(2, 3, 0, 0)];
        assert_eq!(read(&claim_row(4, 3), 0, &rows), (vec![1, 2], vec![], 2));
    }

    #[test]
    fn a_torn_append_ends_the_history() {
        for torn in [vec![row(2, 1, 0, 1)], vec![row(3, 1, 1, 1)], vec![row(2, 1, 1, 1)]] {
            let rows = [vec![row(1, 1, 0, 0)], torn].concat();
            let (permanent, doubtful, end) = read(&claim_row(1, 1), 0, &rows);
            assert_eq!((permanent, doubtful, end), (vec![], vec![1], 1), "{rows:?}");
            assert_eq!(find(&claim_row(1, 1), 0, &rows), 1, "{rows:?}");
        }
    }

    #[test]
    fn an_append_whose_beginning_is_deleted_is_whole() {
        let rows = [row(3, 1, 2, 2)];
        assert_eq!(read(&claim_row(1, 1), 2, &rows), (vec![], vec![3], 3));
        assert_eq!(find(&claim_row(1, 1), 2, &rows), 3);
        assert_eq!(read(&claim_row(1, 1), 1, &rows), (vec![], vec![], 1));
    }

    #[test]
    fn pekkos_rows_need_no_claim_and_are_permanent() {
        let rows = [row(1, 0, 0, 0), row(2, 0, 0, 0)];
        assert_eq!(read(&ClaimRow::none(), 0, &rows), (vec![1, 2], vec![], 2));
        assert_eq!(find(&ClaimRow::none(), 0, &rows), 2);
        assert_eq!(read(&claim_row(1, 2), 0, &rows), (vec![1, 2], vec![], 2));
    }

    #[test]
    fn what_a_jvm_wrote_behind_a_doubtful_append_is_doubtful_too() {
        let rows = [row(1, 1, 0, 0), row(2, 1, 0, 0), row(3, 0, 0, 0), row(4, 0, 0, 0)];
        assert_eq!(read(&claim_row(1, 1), 0, &rows), (vec![1], vec![2, 3, 4], 4));
        let rows = [row(1, 1, 0, 0), row(2, 0, 0, 0), row(3, 1, 0, 0)];
        assert_eq!(read(&claim_row(1, 1), 0, &rows), (vec![1, 2], vec![3], 3));
    }

    #[test]
    fn the_end_is_never_below_what_is_deleted_or_was_found_before() {
        assert_eq!(find(&claim_row(3, 6), 0, &[]), 5);
        assert_eq!(find(&claim_row(3, 6), 8, &[row(7, 3, 0, 0)]), 8);
    }

    #[test]
    fn a_row_of_a_newer_claim_makes_the_claim_row_old() {
        let mut history = History::after(claim_row(1, 1), SeqNr::ZERO, SeqNr::ZERO);
        assert_eq!(history.take(vec![row(1, 2, 0, 0)]), Next::Outdated);
        let mut search = EndSearch::new(claim_row(1, 1), SeqNr::ZERO);
        assert_eq!(search.take(nr(1), vec![row(1, 2, 0, 0)]), Found::Outdated);
    }

    #[test]
    fn pekkos_row_beside_one_of_an_older_claim_cannot_be_told_apart() {
        let rows = [row(3, 0, 0, 0), row(3, 1, 0, 0)];
        assert_eq!(mixed(&claim_row(2, 3), nr(3), &rows), Claim::new(1));
        assert_eq!(mixed(&claim_row(2, 4), nr(3), &rows), None);
        assert_eq!(mixed(&claim_row(1, 3), nr(3), &rows), None);
    }
}
