//! What cameras do wrong: each time the technician reads a clear reason, the camera is tried again, and a healthy
//! camera beside it never notices. Capture runs here as on the box, against an RTSP camera scripted to misbehave.
#![cfg(test)]

mod camera;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use camera::{Watched, patient, quick};
use edge_agent::capture::{Source, State, Transport, Trouble, Trust};
use edge_protocol::media::Codec;
use edge_tests::pki::Pki;
use edge_tests::proxy::{Link, Proxy};
use edge_tests::rtsp::{Access, Coding, Reel, RtspCamera};

/// What all stages together have for a stop.
const GRACE: Duration = Duration::from_secs(5);

fn reel() -> Reel {
    Reel::drawn(Coding::H264, (320, 240), 15, 45)
}

fn rtsp(url: &str) -> Source {
    Source::Rtsp { url: url.to_owned(), transport: Transport::Tcp, credentials: None, trust: Trust::System }
}

fn with_password(url: &str, file: &Path) -> Source {
    let credentials = Some(file.to_owned());
    Source::Rtsp { url: url.to_owned(), transport: Transport::Tcp, credentials, trust: Trust::System }
}

/// Writes user and password as the agent wants them: in a file that only its owner may read.
fn write_password(file: &Path, password: &str) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(file).expect("a file");
    writeln!(file, "viewer:{password}").expect("a written file");
}

/// Runs `fault` beside a healthy camera, which must stay well throughout.
fn beside_a_healthy_camera(fault: impl FnOnce()) {
    let camera = RtspCamera::start(reel());
    let healthy = Watched::start("healthy", patient(rtsp(&camera.url())));
    healthy.wait_for_units(5);
    fault();
    let before = healthy.health().units;
    healthy.wait_for_units(before + 5);
    let health = healthy.health();
    assert_eq!((health.state, health.reconnects, health.losses), (State::Receiving, 0, 0));
}

#[test]
fn a_wrong_address_is_said_and_tried_again() {
    beside_a_healthy_camera(|| {
        let mut camera = RtspCamera::start(reel());
        let url = camera.url();
        camera.stop();
        let refused = Watched::start("refused", quick(rtsp(&url)));
        refused.wait_for_trouble(&Trouble::Refused);
        let unknown = Watched::start("unknown", quick(rtsp("rtsp://camera.invalid/stream")));
        unknown.wait_for_trouble(&Trouble::UnknownName);
        camera.restart();
        refused.wait_for_units(5);
        let wrong_path = Watched::start("path", quick(rtsp(&url.replace("stream", "other"))));
        wrong_path.wait_for_trouble(&Trouble::NoSuchStream);
    });
}

#[test]
fn a_refused_password_is_said_without_repeating_it() {
    beside_a_healthy_camera(|| {
        let digest = Some(("viewer".to_owned(), "right-secret".to_owned()));
        let camera = RtspCamera::start_with(reel(), Access { digest, tls: None });
        let nobody = Watched::start("nobody", quick(rtsp(&camera.url())));
        nobody.wait_for_trouble(&Trouble::CredentialsMissing);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("credentials");
        write_password(&file, "wrong-secret");
        let wrong = Watched::start("wrong", quick(with_password(&camera.url(), &file)));
        wrong.wait_for_trouble(&Trouble::CredentialsRefused);
        assert!(!format!("{:?} {}", wrong.health(), wrong.health().state).contains("secret"));
        // A password that is put right needs no restart.
        write_password(&file, "right-secret");
        wrong.wait_for_units(5);
    });
}

#[test]
fn credentials_that_cannot_be_read_cost_that_camera_alone_and_are_tried_again() {
    beside_a_healthy_camera(|| {
        let digest = Some(("viewer".to_owned(), "secret".to_owned()));
        let camera = RtspCamera::start_with(reel(), Access { digest, tls: None });
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("credentials");
        let watched = Watched::start("late", quick(with_password(&camera.url(), &file)));
        watched.wait("the credentials' file named", |health| {
            let named = |words: &str| words.contains("credentials");
            matches!(&health.state, State::Waiting { trouble: Trouble::Credentials(words), .. } if named(words))
        });
        write_password(&file, "secret");
        watched.wait_for_units(5);
    });
}

#[test]
fn a_camera_over_tls_must_show_the_certificate_that_is_trusted() {
    let (pki, foreign) = (Pki::new("city"), Pki::new("town"));
    let camera = RtspCamera::start_with(reel(), Access { digest: None, tls: Some(pki.server()) });
    let trusting = |root| Source::Rtsp {
        url: camera.url(),
        transport: Transport::Tcp,
        credentials: None,
        trust: Trust::Certificate(root),
    };
    Watched::start("trusted", quick(trusting(pki.root_path()))).wait_for_units(5);
    Watched::start("foreign", quick(trusting(foreign.root_path()))).wait_for_trouble(&Trouble::Certificate);
}

#[test]
fn packets_that_travel_by_themselves_arrive() {
    let camera = RtspCamera::start(reel());
    let source = Source::Rtsp { url: camera.url(), transport: Transport::Udp, credentials: None, trust: Trust::System };
    Watched::start("udp", patient(source)).wait_for_units(20);
}

#[test]
fn a_half_open_connection_is_given_up_and_made_again() {
    beside_a_healthy_camera(|| {
        let camera = RtspCamera::start(reel());
        let link = Proxy::to(([127, 0, 0, 1], camera.port()).into());
        let settings = quick(rtsp(&camera.url_at(link.port())));
        let silence = settings.watchdog.silence;
        let watched = Watched::start("half-open", settings);
        watched.wait_for_units(5);
        link.set(Link::Held);
        watched.wait_for_trouble(&Trouble::Silent(silence));
        link.set(Link::Open);
        let before = watched.health().units;
        watched.wait_for_units(before + 5);
    });
}

#[test]
fn a_camera_that_hangs_is_let_go_within_the_grace_of_a_stop() {
    let camera = RtspCamera::start(reel());
    let link = Proxy::to(([127, 0, 0, 1], camera.port()).into());
    let receiving = Watched::start("receiving", patient(rtsp(&camera.url_at(link.port()))));
    receiving.wait_for_units(5);
    link.set(Link::Held);
    let connecting = Watched::start("connecting", patient(rtsp(&camera.url_at(link.port()))));
    connecting.wait("the attempt", |health| health.state == State::Connecting);
    assert!(receiving.stop() < GRACE && connecting.stop() < GRACE);
}

#[test]
fn a_camera_that_sends_a_byte_a_second_is_given_up() {
    beside_a_healthy_camera(|| {
        let camera = RtspCamera::start(reel());
        let link = Proxy::to(([127, 0, 0, 1], camera.port()).into());
        link.set(Link::Slow(1));
        let settings = quick(rtsp(&camera.url_at(link.port())));
        let first = settings.watchdog.first;
        Watched::start("slow", settings).wait_for_trouble(&Trouble::NoPicture(first));
    });
}

#[test]
fn a_camera_that_changes_its_codec_is_followed() {
    beside_a_healthy_camera(|| {
        let camera = RtspCamera::start(reel());
        let watched = Watched::start("changing", quick(rtsp(&camera.url())));
        watched.wait_for_units(5);
        for (coding, codec) in [(Coding::H265, Codec::H265), (Coding::Mjpeg, Codec::Mjpeg)] {
            camera.change_reel(Reel::drawn(coding, (160, 120), 15, 30));
            watched.wait("the new codec", |health| health.codec == Some(codec));
            watched.wait("the new size", |health| health.size == Some((160, 120)));
        }
        watched.assert_times_rise();
    });
}

#[test]
fn timestamps_that_step_back_do_not_take_the_line_with_them() {
    beside_a_healthy_camera(|| {
        let camera = RtspCamera::start(reel());
        let watched = Watched::start("backward", quick(rtsp(&camera.url())));
        watched.wait_for_units(45);
        camera.script().step_back(Duration::from_secs(2));
        watched.wait_for_units(90);
        watched.assert_times_rise();
    });
}

#[test]
fn a_stream_without_key_pictures_is_said_and_asked_for_again() {
    beside_a_healthy_camera(|| {
        let camera = RtspCamera::start(reel());
        camera.script().without_keys(true);
        let settings = quick(rtsp(&camera.url()));
        let key = settings.watchdog.key;
        let watched = Watched::start("keyless", settings);
        // The camera's description of the stream waits for parameter sets, which come with key pictures.
        watched.wait("either word", |health| {
            matches!(
                &health.state,
                State::Waiting {
                    trouble: Trouble::NoKeyPicture(_)
                        | Trouble::NoPicture(_)
                        | Trouble::Stream(_)
                        | Trouble::Unreachable
                        | Trouble::NotRtsp,
                    ..
                }
            )
        });
        camera.script().without_keys(false);
        watched.wait("a key picture", |health| health.state == State::Receiving && health.units > 0);
        camera.script().without_keys(true);
        watched.wait("the words", |health| {
            matches!(health.state, State::Waiting { trouble: Trouble::NoKeyPicture(within), .. } if within == key)
        });
        camera.script().without_keys(false);
        watched.wait("pictures again", |health| health.state == State::Receiving);
    });
}

#[test]
fn damaged_pictures_are_passed_on_and_harm_nobody() {
    beside_a_healthy_camera(|| {
        let camera = RtspCamera::start(reel());
        camera.script().damage(7);
        let watched = Watched::start("damaged", quick(rtsp(&camera.url())));
        watched.wait_for_units(60);
        watched.assert_times_rise();
    });
}

#[test]
fn a_camera_that_reboots_is_back_by_itself() {
    beside_a_healthy_camera(|| {
        let mut camera = RtspCamera::start(reel());
        let watched = Watched::start("rebooting", quick(rtsp(&camera.url())));
        watched.wait_for_units(10);
        camera.stop();
        watched.wait("the trouble", |health| matches!(health.state, State::Waiting { .. }));
        camera.restart();
        let before = watched.health().units;
        watched.wait_for_units(before + 10);
        assert!(watched.health().reconnects > 0);
        watched.assert_times_rise();
    });
}

#[test]
fn pictures_are_passed_on_byte_for_byte() {
    let reel = Reel::drawn(Coding::H264, (320, 240), 15, 30);
    let sent: Vec<Vec<u8>> =
        reel.pictures.iter().map(|picture| edge_agent::media::nal::to_length_prefixed(&picture.bytes)).collect();
    let camera = RtspCamera::start(reel);
    let watched = Watched::start("exact", quick(rtsp(&camera.url())));
    watched.wait_for_units(45);
    let units = watched.units();
    let first = sent.iter().position(|bytes| bytes[..] == units[0].bytes[..]).expect("the first picture is one sent");
    for (unit, sent) in units.iter().zip(sent.iter().cycle().skip(first)) {
        assert!(unit.bytes[..] == sent[..], "a picture was changed on the way");
    }
}
