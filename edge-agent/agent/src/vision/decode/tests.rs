//! Real decoders on pictures that the test makes itself.

use std::sync::Mutex;

use super::*;

const H264_KEY: &[u8] = include_bytes!("warmup/key.h264");
const JPEG: &[u8] = include_bytes!("warmup/key.jpeg");

type Seen = Arc<Mutex<Vec<(i64, u32)>>>;

/// A decoder that notes time and width of every frame.
fn decoder(full: WhenFull) -> (Decoder, Seen) {
    gstreamer::init().unwrap();
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let on_frame = move |frame: Frame| {
        let width = frame.picture().unwrap().width();
        noted.lock().unwrap().push((frame.media().as_nanos(), width));
    };
    (Decoder::new(Vec::new(), full, Arc::new(on_frame)), seen)
}

fn unit(codec: Codec, ms: i64, bytes: &[u8]) -> Unit {
    let time = MediaTime::from_nanos(ms * 1_000_000);
    Unit { codec, media: time, decode: time, key: true, bytes: bytes.to_vec() }
}

fn times(seen: &Seen) -> Vec<i64> {
    seen.lock().unwrap().iter().map(|(media, _)| media / 1_000_000).collect()
}

#[test]
fn this_machine_decodes_all_three_codings() {
    assert_eq!(warm_up(&[]).unwrap(), Vec::<String>::new());
    let absent = warm_up(&["avdec_h264".to_owned(), "nosuchdec".to_owned()]).unwrap();
    assert_eq!(absent, ["with nosuchdec: this machine has no decoder of that name"]);
}

#[test]
fn every_access_unit_comes_out_with_its_own_time_also_before_zero() {
    let (mut decoder, seen) = decoder(WhenFull::Wait);
    for ms in [-40, 0, 40, 80] {
        assert_eq!(decoder.take(unit(Codec::H264, ms, H264_KEY)).unwrap(), Taken::Decoding);
    }
    decoder.drain().unwrap();
    assert_eq!(times(&seen), [-40, 0, 40, 80]);
    assert!(seen.lock().unwrap().iter().all(|(_, width)| *width == 64));
}

#[test]
fn a_camera_that_changes_its_codec_goes_on_with_another_decoder() {
    let (mut decoder, seen) = decoder(WhenFull::Wait);
    decoder.take(unit(Codec::H264, 0, H264_KEY)).unwrap();
    let first = decoder.name().to_owned();
    decoder.running.as_ref().unwrap().pipeline.drain().unwrap();
    decoder.take(unit(Codec::Mjpeg, 40, JPEG)).unwrap();
    assert_ne!(decoder.name(), first);
    decoder.drain().unwrap();
    assert_eq!(times(&seen), [0, 40]);
}

#[test]
fn nothing_goes_in_before_a_key_frame_and_damage_never() {
    let (mut decoder, _) = decoder(WhenFull::Wait);
    let mut late = unit(Codec::H264, 0, H264_KEY);
    late.key = false;
    assert_eq!(decoder.take(late).unwrap(), Taken::NoKeyYet);
    assert_eq!(decoder.take(unit(Codec::H264, 0, &H264_KEY[..50])).unwrap(), Taken::Damaged);
    assert_eq!(decoder.name(), "");
}

#[test]
fn time_that_runs_backward_begins_a_new_time_line() {
    let (mut decoder, seen) = decoder(WhenFull::Wait);
    decoder.take(unit(Codec::H264, 10_000, H264_KEY)).unwrap();
    decoder.running.as_ref().unwrap().pipeline.drain().unwrap();
    decoder.take(unit(Codec::H264, 3, H264_KEY)).unwrap();
    assert_eq!(decoder.rebuilt(), 1);
    decoder.drain().unwrap();
    assert_eq!(times(&seen), [10_000, 3]);
}

#[test]
fn noise_in_place_of_pictures_ends_in_an_error_or_nothing_and_a_key_frame_heals_it() {
    let (mut decoder, seen) = decoder(WhenFull::Wait);
    let mut state = 7_u32;
    for step in 0..40 {
        let mut noise = vec![0, 0, 0, 200];
        noise.extend(
            std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                u8::try_from(state >> 24).unwrap()
            })
            .take(200),
        );
        // Either outcome is fine; what matters is that the next picture is decoded.
        drop(decoder.take(unit(Codec::H264, step * 40, &noise)));
    }
    for ms in [2000, 2040] {
        drop(decoder.take(unit(Codec::H264, ms, H264_KEY)));
    }
    decoder.drain().unwrap();
    assert_eq!(times(&seen).last(), Some(&2040));
}

#[test]
fn a_decoder_that_gives_no_picture_makes_way_for_another() {
    let (mut decoder, seen) = decoder(WhenFull::Wait);
    decoder.take(unit(Codec::H264, 0, H264_KEY)).unwrap();
    // An access unit delimiter alone: well formed, and no picture.
    let nothing = [0, 0, 0, 2, 9, 0x10];
    let mut complaint = None;
    for tenth in 1..=300 {
        if let Err(error) = decoder.take(unit(Codec::H264, tenth * 100, &nothing)) {
            complaint.get_or_insert((tenth, error.to_string()));
        }
    }
    let (tenth, words) = complaint.expect("it is given up");
    assert!((101..=130).contains(&tenth) && words.contains("gave no picture"), "after {tenth}: {words}");
    let before = times(&seen).len();
    decoder.take(unit(Codec::H264, 31_000, H264_KEY)).unwrap();
    decoder.drain().unwrap();
    assert!(times(&seen).len() > before, "the next one decodes");
}

#[test]
fn a_decoder_that_takes_nothing_more_makes_way_however_rare_key_frames_are() {
    let (mut decoder, _) = decoder(WhenFull::Drop);
    decoder.take(unit(Codec::H264, 0, H264_KEY)).unwrap();
    decoder.running.as_ref().unwrap().pipeline.hang();
    let delta = |ms| Unit { key: false, ..unit(Codec::H264, ms, H264_KEY) };
    let given_up = (1..=300).find(|tenth| decoder.take(delta(tenth * 100)).is_err()).expect("it is given up");
    assert!((101..=130).contains(&given_up), "after {given_up} tenths of a second");
}
