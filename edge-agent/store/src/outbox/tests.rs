use super::*;
use crate::disk::{Disk, RealDisk};
use edge_protocol::lane::PerLane;
use edge_protocol::record::LossCause;

const ALL: Limit = Limit { records: 10_000, bytes: usize::MAX };

fn open(folder: &tempfile::TempDir, budget: Budget) -> OpenedOutbox {
    Outbox::open(&folder.path().join("outbox.sqlite"), budget).unwrap()
}

fn read(folder: &tempfile::TempDir, lane: Lane) -> Unsettled {
    let reader = OutboxReader::open(&folder.path().join("outbox.sqlite")).unwrap();
    reader.unsettled(lane, Sequence::ZERO, ALL).unwrap()
}

#[test]
fn a_record_is_seen_by_nobody_before_its_group_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget::DEFAULT).outbox;
    assert_eq!(outbox.append(Lane::Hit, b"one").unwrap(), Sequence::new(1));
    assert!(read(&folder, Lane::Hit).records.is_empty());
    assert_eq!(outbox.last_committed(Lane::Hit), Sequence::ZERO);
    outbox.commit().unwrap();
    assert_eq!(read(&folder, Lane::Hit).records, [Stored { sequence: Sequence::new(1), payload: b"one".to_vec() }]);
}

#[test]
fn an_acknowledgement_of_another_epoch_or_of_the_future_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget::DEFAULT).outbox;
    outbox.append(Lane::Read, b"r").unwrap();
    outbox.commit().unwrap();
    outbox.append(Lane::Read, b"not yet durable").unwrap();
    let (epoch, other) = (outbox.epoch(), Epoch::new(outbox.epoch().get() ^ 1));
    assert_eq!(outbox.settle(other, Lane::Read, Sequence::new(1)).unwrap(), Settled::OtherEpoch);
    assert_eq!(outbox.settle(epoch, Lane::Read, Sequence::new(2)).unwrap(), Settled::Beyond);
    assert_eq!(outbox.settle(epoch, Lane::Read, Sequence::new(1)).unwrap(), Settled::Forgot(1));
    assert_eq!(outbox.settle(epoch, Lane::Read, Sequence::new(1)).unwrap(), Settled::Already);
}

#[test]
fn a_destroyed_file_is_set_aside_and_its_successor_is_another_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.sqlite");
    let first = open(&folder, Budget::DEFAULT);
    let epoch = first.outbox.epoch();
    drop(first);
    for ending in ["", "-wal", "-shm"] {
        let file = folder.path().join(format!("outbox.sqlite{ending}"));
        if file.exists() {
            std::fs::remove_file(&file).unwrap();
        }
    }
    RealDisk.create(&path).unwrap().write_all_at(&[0x5A; 9_000], 0).unwrap();
    let second = open(&folder, Budget::DEFAULT);
    assert!(second.fresh && second.set_aside.is_some());
    assert_ne!(second.outbox.epoch(), epoch);
    drop(second);
    let third = open(&folder, Budget::DEFAULT);
    assert!(!third.fresh && third.set_aside.is_none(), "the successor is good");
}

#[test]
fn damage_that_shows_in_use_leads_to_a_fresh_start() {
    let folder = tempfile::tempdir().unwrap();
    let epoch = open(&folder, Budget::DEFAULT).outbox.epoch();
    assert!(Outbox::set_aside(&folder.path().join("outbox.sqlite")).unwrap().exists());
    let again = open(&folder, Budget::DEFAULT);
    assert!(again.fresh && again.set_aside.is_some());
    assert_ne!(again.outbox.epoch(), epoch);
}

/// States every loss, each in a record of its own; gives the last record.
fn state(outbox: &mut Outbox, payload: &[u8]) -> Sequence {
    let losses = outbox.losses().unwrap().into_iter();
    let told = losses.map(|Loss { lane, cause, first, last }| Statement {
        lane,
        cause,
        first,
        last,
        payload: payload.to_vec(),
    });
    outbox.append_statements(&told.collect::<Vec<_>>()).unwrap();
    outbox.backlog(Lane::Alert).last
}

#[test]
fn a_rotten_record_is_never_handed_out_and_becomes_a_loss() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget::DEFAULT).outbox;
    for payload in [b"aaaa", b"bbbb", b"cccc"] {
        outbox.append(Lane::Object, payload).unwrap();
    }
    outbox.commit().unwrap();
    outbox.connection.execute("UPDATE lane_object SET payload = x'62626263' WHERE sequence = 2", []).unwrap();
    let found = read(&folder, Lane::Object);
    assert_eq!(found.records.iter().map(|stored| stored.sequence.get()).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(found.rotten, [Sequence::new(2)]);
    outbox.give_up(Lane::Object, &found.rotten, LossCause::Damage).unwrap();
    outbox.commit().unwrap();
    assert!(read(&folder, Lane::Object).rotten.is_empty());
    let (first, last) = (Sequence::new(2), Sequence::new(2));
    let rotten = Loss { lane: Lane::Object, first, last, cause: LossCause::Damage };
    assert_eq!(outbox.losses().unwrap(), [rotten]);
}

#[test]
fn the_least_urgent_lane_gives_way_and_hits_never_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget { total: 2_000, lanes: PerLane([2_000; 9]) }).outbox;
    for _ in 0..5 {
        outbox.append(Lane::Object, &[1; 176]).unwrap();
        outbox.append(Lane::Read, &[2; 176]).unwrap();
    }
    for _ in 0..10 {
        outbox.append(Lane::Hit, &[3; 176]).unwrap();
    }
    outbox.append(Lane::Audit, &[4; 1_000]).unwrap();
    outbox.commit().unwrap();
    let cause = LossCause::Disk;
    let lost = |lane| Loss { lane, first: Sequence::new(1), last: Sequence::new(5), cause };
    assert_eq!(outbox.losses().unwrap(), [lost(Lane::Read), lost(Lane::Object)]);
    assert_eq!(read(&folder, Lane::Hit).records.len(), 10);
    assert_eq!(read(&folder, Lane::Audit).records.len(), 1);
}

#[test]
fn a_loss_is_stated_again_until_the_record_that_states_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let mut lanes = PerLane([10_000; 9]);
    (lanes[Lane::Alert], lanes[Lane::Object]) = (150, 100);
    let mut outbox = open(&folder, Budget { total: 10_000, lanes }).outbox;
    outbox.append(Lane::Object, &[1; 60]).unwrap();
    outbox.append(Lane::Object, &[1; 60]).unwrap();
    let first_of = |lane| Loss { lane, first: Sequence::new(1), last: Sequence::new(1), cause: LossCause::Disk };
    let lost = [first_of(Lane::Object)];
    assert_eq!(outbox.losses().unwrap(), lost);
    state(&mut outbox, &[9; 60]);
    assert!(outbox.losses().unwrap().is_empty());
    outbox.append(Lane::Alert, &[8; 60]).unwrap();
    let alert = first_of(Lane::Alert);
    assert_eq!(outbox.losses().unwrap(), [alert, lost[0]], "the statement itself was dropped");
    let stating = state(&mut outbox, b"all");
    outbox.commit().unwrap();
    let epoch = outbox.epoch();
    outbox.settle(epoch, Lane::Alert, stating).unwrap();
    assert!(outbox.losses().unwrap().is_empty());
    let kept: i64 = outbox.connection.query_row("SELECT count(*) FROM lost", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 0, "a settled statement ends the matter");
}

#[test]
fn a_group_that_fails_is_undone_whole_and_its_numbers_are_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget::DEFAULT).outbox;
    outbox.append(Lane::Hit, b"kept").unwrap();
    outbox.commit().unwrap();
    outbox.append(Lane::Hit, b"first try").unwrap();
    let pages: i64 = outbox.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    outbox.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let full = outbox.append(Lane::Hit, &vec![0; 60_000]).unwrap_err();
    assert!(matches!(full, OutboxError::Database(DatabaseError::Full { .. })), "{full}");
    outbox.connection.pragma_update(None, "max_page_count", 1 << 30).unwrap();
    assert_eq!(outbox.append(Lane::Hit, b"second try").unwrap(), Sequence::new(2));
    outbox.commit().unwrap();
    let found: Vec<_> = read(&folder, Lane::Hit).records.into_iter().map(|stored| stored.payload).collect();
    assert_eq!(found, [b"kept".to_vec(), b"second try".to_vec()]);
}

#[test]
fn losses_of_different_causes_are_told_apart_even_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget::DEFAULT).outbox;
    for _ in 0..4 {
        outbox.append(Lane::Object, b"o").unwrap();
    }
    outbox.commit().unwrap();
    let at = |number| Sequence::new(number);
    outbox.give_up(Lane::Object, &[at(1), at(2)], LossCause::Budget).unwrap();
    outbox.give_up(Lane::Object, &[at(3)], LossCause::Damage).unwrap();
    let lost = |first, last, cause| Loss { lane: Lane::Object, first: at(first), last: at(last), cause };
    assert_eq!(outbox.losses().unwrap(), [lost(1, 2, LossCause::Budget), lost(3, 3, LossCause::Damage)]);
}

#[test]
fn what_the_day_has_cost_is_kept_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget::DEFAULT).outbox;
    let spent = || OutboxReader::open(&folder.path().join("outbox.sqlite")).unwrap().spent().unwrap();
    assert_eq!(spent(), Spent::default());
    for bytes in [700, 900] {
        outbox.note_spent(Spent { day: 20_000, bytes }).unwrap();
        outbox.commit().unwrap();
    }
    drop(outbox);
    drop(open(&folder, Budget::DEFAULT));
    assert_eq!(spent(), Spent { day: 20_000, bytes: 900 });
}

#[test]
fn what_is_given_up_again_or_was_dropped_before_costs_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget::DEFAULT).outbox;
    for _ in 0..3 {
        outbox.append(Lane::Object, b"o").unwrap();
    }
    outbox.commit().unwrap();
    let at = |number| Sequence::new(number);
    for _ in 0..2 {
        outbox.give_up(Lane::Object, &[at(2)], LossCause::Damage).unwrap();
        outbox.give_up(Lane::Object, &[at(2), at(9)], LossCause::Budget).unwrap();
    }
    outbox.commit().unwrap();
    let lost = Loss { lane: Lane::Object, first: at(2), last: at(2), cause: LossCause::Damage };
    assert_eq!(outbox.losses().unwrap(), [lost]);
    assert_eq!(read(&folder, Lane::Object).records.len(), 2);
}

#[test]
fn ranges_that_were_stated_apart_are_stated_again_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget::DEFAULT).outbox;
    for _ in 0..4 {
        outbox.append(Lane::Object, b"o").unwrap();
    }
    let at = |number| Sequence::new(number);
    outbox.give_up(Lane::Object, &[at(1), at(2)], LossCause::Budget).unwrap();
    let statement = state(&mut outbox, b"1 to 2");
    outbox.give_up(Lane::Object, &[at(3)], LossCause::Budget).unwrap();
    outbox.give_up(Lane::Alert, &[statement], LossCause::Damage).unwrap();
    let lost = |lane, first, last, cause| Loss { lane, first: at(first), last: at(last), cause };
    let alert = lost(Lane::Alert, 1, 1, LossCause::Damage);
    assert_eq!(outbox.losses().unwrap(), [alert, lost(Lane::Object, 1, 3, LossCause::Budget)]);
}

#[test]
fn what_gives_way_to_a_statement_is_left_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget { total: 1_000, lanes: PerLane([1_000; 9]) }).outbox;
    for _ in 0..6 {
        outbox.append(Lane::Object, &[1; 176]).unwrap();
    }
    outbox.append(Lane::Thumb, &[2; 10]).unwrap();
    let at = |number| Sequence::new(number);
    let lost = |lane, first, last| Loss { lane, first: at(first), last: at(last), cause: LossCause::Disk };
    let before = [lost(Lane::Object, 1, 1), lost(Lane::Thumb, 1, 1)];
    assert_eq!(outbox.losses().unwrap(), before);
    state(&mut outbox, &[3; 176]);
    assert_eq!(outbox.losses().unwrap(), [lost(Lane::Object, 2, 3)], "the two alerts took the place of two objects");
}

#[test]
fn a_look_at_the_losses_that_fails_undoes_the_group_and_nothing_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget::DEFAULT).outbox;
    outbox.append(Lane::Hit, b"one").unwrap();
    outbox.commit().unwrap();
    outbox.append(Lane::Hit, b"two").unwrap();
    outbox.connection.execute_batch("ALTER TABLE lost RENAME TO away").unwrap();
    outbox.losses().unwrap_err();
    assert_eq!(
        outbox.append(Lane::Hit, b"two").unwrap(),
        Sequence::new(2),
        "the group is appended anew, under the same number"
    );
    outbox.commit().unwrap();
    assert_eq!(outbox.backlog(Lane::Hit).records, 2);
}

#[test]
fn a_number_that_is_taken_already_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(&folder, Budget::DEFAULT).outbox;
    let empty = outbox.cursors;
    outbox.append(Lane::Hit, b"one").unwrap();
    outbox.commit().unwrap();
    outbox.cursors = empty;
    assert!(outbox.append(Lane::Hit, b"two").unwrap_err().is_damage());
}
