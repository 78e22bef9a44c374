//! The boards' programs for the key of their data partition, before chips that are scripts.
//! The TPM's own, and the way from there to whoever opens the partition, are tried in `edge-agent/data-key/tests`.

use std::path::Path;
use std::process::{Command, Output};

/// A board's program, and the tool that it asks.
struct Board {
    layer: &'static str,
    tool: &'static str,
}

const RASPBERRY_PI: Board = Board { layer: "raspberrypi", tool: "rpi-fw-crypto" };
const JETSON: Board = Board { layer: "tegra", tool: "nvluks-srv-app" };

impl Board {
    /// What the program prints where the tool does what `script` says.
    fn key(&self, script: &str) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(self.tool);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let search = format!("{}:/usr/bin:/bin", folder.path().display());
        let layer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../yocto/meta-edge-agent/dynamic-layers");
        let program = layer.join(self.layer).join("recipes-core/edge-data-key/files/data-key");
        Command::new(program).env_clear().env("PATH", search).output().unwrap()
    }

    fn gives_nothing(&self, what: &str, script: &str) {
        let output = self.key(script);
        assert!(!output.status.success() && output.stdout.is_empty(), "{what}: {:?}", output.stdout);
    }
}

#[test]
fn the_firmware_s_answer_is_the_key_and_nothing_else_is() {
    let digits = "0123456789abcdef".repeat(4);
    // The tool asks for what it is given: the purpose, under the device key.
    let asked = "[ \"$(cat \"$3\")\" = 'edge-agent data partition 1' ] && \
                 [ \"$1 $2 $4 $5 $6 $7\" = 'hmac --in --key-id 1 --outform hex' ]";
    let output = RASPBERRY_PI.key(&format!("{asked} && echo {digits}"));
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
        RASPBERRY_PI.gives_nothing(what, &tool);
    }
}

#[test]
fn what_jetson_s_service_says_of_its_failures_is_no_key() {
    let digits = "0123456789abcdef".repeat(2);
    // -u: this chip's own, and no other board's of the fleet.
    let output = JETSON.key(&format!("[ \"$*\" = '-u -c edge-agent-data' ] && echo {digits}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, digits.as_bytes(), "no end of line, which would belong to the key");
    for (what, script) in [
        // Its own way to fail: in words, where the key would be, and with exit status 0.
        ("a trusted execution environment that refuses", "echo 'TEEC_InvokeCommand failed 0xffff0008 origin 0x3'"),
        ("words as long as a key", "echo 'TEEC_InvokeCommand failed 0xffff'"),
        ("nothing", "exit 0"),
        ("one that prints a key and fails", &format!("echo {digits}; exit 1")),
        ("half a key", "echo 0123456789abcdef"),
        ("no such service", "exit 127"),
    ] {
        JETSON.gives_nothing(what, script);
    }
}
