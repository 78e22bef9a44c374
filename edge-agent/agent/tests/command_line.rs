#![cfg(test)]
//! What the program says, and with which status it ends, where it is asked for what cannot be. No model is needed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Status and standard error.
fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge-agent"));
    let output = command.args(arguments).env_remove("STATE_DIRECTORY").output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A second of moving bars whose index comes first, so that a part of it can be read.
fn film(folder: &Path) -> PathBuf {
    let film = folder.join("film.mp4");
    let mut draw = Command::new("ffmpeg");
    draw.args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=20", "-frames:v", "20"]);
    draw.args(["-c:v", "libx264", "-g", "5", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]);
    assert!(draw.arg(&film).status().expect("ffmpeg, see setup-test").success());
    film
}

#[test]
fn a_file_that_is_no_video_is_told_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (absent, noise) = (folder.path().join("absent.mp4"), folder.path().join("noise.mp4"));
    std::fs::File::create(&noise).unwrap().set_len(5000).unwrap();
    for (video, words) in [
        (text(&absent), "absent.mp4: No such file or directory"),
        (text(folder.path()), "is a folder: name a video in it"),
        (text(&noise), "noise.mp4: is no video"),
    ] {
        let (status, words_said) = said(&["inspect", "care", video]);
        assert!(status == Some(1) && words_said.contains(words), "{words_said}");
        assert!(!words_said.contains("decodebin"), "{words_said}");
    }
}

#[test]
fn a_video_that_ends_early_is_told_and_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path());
    assert_eq!(said(&["inspect", "care", text(&film)]), (Some(0), String::new()));
    let whole = std::fs::metadata(&film).unwrap().len();
    std::fs::File::options().write(true).open(&film).unwrap().set_len(whole * 2 / 3).unwrap();
    let (status, words) = said(&["inspect", "care", text(&film)]);
    assert!(status == Some(1) && words.contains("film.mp4: the file is cut off: what followed its "), "{words}");
}

#[test]
fn a_rate_of_nothing_and_a_place_that_takes_no_rows_are_refused_before_a_video_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    for rate in ["--fps=0", "--fps=-3", "--fps=nan"] {
        let (status, words) = said(&["replay", "absent.mp4", rate]);
        assert!(status == Some(2) && words.contains("give a number above 0"), "{words}");
    }
    let (there, nowhere) = (folder.path().join("rows.txt"), folder.path().join("nope/rows.txt"));
    std::fs::File::create(&there).unwrap();
    for (rows, words) in [(&there, "is there already and is not overwritten"), (&nowhere, "there is no folder ")] {
        let (status, words_said) = said(&["inspect", "track", "absent.mp4", "--mot", text(rows)]);
        assert!(status == Some(1) && words_said.contains(words), "{words_said}");
    }
}

#[test]
fn how_far_an_update_is_is_not_told_of_a_unit_that_nothing_is_known_of() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("edge-agent.toml");
    let status = || said(&["update", "status", "--config", text(&config)]);
    let (ended, words) = status();
    assert!(ended == Some(1) && words.contains("edge-agent.toml: No such file or directory"), "{words}");
    std::fs::File::create(&config).unwrap().set_len(10).unwrap();
    let (ended, words) = status();
    assert!(ended == Some(1) && words.contains("not valid TOML"), "{words}");
    // What else is wrong with it does not matter here.
    let line = format!("data_dir = {:?}\nunit = 7\n", folder.path());
    std::io::Write::write_all(&mut std::fs::File::create(&config).unwrap(), line.as_bytes()).unwrap();
    assert_eq!(status().0, Some(0));
}

#[test]
fn an_enrolment_that_cannot_begin_says_what_is_missing_once_and_has_the_status_of_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("edge-agent.toml");
    let claim = folder.path().join("claim");
    let enroll = || said(&["enroll", "--config", text(&config), "--claim", text(&claim)]);
    let (ended, words) = enroll();
    assert!(ended == Some(78) && words.matches("No such file").count() == 1, "{words}");
    let line = format!("enrolment = {:?}\n", folder.path().join("identity"));
    std::io::Write::write_all(&mut std::fs::File::create(&config).unwrap(), line.as_bytes()).unwrap();
    let (ended, words) = enroll();
    assert!(ended == Some(1) && words.contains("names the folder `claim` that `rtcc factory` has made"), "{words}");
    std::fs::create_dir(&claim).unwrap();
    std::fs::create_dir(claim.join("unit.toml")).unwrap();
    let (_, words) = enroll();
    assert_eq!(words.matches("Is a directory").count(), 1, "{words}");
}
