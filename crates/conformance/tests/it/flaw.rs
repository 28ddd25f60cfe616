//! The ways in which a plain store can break a clause.

macro_rules! flaws {
    ($($name:ident $clause:literal $what:literal;)*) => {
        /// One way to break one clause.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Flaw {
            $(#[doc = $what] $name,)*
        }

        impl Flaw {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The clause that it breaks.
            pub(crate) fn clause(self) -> &'static str {
                match self { $(Self::$name => $clause,)* }
            }

            /// What the store does wrong.
            pub(crate) fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

flaws! {
HalfAppendVisible "J1" "an append becomes visible event by event";
TornAppendKept "J1" "opening again drops the last event of the last append";
CutAppendDropped "J1" "an append that the replayed range cuts is not delivered";
RefusedAppendStored "J1" "a conflicting append is stored behind the end all the same";
NumbersWithGap "J2" "the events of one append get every other number";
ReceiptOfOne "J2" "the receipt names the first event only";
TailLost "J3" "opening again loses the last append";
CrashLosesUnclosed "J3" "a crash loses everything since the last orderly end";
SnapshotsLost "J3" "opening again loses the snapshots";
OffsetsLost "J3" "opening again loses the saved offsets";
OffsetsChangeOnOpen "J3" "offsets from before opening again are foreign";
ClosedStillAnswers "J3" "a closed store goes on answering";
Overwrite "J4" "an append at a stored number replaces what is there";
StaleConflict "J4" "a conflict names a stale highest number";
AheadAccepted "J4" "an append past the end is stored behind a hole";
SameWriterTrusted "J4" "a writer may replace its own events";
CheckThenWrite "J4" "the end is checked some time before the write";
RepeatStoredAgain "J5" "a repeated append is stored again at the end";
RepeatConflicts "J5" "a repeated append conflicts with itself at once";
EqualBytesTakenForRepeat "J5" "an append of equal bytes is taken for a repeat";
RepeatAcrossEntities "J5" "an append id counts for all entities together";
RepeatForgottenOnOpen "J5" "opening again stores a repeated append a second time";
BoundsLag "J6" "the bounds lag one append behind";
ReplayLags "J6" "replay does not see the newest append";
ReadLags "J6" "readers across entities do not see the newest event";
MetadataDropped "J6" "metadata of events is not kept";
TagsDropped "J6" "tags are used but do not come back";
WriterReplaced "J6" "events come back under the store's own writer id";
NoLimits "J7" "limits are not checked";
LimitTooLow "J7" "an append of just the largest size is refused";
InvalidUsesNumber "J7" "an invalid append uses up a number";
InvalidTruncated "J7" "too many events are cut to the limit and stored";
UnknownIdFails "J8" "an unknown id is an error";
ReplayDescends "J8" "replay is in descending order";
LowerBoundExclusive "J8" "the lower end of a range is left out";
UpperBoundIgnored "J8" "the upper end of a range is ignored";
HistoryOfOnePage "J8" "replay ends after one page";
IdsByPrefix "J8" "an id also means all ids that begin with it";
ReplayFollows "J8" "replay goes on with what is stored meanwhile";
DeleteLeavesHole "J8" "a replay goes on behind events deleted meanwhile";
HoleSkipped "J8" "a hole is skipped in silence";
GiantBatch "J9" "replay gives the whole history as one batch";
GiantPage "J9" "a page is bounded by number of events only";
NumbersReused "J10" "the highest number falls to that of the last event left";
DeleteNotCapped "J10" "a delete beyond the end raises the highest number";
DeleteGoesBack "J10" "a lower delete moves the deleted prefix back";
DeleteIgnored "J10" "deleted events are still replayed";
DeletedStillRead "J10" "readers across entities still see deleted events";
DeleteOfOnePage "J10" "a delete handles one page of events";
DeleteMakesEntity "J10" "a delete of an unknown id reserves numbers";
DeletesLost "J10" "opening again brings deleted events back";
IngestRefused "J11" "an empty id cannot be begun at a number";
IngestForgetsPrefix "J11" "an id begun at a number has no deleted prefix";
IngestRenumbers "J11" "ingested events are numbered from 1";
IngestAfterDelete "J11" "an id whose events are all deleted may be begun again";
IngestAnywhere "J11" "an ingest may leave a hole in an id that holds events";
NewestByTime "S1" "the newest snapshot is the one of the latest time";
SnapshotsByPrefix "S1" "an id also means the snapshots of ids that it begins with";
MaxNumberIgnored "S1" "the upper number bound is ignored";
DeleteTakesOlder "S1" "deleting one snapshot deletes the older ones as well";
MinNumberIgnored "S1" "the lower number bound is ignored";
MaxNumberExclusive "S1" "the upper number bound is left out";
MinTimeIgnored "S1" "the lower time bound is ignored";
MaxTimeIgnored "S1" "the upper time bound is ignored";
DeleteIgnoresTime "S1" "a delete of snapshots ignores their time";
ListUnbounded "S1" "a list ignores how many are wanted";
FirstSaveStays "S1" "saving a number again changes nothing";
SnapshotMetadataDropped "S1" "metadata of snapshots is not kept";
SnapshotsWithoutLimit "S1" "a snapshot of any size is taken";
SnapshotsGoWithEvents "S1" "deleting events deletes the snapshots as well";
DamageHidden "S2" "a damaged snapshot is taken for none";
FailedSaveDestroys "S3" "a failed save deletes the older snapshot of its number";
RefusedSaveDestroys "S3" "a refused save deletes the older snapshot of its number";
DeletedToForgotten "S4" "the bounds say that nothing is deleted";
HighestFromSnapshots "S5" "the highest number counts snapshots as events";
PagesUnordered "Q1" "the events of a page come in reverse";
TagsByPrefix "Q1" "a tag also means all tags that begin with it";
PageSkips "Q2" "the next page starts one event too late";
EndTooEarly "Q2" "a full page says that it is the last";
WakesNever "Q2" "a commit wakes nobody";
WakesPolledOnly "Q2" "a commit before the first poll is missed";
AlwaysAwake "Q2" "a reader is woken though nothing happened";
ResumeRepeats "Q3" "resuming repeats the event of the offset";
OffsetDiesWithEvent "Q3" "the offset of a deleted event is not accepted";
EmptyNeverEnds "Q4" "an empty page never says that it is the last";
UntilIgnored "Q4" "a finite query goes on";
ListingGoesOn "Q4" "a listing of ids goes on";
UntilExclusive "Q4" "a finite query leaves out its last event";
WrongSlice "Q5" "slices are computed differently";
SliceBoundExclusive "Q5" "the highest slice of a range is left out";
IdsPerAppend "Q6" "an id is listed at each append";
DeletedIdsVanish "Q6" "an id without events left is not listed";
SnapshotsListIds "Q6" "an id with a snapshot only is listed";
IdsResumeRepeats "Q6" "the listing repeats the id that it resumes after";
IdsSorted "Q6" "the listing is sorted by id, so new ids fall before its end";
EmptyPages "Q6" "a page of nothing is answered";
SlowReaderDropped "Q7" "a reader far behind is moved ahead";
ForeignOffsetAccepted "Q8" "another store's offset is accepted";
MalformedOffsetAccepted "Q8" "a malformed offset means the beginning";
ForeignOffsetSaved "Q8" "another store's offset is saved";
RevisionStays "P2" "saving an offset leaves its revision";
OffsetsUnsorted "P2" "offsets are listed as they were saved";
AppendForgetsOffset "P2" "the offset of an append is not saved";
RefusedAppendSavesOffset "P2" "a refused append saves its offset all the same";
EventsWithoutOffset "P2" "an append whose offset is refused stores its events";
RepeatSavesOffset "P2" "a repeated append saves its offset again";
AppendIgnoresRevision "P3" "an append saves its offset whatever its revision";
StaleSaveAccepted "P3" "an offset is saved whatever its revision";
OffsetCheckThenWrite "P3" "the revision is checked some time before the save";
}
