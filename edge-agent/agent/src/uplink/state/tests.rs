use super::*;

fn at(millis: u64) -> MonoTime {
    MonoTime::from_duration(Duration::from_millis(millis))
}

fn seq(number: u64) -> Sequence {
    Sequence::new(number)
}

fn epoch() -> Epoch {
    Epoch::new(7)
}

fn core_with(ack: AckMode, daily_bytes: Option<u64>) -> Core {
    let budget = Budget::new(daily_bytes, Spent::default());
    Core::new(epoch(), ack, budget, &PerLane::default(), at(0))
}

/// A core with a connection.
fn connected() -> Core {
    let mut core = core_with(AckMode::Center, None);
    core.apply(&Input::Connected { allowed: 20 }, at(0));
    core
}

/// A core with a connection that has carried much.
fn proved() -> Core {
    let mut core = connected();
    core.bulk_arrived = 20 * PROOF;
    core
}

fn commit(core: &mut Core, lane: Lane, last: u64, millis: u64) {
    core.apply(&Input::Committed(lane, seq(last)), at(millis));
}

fn ack(lane: Lane, settled: u64) -> Input {
    Input::Acknowledged(Ack::new(epoch(), lane, seq(settled)))
}

/// Sends all that is wanted, as an outbox without holes would give it; the lanes in their order.
fn send_all(core: &mut Core, bytes: usize, now: MonoTime) -> Vec<(Lane, u64, u64)> {
    let mut sent = Vec::new();
    while let Some(wanted) = core.wanted(now) {
        let first = wanted.after.get() + 1;
        let last = core.lanes[wanted.lane].last_committed().get().min(wanted.after.get() + u64::from(wanted.records));
        let message = core.sent(wanted.lane, seq(last), bytes, now);
        sent.push((wanted.lane, first, message));
    }
    sent
}

#[test]
fn a_hit_goes_at_once_and_a_read_waits_for_company() {
    let mut core = connected();
    commit(&mut core, Lane::Read, 1, 0);
    assert_eq!(core.wanted(at(0)), None);
    assert_eq!(core.wake_at(at(0)), Some(at(50)));
    commit(&mut core, Lane::Hit, 1, 10);
    let wanted = core.wanted(at(10)).unwrap();
    assert_eq!((wanted.lane, wanted.records), (Lane::Hit, 1));
    send_all(&mut core, 100, at(10));
    assert_eq!(core.wanted(at(49)), None);
    assert_eq!(core.wanted(at(50)).unwrap().lane, Lane::Read);
}

#[test]
fn a_full_batch_does_not_wait() {
    let mut core = connected();
    commit(&mut core, Lane::Read, 20, 0);
    assert_eq!(core.wanted(at(0)).unwrap().records, 20);
}

#[test]
fn urgent_lanes_go_first_whatever_waits() {
    let mut core = proved();
    for lane in Lane::ALL {
        commit(&mut core, lane, 1, 0);
    }
    let order: Vec<Lane> = send_all(&mut core, 100, at(200)).into_iter().map(|(lane, ..)| lane).collect();
    assert_eq!(order, Lane::ALL);
}

#[test]
fn no_more_is_in_flight_than_the_broker_allows_and_bulk_leaves_room() {
    let mut core = proved();
    commit(&mut core, Lane::Clip, 1000, 0);
    let bulk = send_all(&mut core, 100, at(0)).len();
    assert_eq!(bulk, 20 - RESERVED);
    commit(&mut core, Lane::Hit, 1000, 0);
    assert_eq!(send_all(&mut core, 100, at(0)).len(), RESERVED);
    assert_eq!(core.wanted(at(0)), None);
}

#[test]
fn even_a_broker_that_allows_one_message_gets_clips() {
    let mut core = core_with(AckMode::Center, None);
    core.apply(&Input::Connected { allowed: 1 }, at(0));
    commit(&mut core, Lane::Clip, 3, 0);
    assert_eq!(send_all(&mut core, 60_000, at(0)).len(), 1);
}

#[test]
fn bulk_in_flight_is_what_the_line_takes_in_a_second() {
    let mut core = proved();
    commit(&mut core, Lane::Clip, 1000, 0);
    // Nothing is measured yet: one message may be under way.
    let mut now = 0;
    let mut flying = send_all(&mut core, 64_000, at(now));
    assert_eq!(flying.len(), 1);
    // A line of 640,000 bytes a second takes a message in 100 ms.
    for _ in 0..60 {
        now += 100;
        let (_, _, message) = flying.remove(0);
        core.apply(&Input::Delivered(message), at(now));
        flying.extend(send_all(&mut core, 64_000, at(now)));
    }
    let bytes = flying.len() * 64_000;
    assert!((384_000..=640_000).contains(&bytes), "{bytes} bytes in flight");
}

#[test]
fn only_the_centers_acknowledgement_lets_the_outbox_forget() {
    let mut core = connected();
    commit(&mut core, Lane::Read, 20, 0);
    let (_, _, message) = send_all(&mut core, 100, at(0))[0];
    assert_eq!(core.apply(&Input::Delivered(message), at(1)), []);
    assert_eq!(core.apply(&ack(Lane::Read, 15), at(2)), [Effect::Settle(Lane::Read, seq(15))]);
    assert_eq!(core.apply(&ack(Lane::Read, 15), at(3)), []);
    assert_eq!(core.apply(&ack(Lane::Read, 9), at(4)), []);
    assert_eq!(core.apply(&ack(Lane::Read, 20), at(5)), [Effect::Settle(Lane::Read, seq(20))]);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_an_alarm_and_does_nothing_else() {
    let mut core = connected();
    commit(&mut core, Lane::Read, 40, 0);
    let wanted = core.wanted(at(0)).unwrap();
    core.sent(wanted.lane, seq(20), 100, at(0));
    let early = Ack::new(epoch(), Lane::Read, seq(21));
    assert_eq!(core.apply(&Input::Acknowledged(early), at(1)), [Effect::BadAck(early)]);
    assert_eq!(core.health(Vec::new(), 0).bad_acks, 1);
    assert_eq!(core.wanted(at(1)).unwrap().after, seq(20));
}

#[test]
fn an_acknowledgement_for_an_earlier_run_is_ignored_without_an_alarm() {
    let mut backlog = PerLane::<Backlog>::default();
    backlog[Lane::Read] = Backlog { last: seq(50), settled: seq(10), records: 40, ..Backlog::default() };
    let mut core = Core::new(epoch(), AckMode::Center, Budget::new(None, Spent::default()), &backlog, at(0));
    core.apply(&Input::Connected { allowed: 20 }, at(0));
    assert_eq!(core.apply(&ack(Lane::Read, 45), at(1)), []);
    assert_eq!(core.wanted(at(200)).unwrap().after, seq(10));
    assert!(matches!(core.apply(&ack(Lane::Read, 51), at(1))[..], [Effect::BadAck(_)]));
}

#[test]
fn a_center_that_has_more_of_an_earlier_run_than_the_window_holds_does_not_stop_the_lane() {
    let mut backlog = PerLane::<Backlog>::default();
    backlog[Lane::Answer] = Backlog { last: seq(1956), settled: seq(541), records: 1415, ..Backlog::default() };
    let mut core = Core::new(epoch(), AckMode::Center, Budget::new(None, Spent::default()), &backlog, at(0));
    core.apply(&Input::Connected { allowed: 20 }, at(0));
    for millis in 1..200 {
        for (_, _, message) in send_all(&mut core, 100, at(millis)) {
            core.apply(&Input::Delivered(message), at(millis));
        }
        // The center repeats what it has, which a power cut took from the unit's outbox, until what it gets is new to it.
        let sent = core.lanes[Lane::Answer].sent().get();
        core.apply(&ack(Lane::Answer, sent.max(972)), at(millis));
    }
    assert_eq!(core.lanes[Lane::Answer].sent(), seq(1956));
    assert_eq!(core.health(Vec::new(), 0).bad_acks, 0);
}

#[test]
fn another_epochs_acknowledgement_is_ignored() {
    let mut core = connected();
    commit(&mut core, Lane::Hit, 1, 0);
    send_all(&mut core, 100, at(0));
    let other = Ack::new(Epoch::new(8), Lane::Hit, seq(1));
    assert_eq!(core.apply(&Input::Acknowledged(other), at(1)), []);
    assert_eq!(core.apply(&ack(Lane::Hit, 1), at(2)), [Effect::Settle(Lane::Hit, seq(1))]);
}

#[test]
fn every_connection_begins_from_what_is_settled() {
    let mut core = connected();
    commit(&mut core, Lane::Read, 60, 0);
    send_all(&mut core, 100, at(0));
    core.apply(&ack(Lane::Read, 33), at(1));
    core.apply(&Input::Lost, at(2));
    assert_eq!(core.wanted(at(1000)), None);
    core.apply(&Input::Connected { allowed: 20 }, at(3));
    assert_eq!(core.wanted(at(3)).unwrap().after, seq(33));
}

/// A core whose line breaks with ten pieces of a clip on their way, two of which the center has, and is there again.
fn broken_within_a_clip() -> Core {
    let mut core = proved();
    commit(&mut core, Lane::Clip, 10, 0);
    assert_eq!(send_all(&mut core, 100, at(0)).len(), 10);
    core.apply(&ack(Lane::Clip, 2), at(1));
    core.apply(&Input::Lost, at(2));
    core.apply(&Input::Connected { allowed: 20 }, at(1000));
    core
}

/// Sends and delivers until nothing more is wanted; what went.
fn all_arrive(core: &mut Core, millis: u64) -> Vec<u64> {
    let mut went = Vec::new();
    loop {
        let sent = send_all(core, 100, at(millis));
        if sent.is_empty() {
            return went;
        }
        for (_, first, message) in sent {
            core.apply(&Input::Delivered(message), at(millis));
            went.push(first);
        }
    }
}

#[test]
fn what_a_break_can_cost_grows_with_what_the_connection_has_carried() {
    let mut core = connected();
    commit(&mut core, Lane::Clip, 1000, 0);
    let mut flying = send_all(&mut core, 100, at(0));
    for arrived in 0..8 * PROOF {
        assert_eq!(flying.len(), 1 + arrived / PROOF);
        core.apply(&Input::Delivered(flying.remove(0).2), at(1));
        flying.extend(send_all(&mut core, 100, at(1)));
    }
    core.apply(&Input::Lost, at(2));
    core.apply(&Input::Connected { allowed: 20 }, at(3));
    core.apply(&ack(Lane::Clip, 8 * PROOF as u64), at(4));
    assert_eq!(send_all(&mut core, 100, at(4)).len(), 1, "another connection has to prove itself");
}

#[test]
fn after_a_break_a_clip_goes_on_where_the_center_says_that_it_is() {
    let mut core = broken_within_a_clip();
    commit(&mut core, Lane::Hit, 1, 1000);
    assert_eq!(send_all(&mut core, 100, at(1000)), [(Lane::Hit, 1, 11)], "a hit waits for nobody");
    assert_eq!(core.apply(&ack(Lane::Clip, 7), at(1200)), [Effect::Settle(Lane::Clip, seq(7))]);
    assert_eq!(all_arrive(&mut core, 1200), [8, 9, 10]);
}

#[test]
fn after_a_break_a_clip_is_sent_again_whole_where_a_broker_has_lost_it() {
    let mut core = broken_within_a_clip();
    assert_eq!(core.apply(&ack(Lane::Clip, 2), at(1200)), []);
    assert_eq!(all_arrive(&mut core, 1200), (3..=10).collect::<Vec<_>>());
}

#[test]
fn a_silent_center_is_asked_with_one_piece_a_break_and_with_none_before_its_time() {
    let mut core = broken_within_a_clip();
    for number in 0..20 {
        let now = 1000 + number * 10_000;
        core.apply(&Input::Lost, at(now));
        core.apply(&Input::Connected { allowed: 20 }, at(now));
        assert_eq!(core.wanted(at(now + 2999)), None);
        assert_eq!(core.wake_at(at(now + 2999)), Some(at(now + 3000)));
        let sent = send_all(&mut core, 100, at(now + 3000));
        assert_eq!((sent.len(), sent[0].1), (1, 3), "break {number}");
        assert_eq!(core.apply(&Input::Delivered(sent[0].2), at(now + 3100)), []);
        assert_eq!(core.wanted(at(now + 9000)), None);
    }
    // It has the piece that asked, and all that came before the breaks.
    core.apply(&ack(Lane::Clip, 10), at(400_000));
    assert_eq!(core.wanted(at(400_000)), None);
    commit(&mut core, Lane::Clip, 30, 400_000);
    assert_eq!(all_arrive(&mut core, 400_000), (11..=30).collect::<Vec<_>>());
}

#[test]
fn where_the_brokers_word_counts_a_break_is_waited_for_by_nobody() {
    let mut core = core_with(AckMode::Broker, None);
    core.apply(&Input::Connected { allowed: 20 }, at(0));
    core.bulk_arrived = 20 * PROOF;
    commit(&mut core, Lane::Clip, 10, 0);
    let sent = send_all(&mut core, 100, at(0));
    core.apply(&Input::Delivered(sent[0].2), at(1));
    core.apply(&Input::Lost, at(2));
    core.apply(&Input::Connected { allowed: 20 }, at(3));
    assert_eq!(core.wanted(at(3)).unwrap().after, seq(1));
}

#[test]
fn what_a_broker_lost_in_silence_is_sent_again_ever_more_slowly() {
    let mut core = connected();
    commit(&mut core, Lane::Hit, 1, 0);
    let mut resent = Vec::new();
    for second in 0..400 {
        for (_, _, message) in send_all(&mut core, 100, at(second * 1000)) {
            core.apply(&Input::Delivered(message), at(second * 1000));
        }
        if core.apply(&Input::Tick { day: 0 }, at(second * 1000)) == [Effect::Resending(Lane::Hit)] {
            resent.push(second);
        }
    }
    // Sent again with the next look, a second later each time.
    assert_eq!(resent, [30, 91, 212]);
}

#[test]
fn a_broker_that_takes_nothing_for_25_seconds_is_left() {
    let mut core = connected();
    commit(&mut core, Lane::Hit, 1, 0);
    send_all(&mut core, 100, at(0));
    assert_eq!(core.apply(&Input::Tick { day: 0 }, at(24_999)), []);
    assert!(matches!(core.apply(&Input::Tick { day: 0 }, at(25_000))[..], [Effect::Reconnect(_)]));
}

#[test]
fn where_the_brokers_word_counts_only_a_whole_prefix_is_forgotten() {
    let mut core = core_with(AckMode::Broker, None);
    core.apply(&Input::Connected { allowed: 20 }, at(0));
    commit(&mut core, Lane::Hit, 3, 0);
    let sent = send_all(&mut core, 100, at(0));
    assert_eq!(core.apply(&Input::Delivered(sent[1].2), at(1)), []);
    assert_eq!(core.apply(&Input::Delivered(sent[0].2), at(2)), [Effect::Settle(Lane::Hit, seq(2))]);
    assert_eq!(core.apply(&Input::Delivered(sent[2].2), at(3)), [Effect::Settle(Lane::Hit, seq(3))]);
    assert_eq!(core.apply(&ack(Lane::Hit, 99), at(4)), []);
}

#[test]
fn an_exhausted_budget_holds_reads_back_and_lets_hits_through() {
    let mut core = core_with(AckMode::Center, Some(1000));
    core.apply(&Input::Connected { allowed: 20 }, at(0));
    core.apply(&Input::Tick { day: 1 }, at(0));
    commit(&mut core, Lane::Health, 1, 0);
    send_all(&mut core, 1000, at(200));
    commit(&mut core, Lane::Read, 20, 200);
    commit(&mut core, Lane::Thumb, 20, 200);
    let wanted = core.wanted(at(400)).unwrap();
    assert_eq!((wanted.lane, wanted.permit), (Lane::Thumb, Permit::GiveUp));
    core.given_up(Lane::Thumb, &(1..=20).map(seq).collect::<Vec<_>>(), LossCause::Budget, at(400));
    assert_eq!(core.wanted(at(400)), None);
    assert_eq!(core.health(Vec::new(), 0).withheld, [LaneCount { lane: Lane::Thumb, count: 20 }]);
    commit(&mut core, Lane::Hit, 1, 400);
    assert_eq!(core.wanted(at(400)).unwrap().lane, Lane::Hit);
    send_all(&mut core, 100, at(400));
    core.apply(&Input::Tick { day: 2 }, at(500));
    assert_eq!(core.wanted(at(500)).unwrap().lane, Lane::Read);
}

#[test]
fn a_hole_at_the_end_does_not_keep_the_uplink_busy() {
    let mut core = connected();
    commit(&mut core, Lane::Thumb, 5, 0);
    assert!(core.wanted(at(200)).is_some());
    core.nothing_left(Lane::Thumb);
    assert_eq!(core.wanted(at(200)), None);
    commit(&mut core, Lane::Thumb, 6, 300);
    assert_eq!(core.wanted(at(500)).unwrap().after, seq(5));
}

#[test]
fn a_lane_that_cannot_be_read_is_tried_again_in_half_a_minute_and_sends_nothing_of_it_before() {
    let mut core = core_with(AckMode::Broker, None);
    core.apply(&Input::Connected { allowed: 16 }, at(0));
    core.apply(&Input::Committed(Lane::Hit, Sequence::new(3)), at(0));
    assert_eq!(core.wanted(at(0)).map(|wanted| wanted.lane), Some(Lane::Hit));
    core.set_readable(Lane::Hit, false, at(0));
    core.apply(&Input::Committed(Lane::Hit, Sequence::new(4)), at(1_000));
    core.apply(&Input::Committed(Lane::Answer, Sequence::new(1)), at(1_000));
    assert_eq!(core.wanted(at(1_000)).map(|wanted| wanted.lane), Some(Lane::Answer), "the others go on");
    assert!(core.health(Vec::new(), 0).trouble.is_some());
    let again = core.wanted(at(30_000)).map(|wanted| (wanted.lane, wanted.after));
    assert_eq!(again, Some((Lane::Hit, Sequence::ZERO)), "from the first");
    core.set_readable(Lane::Hit, true, at(30_000));
    assert_eq!(core.health(Vec::new(), 0).trouble, None);
}

#[test]
fn what_is_sent_says_what_a_center_has_acknowledged_and_nothing_of_a_brokers_word() {
    let mut core = connected();
    commit(&mut core, Lane::Hit, 3, 0);
    send_all(&mut core, 100, at(0));
    assert_eq!(core.settled(Lane::Hit), Sequence::ZERO);
    core.apply(&ack(Lane::Hit, 2), at(1));
    assert_eq!((core.settled(Lane::Hit), core.settled(Lane::Read)), (seq(2), Sequence::ZERO));
    let mut core = core_with(AckMode::Broker, None);
    core.apply(&Input::Connected { allowed: 20 }, at(0));
    commit(&mut core, Lane::Hit, 1, 0);
    let (_, _, message) = send_all(&mut core, 100, at(0))[0];
    assert_eq!(core.apply(&Input::Delivered(message), at(1)), [Effect::Settle(Lane::Hit, seq(1))]);
    assert_eq!(core.settled(Lane::Hit), Sequence::ZERO);
}
