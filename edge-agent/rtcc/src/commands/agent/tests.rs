//! Releases as their maker signs them, and what is refused before anything is signed.

use std::fs::File;

use edge_protocol::command::Role;
use rcgen::KeyPair;
use rtcc::pki::Authority;

use super::*;
use crate::commands::stage::maker::{Maker, PROGRAM};

/// What is said of what is refused; nothing was written.
fn refusal(maker: &Maker, given: &[(&str, &str)]) -> String {
    let words = maker.release(given).unwrap_err();
    assert!(!maker.path("agent.release").exists(), "{words}");
    words
}

#[test]
fn a_release_is_good_under_the_root_of_whoever_makes_images() {
    let maker = Maker::new();
    maker.release(&[]).unwrap();
    let whole = std::fs::read(maker.path("agent.release")).unwrap();
    let (first, rest) = whole.split_first_chunk::<12>().unwrap();
    let (sealed, program) = rest.split_at(AgentRelease::manifest_length(*first).unwrap());
    assert_eq!(program, PROGRAM);
    let now = Some(WallTime::from_micros(wall_us()));
    let release = AgentRelease::open(sealed, &maker.root, now).unwrap();
    assert_eq!((release.software.to_string().as_str(), release.bytes), ("1.4.1", PROGRAM.len() as u64));
    assert_eq!(release.images, ["1.4.0", "1.4.0-rc.1"].map(|image| image.parse().unwrap()));
    assert_eq!(release.hash, Hash256::of(PROGRAM));
    assert!(AgentRelease::open(sealed, &Maker::new().root, now).is_err(), "another maker's");
}

#[test]
fn a_program_that_cannot_be_one_is_refused() {
    let maker = Maker::new();
    maker.write("edge-agent.sh", b"#!/bin/sh\n");
    maker.write("empty", b"");
    for name in ["edge-agent.sh", "empty"] {
        let words = refusal(&maker, &[("--program", name)]);
        assert!(words.contains(&format!("{name} is no ELF file")), "{words}");
    }
    File::create(maker.path("huge")).unwrap().set_len(MAX_PROGRAM_BYTES + 1).unwrap();
    let words = refusal(&maker, &[("--program", "huge")]);
    assert!(words.contains("huge has 134217729 bytes, and a unit takes 134217728 at most"), "{words}");
    let words = refusal(&maker, &[("--program", "nowhere")]);
    assert!(words.contains("cannot read") && words.contains("nowhere"), "{words}");
}

#[test]
fn whoever_cannot_sign_a_release_is_told() {
    let maker = Maker::new();
    let words = refusal(&maker, &[("--key", "signing.pem"), ("--cert", "signing.key")]);
    assert!(words.contains("--key and --cert are exchanged"), "{words}");
    maker.write("other.key", KeyPair::generate().unwrap().serialize_pem().as_bytes());
    let words = refusal(&maker, &[("--key", "other.key")]);
    assert!(words.contains("does the key belong to the certificate?"), "{words}");
    let agency = Authority::create(&maker.path("pki"), &"metro".parse().unwrap(), wall_us()).unwrap();
    let pat = rtcc::pki::Subject::Person("pat".parse().unwrap(), Role::PolicyAdmin);
    agency.issue(&pat, wall_us()).unwrap();
    let words = refusal(&maker, &[("--key", "pki/person-pat.key"), ("--cert", "pki/person-pat.pem")]);
    assert!(words.contains("pat's certificate: releases are signed by whoever signs images"), "{words}");
}

#[test]
fn more_images_than_a_release_is_for_are_refused() {
    let maker = Maker::new();
    let words = refusal(&maker, &[("--images", &["1.4.0"; MAX_IMAGES + 1].join(","))]);
    assert!(words.contains("--images names more than 32"), "{words}");
}

#[test]
fn an_image_that_would_refuse_it_is_named() {
    let maker = Maker::new();
    for image in ["1.4.1", "1.5.0"] {
        let words = refusal(&maker, &[("--images", &format!("1.4.0,{image}"))]);
        assert!(words.contains(&format!("image {image} brings an agent that is as new as 1.4.1 or newer")), "{words}");
    }
}

#[test]
fn what_a_unit_could_not_compare_is_no_version() {
    let maker = Maker::new();
    for wrong in [("--software", "1.4"), ("--images", "1.4.0,latest"), ("--images", "")] {
        let words = refusal(&maker, &[wrong]);
        assert!(words.contains("is not a version such as 1.4.0 or 1.5.0-rc.1"), "{words}");
    }
}
