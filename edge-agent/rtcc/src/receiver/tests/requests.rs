//! What was asked for, and what comes of it: answers, offers and the pieces of clips.

use edge_protocol::record::LossCause;

use super::super::apply::{ApplyError, MAX_CLIP_BYTES};
use super::super::clips;
use super::super::message::{Answer, Batch, Effect, Loss, Message};
use super::{NOW, Receiver, bare, batch, one};
use crate::database::ingest::Ingest;
use crate::database::queries;
use crate::database::requests::{self, HandedIn, NewRequest, Offer, Part, RequestStatus};
use crate::database::spans::Span;

impl Receiver {
    pub(super) fn request(&self, id: &str) -> requests::Request {
        requests::request(self.database.reader(), id).unwrap().unwrap()
    }

    pub(super) fn hand_in(&mut self, id: &str, question: &str) -> HandedIn {
        let transaction = self.database.write().unwrap();
        let request = NewRequest { id, unit: "gate-1", question, envelope: b"signed" };
        let outcome = Ingest::new(&transaction, NOW).hand_in(&request).unwrap();
        transaction.commit().unwrap();
        outcome
    }
}

fn media(request: &str, offset: u64, bytes: &[u8]) -> Effect {
    Effect::Chunk { request: request.into(), part: Part::Media, offset, bytes: bytes.into() }
}

fn manifest(bytes: &[u8]) -> Effect {
    Effect::Chunk { request: "ab".into(), part: Part::Manifest, offset: 0, bytes: bytes.into() }
}

fn answer(status: RequestStatus) -> Effect {
    Effect::Answer(Answer { request: "ab".into(), status: Some(status), words: "words".into(), offer: None })
}

fn offer(media_bytes: u64, manifest_bytes: u64) -> Effect {
    offer_of((media_bytes, "00"), (manifest_bytes, "00"))
}

fn offer_of((media_bytes, media_hash): (u64, &str), (manifest_bytes, manifest_hash): (u64, &str)) -> Effect {
    let offer = Offer {
        media_bytes,
        media_hash: media_hash.into(),
        manifest_bytes,
        manifest_hash: manifest_hash.into(),
        actual_from_us: NOW,
        actual_to_us: NOW,
        gaps: 0,
    };
    let status = Some(RequestStatus::Transferring);
    Effect::Answer(Answer { request: "ab".into(), status, words: "the clip is made".into(), offer: Some(offer) })
}

#[test]
fn a_clip_is_complete_when_every_byte_of_both_files_is_here_in_whatever_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    assert_eq!(center.hand_in("ab", "{}"), HandedIn::Taken);
    center.take(vec![batch(7, "clip", vec![bare(1, media("ab", 4, b"5678")), bare(2, manifest(b"signed"))])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Waiting, "bytes alone answer nothing");
    center
        .take(vec![batch(7, "answer", vec![bare(1, offer(8, 6)), bare(2, answer(RequestStatus::Complete))])])
        .unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Transferring, "half of it is missing");
    assert_eq!(center.request("ab").received_bytes, 4);
    center.take(vec![batch(7, "clip", vec![bare(3, media("ab", 0, b"1234"))])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Complete);
    let file = |part| std::fs::read(clips::clip(folder.path(), "ab", part)).unwrap();
    assert_eq!(file(Part::Media), b"12345678");
    assert_eq!(file(Part::Manifest), b"signed");
    // What comes after the end changes nothing.
    center.take(vec![batch(7, "clip", vec![bare(4, media("ab", 0, b"XXXX"))])]).unwrap();
    assert_eq!(file(Part::Media), b"12345678");
}

#[test]
fn an_update_ends_by_the_units_word_and_says_meanwhile_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.hand_in("ab", r#"{"operation":{"update":{"version":"1.5.0"}}}"#);
    let said = |status, words: &str| {
        Effect::Answer(Answer { request: "ab".into(), status: Some(status), words: words.into(), offer: None })
    };
    let mut seen = Vec::new();
    for (sequence, (status, words)) in (1..).zip([
        (RequestStatus::Accepted, "40 % is here"),
        (RequestStatus::Accepted, "the unit boots"),
        (RequestStatus::Complete, "slot B is good"),
        (RequestStatus::Failed, "too late"),
    ]) {
        center.take(vec![batch(7, "answer", vec![bare(sequence, said(status, words))])]).unwrap();
        let request = center.request("ab");
        seen.push((request.status, request.words));
    }
    let end = (RequestStatus::Complete, "slot B is good".to_owned());
    let on_its_way = |words: &str| (RequestStatus::Accepted, words.to_owned());
    assert_eq!(seen, [on_its_way("40 % is here"), on_its_way("the unit boots"), end.clone(), end]);
}

#[test]
fn pieces_that_a_dead_unit_left_behind_do_not_hide_that_it_must_be_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.hand_in("ab", "{}");
    center
        .take(vec![batch(7, "answer", vec![bare(1, answer(RequestStatus::Accepted)), bare(2, offer(8, 6))])])
        .unwrap();
    center.take(vec![batch(7, "clip", vec![bare(1, manifest(b"signed"))])]).unwrap();
    center.take(vec![batch(7, "answer", vec![bare(3, answer(RequestStatus::Again))])]).unwrap();
    center.take(vec![batch(7, "clip", vec![bare(2, media("ab", 0, b"1234"))])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Again);
    assert_eq!(center.hand_in("ab", "{}"), HandedIn::Taken);
    center.take(vec![batch(7, "clip", vec![bare(3, media("ab", 2, b"34"))])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Waiting, "the fresh command is not answered yet");
}

#[test]
fn a_clip_of_which_the_unit_lost_pieces_must_be_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.hand_in("ab", "{}");
    center.hand_in("cd", r#"{"operation":{"update":{"version":"1.5.0"}}}"#);
    let lost = |lane, first, last| {
        let spans = vec![Span::new(first, last).unwrap()];
        Effect::Lost(Loss { epoch: 7, lane, spans, cause: LossCause::Disk })
    };
    let update = Answer {
        request: "cd".into(),
        status: Some(RequestStatus::Accepted),
        words: "40 % is here".into(),
        offer: None,
    };
    center
        .take(vec![
            batch(7, "answer", vec![bare(1, offer(8, 6)), bare(2, Effect::Answer(update))]),
            batch(7, "clip", vec![bare(1, manifest(b"signed")), bare(2, media("ab", 0, b"1234"))]),
            batch(7, "alert", vec![bare(1, lost("thumb", 1, 3)), bare(2, lost("clip", 1, 2))]),
        ])
        .unwrap();
    let status = |center: &Receiver| center.request("ab").status;
    assert_eq!(status(&center), RequestStatus::Transferring, "nothing that was of the clip is lost");
    center.take(vec![batch(7, "alert", vec![bare(3, lost("clip", 2, 3))])]).unwrap();
    assert_eq!(status(&center), RequestStatus::Again);
    assert!(center.request("ab").words.contains("pieces of the clip were lost"));
    assert_eq!(center.request("cd").status, RequestStatus::Accepted, "an update has no pieces");
    assert_eq!(center.hand_in("ab", "{}"), HandedIn::Taken);
    center.take(vec![batch(7, "answer", vec![bare(3, offer(8, 6))])]).unwrap();
    center.take(vec![batch(7, "clip", vec![bare(4, media("ab", 4, b"5678"))])]).unwrap();
    assert_eq!(status(&center), RequestStatus::Complete, "what had come before is not needed again");
}

#[test]
fn a_whole_clip_that_is_asked_for_again_while_it_is_on_its_way_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.hand_in("ab", "{}");
    let refused_as_replayed = |request: &str| {
        Effect::Answer(Answer { request: request.into(), status: None, words: String::new(), offer: None })
    };
    center.take(vec![batch(7, "answer", vec![bare(1, refused_as_replayed("ab"))])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Waiting, "its true answer is on the way");
    let lost = Loss { epoch: 7, lane: "clip", spans: vec![Span::new(1, 1).unwrap()], cause: LossCause::Disk };
    center
        .take(vec![
            batch(7, "answer", vec![bare(2, offer(8, 6))]),
            batch(7, "clip", vec![bare(2, manifest(b"signed"))]),
            batch(7, "alert", vec![bare(1, Effect::Lost(lost))]),
        ])
        .unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Again, "the piece may have been this clip's");
    center.hand_in("ab", "{}");
    center.take(vec![batch(7, "answer", vec![bare(3, refused_as_replayed("ab"))])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Accepted);
    center.take(vec![batch(7, "clip", vec![bare(3, media("ab", 0, b"12345678"))])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Complete);
}

#[test]
fn a_clip_that_was_on_its_way_when_the_unit_lost_its_outbox_must_be_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.hand_in("ab", "{}");
    center.take(vec![batch(7, "answer", vec![bare(1, answer(RequestStatus::Accepted))])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Accepted, "the first epoch that is heard loses nothing");
    center.take(vec![batch(7, "health", vec![]), batch(8, "health", vec![])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Again);
    center.hand_in("ab", "{}");
    // What the new life says counts, also where it is the first word of one of its lanes.
    center.take(vec![batch(8, "answer", vec![bare(1, answer(RequestStatus::Accepted))])]).unwrap();
    center.take(vec![batch(8, "clip", vec![]), batch(7, "clip", vec![])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Accepted);
}

#[test]
fn a_clip_that_was_made_anew_takes_over_what_is_the_same_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.hand_in("ab", "{}");
    center.take(vec![batch(7, "answer", vec![bare(1, offer_of((8, "aa"), (6, "bb")))])]).unwrap();
    center.take(vec![batch(7, "clip", vec![bare(1, manifest(b"signed")), bare(2, media("ab", 0, b"1234"))])]).unwrap();
    center.take(vec![batch(7, "answer", vec![bare(2, offer_of((8, "aa"), (7, "cc")))])]).unwrap();
    center.take(vec![batch(7, "clip", vec![bare(3, media("ab", 4, b"5678"))])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Transferring, "the manifest was of another clip");
    center.take(vec![batch(7, "answer", vec![bare(3, offer_of((6, "dd"), (7, "cc")))])]).unwrap();
    assert_eq!(center.request("ab").received_bytes, 0, "the video was of another clip");
    center
        .take(vec![batch(7, "clip", vec![bare(4, manifest(b"signed!")), bare(5, media("ab", 0, b"123456"))])])
        .unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Complete);
    let file = |part| std::fs::read(clips::clip(folder.path(), "ab", part)).unwrap();
    assert_eq!((file(Part::Media), file(Part::Manifest)), (b"123456".to_vec(), b"signed!".to_vec()));
}

#[test]
fn bytes_nobody_asked_for_beyond_the_end_or_beyond_reason_are_refused_and_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.hand_in("ab", "{}");
    let items = vec![
        bare(1, media("cd", 0, b"1")),
        bare(2, media("ab", u64::MAX - 1, b"123")),
        bare(3, media("ab", MAX_CLIP_BYTES, b"1")),
        bare(4, offer(8, 6)),
        bare(5, media("ab", 8, b"9")),
        bare(6, offer(u64::MAX, 6)),
    ];
    assert_eq!(center.prefix(vec![batch(7, "clip", items)]), one("clip", 6));
    let refusals = queries::refusals(center.database.reader()).unwrap();
    let counted: Vec<_> = refusals.iter().map(|refusal| (refusal.reason.as_str(), refusal.count)).collect();
    assert_eq!(counted, [("chunk", 4), ("offer", 1)]);
    assert_eq!(std::fs::read_dir(folder.path().join("clips")).unwrap().count(), 0);
}

#[test]
fn a_piece_that_cannot_be_written_acknowledges_nothing_and_is_taken_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.hand_in("ab", "{}");
    let clips = folder.path().join("clips");
    std::fs::remove_dir(&clips).unwrap();
    let piece = || batch(7, "clip", vec![bare(1, media("ab", 0, b"1234"))]);
    let refused = center.take(vec![piece()]);
    assert!(matches!(refused, Err(ApplyError::Files(_))), "{refused:?}");
    assert_eq!(center.request("ab").received_bytes, 0);
    std::fs::create_dir(&clips).unwrap();
    assert_eq!(center.prefix(vec![piece()]), one("clip", 1));
    assert_eq!(center.request("ab").received_bytes, 4);
}

#[test]
fn another_unit_can_neither_answer_a_request_nor_send_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.hand_in("ab", "{}");
    let items = vec![bare(1, answer(RequestStatus::Refused)), bare(2, media("ab", 0, b"1234"))];
    let forged = Message::Batch(Batch { unit: "gate-2".into(), epoch: 9, lane: "answer", items, settled: None });
    center.take(vec![forged]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Waiting);
    assert_eq!(center.request("ab").received_bytes, 0);
}

#[test]
fn a_fresh_command_replaces_one_that_waits_and_an_answered_or_other_question_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    assert_eq!(center.hand_in("ab", "{\"a\":1}"), HandedIn::Taken);
    assert_eq!(center.hand_in("ab", "{\"a\":1}"), HandedIn::Taken);
    assert_eq!(center.request("ab").attempts, 2);
    assert_eq!(center.hand_in("ab", "{\"a\":2}"), HandedIn::Other);
    center.take(vec![batch(7, "answer", vec![bare(1, answer(RequestStatus::Refused))])]).unwrap();
    assert_eq!(center.hand_in("ab", "{\"a\":1}"), HandedIn::Answered);
    // A refusal is the end: a late "accepted" does not undo it.
    center.take(vec![batch(7, "answer", vec![bare(2, answer(RequestStatus::Accepted))])]).unwrap();
    assert_eq!(center.request("ab").status, RequestStatus::Refused);
}
