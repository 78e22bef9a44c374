//! A Raspberry Pi's program for the key of its data partition, before a firmware that is a script.
//! The TPM's own is tried in `edge-agent/data-key/tests`.

use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = "yocto/meta-edge-agent/dynamic-layers/raspberrypi/recipes-core/edge-data-key/files/data-key";

/// What the program prints where the firmware's tool does what `tool` says.
fn key(tool: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rpi-fw-crypto");
    std::fs::write(&path, format!("#!/bin/sh\n{tool}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let search = format!("{}:/usr/bin:/bin", folder.path().display());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PROGRAM);
    Command::new(program).env_clear().env("PATH", search).output().unwrap()
}

#[test]
fn the_firmware_s_answer_is_the_key_and_nothing_else_is() {
    let digits = "0123456789abcdef".repeat(4);
    // The tool asks for what it is given: the purpose, under the device key.
    let asked = "[ \"$(cat \"$3\")\" = 'edge-agent data partition 1' ] && \
                 [ \"$1 $2 $4 $5 $6 $7\" = 'hmac --in --key-id 1 --outform hex' ]";
    let output = key(&format!("{asked} && echo {digits}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, digits.as_bytes(), "no end of line, which would belong to the key");
    let (long, spoilt) = (format!("{digits}0"), digits.replace('f', "x"));
    for (what, tool) in [
        ("a board whose device key was never burnt", "echo 'Key not set' >&2; exit 250".to_owned()),
        ("one that prints a key and fails", format!("echo {digits}; exit 1")),
        ("nothing", "exit 0".to_owned()),
        ("half a key", "echo 0123456789abcdef".to_owned()),
        ("too much", format!("echo {long}")),
        ("words", format!("echo {spoilt}")),
    ] {
        let output = key(&tool);
        assert!(!output.status.success() && output.stdout.is_empty(), "{what}: {:?}", output.stdout);
    }
}
