//! The table of cases: the only list of them. Tests, runs and documents are made from it.

use std::fmt;
use std::pin::Pin;

use crate::context::Context;
use crate::verdict::Outcome;

type Body = fn(Context) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name as a test.
    pub name: &'static str,
    /// What must hold, after the clause that says so: `J4 a second writer conflicts`.
    pub title: &'static str,
    pub(crate) body: Body,
}

impl Case {
    /// The clause that the case checks, as `J4`.
    pub fn clause(&self) -> &'static str {
        self.title.split_once(' ').map_or(self.title, |(clause, _)| clause)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("title", &self.title).finish()
    }
}

/// Hands the table to the macro `$callback`, after `$arguments`.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_cases {
    ($callback:ident $arguments:tt) => {
        $crate::$callback! { $arguments
append::j1_readers_see_whole_appends "J1 readers see whole appends";
append::j1_refused_append_leaves_nothing "J1 a refused append leaves nothing";
append::j1_bounds_cut_an_atomic_write "J1 bounds that cut an append deliver their part of it";
durable::j1_appends_are_whole_after_a_crash "J1 appends are whole after a crash";
append::j2_numbers_follow_after "J2 events get the numbers that follow";
append::j2_largest_append_is_one "J2 the most events of one append are contiguous";
durable::j3_events_survive_reopening "J3 events survive closing and opening";
durable::j3_events_survive_a_crash "J3 events survive a crash";
durable::j3_long_history_survives "J3 a long history survives";
durable::j3_snapshots_and_offsets_survive "J3 snapshots, their deletes and offsets survive";
exclusive::j4_second_writer_conflicts "J4 a second writer conflicts";
exclusive::j4_stale_writer_conflicts "J4 a stale writer conflicts at every number";
exclusive::j4_append_past_the_end_conflicts "J4 an append past the end conflicts";
exclusive::j4_stale_writer_after_delete_conflicts "J4 a writer that slept through a delete conflicts";
exclusive::j4_racing_writers_have_one_winner "J4 racing writers have one winner";
exclusive::j4_competing_writers_lose_nothing "J4 competing writers lose nothing";
decidable::j5_repeat_gives_the_receipt "J5 a repeated append gives its receipt";
decidable::j5_late_repeat_never_doubles "J5 a late repeat never doubles";
decidable::j5_equal_bytes_are_two_appends "J5 equal bytes are two appends";
decidable::j5_receipts_belong_to_their_entity "J5 receipts belong to their entity";
decidable::j5_lost_acknowledgement_is_resolved "J5 a lost acknowledgement is resolved";
decidable::j5_acknowledgement_lost_in_the_store "J5 an acknowledgement lost inside the store is resolved";
decidable::j5_racing_repeats_store_once "J5 racing repeats are stored once";
decidable::j5_repeat_after_reopening "J5 a repeat after opening again is not stored twice";
append::j6_visible_at_once "J6 an append is visible at once";
append::j6_begin_gives_the_bounds "J6 a writer's begin gives the bounds";
append::j6_every_field_comes_back "J6 every field of an event comes back";
limits::j7_too_large_is_invalid "J7 a too large append is invalid";
limits::j7_too_many_is_invalid "J7 too many events or tags are invalid";
limits::j7_too_long_is_invalid "J7 too long texts are invalid";
limits::j7_refused_in_between_uses_no_number "J7 an invalid append uses up no number";
limits::j7_at_the_limit_is_stored "J7 what just fits is stored";
replay::j8_unknown_id_is_empty "J8 an unknown id is empty";
replay::j8_replays_everything_in_order "J8 replay gives everything in order";
replay::j8_both_ends_are_honoured "J8 both ends of a range are honoured";
replay::j8_entities_do_not_mix "J8 entities with similar ids do not mix";
replay::j8_long_history_is_whole "J8 a long history is whole";
replay::j8_replay_ends_where_it_began "J8 a replay ends at what was stored when it began";
replay::j8_delete_during_replay_leaves_no_hole "J8 a delete during a replay leaves no hole";
replay::j8_hole_is_corrupt "J8 a hole is corrupt";
replay::j9_replay_is_bounded "J9 batches and pages are bounded";
replay::j9_abandoned_replay_holds_nothing_up "J9 an abandoned replay holds nothing up";
replay::closed_store_refuses_everything "J3 a closed store refuses everything";
delete::j10_deleted_prefix_is_gone "J10 a deleted prefix is gone";
delete::j10_delete_is_capped "J10 a delete is capped at the highest number";
delete::j10_numbers_are_never_reused "J10 numbers are never reused";
delete::j10_repeated_and_lower_deletes_do_nothing "J10 repeated and lower deletes do nothing";
delete::j10_delete_of_an_unknown_id_does_nothing "J10 a delete of an unknown id does nothing";
delete::j10_long_delete_is_whole "J10 a long delete is whole";
delete::j10_readers_do_not_see_deleted_events "J10 readers do not see deleted events";
delete::j10_delete_beside_a_writer "J10 deletes beside a writer keep the bounds right";
delete::j10_deletes_survive "J10 deletes survive opening again";
ingest::j11_empty_id_begins_at_any_number "J11 an empty id begins at any number";
ingest::j11_used_id_is_not_begun_again "J11 a used id is not begun again";
ingest::j11_repeated_ingest_gives_the_receipt "J11 a repeated ingest gives its receipt";
ingest::j11_racing_ingests_have_one_winner "J11 racing ingests have one winner";
ingest::j11_origin_is_kept "J11 writers, timestamps and tags are kept";
ingest::j11_ingest_survives "J11 an ingest survives opening again";
snapshots::s1_unknown_id_has_none "S1 an unknown id has no snapshot";
snapshots::s1_newest_is_by_number "S1 the newest is the one of the highest number";
snapshots::s1_number_bounds_are_honoured "S1 both number bounds are honoured";
snapshots::s1_time_bounds_are_honoured "S1 both time bounds are honoured";
snapshots::s1_list_is_newest_first_and_bounded "S1 a list is newest first and bounded";
snapshots::s1_saving_again_replaces "S1 saving a number again replaces";
snapshots::s1_delete_by_number "S1 one snapshot can be deleted";
snapshots::s1_delete_by_bounds "S1 a delete honours all bounds";
snapshots::s1_every_field_comes_back "S1 every field of a snapshot comes back";
snapshots::s1_large_snapshot "S1 the largest snapshot comes back, a larger one is invalid";
snapshots::s1_events_and_snapshots_are_apart "S1 events and snapshots are deleted apart";
snapshots_kept::s2_unreadable_falls_back "S2 an unreadable snapshot falls back to the next older";
snapshots_kept::s2_damaged_falls_back "S2 a damaged snapshot falls back to the next older";
snapshots_kept::s3_refused_save_keeps_the_older "S3 a refused save keeps the older snapshot";
snapshots_kept::s3_failed_save_keeps_the_older "S3 a failed save keeps the older snapshot";
snapshots_kept::s4_deleted_prefix_needs_a_snapshot "S4 a deleted prefix needs a snapshot";
snapshots_kept::s5_snapshot_above_the_highest_is_corrupt "S5 a snapshot above the highest number is corrupt";
reading::q1_all_events_come_in_order "Q1 all events come in the order of commits";
reading::q1_events_of_an_id_come_in_order "Q1 the events of an id come in order";
reading::q1_tagged_events_come_in_order "Q1 the events of a tag come in order";
reading_live::q2_all_events_skip_nothing "Q2 all events, read beside writers, skip nothing";
reading_live::q2_a_tag_skips_nothing "Q2 a tag, read beside writers, skips nothing";
reading_live::q2_slices_skip_nothing "Q2 slices, read beside writers, skip nothing";
reading_live::q2_an_id_skips_nothing "Q2 an id, read beside its writer, skips nothing";
reading_live::q2_commits_between_pages "Q2 commits between pages skip nothing";
reading_live::q2_commits_wake_readers "Q2 a commit after the call wakes a reader";
reading_live::q2_waiting_readers_wake_at_once "Q2 waiting readers wake at a commit";
reading::q3_resumes_at_every_offset "Q3 resuming at every offset gives exactly the rest";
reading::q3_offsets_outlive_deletes "Q3 an offset outlives its event";
reading::q4_finite_query_ends "Q4 a finite query ends at what existed when it began";
reading::q4_bound_at_every_offset "Q4 a bound at every offset includes its event";
reading::q4_empty_scopes_end_at_once "Q4 empty scopes end at once";
slices::q5_slice_ranges_partition_all_events "Q5 slice ranges partition all events";
slices::q5_single_slices_hold_their_entities "Q5 an entity is in its slice";
ids::q6_each_id_is_listed_once "Q6 each id is listed once";
ids::q6_deleted_ids_stay_listed "Q6 an id stays listed when its events are deleted";
ids::q6_refused_appends_list_nothing "Q6 an id without events is not listed";
ids::q6_listing_resumes_after_each_id "Q6 the listing resumes after each id";
ids::q6_empty_page_is_invalid "Q6 a page of nothing is invalid";
reading_live::q7_slow_reader_is_not_dropped "Q7 a slow reader is neither dropped nor in the way";
reading::q8_bad_offsets_are_invalid "Q8 foreign and malformed offsets are invalid";
offsets::q8_foreign_offsets_are_not_saved "Q8 foreign and malformed offsets are not saved";
offsets::p2_saved_offset_comes_back "P2 a saved offset comes back";
offsets::p2_offsets_are_listed_by_name "P2 offsets are listed by name";
offsets::p2_append_saves_its_offset "P2 an append and the offset that it carries are stored together";
offsets::p2_append_and_offset_survive "P2 an append and its offset survive opening again and crashes";
offsets::p2_refused_append_saves_no_offset "P2 a refused append saves no offset, a refused offset no event";
offsets::p3_racing_appends_of_an_offset_have_one_winner "P3 racing appends of one offset have one winner";
offsets::p3_stale_save_conflicts "P3 a stale save conflicts";
offsets::p3_racing_saves_have_one_winner "P3 racing saves have one winner";
random_operations::model_random_operations "J1-S1 random operations agree with the model";
random_operations::model_random_operations_and_crashes "J1-S1 random operations, reopening and crashes agree with the model";
random_writers::model_random_writers "J1-J10 random writers beside each other keep what they were told";
random_writers::model_random_writers_and_crashes "J1-J10 random writers, cut off by a crash, keep what they were told";
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __table {
    (() $($module:ident :: $name:ident $title:literal;)*) => {
        /// Every case, by clause.
        pub const CASES: &[Case] = &[$(
            Case {
                name: stringify!($name),
                title: $title,
                body: |context| Box::pin($crate::cases::$module::$name(context)),
            },
        )*];
    };
}

__with_cases! { __table () }
