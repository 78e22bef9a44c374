use super::*;

#[test]
fn what_a_unit_says_was_settled_before_reaches_the_receiver() {
    for encoding in [Encoding::Cbor, Encoding::Json] {
        for (settled, expected) in [(0, None), (4, Some(4))] {
            let batch = Sent::new(Epoch::new(7), Sequence::new(5), vec![Record::Read(Box::new(read()))]).unwrap();
            let payload = batch.with_settled(Sequence::new(settled)).unwrap().encode(encoding);
            let Message::Batch(batch) = read_message(&agency(), &root(), b"rtcc/v1/metro/gate-1/up/read", &payload)
            else {
                panic!("no batch")
            };
            assert_eq!(batch.settled, expected, "{settled:?}");
        }
    }
}
