use super::*;

fn queue(items: usize, overflow: Overflow) -> (Sender<u32>, Receiver<u32>) {
    bounded(Bounds::items("test", items, overflow))
}

#[test]
fn items_come_out_in_the_order_they_went_in() {
    let (sender, receiver) = queue(3, Overflow::Wait);
    for item in [1, 2, 3] {
        sender.send(item).unwrap();
    }
    assert_eq!([1, 2, 3].map(|_| receiver.try_receive().unwrap()), [1, 2, 3]);
    assert_eq!(receiver.try_receive(), Err(ReceiveError::Timeout));
}

#[test]
fn a_slot_of_one_holds_the_newest_and_counts_what_it_replaced() {
    let (sender, receiver) = queue(1, Overflow::DropOldest);
    let gauge = sender.gauge();
    for item in [1, 2, 3] {
        sender.send(item).unwrap();
    }
    assert_eq!(receiver.try_receive(), Ok(3));
    assert_eq!(gauge.counts(), Counts { sent: 3, dropped: 2, waiting: 0 });
}

#[test]
fn a_refusing_queue_hands_the_item_back() {
    let (sender, receiver) = queue(1, Overflow::Refuse);
    sender.send(1).unwrap();
    assert_eq!(sender.send(2), Err(SendError::Full(2)));
    assert_eq!(receiver.try_receive(), Ok(1));
    sender.send(3).unwrap();
}

#[test]
fn bytes_bound_the_queue_but_never_block_an_empty_one() {
    let bounds = Bounds { name: "test", items: 10, bytes: 100, overflow: Overflow::Refuse };
    let (sender, receiver) = bounded(bounds);
    sender.send_sized("larger than the bound", 500).unwrap();
    assert_eq!(sender.send_sized("no room", 1), Err(SendError::Full("no room")));
    receiver.try_receive().unwrap();
    sender.send_sized("a", 60).unwrap();
    assert!(sender.send_sized("b", 60).is_err());
}

#[test]
fn a_waiting_sender_goes_on_when_there_is_room() {
    let (sender, receiver) = queue(1, Overflow::Wait);
    std::thread::scope(|scope| {
        scope.spawn(|| (0..100).for_each(|item| sender.send(item).unwrap()));
        for expected in 0..100 {
            assert_eq!(receiver.receive_timeout(Duration::from_secs(10)), Ok(expected));
        }
    });
}

#[test]
fn the_receiver_drains_before_it_learns_that_all_senders_are_gone() {
    let (sender, receiver) = queue(2, Overflow::Wait);
    let second = sender.clone();
    sender.send(1).unwrap();
    drop(sender);
    second.send(2).unwrap();
    drop(second);
    assert_eq!(receiver.try_receive(), Ok(1));
    assert_eq!(receiver.try_receive(), Ok(2));
    assert_eq!(receiver.try_receive(), Err(ReceiveError::Closed));
}

#[test]
fn a_sender_whose_receiver_is_gone_gets_its_item_back_even_while_waiting() {
    let (sender, receiver) = queue(1, Overflow::Wait);
    sender.send(1).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| sender.send(2));
        drop(receiver);
        assert_eq!(waiting.join().unwrap(), Err(SendError::Closed(2)));
    });
}

#[tokio::test]
async fn a_task_receives_what_a_thread_sends() {
    let (sender, receiver) = queue(4, Overflow::Wait);
    let thread =
        std::thread::Builder::new().spawn(move || (0..50).for_each(|item| sender.send(item).unwrap())).unwrap();
    for expected in 0..50 {
        assert_eq!(receiver.receive().await, Ok(expected));
    }
    assert_eq!(receiver.receive().await, Err(ReceiveError::Closed));
    thread.join().unwrap();
}
